-- Which interactions were there, in order? One slice of an export; `attributes` names the column that holds them, a map or its JSON.
SELECT * EXCEPT (attributes, attributes_as_json), {attributes:Identifier} AS attributes
FROM (SELECT *, toJSONString(attributes) AS attributes_as_json FROM otel.interactions)
WHERE ({session:String} = '' OR session_id = {session:String})
  AND ({user:String} = '' OR user_id = {user:String})
  AND ({type:String} = '' OR type = {type:String})
  AND ts >= fromUnixTimestamp64Nano({since:Int64}, 'UTC') AND ts < fromUnixTimestamp64Nano({until:Int64}, 'UTC')
ORDER BY ts, tenant, span_id
