"""Which characters can be drawn, and what stands for the others."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import matplotlib as mpl
from fontTools.ttLib import TTFont, TTLibError

from collector.errors import StartError

MISSING: Final = "\N{WHITE VERTICAL RECTANGLE}"
_FOLDER: Final = Path(mpl.get_data_path()) / "fonts" / "ttf"
REGULAR: Final = _FOLDER / "DejaVuSans.ttf"
BOLD: Final = _FOLDER / "DejaVuSans-Bold.ttf"
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})  # controls, joiners and what is no character
_SELECTORS: Final = range(0xFE00, 0xFE10)  # which say how the character before them looks


class Fonts:
    """DejaVu Sans, and what somebody adds for other scripts; remembers what none of them can draw."""

    def __init__(self, added: Sequence[Path] = ()) -> None:
        """Read the fonts.

        Raises:
            StartError: one of `added` is no font that can be used.
        """
        self.added = list(added)
        self.missing: set[str] = set()
        self._known = _characters(REGULAR) & _characters(BOLD)
        for each in self.added:
            self._known |= _characters(each)

    def line(self, text: str, most: int) -> str:
        """Return a text as one line of at most so many characters; what cannot be drawn is marked."""
        words = " ".join(text[: 8 * most].split())
        shown = " ".join("".join(map(self._drawn, words)).split())
        return shown if len(shown) <= most else shown[: most - 1].rstrip() + "…"

    def _drawn(self, character: str) -> str:
        if unicodedata.category(character) in _UNSEEN or ord(character) in _SELECTORS:
            return ""
        if ord(character) in self._known:
            return character
        self.missing.add(character)
        return MISSING


def _characters(path: Path) -> set[int]:
    try:
        with TTFont(path, lazy=True, fontNumber=0) as font:
            return set(font.getBestCmap() or {})
    except (OSError, TTLibError, ValueError, KeyError) as error:
        raise StartError(
            f"{path} is no font that can be used: {error}", hint="--font takes a TrueType or OpenType file"
        ) from error
