r"""Texts as a reader sees them: full-width letters, special spaces, invisible characters, `%40`, `\u0040`, `\n`."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Final

_SPACES: Final = "\xa0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_DASHES: Final = "\u2010\u2011\u2012\u2013\u2212"
_ZEROS: Final = "\u0660\u06f0\u0966"  # Arabic, Persian, Devanagari
_LOOK_ALIKE: Final = str.maketrans(
    {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    | dict.fromkeys(_SPACES, " ")
    | dict.fromkeys(_DASHES, "-")
    | {chr(ord(zero) + digit): str(digit) for zero in _ZEROS for digit in range(10)}
)
_ENCODED: Final = re.compile(
    r"%([2-7][0-9A-Fa-f])|\\{1,8}u([0-9A-Fa-f]{4})|\\{1,8}([nrtbf\"'/])|[\u00ad\u200b-\u200f\u2060\ufeff]"
)
_SINGLE: Final = {"n": "\n", "r": "\r", "t": "\t", "b": " ", "f": " "}


class Plain:
    """A text as a reader sees it, and where its characters stand in the text itself.

    Attributes:
        text: what a reader sees.
    """

    def __init__(self, given: str) -> None:
        given = given.translate(_LOOK_ALIKE)  # one character for one
        self._here, self._there, parts, done, length = [0], [0], [], 0, 0
        for match in _ENCODED.finditer(given):
            before, seen = given[done : match.start()], _seen(match)
            done = match.end()
            parts += [before, seen]
            self._here += [length + len(before), length := length + len(before) + len(seen)]
            self._there += [match.start(), done]
        self.text = "".join((*parts, given[done:]))

    def place(self, at: int) -> int:
        """Return where in the text itself a character of the plain one stands."""
        index = bisect_right(self._here, at) - 1
        return self._there[index] + at - self._here[index]


def may_be_disguised(text: str) -> bool:
    """Tell whether a reader may see something else than what stands there."""
    return "\\" in text or "%" in text or not text.isascii()


def _seen(match: re.Match[str]) -> str:
    of_url, of_json, single = match.groups()
    if code := of_url or of_json:
        return chr(int(code, 16))
    return _SINGLE.get(single, single) if single else ""
