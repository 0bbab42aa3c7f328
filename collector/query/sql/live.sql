-- What arrived since, in the order of its arrival? A page of it, behind the span `behind` of that very moment.
SELECT *, toUnixTimestamp64Nano(received_at) AS received_nano
FROM otel.interactions
WHERE received_at >= fromUnixTimestamp64Nano({since:Int64}, 'UTC')
  AND (toUnixTimestamp64Nano(received_at), span_id) > ({since:Int64}, {behind:String})
  AND ({session:String} = '' OR session_id = {session:String})
  AND ({user:String} = '' OR user_id = {user:String})
  AND ({type:String} = '' OR type = {type:String})
  AND ({category:String} = '' OR category = {category:String})
  AND ({severity:String} = '' OR severity = {severity:String})
ORDER BY received_at, span_id
LIMIT {limit:UInt32}
