"""Chaos: everything that can happen to a collector happens to one, at random, while senders push.

`python tests/crash/chaos.py --seconds 3600` (`make chaos`) goes round by round; each round starts senders, lets some
events happen, ends them, waits until the collector is done, and counts: every acknowledged span stored once, none
twice, the aggregate behind the views agrees, the fate counters balance. The seed is printed; `--seed` runs it again.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import power
import small_disk
from balance import assert_balanced
from processes import PROTOBUF, CollectorProcess
from senders import SPANS, Sender
from server_process import ClickHouseServer

from collector.clickhouse import EMBEDDED_FOLDER
from collector.journal import segment

NAME = re.compile(rb"r\d+-(?:grpc|http)\d-\d+")  # of a request, as `World.round` and the senders make them
FLAGS = ("--batch-seconds", "0.2", "--batch-items", "2000", "--disk-reserve-bytes", "0")
CLOCK = Path(__file__).parents[1] / "support" / "clock.py"


@dataclass
class World:
    """One collector with its data directory, its ClickHouse and its history."""

    collector: CollectorProcess
    server: ClickHouseServer | None
    choose: random.Random
    happened: Counter[str] = field(default_factory=Counter)
    hit: set[str] = field(default_factory=set)  # requests in a damaged frame
    gone: set[str] = field(default_factory=set)  # requests in a truncated segment's missing end
    events: list[str] = field(default_factory=list)  # of this round
    rounds: int = 0
    acknowledged: int = 0

    def round(self, events: list[Callable[[World], None]], pause: tuple[float, float] = (0.1, 1.5)) -> None:
        """Push, let the events happen one after the other, settle, count."""
        self.rounds += 1
        self.events = [event.__name__ for event in events]
        senders = [
            Sender(self.collector, f"r{self.rounds}-{protocol}{twice:d}", protocol, twice=twice)
            for protocol in ("grpc", "http")
            for twice in (False, True)
        ]
        for sender in senders:
            sender.start()
        for event in events:
            time.sleep(self.choose.uniform(*pause))
            self.happened[event.__name__] += 1
            event(self)
        time.sleep(self.choose.uniform(*pause))
        for sender in senders:
            sender.finish()
        self.settle()
        self.count(senders)

    def settle(self) -> None:
        """Bring back what is away and wait until everything acknowledged is stored."""
        if self.server:
            self.server.faults()
            if self.server.process.poll() is not None:
                self.server.start()
        self.collector.wait_until_stored(seconds=180)

    def count(self, senders: list[Sender]) -> None:
        """Compare what the senders know with what ClickHouse has."""
        assert not [sender.failure for sender in senders if sender.failure], [sender.failure for sender in senders]
        assert_balanced(self.collector.health())
        prefix = f"r{self.rounds}-"
        stored = {
            row["name"]: (row["n"], row["ids"])
            for row in self.ask(
                "SELECT SpanName AS name, count() AS n, uniqExact(SpanId) AS ids FROM otel.otel_traces "
                f"WHERE startsWith(SpanName, '{prefix}') GROUP BY name"
            )
        }
        acknowledged = {name for sender in senders for name in sender.acknowledged}
        unsure = {name for sender in senders for name in sender.unsure}
        lost = acknowledged - stored.keys()
        assert lost <= self.hit | self.gone, f"lost: {sorted(lost - self.hit - self.gone)[:10]}"
        assert lost - self.gone <= self.set_aside(lost), f"lost and not set aside: {sorted(lost - self.gone)[:10]}"
        assert set(stored) <= acknowledged | unsure
        doubled = {name: found for name, found in stored.items() if found != (SPANS, SPANS)}
        assert not doubled, f"not stored whole, or more than once, as (rows, ids): {doubled}; {self.evidence(doubled)}"
        self.count_sessions(set(stored), prefix)
        self.acknowledged += len(acknowledged)

    def evidence(self, names: Iterable[str]) -> str:
        """Say where these requests lie, what was damaged, and what happened in this round."""
        listed = ", ".join(f"'{name}'" for name in names)
        rows = self.ask(
            "SELECT SpanName AS name, JournalSegment AS segment, toString(ReceivedAt) AS received, count() AS rows "
            f"FROM otel.otel_traces WHERE SpanName IN ({listed}) GROUP BY ALL ORDER BY ALL"
        )
        damaged = sorted((self.hit | self.gone) & set(names))
        return f"{'server' if self.server else 'embedded'}, {self.events}, damaged {damaged}, {rows}"

    def count_sessions(self, stored: set[str], prefix: str) -> None:
        """See that the aggregate has each request's session with its spans.

        A request in a damaged frame may lack there: killed after its spans were stored and before its session was, what
        the damage left of the segment is all that can still be completed.
        """
        sessions = {
            row["session_id"]: row["interactions"]
            for row in self.ask(
                f"SELECT session_id, interactions FROM otel.sessions WHERE startsWith(session_id, '{prefix}')"
            )
        }
        wrong = {name: sessions.get(name) for name in stored | sessions.keys() if sessions.get(name) != SPANS}
        assert not wrong.keys() - self.hit - self.gone, f"sessions with another number of spans: {wrong}"

    def set_aside(self, names: set[str]) -> set[str]:
        """Return those of `names` that are kept aside.

        That is in dead-letters, or in a .torn file: the last frame of an open segment looks torn where it was hit.
        """
        aside = [*(self.collector.data_dir / "dead-letters").iterdir(), *self.journal.glob("*.torn")]
        letters = b"".join(path.read_bytes() for path in aside if path.is_file())
        return {name for name in names if name.encode() in letters}

    def ask(self, sql: str) -> list[dict[str, object]]:
        """Query ClickHouse, wherever it is."""
        return self.server.ask(sql) if self.server else self.collector.ask(sql)

    @property
    def journal(self) -> Path:
        """The journal's folder."""
        return self.collector.data_dir / "journal"


