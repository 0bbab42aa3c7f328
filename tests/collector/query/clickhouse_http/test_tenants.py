"""A key of one tenant reads that tenant's rows and nothing else, whatever it asks."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import clickhouse_connect
import httpx
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from otlp_builders import log_record, logs, span, traces
from processes import add_key, running

from collector.access.keys import Scope

OURS, THEIRS = "acme", "beta"
SECRET = "hush5417"  # noqa: S105 - what their rows say
REQUESTS, SPANS = 4, 500  # a request's spans; enough rows for the optimizer to move conditions


@dataclass(frozen=True)
class House:
    """A collector with the rows of two tenants; theirs all say the secret."""

    http: httpx.Client
    ours: str  # keys
    everybodys: str

    def ask(self, sql: str, *, key: str = "", **settings: str) -> httpx.Response:
        """Ask with our key, or another one."""
        headers = {"x-clickhouse-key": key or self.ours}
        return self.http.post("/", params=settings, content=sql.encode(), headers=headers)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Fill it and ask it."""
    folder = tmp_path_factory.mktemp("tenants") / "data"
    keys = {tenant: add_key(folder, Scope.INGEST, Scope.READ, tenant=tenant) for tenant in (OURS, THEIRS)}
    everybody = add_key(folder, Scope.READ, tenant="*")
    with running(folder, "--batch-seconds", "0.2") as collector:
        for tenant, text in ((OURS, "17"), (THEIRS, SECRET)):
            collector.key = keys[tenant]
            for number in range(REQUESTS):
                collector.send(traces(*(_interaction(tenant, text, number * SPANS + at) for at in range(SPANS))))
            collector.send(logs(log_record(text, {"text": text})))
        collector.key = everybody
        collector.wait_until_stored()
        with httpx.Client(base_url=f"http://{collector.endpoints['sql']}", timeout=60) as http:
            yield House(http, keys[OURS], everybody)


def _interaction(tenant: str, text: str, number: int) -> Span:
    values = {
        "interaction.type": "user_message",
        "interaction.message": text,
        "session.id": f"{tenant}-{number % 7}",
        "text": text,
        "tenant": OURS,  # what the payload says counts for nothing
        "number": number,
    }
    return span(f"{text}-{number % 3}", values)


TABLES = ["otel_traces", "otel_logs", "interactions", "sessions", "transcript"]


@pytest.mark.parametrize("table", TABLES)
def test_only_our_rows(house: House, table: str) -> None:
    """Each table and view has rows of both, and shows ours."""
    sql = f"SELECT DISTINCT COLUMNS('^[tT]enant$') FROM otel.{table} ORDER BY 1"
    assert house.ask(sql).text == f"{OURS}\n"
    assert house.ask(sql, key=house.everybodys).text == f"{OURS}\n{THEIRS}\n"


def test_a_view_computes_with_what_is_everybodys(house: House) -> None:
    """The default idle time, of tenant '', holds for us too: our sessions read as active."""
    assert house.ask("SELECT DISTINCT status FROM otel.sessions").text == "active\n"


