-- What do people click, how often, and in how many sessions?
SELECT
  Action AS "Action",
  Component AS "Component",
  count() AS "Times",
  uniq(Tenant, SessionId) AS "Sessions",
  uniqIf((Tenant, UserId), UserId != '') AS "Users"
FROM otel.otel_traces
WHERE {{interactions -type}}
  AND InteractionType = 'ui_event'
GROUP BY Action, Component
ORDER BY "Times" DESC, "Component", "Action"
LIMIT 50
