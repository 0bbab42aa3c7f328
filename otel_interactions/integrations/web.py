"""What a web request says of its session, and what is said back: headers, ids, the cookie; knows no framework."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from opentelemetry.context import Context
from opentelemetry.propagate import extract
from opentelemetry.propagators.textmap import Getter

from otel_interactions.baggage import session_id_in_baggage

RawHeaders = Iterable[tuple[bytes, bytes]]

SESSION_ID: Final = re.compile(r"[\w.:~@+/=-]{1,128}", re.ASCII)
"""What a client may name its session: UUIDs, base64 in both alphabets, e-mail-like ids; nothing a log has to escape."""

_MOST_FIELDS: Final = 1000  # of a query string; one with more has no session id


class Headers:
    """The headers of a request; names in lower case, values as ISO-8859-1, as HTTP has them.

    Args:
        raw: names and values in the order in which they came.
    """

    def __init__(self, raw: RawHeaders) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in raw:
            self._values.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))

    def all(self, name: str) -> list[str]:
        """Return the values of a header, given in lower case."""
        return self._values.get(name, [])

    def first(self, name: str) -> str | None:
        """Return the first value of a header; None where it did not come."""
        return next(iter(self.all(name)), None)

    def names(self) -> list[str]:
        """Return the names of all headers."""
        return list(self._values)

    def cookies(self, name: str) -> Iterator[str]:
        """Yield the values of a cookie; the one for the narrower path comes first."""
        for header in self.all("cookie"):
            for pair in header.split(";"):
                found, _, value = pair.partition("=")
                if found.strip() == name:
                    yield value.strip().strip('"')


class _Carrier(Getter[Headers]):
    """How OpenTelemetry's propagators read our headers."""

    def get(self, carrier: Headers, key: str) -> list[str] | None:
        values = carrier.all(key.lower())
        if key.lower() == "baggage" and values:
            return [",".join(values)]  # OpenTelemetry's propagator reads the first one only
        return values or None

    def keys(self, carrier: Headers) -> list[str]:
        return carrier.names()


_CARRIER: Final = _Carrier()


def brought(headers: Headers) -> Context:
    """Return what the caller sent along by OpenTelemetry's propagators, and nothing else: its span, its baggage."""
    return extract(headers, Context(), _CARRIER)


@dataclass(frozen=True, slots=True)
class IdSources:
    """Where a request may name its session, in this order; None or False for a place that is not looked at.

    Attributes:
        header: the name of a header, in lower case.
        cookie: the name of a cookie.
        query: the name of a field of the query string.
        baggage: whether `session.id` in W3C baggage counts.
    """

    header: str | None
    cookie: str | None
    query: str | None
    baggage: bool

    def find(self, headers: Headers, query_string: bytes, caller: Context) -> str | None:
        """Return the first id that is fit to be one (`SESSION_ID`), or None: what a client sends is not to be trusted.

        Args:
            headers: those of the request.
            query_string: the part of its URL after `?`, as it came.
            caller: what the caller sent along.
        """
        return next((each for each in self._named(headers, query_string, caller) if SESSION_ID.fullmatch(each)), None)

    def _named(self, headers: Headers, query_string: bytes, caller: Context) -> Iterator[str]:
        if self.header is not None:
            yield from (value.strip() for value in headers.all(self.header))
        if self.cookie is not None:
            yield from headers.cookies(self.cookie)
        if self.query is not None:
            yield from in_query(query_string, self.query)
        if self.baggage:
            yield session_id_in_baggage(caller) or ""


def in_query(query_string: bytes, name: str) -> list[str]:
    """Return the values of a field of a query string."""
    if name.encode() not in query_string:
        return []
    try:
        fields = parse_qsl(query_string.decode("latin-1"), max_num_fields=_MOST_FIELDS)
    except ValueError:
        return []
    return [value for found, value in fields if found == name]


@dataclass(frozen=True, slots=True)
class Cookie:
    """The cookie that keeps a session's id in a browser; scripts cannot read it, and no other site sends it along.

    Attributes:
        name: its name.
        max_age: seconds from the session's start until the browser forgets it; None for when the browser is closed.
        secure: whether it goes over TLS only; None for as the request came.
    """

    name: str
    max_age: int | None
    secure: bool | None

    def header(self, session_id: str, *, tls: bool) -> tuple[bytes, bytes]:
        """Return the header that sets it.

        Args:
            session_id: its value.
            tls: whether the request came over TLS.
        """
        parts = [f"{self.name}={session_id}", "Path=/", "HttpOnly", "SameSite=Lax"]
        if tls if self.secure is None else self.secure:
            parts.append("Secure")
        if self.max_age is not None:
            parts.append(f"Max-Age={self.max_age}")
        return b"set-cookie", "; ".join(parts).encode("latin-1")

    def fits(self, answer: Headers) -> bool:
        """Tell whether it may go with a response: not beside one of that name, and not into a shared cache.

        A cache that hands one client's cookie to others would make them one session.
        """
        if any(each.partition("=")[0].strip() == self.name for each in answer.all("set-cookie")):
            return False
        said = {each.strip().partition("=")[0].lower() for each in ",".join(answer.all("cache-control")).split(",")}
        return not said & {"public", "s-maxage"}
