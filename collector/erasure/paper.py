"""What of a user lies in files: dead letters, requests in the journal, what a crash left of requests.

Letters are read whether their checksum holds or not: a crash while one was rewritten leaves it so, and rewriting it
again mends that. What cannot be decoded is nobody's for certain; where the user's id is in its bytes, it goes whole.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from collector.erasure.otlp import Sieve, Sifted
from collector.erasure.person import Person
from collector.errors import SegmentDamaged
from collector.journal import frame, names
from collector.load import envelope
from collector.load.dead_letters import DeadLetters, Letter, LetterError

_WAITING = (".open", ".ready")
_TORN = ".torn"


class Paper:
    """The files of one collector."""

    def __init__(self, letters: DeadLetters, journal: Path) -> None:
        """Look in these folders."""
        self._letters, self._journal = letters, journal

    def waiting(self) -> frozenset[str]:
        """Return the names of the segments that are not loaded yet."""
        return frozenset(path.stem for path in self._journal.iterdir() if path.suffix in _WAITING)

    def replays(self) -> list[str]:
        """Return the letters that somebody wants sent again, and that were not yet."""
        return [each for each in self._letters.wanted() if (self._letters.folder / f"{each}.json").exists()]

    def count_letters(self, person: Person, sieve: Sieve) -> int:
        """Return how many items of the user's are in dead letters and in what crashes left."""
        letters = sum(self._sifted(letter, person, sieve)[1] for letter in self._all())
        return letters + sum(person.user.encode() in path.read_bytes() for path in self._torn())

    def clean_letters(self, person: Person, sieve: Sieve) -> None:
        """Take what is the user's out of dead letters; one with nothing else in it goes. Raises OSError."""
        for letter in self._all():
            data, removed = self._sifted(letter, person, sieve)
            if removed and data:
                self._letters.rewrite(_without_the_id(letter, person.user), data)
            elif removed:
                self._letters.remove(letter.id)
        for path in self._torn():
            if person.user.encode() in path.read_bytes():
                path.unlink()

    def count_waiting(self, person: Person, sieve: Sieve) -> int:
        """Return how many items of the user's wait in the journal. What a segment lacks at its end came too late."""
        return sum(self._in_segment(path, person, sieve) for path in self._segments())

    def _all(self) -> Iterator[Letter]:
        for identity in self._letters.ids():
            with contextlib.suppress(LetterError):
                yield self._letters.get(identity)

    def _torn(self) -> list[Path]:
        return [path for path in self._journal.iterdir() if path.suffix == _TORN]

    def _segments(self) -> list[Path]:
        return [path for path in self._journal.iterdir() if path.suffix in _WAITING]

    def _sifted(self, letter: Letter, person: Person, sieve: Sieve) -> tuple[bytes, int]:
        """Return a letter's bytes without what is the user's, b"" if nothing else is there, and how many items went."""
        try:
            data = self._letters.bytes_of(letter.id).read_bytes()
        except FileNotFoundError:
            return b"", 0
        if letter.tenant not in {"", person.tenant}:
            return data, 0
        try:
            kept, removed = _sift(letter.signal, envelope.frames_of(data), person, sieve.sift)
        except ValueError:
            return b"", int(person.user.encode() in data)
        return (envelope.segment_of(letter.id, kept) if kept else b""), removed

    def _in_segment(self, path: Path, person: Person, sieve: Sieve) -> int:
        try:
            content = path.read_bytes()
        except FileNotFoundError:  # loaded meanwhile
            return 0
        if not sieve.may_hold(content):
            return 0
        data = memoryview(content)
        try:
            head = frame.read_head(data)
            frames = [data[start:end] for start, end in frame.frames(data, head.end, head.salt)]
            return _sift(names.signal(path), frames, person, sieve.sift)[1]
        except (SegmentDamaged, ValueError):
            return 1  # nobody knows yet; the loader will say


def _sift(
    signal: str, frames: list[memoryview], person: Person, sift: Callable[[str, bytes], Sifted]
) -> tuple[list[memoryview], int]:
    kept, removed = [], 0
    for each in frames:
        told = envelope.read(each)
        if told.tenant != person.tenant or not (sifted := sift(signal, told.body)).removed:
            kept.append(each)
            continue
        removed += sifted.removed
        if sifted.kept:
            kept.append(envelope.with_body(each, sifted.body))
    return kept, removed


def _without_the_id(letter: Letter, user: str) -> Letter:
    """Return a letter whose reason does not quote the user's id."""
    return replace(letter, reason=letter.reason.replace(user, "…")) if len(user) > 3 else letter  # noqa: PLR2004 - shorter ones are in any sentence