# Each of these fails, shows or counts a row of theirs unless the row policy is applied before anything else.
PRYING = [
    "SELECT count() FROM otel.otel_traces WHERE toUInt64(SpanAttributes['text']) = 1",
    "SELECT count() FROM otel.otel_traces PREWHERE toUInt64(SpanAttributes['text']) = 1",
    "SELECT count() FROM otel.otel_traces PREWHERE throwIf(Tenant = 'beta') = 0",
    "SELECT count() FROM otel.otel_traces PREWHERE throwIf(SpanName LIKE 'hush%') = 0",
    "SELECT count() FROM otel.otel_traces WHERE throwIf(SpanName LIKE 'hush%') = 0",
    "SELECT count() FROM otel.otel_traces WHERE throwIf(SpanName LIKE 'hush%') = 0 AND SpanAttributes['text'] != 'x'",
    "SELECT count() FROM otel.otel_traces WHERE TraceState = '' AND throwIf(SpanName LIKE 'h%') = 0",
    "SELECT count() FROM otel.otel_traces WHERE NOT throwIf(SpanName LIKE 'hush%') AND rand() >= 0",
    "SELECT toUInt64(SpanAttributes['text']) AS n FROM otel.otel_traces ORDER BY n LIMIT 1",
    "SELECT max(toUInt64(SpanAttributes['text'])) FROM otel.otel_traces",
    "SELECT count() FROM otel.otel_traces GROUP BY toUInt64(SpanAttributes['text'])",
    "SELECT 1 FROM otel.otel_traces a JOIN otel.otel_traces b ON a.SpanId = b.SpanId AND throwIf(b.Tenant = 'beta')",
    "SELECT count() FROM (SELECT 1) AS a LEFT JOIN otel.otel_traces AS b ON throwIf(b.SpanName LIKE 'hush%') = 1",
    "SELECT 1 FROM otel_traces WHERE SpanId IN (SELECT SpanId FROM otel.otel_traces WHERE throwIf(Tenant = 'beta'))",
    "WITH t AS (SELECT * FROM otel.otel_traces) SELECT max(SpanName), throwIf(max(Tenant) = 'beta') FROM t",
    "SELECT 1 FROM otel.otel_traces ARRAY JOIN [toUInt64(SpanAttributes['text'])] AS n WHERE n = 1",
    "SELECT max(SpanName) FROM otel.otel_traces",
    "SELECT SpanName FROM otel.otel_traces ORDER BY SpanName DESC LIMIT 1",
    "SELECT groupUniqArray(Tenant) FROM otel.otel_traces",
    "SELECT SpanName FROM otel.otel_traces LIMIT 4000",
    "SELECT max(SpanName) FROM view(SELECT * FROM otel.otel_traces)",
    "SELECT max(x) FROM (SELECT SpanName AS x FROM otel.otel_traces UNION ALL SELECT Body FROM otel.otel_logs)",
    "SELECT SpanName FROM otel.otel_traces EXCEPT SELECT 'x'",
    "SELECT throwIf(concat('hu', 'sh5417-1') IN (SELECT SpanName FROM otel.otel_traces))",
    "SELECT max(input_text), throwIf(max(tenant) = 'beta') FROM otel.interactions",
    "SELECT count() FROM otel.interactions WHERE toUInt64(input_text) = 17",
    "SELECT count() FROM otel.transcript WHERE toUInt64(text) = 17",
    "SELECT max(text) FROM otel.transcript",
    "SELECT count() FROM otel.sessions WHERE throwIf(session_id LIKE 'beta%') = 0",
    "SELECT max(session_id) FROM otel.sessions",
    "SELECT max(Body) FROM otel.otel_logs",
    "SELECT (SELECT max(SpanName) FROM otel.otel_traces)",
    "SELECT quantile(toUInt64(SpanAttributes['text'])) OVER (ORDER BY SpanName) FROM otel.otel_traces LIMIT 1",
]  # fmt: skip
TRACES_OF_THEIRS = re.compile(r"hush|beta|throwIf|FUNCTION_THROW|CANNOT_PARSE")


@pytest.mark.parametrize("statement", PRYING, ids=lambda text: text[:80])
def test_prying_finds_nothing(house: House, statement: str) -> None:
    """What tells of theirs to who may read everything is answered to us as if they were not there."""
    everything = house.ask(statement, key=house.everybodys)
    assert TRACES_OF_THEIRS.search(everything.text), everything.text  # the statement has teeth
    ours = house.ask(statement)
    assert ours.status_code == 200, ours.text
    assert not TRACES_OF_THEIRS.search(ours.text), ours.text


