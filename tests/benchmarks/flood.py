"""Do memory and neighbours hold under ten times what the collector has room for?

One key floods with large bodies (plain and gzip), slow bodies, half heads and gRPC calls, from a process of its own;
another key sends one small request after the other. First nothing is loaded, so that the memory is the receiver's
alone, then with the loader at work.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx
from flooding import UNLOADED, FloodProcess, body_of, rss, watching
from measure import percentile, until
from otlp_builders import span, traces
from processes import PROTOBUF, CollectorProcess, add_key, running
from report import Table

from collector.access.keys import Scope

AFTER_SECONDS = 5.0  # for memory to fall once the flood is over
# The flood sends one body over and over: each time it is to be journaled, not recognised.
FLAGS = ("--drain-seconds", "0", "--duplicate-window-seconds", "0")
SMALL = traces(span("small")).SerializeToString()
COLUMNS = [
    *("cap MiB", "flood, offered at once", "loading", "RSS MiB before / peak / after", "above"),
    *("small requests", "p50 / p99 ms", "accepts again, s", "the flood's answers"),
]


@dataclass(frozen=True, slots=True)
class Case:
    """What there is room for and what comes, in MiB."""

    cap: int
    largest: int
    body: int
    connections: int
    loading: bool = False

    @property
    def flags(self) -> tuple[str, ...]:
        """What the collector is started with."""
        limits = ("--memory-limit-mib", str(self.cap), "--max-request-bytes", str(self.largest << 20))
        return (*limits, *FLAGS, *(() if self.loading else UNLOADED))


CASES = [Case(64, 8, 7, 90), Case(256, 64, 7, 360), Case(256, 64, 30, 90), Case(256, 64, 7, 360, loading=True)]


class Crowd:
    """A collector, the key that floods, and the small sender's."""

    def __init__(self, collector: CollectorProcess, http: httpx.Client, case: Case) -> None:
        assert collector.process
        self.pid, self.case, self._endpoints, self._http = collector.process.pid, case, collector.endpoints, http
        self._flooding, self._small = add_key(collector.data_dir), add_key(collector.data_dir)
        collector.key = add_key(collector.data_dir, Scope.READ)
        until(lambda: self._post("x", b"") == httpx.codes.UNAUTHORIZED, 30)  # it has noticed that there are keys
        for _ in range(2):
            self._post(self._flooding, body_of(case.body << 20))
        time.sleep(2)

    def _post(self, key: str, body: bytes) -> int:
        headers = PROTOBUF | {"authorization": f"Bearer {key}"}
        return self._http.post("/v1/traces", content=body, headers=headers).status_code

    def send_small(self, seconds: float) -> tuple[list[float], int]:
        """Send small requests, one at a time; return how many ms each took, and how many were refused."""
        waits, refused, end = list[float](), 0, time.monotonic() + seconds
        while time.monotonic() < end:
            begun = time.monotonic()
            refused += self._post(self._small, SMALL) != httpx.codes.OK
            waits.append((time.monotonic() - begun) * 1000)
        return waits, refused

    def flood(self) -> FloodProcess:
        """Let the other key loose."""
        http, grpc = self._endpoints["http"], self._endpoints["grpc"]
        return FloodProcess(http, grpc, self._flooding, self.case.body << 20, self.case.connections)

    def accepts_again(self) -> float:
        """Return the seconds until the key that flooded gets a request through."""
        begun = time.monotonic()
        until(lambda: self._post(self._flooding, SMALL) == httpx.codes.OK, 60, every=0.01)
        return time.monotonic() - begun


def flood(seconds: float) -> Table:
    """Flood one collector after the other."""
    return Table(f"flooded for {seconds:g} s each", COLUMNS, [flooded(case, seconds) for case in CASES])


def flooded(case: Case, seconds: float) -> list[str]:
    """Flood a collector of its own; return its row."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder) / "data", *case.flags) as collector,
        httpx.Client(base_url=f"http://{collector.endpoints['http']}", timeout=60) as http,
    ):
        return row(Crowd(collector, http, case), seconds)


def row(crowd: Crowd, seconds: float) -> list[str]:
    """Measure before the flood, during it, and until memory fell."""
    before = rss(crowd.pid)
    with watching(crowd.pid) as peak:
        flooding = crowd.flood()
        waits, refused = crowd.send_small(seconds)
        answers, again = flooding.stop(), crowd.accepts_again()
        time.sleep(AFTER_SECONDS)
        after, most = rss(crowd.pid), peak()
    case = crowd.case
    return [
        str(case.cap),
        f"{case.body * case.connections} MiB in {case.connections}",
        "yes" if case.loading else "no",
        " / ".join(f"{size >> 20}" for size in (before, most, after)),
        f"{most - before >> 20}",
        f"{len(waits)}, {refused} refused",
        f"{median(waits):.0f} / {percentile(waits, 0.99):.0f}",
        f"{again:.2f}",
        ", ".join(f"{name} {count}" for name, count in sorted(answers.items())),
    ]
