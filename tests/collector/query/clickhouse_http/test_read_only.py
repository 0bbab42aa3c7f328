"""What a reader may say, and what nobody may."""

from __future__ import annotations

import itertools
import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

READONLY = "(READONLY)"

ALLOWED = [
    "SELECT 1",
    "select 1;",
    "  \n SELECT /* ; */ 1 -- ; drop table words\n",
    "SELECT 'it''s; \\' fine\\n\\t\\\\'",
    "SELECT 1 FORMAT JSON",
    "SELECT 1 SETTINGS max_threads = 1",
    "SELECT count() FROM words SETTINGS max_threads = 1, max_block_size = 100 FORMAT JSONEachRow",
    "SELECT count() FROM otel.words SETTINGS additional_table_filters = {'otel.words': 'kind = \\'noun\\''}",
    "SELECT * FROM (SELECT id, word FROM words WHERE id IN (1, 2)) AS a JOIN nouns AS b ON a.id = b.id",
    "WITH 3 AS x, y AS (SELECT 2 AS two) SELECT x, two, (SELECT max(id) FROM words) FROM y",
    "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT sum(n) FROM t",
    "SELECT kind, count() FROM words GROUP BY kind WITH TOTALS ORDER BY kind",
    "SELECT id, row_number() OVER (PARTITION BY kind ORDER BY id) FROM words LIMIT 3",
    "SELECT * EXCEPT (word) REPLACE (id + 1 AS id) APPLY toString FROM words LIMIT 1",
    "SELECT COLUMNS('i.*') FROM words LIMIT 1",
    "SELECT 1 UNION ALL SELECT 2 INTERSECT SELECT 2 EXCEPT SELECT 3",
    "SELECT arrayMap(x -> x + 1, [1, 2]), map('a', 1)['a'], tuple(1, 'b').2, [1, 2][1], 1 BETWEEN 0 AND 2",
    "SELECT CASE 1 WHEN 1 THEN 'a' ELSE 'b' END, CAST('1' AS UInt8), '2'::UInt8, DATE '2020-01-01', INTERVAL 1 DAY",
    "SELECT number FROM numbers(3) ORDER BY number DESC WITH FILL FROM 5 TO 0 STEP -1",
    "SELECT * FROM numbers(3) ARRAY JOIN [1, 2] AS x",
    "SELECT * FROM VALUES('a UInt8, b String', (1, 'x'))",
    "SELECT * FROM generate_series(1, 3)",
    "SELECT * FROM generateRandom('a UInt8') LIMIT 1",
    "SELECT * FROM view(SELECT 1)",
    "SELECT (1), ((2)), (id) FROM words WHERE (kind = 'noun') AND (NOT (id > 3))",
    "SELECT * FROM system.columns WHERE database = 'otel' LIMIT 1",
    "SELECT format('{} {}', 'a', 'b'), formatReadableSize(1), path('http://a/b'), file FROM (SELECT 1 AS file)",
    "SELECT a FROM `odd/name`",
    "FROM words SELECT count()",
    "(SELECT 1)",
    "SHOW TABLES",
    "SHOW TABLES FROM otel LIKE '%w%'",
    "SHOW DATABASES",
    "SHOW COLUMNS FROM words",
    "SHOW FULL COLUMNS FROM words",
    "SHOW INDEXES FROM words",
    "SHOW CREATE TABLE words",
    "SHOW CREATE VIEW otel.nouns FORMAT TSVRaw",
    "SHOW CREATE DATABASE otel",
    "SHOW SETTINGS LIKE 'max_threads'",
    "SHOW FUNCTIONS LIKE 'toStr%'",
    "SHOW ENGINES",
    "SHOW PROCESSLIST",
    "DESC words",
    "DESCRIBE TABLE otel.words FORMAT JSON",
    "DESCRIBE TABLE `odd/name` SETTINGS describe_compact_output = 1",
    "DESCRIBE (SELECT id, word FROM words)",
    "EXISTS words",
    "EXISTS TABLE otel.nothing",
    "EXISTS DATABASE otel",
    "EXPLAIN SELECT 1",
    "EXPLAIN AST SELECT * FROM words",
    "EXPLAIN SYNTAX SELECT * FROM words",
    "EXPLAIN PLAN indexes = 1 SELECT * FROM words WHERE id = 1",
    "EXPLAIN PIPELINE SELECT * FROM words",
    "EXPLAIN QUERY TREE SELECT 1",
    "EXPLAIN ESTIMATE SELECT * FROM words",
]


