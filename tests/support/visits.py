"""What users left, in every table, and what of it is there."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from typing import Any

from otlp_builders import exemplar, log_record, logs, metric, metrics, point, span, traces
from processes import CollectorProcess, plain_client
from warm import run

DAY = 86_400 * 10**9


def interaction(kind: str, session: str, user: str = "", *, trace: str = "", **values: Any) -> Any:
    """Make an interaction of a session; without a user it names nobody. Names of attributes have `__` for dots."""
    named = {"user.id": user} if user else {}
    more = {name.replace("__", "."): value for name, value in values.items() if name not in {"at", "span_id"}}
    at = values.get("at", time.time_ns() - 10**9)
    fields = {"start_time_unix_nano": at, "end_time_unix_nano": at}
    if trace:
        fields["trace_id"] = bytes.fromhex(trace)
    if "span_id" in values:
        fields["span_id"] = bytes.fromhex(values["span_id"])
    return span(kind, {"interaction.type": kind, "session.id": session} | named | more, **fields)


def visit(user: str, session: str, trace: str) -> list[Any]:
    """Make everything one user leaves in one session: requests of all signals."""
    ids = {"trace_id": bytes.fromhex(trace), "span_id": bytes.fromhex(trace[:16])}
    named = {"user.id": user}
    return [
        traces(
            interaction("user_message", session, user, trace=trace, interaction__message="Hello", span_id=trace[:16]),
            interaction("assistant_response", session, trace=trace, interaction__message="Good day"),
            interaction("error", session, user, trace=trace, interaction__message="broke"),
            span("GET /", {}, trace_id=bytes.fromhex(trace)),
        ),
        logs(
            log_record("of nobody, in the trace", {}, **ids),
            log_record("by name", named),
            log_record({"content": "secret"}, {"event.name": "gen_ai.user.message"}, **ids),
        ),
        metrics(
            metric("gauge", point("gauge", named, as_double=1.0)),
            metric("sum", point("sum", named, as_int=1), point("sum", {}, as_int=1, exemplars=[exemplar(named)])),
            metric("histogram", point("histogram", named, count=1)),
            metric("exponential_histogram", point("exponential_histogram", named, count=1)),
            metric("summary", point("summary", named, count=1)),
        ),
    ]


ROWS = {
    "otel_traces": 4,
    "otel_logs": 3,
    "span_messages": 1,
    "otel_metrics_gauge": 1,
    "otel_metrics_sum": 2,
    "otel_metrics_histogram": 1,
    "otel_metrics_exponential_histogram": 1,
    "otel_metrics_summary": 1,
}
"""How many rows one visit is, by table."""


def send(collector: CollectorProcess, requests: list[Any], key: str = "") -> None:
    """Send requests, and wait until they are stored."""
    collector.key, kept = key or collector.key, collector.key
    for request in requests:
        collector.send(request)
    collector.key = kept
    collector.wait_until_stored()


def counts(collector: CollectorProcess, tenant: str = "default") -> dict[str, int]:
    """Count a tenant's rows by table."""
    return {
        table: int(
            collector.ask(f"SELECT count() AS n FROM otel.{table} WHERE Tenant = {{t:String}}", t=tenant)[0]["n"]
        )
        for table in ROWS
    }


def totals(collector: CollectorProcess, tenant: str = "default") -> dict[str, int]:
    """Count a tenant's interactions as each table tells it: they must agree."""
    tables = {
        "rows": "SELECT count() AS n FROM otel.interactions WHERE tenant = {t:String}",
        "sessions": "SELECT sum(interactions) AS n FROM otel.sessions WHERE tenant = {t:String}",
        "days": "SELECT sum(interactions) AS n FROM otel.daily_stats WHERE tenant = {t:String}",
    }
    return {name: int(collector.ask(sql, t=tenant)[0]["n"]) for name, sql in tables.items()}


def erase(collector: CollectorProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return run(["erase", "--data-dir", str(collector.data_dir), "--yes", *arguments])


def erased(collector: CollectorProcess, *users: str, **wanted: Any) -> list[dict[str, Any]]:
    """Ask over HTTP that users be erased, all at once; return the proofs when all are there."""
    base, key = f"http://{collector.endpoints['http']}/api/erasures", collector.key
    headers = {"authorization": f"Bearer {key}"} if key else {}
    found: list[dict[str, Any]] = []
    with plain_client() as client:
        asked = [client.post(base, json={"user_id": user, **wanted}, headers=headers) for user in users]
        assert {each.status_code for each in asked} == {202}, [each.text for each in asked]
        for each in asked:
            deadline = time.monotonic() + 120
            while (told := client.get(f"{base}/{each.json()['id']}", headers=headers).json())["state"] == "running":
                assert time.monotonic() < deadline, collector.log.read_text()[-3000:]
                time.sleep(0.05)
            found.append(told)
    return found


def together(requests: list[list[Any]]) -> list[Any]:
    """Merge the requests of several visits, signal by signal."""
    merged = [type(each)() for each in requests[0]]
    for visited in requests:
        for whole, each in zip(merged, visited, strict=True):
            whole.MergeFrom(each)
    return merged


def proof(collector: CollectorProcess, *arguments: str) -> Mapping[str, Any]:
    """Erase, and return the proof."""
    done = erase(collector, "--json", *arguments)
    assert done.returncode == 0, done.stderr + collector.log.read_text()[-3000:]
    told: Mapping[str, Any] = json.loads(done.stdout)
    return told
