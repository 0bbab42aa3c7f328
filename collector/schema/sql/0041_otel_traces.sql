-- One row a span. Column names and renderings are those of the OpenTelemetry Collector's ClickHouse exporter, so that
-- its rows, Grafana's plugin and ClickStack fit, the second half is ours and makes the row lossless.
-- Deduplication: a token is remembered for the last 10,000 blocks. Inserts are synced to disk, because the journal forgets a
-- segment once ClickHouse has confirmed it.
-- Order: by the minute, for queries, and within it as the rows came, so that parts hardly overlap and merging them is copying,
-- at half the cost. What is inserted is one file (compact): a hundred files, each synced, cost a quarter of the insert.
-- Merges take some 20 parts of like size (merge_selector_base), so that a large part is not written again for each few small ones.
CREATE TABLE IF NOT EXISTS otel.otel_traces
(
  Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
  TraceId String CODEC(ZSTD(1)),
  SpanId String CODEC(ZSTD(1)),
  ParentSpanId String CODEC(ZSTD(1)),
  TraceState String CODEC(ZSTD(1)),
  SpanName LowCardinality(String) CODEC(ZSTD(1)),
  SpanKind LowCardinality(String) CODEC(ZSTD(1)),
  ServiceName LowCardinality(String) CODEC(ZSTD(1)),
  ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
  ScopeName String CODEC(ZSTD(1)),
  ScopeVersion String CODEC(ZSTD(1)),
  SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
  Duration UInt64 CODEC(ZSTD(1)),
  StatusCode LowCardinality(String) CODEC(ZSTD(1)),
  StatusMessage String CODEC(ZSTD(1)),
  Events Nested
  (
    Timestamp DateTime64(9),
    Name LowCardinality(String),
    Attributes Map(LowCardinality(String), String),
    DroppedAttributesCount UInt32
  ) CODEC(ZSTD(1)),
  Links Nested
  (
    TraceId String,
    SpanId String,
    TraceState String,
    Attributes Map(LowCardinality(String), String),
    DroppedAttributesCount UInt32,
    Flags UInt32
  ) CODEC(ZSTD(1)),
  Tenant LowCardinality(String) DEFAULT 'default' CODEC(ZSTD(1)),
  ReceivedAt DateTime64(9) DEFAULT now64(9) CODEC(Delta(8), ZSTD(1)),
  Peer LowCardinality(String) CODEC(ZSTD(1)),
  JournalSegment LowCardinality(String) CODEC(ZSTD(1)),
  Flags UInt32 CODEC(ZSTD(1)),
  SpanAttributeTypes Array(UInt8) COMMENT 'OTLP AnyValue tag of each SpanAttributes entry, in order: 0 empty, 1 string, 2 bool, 3 int, 4 double, 5 array, 6 map, 7 bytes' CODEC(ZSTD(1)),
  DroppedAttributesCount UInt32 CODEC(ZSTD(1)),
  DroppedEventsCount UInt32 CODEC(ZSTD(1)),
  DroppedLinksCount UInt32 CODEC(ZSTD(1)),
  ScopeAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
  ScopeAttributeTypes Array(UInt8) CODEC(ZSTD(1)),
  ScopeDroppedAttributesCount UInt32 CODEC(ZSTD(1)),
  ScopeSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
  ResourceAttributeTypes Array(UInt8) CODEC(ZSTD(1)),
  ResourceDroppedAttributesCount UInt32 CODEC(ZSTD(1)),
  ResourceSchemaUrl LowCardinality(String) CODEC(ZSTD(1)),
  Known Map(String, String) EPHEMERAL otel_meanings(SpanAttributes, otel_aliases()) COMMENT 'not stored: the attributes by what they mean',
  InteractionType LowCardinality(String) MATERIALIZED multiIf(
    Known['type'] != '', Known['type'],
    Known['logfire'] = 'pending_span', '',
    Known['logfire'] = 'span' AND startsWith(ScopeName, 'logfire') AND Known['operation'] != '' AND Known['output_tokens'] = '' AND Known['finish_reason'] = '' AND StatusCode != 'Error', '',
    otel_kind(Known)) CODEC(ZSTD(1)),
  Dialect LowCardinality(String) MATERIALIZED multiIf(
    InteractionType = '', '',
    Known['type'] != '', 'otel_interactions',
    otel_dialect(Known, ScopeName)) CODEC(ZSTD(1)),
  SessionId String MATERIALIZED if(SessionIsTrace, TraceId, Known['session_id']) CODEC(ZSTD(1)),
  SessionIsTrace Bool MATERIALIZED Known['session_id'] = '' OR startsWith(Known['session_id'], '[Scrubbed due to ') CODEC(ZSTD(1)),
  SessionMode LowCardinality(String) MATERIALIZED Known['session_mode'] CODEC(ZSTD(1)),
  SessionEndReason LowCardinality(String) MATERIALIZED Known['session_end_reason'] CODEC(ZSTD(1)),
  UserId String MATERIALIZED Known['user_id'] CODEC(ZSTD(1)),
  Role LowCardinality(String) MATERIALIZED multiIf(
    InteractionType IN ('user_message', 'audio_input'), 'user',
    InteractionType IN ('assistant_response', 'audio_output'), 'assistant',
    InteractionType IN ('tool_call', 'tool_response'), 'tool',
    '') COMMENT 'of a generation it is in Messages: otel_role' CODEC(ZSTD(1)),
  DurationMs Float64 MATERIALIZED if(Known['duration_ms'] != '', otel_number(Known['duration_ms']), Duration / 1e6) CODEC(ZSTD(1)),
  Provider LowCardinality(String) MATERIALIZED otel_provider(Known) CODEC(ZSTD(1)),
  Model LowCardinality(String) MATERIALIZED Known['model'] CODEC(ZSTD(1)),
  ResponseModel LowCardinality(String) MATERIALIZED Known['response_model'] CODEC(ZSTD(1)),
  InputTokens UInt64 MATERIALIZED toUInt64(multiIf(
    Known['input_tokens'] != '', otel_number(Known['input_tokens']),
    Known['usage'] = '', 0,
    JSONExtractUInt(Known['usage'], 'input') + JSONExtractUInt(Known['usage'], 'prompt_tokens'))) CODEC(ZSTD(1)),
  OutputTokens UInt64 MATERIALIZED toUInt64(multiIf(
    Known['output_tokens'] != '', otel_number(Known['output_tokens']),
    Known['usage'] = '', 0,
    JSONExtractUInt(Known['usage'], 'output') + JSONExtractUInt(Known['usage'], 'completion_tokens'))) CODEC(ZSTD(1)),
  CachedTokens UInt64 MATERIALIZED toUInt64(multiIf(
    Known['cached_tokens'] != '', otel_number(Known['cached_tokens']),
    Known['usage'] = '', 0,
    JSONExtractUInt(Known['usage'], 'input_cached_tokens') + JSONExtractUInt(Known['usage'], 'prompt_tokens_details', 'cached_tokens'))) CODEC(ZSTD(1)),
  ReasoningTokens UInt64 MATERIALIZED toUInt64(multiIf(
    Known['reasoning_tokens'] != '', otel_number(Known['reasoning_tokens']),
    Known['usage'] = '', 0,
    JSONExtractUInt(Known['usage'], 'output_reasoning_tokens') + JSONExtractUInt(Known['usage'], 'completion_tokens_details', 'reasoning_tokens'))) CODEC(ZSTD(1)),
  CostUsd Nullable(Float64) MATERIALIZED toFloat64OrNull(if(Known['cost'] != '', Known['cost'], JSONExtractString(Known['costs'], 'total'))) CODEC(ZSTD(1)),
  FinishReason LowCardinality(String) MATERIALIZED if(startsWith(Known['finish_reason'], '['), JSONExtractString(Known['finish_reason'], 1), Known['finish_reason']) CODEC(ZSTD(1)),
  TtftMs Float64 MATERIALIZED multiIf(
    Known['ttft_s'] != '', otel_number(Known['ttft_s']) * 1000,
    Known['ttft_ms'] != '', otel_number(Known['ttft_ms']),
    otel_first_token_ms(Timestamp, Known['first_token_at'], Events.Name, Events.Timestamp)) CODEC(ZSTD(1)),
  ToolName LowCardinality(String) MATERIALIZED multiIf(
    Known['tool_name'] != '', Known['tool_name'],
    InteractionType != 'tool_call', '',
    Known['entity'] != '', Known['entity'],
    SpanName) CODEC(ZSTD(1)),
  AgentName LowCardinality(String) MATERIALIZED if(Known['agent_name'] = '' AND Known['traceloop'] = 'agent', Known['entity'], Known['agent_name']) CODEC(ZSTD(1)),
  AudioDurationMs Float64 MATERIALIZED otel_number(Known['audio_duration_ms']) CODEC(ZSTD(1)),
  AudioBytes UInt64 MATERIALIZED toUInt64(otel_number(Known['audio_bytes'])) CODEC(ZSTD(1)),
  Category LowCardinality(String) MATERIALIZED Known['category'] CODEC(ZSTD(1)),
  Severity LowCardinality(String) MATERIALIZED Known['severity'] CODEC(ZSTD(1)),
  Source LowCardinality(String) MATERIALIZED Known['source'] CODEC(ZSTD(1)),
  Component LowCardinality(String) MATERIALIZED Known['component'] CODEC(ZSTD(1)),
  Action LowCardinality(String) MATERIALIZED Known['action'] CODEC(ZSTD(1)),
  FromState LowCardinality(String) MATERIALIZED Known['from_state'] CODEC(ZSTD(1)),
  ToState LowCardinality(String) MATERIALIZED Known['to_state'] CODEC(ZSTD(1)),
  MetricName LowCardinality(String) MATERIALIZED Known['metric_name'] CODEC(ZSTD(1)),
  MetricValue Nullable(Float64) MATERIALIZED toFloat64OrNull(Known['metric_value']) CODEC(ZSTD(1)),
  ErrorType LowCardinality(String) MATERIALIZED multiIf(
    Known['error_type'] != '', Known['error_type'],
    has(Events.Name, 'exception'), Events.Attributes[indexOf(Events.Name, 'exception')]['exception.type'],
    '') CODEC(ZSTD(1)),
  Critical Bool MATERIALIZED Known['critical'] = 'true' CODEC(ZSTD(1)),
  Messages Array(Tuple(role String, text String, call_id String, tool String, arguments String, result String, source UInt8, position UInt32, asked Bool, identity UInt64, opens Bool)) MATERIALIZED otel_messages_of(InteractionType, ScopeName, Known, SpanAttributes, [
    Events.Attributes[indexOf(Events.Name, 'gen_ai.content.prompt')]['gen_ai.prompt'],
    Events.Attributes[indexOf(Events.Name, 'gen_ai.content.completion')]['gen_ai.completion'],
    '']) COMMENT 'what a call of a model or a tool says of the conversation, each message once, not the whole history that it repeats (the application''s own messages stand in the attributes: otel_messages_told). `source` is who says it: 0 the application or the execution of a tool, 1 a model that calls a tool, 2 a model that is told the result, 3 the history of a call, 4 a model call. `position` is the place in the call, from 1,000,000 on in the answer. `asked` marks the last message of the question. Mentions of one message have one `identity`, 0 is a message of its own. `opens`: nobody answered before it in this history' CODEC(ZSTD(1)),
  Environment LowCardinality(String) MATERIALIZED if(
    ResourceAttributes['deployment.environment.name'] != '', ResourceAttributes['deployment.environment.name'], ResourceAttributes['deployment.environment']) CODEC(ZSTD(1)),
  INDEX trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
  INDEX session_id SessionId TYPE bloom_filter(0.001) GRANULARITY 1,
  INDEX user_id UserId TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (Tenant, toStartOfMinute(Timestamp), ReceivedAt)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, ttl_only_drop_parts = 1, merge_selector_base = 20, min_bytes_for_wide_part = 134217728