@pytest.mark.parametrize("statement", ALLOWED)
def test_reading_is_allowed(sql, statement: str):
    """Whatever only reads gets an answer."""
    sql.text(statement)


CALLS = [  # what no SELECT may contain
    "file('secret.csv')",
    "file('/etc/passwd')",
    "file({path:String})",
    "aiGenerate('hello')",
    "AIGenerate('hello')",
    "aiEmbed('x', 'y')",
    "aiClassify('x', ['y'])",
    "logTrace('x')",
    "generateSerialID('x')",
]
SOURCES = [  # what no FROM may name
    "file('secret.csv')",
    "file('/etc/passwd', 'LineAsString', 'line String')",
    "fileCluster('c', 'secret.csv')",
    "filesystem('/etc')",
    "url('http://127.0.0.1:9/')",
    "urlCluster('c', 'http://127.0.0.1:9/')",
    "s3('http://127.0.0.1:9/bucket/key', 'CSV', 'a String')",
    "s3Cluster('c', 'http://127.0.0.1:9/bucket/key')",
    "gcs('http://127.0.0.1:9/bucket/key')",
    "oss('http://127.0.0.1:9/bucket/key')",
    "cosn('http://127.0.0.1:9/bucket/key')",
    "hdfs('hdfs://127.0.0.1:9/x', 'TSV', 'a Int8')",
    "azureBlobStorage('http://127.0.0.1:9', 'c', 'p')",
    "iceberg('http://127.0.0.1:9/b/k')",
    "icebergLocal('/tmp')",
    "icebergS3('http://127.0.0.1:9/b/k')",
    "deltaLake('http://127.0.0.1:9/b/k')",
    "deltaLakeLocal('/tmp')",
    "hudi('http://127.0.0.1:9/b/k')",
    "paimonLocal('/tmp')",
    "bigquery('a', 'b', 'c')",
    "ytsaurus('http://127.0.0.1:9', '//p', 't', 'a Int8')",
    "arrowstream('x')",
    "remote('127.0.0.1:9', system.one)",
    "remoteSecure('127.0.0.1:9', system.one)",
    "cluster('default', system.one)",
    "clusterAllReplicas('default', system.one)",
    "mysql('127.0.0.1:9', 'a', 'b', 'c', 'd')",
    "postgresql('127.0.0.1:9', 'a', 'b', 'c', 'd')",
    "mongodb('127.0.0.1:9', 'd', 'c', 'u', 'p', 'a Int8')",
    "redis('127.0.0.1:9', 'k', 'k String')",
    "sqlite('/tmp/x.db', 't')",
    "odbc('x', 'y', 'z')",
    "jdbc('http://127.0.0.1:9', 'y', 'z')",
    "executable('ls', TSV, 'a String')",
    "python(secret)",
    "Python(secret)",
    "input('a String')",
    "loop(words)",
    "eval('SELECT 1')",
    "viewExplain('EXPLAIN', '', (SELECT 1))",
    "merge('default', '.*')",
    "merge('system', 'stack_trace')",
    "dictionary('x')",
    "fuzzQuery('SELECT 1')",
    "fuzzJSON('{}')",
    "format(TSV, 'a String', 'x')",
    "mergeTreeIndex('otel', 'words')",
    "timeSeriesSelector('x', 'y', 1, 2)",
    "default.`secret.csv`",
    "`default`.`/etc/passwd`",
    "system.stack_trace",
    "{table:Identifier}",
    "{database:Identifier}.`secret.csv`",
    "system.{stack:Identifier}",
    "{escaped:Identifier}.x",
]
PARAMETERS = {
    "param_path": "/etc/passwd",
    "param_table": "stack_trace",
    "param_database": "default",
    "param_stack": "stack_trace",
    "param_escaped": "def\\x61ult",
}