COUNTS = [
    ("SELECT count() FROM otel.otel_traces", "2000"),
    ("SELECT count() FROM otel.otel_traces WHERE Tenant = 'beta'", "0"),
    ("SELECT count() FROM otel.otel_traces AS beta", "2000"),
    ("SELECT count() FROM otel_traces", "2000"),
    ("SELECT count() FROM otel.`otel_traces`", "2000"),
    ("SELECT count(), uniq(_part) > 0 FROM otel.otel_traces", "2000\t1"),
    ("SELECT sum(user_messages) FROM otel.sessions", "2000"),
    ("SELECT count() FROM otel.otel_traces SETTINGS additional_table_filters = {'otel.otel_traces': '1'}", "2000"),
    ("SELECT count() FROM (SELECT 1 FROM otel.otel_traces SETTINGS additional_table_filters = {})", "2000"),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "answer"), COUNTS, ids=lambda text: text[:80])
def test_counts(house: House, statement: str, answer: str) -> None:
    """Counting counts ours, also where the engine could count without reading."""
    assert house.ask(statement).text.strip() == answer


CLOSED = [
    "SELECT * FROM otel.otlp_traces",
    "SELECT * FROM otel.otel_traces_from_otlp",
    "SELECT * FROM otel.schema_migrations",
    "SELECT 1 IN otel.schema_migrations",
    "SELECT globalNotNullIn(1, otel.schema_migrations)",
    *(
        f"SELECT * FROM system.{table}"
        for table in (
            *("processes", "query_log", "parts", "parts_columns", "tables", "columns", "databases", "row_policies"),
            *(
                "users",
                "roles",
                "grants",
                "metrics",
                "events",
                "asynchronous_metrics",
                "merges",
                "mutations",
                "replicas",
            ),
            *(
                "query_cache",
                "text_log",
                "part_log",
                "session_log",
                "errors",
                "detached_parts",
                "dictionaries",
                "disks",
            ),
            *("data_skipping_indices", "projections", "settings_changes", "server_settings", "stack_trace"),
        )
    ),
    "SELECT count() FROM `system`.`parts`",
    "SELECT 1 IN system.parts",
    "SELECT inIgnoreSet(1, system.parts)",
    "WITH t AS (SELECT * FROM system.processes) SELECT * FROM t",
    "SELECT * FROM view(SELECT query FROM system.processes)",
    "SELECT (SELECT any(query) FROM system.processes)",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM INFORMATION_SCHEMA.COLUMNS",
    "DESCRIBE system.processes",
    "SHOW CREATE TABLE system.processes",
    "SHOW PROCESSLIST",
    "SHOW MERGES",
    "SHOW CLUSTERS",
    "SHOW FILESYSTEM CACHES",
    "SHOW GRANTS",
    "SHOW ROW POLICIES",
    "EXPLAIN SELECT * FROM otel.otel_traces",
    "EXPLAIN ESTIMATE SELECT * FROM otel.otel_traces",
    "EXPLAIN PIPELINE SELECT * FROM otel.otel_traces",
    "SET ROLE collector_owner",
    "SET ROLE DEFAULT",
    "SET query_cache_tag = 'beta'",
    "EXECUTE AS default SELECT 1",
    "SELECT count() FROM otel.otel_traces SETTINGS query_cache_tag = 'beta'",
    "SELECT * FROM (SELECT * FROM otel.otel_traces SETTINGS query_cache_tag = 'beta')",
    "SELECT count() FROM otel.otel_traces SETTINGS max_rows_to_read = 2500",
    "SELECT count() FROM otel.otel_traces SETTINGS max_bytes_to_read = 1",
    "SELECT count() FROM otel.otel_traces SETTINGS read_overflow_mode = 'break'",
    "SELECT * FROM merge('otel', '.*')",
    "SELECT * FROM merge('.*', 'parts')",
    "SELECT * FROM remote('127.0.0.1', otel.otel_traces)",
    "SELECT * FROM cluster('default', otel.otel_traces)",
    "SELECT * FROM dictionary('x')",
    "SELECT * FROM dictionary('otel.messages_of_span')",
    "SELECT * FROM otel.messages_of_span WHERE Tenant = 'beta' AND TraceId = 'x' AND SpanId = 'y'",
    "SELECT * FROM loop(otel.otel_traces)",
    "SELECT * FROM mergeTreeIndex('otel', 'otel_traces')",
    "SELECT * FROM file('/etc/passwd')",
    "SELECT * FROM {table:Identifier}",
    "SELECT * FROM {database:Identifier}.parts",
    "SELECT * FROM system.{short:Identifier}",
    "SELECT 1 IN {table:Identifier}",
]
PARAMETERS = {"param_table": "system.processes", "param_database": "system", "param_short": "processes"}


