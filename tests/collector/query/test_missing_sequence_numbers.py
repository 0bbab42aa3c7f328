"""Which interactions are missing: the query, and `otel-interactions missing` on a running collector."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from processes import CollectorProcess, running
from scripted import GrpcCollector, started
from warm import run

from collector.query import questions

SECOND = 10**9
EVERYTHING = {"since": 0, "grace_seconds": 0.0, "gaps": 10, "complete": True}


class Rows:
    """Rows as they are stored, under a tenant of this test's own."""

    def __init__(self, engine: Any) -> None:
        """Nothing is stored yet."""
        self.engine, self.tenant = engine, secrets.token_hex(8)

    def store(self, *rows: dict[str, Any]) -> None:
        """Insert rows: `instance`, `number`, and, in seconds before now, `began` and `received`; `took` seconds."""
        now = time.time_ns()
        lines = [
            {
                "Tenant": self.tenant,
                "ServiceName": row.get("service", "shop"),
                "Timestamp": _time(now - int(row.get("began", 100) * SECOND)),
                "Duration": int(row.get("took", 0) * SECOND),
                "ReceivedAt": _time(now - int(row.get("received", 90) * SECOND)),
                "SpanAttributes": {
                    "interaction.type": "event",
                    "service.instance.id": row["instance"],
                    "interaction.sequence": str(row["number"]),
                },
            }
            for row in rows
        ]
        self.engine.database.insert("otel.otel_traces", lines)

    def ask(self, **parameters: Any) -> dict[str, tuple[Any, ...]]:
        """Return (first, last, recorded, missing, gap_count, gaps) of each process of this tenant."""
        found = self.engine.ask(questions.text("missing_sequence_numbers"), **EVERYTHING | parameters)
        return {row[2]: row[3:9] for row in found if row[0] == self.tenant}


def _time(nanoseconds: int) -> str:
    return f"{nanoseconds // SECOND}.{nanoseconds % SECOND:09d}"


@pytest.fixture
def rows(engine: Any) -> Rows:
    """Rows of this test alone."""
    return Rows(engine)


def numbered(instance: str, *numbers: int, **fields: Any) -> list[dict[str, Any]]:
    """Return rows of one process."""
    return [{"instance": instance, "number": number, **fields} for number in numbers]


def test_gaps(rows: Rows) -> None:
    """Order and copies do not matter; the beginning counts; each process has numbers of its own."""
    rows.store(*numbered("a", 9, 3, 4, 4, 4), *numbered("b", 1, 2, 3))
    rows.store(*numbered("a", 3, 8), *numbered("b", 2))
    gaps = [(1, 2), (5, 7)]
    assert rows.ask() == {"a": (1, 9, 4, 5, 2, gaps), "b": (1, 3, 3, 0, 0, [])}
    assert rows.ask(complete=False, gaps=1) == {"a": (1, 9, 4, 5, 2, gaps[:1])}
    rows.store(*numbered("a", 1, 2, 5, 6, 7))  # late
    assert rows.ask(complete=False) == {}


def test_what_is_none(rows: Rows) -> None:
    """Spans of others and numbers that are none are left alone; a process that changed its name is one process."""
    rows.store(*numbered("a", 1, service="old"), *numbered("a", 2, service="new"))
    rows.store(*({"instance": "a", "number": no} for no in ("", "-3", "many", "0", "18446744073709551615")))
    assert rows.ask() == {"a": (1, 2, 2, 0, 0, [])}


def test_what_came_of_late(rows: Rows) -> None:
    """It closes gaps and opens none: what was recorded before it may still be on its way."""
    rows.store(*numbered("a", 1, 2, 5), *numbered("a", 9, received=1), *numbered("b", 7, received=1))
    assert rows.ask(grace_seconds=30) == {"a": (1, 5, 3, 2, 1, [(3, 4)]), "b": (1, 0, 0, 0, 0, [])}
    rows.store(*numbered("a", 3, 4, received=1))
    assert rows.ask(grace_seconds=30, complete=False) == {}
    assert rows.ask(complete=False) == {"a": (1, 9, 6, 3, 1, [(6, 8)]), "b": (1, 7, 1, 6, 1, [(1, 6)])}


def test_since(rows: Rows) -> None:
    """Only what ended since is looked at, however long before it began: numbers follow the order of ends."""
    hour = 3600
    rows.store(
        *numbered("a", 1, 2, 4, began=9 * hour),
        *numbered("a", 5, began=9 * hour, took=8.5 * hour),
        *numbered("a", 6, 8, began=0.2 * hour),
        *numbered("b", 1, 3, began=9 * hour),
    )
    since = time.time_ns() - hour * SECOND
    assert rows.ask(since=since) == {"a": (5, 8, 3, 1, 1, [(7, 7)])}
    assert rows.ask()["a"] == (1, 8, 6, 2, 2, [(3, 3), (7, 7)])


def expected(numbers: set[int]) -> tuple[Any, ...]:
    """Return the answer for one process, worked out in another way."""
    last = max(numbers)
    lost = sorted(set(range(1, last + 1)) - numbers)
    gaps = [[n for _, n in group] for _, group in groupby(enumerate(lost), lambda pair: pair[1] - pair[0])]
    ranges = [(gap[0], gap[-1]) for gap in gaps]
    assert all(left[1] + 1 < right[0] for left, right in pairwise(ranges))
    return 1, last, len(numbers), len(lost), len(ranges), ranges[:10]


