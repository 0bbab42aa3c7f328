-- Which models answered in this time? See tenant.sql for what is left out.
SELECT DISTINCT CAST(if(ResponseModel != '', ResponseModel, Model), 'String') AS model
FROM otel.otel_traces
WHERE $__timeFilter(Timestamp) AND InteractionType IN ('assistant_response', 'generation') AND model != '' AND NOT match(model, '[\\\\$]')
ORDER BY model
