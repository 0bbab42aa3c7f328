"""Where a page ended, as an opaque text: the next one begins behind it, whatever was stored meanwhile."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any, Final

import orjson

from collector.query.api.problems import NotAnsweredError

_MOST: Final = 2_000  # characters


@dataclass(frozen=True, slots=True)
class Place:
    """The last row of a page, by what orders it: a time in nanoseconds since 1970, then an id."""

    nano: int = 0
    id: str = ""


FIRST: Final = Place()


def write(place: Place, asked: dict[str, Any]) -> str:
    """Return a place as a text, good for the same question only."""
    return base64.urlsafe_b64encode(orjson.dumps([_digest(asked), place.nano, place.id])).decode().rstrip("=")


def read(text: str, asked: dict[str, Any]) -> Place:
    """Return the place that a text stands for, the first for "".

    Raises:
        NotAnsweredError: it is no cursor, or one of another question.
    """
    if not text:
        return FIRST
    try:
        found = orjson.loads(base64.b64decode(text[:_MOST] + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        found = None
    match found:
        case [str(digest), int(nano), str(name)] if 0 < nano < 1 << 63:
            if digest == _digest(asked):
                return Place(nano, name)
            raise NotAnsweredError(400, "the cursor is of another question", hint="keep the parameters as they were")
    raise NotAnsweredError(400, "this is no cursor", hint="take `next` of an answer, or begin without one")


def _digest(asked: dict[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
