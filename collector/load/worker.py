"""Frozen segments become rows, once, until ClickHouse has them.

The insert carries the segment's name as its deduplication token, and every table behind the views remembers tokens.
So after any crash or lost answer the same segment is simply inserted again. Only when ClickHouse has confirmed is the
file deleted.

What a crash in the middle of an insert leaves (the embedded engine was killed 80 times to see): the first table,
partition by partition, then the tables behind it; never one of those without the first. Inserted again under the same
token, the tables that have their block drop it and pass it on to the views all the same, so whatever is missing is
completed. A view that failed for a while is healed by the same means. Where a token may be forgotten, ClickHouse is
asked first (`stored.py`): at the start for what an earlier process left, and later for what was sent more than a
minute ago, or to a server that was started anew since.

What an error means stands in `clickhouse_errors.py`. If it is the bytes, the requests that are refused alone are found
by halves (`bisection.py`), set aside in the dead letters, and the rest is stored. How that is done depends:

- Nothing of the segment is stored: each half is inserted as a segment of its own, called `NAME-FIRST-END` by the
  numbers of its requests, or `NAME-NUMBER`, which is its token, too. `NAME.parts`, written first, says so: after a
  crash the segment must not be inserted whole any more, but the same halves, of which ClickHouse drops those it has.
  Of which halves that holds as well stands in it, as what is refused now may pass later, where memory was short, say;
  and how many requests there were, as damage may cut some off.
- Some of it is stored, because a view behind the first table refused: halves would store that again. So they are only
  tried, by running the views' SQL over them. All that pass are then inserted under the segment's own token: the tables
  that have it drop it, the others take it. A letter then says which tables have the rows of the request all the same.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from clickhouse_connect.driver.exceptions import ClickHouseError

from collector import files
from collector.clickhouse import ClickHouse
from collector.errors import SegmentDamaged
from collector.load import envelope
from collector.load.bisection import Refusal, halves, isolate
from collector.load.clickhouse_errors import PROOF_TRIES, Fate, Verdict, classify
from collector.load.complaints import Complaints
from collector.load.dead_letters import DeadLetters, Letter, LetterError
from collector.load.decoder import Decoder
from collector.load.delivery import AsItIs, Decoded, Delivery
from collector.load.gate import Gate
from collector.load.line import Entry, Line
from collector.load.stored import Stored
from collector.load.tables import Step, Tables
from collector.request import Content, content
from collector.telemetry import Counters

log = logging.getLogger(__name__)

PARTS = ".parts"  # beside a segment that is stored in parts
_BYTES_AT_FAULT = frozenset({Fate.DATA, Fate.SUSPECT})
_TAKEN_APART = Exception("refused before, and stored by halves since")

Keep = Callable[[int, bytes, str], None]  # takes the offset of what is damaged, its bytes, and why


class Segments(Protocol):
    """The journal's frozen segments."""

    def read(self, segment: Path) -> tuple[memoryview, list[memoryview]]:
        """Return a segment's head and frames; raises SegmentDamaged."""

    def mend(self, segment: Path, keep: Keep) -> int:
        """Put empty frames where damaged ones were, each handed to `keep`; return how many requests that were."""

    def retire(self, segment: Path) -> None:
        """Delete a segment that is loaded or set aside."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What all workers share; any of their threads may use it.

    Attributes:
        segments: the journal's, to be read and deleted.
        line: who is next.
        letters: what cannot be stored.
        scratch: folder for files in between; nothing in it is needed after a crash.
        counters: where the fate of requests is counted.
        complaints: what ClickHouse said.
        decode: who decodes OTLP. (The embedded engine is the collector's own either way.)
        tokens_lost: whether what an earlier process inserted may be there without its token.
        gate: a segment of which some is there is completed while nothing else is inserted: that would tell wrong sums.
    """

    segments: Segments
    line: Line
    letters: DeadLetters
    scratch: Path
    counters: Counters
    complaints: Complaints
    decode: Literal["clickhouse", "collector"]
    tokens_lost: bool
    gate: Gate = field(default_factory=Gate)


