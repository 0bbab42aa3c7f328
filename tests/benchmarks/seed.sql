-- Which rows do the sessions of some hours leave in otel_traces between two moments?
-- Parameters: `seed`; `hours`: (when it begins, in seconds since 1970, its first session, the first one after it); `users`: how many there may be;
-- `since`, `until`: from, and before. Everything follows from the seed, the number of a session and a place in it: (session, turn,
-- kind). What is cheap comes first, so that texts are made only for rows that are wanted.
INSERT INTO otel.otel_traces
(
  Timestamp, TraceId, SpanId, ParentSpanId, SpanName, SpanKind, ServiceName, ResourceAttributes, ScopeName, ScopeVersion, SpanAttributes,
  SpanAttributeTypes, Duration, StatusCode, StatusMessage, `Events.Timestamp`, `Events.Name`, `Events.Attributes`, `Events.DroppedAttributesCount`,
  Tenant, ReceivedAt, Peer, Flags, ResourceAttributeTypes
)
WITH
  -- evenly from 0 to below 1, always the same for the same things
  (of, what) -> cityHash64({seed:UInt64}, of, what) / 18446744073709551616 AS chance,
  -- mostly short, sometimes long, on average `usual` longer than `least`
  (of, what, fewest, usual, most) -> toUInt32(least(most, fewest - usual * log(1 - chance(of, what)))) AS drawn,
  splitByChar(' ', 'the a to of and my is it in for you on that with this can how do not be are what i me when your have from order at if or but was as will by there account which one has all about so would any no where email up more out other time please than only its some could new them see then just use like into need make way get work want after also did many must through back page before much still should well here take help same know each does three show between last set never off find own send while give good date day old right think also because long first number even start part show available payment delivery refund address change today again without open change name price card error next call second used both look keep small item few left problem around free let going yet until every week size against made since box came read point later link app often close pay support customer agent store product cart password login question answer service ticket invoice total status update cancel subscription plan upgrade phone screen button click reset code confirm received shipping return exchange warranty credit discount coupon balance charge bank transfer currency country region language settings profile privacy data export import file image video sound summary report chart table row column list filter sort search result match version release install download upload sync device network connection server browser window tab menu option feature request feedback review rating comment message thread channel group member role access permission policy rule limit quota usage history schedule reminder calendar meeting event location map route travel hotel flight booking seat passenger luggage weather recipe ingredient dinner breakfast garden furniture kitchen bicycle battery camera speaker headphones charger adapter cable keyboard monitor printer paper colour material cotton leather metal glass wooden') AS words,
  -- so many words, the first of the list most often
  (of, what, many) -> arrayStringConcat(arrayMap(i -> words[1 + toUInt32(pow(chance((of, i), what), 2) * length(words))], range(many)), ' ') AS prose,
  -- what is asked in a turn: of some 3,000 things that many ask, or what nobody else does
  (session, turn) -> if(chance((session, turn), 'is common') < 0.55, toUInt64(pow(3000, chance((session, turn), 'which'))), cityHash64({seed:UInt64}, session, turn)) AS asked,
  (key) -> prose(key, 'question', drawn(key, 'length', 7, 12, 100)) AS question,
  (session, turn) -> prose((session, turn), 'answer', drawn((session, turn), 'length', 15, 30, 110)) AS answer,
  (role, said) -> concat('{"role":"', role, '","parts":[{"type":"text","content":"', said, '"}]}') AS message,
  -- a tool in the words of a model: its call, and what it came to
  (session, turn) -> chance((session, turn), 'tool') < 0.2 AS uses_tool,
  (session, turn) -> ['look_up_order', 'search_products', 'book_table', 'convert_currency', 'get_weather'][1 + toUInt8(pow(chance((session, turn), 'which tool'), 2) * 5)] AS tool,
  (session, turn) -> concat('call_', lower(hex(sipHash128({seed:UInt64}, session, turn)))) AS call_id,
  (session, turn) -> concat('{"query":"', prose((session, turn), 'arguments', 3), '","limit":', toString(drawn((session, turn), 'limit', 1, 5, 50)), '}') AS arguments,
  (session, turn) -> concat('{"found":', toString(drawn((session, turn), 'found', 0, 3, 20)), ',"first":"', prose((session, turn), 'result', 12), '"}') AS result,
  (session, turn) -> concat('{"role":"assistant","parts":[{"type":"tool_call","id":"', call_id(session, turn), '","name":"', tool(session, turn), '","arguments":', arguments(session, turn), '}]}') AS calling,
  (session, turn) -> concat('{"role":"tool","parts":[{"type":"tool_call_response","id":"', call_id(session, turn), '","response":', result(session, turn), '}]}') AS called,
  -- everything said in a turn, as a model is told it afterwards
  (session, turn) -> arrayConcat(
    [message('user', question(asked(session, turn)))],
    if(uses_tool(session, turn), [calling(session, turn), called(session, turn)], []),
    [message('assistant', answer(session, turn))]) AS exchange
