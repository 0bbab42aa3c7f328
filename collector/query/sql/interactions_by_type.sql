-- How many interactions of each type were recorded, and how many failed?
SELECT type, count() AS interactions, countIf(status = 'error') AS failed
FROM otel.interactions
GROUP BY type
ORDER BY interactions DESC, type
