-- An arrow leads from who asked to who was asked.
SELECT
  concat(asker.1, ':', asker.2, ' > ', kind, ':', called) AS id,
  concat(asker.1, ':', asker.2) AS source,
  concat(kind, ':', called) AS target,
  concat(toString(count()), '×') AS mainstat
FROM
(
  WITH
    acting AS
    (
      {{> actors}}
    )
  SELECT
    of_span.kind AS kind,
    of_span.called AS called,
    multiIf(
      of_parent.kind != '', (of_parent.kind, of_parent.called),
      first_agent.kind != '' AND of_span.kind != 'agent', (first_agent.kind, first_agent.called),
      first_service) AS asker
  FROM acting AS of_span
  LEFT JOIN acting AS of_parent ON of_parent.SpanId = of_span.ParentSpanId
  CROSS JOIN (SELECT argMin(kind, Timestamp) AS kind, argMin(called, Timestamp) AS called FROM acting WHERE acting.kind = 'agent') AS first_agent
  CROSS JOIN (SELECT ('service', argMin(called, Timestamp)) AS first_service FROM acting WHERE acting.kind = 'service') AS of_service
  WHERE of_span.kind NOT IN ('', 'service')
)
WHERE asker.2 != '' AND asker != (kind, called)
GROUP BY asker, kind, called
ORDER BY id
