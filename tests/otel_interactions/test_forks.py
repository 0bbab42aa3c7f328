"""Processes that fork, and processes that end in the middle: every span is sent, once, by somebody."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted import GrpcCollector, HttpCollector, Request, names_of, started

import otel_interactions as oi

RECORDING = """
import faulthandler, multiprocessing, os, signal, sys, threading, time
from opentelemetry.sdk.trace import TracerProvider
import otel_interactions as oi

endpoint, protocol = sys.argv[1:3]
provider = TracerProvider(shutdown_on_exit=False)
oi.configure(tracer_provider=provider, endpoint=endpoint, protocol=protocol, set_global=False)
tracer = provider.get_tracer("t")

def record(name):
    tracer.start_span(name, attributes={"interaction.critical": True} if "urgent" in name else {}).end()
"""

BUSY = """
recorded, stop = [], threading.Event()

def work():
    while not stop.is_set():
        record(f"parent {len(recorded)}")
        recorded.append(0)
        if not len(recorded) % 10:
            time.sleep(0.001)

worker = threading.Thread(target=work)
worker.start()
codes = []
for number in range(int(sys.argv[3])):
    child = os.fork()
    if child == 0:
        signal.alarm(30)  # the watchdog: a child that hangs is killed, and its code says so
        try:
            for each in range(3):
                record(f"child {number} {each}")
            flushed = oi.flush(20_000)
            os._exit(0 if flushed and flushed.accepted == 3 and oi.status().delivered == 3 else 3)
        finally:
            os._exit(4)
    time.sleep(0.02)
    codes.append(child)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in codes]
stop.set()
worker.join()
flushed = oi.flush(60_000)
print(len(recorded), set(codes), bool(flushed))
oi.shutdown()
"""


@pytest.fixture(params=["grpc", "http/protobuf"])
def collector(request: pytest.FixtureRequest) -> Iterator[GrpcCollector | HttpCollector]:
    """A collector."""
    with started(GrpcCollector() if request.param == "grpc" else HttpCollector()) as made:
        yield made


@pytest.fixture
def grpc_collector() -> Iterator[GrpcCollector]:
    """A collector of gRPC."""
    with started(GrpcCollector()) as made:
        yield made


def protocol_of(collector: GrpcCollector | HttpCollector) -> str:
    """Return what it speaks."""
    return "grpc" if isinstance(collector, GrpcCollector) else "http/protobuf"


def command(code: str, collector: GrpcCollector | HttpCollector, *arguments: object) -> list[str]:
    """Return the command that runs this code in a process that records."""
    given = [collector.endpoint, protocol_of(collector), *map(str, arguments)]
    return [sys.executable, "-c", RECORDING + code, *given]


def run(code: str, collector: GrpcCollector | HttpCollector, *arguments: object) -> str:
    """Run code in a process that records; return what it prints."""
    done = subprocess.run(
        command(code, collector, *arguments), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def send_what_is_left(collector: GrpcCollector | HttpCollector, name: str = "next") -> None:
    """Be the next process: configure the same collector, record a span, and wait until no file is left."""
    oi.configure(endpoint=collector.endpoint, protocol=protocol_of(collector), set_global=False)
    oi.event("system", attributes={"named": name})
    deadline = time.monotonic() + 20
    while not oi.flush() or oi.status().spooled:
        assert time.monotonic() < deadline
    oi.shutdown()


def arrived_once(requests: list[Request], prefix: str) -> list[str]:
    """Return the names that arrived, in order, where a body that came twice counts once, as a collector does it."""
    bodies = dict.fromkeys(request.body for request in requests)
    found = [name for body in bodies for name in names_of(body) if name.startswith(prefix)]
    assert [name for name, count in Counter(found).items() if count > 1] == []
    return found


# --- forks


def test_forks_while_another_thread_records(collector: GrpcCollector | HttpCollector) -> None:
    """Each child of a busy parent ships what it recorded, by itself; the parent ships its own, once and in order."""
    count, codes, flushed = run(BUSY, collector, 40).split()
    assert codes == "{0}", codes
    assert flushed == "True"
    names = collector.names()
    assert [name for name in names if name.startswith("parent")] == [f"parent {number}" for number in range(int(count))]
    children = [f"child {number} {each}" for number in range(40) for each in range(3)]
    assert sorted(name for name in names if name.startswith("child")) == sorted(children)


HANGING = """
record("parent")
while not oi.status().in_flight:
    time.sleep(0.01)
started = time.monotonic()
child = os.fork()
took = time.monotonic() - started
if child == 0:
    signal.alarm(30)
    record("child urgent")
    os._exit(0 if oi.flush(20_000) else 3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), took < 2)
assert oi.flush(20_000)
oi.shutdown()
"""


def test_a_fork_while_the_collector_hangs(collector: GrpcCollector | HttpCollector) -> None:
    """A fork waits for a moment, not for a collector that hangs; both processes go on, nothing is lost or doubled."""
    if isinstance(collector, GrpcCollector):
        collector.answer = lambda *_: time.sleep(3) if len(collector.requests) == 1 else None
    else:
        web = collector
        web.answer = lambda _request: (time.sleep(3) if len(web.requests) == 1 else None, (200, {}, b""))[1]
    assert run(HANGING, collector) == "0 True\n"
    assert arrived_once(collector.requests, "parent") == ["parent"]
    assert arrived_once(collector.requests, "child") == ["child urgent"]


GENERATIONS = """
record("first")
assert oi.flush()
for generation in range(5):
    child = os.fork()
    if child:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        record(f"after {generation}")
        assert oi.flush() and not code
        os._exit(0)
    record(f"generation {generation}")
    assert oi.flush()
