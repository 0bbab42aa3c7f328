"""A sender that does not hear the acknowledgement sends again: stored once, whatever happens in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from balance import assert_balanced
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from otlp_builders import span, traces
from processes import CollectorProcess
from swallowing import Swallowing

LOADS_AT_ONCE = ("--batch-seconds", "0.1")
LOADS_NOTHING = ("--batch-seconds", "3600", "--batch-items", "1000000000")


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """One collector; its tests run in order, and the second ends its process."""
    running = CollectorProcess(tmp_path_factory.mktemp("again") / "data", *LOADS_AT_ONCE).start()
    yield running
    assert running.stop() == 0


def rows(collector: CollectorProcess, *names: str) -> dict[str, int]:
    """Return how many spans of these names are stored."""
    collector.wait_until_stored()
    found = collector.ask("SELECT SpanName AS name, count() AS n FROM otel.otel_traces GROUP BY name")
    return {row["name"]: row["n"] for row in found if row["name"] in names}


def fates(collector: CollectorProcess) -> dict[str, int]:
    """Return the fates of all requests; they balance."""
    count = collector.health()["counters"]
    found = {name: count.get(f"requests_{name}", 0) for name in ("refused", "duplicate", "journaled", "empty")}
    assert sum(found.values()) == count.get("requests_received", 0)
    return found


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_an_acknowledgement_gets_lost(collector: CollectorProcess, protocol: str) -> None:
    """The stock exporter sends the same body again when its connection breaks; its spans are stored once."""
    before = fates(collector)
    name = f"lost-{protocol}"
    with Swallowing(collector.endpoints[protocol], connections=1) as network:
        exporter: SpanExporter = (
            GrpcExporter(endpoint=f"http://{network.address}", insecure=True)
            if protocol == "grpc"
            else HttpExporter(endpoint=f"http://{network.address}/v1/traces")
        )
        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(exporter))
        for _ in range(7):
            with provider.get_tracer("test").start_as_current_span(name):
                pass
        assert provider.force_flush()
        provider.shutdown()
        assert network.swallowed == 1, "no acknowledgement got lost: nothing is proven"
    after = fates(collector)
    assert (after["journaled"] - before["journaled"], after["duplicate"] - before["duplicate"]) == (1, 1)
    assert rows(collector, name) == {name: 7}


def test_a_restart_in_between(collector: CollectorProcess) -> None:
    """Killed between the first time and the second, its segment loaded meanwhile or not: stored once."""
    loaded, waiting, after = (traces(span(name)).SerializeToString() for name in ("loaded", "waiting", "after"))
    assert collector.post("/v1/traces", loaded).status_code == 200
    collector.wait_until_stored()
    collector.kill()

    collector.flags = LOADS_NOTHING
    collector.start()
    assert collector.post("/v1/traces", loaded).status_code == 200
    assert collector.post("/v1/traces", waiting).status_code == 200
    assert fates(collector) == {"refused": 0, "duplicate": 1, "journaled": 1, "empty": 0}
    collector.kill()

    collector.flags = LOADS_AT_ONCE
    collector.start()
    for body in (loaded, waiting, after):
        assert collector.post("/v1/traces", body).status_code == 200
    assert fates(collector) == {"refused": 0, "duplicate": 2, "journaled": 1, "empty": 0}
    assert rows(collector, "loaded", "waiting", "after") == {"loaded": 1, "waiting": 1, "after": 1}
    assert_balanced(collector.health())
    assert (collector.data_dir / "secret").stat().st_mode & 0o777 == 0o600


def test_json_and_a_restart_in_between(collector: CollectorProcess) -> None:
    """JSON without times is recognised by its bytes, or by its key, after a kill; the answer is the same."""
    path, json = "/api/log-interaction", {"content-type": "application/json"}
    sent: list[tuple[bytes, dict[str, str]]] = [
        (b'{"component": "json", "action": "with an id", "id": 7}', json),
        (b'{"component": "json", "action": "with a key"}', json | {"idempotency-key": "k"}),
        (b'{"component": "json", "action": "with nothing"}', json),
    ]
    first = [collector.post(path, *each).json() for each in sent]
    assert first == [{"accepted": 1, "rejected": []}] * 3
    collector.wait_until_stored()
    for flags in (LOADS_NOTHING, LOADS_AT_ONCE):  # rebuilt from ledgers alone, then from segments
        collector.kill()
        collector.flags = flags
        collector.start()
        assert [collector.post(path, *each).json() for each in sent] == first
        assert collector.post(path, b'{"action": "another"}', sent[1][1]).status_code == 422
        assert fates(collector) == {"refused": 1, "duplicate": 2, "journaled": 1, "empty": 0}
    collector.wait_until_stored()
    found = collector.ask("SELECT action, count() AS n FROM otel.interactions WHERE component = 'json' GROUP BY action")
    assert {row["action"]: row["n"] for row in found} == {"with an id": 1, "with a key": 1, "with nothing": 3}
    assert_balanced(collector.health())


def test_a_clock_set_forward_in_between(collector: CollectorProcess, tmp_path: Path) -> None:
    """What was accepted before the wall clock jumped by an hour is recognised after a restart all the same."""
    behind = tmp_path / "behind.py"
    behind.write_text(
        "import time\nreal = time.time_ns\ntime.time_ns = lambda: real() - 3600 * 10**9\n"
        "time.time = lambda: time.time_ns() / 1e9\nfrom collector.__main__ import main\nmain()\n"
    )
    body = traces(span("before the jump")).SerializeToString()
    collector.kill()
    collector.start(script=behind)
    assert collector.post("/v1/traces", body).status_code == 200
    collector.wait_until_stored()
    collector.kill()
    collector.start()
    assert collector.post("/v1/traces", body).status_code == 200
    assert fates(collector)["duplicate"] == 1
    assert rows(collector, "before the jump") == {"before the jump": 1}


def test_only_who_was_in_it_stays_of_a_loaded_segment(collector: CollectorProcess) -> None:
    """What is kept of loaded segments is small: ledgers of a hundred bytes or so."""
    collector.wait_until_stored()
    left = list((collector.data_dir / "journal").iterdir())
    assert {path.suffix for path in left} == {".seen"}
    assert all(path.stat().st_size < 200 for path in left)
