"""More than it can take: memory holds, keys do not starve each other, and afterwards everything is as before."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import grpc
import httpx
import pytest
from balance import assert_balanced
from flooding import EXPORT, UNLOADED, Flood, FloodProcess, body_of, during, rss, watching
from otlp_builders import span, traces
from processes import PROTOBUF, CollectorProcess, add_key, running

from collector.access.keys import Scope

LIMIT = 16 << 20
LARGEST = 2 << 20
CONNECTIONS = 80  # of 2 MiB each and more: ten times the limit
# One request at a time is parsed, which takes several times its size; connections, and what the allocator keeps.
MARGIN = 12 * LARGEST + (48 << 20)
SECONDS = 4.0
FLAGS = ("--memory-limit-mib", str(LIMIT >> 20), "--max-request-bytes", str(LARGEST), "--request-seconds", "3")
SMALL = traces(span("small")).SerializeToString()


class Crowd:
    """A collector with limits, and keys."""

    def __init__(self, collector: CollectorProcess, folder: Path) -> None:
        """Take one that runs; health is asked with a key that may."""
        self.collector = collector
        self.flooding, self.other = add_key(folder), add_key(folder)
        self.few, self.little = add_key(folder, requests_per_second=0.2), add_key(folder, bytes_per_second=500)
        collector.key = add_key(folder, Scope.READ)
        self.http = httpx.Client(base_url=f"http://{collector.endpoints['http']}", timeout=30)

    @property
    def addresses(self) -> tuple[str, str]:
        """Where it takes requests."""
        return self.collector.endpoints["http"], self.collector.endpoints["grpc"]

    def post(self, key: str, body: bytes = SMALL) -> httpx.Response:
        """Send over HTTP with a key."""
        return self.http.post("/v1/traces", content=body, headers=PROTOBUF | {"authorization": f"Bearer {key}"})

    def counters(self) -> dict[str, int]:
        """Return the fate of every request."""
        counters: dict[str, int] = self.collector.health()["counters"]
        return counters


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    """One for all."""
    folder: Path = tmp_path_factory.mktemp("overload") / "data"
    flags = (*FLAGS, *UNLOADED, "--drain-seconds", "0", "--burst-seconds", "20", "--duplicate-window-seconds", "0")
    with running(folder, *flags) as collector, contextlib.ExitStack() as undo:
        made = Crowd(collector, folder)
        undo.enter_context(made.http)
        while made.post("x").status_code != 401:  # until it has noticed that there are keys
            time.sleep(0.1)
        assert made.post(made.flooding, body_of(LARGEST - 10_000)).status_code == 200
        yield made


def test_memory_holds_and_nobody_starves(crowd: Crowd) -> None:
    """One key floods with ten times what there is room for: memory holds, another key's small requests get through.

    They all do, over both protocols; and when it is over all is as before.
    """
    assert crowd.collector.process
    pid, waits = crowd.collector.process.pid, list[float]()
    baseline = rss(pid)
    with watching(pid) as peak, grpc.insecure_channel(crowd.collector.endpoints["grpc"]) as channel:
        flood = FloodProcess(*crowd.addresses, crowd.flooding, LARGEST - 10_000, CONNECTIONS)
        time.sleep(1)  # for it to rise
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            begun = time.monotonic()
            assert crowd.post(crowd.other).status_code == 200
            waits.append(time.monotonic() - begun)
            begun = time.monotonic()
            channel.unary_unary(EXPORT)(SMALL, timeout=30, metadata=[("x-api-key", crowd.other)])
            waits.append(time.monotonic() - begun)
        outcomes = flood.stop()
        most = peak()
    waits.sort()
    p99 = waits[int(len(waits) * 0.99)]
    print(f"baseline {baseline >> 20} MiB, limit {LIMIT >> 20}, peak {most - baseline >> 20} above it; {outcomes}")
    print(f"small requests: {len(waits)}, none refused, p50 {waits[len(waits) // 2]:.3f} s, p99 {p99:.3f} s")
    assert most - baseline < LIMIT + MARGIN
    assert sum(outcomes.get(each, 0) for each in ("200", "grpc OK")) > 0
    assert sum(outcomes.get(each, 0) for each in ("503", "grpc UNAVAILABLE", "slow 503")) > 0
    assert set(outcomes) <= {"200", "503", "slow 503", "grpc OK", "grpc UNAVAILABLE"}
    assert p99 < 5.0  # half of what exporters wait for
    for key in (crowd.flooding, crowd.other):
        begun = time.monotonic()
        assert crowd.post(key).status_code == 200
        assert time.monotonic() - begun < 2.0
    counts = crowd.counters()
    assert counts["refused_memory"] > 0
    assert_balanced(crowd.collector.health())
    assert "Traceback" not in crowd.collector.log.read_text()


def call_until_refused(channel: grpc.Channel, key: str) -> None:
    """Make calls; one of them is not to pass."""
    for _ in range(5):
        channel.unary_unary(EXPORT)(b"", timeout=30, metadata=[("x-api-key", key)])


def test_rate_limit(crowd: Crowd) -> None:
    """A key sends what it may at once, is told to come again, and may after a while; other keys do not notice."""
    before = crowd.counters().get("refused_rate_limit", 0)
    codes = [crowd.post(crowd.few).status_code for _ in range(8)]
    assert codes[:4] == [200] * 4  # twenty seconds' worth
    assert 503 in codes
    with grpc.insecure_channel(crowd.collector.endpoints["grpc"]) as channel, pytest.raises(grpc.RpcError) as refused:
        call_until_refused(channel, crowd.few)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "rate limit" in refused.value.details()
    assert "google.rpc.retryinfo-bin" in dict(refused.value.trailing_metadata())
    assert crowd.post(crowd.other).status_code == 200
    assert crowd.counters()["refused_rate_limit"] - before == codes.count(503) + 1
    end = time.monotonic() + 10
    while crowd.post(crowd.few).status_code != 200:
        assert time.monotonic() < end
        time.sleep(0.2)


def test_bytes_are_limited_after_decompression(crowd: Crowd) -> None:
    """What a body inflates to is owed: the next request is told to wait until it is paid."""
    body = gzip.compress(traces(span("s", {"x": "y" * 100_000})).SerializeToString())
    assert len(body) < 1000
    headers = PROTOBUF | {"content-encoding": "gzip", "authorization": f"Bearer {crowd.little}"}
    assert crowd.collector.post("/v1/traces", body, headers).status_code == 200
    refused = crowd.post(crowd.little)
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1


def test_what_does_not_come(crowd: Crowd) -> None:
    """A gRPC call without a message, and an HTTP body that does not come, are refused in time and counted."""
    metadata, before = [("x-api-key", crowd.other)], crowd.counters()
    flood = Flood(*crowd.addresses, {"x-api-key": crowd.other})

    def nothing() -> Iterator[bytes]:
        time.sleep(5)
        yield SMALL

    async def until_refused() -> None:
        slow = asyncio.create_task(flood.slow(LARGEST))
        async with asyncio.timeout(20):
            while not flood.outcomes:  # noqa: ASYNC110 - counted by the flood
                await asyncio.sleep(0.1)
        slow.cancel()

    with grpc.insecure_channel(crowd.collector.endpoints["grpc"]) as channel:
        call = channel.stream_unary(EXPORT).future(nothing(), timeout=30, metadata=metadata)
        asyncio.run(until_refused())
        assert call.exception(timeout=20).code() is grpc.StatusCode.UNAVAILABLE
        assert "within 3 s" in call.details()
        with pytest.raises(grpc.RpcError) as refused:
            channel.stream_unary(EXPORT)(iter([]), timeout=20, metadata=metadata)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert flood.outcomes == {"slow 503": 1}
    counts = crowd.counters()
    assert counts["refused_too_slow"] - before.get("refused_too_slow", 0) == 2
    assert counts["refused_no_message"] - before.get("refused_no_message", 0) == 1


def test_a_client_that_goes_away_leaves_no_room_taken(crowd: Crowd) -> None:
    """Dozens who promise the largest body and hang up, over both protocols: the next one finds all of the room."""
    flood = Flood(*crowd.addresses, {"x-api-key": crowd.other})
    asyncio.run(during(0.5, *[partial(flood.slow, LARGEST)] * 30, partial(flood.calls, body_of(LARGEST - 10_000), 20)))
    begun = time.monotonic()
    large = body_of(LARGEST - 10_000)
    assert [crowd.post(crowd.other, large).status_code for _ in range(4)] == [200] * 4
    assert time.monotonic() - begun < 4
