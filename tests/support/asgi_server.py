"""An ASGI application on a real uvicorn server on a real socket, in a thread of the test's process."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

DEADLINE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens."""

    port: int
    stop: Callable[[], None]

    @property
    def http(self) -> str:
        """The URL of its root."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        """The URL of its root for WebSockets."""
        return f"ws://127.0.0.1:{self.port}"


@contextmanager
def serving(app: Any, *, unix: Path | None = None, **settings: Any) -> Iterator[Address]:
    """Serve an application inside the block; its lifespan is over after it.

    Args:
        app: the application.
        unix: a Unix socket to be made and listened on, in place of a port.
        settings: those of `uvicorn.Config`.
    """
    config = uvicorn.Config(app, **{"log_config": None, "proxy_headers": False, **settings})
    server = uvicorn.Server(config)
    listening = _unix(unix) if unix is not None else socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="uvicorn")

    def stop() -> None:
        server.should_exit = True

    thread.start()
    try:
        eventually(lambda: server.started or not thread.is_alive())
        yield Address(0 if unix is not None else listening.getsockname()[1], stop)
    finally:
        stop()
        thread.join(DEADLINE_SECONDS)
        listening.close()
        assert not thread.is_alive()


def _unix(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    return listening


def eventually(condition: Callable[[], object], seconds: float = DEADLINE_SECONDS) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.005)
