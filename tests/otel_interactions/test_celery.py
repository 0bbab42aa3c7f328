"""A Celery worker itself: children that are recycled, ended, killed; no interaction of a finished task is lost."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from scripted import GrpcCollector, spans_of, started

import otel_interactions as oi
from otel_interactions.process import PROCESS

TASKS = """
import os, uuid
from celery import Celery, signals
import otel_interactions as oi

queue = os.environ["QUEUE"]
folders = {"data_folder_in": queue, "data_folder_out": queue, "control_folder": queue + "/control"}
app = Celery("tasks", broker="filesystem://")
app.conf.broker_transport_options = folders | {"polling_interval": 0.05}
app.conf.worker_prefetch_multiplier = 1
app.conf.broker_connection_retry_on_startup = True

oi.configure(service_name="shop", fallback_endpoint="off")  # in the worker's main process, which then forks
oi.event("system", attributes={"named": "loaded"})
if os.environ["FLUSH"] == "at exit":
    signals.worker_process_shutdown.connect(lambda **_: oi.flush(), weak=False)

def opened(name):
    return os.open(os.environ[name], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

done, ready = opened("DONE"), opened("READY")
signals.worker_process_init.connect(lambda **_: os.write(ready, f"{os.getpid()}\\n".encode()), weak=False)

@app.task
def answer(session):
    run = uuid.uuid4().hex
    with oi.resume(session, end=False):
        for part in range(3):
            with oi.tool_call("look", attributes={"run": run, "part": part}):
                pass
        oi.error("critical", critical=True, attributes={"run": run, "part": 3})
    os.write(done, f"{run} {os.getpid()}\\n".encode())
"""
ASKING = """
import sys
import otel_interactions as oi
from tasks import answer

for number in range(int(sys.argv[1])):
    with oi.session() as session:
        answer.delay(session.id)
"""
PARTS = [0, 1, 2, 3]
CHILDREN = 4


class Worker:
    """A Celery worker with four children, each of which ends after two tasks."""

    def __init__(self, folder: Path) -> None:
        """Nothing runs before `start`."""
        (folder / "tasks.py").write_text(TASKS)
        (folder / "queue").mkdir()
        self.folder, self.log, self._done = folder, folder / "celery.log", folder / "done"
        self._environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(folder), *sys.path]),
            "QUEUE": str(folder / "queue"),
            "DONE": str(self._done),
            "READY": str(folder / "ready"),
            "FLUSH": "",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, flush: str = "") -> None:
        """Start it, in a process group of its own; "at exit" its children flush when they end, and hardly before."""
        environment = self._environment | {"FLUSH": flush} | ({"OTEL_BSP_SCHEDULE_DELAY": "600000"} if flush else {})
        flags = [
            "--pool",
            "prefork",
            "--concurrency",
            str(CHILDREN),
            "--max-tasks-per-child",
            "2",
            "--loglevel",
            "WARNING",
        ]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "tasks", "worker", *flags, *quiet],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def ask(self, tasks: int) -> None:
        """Put tasks into the queue, each for a session that another process started.

        Before the worker starts: it fails for good where it finds a file of its queue that is not written yet.
        """
        command = [sys.executable, "-c", ASKING, str(tasks)]
        subprocess.run(command, cwd=self.folder, env=self._environment, check=True, timeout=60)

    def done(self) -> dict[str, int]:
        """Return which runs of tasks are finished, and which child did each."""
        lines = self._done.read_text().splitlines() if self._done.exists() else []
        return {run: int(child) for run, child in map(str.split, lines)}

    def wait(self, tasks: int) -> None:
        """Wait until so many are done."""
        deadline = time.monotonic() + 30
        while len(self.done()) < tasks:
            assert time.monotonic() < deadline, f"{len(self.done())} of {tasks} done\n{self.log.read_text()}"
            time.sleep(0.01)

    def settle(self) -> set[int]:
        """Wait until no child is ending or starting: Celery's shutdown does not wait for these. Return who is left."""
        assert self.process
        main, deadline = psutil.Process(self.process.pid), time.monotonic() + 30
        while True:
            children = {child.pid for child in main.children()}
            if len(children) == CHILDREN and children <= {*map(int, (self.folder / "ready").read_text().split())}:
                return children
            assert time.monotonic() < deadline, f"{children}\n{self.log.read_text()}"
            time.sleep(0.05)

    def terminate(self) -> int:
        """End it as an operator does; return the exit code."""
        assert self.process
        self.process.terminate()
        return self.process.wait(30)

    def kill(self) -> None:
        """End it and its children with SIGKILL, as a container ends."""
        if self.process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[GrpcCollector]:
    """A collector to which everything goes that is recorded."""
    with started(GrpcCollector()) as made:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.endpoint)
        yield made