SELECT
  at AS Timestamp,
  lower(hex(substring(digest, 1, 16))) AS TraceId,
  if(is_root, root, lower(leftPad(hex(cityHash64({seed:UInt64}, session, turn, kind, nth)), 16, '0'))) AS SpanId,
  if(is_root OR NOT (own OR runs), '', root) AS ParentSpanId,
  multiIf(
    kind = 'tool_call', concat(if(own, 'tool_call ', 'execute_tool '), tool_name),
    kind = 'generation', concat('chat ', model),
    kind = 'agent_run', 'invoke_agent concierge',
    kind = 'ui_event', 'ui_event click',
    kind = 'performance_metric', concat('performance_metric ', metric),
    kind) AS SpanName,
  if(kind = 'generation', 'Client', 'Internal') AS SpanKind,
  service AS ServiceName,
  map(
    'telemetry.sdk.language', 'python', 'telemetry.sdk.name', 'opentelemetry', 'telemetry.sdk.version', '1.45.2',
    'service.instance.id', instance, 'service.name', service, 'deployment.environment.name', 'production') AS ResourceAttributes,
  if(own, 'otel_interactions', 'opentelemetry.instrumentation.openai_v2') AS ScopeName,
  if(own, '0.1.0', '2.3b0') AS ScopeVersion,
  mapFromArrays(tupleElement(attributes, 1), tupleElement(attributes, 2)) AS SpanAttributes,
  tupleElement(attributes, 3) AS SpanAttributeTypes,
  duration AS Duration,
  if(failed, 'Error', 'Unset') AS StatusCode,
  if(failed, concat(error_type, ': ', error_message), '') AS StatusMessage,
  if(failed AND NOT own, [toDateTime64(ended, 9, 'UTC')], []) AS `Events.Timestamp`,
  if(failed AND NOT own, ['exception'], []) AS `Events.Name`,
  if(failed AND NOT own, [map('exception.type', error_type, 'exception.message', error_message)], []) AS `Events.Attributes`,
  if(failed AND NOT own, [toUInt32(0)], []) AS `Events.DroppedAttributesCount`,
  tenant AS Tenant,
  ended + toIntervalMillisecond(drawn((session, turn), concat('lag ', kind), 5, 700, 6000)) AS ReceivedAt,
  concat('10.0.0.', toString(10 + shard)) AS Peer,
  256 AS Flags,
  [1, 1, 1, 1, 1, 1] AS ResourceAttributeTypes
