-- Every mention of a message, several of the same one: `transcript` makes one row of them. `source` says who mentions it: 0 the
-- application, or the execution of a tool, 1 a model that calls a tool, 2 a model that is told a tool's result, 3 the history
-- of such a call, 4 a model call. Mentions of one message have one `identity`, those of a tool one call id.
CREATE OR REPLACE VIEW otel.messages AS
SELECT
  tenant, session_id, span, of_model,
  m.1 AS role, m.2 AS said, m.3 AS identity, m.4 AS source, m.5 AS call_id, m.6 AS tool, m.7 AS arguments, m.8 AS result, m.9 AS position,
  if(m.9 < 1000, started, done) AS at
FROM
(
  SELECT
    tenant, session_id, span, of_model, started, done,
    arrayJoin(arrayFilter(m -> m.2 != '' OR m.1 = 'tool', multiIf(
      type IN ('user_message', 'audio_input'), [('user', if(empty(asked), recorded, otel_message_text(arrayLast(m -> m.1 IN ('user', 'tool'), asked))), span, 0, '', '', '', '', 1)],
      type IN ('assistant_response', 'audio_output'), [('assistant', answer.2, span, 0, '', '', '', '', 1000)],
      type IN ('tool_call', 'tool_response'), [('tool', '', '', 0, call_id, tool, arguments, result, 2)],
      arrayConcat(
        [('system', instructions, instructions, 4, '', '', '', '', 0)],
        arrayMap(m -> ('system', m.2, m.2, 4, '', '', '', '', 0), arrayFilter(m -> m.1 = 'system', asked)),
        arrayMap((m, i) -> (if(m.1 IN ('system', 'tool'), '', m.1), if(m.1 IN ('system', 'tool'), '', m.2), concat(m.2, '\0', toString(arrayCount(o -> o.1 = m.1 AND o.2 = m.2, asked)), if(seen = 0, parent, '')), 4, '', '', '', '', i), news, arrayEnumerate(news)),
        arrayFlatten(arrayMap((m, i) -> arrayMap(t -> ('tool', '', '', 2, t.2, t.3, '', otel_result(t.5), i), arrayFilter(t -> t.1, m.3)), news, arrayEnumerate(news))),
        arrayMap(t -> ('tool', '', '', 3, t.2, t.3, t.4, '', 0), arrayFilter(t -> NOT t.1, asked[seen].3)),
        [('assistant', answer.2, span, 4, '', '', '', '', 1000)],
        arrayMap((t, i) -> ('tool', '', '', 1, t.2, t.3, t.4, '', 1000 + i), arrayFilter(t -> NOT t.1, answer.3), arrayEnumerate(arrayFilter(t -> NOT t.1, answer.3))))))) AS m
  FROM
  (
    SELECT
      * EXCEPT (messages, system, told), messages[1] AS asked, otel_answer(messages[2], dialect) AS answer, arrayLastIndex(m -> m.1 = 'assistant', messages[1]) AS seen, arraySlice(messages[1], seen + 1) AS news,
      if(empty(system), told['instructions'], system[1].2) AS instructions,
      told['message'] AS recorded, told['call_id'] AS call_id, otel_arguments(if(told['arguments'] = '', told['input'], told['arguments'])) AS arguments, if(dialect = 'otel_interactions', told['result'], otel_result(if(told['result'] = '', told['output'], told['result']))) AS result
    FROM
    (
      SELECT
        tenant, session_id, SpanId AS span, ParentSpanId AS parent, CAST(Model, 'String') AS of_model, CAST(type, 'String') AS type, dialect,
        CAST(Timestamp, 'DateTime64(9, \'UTC\')') AS started, otel_later(started, DurationMs) AS done,
        otel_said(told, SpanAttributes, events, if(type = 'generation' AND told['asked'] = '' AND told['input'] = '', [dictGet('otel.messages_of_span', 'Input', (TraceId, SpanId)), dictGet('otel.messages_of_span', 'Output', (TraceId, SpanId))], ['', ''])) AS messages,
        otel_messages(if(startsWith(told['instructions'], '['), concat('[{"parts":', told['instructions'], '}]'), '')) AS system,
        told, CAST(ToolName, 'String') AS tool
      FROM
      (
        SELECT
          Tenant AS tenant, Session AS session_id, TraceId, SpanId, any(ParentSpanId) AS ParentSpanId, any(Model) AS Model, any(InteractionType) AS type, any(Dialect) AS dialect, any(s.Timestamp) AS Timestamp,
          any(DurationMs) AS DurationMs, any(ToolName) AS ToolName, any(s.SpanAttributes) AS SpanAttributes, any(arrayZip(Events.Name, Events.Attributes)) AS events,
          otel_meanings(SpanAttributes, otel_content_aliases()) AS told
        FROM
        (
          SELECT Tenant, SessionId AS Session, TraceId, SpanId, ParentSpanId, Model, InteractionType, Dialect, Timestamp, DurationMs, ToolName, SpanAttributes, Events.Name, Events.Attributes
          FROM otel.otel_traces
          WHERE InteractionType IN ('user_message', 'assistant_response', 'audio_input', 'audio_output', 'tool_call', 'tool_response', 'generation')
            AND NOT (SessionIsTrace AND (Tenant, TraceId) IN (SELECT tenant, trace_id FROM otel.session_of_trace))
          UNION ALL
          SELECT Tenant, session_id AS Session, TraceId, SpanId, ParentSpanId, Model, InteractionType, Dialect, Timestamp, DurationMs, ToolName, SpanAttributes, Events.Name, Events.Attributes
          FROM otel.otel_traces
          LEFT SEMI JOIN otel.session_of_trace AS m ON tenant = Tenant AND trace_id = TraceId
          WHERE SessionIsTrace AND InteractionType IN ('user_message', 'assistant_response', 'audio_input', 'audio_output', 'tool_call', 'tool_response', 'generation')
        ) AS s
        GROUP BY Tenant, Session, TraceId, SpanId
      )
    )
  )
)
