"""ClickHouse's errors as its HTTP interface words them: a code, a name, a sentence, and the HTTP status of the code."""

from __future__ import annotations

import re
from typing import Final

from collector.errors import CollectorError

UNKNOWN_EXCEPTION: Final = 1002

_FIRST = re.compile(r"Code: (\d+)\. DB::Exception: ")
# The embedded engine wraps its own message once per layer: "Code: 1. … Code: 1. … (NAME) (version 26.9). (NAME)"
_WRAPPED = re.compile(r"(?: \(version [^()]*\)\. \(\w+\))+$")
_NAME = re.compile(r" ?\((\w+)\)$")
# How the guard asked is no concern of whoever sent the statement.
_GUARD_SCOPE = re.compile(r": In scope (?:WITH|SELECT) (?:parseQueryToJSON|formatQuery)\w*\(.*", re.DOTALL)

# exceptionCodeToHTTPStatus.cpp of ClickHouse; every code not named there is 500, READONLY too. One differs: who comes
# with a wrong key (516) is told 401 as on our other ports, ClickHouse says 403.
_BAD_REQUEST = frozenset(
    {6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123, 167, 168, 223, 321, 376, 427, 441, 675, 676}
)
_NOT_FOUND = frozenset({46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511})
_STATUS = (
    {194: 401, 192: 403, 193: 403, 497: 403, 512: 403, 516: 401, 159: 408, 229: 413, 779: 415, 48: 501}
    | dict.fromkeys((76, 209, 439), 503)
    | dict.fromkeys(_BAD_REQUEST, 400)
    | dict.fromkeys(_NOT_FOUND, 404)
)


class QueryError(CollectorError):
    """A statement is refused or failed: by ClickHouse, or by us in ClickHouse's words."""

    def __init__(self, code: int, name: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.name = name
        self.message = message

    @property
    def status(self) -> int:
        """The HTTP status ClickHouse answers with for this code."""
        return _STATUS.get(self.code, 500)

    def text(self, version: str) -> str:
        """Return the whole line, as ClickHouse puts it into the body."""
        return f"Code: {self.code}. DB::Exception: {self.message} ({self.name}) (version {version} (official build))\n"


def from_engine(error: Exception) -> QueryError:
    """Take apart what the embedded engine said."""
    text = str(error)
    found = _FIRST.search(text)
    if not found:
        return QueryError(UNKNOWN_EXCEPTION, "UNKNOWN_EXCEPTION", text)
    text = _WRAPPED.sub("", text[found.start() :].strip())
    while prefix := _FIRST.match(text):
        text = text[prefix.end() :]
    name = _NAME.search(text)
    message = text[: name.start()] if name else text
    return QueryError(int(found[1]), name[1] if name else "UNKNOWN_EXCEPTION", _GUARD_SCOPE.sub("", message))


def read_only(detail: str = "") -> QueryError:
    """Refuse what does more than read."""
    message = "default: Cannot execute query in readonly mode."
    return QueryError(164, "READONLY", f"{message} {detail}" if detail else message)


def closed(what: str) -> QueryError:
    """Refuse what tells of other tenants."""
    return QueryError(497, "ACCESS_DENIED", f"{what} is not open to a key of one tenant.")


def bad_arguments(message: str) -> QueryError:
    """Refuse a request that cannot be understood."""
    return QueryError(36, "BAD_ARGUMENTS", message)
