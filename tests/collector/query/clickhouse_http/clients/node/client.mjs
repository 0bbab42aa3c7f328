// Asks the SQL port with @clickhouse/client and prints one JSON object: what each case got.
import { createClient, ClickHouseLogLevel } from '@clickhouse/client'

const [url, password] = process.argv.slice(2)
const make = (more = {}) => createClient({ url, password, database: 'otel', log: { level: ClickHouseLogLevel.OFF }, ...more })
const client = make()
const squeezed = make({ compression: { response: true, request: true }, session_id: 'node' })
const brotli = make({ compression: { response: { codec: 'br' } } })
const MANY = 'SELECT number AS n, toString(number) AS text FROM numbers(100000)'

async function counted(query, format, from = client) {
  const result = await from.query({ query, format })
  let rows = 0
  for await (const batch of result.stream()) rows += batch.length
  return rows
}

const cases = {
  ping: async () => (await client.ping()).success,
  'ping with a statement': async () => (await client.ping({ select: true })).success,
  json: async () => (await client.query({ query: 'SELECT id, word FROM words ORDER BY id LIMIT 2' })).json(),
  rows: async () =>
    (await client.query({ query: 'SELECT id, word FROM words ORDER BY id LIMIT 2', format: 'JSONEachRow' })).json(),
  text: async () => (await client.query({ query: 'SELECT 1 AS a', format: 'CSVWithNames' })).text(),
  'an empty result': async () =>
    (await client.query({ query: 'SELECT id FROM words WHERE 0', format: 'CSVWithNames' })).text(),
  'stream JSONEachRow': () => counted(MANY, 'JSONEachRow'),
  'stream CSVWithNames': () => counted(MANY, 'CSVWithNames'),
  'stream JSONCompactEachRowWithNamesAndTypes': () => counted(MANY, 'JSONCompactEachRowWithNamesAndTypes'),
  'stream compressed': () => counted(MANY, 'JSONEachRow', squeezed),
  compressed: async () => (await squeezed.query({ query: 'SELECT 1' })).response_headers['content-encoding'],
  'a codec not spoken here': async () => (await brotli.query({ query: 'SELECT 7 AS n', format: 'JSONEachRow' })).json(),
  parameters: async () =>
    (
      await client.query({
        query: 'SELECT {s:String} AS s, {a:Array(String)} AS a, {d:DateTime64(3)} AS d, {m:Map(String, UInt8)} AS m, {n:Nullable(String)} AS n',
        query_params: { s: "it's\ta \\ text\n", a: ["x'", 'y'], d: new Date(1700000000123), m: { x: 1 }, n: null },
        format: 'JSONEachRow',
        clickhouse_settings: { session_timezone: 'UTC' },
      })
    ).json(),
  settings: async () =>
    (
      await client.query({
        query: "SELECT getSetting('max_threads') AS threads, 1::UInt64 AS big",
        format: 'JSONEachRow',
        clickhouse_settings: { max_threads: '1', output_format_json_quote_64bit_integers: 1, wait_end_of_query: 1 },
      })
    ).json(),
  session: async () => {
    await squeezed.command({ query: "SET session_timezone = 'Asia/Tokyo'" })
    return (await squeezed.query({ query: 'SELECT timezone() AS zone', format: 'JSONEachRow' })).json()
  },
  summary: async () => {
    const done = await client.command({ query: 'SELECT count() FROM words', query_id: 'from-node' })
    return { query_id: done.query_id, result_rows: done.summary.result_rows }
  },
  exec: async () => {
    const { stream } = await client.exec({ query: 'SELECT 1 FORMAT CSV' })
    let text = ''
    for await (const piece of stream) text += piece
    return text
  },
  progress: async () => {
    const result = await client.query({
      query: 'SELECT count() AS n FROM numbers(1000)',
      format: 'JSONEachRowWithProgress',
    })
    const kinds = new Set()
    for await (const batch of result.stream()) for (const row of batch) kinds.add(Object.keys(row.json())[0])
    return [...kinds].includes('row')
  },
  'progress headers': async () => {
    const result = await client.query({
      query: 'SELECT sleepEachRow(0.2) FROM numbers(5) SETTINGS max_block_size = 1',
      clickhouse_settings: { send_progress_in_http_headers: 1, http_headers_progress_interval_ms: '100' },
    })
    await result.text()
    return Object.keys(JSON.parse([result.response_headers['x-clickhouse-progress']].flat()[0].split(', {')[0]))
  },
  error: () => client.query({ query: 'SELECT nothing FROM words' }),
  'an error half way': () =>
    counted("SELECT number, throwIf(number = 900000, 'half way') AS t FROM numbers(1000000)", 'JSONEachRow'),
  insert: () => client.insert({ table: 'words', values: [{ id: 1, word: 'a' }], format: 'JSONEachRow' }),
  'insert compressed': () => squeezed.insert({ table: 'words', values: [{ id: 1 }], format: 'JSONEachRow' }),
  'a wrong key': () => make({ password: 'wrong' }).query({ query: 'SELECT 1' }),
  abort: async () => {
    const given = new AbortController()
    setTimeout(() => given.abort(), 300)
    await client.query({ query: 'SELECT sleepEachRow(0.1) FROM numbers(1000) SETTINGS max_block_size = 5', abort_signal: given.signal })
  },
  'leave a stream': async () => {
    const result = await client.query({ query: 'SELECT number FROM numbers(100000000)', format: 'JSONEachRow' })
    for await (const batch of result.stream()) {
      result.close()
      return batch.length > 0
    }
  },
  afterwards: async () => (await client.query({ query: 'SELECT 1 AS a', format: 'JSONEachRow' })).json(),
}

const got = {}
for (const [name, run] of Object.entries(cases)) {
  try {
    got[name] = { value: await run() }
  } catch (error) {
    got[name] = { code: error.code, type: error.type, error: String(error.message) }
  }
}
console.log(JSON.stringify(got))
process.exit(0)