@pytest.fixture
def worker(tmp_path: Path, collector: GrpcCollector) -> Iterator[Worker]:
    """A worker, not started yet."""
    assert collector.endpoint
    made = Worker(tmp_path)
    yield made
    made.kill()


def send_what_is_left() -> None:
    """Be the next process that records to this collector."""
    oi.configure(fallback_endpoint="off", set_global=False)
    oi.event("system")
    deadline = time.monotonic() + 20
    while not oi.flush() or spooled():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    oi.shutdown()


def spooled() -> list[Path]:
    """Return the files that wait to be sent, but for the one that this process keeps open."""
    files = Path(os.environ["OTEL_INTERACTIONS_SPOOL_DIR"]).rglob("*.spool")
    return [path for path in files if oi.status().spooled or PROCESS.instance_id not in path.name]


def parts_by_run(collector: GrpcCollector) -> dict[str, list[int]]:
    """Return what arrived of each run of a task; each span once, where a body that came twice counts once."""
    bodies = dict.fromkeys(request.body for request in collector.requests)
    spans = [span for body in bodies for span in spans_of(body)]
    assert [each for each, count in Counter(span.span_id for span in spans).items() if count > 1] == []
    found: dict[str, list[int]] = {}
    for span in spans:
        values = {pair.key: pair.value for pair in span.attributes}
        if "run" in values:
            found.setdefault(values["run"].string_value, []).append(values["part"].int_value)
    return {run: sorted(parts) for run, parts in found.items()}


def test_recycled_and_ended(worker: Worker, collector: GrpcCollector) -> None:
    """Children end after two tasks each, by `os._exit`: if they flush before, nothing is left to another process."""
    worker.ask(16)
    worker.start("at exit")
    worker.wait(16)
    alive, done, arrived = worker.settle(), worker.done(), parts_by_run(collector)
    ended = [run for run, child in done.items() if child not in alive]
    assert len(ended) >= 8
    assert {run: arrived.get(run) for run in ended} == dict.fromkeys(ended, PARTS)
    assert worker.terminate() == 0, worker.log.read_text()
    assert len(set(done.values())) >= 8
    assert spooled() == []
    assert parts_by_run(collector) == dict.fromkeys(done, PARTS)


def test_killed(worker: Worker, collector: GrpcCollector) -> None:
    """The worker and its children are killed, again and again: what finished tasks recorded is there, once, in the end.

    All at once, as a container ends: a child that is killed alone may hold a lock of Celery's, and the others hang.
    """
    rng = random.Random(13)
    collector.answer = lambda *_: time.sleep(rng.uniform(0, 0.05))  # something is on its way at most times
    for tasks in (3, 7, 11):
        before = len(worker.done())
        worker.ask(24)  # some are lost with the worker: Celery takes them for done when they begin
        worker.start()
        worker.wait(before + tasks)
        worker.kill()
    before = len(worker.done())
    worker.ask(8)
    worker.start()
    worker.wait(before + 8)
    worker.settle()
    assert worker.terminate() == 0, worker.log.read_text()
    send_what_is_left()
    arrived, done = parts_by_run(collector), worker.done()
    assert {run: arrived.get(run) for run in done} == dict.fromkeys(done, PARTS)
    cut_off = {run: parts for run, parts in arrived.items() if run not in done}
    assert all(parts == PARTS[: len(parts)] for parts in cut_off.values()), cut_off