# What can happen to the collector.


def killed(world: World) -> None:
    """SIGKILL, and a new start."""
    world.collector.kill()
    world.collector.start()


def restarted(world: World) -> None:
    """SIGTERM, and a new start."""
    world.collector.stop()
    world.collector.start()


def killed_twice(world: World) -> None:
    """SIGKILL again while it recovers."""
    for _ in range(2):
        world.collector.kill()
        with contextlib.suppress(AssertionError):
            world.collector.launch()
        time.sleep(world.choose.uniform(0.1, 1.0))
    world.collector.kill()
    world.collector.start()


def lost_power(world: World) -> None:
    """The machine stops: what was never synced is as the disk likes, and the embedded engine has forgotten tokens."""
    world.collector.kill()
    power.cut(world.journal, world.choose)
    power.cut_tokens(world.collector.data_dir / EMBEDDED_FOLDER, world.choose)
    world.collector.start()


def damaged(world: World) -> None:
    """SIGKILL, and one byte of one waiting frame is another when it starts again."""
    world.collector.kill()
    waiting = [path for path in world.journal.glob("*-traces*") if path.suffix in {segment.OPEN, segment.READY}]
    if waiting:
        path = world.choose.choice(waiting)
        data = path.read_bytes()
        found = power.frames(data)
        if found:
            start, end = world.choose.choice(found)
            world.hit |= {name.decode() for name in NAME.findall(data[start:end])}
            flipped = world.choose.randrange(start, end)
            path.write_bytes(
                data[:flipped] + bytes([data[flipped] ^ 1 << world.choose.randrange(8)]) + data[flipped + 1 :]
            )
    world.collector.start()


def truncated(world: World) -> None:
    """SIGKILL, and one waiting segment ends where it should not."""
    world.collector.kill()
    waiting = [path for path in world.journal.glob("*-traces*" + segment.READY) if path.stat().st_size]
    if waiting:
        path = world.choose.choice(waiting)
        data = path.read_bytes()
        end = world.choose.randrange(len(data))
        intact = max((each for _, each in power.frames(data) if each <= end), default=0)
        world.gone |= {name.decode() for name in NAME.findall(data[intact:])}
        path.write_bytes(data[:end])
    world.collector.start()


def clock_jumped(world: World) -> None:
    """A new start on a wall clock that jumps by up to an hour."""
    world.collector.stop()
    world.collector.start(CLOCK)


def disk_filled(world: World) -> None:
    """The disk of the journal is full for a while."""
    if not world.journal.is_mount():
        return
    ballast = small_disk.fill(world.journal)
    time.sleep(world.choose.uniform(0.2, 2))
    ballast.unlink()


