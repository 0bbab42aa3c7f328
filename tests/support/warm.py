"""Collectors that start in half the time: forked from a process that has imported what they import, and nothing more.

    test process ──arguments, environment, open files──> this one ──fork──> a collector, with a process id of its own

Half of a start is importing: a second of CPU, and the suite starts hundreds. A child goes on as `python -m collector`
does and ends as that does, at the end of the script. No engine is loaded and no thread runs before the fork.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

USABLE = sys.platform == "linux" and "PYTEST_VERSION" in os.environ and "CHAOS_ROUNDS" not in os.environ
"""Whether to: Linux has file descriptors of processes; benchmarks, and `make chaos`, start collectors as users do."""
COMMAND_LINE = "from collector.__main__ import main; main()"
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
        code: str = COMMAND_LINE,
    ) -> None:
        """Start it; `code` is what Python runs."""
        what = {"arguments": list(arguments), "environment": environment, "code": code}
        self.pid = _nursery().ask(what | {"folder": os.getcwd()}, [stdout, stderr])  # noqa: PTH109 - a text
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


def _become(what: dict[str, Any], files: Sequence[int]) -> None:
    """Be the process that was asked for."""
    for own, given in enumerate(files, 1):
        os.dup2(given, own)
        os.close(given)
    os.environ.clear()
    os.environ.update(what["environment"])
    time.tzset()
    os.chdir(what["folder"])
    sys.argv = ["collector", *what["arguments"]]


def _until_forked(asked: socket.socket) -> str:
    """Do what the test process asks; return, in a child, the code to run."""
    while True:
        data, files, _, _ = socket.recv_fds(asked, _LINE, 2)
        if not data:
            return ""
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
            return str(what["code"])


if __name__ == "__main__":
    os.environ["GRPC_VERBOSITY"] = "NONE"  # as `serve` has it, before gRPC is loaded
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy's own, which nobody asks anything: it would start threads
    import numpy as np  # noqa: F401 - the engine's package imports it
    import uvicorn.lifespan.on
    import uvicorn.protocols.websockets.auto  # noqa: F401
    import uvloop  # noqa: F401

    import collector.__main__
    import collector.app
    import collector.cli  # noqa: F401

    assert threading.active_count() == len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208 - a thread would be lost
    gc.freeze()
    exec(_until_forked(socket.socket(fileno=int(sys.argv[1]))), {"__name__": "__main__"})  # noqa: S102 - of the tests
