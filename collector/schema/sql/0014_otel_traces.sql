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
  InteractionType LowCardinality(String) MATERIALIZED multiIf(
    otel_attribute(SpanAttributes, 'interaction.type') != '', otel_attribute(SpanAttributes, 'interaction.type'),
    otel_attribute(SpanAttributes, 'gen_ai.operation.name') = '', '',
    otel_attribute(SpanAttributes, 'gen_ai.operation.name') = 'execute_tool', 'tool_call',
    otel_attribute(SpanAttributes, 'gen_ai.operation.name') IN ('invoke_agent', 'create_agent', 'invoke_workflow'), 'agent_run',
    otel_attribute(SpanAttributes, 'gen_ai.operation.name') = 'retrieval', 'retrieval',
    'generation') CODEC(ZSTD(1)),
  Dialect LowCardinality(String) MATERIALIZED multiIf(InteractionType = '', '', otel_attribute(SpanAttributes, 'interaction.type') != '', 'otel_interactions', 'otel_genai') CODEC(ZSTD(1)),
  SessionId String MATERIALIZED multiIf(
    otel_attribute(SpanAttributes, 'session.id') != '', otel_attribute(SpanAttributes, 'session.id'),
    otel_attribute(SpanAttributes, 'gen_ai.conversation.id') != '', otel_attribute(SpanAttributes, 'gen_ai.conversation.id'),
    TraceId) CODEC(ZSTD(1)),
  SessionMode LowCardinality(String) MATERIALIZED otel_attribute(SpanAttributes, 'interaction.session.mode') CODEC(ZSTD(1)),
  SessionEndReason LowCardinality(String) MATERIALIZED otel_attribute(SpanAttributes, 'interaction.session.end_reason') CODEC(ZSTD(1)),
  UserId String MATERIALIZED if(otel_attribute(SpanAttributes, 'user.id') != '', otel_attribute(SpanAttributes, 'user.id'), otel_attribute(SpanAttributes, 'enduser.id')) CODEC(ZSTD(1)),
  Role LowCardinality(String) MATERIALIZED multiIf(
    InteractionType IN ('user_message', 'audio_input'), 'user',
    InteractionType IN ('assistant_response', 'audio_output'), 'assistant',
    InteractionType IN ('tool_call', 'tool_response'), 'tool',
    InteractionType = 'generation', tupleElement(otel_last_asked(otel_messages(otel_attribute(SpanAttributes, 'gen_ai.input.messages'))), 'role'),
    '') CODEC(ZSTD(1)),
  DurationMs Float64 MATERIALIZED multiIf(
    otel_attribute(SpanAttributes, 'interaction.response_time_ms') != '', otel_number(otel_attribute(SpanAttributes, 'interaction.response_time_ms')),
    otel_attribute(SpanAttributes, 'interaction.duration_ms') != '', otel_number(otel_attribute(SpanAttributes, 'interaction.duration_ms')),
    Duration / 1e6) CODEC(ZSTD(1)),
  Provider LowCardinality(String) MATERIALIZED if(otel_attribute(SpanAttributes, 'gen_ai.provider.name') != '', otel_attribute(SpanAttributes, 'gen_ai.provider.name'), otel_attribute(SpanAttributes, 'gen_ai.system')) CODEC(ZSTD(1)),
  Model LowCardinality(String) MATERIALIZED otel_attribute(SpanAttributes, 'gen_ai.request.model') CODEC(ZSTD(1)),
  ResponseModel LowCardinality(String) MATERIALIZED otel_attribute(SpanAttributes, 'gen_ai.response.model') CODEC(ZSTD(1)),
  InputTokens UInt64 MATERIALIZED toUInt64OrZero(otel_attribute(SpanAttributes, 'gen_ai.usage.input_tokens')) CODEC(ZSTD(1)),
  OutputTokens UInt64 MATERIALIZED toUInt64OrZero(otel_attribute(SpanAttributes, 'gen_ai.usage.output_tokens')) CODEC(ZSTD(1)),
  CachedTokens UInt64 MATERIALIZED toUInt64OrZero(otel_attribute(SpanAttributes, 'gen_ai.usage.cache_read.input_tokens')) CODEC(ZSTD(1)),
  ReasoningTokens UInt64 MATERIALIZED toUInt64OrZero(otel_attribute(SpanAttributes, 'gen_ai.usage.reasoning.output_tokens')) CODEC(ZSTD(1)),
  CostUsd Nullable(Float64) MATERIALIZED toFloat64OrNull(otel_attribute(SpanAttributes, 'interaction.cost_usd')) CODEC(ZSTD(1)),
  FinishReason LowCardinality(String) MATERIALIZED if(
    startsWith(otel_attribute(SpanAttributes, 'gen_ai.response.finish_reasons'), '['),
    JSONExtractString(otel_attribute(SpanAttributes, 'gen_ai.response.finish_reasons'), 1),
    otel_attribute(SpanAttributes, 'gen_ai.response.finish_reasons')) CODEC(ZSTD(1)),
  TtftMs Float64 MATERIALIZED otel_number(otel_attribute(SpanAttributes, 'gen_ai.response.time_to_first_chunk')) * 1000 CODEC(ZSTD(1)),
  ToolName LowCardinality(String) MATERIALIZED otel_attribute(SpanAttributes, 'gen_ai.tool.name') CODEC(ZSTD(1)),
  AgentName LowCardinality(String) MATERIALIZED otel_attribute(SpanAttributes, 'gen_ai.agent.name') CODEC(ZSTD(1)),
  AudioDurationMs Float64 MATERIALIZED otel_number(otel_attribute(SpanAttributes, 'interaction.audio.duration_ms')) CODEC(ZSTD(1)),
  AudioBytes UInt64 MATERIALIZED toUInt64OrZero(otel_attribute(SpanAttributes, 'interaction.audio.bytes')) CODEC(ZSTD(1)),
  Category LowCardinality(String) MATERIALIZED otel_attribute(SpanAttributes, 'interaction.category') CODEC(ZSTD(1)),
  Severity LowCardinality(String) MATERIALIZED otel_attribute(SpanAttributes, 'interaction.severity') CODEC(ZSTD(1)),
  Source LowCardinality(String) MATERIALIZED otel_attribute(SpanAttributes, 'interaction.source') CODEC(ZSTD(1)),
  Component LowCardinality(String) MATERIALIZED otel_attribute(SpanAttributes, 'interaction.component') CODEC(ZSTD(1)),
  Action LowCardinality(String) MATERIALIZED otel_attribute(SpanAttributes, 'interaction.action') CODEC(ZSTD(1)),
  FromState LowCardinality(String) MATERIALIZED otel_attribute(SpanAttributes, 'interaction.state.from') CODEC(ZSTD(1)),
  ToState LowCardinality(String) MATERIALIZED otel_attribute(SpanAttributes, 'interaction.state.to') CODEC(ZSTD(1)),
  MetricName LowCardinality(String) MATERIALIZED otel_attribute(SpanAttributes, 'interaction.metric.name') CODEC(ZSTD(1)),
  MetricValue Nullable(Float64) MATERIALIZED toFloat64OrNull(otel_attribute(SpanAttributes, 'interaction.metric.value')) CODEC(ZSTD(1)),
  ErrorType LowCardinality(String) MATERIALIZED multiIf(
    otel_attribute(SpanAttributes, 'error.type') != '', otel_attribute(SpanAttributes, 'error.type'),
    otel_attribute(SpanAttributes, 'exception.type') != '', otel_attribute(SpanAttributes, 'exception.type'),
    has(Events.Name, 'exception'), Events.Attributes[indexOf(Events.Name, 'exception')]['exception.type'],
    '') CODEC(ZSTD(1)),
  Critical Bool MATERIALIZED otel_attribute(SpanAttributes, 'interaction.critical') = 'true' CODEC(ZSTD(1)),
  Environment LowCardinality(String) MATERIALIZED if(
    ResourceAttributes['deployment.environment.name'] != '', ResourceAttributes['deployment.environment.name'], ResourceAttributes['deployment.environment']) CODEC(ZSTD(1)),
  INDEX trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
  INDEX session_id SessionId TYPE bloom_filter(0.001) GRANULARITY 1,
  INDEX user_id UserId TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
ORDER BY (Tenant, toStartOfMinute(Timestamp), ReceivedAt)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, ttl_only_drop_parts = 1, merge_selector_base = 20, min_bytes_for_wide_part = 134217728
