-- The type of an interaction that a dialect of GenAI recorded: a model call is a `generation`, a tool's execution a
-- `tool_call`, a search in a knowledge base a `retrieval`, and what holds these together (agents, chains, workflows) an
-- `agent_run`. '' for what no such dialect recorded. Known once for each span, by the first that says so.
CREATE OR REPLACE FUNCTION otel_kind AS (known) ->
  multiIf(
    known['langfuse'] != '', transform(known['langfuse'], ['generation', 'embedding', 'tool', 'retriever'], ['generation', 'generation', 'tool_call', 'retrieval'], 'agent_run'),
    known['openinference'] != '', transform(upper(known['openinference']), ['LLM', 'EMBEDDING', 'TOOL', 'RETRIEVER', 'RERANKER'], ['generation', 'generation', 'tool_call', 'retrieval', 'retrieval'], 'agent_run'),
    known['operation'] != '', transform(known['operation'],
      ['execute_tool', 'retrieval', 'rerank', 'vectordb', 'invoke_agent', 'create_agent', 'invoke_workflow', 'plan', 'agent_step', 'execute_task', 'fetch_response', 'user_speech', 'handoff'],
      ['tool_call', 'retrieval', 'retrieval', 'retrieval', 'agent_run', 'agent_run', 'agent_run', 'agent_run', 'agent_run', 'agent_run', 'agent_run', 'agent_run', 'agent_run'], 'generation'),
    startsWith(known['vercel'], 'ai.'), multiIf(
      match(known['vercel'], '\\.do(Generate|Stream|Embed)\\b'), 'generation',
      startsWith(known['vercel'], 'ai.toolCall'), 'tool_call',
      startsWith(known['vercel'], 'ai.rerank'), 'retrieval',
      'agent_run'),
    known['traceloop'] != '', if(known['traceloop'] = 'tool', 'tool_call', 'agent_run'),
    known['pipecat'] != '', 'agent_run',
    known['traceloop_request'] != '' OR known['system'] != '' OR (known['logfire'] != '' AND known['provider'] != ''), 'generation',
    '')
