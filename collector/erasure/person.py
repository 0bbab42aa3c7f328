"""Whom an erasure is about, and what says so in a row or in OTLP: the names of attributes that hold ids of users."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field

from collector.clickhouse import ClickHouse

_ALIAS = re.compile(r"^(user_id|session_id) (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Person:
    """One user of one tenant."""

    tenant: str
    user: str

    def digest(self, secret: bytes) -> str:
        """Return what stands for the user on record: nobody without the directory's secret can tell who it is."""
        return hmac.new(secret, f"{self.tenant}\0{self.user}".encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Names:
    """How attributes are called that say whose something is, and of which session; as the schema has them."""

    user: frozenset[str]
    session: frozenset[str]


@dataclass(frozen=True, slots=True)
class Own:
    """The sessions and traces that are one user's alone: what names nobody in them is theirs, too."""

    sessions: frozenset[str] = field(default_factory=frozenset)
    traces: frozenset[str] = field(default_factory=frozenset)


def names(database: ClickHouse) -> Names:
    """Read them from the schema. Raises ClickHouseError, OSError."""
    found: dict[str, set[str]] = {"user_id": set(), "session_id": set()}
    for meaning, name in _ALIAS.findall(str(database.rows("SELECT otel_aliases()")[0][0])):
        found[meaning].add(name)
    return Names(frozenset(found["user_id"]), frozenset(found["session_id"]))
