"""What the benchmarks measure with: CPU, threads, memory and ages over time, percentiles, the machine."""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Generic, Self, TypeVar

import psutil

Value = TypeVar("Value")
Threads = dict[int, tuple[str, float]]
PACKAGES = ("chdb-core", "grpcio", "protobuf", "opentelemetry-sdk", "rotel")
MERGES = "ClickHouse: merges"
ROLES = {  # by the name of a thread
    "python": "other Python threads: journal, HTTP workers",
    "Unknown": "a Python thread inside ClickHouse: the loader",  # the engine renames its callers
    "ThreadPool": "ClickHouse: query threads",
    "MergeMutate": MERGES,
}


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, ended threads included."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def cpu_of_threads(pid: int) -> Threads:
    """Return what each living thread is and its CPU seconds so far, by its id."""
    return {each.id: (_role(pid, each.id), each.user_time + each.system_time) for each in psutil.Process(pid).threads()}


def _role(pid: int, thread: int) -> str:
    if thread == pid:
        return "main: event loop, gRPC, validation"
    try:
        name = Path(f"/proc/{pid}/task/{thread}/comm").read_text().strip()
    except OSError:  # it ended a moment ago
        name = "ended"
    return ROLES.get(name, "everything else")


def by_role(samples: list[Threads]) -> dict[str, float]:
    """Sum up the CPU seconds between samples by what the threads were, the dearest first."""
    used: dict[str, float] = {}
    for before, after in pairwise(samples):  # the engine's threads change their names with their tasks
        for thread, (role, seconds) in after.items():
            used[role] = used.get(role, 0) + seconds - before.get(thread, ("", 0))[1]
    return dict(sorted(used.items(), key=lambda item: -item[1]))


class Samples(Generic[Value]):
    """What `probe` says every so many seconds while the block runs, at its beginning and at its end."""

    def __init__(self, probe: Callable[[], Value], seconds: float = 0.5) -> None:
        self.values: list[Value] = []
        self._probe, self._seconds = probe, seconds
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self.values.append(self._probe())
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self.values.append(self._probe())

    def _run(self) -> None:
        while not self._end.wait(self._seconds):
            self.values.append(self._probe())


class Meter:
    """CPU a process spends while the block runs, its merges among it."""

    def __init__(self, pid: int) -> None:
        self.seconds = self.merges = 0.0
        self._pid = pid
        self._threads = Samples(lambda: cpu_of_threads(pid))

    def __enter__(self) -> Self:
        self._threads.__enter__()
        self.seconds = -cpu_seconds(self._pid)
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds += cpu_seconds(self._pid)
        self._threads.__exit__()
        self.merges = by_role(self._threads.values).get(MERGES, 0)


def until(condition: Callable[[], bool], seconds: float, every: float = 0.25) -> None:
    """Wait for a condition; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"did not come true in {seconds} s"
        time.sleep(every)


def until_quiet(ask: Callable[[str], list[dict[str, Any]]]) -> None:
    """Wait until ClickHouse has merged what it wants to merge: no merge runs, three times in a row."""
    calm = 0
    while calm < 3:
        time.sleep(0.7)
        calm = 0 if ask("SELECT count() AS n FROM system.merges")[0]["n"] else calm + 1


def percentile(values: list[float], share: float) -> float:
    """Return the value that `share` of all do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def in_own_process(command: Sequence[str | Path], environment: dict[str, str]) -> dict[str, Any]:
    """Run a program with a new spool in an empty folder; return the JSON it prints last."""
    with tempfile.TemporaryDirectory() as folder:
        own = os.environ | {"OTEL_INTERACTIONS_SPOOL_DIR": f"{folder}/spool"} | environment
        done = subprocess.run(command, env=own, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} failed:\n{done.stderr}"
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def shares(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """Return how ours is to theirs, round by round: the median, the least and the most."""
    each = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return f"{median(each):.2f} ({min(each):.2f} - {max(each):.2f})"


def free_port() -> int:
    """Return a port that nobody holds at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def machine() -> str:
    """Name what the figures were measured on, and when."""
    cpu = Path("/proc/cpuinfo").read_text().partition("model name")[2].partition("\n")[0].lstrip("\t: ") or "?"
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{now}, {os.cpu_count()} x {cpu}, Python {platform.python_version()}, {packages}, load average {load}"
