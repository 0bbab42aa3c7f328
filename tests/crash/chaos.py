"""Chaos: everything that can happen to a collector happens to one, at random, while senders push.

`python tests/crash/chaos.py --seconds 3600` (`make chaos`) goes round by round; each round starts senders, lets some
events happen, ends them, waits until the collector is done, and counts: every acknowledged span, log record and data
point stored once, none twice, the aggregate behind the views agrees, the fate counters balance. The seed is printed;
`--seed` runs it again.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import fuzzing
import power
import small_disk
from balance import assert_balanced
from processes import CollectorProcess
from senders import ITEMS, SENT, Sender
from server_process import ClickHouseServer

from collector.clickhouse import EMBEDDED_FOLDER
from collector.journal import segment
from collector.request import Signal

NAME = re.compile(rb"r\d+-(?:grpc|http)\d-\d{6}")  # of a request, as `World.round` and the senders make them
TABLES = [(table, content) for content in SENT.values() for table in content.tables]
Found = dict[str, tuple[object, object]]  # of a request, by table: its rows, and how many different ones
FLAGS = ("--batch-seconds", "0.5", "--batch-items", "2000", "--disk-reserve-bytes", "0")
CLOCK = Path(__file__).parents[1] / "support" / "clock.py"


@dataclass
class World:
    """One collector with its data directory, its ClickHouse and its history; `events` is what can happen to it."""

    name: str
    collector: CollectorProcess
    server: ClickHouseServer | None
    events: list[Event]
    choose: random.Random
    happened: Counter[str] = field(default_factory=Counter)
    hit: set[str] = field(default_factory=set)  # requests in a damaged frame
    gone: set[str] = field(default_factory=set)  # requests in a truncated segment's missing end
    now: list[str] = field(default_factory=list)  # the events of this round
    rounds: int = 0
    acknowledged: Counter[str] = field(default_factory=Counter)  # requests, by signal

    def round(self, events: list[Event], pause: tuple[float, float] = (0.1, 1.5)) -> None:
        """Push, let the events happen one after the other, settle, count."""
        self.rounds += 1
        self.now = [event.__name__ for event in events]
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
        self.collector.wait_until_stored(seconds=180, meanwhile=self.bring_back)

    def bring_back(self) -> None:
        """Start the server if it is away: an insert from before may still be what it dies after."""
        if self.server and self.server.process.poll() is not None:
            self.server.start()

    def count(self, senders: list[Sender]) -> None:
        """Compare what the senders know with what ClickHouse has."""
        assert not [sender.failure for sender in senders if sender.failure], [sender.failure for sender in senders]
        assert_balanced(self.collector.health())
        prefix = f"r{self.rounds}-"
        acknowledged = {name: signal for sender in senders for name, signal in sender.acknowledged.items()}
        sent = acknowledged | {name: signal for sender in senders for name, signal in sender.unsure.items()}
        stored = self.stored(prefix)
        assert stored.keys() <= sent.keys(), f"never sent: {sorted(stored.keys() - sent.keys())[:10]}"
        doubled = {name: found for name, found in stored.items() if found.items() - whole(sent[name]).items()}
        assert not doubled, (
            f"in a table in part, or more than once, as (rows, ids): {doubled}; {self.evidence(doubled)}"
        )
        lacking = {name for name in acknowledged | stored if stored.get(name, {}).keys() != whole(sent[name]).keys()}
        lost = lacking - self.hit - self.gone
        assert not lost, f"lost, wholly or in a table: {sorted(lost)[:10]}; {self.evidence(lost)}"
        thrown = lacking - self.gone - self.set_aside(lacking)
        assert not thrown, f"damaged and not set aside: {sorted(thrown)[:10]}"
        self.count_sessions({name for name in stored if sent[name] is Signal.TRACES}, prefix)
        self.acknowledged.update(signal.label for signal in acknowledged.values())

    def stored(self, prefix: str) -> dict[str, Found]:
        """Return the requests whose names begin so, each with what the tables have of it."""
        stored: dict[str, Found] = defaultdict(dict)
        for table, content in TABLES:
            for row in self.ask(
                f"SELECT {content.name} AS name, count() AS n, uniqExact({content.attributes}['item']) AS ids "
                f"FROM otel.{table} WHERE startsWith(name, '{prefix}') GROUP BY name"
            ):
                stored[str(row["name"])][table] = (row["n"], row["ids"])
        return stored

    def evidence(self, names: Iterable[str]) -> str:
        """Say where these requests lie, what was damaged, and what happened in this round."""
        listed = ", ".join(f"'{name}'" for name in names)
        rows = [
            (table, *row.values())
            for table, content in TABLES
            for row in self.ask(
                f"SELECT {content.name} AS name, JournalSegment, toString(ReceivedAt) AS received, count() AS rows "
                f"FROM otel.{table} WHERE name IN ({listed}) GROUP BY ALL ORDER BY ALL"
            )
        ]
        damaged = sorted((self.hit | self.gone) & set(names))
        return f"{self.name}, {self.now}, damaged {damaged}, {rows}"

    def count_sessions(self, stored: set[str], prefix: str) -> None:
        """See that the aggregate has each session, of one request or of a sender, with its spans.

        A request in a damaged frame may lack there: killed after its spans were stored and before its session was, what
        the damage left of the segment is all that can still be completed.
        """
        spans, known = (
            {
                row["session_id"]: row["n"]
                for row in self.ask(
                    f"SELECT session_id, {count} AS n FROM otel.{table} "
                    f"WHERE startsWith(session_id, '{prefix}') GROUP BY session_id"
                )
            }
            for table, count in (("interactions", "count()"), ("sessions", "sum(interactions)"))
        )
        assert stored <= spans.keys()
        excused = self.hit | self.gone
        excused |= {name.rpartition("-")[0] for name in excused}
        wrong = {name: (spans.get(name), known.get(name)) for name in dict(spans.items() ^ known.items())}
        assert not wrong.keys() - excused, f"sessions with another number of spans, as (stored, known): {wrong}"

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


Event = Callable[[World], None]


def whole(signal: Signal) -> Found:
    """Return what the tables have of a request of this signal that is stored once."""
    return {table: (rows, rows) for table, rows in SENT[signal].tables.items()}


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
    waiting = [*world.journal.glob("*" + segment.OPEN), *world.journal.glob("*" + segment.READY)]
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
    waiting = [path for path in world.journal.glob("*" + segment.READY) if path.stat().st_size]
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
    ballast = small_disk.fill(world.journal)
    time.sleep(world.choose.uniform(0.2, 2))
    ballast.unlink()


def fuzzed(world: World) -> None:
    """Garbage and bombs: each is refused, or does no harm."""
    fuzzing.over_http(f"http://{world.collector.endpoints['http']}", world.choose)
    fuzzing.over_grpc(world.collector.endpoints["grpc"], world.choose)


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
SERVER = [killed, restarted, lost_power, damaged, truncated, disk_filled, clock_jumped, fuzzed]
SERVER += [server_died, server_lost_power, both_died, server_failed, server_slow]
WORLDS = {"embedded": EMBEDDED, "server": SERVER, "decoding": SERVER}  # in the last the collector decodes


@contextlib.contextmanager
def world(folder: Path, seed: int, name: str) -> Iterator[World]:
    """One of `WORLDS`, to be broken; whatever runs in it ends with the block."""
    server = ClickHouseServer(folder / "server") if name != "embedded" else None
    flags = FLAGS
    if server:
        server.start()
        flags += ("--clickhouse-url", server.url, "--parallel-loads", "3")
        flags += ("--decode", "collector" if name == "decoding" else "clickhouse")
    with small_disk.mounted(folder / "data" / "journal", "64m") as worked:
        if not worked:
            print("the disk is never full in this run: mounting a small one takes root", flush=True)
        events = [event for event in WORLDS[name] if worked or event is not disk_filled]
        collector = CollectorProcess(folder / "data", *flags)
        collector.program = [str(power.SCRIPT)]
        collector.start()
        try:
            yield World(name, collector, server, events, random.Random(f"{seed} {name}"))
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
    arguments.add_argument("--worlds", nargs="+", choices=WORLDS, default=list(WORLDS), help="which take turns")
    chosen = arguments.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # no process and no disk is left behind
    print(f"CHAOS_SEED={chosen.seed}", flush=True)
    end = time.monotonic() + chosen.seconds
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        worlds = []
        for name in chosen.worlds:
            (folder / name).mkdir()
            worlds.append(stack.enter_context(world(folder / name, chosen.seed, name)))
        while time.monotonic() < end:
            for each in worlds:
                each.round(each.choose.choices(each.events, k=chosen.events))
                _report(each, end - time.monotonic())
    return 0


def _report(world: World, left: float) -> None:
    print(
        f"{world.name}: {world.rounds} rounds, {dict(world.acknowledged)} requests of {ITEMS} items acknowledged, "
        f"0 lost, 0 doubled, {len(world.hit)} damaged, {len(world.gone)} cut off; {dict(world.happened)}; "
        f"{max(left, 0):.0f} s left",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
