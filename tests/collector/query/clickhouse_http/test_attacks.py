"""Who may read tries to take the collector down: it refuses, in little memory, and receives meanwhile."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import psutil
import pytest
import zstandard
from clickhouse_cityhash.cityhash import CityHash128
from processes import CollectorProcess, running

MIB = 1 << 20
FORM = {"content-type": "multipart/form-data; boundary=x"}
FRAMED = {"decompress": "1"}


@dataclass
class Watched:
    """A collector, and how it fared while it was attacked."""

    collector: CollectorProcess
    http: httpx.Client
    process: psutil.Process

    def attack(self, body: bytes, headers: dict[str, bytes] | None = None, **settings: str) -> tuple[int, bytes]:
        """Ask, and return the status and what came, its beginning only; meanwhile nothing stands still or grows."""
        before = most = self.process.memory_info().rss
        longest, ended, received = 0.0, threading.Event(), []

        def ask() -> None:
            head = b""
            try:
                with self.http.stream("POST", "/", content=body, params=settings, headers=headers or {}) as reply:
                    for piece in reply.iter_raw():
                        head = (head + piece)[:5000]
                    received.append((reply.status_code, head))
            except httpx.HTTPError as error:
                received.append((0, head + repr(error).encode()))
            finally:
                ended.set()

        asking = threading.Thread(target=ask)
        asking.start()
        with httpx.Client(base_url=f"http://{self.collector.endpoints['http']}", timeout=60) as http:
            while not ended.wait(0.005):
                most = max(most, self.process.memory_info().rss)
                started = time.monotonic()
                http.get("/health")
                longest = max(longest, time.monotonic() - started)
        asking.join()
        assert most - before < 100 * MIB, f"{(most - before) / MIB:.0f} MiB more"
        assert longest < 1.0, f"nothing was received for {longest:.1f} s"
        return received[0]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A collector on a small machine."""
    folder = tmp_path_factory.mktemp("attacked")
    with running(folder / "data", "--clickhouse-memory-mib", "1500") as collector:
        assert collector.process
        url = f"http://{collector.endpoints['sql']}"
        with httpx.Client(base_url=url, timeout=60, headers={"accept-encoding": "identity"}) as http:
            http.post("/", content="SELECT count() FROM otel.interactions")  # has opened what it needs
            yield Watched(collector, http, psutil.Process(collector.process.pid))
        assert "Traceback" not in collector.log.read_text()


def frame(method: int, packed: bytes, unpacked: int) -> bytes:
    """One of ClickHouse's frames, with a checksum that is right."""
    body = struct.pack("<BII", method, 9 + len(packed), unpacked) + packed
    return struct.pack("<QQ", *divmod(CityHash128(body), 1 << 64)) + body


def bomb(size: int) -> bytes:
    """So many zeros, packed by zstd, which says how many they are."""
    packer = zstandard.ZstdCompressor(level=1).compressobj(size=size)
    return b"".join(packer.compress(bytes(MIB)) for _ in range(size // MIB)) + packer.flush()


def field(name: bytes, content: bytes, head: bytes = b"") -> bytes:
    """One field of a form."""
    return b'--x\r\n%bContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (head, name, content)


LIE = b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", 1 << 50) + b"\x01\0\0"  # a frame of zstd: a petabyte, it says
NESTED = b"".join(b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (n, n + 1) for n in range(3000))
BODIES = {
    "a bomb in a frame": (frame(0x90, bomb(512 * MIB), 8), {}, FRAMED),
    "a frame of zstd that lies": (frame(0x90, LIE, 8), {}, FRAMED),
    "an encoding that lies": (LIE, {"content-encoding": "zstd"}, {}),
    "very many frames of nothing": (frame(0x02, b"", 0) * 160_000, {}, FRAMED),
    "very many fields": (field(b"param_a", b"1") * 60_000 + b"--x--\r\n", FORM, {}),
    "a field of very many headers": (field(b"a", b"1", b"A: b\r\n" * 600_000) + b"--x--\r\n", FORM, {}),
    "a header of very many names": (field(b"a" + b'"; name*0="a' * 20_000, b"1") + b"--x--\r\n", FORM, {}),
    "a form in a form": (NESTED, {"content-type": "multipart/form-data; boundary=b0"}, {}),
    "a form without an end": (field(b"query", b"SELECT 1"), FORM, {}),
    "a form that is none": (b"SELECT 1", FORM, {}),
    "a field whose name is no text": (field(b"\xff\xfe", b"1") + b"--x--\r\n", FORM, {}),
    "a boundary that is no text": (b"SELECT 1", {"content-type": "multipart/form-data; boundary=\xff"}, {}),
    "a form without a boundary": (b"--x--", {"content-type": "multipart/form-data"}, {}),
    "a long name of a session": (field(b"session_id", b"a" * 4_000_000) + field(b"query", b"SET a = 1"), FORM, {}),
    "more than fits": (b" " * (5 * MIB), {}, {}),
    "a bomb": (bomb(512 * MIB), {"content-encoding": "zstd"}, {}),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies(watched: Watched, name: str) -> None:
    """What unfolds, or takes long to take apart, is refused before it does."""
    body, headers, settings = BODIES[name]
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    status, said = watched.attack(body, raw, **settings)
    assert status in {400, 413}, said
    assert said.startswith(b"Code: ")


STATEMENTS = {
    "very wide": "SELECT " + "1," * 100_000 + "1",
    "very long": "SELECT length([" + "1," * 2_000_000 + "1])",
    "very deep": "SELECT " + "NOT " * 900 + "1",
    "subqueries very deep": "SELECT * FROM (" * 300 + "SELECT 1" + ")" * 300,
    "names that double": "WITH 1 AS x0"
    + "".join(f", x{n} + x{n} AS x{n + 1}" for n in range(40))
    + " SELECT x40",
    "too many filters": "SELECT 1 SETTINGS additional_table_filters = {" + "'a': '1', " * 20_000 + "'b': '1'}",
    "a row of a gigabyte": "SELECT repeat(repeat('x', 1000000), 1000)",
    "rows of a gigabyte": "SELECT * FROM generateRandom('a Array(Array(Array(String)))', 1, 99999, 99999) FORMAT Null",
    "memory": "SELECT length(groupArray(number)) FROM numbers(1000000000)",
    "a foot after everything": "SELECT repeat('x', 20000) FROM numbers(200000) FORMAT JSON",
}  # fmt: skip


@pytest.mark.parametrize("name", STATEMENTS)
def test_statements(watched: Watched, name: str) -> None:
    """What grows without end is refused by the engine's limits, which nobody lifts."""
    status, said = watched.attack(STATEMENTS[name].encode(), max_memory_usage="50000000")
    assert status in {400, 413, 500}, said
    assert said.startswith(b"Code: ")
