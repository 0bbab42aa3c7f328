"""What is recorded at all: switched off by source or severity, a share of a type, so many of it a second.

A session is recorded from its start to its end whatever is said here, and so is a critical error.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from otel_interactions import conventions as names

SEVERITIES: Final = ("debug", "info", "warn", "error")
SOURCES: Final = ("client", "server", "middleware", "api", "worker", "system")
EVERY: Final = "*"  # in place of a type: all that are not named

BELOW_SEVERITY: Final = "below_severity"
SOURCE_OFF: Final = "source_off"
NOT_SAMPLED: Final = "not_sampled"
RATE_LIMITED: Final = "rate_limited"

_ALWAYS: Final = frozenset({"session_start", "session_end"})
_RANKS: Final = {severity: rank for rank, severity in enumerate(SEVERITIES)}


class Bucket:
    """So many a second, and as many at once after a quiet second.

    It has no lock, which a fork might leave held: threads that take at the very same moment may get one more.

    Args:
        rate: how many a second.
    """

    def __init__(self, rate: float) -> None:
        self._rate, self._most = rate, max(rate, 1.0) if rate else 0.0
        self._left, self._at = self._most, time.monotonic()

    def take(self) -> bool:
        """Take one; return False if there is none."""
        now = time.monotonic()
        left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        self._left = left - 1 if left >= 1 else left
        return left >= 1


@dataclass(frozen=True, slots=True)
class Switches:
    """Which interactions are recorded.

    Attributes:
        min_severity: the least severity of an event that is recorded.
        disabled_sources: interactions that name one of these as their `source` are not.
        sample_rates: the share of the sessions in which a type is recorded, 0 to 1, by type.
        buckets: how many of a type are recorded a second, by type; a type without is not limited.
    """

    min_severity: str = SEVERITIES[0]
    disabled_sources: frozenset[str] = frozenset()
    sample_rates: Mapping[str, float] = field(default_factory=dict)
    buckets: Mapping[str, Bucket] = field(default_factory=dict)

    @property
    def are_set(self) -> bool:
        """Whether anything is switched off at all."""
        return self != _ALL

    def sample_rate(self, kind: str) -> float:
        """Return the share of the sessions in which a type is recorded."""
        return 1.0 if kind in _ALWAYS else self.sample_rates.get(kind, self.sample_rates.get(EVERY, 1.0))

    def refusal(self, kind: str, attributes: Mapping[str, Any], session_id: str | None) -> str:
        """Return why an interaction is not recorded, or "".

        Args:
            kind: its type.
            attributes: what is known of it when it begins.
            session_id: all of a type are recorded in a session, or none; outside any, each is decided on its own.
        """
        if kind in _ALWAYS or attributes.get(names.CRITICAL) is True:
            return ""
        severity = attributes.get(names.SEVERITY)
        if severity is not None and _RANKS.get(str(severity), _RANKS["info"]) < _RANKS[self.min_severity]:
            return BELOW_SEVERITY
        if self.disabled_sources and str(attributes.get(names.SOURCE)) in self.disabled_sources:
            return SOURCE_OFF
        if (rate := self.sample_rate(kind)) < 1 and _share(kind, session_id) >= rate:
            return NOT_SAMPLED
        bucket = self.buckets.get(kind)
        return RATE_LIMITED if bucket is not None and not bucket.take() else ""


_ALL: Final = Switches()


def _share(kind: str, session_id: str | None) -> float:
    """Return a number from 0 to 1, the same in every process for one type in one session."""
    if session_id is None:
        return random.random()  # noqa: S311  a sample, not a secret
    digest = hashlib.blake2b(f"{kind}\0{session_id}".encode(), digest_size=7).digest()
    return int.from_bytes(digest) / (1 << 56)