HOSTILE = [
    *(f"SELECT {call}" for call in CALLS),
    *(f"SELECT * FROM {source}" for source in SOURCES),
    *(f"DESCRIBE TABLE {source}" for source in SOURCES),
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE words",
    "SELECT 1 FORMAT Null; DROP TABLE words",
    "SELECT 1\n;\n\nTRUNCATE TABLE words --",
    "SELECT 1 \x00; DROP TABLE words",
    "EXPLAIN SELECT 1; DROP TABLE words",
    "/* */; DROP TABLE words",
    "SELECT 1 PARALLEL WITH SELECT 2",
    "SELECT 1 INTO OUTFILE 'out.csv'",
    "SELECT 1 INTO OUTFILE 'out.csv' TRUNCATE FORMAT CSV",
    "SELECT 1 INTO OUTFILE 'out.csv' AND STDOUT",
    "(SELECT 1) UNION ALL (SELECT 2) INTO OUTFILE 'out.csv'",
    "EXPLAIN SELECT 1 INTO OUTFILE 'out.csv'",
    "EXPLAIN AST SELECT 1 INTO OUTFILE 'out.csv'",
    "SHOW TABLES INTO OUTFILE 'out.csv'",
    "SHOW CREATE TABLE words INTO OUTFILE 'out.csv'",
    "DESCRIBE words INTO OUTFILE 'out.csv'",
    "DESC file('secret.csv')",
    "DESCRIBE (SELECT file('secret.csv'))",
    "EXISTS default.`secret.csv`",
    "EXISTS TABLE `default`.`/etc/passwd`",
    "SHOW CREATE TABLE default.`secret.csv`",
    "SELECT COLUMNS('p') APPLY file FROM (SELECT 'secret.csv' AS p)",
    "SELECT * APPLY(file) FROM (SELECT 'secret.csv' AS p)",
    "SELECT * APPLY(x -> file(x)) FROM (SELECT 'secret.csv' AS p)",
    "SELECT * REPLACE (file(p) AS p) FROM (SELECT 'secret.csv' AS p)",
    "WITH x -> file(x) AS f SELECT f('secret.csv')",
    "SELECT 1 IN default.`secret.csv`",
    "SELECT 1 IN {database:Identifier}.`secret.csv`",
    "SELECT 1 IN system.stack_trace",
    *(
        f"SELECT {name}(1, default.`secret.csv`)"
        for name in ("globalNotNullIn", "inIgnoreSet", "globalNullInIgnoreSet")
    ),
    "SELECT notNullInIgnoreSet('a', system.stack_trace)",
    "SELECT * FROM words WHERE word = (SELECT file('secret.csv'))",
    "SELECT 1 FROM words ORDER BY file('secret.csv')",
    "SELECT 1 FROM words GROUP BY file('secret.csv')",
    "SELECT 1 FROM words LIMIT length(file('secret.csv'))",
    "SELECT row_number() OVER (ORDER BY file('secret.csv')) FROM words",
    "SELECT * FROM VALUES('a String', file('secret.csv'))",
    "SELECT * FROM view(SELECT file('secret.csv'))",
    "SELECT * FROM view(SELECT * FROM url('http://127.0.0.1:9/'))",
    "SELECT * FROM numbers(length(file('secret.csv')))",
    "SELECT * FROM (EXPLAIN SELECT 1)",
    "SELECT 1 SETTINGS additional_table_filters = {'otel.words': 'file(\\'secret.csv\\') = 1'}",
    "SELECT * FROM words SETTINGS additional_table_filters = {'otel.words': '1 = (SELECT 1 FROM url(\\'http://a\\'))'}",
    "SELECT * FROM words SETTINGS additional_table_filters = {'otel.words': '1) FROM url(\\'http://a\\') -- '}",
    "SELECT {t:Identifier} SETTINGS param_t = 'x'",
    "SELECT * FROM {t:Identifier} SETTINGS param_t = 'stack_trace'",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 SETTINGS allow_ddl = 1",
    "SELECT * FROM (SELECT addressToSymbol(toUInt64(1)) SETTINGS allow_introspection_functions = 1)",
    "WITH t AS (SELECT 1 SETTINGS use_query_cache = 1) SELECT * FROM t",
    "SELECT 1 IN (SELECT 1 SETTINGS readonly = 0)",
    "EXPLAIN allow_ddl = 1 SELECT 1",
    "EXPLAIN param_t = 'system.stack_trace' SELECT * FROM {t:Identifier}",
    "SELECT * FROM view(SELECT 1 SETTINGS allow_ddl = 1)",
    "EXPLAIN SELECT * FROM (SELECT 1 SETTINGS allow_ddl = 1)",
    "SELECT hasColumnInTable('default', '/etc/passwd', 'c1')",
    "SELECT hasColumnInTable('default', 'secret.csv', 'c1')",
    "SELECT 1 SETTINGS max_execution_time = 100000",
    "SELECT 1 SETTINGS max_memory_usage = 0",
    "SELECT 1 SETTINGS output_format_schema = 'out.csv' FORMAT CSV",
    "SELECT 1 SETTINGS dialect = 'kusto'",
    "SELECT 1 SETTINGS additional_result_filter = 'file(\\'secret.csv\\') = 1'",
    "SELECT 1 AS a FORMAT Protobuf",
    "SELECT 1 AS a FORMAT Template",
    "SELECT 1 AS a FORMAT CapnProto",
    "SELECT 1 AS a FORMAT MySQLWire",
    "SELECT * FROM words STREAM",
    "SET readonly = 0",
    "SET max_threads = 1; SELECT 1",
    "SET ROLE x",
    "SET param_x = 'y'",
    "SET max_threads = DEFAULT",
    "SET max_insert_threads = 1",
    "SET additional_table_filters = {'otel.words': 'file(\\'secret.csv\\') = 1'}",
    "USE nowhere",
    "/* */ USE system",
    "CREATE TABLE evil (a UInt8) ENGINE = Memory",
    "CREATE TEMPORARY TABLE evil (a UInt8)",
    "CREATE DATABASE evil",
    "CREATE DICTIONARY evil (a UInt64) PRIMARY KEY a SOURCE(FILE(path '/etc/passwd' format 'TSV')) LAYOUT(FLAT())",
    "CREATE FUNCTION evil AS x -> x",
    "CREATE USER evil",
    "CREATE VIEW evil AS SELECT 1",
    "ATTACH TABLE evil FROM '/tmp' (a UInt8) ENGINE = File(CSV)",
    "ALTER TABLE words DELETE WHERE 1",
    "ALTER TABLE words ADD COLUMN evil UInt8",
    "DELETE FROM words WHERE 1",
    "UPDATE words SET word = '' WHERE 1",
    "DROP TABLE words",
    "TRUNCATE TABLE words",
    "RENAME TABLE words TO evil",
    "EXCHANGE TABLES words AND nouns",
    "OPTIMIZE TABLE words FINAL",
    "CHECK TABLE words",
    "INSERT INTO words VALUES (1, 'a', 'b')",
    "INSERT INTO words SELECT 1, 'a', 'b'",
    "INSERT INTO words FROM INFILE 'secret.csv' FORMAT CSV",
    "INSERT INTO FUNCTION file('out.csv') SELECT 1",
    "INSERT INTO FUNCTION null('a UInt8') SELECT 1",
    "KILL QUERY WHERE 1",
    "KILL QUERY WHERE 1 SYNC",
    "SYSTEM STOP MERGES",
    "SYSTEM FLUSH LOGS",
    "SYSTEM SHUTDOWN",
    "BACKUP DATABASE otel TO File('out.csv')",
    "RESTORE DATABASE otel FROM File('out.csv')",
    "GRANT ALL ON *.* TO default",
    "SHOW GRANTS",
    "BEGIN TRANSACTION",
    "EXECUTE AS default SELECT 1",
    "EXPLAIN CREATE TABLE evil (a UInt8) ENGINE = Memory",
    "EXPLAIN AST DROP TABLE words",
    "EXPLAIN DESCRIBE TABLE url('http://127.0.0.1:9/')",
    "exit",
    "quit",
    "\\q",
    "?? drop all tables",
    "1 + 1",
    ";",
    "\ufeffDROP TABLE words",
    "\u00a0DROP\u2003TABLE\u200bwords",
    "SELECT 'x' ; -- '\nDROP TABLE words",
    "SELECT $$x$$; DROP TABLE words",
    "SELECT " + "(" * 2000 + "1" + ")" * 2000,
    "SELECT " + "-" * 3 + "1\n; DROP TABLE words",
    "SELECT '" + "x" * (5 << 20) + "'",
]


