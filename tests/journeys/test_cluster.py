"""`--clickhouse-cluster`: the same requests read the same from two shards as from one embedded engine.

The cluster is one engine that plays both shards (tests/support/a_cluster_of.py says what is real of it): the collector,
its migrator and its loader are as ever, and so are the local tables, the views, and Distributed tables over two shards.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import warm
from balance import assert_balanced
from conversations import everything, send_in_parts
from otlp_builders import POINTS, span, traces
from processes import CollectorProcess, running
from server_process import ClickHouseServer

from collector.query import questions
from collector.query.clickhouse_http.query_settings import Caps
from collector.query.reader import ServerReader
from collector.query.viewer import Viewer

SHARDS = 2
CLUSTER = "main"
SPANS = 16  # of the test with faults, each by itself
SHARDED = (
    *(f"otel_metrics_{kind}" for kind in POINTS),
    *("otel_traces", "otel_logs", "otel_traces_trace_id_ts", "span_messages", "sessions_state", "daily_stats_state"),
)
ASKED = {  # each table and view as a whole; ids of a collector's own, and when it received, are another's
    "transcript": "SELECT * FROM otel.transcript ORDER BY ALL",
    "sessions": "SELECT * FROM otel.sessions ORDER BY ALL",
    "interactions": "SELECT * EXCEPT (received_at) FROM otel.interactions ORDER BY ts, span_id",
    "messages": "SELECT * FROM otel.messages ORDER BY ALL",
    "daily_stats": "SELECT * FROM otel.daily_stats ORDER BY ALL",
    "session_of_trace": "SELECT * FROM otel.session_of_trace ORDER BY ALL",
    "trace_ids": "SELECT TraceId, min(Start), max(End) FROM otel.otel_traces_trace_id_ts GROUP BY TraceId ORDER BY ALL",
    "metrics": " UNION ALL ".join(
        f"SELECT '{kind}' AS kind, MetricName, Attributes['n'] AS n FROM otel.otel_metrics_{kind}" for kind in POINTS
    ),
    "logs": "SELECT Timestamp, Body, EventName FROM otel.otel_logs ORDER BY ALL",
}
EMPTY_IS_RIGHT = {"missing_sequence_numbers", "ingestion_lag"}


@dataclass(frozen=True)
class Both:
    """Who got the same requests."""

    plain: CollectorProcess
    clustered: CollectorProcess
    server: ClickHouseServer

    def ask(self, sql: str, **parameters: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Ask both the same, as the command line does."""
        with contextlib.closing(questions.Asker(self.server.url, on_server=True)) as asker:
            return self.plain.ask(sql, **parameters), asker.rows(sql, **parameters)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Send the same to a collector of its own and to one on a cluster, in some segments."""
    folder = tmp_path_factory.mktemp("cluster")
    server = ClickHouseServer(folder / "server", SHARDS)
    server.start()
    on_cluster = ("--clickhouse-url", server.url, "--clickhouse-cluster", CLUSTER)
    with (
        running(folder / "plain", "--batch-seconds", "0.1") as plain,
        running(folder / "clustered", "--batch-seconds", "0.1", *on_cluster) as clustered,
    ):
        requests = everything()
        for each in (plain, clustered):
            send_in_parts(each, requests)
            assert_balanced(each.health())
        yield Both(plain, clustered, server)
    server.kill()


def test_rows_lie_on_both_shards(both: Both) -> None:
    """The cluster is one worth asking: rows lie on both shards, each on one; of a few all may be on one by chance."""
    spread = set()
    for table in SHARDED:
        found = both.server.ask(f"SELECT uniqExact(_shard_num) AS shards, count() AS n FROM otel.{table}")[0]
        assert found["n"] == both.server.ask(f"SELECT count() AS n FROM otel.{table}_local")[0]["n"] > 0, table
        if found["shards"] == SHARDS:
            spread.add(table)
    assert spread >= {"otel_traces", "otel_logs", *(f"otel_metrics_{kind}" for kind in POINTS)}
    assert len(spread) > len(SHARDED) - 3
    sessions = "SELECT max(shards) AS most FROM (SELECT uniqExact(_shard_num) AS shards FROM otel.otel_traces {})"
    assert both.server.ask(sessions.format("WHERE SessionId != '' GROUP BY SessionId")) == [{"most": SHARDS}]


@pytest.mark.parametrize("what", ASKED)
def test_reads_the_same(both: Both, what: str) -> None:
    """Each table and view for people has the same rows, whatever shard they lie on."""
    plain, clustered = both.ask(ASKED[what])
    assert plain
    assert sorted(map(str, clustered)) == sorted(map(str, plain))


@pytest.mark.parametrize("name", questions.names())
def test_every_question_is_answered_the_same(both: Both, name: str) -> None:
    """No question is denied for asking two Distributed tables at once, and none counts a shard for the whole."""
    given = {"since": "1980-01-01", "until": "2100-01-01", "session": "session-1"} | questions.DEFAULTS
    given |= {"steps": ["click Again"], "limit": 1000}
    plain, clustered = both.ask(questions.text(name), **{key: given[key] for key in questions.parameters(name)})
    assert plain or name in EMPTY_IS_RIGHT
    if name != "ingestion_lag":  # is each collector's own
        assert clustered == plain or sorted(map(str, clustered)) == sorted(map(str, plain))


def test_a_tenant_reads_its_own_on_every_shard(both: Both) -> None:
    """The API's conditions hold for Distributed tables too: another tenant's rows are on no shard."""
    insert = "INSERT INTO otel.otel_traces_local FORMAT JSONEachRow"
    for number in range(40):
        row = {"Timestamp": time.time(), "TraceId": secrets.token_hex(16), "SpanId": secrets.token_hex(8)}
        row |= {"Tenant": ("acme", "beta")[number % 2], "SpanName": "secret"}
        row["SpanAttributes"] = {"interaction.type": "event", "session.id": f"of-a-tenant-{number}", "user.id": "ann"}
        insert += f"\n{json.dumps(row)}"
    with contextlib.closing(questions.Asker(both.server.url)) as asker:
        asker.raw(insert, "JSONEachRow")
    reader = ServerReader(both.server.url, Caps())
    with contextlib.closing(reader):
        for table in ("interactions", "sessions", "daily_stats", "otel_traces", "sessions_state"):
            column = "Tenant" if table == "otel_traces" else "tenant"
            sql = f"SELECT DISTINCT toString({column}) AS tenant FROM otel.{table}"
            assert {row["tenant"] for row in reader.rows(sql, {}, Viewer())} >= {"acme", "beta", "default"}
            assert reader.rows(sql, {}, Viewer("acme")) == [{"tenant": "acme"}], table
        assert reader.rows("SELECT 1 FROM otel.interactions", {}, Viewer("acme", "bob")) == []
        assert reader.rows("SELECT count() AS n FROM otel.interactions", {}, Viewer("acme", "ann")) == [{"n": 20}]
    delete = "ALTER TABLE otel.otel_traces_local DELETE WHERE SpanName = 'secret' SETTINGS mutations_sync = 2"
    with contextlib.closing(questions.Asker(both.server.url)) as asker:
        asker.raw(delete, "Null")


def test_exactly_once_on_a_cluster(tmp_path: Path) -> None:
    """Refused, acknowledged though it failed, killed in the middle: every span is there once, in each aggregate too."""
    server = ClickHouseServer(tmp_path / "server", SHARDS)
    server.start()
    on_cluster = ("--clickhouse-url", server.url, "--clickhouse-cluster", CLUSTER)
    with running(tmp_path / "data", "--batch-seconds", "0.1", *on_cluster) as collector:
        server.faults(refuse=0.2, lie=0.4)
        for number in range(SPANS):
            one = {"interaction.type": "event", "session.id": f"s{number % 3}", "gen_ai.usage.input_tokens": 1}
            collector.send(traces(span(f"once-{number}", one)))
            if number == SPANS // 2:
                server.kill()
                server.start()
            time.sleep(0.1)
        server.faults()
        collector.wait_until_stored()
        assert_balanced(collector.health())
        found = server.ask("SELECT count() AS n, uniqExact(SpanName) AS names FROM otel.otel_traces")
        assert found == [{"n": SPANS, "names": SPANS}]
        assert server.ask("SELECT sum(interactions) AS n FROM otel.sessions") == [{"n": SPANS}]
        assert server.ask("SELECT sum(interactions) AS n FROM otel.daily_stats") == [{"n": SPANS}]
    server.kill()


def test_a_cluster_stays_one(both: Both, tmp_path: Path) -> None:
    """A clustered database is not migrated as a single server's; the sentence says which cluster it is of."""
    command = ["schema", "migrate", "--data-dir", str(tmp_path), "--clickhouse-url", both.server.url]
    for more, words in (
        ((), "give --clickhouse-cluster main"),
        (("--clickhouse-cluster", "other"), "laid out for the cluster main"),
    ):
        done = warm.run([*command, *more])
        assert done.returncode == 2
        assert words in done.stderr
        assert "Traceback" not in done.stderr
