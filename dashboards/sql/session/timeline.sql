-- Who was busy when, and which state the application was in.
SELECT
  at AS time,
  nullIf(anyLast(user) IGNORE NULLS OVER way, '') AS "User",
  nullIf(anyLast(assistant) IGNORE NULLS OVER way, '') AS "Assistant",
  nullIf(anyLast(model) IGNORE NULLS OVER way, '') AS "Model",
  nullIf(anyLast(tool) IGNORE NULLS OVER way, '') AS "Tool",
  nullIf(anyLast(state) IGNORE NULLS OVER way, '') AS "State",
  nullIf(anyLast(failure) IGNORE NULLS OVER way, '') AS "Error"
FROM
(
  SELECT
    moment.1 AS at,
    if(InteractionType IN ('user_message', 'audio_input', 'ui_event'), moment.2, NULL) AS user,
    if(InteractionType IN ('assistant_response', 'audio_output'), moment.2, NULL) AS assistant,
    if(InteractionType IN ('generation', 'agent_run'), moment.2, NULL) AS model,
    if(InteractionType IN ('tool_call', 'retrieval'), moment.2, NULL) AS tool,
    if(InteractionType = 'state_transition' AND moment.3, ToState, NULL) AS state,
    if(InteractionType = 'error' OR StatusCode = 'Error', if(moment.3, if(ErrorType != '', ErrorType, 'error'), ''), NULL) AS failure
  FROM otel.otel_traces
  ARRAY JOIN [
    (Timestamp, multiIf(
      InteractionType IN ('generation', 'assistant_response') AND Model != '', CAST(Model, 'String'),
      InteractionType = 'agent_run' AND AgentName != '', CAST(AgentName, 'String'),
      InteractionType = 'tool_call', CAST(ToolName, 'String'),
      InteractionType = 'ui_event', trimRight(concat(Action, ' ', Component)),
      CAST(InteractionType, 'String')), true),
    (Timestamp + toIntervalMillisecond(greatest(Duration / 1000000, 300)), '', false)] AS moment
  WHERE {{of_session}}
)
WINDOW way AS (ORDER BY at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
ORDER BY time
