"""Frozen segments become rows, once, until ClickHouse has them.

The insert carries the segment's name as its deduplication token, and every table behind the views remembers tokens.
So after any crash or lost answer the same segment is simply inserted again. Only when ClickHouse has confirmed is the
file deleted.

What a crash in the middle of an insert leaves (the embedded engine was killed 80 times to see): the first table,
partition by partition, then the tables behind it; never one of those without the first. Inserted again under the same
token, the tables that have their block drop it and pass it on to the views all the same, so whatever is missing is
completed. A view that failed for a while is healed by the same means. Where a token may be forgotten, ClickHouse is
asked first (`sender.py`, `stored.py`): at the start for what an earlier process left, and later for what was sent more
than a minute ago, or to a server that was started anew since.

What an error means stands in `clickhouse_errors.py`. If it is the bytes, the segment is taken apart (`apart.py`).
"""

from __future__ import annotations

import functools
import logging
import time

from clickhouse_connect.driver.exceptions import ClickHouseError

from collector.clickhouse import ClickHouse
from collector.errors import SegmentDamaged
from collector.load.apart import Apart
from collector.load.clickhouse_errors import BYTES_AT_FAULT, PROOF_TRIES, Fate, classify
from collector.load.dead_letters import Letter, LetterError
from collector.load.decoder import Decoder
from collector.load.delivery import AsItIs, Decoded, Delivery
from collector.load.line import Entry
from collector.load.note import Note, drop
from collector.load.sender import Sender
from collector.load.shared import Shared
from collector.load.stored import Stored
from collector.load.tables import Tables
from collector.request import Content, content

log = logging.getLogger(__name__)


class Worker:
    """Loads one segment after the other over a connection of its own.

    Attributes:
        stored: what asks over that connection what ClickHouse has.
    """

    def __init__(self, database: ClickHouse, shared: Shared) -> None:
        """Take a connection, from now on the worker's alone."""
        self._segments, self._line, self._letters = shared.segments, shared.line, shared.letters
        self._counters, self._complaints = shared.counters, shared.complaints
        tables = Tables(database)
        self._decoder = Decoder(database, shared.scratch)
        self.stored = Stored(database, tables, self._decoder)
        delivery: Delivery = AsItIs(database, tables)
        if shared.decode == "collector" and not database.embedded:
            delivery = Decoded(database, tables, self._decoder)
        self._sender = Sender(delivery, self.stored, shared)
        self._apart = Apart(tables, self._decoder, self.stored, self._sender, shared)

    def close(self) -> None:
        """Close what the worker opened itself; the connection is not."""
        self._decoder.close()

    def attempt(self, entry: Entry) -> None:
        """Load a segment, or send a letter again; whatever fails is in the line once more."""
        if not entry.tries:
            entry.first_try, entry.loaded_before = time.monotonic(), self._line.loaded(entry.signal)
        try:
            if entry.letter:
                self._replay(entry)
            else:
                self._load(entry)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not stop the others
            verdict = classify(error)
            self._line.failed(entry, verdict.sentence)
            self._complaints.failed(entry.name, verdict, error)
        else:
            self._line.passed(entry)

    def _load(self, entry: Entry) -> None:
        """Store a segment, or set aside what of it cannot be stored, and delete it."""
        began, whole = time.monotonic(), Content(entry.requests, entry.items)
        try:
            frames = self._sound_frames(entry)
        except SegmentDamaged as damage:
            letter = Letter(entry.name, str(damage), 0, entry.signal, requests=entry.requests, damaged=True)
            self._letters.keep(letter, entry.path.read_bytes())
            self._end(entry, stored=Content(0, 0), dead=whole)
            return
        refused = self._store(entry, frames)
        there = content(frames)  # the rest was damaged, and is set aside
        stored = Content(there.requests - refused.requests, there.items - refused.items)
        self._end(entry, stored, Content(whole.requests - stored.requests, whole.items - stored.items))
        self._counters.add("segments_loaded", signal=entry.signal)
        self._counters.observe("load_duration_seconds", time.monotonic() - began, signal=entry.signal)

    def _end(self, entry: Entry, stored: Content, dead: Content) -> None:
        """Delete a segment, of which nothing is left to do, and count what became of it."""
        self._segments.retire(entry.path)
        drop([Note(entry.path)])
        if stored.requests:
            self._counters.fate("stored", stored.items, requests=stored.requests, signal=entry.signal)
        if dead.requests:
            self._counters.fate("dead", dead.items, requests=dead.requests, signal=entry.signal)

    def _sound_frames(self, entry: Entry) -> list[memoryview]:
        """Return the frames of a segment; those are empty whose requests were damaged."""
        try:
            return self._segments.read(entry.path)[1]
        except SegmentDamaged:
            lost = self._segments.mend(entry.path, functools.partial(self._keep_damaged, entry))
            log.error("segment %s is damaged: %d of its %d requests are lost", entry.name, lost, entry.requests)  # noqa: TRY400 - the letters say why
            return self._segments.read(entry.path)[1]

    def _keep_damaged(self, entry: Entry, offset: int, data: bytes, reason: str) -> None:
        """Set a damaged stretch of a segment aside."""
        letter = Letter(f"{entry.name}-damaged-{offset:012d}", reason, 0, entry.signal, damaged=True)
        self._letters.keep(letter, data)

    def _store(self, entry: Entry, frames: list[memoryview]) -> Content:
        """Store a segment as far as it can be; return what had to be set aside.

        Raises:
            Exception: not now.
        """
        if Note(entry.path).exists():
            return self._apart.store(entry, frames)
        try:
            self._sender.send(entry.path, entry, entry.name)
        except (ClickHouseError, OSError) as error:
            self._counters.add("loads_failed", signal=entry.signal)
            if not self._apart.is_proven(entry, classify(error)):
                raise
            return self._apart.take(entry, frames, error)
        return Content(0, 0)

    def _replay(self, entry: Entry) -> None:
        """Send a dead letter again.

        Raises:
            ClickHouseError, OSError: not now; it will be tried again.
        """
        try:
            letter = self._letters.get(entry.name)
            self._letters.data(letter)
        except LetterError as error:
            log.error("dead letter %s is not sent again: %s", entry.name, error)  # noqa: TRY400 - it says all
            self._letters.withdraw(entry.name)
            return
        try:
            self._sender.send(entry.path, entry, letter.id)
        except (ClickHouseError, OSError) as error:
            verdict = classify(error)
            if verdict.fate not in BYTES_AT_FAULT or (verdict.fate is Fate.SUSPECT and entry.tries + 1 < PROOF_TRIES):
                raise
            self._letters.refused_again(letter, verdict.sentence, verdict.code)
            log.error("dead letter %s is refused again: %s", letter.id, verdict.sentence)  # noqa: TRY400 - it says all
        else:
            self._letters.remove(letter.id)
            self._counters.add("requests_replayed", letter.requests, signal=entry.signal)
            log.info("dead letter %s is stored", letter.id)
