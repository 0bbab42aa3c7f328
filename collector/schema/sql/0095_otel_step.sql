-- What an interaction is called in a journey: what was done to what (`click GenerateButton`), the state that was entered, the
-- tool that was called, the category of an event, else its type. '' for what is no step of anybody's: what happens inside an
-- answer, measurements, the frame of a session. The sound of a turn is the turn's own step where its words are one, too.
CREATE OR REPLACE FUNCTION otel_step AS (type, action, component, to_state, tool, category) ->
  multiIf(
    type IN ('', 'session_start', 'session_end', 'performance_metric', 'generation', 'agent_run', 'retrieval', 'tool_response',
      'audio_output'), '',
    action != '', trimRight(concat(action, ' ', component)),
    to_state != '', to_state,
    type = 'tool_call' AND tool != '', tool,
    type = 'event' AND category != '', category,
    type)