UNCHANGED = """
SELECT count(), countIf(word = ''), (SELECT arraySort(groupArray(name)) FROM system.tables WHERE database = 'otel'),
    (SELECT count() FROM system.databases WHERE name = 'evil')
FROM words
"""


@pytest.fixture
def secret(sql) -> Path:
    """A file in the server's working directory."""
    path = sql.folder / "secret.csv"
    path.write_text("hush,hush\n1,2\n")
    return path


@pytest.mark.parametrize("statement", HOSTILE, ids=lambda text: text[:70])
def test_everything_else_is_refused(sql, secret: Path, statement: str):
    """An error of ClickHouse's kind, nothing told, nothing changed."""
    reply = sql.ask(statement, **PARAMETERS)
    assert reply.status_code >= 400, reply.text
    assert reply.text.startswith("Code: ")
    assert reply.headers["x-clickhouse-exception-code"]
    assert "hush" not in reply.text
    assert "root:" not in reply.text
    unchanged(sql, secret)


def unchanged(sql, secret: Path) -> None:
    """Nothing was written, dropped or made."""
    assert sql.text(UNCHANGED) == "1000\t0\t['nouns','odd/name','words']\t0\n"
    assert {path.name for path in secret.parent.iterdir()} <= {"secret.csv", "data", "log"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("readonly", "0"),
        ("allow_ddl", "1"),
        ("max_insert_threads", "2"),
        ("allow_introspection_functions", "1"),
        ("output_format_schema", "out.csv"),
        ("format_schema", "/etc/passwd"),
        ("format_template_row", "/etc/passwd"),
        ("dialect", "prql"),
        ("allow_experimental_eval_table_function", "1"),
        ("ai_function_text_default_credentials", "x"),
        ("additional_table_filters", "{'otel.words': 'file(\\'secret.csv\\') = 1'}"),
        ("additional_table_filters", "{'otel.words': '1'} INTO OUTFILE 'out.csv'"),
        ("additional_table_filters", "'x'"),
        ("additional_result_filter", "1"),
        ("max_threads", "many"),
        ("priority", "1"),
        ("os_threads_nice_value_query", "0"),
        ("session_timezone", "Nowhere/City"),
        ("max_block_size = 1, readonly", "0"),
        ("no_such_setting", "1"),
        ("role", "admin"),
        ("client_protocol_version", "new"),
    ],
)
def test_settings_that_are_not_a_readers(sql, secret: Path, name: str, value: str):
    """A setting beyond the list is refused, whatever it is set to."""
    reply = sql.ask("SELECT * FROM words LIMIT 1", **{name: value})
    assert reply.status_code >= 400, reply.text
    unchanged(sql, secret)


