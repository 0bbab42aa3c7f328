"""A segment whose bytes ClickHouse refuses: the requests at fault are found and set aside, the rest is stored, once.

The requests that are refused alone are found by halves (`bisection.py`) and become dead letters. How that is done
depends:

- Nothing of the segment is stored: each half is inserted as a segment of its own, called `NAME-FIRST-END` by the
  numbers of its requests, or `NAME-NUMBER`, which is its token, too. A note, written first, says so (`note.py`): after
  a crash the same halves are inserted, of which ClickHouse drops those it has.
- Some of it is stored, because a view behind the first table refused: halves would store that again. So they are only
  tried, by running the views' SQL over them. All that pass are then inserted under the segment's own token: the tables
  that have it drop it, the others take it. A letter then says which tables have the rows of the request all the same.
  The same goes for a half.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from clickhouse_connect.driver.exceptions import ClickHouseError

from collector.load import envelope
from collector.load.bisection import Refusal, halves, isolate
from collector.load.clickhouse_errors import BYTES_AT_FAULT, PROOF_TRIES, Fate, Verdict, classify
from collector.load.dead_letters import Letter
from collector.load.decoder import Decoder
from collector.load.line import Entry
from collector.load.note import Note
from collector.load.sender import Sender
from collector.load.shared import Shared
from collector.load.stored import Stored
from collector.load.tables import Step, Tables
from collector.request import Content, content

log = logging.getLogger(__name__)

_TAKEN_APART = Exception("refused before, and stored by halves since")

Frames = dict[int, memoryview]
"""Requests by their numbers in the segment."""


class Apart:
    """Takes segments apart, over one connection."""

    def __init__(self, tables: Tables, decoder: Decoder, stored: Stored, sender: Sender, shared: Shared) -> None:
        """Insert by this sender, run the views' SQL by this decoder."""
        self._tables, self._decoder, self._stored, self._sender = tables, decoder, stored, sender
        self._line, self._letters, self._scratch = shared.line, shared.letters, shared.scratch

    def is_proven(self, entry: Entry, verdict: Verdict) -> bool:
        """Tell whether an error is reason enough to take a segment apart."""
        enough = entry.tries + 1 >= PROOF_TRIES and self._line.others_pass(entry)
        return verdict.fate is Fate.DATA or (verdict.fate is Fate.SUSPECT and enough)

    def take(self, entry: Entry, frames: list[memoryview], error: Exception) -> Content:
        """Store a segment that was refused whole, as far as it can be; return what was set aside.

        Raises:
            Exception: not now.
        """
        if not entry.tries:
            log.warning("segment %s is refused and taken apart: %s", entry.name, classify(error).sentence)
        if self._is_stored_somewhere(entry, entry.name, error):
            return self._complete_without_the_refused(entry, entry.name, dict(enumerate(frames)), error)
        Note(entry.path).begin(len(frames))
        return self.store(entry, frames)

    def store(self, entry: Entry, frames: list[memoryview]) -> Content:
        """Store a segment by halves, as its note says; return what was set aside.

        Raises:
            Exception: not now.
        """
        requests, apart = Note(entry.path).read()
        dead: list[Content] = []

        def insert(first: int, end: int) -> Exception | None:
            name, part = _part(entry, first, end), dict(enumerate(frames[first:end], first))
            if not part:
                return None
            return _TAKEN_APART if name in apart else self._insert(entry, name, part, dead)

        refused = halves(0, requests, insert)
        dead.append(self._set_aside_all(entry, dict(enumerate(frames)), refused, stored_in=()))
        return Content(sum(each.requests for each in dead), sum(each.items for each in dead))

    def _insert(self, entry: Entry, name: str, part: Frames, dead: list[Content]) -> Exception | None:
        """Insert a part of a segment; return the error if its bytes are refused and nothing of it is stored.

        Args:
            entry: the segment.
            name: of the part.
            part: its requests.
            dead: takes what had to be set aside, because only some tables have it.

        Raises:
            Exception: not now.
        """
        try:
            with self._written(name, name, list(part.values())) as path:
                self._sender.send(path, entry, name)
        except (ClickHouseError, OSError) as error:
            if classify(error).fate not in BYTES_AT_FAULT:
                raise
            if self._is_stored_somewhere(entry, name, error):
                dead.append(self._complete_without_the_refused(entry, name, part, error))
                return None
            if len(part) > 1:
                Note(entry.path).add(name)
            return error
        self._letters.remove(name)  # it was refused before a crash, and now it is not
        return None

    def _is_stored_somewhere(self, entry: Entry, name: str, error: Exception) -> bool:
        """Tell whether some table may have taken what another refused. What does not parse came to none."""
        return not classify(error).parser and bool(self._stored.among(entry.signal, [name]))

    def _complete_without_the_refused(self, entry: Entry, name: str, frames: Frames, error: Exception) -> Content:
        """Insert those requests that no view refuses; some table has all of them already, under this name and token.

        Args:
            entry: the segment.
            name: its name, or that of a part of it.
            frames: the requests in it.
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
                self._sender.send(path, entry, name)
        return dead

    def _refused_by(self, step: Step, entry: Entry, frames: Frames) -> list[Refusal]:
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
                if classify(refusal).fate not in BYTES_AT_FAULT:
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
        self, entry: Entry, frames: Frames, refused: list[Refusal], stored_in: tuple[str, ...]
    ) -> Content:
        """Set requests aside that are refused alone; return how much that is.

        Raises:
            Exception: the error of one of them, if it proves nothing: not even another request was taken.
        """
        passed = len(refused) < len(frames) or self._line.others_pass(entry)
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
            self._letters.keep(letter, envelope.segment_of(letter.id, [frame]))
        return content(frames[each.number] for each in refused)

    def _set_aside_whole(self, entry: Entry, name: str, frames: list[memoryview], error: Exception) -> Content:
        """Set aside what is partly stored and refused for good, though each of its requests seems to pass.

        Raises:
            Exception: `error`, as long as that is not proven.
        """
        verdict = classify(error)
        if not (verdict.fate is Fate.DATA and entry.tries >= PROOF_TRIES and self._line.others_pass(entry)):
            raise error
        letter = Letter(
            name,
            verdict.sentence,
            verdict.code,
            entry.signal,
            requests=len(frames),
            stored_in=self._keepers(entry),
        )
        self._letters.keep(letter, envelope.segment_of(letter.id, frames))
        return content(frames)


def _part(entry: Entry, first: int, end: int) -> str:
    """Name a part of a segment by the numbers of its requests."""
    return f"{entry.name}-{first:06d}" if end - first == 1 else f"{entry.name}-{first:06d}-{end:06d}"