FROM
(
  SELECT
    *,
    kind IN ('user_message', 'audio_input') AS is_question,
    kind = 'assistant_response' AS is_answer,
    kind = 'generation' AND (own OR nth = 2 OR NOT uses_tool(session, turn)) AS answers,
    if(kind = 'tool_call', tool(session, turn), '') AS tool_name,
    if(is_question OR (own AND kind = 'generation'), question(asked(session, turn)), '') AS says,
    if(is_answer OR answers, answer(session, turn), '') AS answered,
    if(kind = 'generation' AND NOT own, arrayFlatten(arrayMap(t -> exchange(session, t), range(toUInt16(greatest(1, toInt16(turn) - 10)), turn))), []) AS history,
    multiIf(
      kind = 'generation' AND NOT own, arraySlice(arrayConcat(
        history,
        [message('user', question(asked(session, turn)))],
        if(nth = 2 AND uses_tool(session, turn), [calling(session, turn), called(session, turn)], [])), -20),
      says != '', [message('user', says)],
      []) AS heard,
    multiIf(
      answered != '', message('assistant', answered),
      kind = 'generation', calling(session, turn),
      '') AS said,
    kind = 'error' OR (kind IN ('assistant_response', 'tool_call', 'generation') AND chance((session, turn), concat('fails ', kind)) < 0.012) AS failed,
    if(failed, ['TimeoutError', 'ConnectionError', 'RateLimitError', 'ValueError'][1 + toUInt8(pow(chance((session, turn), 'error'), 2) * 4)], '') AS error_type,
    if(failed, concat(prose((session, turn), 'error', 6), ' (', toString(drawn((session, turn), 'code', 400, 40, 599)), ')'), '') AS error_message,
    ['LCP', 'INP', 'time_to_interactive'][1 + toUInt8(chance((session, turn), 'metric') * 3)] AS metric,
    multiIf(
      kind != 'ui_event', '',
      turn = 0, 'OpenChat',
      ['GenerateButton', 'CopyButton', 'RegenerateButton', 'SearchField', 'ThumbsUp', 'ProductCard', 'ShareButton', 'SettingsTab', 'ThumbsDown'][1 + toUInt8(pow(chance((session, turn), 'component'), 2) * 9)]) AS component,
    toUInt32(1.4 * (countSubstrings(says, ' ') + 30 * least(turn, 20)) + 180) AS input_tokens,
    toUInt32(1.4 * countSubstrings(said, ' ') + 12) AS output_tokens,
    kind IN ('assistant_response', 'generation') AS calls_model,
    -- (name, value, type by OTLP): 1 text, 2 yes or no, 3 whole number, 4 number, 5 list; what has no value is not there
    arrayFilter(a -> a.2 != '', [
      ('interaction.type', if(own, kind, ''), 1),
      ('session.id', if(own, session_id, ''), 1),
      ('gen_ai.conversation.id', if(own OR (hides AND NOT is_root), '', session_id), 1),
      ('user.id', if(own OR is_root OR NOT hides, user_id, ''), 1),
      ('interaction.session.mode', if(kind = 'session_start', if(voice, 'voice', 'text'), ''), 1),
      ('interaction.session.end_reason', if(kind = 'session_end', ['completed', 'completed', 'completed', 'closed', 'timeout'][1 + toUInt8(chance(session, 'reason') * 5)], ''), 1),
      ('gen_ai.provider.name', if(calls_model, provider, ''), 1),
      ('gen_ai.request.model', if(calls_model OR kind = 'session_start', model, ''), 1),
      ('gen_ai.response.model', if(calls_model AND NOT own, model, ''), 1),
      ('gen_ai.operation.name', multiIf(kind = 'tool_call', 'execute_tool', kind = 'generation', 'chat', kind = 'agent_run', 'invoke_agent', ''), 1),
      ('gen_ai.agent.name', if(kind = 'agent_run', 'concierge', ''), 1),
      ('gen_ai.usage.input_tokens', if(calls_model, toString(input_tokens), ''), 3),
      ('gen_ai.usage.output_tokens', if(calls_model, toString(output_tokens), ''), 3),
      ('gen_ai.usage.cache_read.input_tokens', if(calls_model AND turn > 4, toString(intDiv(input_tokens, 2)), ''), 3),
      ('gen_ai.response.finish_reasons', multiIf(
        NOT calls_model, '',
        answered = '', '["tool_call"]',
        voice AND chance((session, turn), 'interrupted') < 0.08, '["interrupted"]',
        '["stop"]'), 5),
      ('gen_ai.response.time_to_first_chunk', if(calls_model, toString(round(duration / 4e9, 3)), ''), 4),
      ('interaction.response_time_ms', if(is_answer, toString(duration / 1e6), ''), 4),
      ('interaction.duration_ms', if(kind = 'session_end', toString(dateDiff('millisecond', began, at)), ''), 4),
      ('interaction.audio.duration_ms', if(is_question AND voice OR kind = 'audio_output', toString(drawn((session, turn), kind, 900, 3000, 30000)), ''), 4),
      ('interaction.audio.mime_type', if(is_question AND voice OR kind = 'audio_output', 'audio/pcm', ''), 1),
      ('interaction.text.length', if(own AND says || answered != '', toString(length(says || answered)), ''), 3),
      ('gen_ai.input.messages', if(empty(heard), '', concat('[', arrayStringConcat(heard, ','), ']')), 1),
      ('gen_ai.output.messages', if(said = '', '', concat('[', said, ']')), 1),
      ('gen_ai.tool.name', tool_name, 1),
      ('gen_ai.tool.call.id', if(tool_name = '', '', call_id(session, turn)), 1),
      ('gen_ai.tool.call.arguments', if(tool_name = '', '', arguments(session, turn)), 1),
      ('gen_ai.tool.call.result', if(tool_name = '' OR failed, '', result(session, turn)), 1),
      ('interaction.action', if(component = '', '', 'click'), 1),
      ('interaction.component', if(kind = 'error', 'backend', component), 1),
      ('url.full', if(component = '', '', concat('https://shop.example/', lower(component))), 1),
      ('interaction.state.from', if(kind = 'state_transition', state_before, ''), 1),
      ('interaction.state.to', if(kind = 'state_transition', state, ''), 1),
      ('interaction.metric.name', if(kind = 'performance_metric', metric, ''), 1),
      ('interaction.metric.value', if(kind = 'performance_metric', toString(drawn((session, turn), metric, 40, 700, 9000)), ''), 4),
      ('interaction.metric.unit', if(kind = 'performance_metric', 'ms', ''), 1),
      ('interaction.source', multiIf(kind IN ('ui_event', 'performance_metric'), 'client', kind = 'error', 'server', ''), 1),
      ('interaction.severity', if(kind = 'error', 'error', ''), 1),
      ('interaction.critical', if(kind = 'error' AND chance((session, turn), 'critical') < 0.1, 'true', ''), 2),
      ('error.type', error_type, 1),
      ('exception.type', if(own, error_type, ''), 1),
      ('exception.message', if(own, error_message, ''), 1),
      ('service.instance.id', if(own, instance, ''), 1),
      ('interaction.sequence', if(own, toString(sequence), ''), 3)]) AS attributes
  FROM
  (
    SELECT
      * EXCEPT (slot),
      -- a process serves one tenant, lives as long as what is inserted together, and numbers what it records as that ends
      toUInt8(chance(session, 'shard') * 4) AS shard,
      toString(reinterpretAsUUID(reverse(sipHash128({seed:UInt64}, {since:DateTime64(9, 'UTC')}, tenant, service, shard)))) AS instance,
      row_number() OVER (PARTITION BY own, tenant, service, shard ORDER BY ended, session, turn, nth, kind) AS sequence
    FROM
    (
      SELECT
        *,
        slot.1 AS kind,
        slot.2 AS nth,
        turn_at + toIntervalMicrosecond(1000 * slot.3 + drawn((session, turn), kind, 0, 5000, 60000)) AS at,
        toUInt64(if(slot.4 = 0, drawn((session, turn), kind, 12000, 20000, 900000), slot.4 * 1e6)) AS duration,
        at + toIntervalNanosecond(duration) AS ended,
        kind IN ('session_start', 'agent_run') AS is_root
      FROM
      (
        SELECT
          *,
          toUInt16(place - 1) AS turn,
          began + toIntervalMillisecond(offset) AS turn_at,
          turn BETWEEN 1 AND turns AS talks,
          uses_tool(session, turn) AND talks AS calls_tool,
          drawn((session, turn), 'wait', 600, 1300, 9000) AS wait,
          -- (kind, which of it in this turn, ms after the turn began, ms it takes or 0 for a moment, whether it is there)
          arrayJoin(arrayFilter(s -> s.5, [
            ('session_start', 1, 0, 0, own AND turn = 0),
            ('agent_run', 1, 0, length_ms, runs AND turn = 0),
            ('ui_event', 1, 900, 0, own AND turn = 0),
            ('state_transition', 1, 1200, 0, own AND turn = 0),
            (if(voice, 'audio_input', 'user_message'), 1, 0, 0, own AND talks),
            ('generation', 1, 80, toUInt32(if(own, wait - 200, 350)), talks AND if(own, instrumented, calls_tool)),
            ('tool_call', 1, 450, 120, calls_tool),
            ('generation', 2, if(calls_tool, 700, 80), wait, talks AND NOT own),
            ('assistant_response', 1, 70, wait, talks AND own),
            ('audio_output', 1, wait + 140, 0, talks AND voice),
            ('performance_metric', 1, 300 + wait, 0, own AND talks AND chance((session, turn), 'measured') < 0.4),
            ('error', 1, 350 + wait, 0, own AND talks AND chance((session, turn), 'breaks') < 0.015),
            ('ui_event', 2, 2500 + wait, 0, own AND talks AND chance((session, turn), 'clicks') < 0.45),
            ('state_transition', 2, 3500 + wait, 0, own AND talks AND (
              (turn = 2 AND buys < 0.6) OR (turn = 4 AND buys < 0.3) OR (turn = 6 AND buys < 0.2))),
            ('session_end', 1, 0, 0, own AND ends AND turn > turns)])) AS slot,
          ['browsing', '', 'product', '', 'checkout', '', 'paid'][least(turn, 6) + 1] AS state,
          ['', '', 'browsing', '', 'product', '', 'checkout'][least(turn, 6) + 1] AS state_before
        FROM
        (
          SELECT
            *,
            concat(if(voice, 'call-', ''), toString(reinterpretAsUUID(reverse(sipHash128({seed:UInt64}, session))))) AS session_id,
            SHA256(session_id) AS digest,  -- the SDK makes the ids of the trace and of its root of the session's
            lower(hex(substring(digest, 17, 8))) AS root,
            concat('user-', leftPad(toString(user), 6, '0')) AS user_id,
            if(chance(user, 'tenant') < 0.05, 'pilot', 'default') AS tenant,
            multiIf(voice, 'voice-gateway', chance(session, 'service') < 0.7, 'web-chat', 'mobile-app') AS service,
            tupleElement([
              ('openai', 'gpt-4o-mini'), ('openai', 'gpt-5'), ('gcp.gemini', 'gemini-2.5-flash'), ('openai', 'gpt-4o'),
              ('anthropic', 'claude-haiku-4-5-20251001'), ('anthropic', 'claude-opus-4-1-20250805')][1 + toUInt8(pow(chance(session, 'model'), 2) * 6)] AS answering, 1) AS provider,
            answering.2 AS model,
            chance(session, 'ends') < 0.7 AS ends,
            chance(session, 'buys') AS buys,
            chance(session, 'instrumented') < 0.2 AS instrumented,
            chance(session, 'runs') < 0.5 AND NOT own AS runs,
            chance(session, 'hides') < 0.5 AND runs AS hides,  -- only the agent's run names the session, the calls inside do not
            arrayPushFront(arrayCumSum(arrayMap(t -> 1000 * drawn((session, t), 'pause', 15, 22, 120), range(turns + 1))), 0) AS offsets,
            toUInt32(offsets[turns + 1]) AS length_ms
          FROM
          (
            SELECT
              arrayJoin(range(hour.2, hour.3)) AS session,
              toDateTime64(hour.1, 9, 'UTC') + toIntervalMillisecond(chance(session, 'began') * 3600000) AS began,
              toUInt32(pow(chance(session, 'user'), 2) * {users:UInt32}) AS user,
              chance(session, 'recorder') < 0.9 AS own,
              own AND chance(session, 'voice') < 0.06 AS voice,
              sqrt(-2 * log(1 - chance(session, 'radius'))) * cos(2 * pi() * chance(session, 'angle')) AS normal,
              toUInt16(least(240, greatest(1, 8 * exp(0.9 * normal)))) AS turns
            FROM (SELECT arrayJoin({hours:Array(Tuple(UInt32, UInt64, UInt64))}) AS hour)
          )
        )
        ARRAY JOIN offsets AS offset, arrayEnumerate(offsets) AS place
      )
    )
    WHERE at >= {since:DateTime64(9, 'UTC')} AND at < {until:DateTime64(9, 'UTC')}
  )
)
