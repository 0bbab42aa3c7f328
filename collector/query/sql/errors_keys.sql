-- Which errors happened, the newest first, and which of them are settled? The ids of a page, as `log_keys`.
-- Errors are what sessions count. What somebody said last of an error holds (otel.error_resolutions), else what came with it
-- (interaction.resolved).
SELECT toUnixTimestamp64Nano(ts) AS nano, trace_id, span_id,
  (tenant, trace_id, span_id) IN (SELECT tenant, trace_id, span_id FROM otel.error_resolutions FINAL WHERE resolved)
    OR (attributes['interaction.resolved'] = 'true'
      AND (tenant, trace_id, span_id) NOT IN (SELECT tenant, trace_id, span_id FROM otel.error_resolutions FINAL WHERE NOT resolved)) AS resolved
FROM otel.interactions
WHERE (type = 'error' OR (status = 'error' AND type != 'session_end'))
  AND ({resolved:String} = '' OR resolved = ({resolved:String} = 'true'))
  AND ({session:String} = '' OR session_id = {session:String})
  AND ({since:Int64} = 0 OR ts >= fromUnixTimestamp64Nano({since:Int64}, 'UTC'))
  AND ({until:Int64} = 0 OR ts < fromUnixTimestamp64Nano({until:Int64}, 'UTC'))
  AND ({before:Int64} = 0 OR (ts <= fromUnixTimestamp64Nano({before:Int64}, 'UTC')
    AND (toUnixTimestamp64Nano(ts), span_id) < ({before:Int64}, {before_span:String})))
ORDER BY ts DESC, span_id DESC
LIMIT {limit:UInt32}
