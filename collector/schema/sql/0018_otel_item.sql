-- A message, a part of one, or a call in one, whatever dialect wrote it, as (kind, text, id, name, arguments, result, role). Of
-- `kind` 1 it is a call of a tool, of 2 a tool's result. Fields that mean the same are of different dialects, at most one of
-- them is there. Reasoning and media have no text, what was said in an audio part has.
CREATE OR REPLACE FUNCTION otel_item AS (i) -> (
  multiIf(
    tupleElement(i.20, 2) != '' OR (i.2 = '' AND concat(i.12, tupleElement(i.19, 1)) != ''), 1,
    tupleElement(i.21, 2) != '' OR i.1 IN ('tool', 'function'), 2,
    transform(i.2, ['function', 'tool_call', 'tool-call', 'tool_use', 'function_call', 'tool_call_response', 'tool-result', 'tool_result', 'function_call_output'], [1, 1, 1, 1, 1, 2, 2, 2, 2], 0)) AS kind,
  multiIf(kind != 0, '', i.1 != '' OR i.2 IN ('text', 'input_text', 'output_text', '', 'message', 'human', 'ai', 'system'), concat(i.3, i.4, i.22), i.5),
  multiIf(i.7 != '', i.7, i.8 != '', i.8, concat(i.6, i.9, i.10, tupleElement(i.20, 1), tupleElement(i.21, 1))),
  concat(i.11, i.12, tupleElement(i.19, 1), tupleElement(i.20, 2), tupleElement(i.21, 2)),
  concat(i.13, i.14, i.15, tupleElement(i.19, 2), tupleElement(i.20, 3)),
  concat(i.16, i.17, i.18, if(i.1 IN ('tool', 'function') OR i.2 = 'tool_result', i.4, ''), tupleElement(i.21, 3)),
  transform(lower(if(i.1 = '', i.2, i.1)), ['human', 'ai', 'model', 'function_call', 'developer', 'function', 'function_call_output', 'message'], ['user', 'assistant', 'assistant', 'assistant', 'system', 'tool', 'tool', '']))
