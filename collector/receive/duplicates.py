"""A body that is sent again because its acknowledgement got lost is recognised, and acknowledged without being stored.

A body is known by its hash: xxh3 of 128 bits over the bytes as they came. Of OTLP it is taken before anything is
validated, so that a duplicate costs hardly more than the hash (80 us a MB). The hash begins with a seed made of a
secret of this data directory, the tenant and the signal: nobody can make bodies that are taken for another's, and the
same body from two tenants is two bodies. Where a sender names its request itself (Idempotency-Key), the hash is of that
name, and the body's own hash tells whether the name stands for another body now.

What is remembered outlives the process: it goes with the request into the journal as the request's *identity*, and is
handed back at the next start.

    identity | hash, 16 bytes | and, where part of the request was refused: rejected u32 | message in UTF-8 |
                              | or, where the hash is of a name: 0 u32 | the body's own hash, 16 bytes |

Time is the monotonic clock's. In memory, hashes lie in buckets by age, so that the oldest go without being looked for:
one is remembered for the window and up to a sixteenth longer. 100 bytes each, with a name 300.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import struct
import time
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from xxhash import xxh3_128_digest

from collector.errors import KeyReused, Retryable
from collector.request import Receipt, Signal

_BUCKETS = 16
_HASH_BYTES = 16
_REJECTED = struct.Struct("<I")
_LONGEST_MESSAGE = 1024  # bytes of a receipt's message that are remembered


class Mark(NamedTuple):
    """What a body is recognised by.

    Attributes:
        key: hash of the body, or of the name its sender gave it; b"" for nothing.
        body: hash of the body where it has such a name, else b"".
    """

    key: bytes
    body: bytes = b""


class _Past(NamedTuple):
    """What is remembered under a key: the answer, and the hash of the body where the key is a name's."""

    receipt: Receipt
    body: bytes


_WHOLE = _Past(Receipt(), b"")  # one for all that were accepted whole


@dataclass(slots=True)
class _Bucket:
    """Hashes that came after each other: when the first was accepted, until when they are remembered."""

    since: float
    until: float
    past: dict[bytes, _Past] = field(default_factory=dict)


class Claim:
    """A body in flight. Whoever sends an equal one meanwhile waits for what becomes of this one.

    One of `accepted`, `empty` and `refused` has to be called in the end, or `follow`, which does.
    """

    __slots__ = ("_answer", "_known", "mark")

    def __init__(self, known: Duplicates, mark: Mark, answer: asyncio.Future[Receipt]) -> None:
        self.mark = mark
        self._known = known
        self._answer = answer

    def follow(self, outcome: asyncio.Future[None], receipt: Receipt) -> None:
        """Have `receipt` for an answer if `outcome` is good."""
        outcome.add_done_callback(functools.partial(self._settle, receipt))

    def _settle(self, receipt: Receipt, outcome: asyncio.Future[None]) -> None:
        if outcome.cancelled():
            self.refused(asyncio.CancelledError())
        elif error := outcome.exception():
            self.refused(error)
        else:
            self.accepted(receipt)

    def accepted(self, receipt: Receipt) -> None:
        """It is in the journal: this is the answer, from now on as well."""
        self._known.end(self.mark, receipt)
        self._answer.set_result(receipt)

    def empty(self, receipt: Receipt) -> None:
        """There was nothing to store: this is the answer to those who wait, and the next one is looked at anew."""
        self._known.end(self.mark, None)
        self._answer.set_result(receipt)

    def refused(self, error: BaseException) -> None:
        """It is not stored: those who wait are refused the same, and the next one is tried anew."""
        self._known.end(self.mark, None)
        if not isinstance(error, Exception):  # its sender went away, and took it along
            error = Retryable("an equal request was given up by its sender")
        self._answer.set_exception(error)
        self._answer.exception()  # nobody need wait