os._exit(0)
"""


def test_children_of_children(collector: GrpcCollector | HttpCollector) -> None:
    """A child may fork in its turn; each generation ships its own, before and after."""
    run(GENERATIONS, collector)
    expected = ["first", *(f"{when} {number}" for when in ("generation", "after") for number in range(5))]
    assert sorted(collector.names()) == sorted(expected)


MULTIPROCESSING = """
def work(number, flushes):
    record(f"child {number}")
    if flushes:
        assert oi.flush(20_000).accepted == 1

if __name__ == "__main__":
    record("parent")
    assert oi.flush()
    context = multiprocessing.get_context(sys.argv[3])
    for flushes in (True, False):
        workers = [context.Process(target=work, args=(f"{number} {flushes}", flushes)) for number in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
        assert [worker.exitcode for worker in workers] == [0, 0, 0]
        if flushes:
            assert oi.status().spooled == 0
    oi.shutdown()
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(collector: GrpcCollector | HttpCollector, tmp_path: Path, method: str) -> None:
    """Workers ship what they recorded; what they end without shipping is shipped by the next process."""
    script = tmp_path / "script.py"
    script.write_text(RECORDING + MULTIPROCESSING)
    given = [collector.endpoint, protocol_of(collector), method]
    done = subprocess.run(
        [sys.executable, str(script), *given], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    send_what_is_left(collector)
    expected = ["parent", *(f"child {number} {flushes}" for number in range(3) for flushes in (True, False))]
    assert sorted(arrived_once(collector.requests, "")) == sorted([*expected, "event system"])


# --- processes that end in the middle

ENDING = """
for number in range(100):
    record(f"span {number}")
    record(f"urgent {number}")
if sys.argv[3] == "exit":
    os._exit(7)
os.kill(os.getpid(), int(sys.argv[3]))
time.sleep(60)
"""


@pytest.mark.parametrize("away", [False, True])
@pytest.mark.parametrize("how", ["exit", int(signal.SIGTERM), int(signal.SIGKILL)])
def test_a_process_that_ends_behind_its_last_span(grpc_collector: GrpcCollector, how: str | int, away: bool) -> None:
    """Whatever ends a process, the next one ships all that its calls had recorded, exactly once."""
    if away:
        grpc_collector.stop()
    done = subprocess.run(command(ENDING, grpc_collector, how), timeout=60, check=False, capture_output=True)
    assert done.returncode == (7 if how == "exit" else -int(how)), done.stderr
    if away:
        grpc_collector.start()
    send_what_is_left(grpc_collector)
    for kind in ("span", "urgent"):
        assert arrived_once(grpc_collector.requests, kind) == [f"{kind} {number}" for number in range(100)]


ENDLESS = """
number = 0
while True:
    record(f"span {number}")
    os.write(1, b"%d\\n" % number)
    number += 1
"""


def test_kills_at_any_time(grpc_collector: GrpcCollector) -> None:
    """Killed in full course, again and again: what a call had recorded arrives once, in order, and at most one more."""
    rng = random.Random(7)
    for attempt in range(6):
        del grpc_collector.requests[:]
        with subprocess.Popen(command(ENDLESS, grpc_collector), stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(rng.uniform(0.0, 1.5))
            process.kill()
            last = int(process.stdout.read().splitlines()[-2])  # the last line may be cut off
        send_what_is_left(grpc_collector, f"next {attempt}")
        found = arrived_once(grpc_collector.requests, "span")
        assert found == [f"span {number}" for number in range(len(found))]
        assert last + 1 <= len(found) <= last + 3


def test_killed_again_and_again_while_it_ships(grpc_collector: GrpcCollector) -> None:
    """Processes that are killed while they ship what the one before left: in the end all is there, once."""
    grpc_collector.stop()
    code = 'for number in range(5000):\n    record(f"{sys.argv[3]} {number}")\nos._exit(0)\n'
    run(code, grpc_collector, "left")
    grpc_collector.answer = lambda *_: time.sleep(0.02)
    grpc_collector.start()
    shipping = "record(sys.argv[3])\noi.flush()\ntime.sleep(60)\n"
    for attempt in range(4):
        before = len(grpc_collector.requests)
        with subprocess.Popen(command(shipping, grpc_collector, f"short {attempt}")) as process:
            grpc_collector.wait_for(lambda before=before: len(grpc_collector.requests) >= before + 2)
            process.kill()
    send_what_is_left(grpc_collector)
    found = arrived_once(grpc_collector.requests, "")
    assert [name for name in found if name.startswith("left")] == [f"left {number}" for number in range(5000)]
    assert sorted(name for name in found if name.startswith("short")) == [f"short {number}" for number in range(4)]
