"""Decides who may do what: the one place where a key is asked for."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from collector.access import keys
from collector.access.keyring import KeyRing
from collector.access.keys import ALL_TENANTS, Key, Scope
from collector.errors import Forbidden, Refused, Unauthenticated
from collector.request import Sender
from collector.telemetry import Counters

log = logging.getLogger(__name__)

_HOW = "send it as `Authorization: Bearer KEY` or `x-api-key: KEY`"
_QUIET_SECONDS = 60.0  # between two log lines about the refused


def presented(headers: Mapping[str, str]) -> str:
    """Return the key that came with HTTP headers or gRPC metadata, "" without one."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return headers.get("x-api-key", "").strip()


class Doorman:
    """Lets in who has the right key, or everybody while there are no keys and only this machine can call."""

    def __init__(self, ring: KeyRing, counters: Counters, *, local: bool) -> None:
        """Guard a collector that only this machine reaches (`local`), or others too."""
        self._ring = ring
        self._counters = counters
        self._local = local
        self._silent_until, self._unsaid = 0.0, 0

    def asks(self) -> bool:
        """Tell whether a key is asked for."""
        return bool(self._ring.keys()) or not self._local

    def admit(self, token: str, scope: Scope, peer: str = "") -> Sender:
        """Return who this is. Without a key, where none is asked for: nobody in particular, `Sender.key` is "".

        Raises:
            Unauthenticated: there is no key, or no such key.
            Forbidden: the key does not open this.
        """
        if not self.asks():
            return Sender(peer=peer)
        key = keys.find(self._ring.keys(), token)
        try:
            if key is None:
                raise _unknown(token)
            _require(key, scope)
        except Refused as refusal:
            self._note(refusal, peer)
            raise
        return Sender(tenant=key.tenant, key=key.id, peer=peer)

    def knows(self, token: str, scope: Scope) -> bool:
        """Tell whether `admit` would let them in; a no is not counted as an attempt."""
        key = keys.find(self._ring.keys(), token)
        return not self.asks() or (key is not None and key.opens(scope))

    def _note(self, refusal: Refused, peer: str) -> None:
        """Count every attempt, write about some: whoever tries keys must not fill the disk."""
        self._counters.add("access_refused", reason=refusal.reason)
        self._unsaid += 1
        now = time.monotonic()
        if now >= self._silent_until:
            log.warning("%d requests refused for their key, the last from %s: %s", self._unsaid, peer or "?", refusal)
            self._silent_until, self._unsaid = now + _QUIET_SECONDS, 0


def _unknown(token: str) -> Unauthenticated:
    if token:
        return Unauthenticated("the key is not valid", hint="`otel-interactions keys list` shows which there are")
    return Unauthenticated("a key is asked for here", hint=f"{_HOW}; `otel-interactions keys add` makes one")


def _require(key: Key, scope: Scope) -> None:
    if not key.opens(scope):
        has = ", ".join(sorted(key.scopes))
        raise Forbidden(f"the key {key.id} has the scope {has}, this needs {scope}")
    if scope is Scope.INGEST and key.tenant == ALL_TENANTS:
        raise Forbidden(f"the key {key.id} is for all tenants: it cannot say whose data this is")
