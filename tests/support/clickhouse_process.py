"""The stand-in ClickHouse server in a process of its own, to be asked, killed and started again."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from collector.query.questions import Asker

SERVER = Path(__file__).with_name("clickhouse_server.py")


class ClickHouseServer:
    """The stand-in server's process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(SERVER), str(self.folder), str(self.port)], cwd=self.folder.parent
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(self.url + "/ping").status_code == 200:
                    return
            time.sleep(0.05)
        raise AssertionError("the ClickHouse stand-in does not answer")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def ask(self, sql: str) -> list[dict[str, object]]:
        with contextlib.closing(Asker(self.url)) as asker:
            return asker.rows(sql)