class Worker:
    """Loads one segment after the other over a connection of its own.

    Attributes:
        stored: what asks over that connection what ClickHouse has.
    """

    def __init__(self, database: ClickHouse, shared: Shared) -> None:
        """Take a connection, from now on the worker's alone."""
        self._segments, self._line, self._letters = shared.segments, shared.line, shared.letters
        self._scratch, self._counters, self._complaints = shared.scratch, shared.counters, shared.complaints
        self._tokens_lost, self._gate = shared.tokens_lost, shared.gate
        self._tables = Tables(database)
        self._decoder = Decoder(database, shared.scratch)
        self.stored = Stored(database, self._tables, self._decoder)
        self._delivery: Delivery = AsItIs(database, self._tables)
        if shared.decode == "collector" and not database.embedded:
            self._delivery = Decoded(database, self._tables, self._decoder)

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
            self._set_aside(letter, entry.path.read_bytes())
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
        if note_of(entry).exists():
            drop([note_of(entry)])
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
        self._set_aside(letter, data)

    def _store(self, entry: Entry, frames: list[memoryview]) -> Content:
        """Store a segment as far as it can be; return what had to be set aside.

        Raises:
            Exception: not now.
        """
        if not note_of(entry).exists():
            try:
                self._deliver(entry.path, entry, entry.name)
            except (ClickHouseError, OSError) as error:
                self._counters.add("loads_failed", signal=entry.signal)
                verdict = classify(error)
                if not self._is_proven(entry, verdict):
                    raise
                if not entry.tries:
                    log.warning("segment %s is refused and taken apart: %s", entry.name, verdict.sentence)
                if not verdict.parser and self.stored.among(entry.signal, [entry.name]):
                    return self._complete_without_the_refused(entry, entry.name, dict(enumerate(frames)), error)
                files.write_whole(note_of(entry), str(len(frames)).encode())
            else:
                return Content(0, 0)
        return self._store_in_parts(entry, frames)

    def _is_proven(self, entry: Entry, verdict: Verdict) -> bool:
        """Tell whether an error is reason enough to take a segment apart."""
        enough = entry.tries + 1 >= PROOF_TRIES and self._others_pass(entry)
        return verdict.fate is Fate.DATA or (verdict.fate is Fate.SUSPECT and enough)

    def _others_pass(self, entry: Entry) -> bool:
        return self._line.loaded(entry.signal) > entry.loaded_before

    def _deliver(self, path: Path, entry: Entry, name: str) -> None:
        """Insert a segment or a part of one under its name, unless ClickHouse has it and may not know it any more."""
        signal = entry.signal
        in_doubt = entry.in_doubt or (entry.tries and self.stored.was_restarted(name, entry.first_try))
        if in_doubt and self.stored.among(signal, [name]) and not self._is_remembered(entry, name):
            log.warning("segment %s: ClickHouse may have forgotten its token; only what is missing is inserted", name)
            with self._gate.alone():
                self.stored.complete(path, signal, name)
        else:
            with self._gate.shared():
                self._delivery.insert(path, signal, name)
        self._line.works(signal)
        self._complaints.works()

    def _is_remembered(self, entry: Entry, name: str) -> bool:
        """Tell whether ClickHouse certainly knows the token of a segment it has rows of.

        Of a letter it is never certain: it may be older than what is on record of power cuts and decoders.
        """
        if entry.letter or (self._tokens_lost and entry.maybe_stored):
            return False
        return self.stored.remembers(entry.signal, name, None if entry.maybe_stored else entry.first_try)

    def _store_in_parts(self, entry: Entry, frames: list[memoryview]) -> Content:
        """Insert a segment by halves, of which nothing else is stored; return what was set aside."""
        note, dead = note_of(entry), list[Content]()
        count, *apart = note.read_text().split()

        def insert(first: int, end: int) -> Exception | None:
            name = _part(entry, first, end)
            if first >= len(frames):
                return None
            if name in apart:
                return _TAKEN_APART
            try:
                with self._written(name, name, frames[first:end]) as path:
                    self._deliver(path, entry, name)
            except (ClickHouseError, OSError) as error:
                verdict = classify(error)
                if verdict.fate not in _BYTES_AT_FAULT:
                    raise
                if not verdict.parser and self.stored.among(entry.signal, [name]):
                    part = dict(enumerate(frames[first:end], first))
                    dead.append(self._complete_without_the_refused(entry, name, part, error))
                    return None
                if end - first > 1:
                    apart.append(name)
                    files.write_whole(note, "\n".join([count, *apart]).encode())
                return error
            self._letters.remove(name)  # it was refused before a crash, and now it is not
            return None

        refused = halves(0, int(count), insert)
        dead.append(self._set_aside_all(entry, dict(enumerate(frames)), refused, stored_in=()))
        return Content(sum(each.requests for each in dead), sum(each.items for each in dead))

    def _complete_without_the_refused(
        self, entry: Entry, name: str, frames: dict[int, memoryview], error: Exception
    ) -> Content:
        """Insert those requests that no view refuses; some table has all of them already, under this name and token.

        Args:
            entry: the segment.
            name: its name, or that of a part of it.
            frames: the requests in it, by their numbers in the segment.
            error: what ClickHouse said.

        Raises:
            Exception: `error`, if none is refused alone.
        """
        if 0 < entry.tries < PROOF_TRIES:  # nothing was found before, and that takes long
            raise error
        refused: list[Refusal] = []
        passing = list(frames)
        for step in self._tables.route(entry.signal).steps:
            found = self._refused_by(step, entry, {number: frames[number] for number in passing})
            refused += found
            passing = [number for number in passing if number not in {each.number for each in found}]
        if not refused:
            return self._set_aside_whole(entry, name, list(frames.values()), error)
        dead = self._set_aside_all(entry, frames, refused, self._keepers(entry))
        if passing:
            rest = [frames[number] for number in passing]
            with self._written(f"{name}-rest", name, rest) as path:
                self._deliver(path, entry, name)
        return dead

    def _refused_by(self, step: Step, entry: Entry, frames: dict[int, memoryview]) -> list[Refusal]:
        """Run a view over requests, storing nothing, and return those that it refuses.

        Raises:
            ClickHouseError, OSError: it cannot be told now.
        """
        numbers = list(frames)

        def check(first: int, end: int) -> Exception | None:
            some = [frames[number] for number in numbers[first:end]]
            try:
                with self._written(f"{entry.name}-tried", entry.name, some) as path:
                    self._decoder.check(path, self._tables.route(entry.signal), step)
            except ClickHouseError as refusal:
                if classify(refusal).fate not in _BYTES_AT_FAULT:
                    raise
                return refusal
            return None

        return [Refusal(numbers[each.number], each.error) for each in isolate(0, len(numbers), check)]

    def _keepers(self, entry: Entry) -> tuple[str, ...]:
        return tuple(keeper.step.target for keeper in self._tables.route(entry.signal).keepers)

    @contextlib.contextmanager
    def _written(self, file: str, name: str, frames: list[memoryview]) -> Iterator[Path]:
        """Give a file with a segment of these frames, called `name` in it. It need not survive a crash."""
        path = self._scratch / f"{file}.part"
        try:
            path.write_bytes(envelope.segment_of(name, frames))
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _set_aside_all(
        self, entry: Entry, frames: dict[int, memoryview], refused: list[Refusal], stored_in: tuple[str, ...]
    ) -> Content:
        """Set requests aside that are refused alone; return how much that is.

        Raises:
            Exception: the error of one of them, if it proves nothing: not even another request was taken.
        """
        passed = len(refused) < len(frames) or self._others_pass(entry)
        for each in refused:
            if not (passed or classify(each.error).parser):
                raise each.error
        for each in refused:
            verdict, frame = classify(each.error), frames[each.number]
            told = envelope.read(frame)
            letter = Letter(
                id=_part(entry, each.number, each.number + 1),
                reason=verdict.sentence,
                code=verdict.code,
                signal=entry.signal,
                tenant=told.tenant,
                peer=told.peer,
                received_unix_nano=told.received_unix_nano,
                stored_in=stored_in,
            )
            self._set_aside(letter, envelope.segment_of(letter.id, [frame]))
        return content(frames[each.number] for each in refused)

    def _set_aside_whole(self, entry: Entry, name: str, frames: list[memoryview], error: Exception) -> Content:
        """Set aside what is partly stored and refused for good, though each of its requests seems to pass.

        Raises:
            Exception: `error`, as long as that is not proven.
        """
        verdict = classify(error)
        if not (verdict.fate is Fate.DATA and entry.tries >= PROOF_TRIES and self._others_pass(entry)):
            raise error
        letter = Letter(
            name,
            verdict.sentence,
            verdict.code,
            entry.signal,
            requests=len(frames),
            stored_in=self._keepers(entry),
        )
        self._set_aside(letter, envelope.segment_of(letter.id, frames))
        return content(frames)

    def _set_aside(self, letter: Letter, data: bytes) -> None:
        self._letters.keep(letter, data)
        log.error("set aside %s: %s", letter.id, letter.reason)

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
            self._deliver(entry.path, entry, letter.id)
        except (ClickHouseError, OSError) as error:
            verdict = classify(error)
            if verdict.fate not in _BYTES_AT_FAULT or (verdict.fate is Fate.SUSPECT and entry.tries + 1 < PROOF_TRIES):
                raise
            self._letters.refused_again(letter, verdict.sentence, verdict.code)
            log.error("dead letter %s is refused again: %s", letter.id, verdict.sentence)  # noqa: TRY400 - it says all
        else:
            self._letters.remove(letter.id)
            self._counters.add("requests_replayed", letter.requests, signal=entry.signal)
            log.info("dead letter %s is stored", letter.id)


def note_of(entry: Entry) -> Path:
    """Where it is written down that a segment is stored in parts."""
    return entry.path.with_suffix(PARTS)


def drop(notes: list[Path]) -> None:
    """Delete the notes of segments that are gone, once these are so for good: no power cut brings one back without."""
    for folder in {note.parent for note in notes}:
        files.sync_folder(folder)
    for note in notes:
        note.unlink()


def _part(entry: Entry, first: int, end: int) -> str:
    """Name a part of a segment by the numbers of its requests."""
    return f"{entry.name}-{first:06d}" if end - first == 1 else f"{entry.name}-{first:06d}-{end:06d}"
