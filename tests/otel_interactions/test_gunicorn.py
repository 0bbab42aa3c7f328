"""gunicorn itself: workers forked before or after `configure()`, recycled, reloaded, killed; no interaction is lost."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from scripted import GrpcCollector, spans_of, started

import otel_interactions as oi

APP = """
import os
import otel_interactions as oi

oi.configure(service_name="shop", fallback_endpoint="off")
oi.event("system", attributes={"named": "loaded"})  # with --preload the master sends this, and then forks
oi.flush()

def app(environ, start_response):
    with oi.session(environ["PATH_INFO"][1:]):
        oi.user_message("hello")
        with oi.tool_call("look"):
            pass
        oi.error("critical", critical=True)
    start_response("200 OK", [("Content-Length", "0"), ("X-Pid", str(os.getpid()))])
    return [b""]
"""
RECORDED = Counter(["session_start", "user_message", "tool_call", "error", "session_end"])
WORKERS, CLIENTS = 3, 4


class Server:
    """gunicorn with this application, and clients that call it all the time, each call a session of its own."""

    def __init__(self, folder: Path, *flags: str) -> None:
        """Start it."""
        (folder / "shop.py").write_text(APP)
        self.answered: list[str] = []
        self.workers: set[int] = set()
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._stop = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.log = folder / "gunicorn.log"
        bind = ["--bind", f"fd://{self._socket.fileno()}", "--workers", str(WORKERS), "--no-control-socket"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", *bind, *flags, "shop:app"],
                cwd=folder,
                env=os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), *sys.path])},
                stderr=log,
                pass_fds=[self._socket.fileno()],
            )
        self._clients = [threading.Thread(target=self._call) for _ in range(CLIENTS)]
        for client in self._clients:
            client.start()

    def _call(self) -> None:
        while not self._stop.is_set():
            session = f"session-{next(self._numbers)}"
            connection = http.client.HTTPConnection(*self._socket.getsockname(), timeout=10)
            with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
                connection.request("GET", f"/{session}")
                reply = connection.getresponse()
                reply.read()  # closes the connection, for which sync workers wait
                assert reply.status == 200
                with self._changed:
                    self.answered.append(session)
                    self.workers.add(int(reply.headers["X-Pid"]))
                    self._changed.notify_all()

    def wait(self, so: Callable[[], object]) -> None:
        """Wait until something is so; it is looked at after each answer."""
        with self._changed:
            assert self._changed.wait_for(so, 30), f"{len(self.answered)} answers\n{self.log.read_text()}"

    def answers(self, more: int) -> None:
        """Wait for so many more answers."""
        target = len(self.answered) + more
        self.wait(lambda: len(self.answered) >= target)

    def living(self) -> list[int]:
        """Return the ids of the workers."""
        return [child.pid for child in psutil.Process(self.process.pid).children()]

    def end(self) -> int:
        """Call no more, end it gracefully; return its exit code."""
        self._stop.set()
        for client in self._clients:
            client.join()
        self.process.terminate()
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self.process.wait(5)
            # A worker forked this moment takes the signal with its master's handler; gunicorn waits 30 s for it.
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                for pid in self.living():
                    os.kill(pid, signal.SIGTERM)
            return self.process.wait(30)
        finally:
            self.process.kill()
            self._socket.close()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[GrpcCollector]:
    """A collector to which everything goes that is recorded."""
    with started(GrpcCollector()) as made:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.endpoint)
        yield made


@pytest.fixture(params=[("sync", ""), ("sync", "--preload"), ("gthread", ""), ("gthread", "--preload")], ids="".join)
def server(request: pytest.FixtureRequest, tmp_path: Path, collector: GrpcCollector) -> Iterator[Server]:
    """A server that recycles its workers all the time."""
    assert collector.endpoint
    kind, preload = request.param
    flags = ["--worker-class", kind, "--threads", "3" if kind == "gthread" else "1", *filter(None, [preload])]
    made = Server(tmp_path, *flags, "--max-requests", "25", "--max-requests-jitter", "10")
    yield made
    made.end()


def once(collector: GrpcCollector) -> list[Span]:
    """Return the spans that arrived, each once; a body that came twice counts once, as a collector does it."""
    bodies = dict.fromkeys(request.body for request in collector.requests)
    spans = [span for body in bodies for span in spans_of(body)]
    assert [each for each, count in Counter(span.span_id for span in spans).items() if count > 1] == []
    return spans


def by_session(spans: list[Span]) -> dict[str, Counter[str]]:
    """Return how many interactions of each type every session has."""
    found: dict[str, Counter[str]] = {}
    for span in spans:
        values = {pair.key: pair.value.string_value for pair in span.attributes}
        found.setdefault(values.get("session.id", ""), Counter())[values["interaction.type"]] += 1
    return found


def numbers(spans: list[Span]) -> dict[str, list[int]]:
    """Return the numbers of the interactions of each process, in order."""
    found: dict[str, list[int]] = {}
    for span in spans:
        values = {pair.key: pair.value for pair in span.attributes}
        instance = values["service.instance.id"].string_value
        found.setdefault(instance, []).append(values["interaction.sequence"].int_value)
    return {instance: sorted(each) for instance, each in found.items()}


def test_recycled_and_reloaded(server: Server, collector: GrpcCollector) -> None:
    """Recycled, reloaded and ended gracefully, workers send all of it themselves: nothing is left to the next one."""
    server.answers(100)
    server.process.send_signal(signal.SIGHUP)
    before = server.living()
    server.wait(lambda: len(server.workers - set(before)) >= WORKERS)
    server.answers(50)
    assert server.end() == 0, server.log.read_text()
    spans = once(collector)
    sessions = by_session(spans)
    assert {each: sessions.get(each) for each in server.answered} == dict.fromkeys(server.answered, RECORDED)
    assert sessions.keys() - set(server.answered) == {""}
    assert len(server.workers) > WORKERS
    for instance, found in numbers(spans).items():
        assert found == list(range(1, len(found) + 1)), instance
    assert list(Path(os.environ["OTEL_INTERACTIONS_SPOOL_DIR"]).rglob("*.spool")) == []
    assert "Traceback" not in server.log.read_text()


def test_killed(server: Server, collector: GrpcCollector) -> None:
    """Workers are killed again and again, in the middle of requests: what was answered is there, once, in the end."""
    rng = random.Random(11)
    collector.answer = lambda *_: time.sleep(rng.uniform(0, 0.05))  # something is on its way at most times
    for _ in range(8):
        server.answers(20)
        with contextlib.suppress(ProcessLookupError, IndexError):  # it may just be recycled
            os.kill(rng.choice(server.living()), signal.SIGKILL)
    server.answers(30)
    assert server.end() == 0, server.log.read_text()
    assert server.log.read_text().count("SIGKILL") >= 4
    oi.configure(fallback_endpoint="off", set_global=False)  # the next process
    oi.event("system")
    deadline = time.monotonic() + 20
    while not oi.flush() or oi.status().spooled:
        assert time.monotonic() < deadline
    oi.shutdown()
    sessions = by_session(once(collector))
    assert {each: sessions.get(each) for each in server.answered} == dict.fromkeys(server.answered, RECORDED)
    unanswered = {each: found for each, found in sessions.items() if each and each not in server.answered}
    assert all(found <= RECORDED for found in unanswered.values()), unanswered
