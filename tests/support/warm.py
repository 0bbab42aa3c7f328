"""Collectors, and their commands, that start in half the time.

They are forked from a process that has imported what they import, and nothing more:

    test process ──arguments, environment, open files──> this one ──fork──> a collector, with a process id of its own

Half of a start is importing: a second of CPU, and the suite starts hundreds. A child goes on as `python -m collector`
does, or as a script of the tests that breaks something first, and ends as that does. No engine is loaded and no thread
runs before the fork. A script finds modules imported: what it puts in their place it puts where they look it up.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

USABLE = sys.platform == "linux" and "PYTEST_VERSION" in os.environ and "CHAOS_ROUNDS" not in os.environ
"""Whether to: Linux has file descriptors of processes; benchmarks, and `make chaos`, start collectors as users do."""
COLLECTOR = ("-m", "collector")
_LINE = 1 << 20


class _Nursery:
    """The process that forks."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, __file__, str(theirs.fileno())]
        self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        theirs.close()
        self._lock = threading.Lock()
        atexit.register(self._end)

    def ask(self, what: dict[str, Any], files: Sequence[int] = ()) -> int:
        """Ask for a process to be started, or how one ended."""
        with self._lock:
            socket.send_fds(self._socket, [json.dumps(what).encode()], list(files))
            return int(self._socket.recv(_LINE))

    def _end(self) -> None:
        self._socket.close()
        self._process.wait()


@functools.cache
def _nursery() -> _Nursery:
    return _Nursery()


class Forked:
    """A command line of the nursery's, mostly a collector; the part of subprocess.Popen that the tests use."""

    def __init__(
        self,
        arguments: Sequence[str],
        stderr: int,
        environment: dict[str, str],
        *,
        stdout: int = 1,
        program: Sequence[str] = COLLECTOR,
        folder: Path | None = None,
    ) -> None:
        """Start it; `program` is what Python runs: -m collector, -c CODE, or a script."""
        what = {"arguments": list(arguments), "environment": environment, "program": list(program)}
        what["folder"] = str(folder or Path.cwd())
        self.pid = _nursery().ask(what, [stdout, stderr])
        self.returncode: int | None = None
        self._file = os.pidfd_open(self.pid)
        self._ended = select.poll()
        self._ended.register(self._file, select.POLLIN)

    def poll(self) -> int | None:
        """Return how it ended, None while it runs."""
        return self._ask(0)

    def _ask(self, seconds: float | None) -> int | None:
        if self.returncode is None and self._ended.poll(None if seconds is None else seconds * 1000):
            self.returncode = _nursery().ask({"ended": self.pid})
            os.close(self._file)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it ended; return how."""
        code = self._ask(timeout)
        if code is None:
            raise subprocess.TimeoutExpired("collector", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def run(
    arguments: Sequence[str], environment: Mapping[str, str] | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of the collector's to its end, in our environment or this one, with these variables besides."""
    environment = dict(os.environ if environment is None else environment) | variables
    program = [sys.executable, "-m", "collector", *arguments]
    if not USABLE:
        return subprocess.run(program, env=environment, capture_output=True, text=True, check=False, timeout=300)
    with tempfile.TemporaryFile("w+", newline="") as out, tempfile.TemporaryFile("w+", newline="") as err:
        process = Forked(arguments, err.fileno(), environment, stdout=out.fileno())
        try:
            code = process.wait(300)
        finally:
            process.kill()
        for each in (out, err):
            each.seek(0)
        return subprocess.CompletedProcess(program, code, out.read(), err.read())


def _become(what: dict[str, Any], files: Sequence[int]) -> None:
    """Be the process that was asked for."""
    for own, given in enumerate(files, 1):
        os.dup2(given, own)
        os.close(given)
    os.environ.clear()
    os.environ.update(what["environment"])
    time.tzset()
    os.chdir(what["folder"])
    sys.argv = [what["program"][0], *what["arguments"]]


def _until_forked(asked: socket.socket) -> Sequence[str]:
    """Do what the test process asks; in a child return which program it is."""
    while True:
        data, files, _, _ = socket.recv_fds(asked, _LINE, 2)
        if not data:
            return ()
        what = json.loads(data)
        if "ended" in what:
            _, status = os.waitpid(what["ended"], 0)
            asked.send(str(os.waitstatus_to_exitcode(status)).encode())
        elif child := os.fork():
            asked.send(str(child).encode())
            for each in files:
                os.close(each)
        else:
            asked.close()
            _become(what, files)
            return [str(each) for each in what["program"]]


if __name__ == "__main__":
    os.environ["GRPC_VERBOSITY"] = "NONE"  # as `serve` has it, before gRPC is loaded
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy's own, which nobody asks anything: it would start threads
    import numpy as np  # noqa: F401 - the engine's package imports it
    import uvicorn.lifespan.on
    import uvicorn.protocols.websockets.auto  # noqa: F401
    import uvloop  # noqa: F401

    import collector.__main__
    import collector.app
    import collector.cli

    assert threading.active_count() == len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208 - a thread would be lost
    gc.freeze()
    match _until_forked(socket.socket(fileno=int(sys.argv[1]))):
        case ["-m", _]:
            collector.__main__.main()
        case ["-c", code]:
            exec(code, {"__name__": "__main__"})  # noqa: S102 - of the tests
        case [script]:
            runpy.run_path(script, run_name="__main__")