@trying(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from("abcd"),
        st.lists(st.integers(1, 60) | st.integers(1, 70_000), min_size=1, max_size=80),
        min_size=1,
    ),
    st.randoms(use_true_random=False),
)
def test_any_numbers(rows: Rows, by_process: dict[str, list[int]], chance: Any) -> None:
    """Whatever numbers there are, in whatever order and inserts, the gaps are those that counting finds."""
    made = [row for instance, numbers in by_process.items() for row in numbered(instance, *numbers)]
    chance.shuffle(made)
    middle = chance.randrange(len(made))
    anew = Rows(rows.engine)
    for part in filter(None, (made[:middle], made[middle:])):
        anew.store(*part)
    assert anew.ask() == {instance: expected(set(numbers)) for instance, numbers in by_process.items()}


# --- through the SDK and a collector

RECORDING = """
import os, sys
import otel_interactions as oi

oi.configure(service_name="shop", fallback_endpoint="off", set_global=False)
with oi.session("s-1"):
    for number in range(2, 20):
        oi.user_message(f"number {number}")
oi.flush()
child = os.fork()
if not child:
    for number in range(1, 10):
        oi.event("system", attributes={"child": True})
    assert oi.flush()
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.fixture
def recorded(tmp_path: Path) -> list[ExportTraceServiceRequest]:
    """Each interaction of a process, numbered 1 to 20, and of its child, 1 to 9, as a request of its own."""
    with started(GrpcCollector()) as receiver:
        mine = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
            "OTEL_INTERACTIONS_SPOOL_DIR": str(tmp_path / "spool"),
        }
        subprocess.run([sys.executable, "-c", RECORDING], env=os.environ | mine, check=True, timeout=60)
        bodies = [request.body for request in receiver.requests]
    made = []
    for request in map(ExportTraceServiceRequest.FromString, bodies):
        for group in request.resource_spans:
            for scope in group.scope_spans:
                for span in scope.spans:
                    one = ExportTraceServiceRequest()
                    of_resource = one.resource_spans.add(resource=group.resource)
                    of_resource.scope_spans.add(scope=scope.scope, spans=[span])
                    made.append(one)
    return made


def attributes(request: ExportTraceServiceRequest) -> dict[str, Any]:
    """Return the attributes of the one span in a request."""
    return {pair.key: pair.value for pair in request.resource_spans[0].scope_spans[0].spans[0].attributes}


def number_of(request: ExportTraceServiceRequest) -> int:
    """Return its number; one of the child is negative."""
    found = attributes(request)
    number: int = found["interaction.sequence"].int_value
    return -number if "child" in found else number


def ask(collector: CollectorProcess, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run `otel-interactions missing`."""
    return run(["missing", "--data-dir", str(collector.data_dir), *flags])


def test_the_command(tmp_path: Path, recorded: list[ExportTraceServiceRequest]) -> None:
    """What the SDK recorded and was lost on the way is named, by process; what comes late is missing no more."""
    lost = {1, 7, 8, 12, -3}
    by_number = {number_of(request): request for request in recorded}
    assert sorted(by_number) == [*range(-9, 0), *range(1, 21)]
    with running(tmp_path / "data", "--batch-seconds", "0.1") as collector:
        for number in sorted(by_number.keys() - lost, reverse=True):
            collector.send(by_number[number])
        twice = ExportTraceServiceRequest()  # another body: nobody recognises it
        twice.resource_spans.extend(by_number[number].resource_spans[0] for number in (2, 3, -1))
        collector.send(twice)
        collector.wait_until_stored()
        young = ask(collector)
        assert (young.returncode, young.stdout.strip()) == (0, "(nothing is missing)")
        told = ask(collector, "--grace-seconds", "0", "--json")
        assert told.returncode == 1, told.stderr
        parent, child = map(json.loads, told.stdout.splitlines())
        assert (parent["gaps"], parent["missing"], parent["recorded"]) == ([[1, 1], [7, 8], [12, 12]], 4, 16)
        assert (parent["tenant"], parent["service"], parent["first"], parent["last"]) == ("default", "shop", 1, 20)
        assert (child["gaps"], child["last"], child["service"]) == ([[3, 3]], 9, "shop")
        instances = {attributes(by_number[number])["service.instance.id"].string_value for number in (2, -1)}
        assert {parent["service_instance_id"], child["service_instance_id"]} == instances
        assert parent["from_time"] < parent["to_time"] <= child["to_time"]
        table = ask(collector, "--grace-seconds", "0", "--gaps", "2", "--hours", "1")
        assert table.returncode == 1
        assert "7-8, 12" in table.stdout  # within the last hour the first number seen is 2
        for number in lost:
            collector.send(by_number[number])
        collector.wait_until_stored()
        whole = ask(collector, "--grace-seconds", "0", "--complete", "--json")
        assert whole.returncode == 0
        assert [json.loads(line)["missing"] for line in whole.stdout.splitlines()] == [0, 0]
