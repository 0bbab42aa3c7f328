"""`session_id`: what SET and USE say holds for the requests of one session, of one caller, for a while."""

from __future__ import annotations

import time

import httpx
import pytest

from collector.query.clickhouse_http.query_error import QueryError
from collector.query.clickhouse_http.sessions import Asked, Sessions

NOW = "SELECT getSetting('max_block_size'), currentDatabase(), timezone()"


def test_set_and_use(sql) -> None:
    """They last within the session, the URL goes before them, and nobody else notices."""
    unchanged = sql.text(NOW)
    assert sql.text("SET max_block_size = 7, session_timezone = 'Asia/Tokyo'", session_id="a") == ""
    assert sql.text("use system", session_id="a") == ""
    assert sql.text(NOW, session_id="a") == "7\tsystem\tAsia/Tokyo\n"
    assert sql.text(NOW, session_id="a", max_block_size="8", database="otel") == "8\totel\tAsia/Tokyo\n"
    assert sql.text("SET TIME ZONE 'UTC'", session_id="a") == ""
    assert sql.ask(NOW, session_id="a").headers["x-clickhouse-timezone"] == "UTC"
    assert sql.text(NOW, session_id="b") == unchanged
    assert sql.text(NOW) == unchanged
    assert sql.text("SET max_block_size = 7") == ""  # forgotten at once
    assert sql.text(NOW) == unchanged
    assert sql.text("USE `default`", session_id="a") == ""
    assert sql.text("SELECT currentDatabase()", session_id="a") == "otel\n"


def test_filters_of_a_session(sql) -> None:
    """Grafana's ad hoc filters, once for all; the expressions in them are judged as always."""
    sql.text("SET additional_table_filters = {'otel.words': 'id < 3'}", session_id="filtered")
    assert sql.text("SELECT count() FROM words", session_id="filtered") == "3\n"


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("SET readonly = 0", 164),
        ("SET max_block_size = 5, allow_ddl = 1", 164),
        ("SET no_such_setting = 1", 115),
        ("SET max_threads = 'many'", 36),
        ("SET session_timezone = 'Nowhere/City'", None),
        ("SET ROLE x", 164),
        ("SET DEFAULT ROLE NONE TO default", 164),
        ("SET param_a = 'x'", 164),
        ("SET additional_table_filters = {'otel.words': 'file(\\'secret.csv\\') = 1'}", 164),
        ("USE nowhere", 81),
        ("SET max_execution_time = 100000; SELECT 1", None),
    ],
)
def test_what_a_session_does_not_take(sql, statement: str, code: int | None) -> None:
    """A session opens nothing, and remembers nothing of a statement that failed."""
    name = f"refused {statement}"
    reply = sql.ask(statement, session_id=name)
    assert reply.status_code >= 400
    assert code in {None, int(reply.headers["x-clickhouse-exception-code"])}, reply.text
    assert sql.text(NOW, session_id=name) == sql.text(NOW)


def test_limits_hold_in_a_session(sql) -> None:
    """What is beyond a cap is held at the cap."""
    sql.text("SET max_execution_time = 100000, max_memory_usage = 0", session_id="greedy")
    assert sql.text("SELECT getSetting('max_execution_time')", session_id="greedy") == "4\n"
    assert sql.text("SELECT getSetting('max_memory_usage')", session_id="greedy") == f"{256 << 20}\n"


def test_how_long_it_lasts(sql) -> None:
    """session_check, session_timeout, close_session."""

    def code(**settings: str) -> str:
        return sql.ask("SELECT 1", **settings).headers.get("x-clickhouse-exception-code", "")

    assert code(session_id="new", session_check="1") == "372"
    assert code(session_id="new", session_timeout="1") == ""
    assert code(session_id="new", session_check="1", session_timeout="1") == ""
    time.sleep(1.2)
    assert code(session_id="new", session_check="1") == "372"
    assert code(session_id="new") == ""
    assert code(session_id="new", close_session="1") == ""
    assert code(session_id="new", session_check="1") == "372"
    for wrong in ("3601", "-1", "x", "1.5", "9" * 40, ""):
        assert code(session_id="new", session_timeout=wrong) == "374", wrong


def test_callers_do_not_share_sessions(locked_sql) -> None:
    """The same name of another caller is another session; a tenant's holds nothing they may not send."""

    def ask(statement: str, password: str) -> httpx.Response:
        return locked_sql.ask(statement, session_id="same", password=password)

    assert ask("SET max_block_size = 7", "s3cret").status_code == 200
    assert ask("SELECT getSetting('max_block_size')", "s3cret").text == "7\n"
    assert ask("SELECT getSetting('max_block_size')", "tenant-a").text != "7\n"
    for hostile in ("SET max_rows_to_read = 1", "USE system", "SET query_cache_tag = 'b'", "SET ROLE collector_owner"):
        assert ask(hostile, "tenant-a").status_code >= 400, hostile
    assert ask("SELECT DISTINCT tenant FROM owned", "tenant-a").text == "a\n"


def test_they_are_bounded() -> None:
    """In number and in size; the one that is not used goes first."""
    sessions = Sessions()
    with sessions.entered("", Asked("first")) as session:
        session.set({"a": "1"})
        with pytest.raises(QueryError, match="at most"):
            session.set({"b": "x" * (64 << 10)})
    for number in range(1023):
        with sessions.entered("", Asked(str(number))):
            pass
    with sessions.entered("", Asked("first", exists=True)) as session:
        assert session.settings == {"a": "1"}
    with sessions.entered("", Asked("one more")):
        pass
    with pytest.raises(QueryError, match="not found"), sessions.entered("", Asked("0", exists=True)):
        pass


def test_one_caller_does_not_end_the_sessions_of_others() -> None:
    """Too many cost whoever has most of them."""
    sessions = Sessions()
    with sessions.entered("quiet", Asked("kept")) as session:
        session.set({"a": "1"})
    for number in range(3000):
        with sessions.entered("loud", Asked(str(number))):
            pass
    with sessions.entered("quiet", Asked("kept", exists=True)) as session:
        assert session.settings == {"a": "1"}
    with sessions.entered("loud", Asked("2999", exists=True)):
        pass
