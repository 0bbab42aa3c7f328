-- What did people ask most in the last day of this time? Questions that differ in case, white space, digits or punctuation only are the same one, as are those that agree in their first 1,000 characters. It reads what people said and is dear: hence one day.
WITH
  substringUTF8(input_text, 1, 1000) AS said,
  trimBoth(replaceRegexpAll(replaceRegexpAll(lowerUTF8(said), '[^\\pL\\pM\\pN]+', ' '), '\\pN+', '#')) AS words
SELECT
  substringUTF8(argMax(example, (times, example)), 1, 500) AS "Prompt",
  sum(times) AS "Asked",
  uniqExact(session) AS "Sessions",
  uniqExactIf((of_tenant, user_id), user_id != '') AS "Users",
  max(last_asked) AS "Last"
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
  WHERE {{rows}}
    AND type IN ('user_message', 'audio_input', 'generation') AND role = 'user'
    AND ts >= $__toTime - toIntervalDay(1)
  GROUP BY session, normalized
)
WHERE normalized != ''
GROUP BY normalized
ORDER BY "Asked" DESC, "Prompt"
LIMIT 25
