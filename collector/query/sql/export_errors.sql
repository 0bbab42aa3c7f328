-- Which errors happened, in order, and which of them are settled? One slice of an export, as `export_interactions`; errors as `errors`.
SELECT * EXCEPT (attributes, attributes_as_json), {attributes:Identifier} AS attributes
FROM
(
  SELECT *, toJSONString(attributes) AS attributes_as_json,
    (tenant, trace_id, span_id) IN (SELECT tenant, trace_id, span_id FROM otel.error_resolutions FINAL WHERE resolved)
      OR (attributes['interaction.resolved'] = 'true'
        AND (tenant, trace_id, span_id) NOT IN (SELECT tenant, trace_id, span_id FROM otel.error_resolutions FINAL WHERE NOT resolved)) AS resolved
  FROM otel.interactions
)
WHERE (type = 'error' OR (status = 'error' AND type != 'session_end'))
  AND ({session:String} = '' OR session_id = {session:String})
  AND ({user:String} = '' OR user_id = {user:String})
  AND ({type:String} = '' OR type = {type:String})
  AND ts >= fromUnixTimestamp64Nano({since:Int64}, 'UTC') AND ts < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
ORDER BY ts, tenant, span_id
