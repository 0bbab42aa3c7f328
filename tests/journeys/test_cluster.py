"""`--clickhouse-cluster`: the same requests read the same from two shards as from one embedded engine.

The cluster is one engine that plays both shards (tests/support/a_cluster_of.py says what is real of it): the collector,
its migrator and its loader are as ever, and so are the local tables, the views, and Distributed tables over two shards.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from balance import assert_balanced
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from otlp_builders import POINTS, log_record, logs, metric, metrics, point, span, traces
from processes import CollectorProcess, running
from server_process import ClickHouseServer

from collector.query import questions
from collector.query.clickhouse_http.query_settings import Caps
from collector.query.reader import ServerReader
from collector.query.viewer import Viewer

SECOND = 10**9
SHARDS = 2
CLUSTER = "main"
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

Request = ExportTraceServiceRequest | ExportLogsServiceRequest | ExportMetricsServiceRequest


def said(role: str, text: str) -> str:
    """Write a message as the GenAI conventions do."""
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}])


def at(began: int, seconds: float, name: str, attributes: dict[str, Any], **fields: Any) -> Span:
    """Make a span so many seconds behind a moment, 0.5 s long."""
    start = began + int(seconds * SECOND)
    return span(name, attributes, start_time_unix_nano=start, end_time_unix_nano=start + SECOND // 2, **fields)


def conversation(session: str, began: int) -> list[Request]:
    """Return a session of our own SDK's kind, in several requests."""
    trace = {"trace_id": secrets.token_bytes(16)}
    common = {"session.id": session, "user.id": f"user of {session}"}

    def one(seconds: float, kind: str, **attributes: Any) -> Request:
        given = common | {"interaction.type": kind} | {key.replace("__", "."): v for key, v in attributes.items()}
        return traces(at(began, seconds, kind, given, **trace))

    return [
        one(0, "session_start"),
        one(1, "user_message", interaction__message=f"What is {session}?", interaction__audio__duration_ms=300),
        one(2, "audio_input", interaction__audio__duration_ms=900, interaction__message="aloud"),
        one(3, "tool_call", gen_ai__tool__name="look", gen_ai__tool__call__id=session, gen_ai__tool__call__result="42"),
        one(4, "assistant_response", interaction__message="42", gen_ai__usage__output_tokens=7),
        one(4.6, "audio_output", interaction__audio__duration_ms=800, interaction__message="forty-two"),
        one(5, "ui_event", interaction__action="click", interaction__component="Again"),
        one(6, "error", interaction__message="broke", error__type="Oops", interaction__critical=True),
        one(7, "performance_metric", interaction__metric__name="LCP", interaction__metric__value=1.5),
        one(8, "session_end", interaction__session__end_reason="done"),
    ]


def agent(session: str, began: int) -> list[Request]:
    """Return an agent's run that names the session, and model calls in its trace that do not; one told by logs."""
    trace, root, mute = secrets.token_bytes(16), secrets.token_bytes(8), secrets.token_bytes(8)
    call = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 11}
    call |= {"gen_ai.usage.output_tokens": 3, "gen_ai.provider.name": "openai"}
    inside = {"trace_id": trace, "parent_span_id": root}
    told = call | {"gen_ai.input.messages": said("user", "first"), "gen_ai.output.messages": said("assistant", "1st")}
    run = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "helper", "session.id": session}
    ids = {"trace_id": trace, "span_id": mute}
    events = {"gen_ai.user.message": {"content": "second"}, "gen_ai.choice": {"index": 0, "message": {"content": "2nd"}}}
    events |= {"gen_ai.system.message": {"content": "be brief"}, "gen_ai.assistant.message": {"content": "once more?"}}
    return [
        traces(at(began, 1, "chat", told, **inside)),
        traces(at(began, 2, "chat", call, parent_span_id=root, **ids)),
        logs(
            *(
                log_record(body, {"event.name": name}, event_name=name, time_unix_nano=began + 2 * SECOND + i, **ids)
                for i, (name, body) in enumerate(events.items())
            )
        ),
        traces(at(began, 0.5, "invoke_agent", run, trace_id=trace, span_id=root)),
    ]


