"""What is to be forgotten, one file each in the data directory, written before anything is touched.

So it goes on after a crash. While it runs the file has the user's id in it (and only its owner may read it), afterwards
a keyed hash.

    erasures/ID.json      one erasure
    audit.jsonl           one line when it was asked for, one when it ended; only ever added to
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

from collector import files
from collector.errors import CollectorError

State = Literal["running", "done", "mentions", "unknown"]
RUNNING: Final = "running"
_ID: Final = re.compile(r"[0-9]{20}-[0-9a-f]{8}")


class JobError(CollectorError):
    """An erasure is not there, or does not read."""


@dataclass(frozen=True, slots=True)
class Job:
    """One erasure.

    Attributes:
        id: what it is called; ids sort by age.
        tenant: whose user.
        user: the user's id while it runs, "" afterwards.
        digest: a keyed hash that stands for the user.
        asked_by: id of the key that asked, "" where none is asked for.
        asked_at: when, seconds since 1970.
        everywhere: whether rows go in which any value is the user's id.
        state: running; done, nothing is left; mentions, nothing of the user's is left, but other rows have a value that
            is the id; unknown, nothing named the user.
        step: what it does now.
        note: what it waits for, "" if for nothing.
        rounds: how often everything was gone through.
        found: rows that are about to go, by place.
        removed: rows that are gone, by place.
        left: rows of the user's found afterwards, by place; every place that was asked is in it.
        mentions: rows in which a value is the user's id, and nobody knows whose they are, by table and column.
        kept_counts: groups of aggregates of which the counts stay, because their rows went before.
        finished_at: when it ended, seconds since 1970, 0 before.
    """

    id: str
    tenant: str
    user: str
    digest: str
    asked_by: str
    asked_at: float
    everywhere: bool = False
    state: State = "running"
    step: str = "waiting"
    note: str = ""
    rounds: int = 0
    found: Mapping[str, int] = field(default_factory=dict)
    removed: Mapping[str, int] = field(default_factory=dict)
    left: Mapping[str, int] = field(default_factory=dict)
    mentions: Mapping[str, int] = field(default_factory=dict)
    kept_counts: int = 0
    finished_at: float = 0.0

    def shown(self) -> dict[str, Any]:
        """Return it as people see it: without the user's id."""
        told = asdict(self)
        del told["user"]
        return told


class Jobs:
    """The files. Any thread may call."""

    def __init__(self, folder: Path, audit: Path) -> None:
        """Nothing is created before the first erasure."""
        self._folder, self._audit = folder, audit
        self._lock = threading.Lock()

    def ask(self, tenant: str, user: str, digest: str, asked_by: str, *, everywhere: bool) -> Job:
        """Put an erasure on record, durably; return the one that runs if the same is asked for twice.

        Raises:
            OSError: the disk did not take it.
        """
        with self._lock:
            for job in self.all():
                if job.state == RUNNING and (job.digest, job.everywhere) == (digest, everywhere):
                    return job
            now = time.time_ns()
            made = Job(f"{now:020d}-{secrets.token_hex(4)}", tenant, user, digest, asked_by, now / 1e9, everywhere)
            self._folder.mkdir(exist_ok=True, mode=0o700)
            self._note("asked", made)
            self._write(made)
            return made

    def save(self, job: Job) -> Job:
        """Write down, durably, how far it is. Raises OSError."""
        with self._lock:
            self._write(job)
        return job

    def finish(self, job: Job, state: State) -> Job:
        """Put the end on record: in the audit, then in the file, from which the user's id goes. Raises OSError."""
        ended = replace(job, state=state, user="", step="finished", note="", finished_at=time.time())
        with self._lock:
            self._note("ended", ended)
            self._write(ended)
        return ended

    def get(self, identity: str) -> Job:
        """Return an erasure.

        Raises:
            JobError: there is none of that name, or it does not read.
        """
        path = self._folder / f"{identity}.json"
        if not _ID.fullmatch(identity) or not path.exists():
            raise JobError(f"there is no erasure {identity}", hint="`otel-interactions erase --list` shows all")
        try:
            return Job(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise JobError(f"{path} does not read: {error}", hint="ask for the erasure again") from error

    def all(self) -> list[Job]:
        """Return all that read, the oldest first."""
        found = []
        for identity in self._ids():
            with contextlib.suppress(JobError):
                found.append(self.get(identity))
        return found

    def unread(self) -> list[JobError]:
        """Return why some do not read: nobody knows whether these ended."""
        found = []
        for identity in self._ids():
            try:
                self.get(identity)
            except JobError as error:
                found.append(error)
        return found

    def running(self) -> list[Job]:
        """Return those that have not ended, the oldest first."""
        return [job for job in self.all() if job.state == RUNNING]

    def _ids(self) -> list[str]:
        return sorted(path.stem for path in self._folder.glob("*.json")) if self._folder.exists() else []

    def _write(self, job: Job) -> None:
        files.write_whole(self._folder / f"{job.id}.json", json.dumps(asdict(job), indent=1).encode(), mode=0o600)

    def _note(self, event: str, job: Job) -> None:
        """Add a line to the audit, once."""
        head = json.dumps({"event": event, "erasure": job.id})[:-1]
        if self._audit.exists() and any(line.startswith(head) for line in self._audit.read_text().splitlines()):
            return
        told = {key: value for key, value in job.shown().items() if key not in {"id", "step", "note", "found"}}
        line = json.dumps({"event": event, "erasure": job.id, "at": time.time(), **told}) + "\n"
        new = not self._audit.exists()
        with self._audit.open("ab") as file:
            if file.tell() and not self._audit.read_bytes().endswith(b"\n"):
                file.write(b"\n")  # a crash cut the last line off
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
        if new:
            files.sync_folder(self._audit.parent)
