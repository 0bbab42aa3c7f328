-- One row a message, in order, one conversation whoever recorded it. Every model call repeats the history, so of each call
-- only what is new in it is taken: what stands behind the last message of the assistant, and the answer.
-- The same message is one row:
-- - a tool's call, its execution and its result meet by the id of the call, or where there is none, as the n-th call of the tool
--   (a result whose id is of no call, as some make one up of the tool's name, has none),
-- - what was asked, by its text and how often the call's history has it: asked again by a second call it is still one message,
--   said again by the user it is another, without any history, only among calls of the same parent,
-- - what the application recorded itself (user_message, assistant_response, audio with a transcript) stands, and the same text
--   in a model call is dropped, and so is what only repeats the row before it.
-- A message stands at the time it was complete: what the user said at its start, an answer at its end.
CREATE OR REPLACE VIEW otel.transcript AS
SELECT
  tenant,
  session_id,
  tupleElement(r, 1) AS ts,
  toUInt32(turn) AS turn,
  CAST(tupleElement(r, 4), 'String') AS role,
  tupleElement(r, 5) AS text,
  tupleElement(r, 8) AS tool_name,
  tupleElement(r, 9) AS tool_call_id,
  tupleElement(r, 10) AS tool_arguments,
  tupleElement(r, 11) AS tool_result,
  tupleElement(r, 7) AS model,
  tupleElement(r, 3) AS span_id
FROM
(
  SELECT
    tenant,
    session_id,
    arraySort(groupArray(tupleConcat(first, call))) AS found,
    arrayMap(m -> (tupleElement(m, 4), tupleElement(m, 5)), arrayFilter(m -> tupleElement(m, 6), found)) AS recorded,
    arrayFilter(m -> tupleElement(m, 6) OR tupleElement(m, 4) = 'tool' OR NOT has(recorded, (tupleElement(m, 4), tupleElement(m, 5))), found) AS kept,
    arrayFilter(
      (m, before) -> tupleElement(m, 6) OR tupleElement(m, 4) = 'tool' OR tupleElement(m, 4) != tupleElement(before, 4) OR tupleElement(m, 5) != tupleElement(before, 5),
      kept, arrayPopBack(arrayPushFront(kept, defaultValueOfArgumentType(kept[1])))) AS rows
  FROM
  (
    SELECT
      tenant,
      session_id,
      argMin((ts, position, span_id, role, text, source = 0, if(role = 'assistant', model, '')), (source, ts)) AS first,
      (argMin(tool, (tool = '', source)), max(found_id), argMin(arguments, (arguments = '', source)), argMin(result, (result = '', source))) AS call
    FROM
    (
      SELECT *, if(call_id != '' OR role != 'tool', call_id, max(if(source IN (1, 3), call_id, '')) OVER (PARTITION BY tenant, session_id, role, tool, nth)) AS found_id
      FROM
      (
        SELECT * EXCEPT (tool, call_id, orphan), if(orphan, '', call_id) AS call_id, if(orphan AND tool = '', replaceRegexpOne(mentioned, '_\\d+$', ''), tool) AS tool,
          if(role = 'tool', dense_rank() OVER (PARTITION BY tenant, session_id, role, tool, source ORDER BY ts, span_id, position), 0) AS nth
        FROM
        (
          SELECT *, call_id AS mentioned, role = 'tool' AND source = 2 AND countIf(source != 2) OVER (PARTITION BY tenant, session_id, role, call_id) = 0 AS orphan
          FROM otel.messages
        )
      )
    )
    GROUP BY tenant, session_id, role, multiIf(
      role != 'tool', toString(identity),
      found_id != '', found_id,
      concat(tool, ' ', toString(nth)))
  )
  GROUP BY tenant, session_id
)
ARRAY JOIN rows AS r, arrayCumSum(m -> tupleElement(m, 4) = 'user', rows) AS turn
ORDER BY session_id, ts, tupleElement(r, 2), span_id
