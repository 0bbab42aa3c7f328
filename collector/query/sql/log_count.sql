-- How many interactions are there of which `log_keys` is a page?
SELECT count() AS total
FROM otel.interactions
WHERE ({session:String} = '' OR session_id = {session:String})
  AND ({user:String} = '' OR user_id = {user:String})
  AND ({type:String} = '' OR type = {type:String})
  AND ({category:String} = '' OR category = {category:String})
  AND ({severity:String} = '' OR severity = {severity:String})
  AND ({since:Int64} = 0 OR ts >= fromUnixTimestamp64Nano({since:Int64}, 'UTC'))
  AND ({until:Int64} = 0 OR ts < fromUnixTimestamp64Nano({until:Int64}, 'UTC'))