def test_limits_are_held_at_their_caps(sql):
    """A client may ask for less, and gets no more."""

    def value(setting: str, asked: str) -> str:
        return sql.text(f"SELECT getSetting('{setting}')", **{setting: asked}).strip()

    assert value("max_execution_time", "2") == "2"
    assert value("max_execution_time", "65") == "4"
    assert value("max_execution_time", "0") == "4"
    assert value("max_execution_time", "-1") == "4"
    assert value("max_memory_usage", "100000000") == "100000000"
    assert value("max_memory_usage", "0") == str(256 << 20)
    assert value("max_memory_usage", "nan") == str(256 << 20)
    assert sql.text("SELECT getSetting('readonly'), getSetting('allow_ddl')") == "1\tfalse\n"
    assert sql.text("SELECT getSetting('priority'), getSetting('os_threads_nice_value_query')") == "2\t10\n"


def test_a_setting_smuggled_behind_another_is_refused(sql):
    """The filters' text is judged as the SETTINGS clause it could become."""
    filters = "{'otel.words': 'id = 1'}"
    assert sql.text("SELECT count() FROM words", additional_table_filters=filters) == "1\n"
    assert READONLY in sql.ask("SELECT 1", additional_table_filters=f"{filters}, readonly = 0").text


def test_functions_that_call_ai_services_are_refused(sql):
    """Every function that calls an AI service is refused by the engine's own category, also those to come."""
    names = sql.text("SELECT name FROM system.functions WHERE categories = 'AI'").split()
    assert len(names) >= 8
    for name in names:
        assert READONLY in sql.ask(f"SELECT {name}('x')").text


