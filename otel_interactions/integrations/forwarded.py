"""Who the client of a request is, through the proxies that are trusted to say so; knows no framework."""

from __future__ import annotations

import functools
import ipaddress
import logging
import re
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from otel_interactions.log import say_once

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

UNIX: Final = "unix"
"""Stands for a peer on a Unix socket, which has no address, among the trusted proxies."""
FORWARDED: Final = "forwarded"

_LONGEST: Final = 100  # characters of an address, with its port and its zone
_ELEMENT: Final = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+')  # commas separate, unless they are quoted
_FOR: Final = re.compile(r'(?:^|;)\s*for\s*=\s*("(?:[^"\\]|\\.)*"|[^;\s]*)', re.IGNORECASE)
_ESCAPED: Final = re.compile(r"\\(.)")


class Proxies:
    """The proxies in front of the application.

    Args:
        trusted: their addresses or networks: `10.0.0.0/8`, `::1`; `unix` for a proxy on a Unix socket.
        header: the header in which they tell who called them, in lower case: `x-forwarded-for`, `forwarded` (RFC 7239)
            or another one with addresses, such as `x-real-ip`. One only: what the proxies do not write themselves
            they pass on from whoever called them.
    """

    def __init__(self, trusted: Iterable[str], header: str) -> None:
        given = {trusted} if isinstance(trusted, str) else set(trusted)
        self._unix = UNIX in given
        self._networks = [network for each in given - {UNIX} if (network := _network(each)) is not None]
        self._header = header.lower()

    @property
    def header(self) -> str:
        """The header they write, in lower case."""
        return self._header

    def client(self, peer: str | None, said: Sequence[str]) -> str | None:
        """Return the client's address, without port and zone; None where nobody knows it.

        From the nearest proxy outwards the first address that is no trusted proxy's is the client's: what stands
        before it is hearsay. Where a trusted proxy names none, it is that proxy's own.

        Args:
            peer: who the connection comes from; None or "" on a Unix socket.
            said: the values of the proxies' header, as they came.
        """
        found = address(peer or "")
        if not (self._unix if not peer else self._trusts(found)):
            return str(found) if found is not None else peer or None
        for hop in reversed(self._hops(said)):
            nearer, found = found, address(hop)
            if found is None:
                found = nearer
                break
            if not self._trusts(found):
                break
        return None if found is None else str(found)

    def _trusts(self, who: Address | None) -> bool:
        return who is not None and any(who in network for network in self._networks)

    def _hops(self, said: Sequence[str]) -> list[str]:
        text = ",".join(said)
        if self._header != FORWARDED:
            return text.split(",") if text else []
        return [_for(element) for element in _ELEMENT.findall(text)]


def address(text: str) -> Address | None:
    """Return the address in `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]` or `[::1]:80`; None if there is none."""
    text = text.strip()
    return _address(text) if len(text) <= _LONGEST else None


@functools.lru_cache(maxsize=1024)  # a proxy's comes with each request, a client's with many
def _address(text: str) -> Address | None:
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return found if mapped is None else mapped


def _for(element: str) -> str:
    """Return who one element of a `Forwarded` header is about; "" where it does not say."""
    found = _FOR.search(element)
    value = found[1] if found else ""
    return _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Return a network; where a text is none, say so and trust nobody for it."""
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError as error:
        say_once(("proxy", text), logging.ERROR, "trusted_proxies: %s; this one is not trusted", error)
        return None
