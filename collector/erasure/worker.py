"""Erases, one round for each user in turn, on a thread of its own, and goes on after a crash where it was.

One round:

1. waiting     what was acknowledged so far is loaded; letters that are sent again have arrived
2. planning    from here on nothing is inserted; what is about to go is found and written down
3. rows        it is deleted in every table, files of the archive included
4. counting    aggregates are counted anew from what is left
5. letters     dead letters are written anew without it
6. checking    journal, letters, tables, archive: in the order in which data moves, so that nothing slips by

Only a round whose check finds nothing ends the erasure; where something came meanwhile, there is another one.
Acknowledging goes on all the time; what is acknowledged in steps 2 to 6 waits in the journal.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from collector.background import Background
from collector.clickhouse import ClickHouse
from collector.erasure.archived import Archived
from collector.erasure.jobs import RUNNING, Job, Jobs, State
from collector.erasure.otlp import Sieve
from collector.erasure.paper import Paper
from collector.erasure.person import Person
from collector.erasure.rows import Rows
from collector.load.gate import Gate
from collector.retention.archive import Archive

log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.2  # between two looks whether what waits is loaded
_PAUSE_SECONDS = 2.0  # after a try that failed, and between two rounds
_LETTERS, _JOURNAL, _ARCHIVE = "dead-letters", "journal", "archive"


class _StoppedError(Exception):
    """The collector ends; the next one goes on."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an erasure works on.

    Attributes:
        connect: opens a connection to ClickHouse.
        paper: what lies in files.
        archive: what was moved out of ClickHouse.
        gate: in which nothing is inserted.
        lock: while it is held, nothing is moved into the archive.
        freeze: lets the journal hand over all it has.
    """

    connect: Callable[[], ClickHouse]
    paper: Paper
    archive: Archive
    gate: Gate
    lock: threading.Lock
    freeze: Callable[[], None]


class Eraser(Background):
    """The thread."""

    def __init__(self, jobs: Jobs, around: Surroundings) -> None:
        """Nothing runs before `start`, which goes on with what is on record."""
        super().__init__("erasure")
        self._jobs, self._around = jobs, around
        self._wake = threading.Event()

    def wake(self) -> None:
        """Say that something was put on record."""
        self._wake.set()

    def stop(self) -> None:
        """End soon, even while there is nothing to do."""
        self._stop.set()
        self._wake.set()
        super().stop()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                running, troubles = self._once_each()
            except _StoppedError:
                return
            except OSError as error:
                running, troubles = True, [error]
            if troubles:  # whatever it is, it is tried again, and nobody is told that it is done
                self._complain("an erasure waits", troubles[0])
            else:
                self._trouble = ""
            if running or troubles:
                self._stop.wait(_PAUSE_SECONDS)
            else:
                self._wake.wait()

    def _once_each(self) -> tuple[bool, list[Exception]]:
        """Go one round with each user, so that none waits for another who cannot be erased yet.

        Return whether there is more to do, and what went wrong.
        """
        troubles: list[Exception] = [*self._jobs.unread()]
        running = False
        for job in self._jobs.running():
            try:
                running |= self._erase(job).state == RUNNING
            except _StoppedError:
                raise
            except Exception as error:  # noqa: BLE001 - told by who called
                running = True
                troubles.append(error)
        return running, troubles

    def _erase(self, job: Job) -> Job:
        person = Person(job.tenant, job.user)
        with contextlib.closing(self._around.connect()) as database:
            job = self._jobs.save(replace(job, step="waiting", note="", rounds=job.rounds + 1))
            self._await_loading(job)
            with self._around.lock, self._around.gate.alone():
                job = _Round(self._jobs, self._around, database, person).run(job)
        if job.state != RUNNING:
            log.info("erasure %s ended: %s", job.id, job.state)
        return job

    def _await_loading(self, job: Job) -> None:
        self._around.freeze()
        waiting = self._around.paper.waiting()
        while waiting & self._around.paper.waiting() or self._around.paper.replays():
            if not job.note:
                job = self._jobs.save(replace(job, note="what was acknowledged before is being loaded"))
            self._pause(_LOOK_SECONDS)

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise _StoppedError


class _Round:
    """One time through everything, while nothing is inserted."""

    def __init__(self, jobs: Jobs, around: Surroundings, database: ClickHouse, person: Person) -> None:
        self._jobs, self._around, self._database, self._person = jobs, around, database, person

    def run(self, job: Job) -> Job:
        """Go through everything; return the job, ended if nothing is left."""
        rows = Rows(self._database, self._person, job.id, everywhere=job.everywhere)
        job = self._jobs.save(replace(job, step="planning", note=""))
        rows.plan()
        sieve = Sieve(self._person, rows.names, rows.own())
        with Archived.opened(self._around.archive, self._database, rows) as archived:
            found = rows.counted() | archived.counted() | self._on_paper(sieve)
            job = self._jobs.save(replace(job, step="rows", found=_most(job.found, found)))
            rows.delete()
            archived.erase()
            job = self._jobs.save(replace(job, step="counting"))
            rows.count_anew()
            job = self._jobs.save(replace(job, step="letters"))
            self._around.paper.clean_letters(self._person, sieve)
            job = self._jobs.save(replace(job, step="checking"))
            return self._check(job, rows, archived, sieve)

    def _on_paper(self, sieve: Sieve) -> dict[str, int]:
        count = self._around.paper.count_letters(self._person, sieve)
        return {_LETTERS: count} if count else {}

    def _check(self, job: Job, rows: Rows, archived: Archived, sieve: Sieve) -> Job:
        waiting = self._around.paper.count_waiting(self._person, sieve)  # first: from there it moves to the others
        letters = self._around.paper.count_letters(self._person, sieve)
        tables, files = rows.look(), archived.look()
        left = dict.fromkeys(rows.tables(), 0) | {_ARCHIVE: sum(files.theirs.values())}
        left |= tables.theirs | {_JOURNAL: waiting, _LETTERS: letters}
        mentions = tables.mentions | files.mentions
        kept = max(job.kept_counts, rows.kept_counts())
        told = replace(job, left=left, mentions=mentions, kept_counts=kept)
        if remain := {place: count for place, count in left.items() if count}:
            log.info("erasure %s: another round, as there is something left in %s", job.id, ", ".join(remain))
            return self._jobs.save(replace(told, note=f"something came meanwhile: {remain}"))
        state: State = "mentions" if mentions else "done" if any(job.found.values()) or rows.knew() else "unknown"
        told = self._jobs.save(told)  # behind the next line nobody could say it again
        rows.forget_the_plan()
        return self._jobs.finish(replace(told, removed=job.found, found={}), state)


def _most(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """Return the larger count of each: what was counted before a crash may be gone by now."""
    return {place: max(one.get(place, 0), other.get(place, 0)) for place in one.keys() | other.keys()}