@pytest.mark.parametrize("statement", CLOSED, ids=lambda text: text[:80])
def test_closed(house: House, statement: str) -> None:
    """What has no tenant is closed, and so is every way out of being one."""
    reply = house.ask(statement, **PARAMETERS)
    assert reply.status_code >= 400, reply.text
    assert not re.search("hush|beta|SELECT query", reply.text.replace(statement, "")), reply.text
    assert house.ask("SELECT count() FROM otel.otel_traces").text == "2000\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database", "system"),
        ("database", "information_schema"),
        ("query_cache_tag", "beta"),
        ("role", "collector_owner"),
        ("max_rows_to_read", "100"),
        ("read_overflow_mode", "break"),
        ("additional_table_filters", "{'otel.otel_traces': '1 = (SELECT count() FROM system.processes)'}"),
    ],
)
def test_closed_in_the_url(house: House, name: str, value: str) -> None:
    """Nor does the URL open anything."""
    reply = house.ask("SELECT count() FROM otel.otel_traces", **{name: value})
    assert reply.status_code >= 400 or reply.text == "2000\n", reply.text
    assert name == "role" or reply.status_code >= 400


def test_every_table_is_judged(house: House) -> None:
    """Of all tables there are, only those with a tenant are open, and of `system` the few that say nothing of rows."""
    names = house.ask("SELECT database, name FROM system.tables FORMAT JSONCompactEachRow", key=house.everybodys)
    opened = set()
    for line in names.text.splitlines():
        database, name = json.loads(line)
        reply = house.ask(f"SELECT * FROM `{database}`.`{name}` LIMIT 10000 FORMAT JSONEachRow")
        if reply.status_code == 200:
            opened.add((database, name))
        assert SECRET not in reply.text, (database, name)
    ours = set(_with_tenants(house))
    assert {("otel", table) for table in TABLES} <= ours
    about_the_engine = {
        *("aggregate_function_combinators", "collations", "data_type_families", "formats", "functions", "keywords"),
        *("numbers", "numbers_mt", "one", "settings", "table_functions", "time_zones", "zeros", "zeros_mt"),
    }
    assert opened - {("system", each) for each in about_the_engine} == ours


def _with_tenants(house: House) -> list[tuple[str, str]]:
    sql = """SELECT DISTINCT c.database, c.table FROM system.columns AS c JOIN system.tables AS t
        ON t.database = c.database AND t.name = c.table WHERE c.name IN ('tenant', 'Tenant')
        AND (t.engine = 'View' OR t.engine LIKE '%MergeTree') AND c.table NOT LIKE 'archived%' ORDER BY 2
        FORMAT JSONCompactEachRow"""
    return [tuple(json.loads(line)) for line in house.ask(sql, key=house.everybodys).text.splitlines()]


def test_what_there_is(house: House) -> None:
    """The tables that are open are listed and described; the others are not named."""
    assert house.ask("SHOW TABLES").text.split() == [name for _, name in _with_tenants(house)]
    assert "session_id" in house.ask("DESCRIBE TABLE otel.sessions").text
    assert "session_id" in house.ask("SHOW COLUMNS FROM sessions").text
    assert house.ask("EXISTS TABLE otel.sessions").text == "1\n"


