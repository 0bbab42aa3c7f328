"""The ClickHouse stand-in in a process of its own, to be killed, slowed and made to fail."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
from processes import plain_client
from warm import USABLE, Forked

from collector.query.questions import Asker

SERVER = Path(__file__).with_name("clickhouse_server.py")


class ClickHouseServer:
    """An engine behind ClickHouse's HTTP interface; data in `folder`, always the same port."""

    def __init__(self, folder: Path, shards: int = 0) -> None:
        """Nothing runs before `start`. With `shards` it is the only node of a cluster `main`: see a_cluster_of.py."""
        self.folder = folder
        self.shards = shards
        self.faults_file = folder.with_suffix(".faults.json")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        arguments = [str(self.folder), str(self.port), str(self.faults_file), str(self.shards)]
        self.process: subprocess.Popen[bytes] | Forked
        if USABLE:
            environment, folder = dict(os.environ), self.folder.parent
            self.process = Forked(arguments, 2, environment, program=[str(SERVER)], folder=folder)
        else:
            self.process = subprocess.Popen([sys.executable, str(SERVER), *arguments], cwd=self.folder.parent)
        deadline = time.monotonic() + 60
        with plain_client() as client:
            while time.monotonic() < deadline:
                with contextlib.suppress(httpx.TransportError):
                    if client.get(self.url + "/ping").status_code == 200:
                        return
                time.sleep(0.05)
        raise AssertionError("the ClickHouse stand-in does not answer")

    def faults(self, **chances: float) -> None:
        """Make inserts go wrong from now on: see clickhouse_server.py; without arguments they go right again."""
        temporary = self.faults_file.with_suffix(".tmp")
        temporary.write_text(json.dumps(chances))
        temporary.replace(self.faults_file)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()
        self.process.wait()

    def ask(self, sql: str) -> list[dict[str, object]]:
        """Query it."""
        with contextlib.closing(Asker(self.url)) as asker:
            return asker.rows(sql)
