"""One recording process: its id, the numbers it gives to its interactions, and what became of them.

Storage finds missing interactions by looking for gaps in `interaction.sequence` of one `service.instance.id`. So a
number is given when an interaction is finished and about to be handed to the exporter, never to one that was refused
before, and a forked child starts a sequence of its own under an id of its own.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections import Counter


class Process:
    """The identity and the counts of one recording process. Safe to use from any thread."""

    def __init__(self, instance_id: str | None = None) -> None:
        self._renew(instance_id or str(uuid.uuid4()))

    def _renew(self, instance_id: str) -> None:
        self._lock = threading.Lock()
        self._sequence = 0
        self._recorded: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._without_session = self._failed_redactions = 0
        self.instance_id = instance_id

    def renew(self) -> None:
        """Become a new process: a new id, counts from zero, a fresh lock (after a fork the old one may be held)."""
        self._renew(str(uuid.uuid4()))

    def number(self, kind: str) -> int:
        """Count one recorded interaction of type `kind` and give it its number, from 1."""
        with self._lock:
            self._sequence += 1
            self._recorded[kind] += 1
            return self._sequence

    def drop(self, reason: str) -> None:
        """Count one interaction that will not be recorded."""
        with self._lock:
            self._dropped[reason] += 1

    def miss_session(self) -> None:
        """Count one interaction recorded outside any session."""
        with self._lock:
            self._without_session += 1

    def fail_redaction(self) -> None:
        """Count one value that was left out because redacting it failed."""
        with self._lock:
            self._failed_redactions += 1

    def counts(self) -> tuple[dict[str, int], dict[str, int], int, int]:
        """Return (recorded by type, dropped by reason, recorded without a session, values that failed redaction)."""
        with self._lock:
            return dict(self._recorded), dict(self._dropped), self._without_session, self._failed_redactions


PROCESS = Process()
"""This process. Every recorder uses it but those of `otel_interactions.testing`."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=PROCESS.renew)
