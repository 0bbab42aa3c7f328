-- Milliseconds from a span's start to its first token: by the time of that token (ISO 8601, quoted or not) or by the event of it.
CREATE OR REPLACE FUNCTION otel_first_token_ms AS (started, at, names, times) ->
  multiIf(
    at != '', greatest(0, ifNull(toUnixTimestamp64Nano(parseDateTime64BestEffortOrNull(trim(BOTH '"' FROM at), 9, 'UTC')) - toUnixTimestamp64Nano(started), 0) / 1e6),
    hasAny(names, ['First Token Stream Event', 'ai.stream.firstChunk', 'gen_ai.content.completion.chunk']),
      greatest(0, (toUnixTimestamp64Nano(arrayFirst((t, n) -> n IN ('First Token Stream Event', 'ai.stream.firstChunk', 'gen_ai.content.completion.chunk'), times, names)) - toUnixTimestamp64Nano(started)) / 1e6),
    0)