def test_every_other_table_function_is_refused(sql):
    """The list of table functions that may be used is closed, also for those to come."""
    allowed = {"numbers", "numbers_mt", "primes", "generateSeries", "generate_series"}
    allowed |= {"generateRandom", "null", "values", "SQLStandardValues", "view"}
    names = set(sql.text("SELECT name FROM system.table_functions").split())
    assert allowed <= names
    for name in names - allowed:
        replies = [
            sql.ask(f"SELECT * FROM `{name}`({argument})")
            for argument in ("1", "SELECT 1", "SELECT 1 ELSE null('a UInt8')")  # some read their arguments as SQL
        ]
        assert all(reply.status_code >= 400 for reply in replies), name
        assert any(READONLY in reply.text for reply in replies), name


# Anything harmless may stand around a hostile call: the call is found.
WRAPPINGS = [
    "SELECT {}",
    "SELECT 1 + length(toString({})) AS x",
    "SELECT if(1, 'a', toString({}))",
    "WITH {} AS c SELECT 1, c",
    "WITH t AS (SELECT {}) SELECT * FROM t",
    "SELECT arrayMap(x -> toString({}), [1])",
    "SELECT * FROM words WHERE word = toString({})",
    "SELECT max(word) FROM words HAVING max(word) = toString({})",
    "SELECT * FROM (SELECT {}) AS s CROSS JOIN words LIMIT 1",
    "SELECT 1 UNION ALL SELECT length(toString({}))",
    "SELECT 1 IN (SELECT length(toString({})))",
    "EXPLAIN SELECT {}",
    "EXPLAIN SYNTAX SELECT {}",
    "DESCRIBE (SELECT {})",
    "SELECT CASE WHEN toString({}) = '' THEN 1 END",
    "SELECT [{}][1], ({}).1, map('a', {})['a']",
    "SELECT sumIf(1, toString({}) != '') OVER (ORDER BY id) FROM words",
]
SPACES = st.text(" \t\n\r\f\v\u00a0\u2003\u3000\u200b\ufeff", max_size=3)
COMMENTS = st.text(string.ascii_letters + "; '\"`", max_size=8).map(lambda text: f"/* {text} */")
GAPS = st.one_of(SPACES, COMMENTS)


TAILS = ["", ";", " FORMAT JSON", " SETTINGS max_threads = 1", " -- x", " FORMAT Null SETTINGS extremes = 1"]


@st.composite
def hostile(draw: st.DrawFn) -> str:
    """A statement with a hostile call somewhere in it; it may not parse."""
    call = draw(st.sampled_from([*CALLS[:2], "(SELECT * FROM file('secret.csv'))", "(SELECT count() FROM url('x'))"]))
    if call[0] != "(":
        call = call.replace("(", f"{draw(GAPS)}({draw(GAPS)}", 1)
    for wrapping in draw(st.lists(st.sampled_from(WRAPPINGS), min_size=1, max_size=2)):
        call = "(" + wrapping.replace("{}", call) + ")"
    return draw(GAPS) + call[1:-1] + draw(st.sampled_from(TAILS))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(statement=hostile())
def test_a_hostile_call_is_found_wherever_it_stands(sql, secret: Path, statement: str):
    """No harmless context hides a call, and what does not parse is refused as well."""
    reply = sql.ask(statement)
    assert reply.status_code >= 400, reply.text
    assert "hush" not in reply.text
    assert secret.exists()


def test_identifier_parameters_still_work(sql):
    """A table may be named by a parameter."""
    text = sql.text(
        "SELECT {c:Identifier} FROM {d:Identifier}.{t:Identifier} ORDER BY id LIMIT 1",
        param_c="word",
        param_d="otel",
        param_t="words",
    )
    assert text == "word0\n"


def test_the_database_default_is_ours(sql):
    """Clients that ask for `default`, as most do, get the served database, not the engine's file system."""
    for database, column in itertools.product(("default", "otel", ""), ("currentDatabase()",)):
        assert sql.text(f"SELECT {column}", database=database) == "otel\n"
    assert sql.text("SELECT currentDatabase()", database="system") == "system\n"
    assert sql.ask("SELECT 1", database="nowhere").status_code == 404
    assert sql.ask("SELECT 1", database="x`; DROP TABLE words").status_code == 404
