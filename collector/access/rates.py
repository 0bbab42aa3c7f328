"""How much a key may send: two token buckets, requests and bytes.

A bucket fills at the key's rate up to `burst` seconds' worth. Bytes may take it below zero, and what is owed is waited
for: so a request larger than a bucket passes once, and the average holds to the byte all the same.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from collector.access.keyring import KeyRing
from collector.errors import Retryable


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float

    def fill(self, rate: float, capacity: float, now: float) -> None:
        self.level = min(capacity, self.level + (now - self.at) * rate)
        self.at = now


@dataclass(frozen=True, slots=True)
class Rate:
    """What may pass a second; 0 for as much as comes."""

    requests: float = 0.0
    bytes: float = 0.0


@dataclass(slots=True)
class Rates:
    """The buckets of every key.

    Attributes:
        ring: whose keys' own limits go before the default.
        default: for keys that have none of their own, and for senders without a key.
        burst: seconds' worth that may come at once.
    """

    ring: KeyRing
    default: Rate
    burst: float
    _requests: dict[str, _Bucket] = field(default_factory=dict)
    _bytes: dict[str, _Bucket] = field(default_factory=dict)

    def admit(self, key: str, size: int) -> None:
        """Take a request of so many bytes, as far as is known before it is read.

        Raises:
            Retryable: it is too much; `retry_after` says when it will not be.
        """
        rate = self._rate(key)
        requests = self._bucket(self._requests, key, rate.requests, least=1.0)
        octets = self._bucket(self._bytes, key, rate.bytes, least=0.0)
        wait = 0.0
        if requests and requests.level < 1.0:
            wait = (1.0 - requests.level) / rate.requests
        if octets and octets.level < 0.0:
            wait = max(wait, -octets.level / rate.bytes)
        if wait:
            raise Retryable("the key's rate limit is used up", retry_after=wait, reason="rate_limit")
        if requests:
            requests.level -= 1.0
        if octets:
            octets.level -= size

    def settle(self, key: str, size: int) -> None:
        """Take the bytes nobody knew of before the request was read, or give back what was taken too much."""
        rate = self._rate(key)
        if octets := self._bucket(self._bytes, key, rate.bytes, least=0.0):
            octets.level -= size

    def _rate(self, key: str) -> Rate:
        found = self.ring.keys().get(key)
        requests, octets = (found.requests_per_second, found.bytes_per_second) if found else (None, None)
        if requests is None and octets is None:
            return self.default
        return Rate(
            self.default.requests if requests is None else requests, self.default.bytes if octets is None else octets
        )

    def _bucket(self, buckets: dict[str, _Bucket], key: str, rate: float, *, least: float) -> _Bucket | None:
        """Return the key's bucket filled up to now; None where nothing limits it."""
        if not rate:
            return None
        now, capacity = time.monotonic(), max(rate * self.burst, least)
        bucket = buckets.get(key)
        if bucket is None:
            bucket = buckets[key] = _Bucket(capacity, now)
        bucket.fill(rate, capacity, now)
        return bucket
