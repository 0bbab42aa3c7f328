-- Whether somebody waited for it: an answer, or a call of a model where its service records no answers (those inside an answer are
-- shorter than the wait, and would count once more).
(InteractionType = 'assistant_response' OR (InteractionType = 'generation' AND (Tenant, ServiceName) NOT IN (
    SELECT tenant, service FROM otel.daily_stats_state
    WHERE type = 'assistant_response' AND day >= toDate($__fromTime, 'UTC') AND day <= toDate($__toTime, 'UTC'))))
