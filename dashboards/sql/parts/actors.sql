-- The trace's spans with whom each stands for, a service stands for all that the application recorded itself.
SELECT
    Timestamp, SpanId, ParentSpanId, DurationMs, StatusCode,
    multiIf(
      InteractionType = 'agent_run', 'agent',
      InteractionType = 'generation', 'model',
      InteractionType IN ('tool_call', 'retrieval'), 'tool',
      'service') AS kind,
    CAST(multiIf(
      kind = 'agent', if(AgentName != '', AgentName, SpanName),
      kind = 'model', multiIf(ResponseModel != '', ResponseModel, Model != '', Model, SpanName),
      kind = 'tool', if(ToolName != '', ToolName, SpanName),
      ServiceName), 'String') AS called
  FROM otel.otel_traces
  WHERE InteractionType NOT IN ('', 'session_start', 'session_end')
    AND TraceId = decodeURLComponent('${trace:percentencode}') AND TraceId != ''
    AND $__conditionalAll(Tenant IN (${tenant:singlequote}), $tenant)
    AND $__timeFilter(Timestamp)