def test_how_much_was_read_is_not_told(house: House) -> None:
    """Rows that were looked through are theirs too: neither the header nor JSON's statistics count them."""
    reply = house.ask(
        "SELECT count() FROM otel.otel_traces WHERE SpanName != '' FORMAT JSON", output_format_write_statistics="1"
    )
    assert "statistics" not in reply.json()
    summary = json.loads(reply.headers["x-clickhouse-summary"])
    assert (summary["read_rows"], summary["read_bytes"], summary["result_rows"]) == ("0", "0", "1")


def test_grafanas_ad_hoc_filters(house: House) -> None:
    """Filters of the reader's own narrow what is ours, and never see what is not."""
    filters = "{'otel.otel_traces': 'SpanName = \\'17-1\\''}"
    assert (
        house.ask("SELECT DISTINCT SpanName FROM otel.otel_traces", additional_table_filters=filters).text == "17-1\n"
    )
    prying = "{'otel.otel_traces': 'throwIf(SpanName LIKE \\'hush%\\') = 0'}"
    assert house.ask("SELECT count() FROM otel.otel_traces", additional_table_filters=prying).text == "2000\n"
    assert (
        "THROW_IF"
        in house.ask("SELECT count() FROM otel.otel_traces", key=house.everybodys, additional_table_filters=prying).text
    )


def test_clickhouse_connect(house: House) -> None:
    """The driver connects with a tenant's key as its password, and reads."""
    address = {"host": house.http.base_url.host, "port": house.http.base_url.port}
    with clickhouse_connect.get_client(**address, username="any", password=house.ours) as client:
        assert client.query("SELECT DISTINCT Tenant FROM otel.otel_traces").result_rows == [(OURS,)]
        with pytest.raises(DatabaseError, match="not open to a key of one tenant"):
            client.query("SELECT * FROM system.parts")


def test_streams(house: House) -> None:
    """A long result, sent block by block, is ours to its last row."""
    text = house.ask("SELECT Tenant FROM otel.otel_traces, numbers(100) AS n FORMAT TSV").text
    assert text.count("\n") == 200_000
    assert set(text.split()) == {OURS}


def test_an_index_is_not_asked_about_theirs(locked_sql) -> None:
    """An index that keeps values would try our condition on theirs: to a tenant it does not exist."""
    prying = "SELECT count() FROM owned WHERE toUInt64(text) = 1"
    everything = locked_sql.ask(prying, password="s3cret")  # noqa: S106
    assert "hush" in everything.text
    assert locked_sql.text(prying, password="tenant-a") == "0\n"  # noqa: S106
    assert locked_sql.text("SELECT DISTINCT text FROM owned", password="tenant-a") == "17\n"  # noqa: S106


def test_the_collector_itself_reads_everything(house: House) -> None:
    """Policies bind tenants only: nothing was lost on the way in, and nothing is hidden from who may see all."""
    assert house.ask("SELECT count() FROM otel.otel_traces", key=house.everybodys).text == "4000\n"
    assert house.ask("SELECT sum(interactions) FROM otel.sessions", key=house.everybodys).text == "4000\n"


TRACE, SPAN = bytes(range(1, 17)), bytes(range(1, 9))  # the same ids for both tenants
KEY = f"('{THEIRS}', '{TRACE.hex()}', '{SPAN.hex()}')"


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Two tenants with the same ids: a model call told by log records, in a session an agent's run names."""
    folder = tmp_path_factory.mktemp("twins") / "data"
    keys = {tenant: add_key(folder, Scope.INGEST, Scope.READ, tenant=tenant) for tenant in (OURS, THEIRS)}
    everybody = add_key(folder, Scope.READ, tenant="*")
    ids = {"trace_id": TRACE, "span_id": SPAN}
    call = {"gen_ai.system": "openai", "gen_ai.operation.name": "chat"}
    run = {"gen_ai.operation.name": "invoke_agent", "gen_ai.conversation.id": "same"}
    with running(folder, "--batch-seconds", "0.2") as collector:
        for tenant, text in ((THEIRS, SECRET), (OURS, "17")):
            collector.key = keys[tenant]
            told = {"content": text}
            collector.send(logs(log_record(told, {"text": text}, event_name="gen_ai.user.message", **ids)))
            collector.send(traces(span("chat", call, **ids), span("run", run, trace_id=TRACE)))
        collector.key = everybody
        collector.wait_until_stored()
        with httpx.Client(base_url=f"http://{collector.endpoints['sql']}", timeout=60) as http:
            yield House(http, keys[OURS], everybody)


