"""Loads what waits in the line: prepares the database, asks what an earlier process left, then lets workers work.

One worker is the loader's own thread. Each further one loads at the same time over a connection of its own: an insert
is mostly one thread's work, in the engine and in a server, and where a server is far away it waits. While any of them
is at work the journal stretches its segments: few large ones cost less than many at the same time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from collector.clickhouse import ClickHouse
from collector.load.clickhouse_errors import classify
from collector.load.complaints import Complaints
from collector.load.dead_letters import DeadLetters, LetterError
from collector.load.line import Entry, Line, Waiting
from collector.load.note import Note, drop, orphans
from collector.load.shared import Segments, Shared
from collector.load.worker import Worker
from collector.request import Content
from collector.telemetry import Counters

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0  # between two looks whether a dead letter is to be sent again
_PAUSE = 1.0  # seconds between two tries to prepare the database, or to ask what is stored


class Loader:
    """Loads segments on threads and connections of its own.

    Attributes:
        gate: whoever is in it alone knows that nothing is being inserted.
    """

    def __init__(  # noqa: PLR0917 - what it is made of, each a thing of its own
        self,
        databases: Sequence[ClickHouse],
        segments: Segments,
        dead_letters: Path,
        scratch: Path,
        counters: Counters,
        decode: Literal["clickhouse", "collector"] = "clickhouse",
        *,
        tokens_lost: bool = False,
    ) -> None:
        """Nothing runs before `start`.

        Args:
            databases: connections, from now on the loader's alone; over each one segment is loaded at a time.
            segments: the journal's, to be read and deleted.
            dead_letters: folder of what cannot be stored.
            scratch: folder for files in between; nothing in it is needed after a crash.
            counters: where the fate of requests is counted.
            decode: who decodes OTLP. (The embedded engine is the collector's own either way.)
            tokens_lost: whether what an earlier process inserted may be there without its token: ClickHouse does not
                sync what it remembers of them, and the machine lost its power; or it was decoded by another one.
        """
        self._line, self._letters, self._complaints = Line(), DeadLetters(dead_letters), Complaints()
        shared = Shared(segments, self._line, self._letters, scratch, counters, self._complaints, decode, tokens_lost)
        self.gate = shared.gate
        self._workers = [Worker(each, shared) for each in databases]
        self._prepare: Callable[[], None] | None = None
        self._left: set[Path] = set()  # by an earlier process, and still to be loaded
        self._when_settled: Callable[[], None] | None = None
        self._unprepared = ""  # what the last try to prepare said
        self._thread = threading.Thread(target=self._run, name="loader", daemon=True)
        dead_letters.mkdir(parents=True, exist_ok=True)
        scratch.mkdir(parents=True, exist_ok=True)
        for left in scratch.iterdir():
            if left.is_file():
                left.unlink()

    def start(self, prepare: Callable[[], None] | None = None, when_settled: Callable[[], None] = lambda: None) -> None:
        """Begin to load. What was enqueued before was left by an earlier process: ClickHouse may have it.

        Args:
            prepare: what the database needs first; it is tried until it passes, nothing is asked or sent before.
            when_settled: called on the loader's thread when nothing an earlier process left waits any more, and again a
                moment later if it raises OSError.
        """
        self._prepare, self._when_settled = prepare, when_settled
        self._thread.start()

    def enqueue(self, segment: Path, content: Content) -> None:
        """Load this frozen segment when its turn comes."""
        self._line.join(Entry(segment, *content))

    def is_busy(self) -> bool:
        """Tell whether a segment is being loaded or waits for it."""
        return bool(self._line.entries())

    def waiting(self) -> list[Waiting]:
        """Return what is not stored yet, oldest first, those being loaded included."""
        return [Waiting(entry.path, entry.requests, entry.items) for entry in self._line.entries()]

    @property
    def last_error(self) -> str:
        """What ClickHouse said last of a segment that it does not take and that is tried again; "" if there is none."""
        return self._unprepared or self._line.trouble()

    def stop(self, drain_seconds: float) -> bool:
        """Load what waits, for at most so long; return whether all is loaded. The rest stays in the journal."""
        self._line.drain()
        self._thread.join(drain_seconds)
        self._line.close()
        return not self._thread.is_alive()

    def _run(self) -> None:
        self._prepare_the_database()
        self._ask_about_what_was_left()
        self._settle()
        first, *others = self._workers
        while entry := self._line.take_doubted():  # before anything else is inserted, and one after the other
            first.attempt(entry)
        helpers = [threading.Thread(target=self._work, args=(each,), name="loader", daemon=True) for each in others]
        for helper in helpers:
            helper.start()
        self._work(first, self._look_around)
        for helper in helpers:
            helper.join()

    def _work(self, worker: Worker, look_around: Callable[[], None] = lambda: None) -> None:
        try:
            while not self._line.ended:
                look_around()
                entry = self._line.take(_LOOK_SECONDS)
                if entry:
                    worker.attempt(entry)
        except BaseException:
            self._line.close()  # the process ends: nobody need wait for what this one had
            raise
        worker.close()

    def _prepare_the_database(self) -> None:
        while self._prepare and not self._line.ended:
            try:
                self._prepare()
            except Exception as error:  # noqa: BLE001 - whatever it is, what was acknowledged waits for its end
                verdict = classify(error)
                self._unprepared = verdict.sentence
                self._complaints.failed("preparing the database", verdict, error)
                self._line.rest(_PAUSE)
            else:
                self._prepare, self._unprepared = None, ""

    def _ask_about_what_was_left(self) -> None:
        left = self._line.entries()
        self._left = {entry.path for entry in left}
        drop(orphans(self._left))
        signals = {entry.signal for entry in left}
        while signals and not self._line.ended:
            try:
                for signal in sorted(signals):
                    alike = [entry for entry in left if entry.signal == signal]
                    found = self._workers[0].stored.among(signal, (entry.name for entry in alike))
                    self._line.doubt(found | {entry.name for entry in alike if Note(entry.path).exists()})
                    signals.remove(signal)
            except Exception as error:  # noqa: BLE001 - whatever it is, segments must not be sent twice for it
                self._complaints.failed("asking what is stored", classify(error), error)
                self._line.rest(_PAUSE)

    def _look_around(self) -> None:
        self._call_letters()
        self._settle()

    def _settle(self) -> None:
        """Say once that nothing an earlier process left waits any more, as soon as that is so and can be said."""
        if not self._when_settled or any(entry.path in self._left for entry in self._line.entries()):
            return
        try:
            self._when_settled()
        except OSError as error:  # a full disk, say: the same is told at the next look
            log.debug("that nothing is left is not on record yet: %s", error)
        else:
            self._when_settled = None

    def _call_letters(self) -> None:
        """Let dead letters join the line that somebody wants sent again."""
        for identity in self._letters.wanted():
            try:
                letter = self._letters.get(identity)
            except LetterError as error:
                log.error("dead letter %s is not sent again: %s", identity, error)  # noqa: TRY400 - it says all
                self._letters.withdraw(identity)
            else:
                self._line.join(Entry(self._letters.bytes_of(identity), letter.requests, 0, letter=True))