def fuzzed(world: World) -> None:
    """Garbage: random bytes, broken protobuf, broken JSON, bombs; each is refused and hurts nobody."""
    address = f"http://{world.collector.endpoints['http']}"
    with httpx.Client(timeout=30) as client:
        for _ in range(30):
            path = world.choose.choice(["/v1/traces", "/v1/logs", "/v1/metrics", "/nowhere"])
            headers = world.choose.choice(
                [PROTOBUF, {"content-type": "application/json"}, PROTOBUF | {"content-encoding": "gzip"}, {}]
            )
            body = b"\x0a" * world.choose.randrange(3) + world.choose.randbytes(world.choose.randrange(2000))
            status = client.post(address + path, content=body, headers=headers).status_code
            assert status < 500, f"{path} {headers} {body.hex()}: {status}"


# What can happen to a ClickHouse server.


def server_died(world: World) -> None:
    """The server is killed and away for a while."""
    _server(world).kill()
    time.sleep(world.choose.uniform(0.2, 3))
    _server(world).start()


def server_lost_power(world: World) -> None:
    """The server's machine stops: the server is away for a while, and has forgotten tokens."""
    server = _server(world)
    server.faults(lie=0.5, die=0.5)
    time.sleep(world.choose.uniform(0, 1))
    server.faults()
    server.kill()
    power.cut_tokens(server.folder, world.choose)
    time.sleep(world.choose.uniform(0, 1))
    server.start()


def both_died(world: World) -> None:
    """The server is killed, then the collector, which starts again before the server does."""
    _server(world).kill()
    world.collector.kill()
    world.collector.start()
    time.sleep(world.choose.uniform(0.2, 3))
    _server(world).start()


def server_failed(world: World) -> None:
    """Inserts are refused, or happen but are answered with an error, or the server dies after one; for a while."""
    server = _server(world)
    server.faults(refuse=0.3, lie=0.4, die=world.choose.choice([0, 0.1]))
    time.sleep(world.choose.uniform(1, 3))
    server.faults()
    if server.process.poll() is not None:
        server.start()


def server_slow(world: World) -> None:
    """Each insert takes a second longer for a while."""
    _server(world).faults(slow=1)
    time.sleep(world.choose.uniform(1, 4))
    _server(world).faults()


def _server(world: World) -> ClickHouseServer:
    assert world.server
    return world.server


EMBEDDED = [killed, restarted, killed_twice, lost_power, damaged, truncated, disk_filled, clock_jumped, fuzzed]
SERVER = [
    killed,
    restarted,
    lost_power,
    disk_filled,
    fuzzed,
    server_died,
    server_lost_power,
    both_died,
    server_failed,
    server_slow,
]


@contextlib.contextmanager
def world(folder: Path, seed: int, *, with_server: bool) -> Iterator[World]:
    """A world to break; whatever runs in it ends with the block."""
    server = ClickHouseServer(folder / "server") if with_server else None
    flags = FLAGS
    if server:
        server.start()
        flags += ("--clickhouse-url", server.url, "--parallel-loads", "3")
    with small_disk.mounted(folder / "data" / "journal", "64m") as worked:
        if not worked:
            print("the disk is never full in this run: mounting a small one takes root", flush=True)
        collector = CollectorProcess(folder / "data", *flags)
        collector.program = [str(power.SCRIPT)]
        collector.start()
        try:
            yield World(collector, server, random.Random(seed))
        finally:
            if collector.process and collector.process.poll() is None:
                collector.kill()
            if server and server.process.poll() is None:
                server.kill()


def main() -> int:
    """Go on until the time is up; return 0 if nothing was lost and nothing doubled."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=3600)
    arguments.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    arguments.add_argument("--events", type=int, default=4, help="how many happen in a round")
    chosen = arguments.parse_args()
    print(f"CHAOS_SEED={chosen.seed}", flush=True)
    end = time.monotonic() + chosen.seconds
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        worlds = [
            (stack.enter_context(world(folder / name, chosen.seed, with_server=name == "server")), events)
            for name, events in (("embedded", EMBEDDED), ("server", SERVER))
            if (folder / name).mkdir() is None
        ]
        while time.monotonic() < end:
            for each, events in worlds:
                each.round(each.choose.choices(events, k=chosen.events))
            _report(worlds, end - time.monotonic())
    return 0


def _report(worlds: list[tuple[World, list[Callable[[World], None]]]], left: float) -> None:
    for each, _ in worlds:
        print(
            f"{'server' if each.server else 'embedded'}: {each.rounds} rounds, {each.acknowledged} requests of {SPANS} "
            f"spans acknowledged, 0 lost, 0 doubled; {dict(each.happened)}; {max(left, 0):.0f} s left",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
