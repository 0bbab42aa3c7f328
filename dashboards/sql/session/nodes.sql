-- Who called whom: the user, agents, models and tools of the trace, with calls and time, errors are the red part of a ring.
SELECT
  concat(kind, ':', called) AS id,
  called AS title,
  kind AS subtitle,
  concat(toString(count()), if(count() = 1, ' call', ' calls')) AS mainstat,
  concat(toString(round(avg(DurationMs))), ' ms') AS secondarystat,
  1 - countIf(StatusCode = 'Error') / count() AS arc__ok,
  countIf(StatusCode = 'Error') / count() AS arc__failed
FROM
(
  {{> actors}}
)
WHERE kind != ''
GROUP BY kind, called
ORDER BY id
