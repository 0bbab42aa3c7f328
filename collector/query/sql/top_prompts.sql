-- What do people ask most?
-- Parameters: `since`, `until`: from, and before; `tenant`, '' for all; `limit`: so many of them. Reads what people said.
-- Questions that differ in case, white space, digits or punctuation only are the same one, as are those that agree in their
-- first 1,000 characters. One that was recorded as a message and in the call of a model counts once.
WITH
  substringUTF8(input_text, 1, 1000) AS said,
  trimBoth(replaceRegexpAll(replaceRegexpAll(lowerUTF8(said), '[^\\pL\\pM\\pN]+', ' '), '\\pN+', '#')) AS words
SELECT
  normalized,
  argMax(example, (times, example)) AS prompt,
  sum(times) AS asked,
  uniqExact(session) AS sessions,
  uniqExactIf((of_tenant, user_id), user_id != '') AS users,
  max(last_asked) AS last_asked_at
FROM
(
  SELECT
    any(tenant) AS of_tenant,
    cityHash64(tenant, session_id) AS session,
    if(words != '', words, trimBoth(said)) AS normalized,
    any(said) AS example,
    anyIf(user_id, user_id != '') AS user_id,
    greatest(countIf(type != 'generation'), countIf(type = 'generation')) AS times,
    max(ts) AS last_asked
  FROM otel.interactions
  WHERE type IN ('user_message', 'audio_input', 'generation') AND role = 'user' AND ({tenant:String} = '' OR tenant = {tenant:String})
    AND ts >= {since:DateTime64(9, 'UTC')} AND ts < {until:DateTime64(9, 'UTC')}
  GROUP BY session, normalized
)
WHERE normalized != ''
GROUP BY normalized
ORDER BY asked DESC, normalized
LIMIT {limit:UInt32}