class Duplicates:
    """What was accepted within a window of time. All calls come from the event loop, `restore` before it runs."""

    def __init__(self, secret: bytes, window: float, most: int) -> None:
        """Remember for `window` seconds, 0 for not at all, and `most` hashes at most: the oldest go first."""
        self._secret = secret
        self._window = window
        self._most = most
        self._buckets: deque[_Bucket] = deque()
        self._remembered = 0
        self._pending: dict[bytes, tuple[bytes, asyncio.Future[Receipt]]] = {}
        self._seed = functools.lru_cache(maxsize=1024)(self._make_seed)

    def _make_seed(self, signal: Signal, tenant: str, media: str) -> int:
        given = f"{signal.value} {media} {tenant}".encode()
        return int.from_bytes(hashlib.blake2b(given, digest_size=8, key=self._secret).digest(), "little")

    def mark(self, signal: Signal, tenant: str, body: bytes, media: str = "", name: str = "") -> Mark:
        """Return what the body is recognised by: itself, or the name its sender gave it; nothing where this is off."""
        own = self._hash(signal, tenant, body, media)
        return Mark(self._hash(signal, tenant, name.encode(), f"{media}#name"), own) if name else Mark(own)

    def _hash(self, signal: Signal, tenant: str, body: bytes, media: str) -> bytes:
        return xxh3_128_digest(body, self._seed(signal, tenant, media)) if self._window else b""

    def find(self, mark: Mark) -> asyncio.Future[Receipt] | None:
        """Return the answer to an equal body, accepted before or in flight; None if there is none.

        Awaiting it raises Refused where the equal body is refused. Cancelling it touches nobody else.

        Raises:
            KeyReused: its name stands for another body.
        """
        if pending := self._pending.get(mark.key):
            body, answer = pending
            _require_same(mark, body)
            return asyncio.shield(answer)
        self._forget()
        for bucket in reversed(self._buckets):
            if past := bucket.past.get(mark.key):
                _require_same(mark, past.body)
                answer = asyncio.get_running_loop().create_future()
                answer.set_result(past.receipt)
                return answer
        return None

    def claim(self, mark: Mark) -> Claim:
        """Take a body on that nobody else has."""
        answer = asyncio.get_running_loop().create_future()
        if mark.key:
            self._pending[mark.key] = mark.body, answer
        return Claim(self, mark, answer)

    def end(self, mark: Mark, receipt: Receipt | None) -> None:
        """A body is in flight no more; with a receipt, it is one to remember."""
        with contextlib.suppress(KeyError):  # nothing is pending under the key of none
            del self._pending[mark.key]
            if receipt:
                self._remember(mark.key, _Past(receipt, mark.body), time.monotonic())

    def restore(self, age: float, identity: bytes) -> None:
        """Remember a request that was accepted so many seconds ago, by another process."""
        if age < self._window:
            self._remember(identity[:_HASH_BYTES], _past(identity), time.monotonic() - age)

    def _remember(self, key: bytes, past: _Past, accepted_at: float) -> None:
        newest = self._buckets[-1] if self._buckets else None
        if (
            not newest
            or accepted_at - newest.since > self._window / _BUCKETS
            or len(newest.past) >= max(1, self._most // _BUCKETS)
        ):
            newest = _Bucket(accepted_at, 0.0)
            self._buckets.append(newest)
        newest.until = max(newest.until, accepted_at + self._window)
        self._remembered += key not in newest.past
        newest.past[key] = past if past.body or past.receipt.rejected else _WHOLE
        self._forget()

    def _forget(self) -> None:
        now = time.monotonic()
        while self._buckets and (self._buckets[0].until <= now or self._remembered > self._most):
            self._remembered -= len(self._buckets.popleft().past)


OFF = Duplicates(b"", window=0, most=1)


def identity(mark: Mark, receipt: Receipt) -> bytes:
    """Return what the journal keeps of a request, so that the next process can answer it the same.

    What has a name is JSON that became OTLP here, so nothing of it was refused.
    """
    if mark.body:
        return mark.key + _REJECTED.pack(0) + mark.body
    if not mark.key or not receipt.rejected:
        return mark.key
    return mark.key + _REJECTED.pack(receipt.rejected) + receipt.message.encode()[:_LONGEST_MESSAGE]


def _past(identity: bytes) -> _Past:
    if len(identity) == _HASH_BYTES:
        return _WHOLE
    (rejected,) = _REJECTED.unpack_from(identity, _HASH_BYTES)
    rest = identity[_HASH_BYTES + _REJECTED.size :]
    return _Past(Receipt(rejected, rest.decode(errors="ignore")), b"") if rejected else _Past(Receipt(), rest)


def _require_same(mark: Mark, body: bytes) -> None:
    if mark.body != body:
        raise KeyReused(
            "another body was accepted under this Idempotency-Key", hint="give each request a key of its own"
        )