@pytest.mark.parametrize(
    ("statement", "both"),
    [
        ("SELECT input_text FROM otel.interactions WHERE type = 'generation' ORDER BY 1", f"17\n{SECRET}\n"),
        ("SELECT text FROM otel.transcript WHERE session_id = 'same' ORDER BY 1", f"17\n{SECRET}\n"),
        ("SELECT text FROM otel.messages ORDER BY 1", f"17\n{SECRET}\n"),
        ("SELECT position(Input, 'hush') = 0 FROM otel.span_messages ORDER BY 1 DESC", "1\n0\n"),
    ],
)
def test_what_log_records_tell(twins: House, statement: str, both: str) -> None:
    """What is looked up for our span are our records, though theirs have the same ids."""
    assert twins.ask(statement, key=twins.everybodys).text == both
    assert twins.ask(statement).text == both.splitlines()[0] + "\n"


@pytest.mark.parametrize(
    "statement",
    [
        f"SELECT dictGet('otel.messages_of_span', 'Messages', {KEY})",
        f"SELECT DICTGETString('otel.messages_of_span', 'Messages', {KEY})",
        f"SELECT dictGetOrDefault('otel.messages_of_span', 'Messages', {KEY}, '')",
        f"SELECT dictHas('otel.messages_of_span', {KEY})",
        f"SELECT dictGet('otel.mentions_of_trace', 'Mentions', ('{THEIRS}', '{TRACE.hex()}'))",
        f"SELECT dictGet('otel.session_by_trace', 'session_id', ('{THEIRS}', '{TRACE.hex()}'))",
        f"SELECT otel_messages_told(1, 'generation', 'otel_genai', [], map(), '{THEIRS}', '{TRACE.hex()}', 'x')",
        f"SELECT arrayMap(k -> dictHas('otel.messages_of_span', k), [{KEY}])",
        f"SELECT (SELECT dictGet('otel.messages_of_span', 'Messages', {KEY}))",
        f"SELECT * APPLY(x -> dictHas('otel.messages_of_span', x)) FROM (SELECT {KEY})",
        "SELECT 1 SETTINGS additional_table_filters = {'otel.otel_traces': 'dictHas(\\'d\\', 1)'}",
    ],
    ids=lambda text: text[:60],
)
def test_no_dictionary_is_asked(twins: House, statement: str) -> None:
    """A dictionary knows no row policies, so a tenant's own statement asks none, nor a function of ours that does."""
    reply = twins.ask(statement)
    assert reply.status_code >= 400, reply.text
    assert "not open to a key of one tenant" in reply.text or "is not served here" in reply.text, reply.text
    assert SECRET not in reply.text


def test_slow_readers_leave_slots_to_others(house: House) -> None:
    """One key asks more than there are slots, all of it slow: another key's question does not wait for any of it."""
    slow = "SELECT sleepEachRow(1) FROM numbers(3) SETTINGS max_block_size = 1"
    with ThreadPoolExecutor(9) as pool:
        theirs = [pool.submit(house.ask, slow, key=house.everybodys) for _ in range(9)]
        time.sleep(0.5)  # until they have what slots they get
        assert house.ask("SELECT 1").text == "1\n"
        assert not any(each.done() for each in theirs), "it waited for one of them"
        assert {each.result().text for each in theirs} == {"0\n" * 3}