def everything() -> list[Request]:
    """Return what both collectors get."""
    began = time.time_ns() - 3600 * SECOND
    sent: list[Request] = []
    for number in range(4):
        sent += conversation(f"session-{number}", began + number * 100 * SECOND)
    sent += agent("of-an-agent", began + 900 * SECOND)
    of_kinds = (metric(kind, *(point(kind, {"n": n}) for n in range(4)), name=kind) for kind in POINTS)
    return [*sent, metrics(*of_kinds), logs(*(log_record(f"line {n}") for n in range(8)))]


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
        for number, request in enumerate(everything()):
            for each in (plain, clustered):
                each.send(request)
                if number % 6 == 0:
                    each.wait_until_stored()
        for each in (plain, clustered):
            each.wait_until_stored()
            assert_balanced(each.health())
        yield Both(plain, clustered, server)
    server.kill()


def test_rows_lie_on_both_shards(both: Both) -> None:
    """The cluster is one worth asking: every sharded table has rows on more than one shard, in local tables."""
    for table in SHARDED:
        found = both.server.ask(f"SELECT uniqExact(_shard_num) AS shards, count() AS n FROM otel.{table}")[0]
        local = both.server.ask(f"SELECT count() AS n FROM otel.{table}_local")[0]
        assert found == {"shards": SHARDS, "n": local["n"]}, table


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
    for number in range(40):
        row = {"Timestamp": time.time(), "TraceId": secrets.token_hex(16), "SpanId": secrets.token_hex(8)}
        row |= {"Tenant": ("acme", "beta")[number % 2], "SpanName": "secret"}
        row["SpanAttributes"] = {"interaction.type": "event", "session.id": f"of-a-tenant-{number}", "user.id": "ann"}
        insert = f"INSERT INTO otel.otel_traces_local FORMAT JSONEachRow\n{json.dumps(row)}"
        with contextlib.closing(questions.Asker(both.server.url)) as asker:
            asker.raw(insert, "JSONEachRow")
    reader = ServerReader(both.server.url, Caps())
    with contextlib.closing(reader):
        for table in ("interactions", "sessions", "daily_stats", "otel_traces", "sessions_state"):
            sql = f"SELECT DISTINCT toString({'Tenant' if table == 'otel_traces' else 'tenant'}) AS tenant FROM otel.{table}"
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
        for number in range(30):
            one = {"interaction.type": "event", "session.id": f"s{number % 3}", "gen_ai.usage.input_tokens": 1}
            collector.send(traces(span(f"once-{number}", one)))
            if number == 15:
                server.kill()
                server.start()
            time.sleep(0.1)
        server.faults()
        collector.wait_until_stored()
        assert_balanced(collector.health())
        found = server.ask("SELECT count() AS n, uniqExact(SpanName) AS names FROM otel.otel_traces")
        assert found == [{"n": 30, "names": 30}]
        assert server.ask("SELECT sum(interactions) AS n FROM otel.sessions") == [{"n": 30}]
        assert server.ask("SELECT sum(interactions) AS n FROM otel.daily_stats") == [{"n": 30}]
    server.kill()


def test_a_cluster_stays_one(both: Both, tmp_path: Path) -> None:
    """A clustered database is not migrated as a single server's; the sentence says which cluster it is of."""
    command = [sys.executable, "-m", "collector", "schema", "migrate", "--data-dir", str(tmp_path)]
    for more, words in (
        ((), "give --clickhouse-cluster main"),
        (("--clickhouse-cluster", "other"), "laid out for the cluster main"),
    ):
        done = subprocess.run(
            [*command, "--clickhouse-url", both.server.url, *more],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ,
        )
        assert done.returncode == 2
        assert words in done.stderr
        assert "Traceback" not in done.stderr
