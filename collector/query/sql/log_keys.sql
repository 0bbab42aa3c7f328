-- Which interactions were there, the newest first? The ids of a page: what stands behind (`before`, `before_span`), 0 for the first.
-- `interactions_of` tells what they are: so their texts are read for these rows only.
SELECT toUnixTimestamp64Nano(ts) AS nano, trace_id, span_id
FROM otel.interactions
WHERE ({session:String} = '' OR session_id = {session:String})
  AND ({user:String} = '' OR user_id = {user:String})
  AND ({type:String} = '' OR type = {type:String})
  AND ({category:String} = '' OR category = {category:String})
  AND ({severity:String} = '' OR severity = {severity:String})
  AND ({since:Int64} = 0 OR ts >= fromUnixTimestamp64Nano({since:Int64}, 'UTC'))
  AND ({until:Int64} = 0 OR ts < fromUnixTimestamp64Nano({until:Int64}, 'UTC'))
  AND ({before:Int64} = 0 OR (ts <= fromUnixTimestamp64Nano({before:Int64}, 'UTC')
    AND (toUnixTimestamp64Nano(ts), span_id) < ({before:Int64}, {before_span:String})))
ORDER BY ts DESC, span_id DESC
LIMIT {limit:UInt32} OFFSET {offset:UInt32}
