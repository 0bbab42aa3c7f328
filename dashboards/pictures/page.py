"""A page of pixels, from the top left corner: texts that fit, boxes, and axes to draw on."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Patch, Rectangle, Wedge
from PIL import Image

from dashboards.pictures import look

_DPI: Final = 100
_POINTS: Final = 72 / _DPI  # of a pixel
_SHADES: Final = 12  # of each colour, between it and white
_FONTS: Final = Path(mpl.get_data_path()) / "fonts" / "ttf"
_UNKNOWN: Final = "▯"
SETTINGS: Final[dict[Any, Any]] = {
    "font.family": ["DejaVu Sans"],
    "text.parse_math": False,  # a $ is a $
    "axes.edgecolor": look.LINE,
    "xtick.color": look.PALE,
    "ytick.color": look.PALE,
}


@dataclass(frozen=True, slots=True)
class Box:
    """A piece of the page, in pixels."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Where it ends."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """Where it ends."""
        return self.top + self.height

    def cut(self, left: float = 0, top: float = 0, right: float = 0, bottom: float = 0) -> Box:
        """Return what is left when so much is taken away."""
        return Box(self.left + left, self.top + top, self.width - left - right, self.height - top - bottom)


class Page:
    """One picture."""

    def __init__(self, height: int) -> None:
        """Take the height in pixels; all are of the same width."""
        self.height = height
        self.figure = Figure(figsize=(look.WIDTH / _DPI, height / _DPI), dpi=_DPI, facecolor=look.GROUND)
        FigureCanvasAgg(self.figure)
        self._whole = self.figure.add_axes((0, 0, 1, 1))
        self._whole.set_xlim(0, look.WIDTH)
        self._whole.set_ylim(height, 0)
        self._whole.axis("off")

    def text(
        self,
        place: tuple[float, float],
        text: str,
        *,
        size: float = look.TEXT,
        colour: str = look.INK,
        bold: bool = False,
        side: str = "left",
        most: float = 0,
    ) -> None:
        """Write one line around the middle of its height at `place`, cut to `most` pixels (0 for no limit)."""
        shown = fitting(text, most, size, bold=bold) if most else drawable(text)
        self._whole.text(
            *place,
            shown,
            fontsize=size * _POINTS,
            color=colour,
            fontweight="bold" if bold else "normal",
            ha=side,
            va="center_baseline",
        )

    def lines(self, box: Box, text: str, *, size: float = look.TEXT, colour: str = look.PALE) -> None:
        """Write a text in the middle of a box, in as many lines as it takes."""
        lines = list(wrapped(text, box.width, size))
        top = box.top + box.height / 2 - (len(lines) - 1) * size * 0.7
        for number, line in enumerate(lines):
            place = (box.left + box.width / 2, top + number * size * 1.4)
            self.text(place, line, size=size, colour=colour, side="center")

    def box(self, box: Box, fill: str, edge: str = "none", corner: float = 0) -> None:
        """Draw a box, with round corners or not."""
        where = (box.left, box.top), box.width, box.height
        if corner:
            self._add(FancyBboxPatch(*where, f"round,pad=0,rounding_size={corner}", fc=fill, ec=edge, lw=0.8))
        else:
            self._add(Rectangle(*where, fc=fill, ec=edge, lw=0.8))

    def line(self, begin: tuple[float, float], end: tuple[float, float], colour: str = look.GRID) -> None:
        """Draw a thin line, below what is drawn later."""
        patches = 1
        self._whole.plot(
            [begin[0], end[0]], [begin[1], end[1]], color=colour, lw=0.8, solid_capstyle="butt", zorder=patches
        )

    def disc(self, middle: tuple[float, float], radius: float, fill: str) -> None:
        """Draw a disc."""
        self._add(Circle(middle, radius, fc=fill, ec="none"))

    def ring(self, middle: tuple[float, float], radius: float, thick: float, part: tuple[float, float], c: str) -> None:
        """Draw the part of a ring from one share of it to another, clockwise from the top."""
        begin, end = (each * 360 - 90 for each in part)
        self._add(Wedge(middle, radius, begin, end, width=thick, fc=c, ec="none"))

    def arrow(self, begin: tuple[float, float], end: tuple[float, float], bend: float = 0) -> None:
        """Draw an arrow."""
        way = f"arc3,rad={bend}"
        self._add(
            FancyArrowPatch(
                begin, end, connectionstyle=way, arrowstyle="-|>", mutation_scale=11, color=look.ARROW, lw=1
            )
        )

    def axes(self, box: Box) -> Axes:
        """Return axes that fill this box."""
        where = (box.left / look.WIDTH, 1 - box.bottom / self.height, box.width / look.WIDTH, box.height / self.height)
        axes = self.figure.add_axes(where, facecolor="none")
        axes.tick_params(length=0, labelsize=look.SMALL * _POINTS, pad=4)
        for side in axes.spines:
            axes.spines[side].set_visible(False)
        axes.set_axisbelow(True)
        return axes

    def png(self) -> bytes:
        """Return the picture."""
        drawn, written = io.BytesIO(), io.BytesIO()
        self.figure.savefig(drawn, format="png", dpi=_DPI, facecolor=look.GROUND)
        with Image.open(drawn) as picture:
            plain = picture.convert("RGB").quantize(palette=_palette(), dither=Image.Dither.NONE)
            plain.save(written, format="png", optimize=True)
        return written.getvalue()

    def _add(self, patch: Patch) -> None:
        self._whole.add_patch(patch)


@functools.cache
def _palette() -> Image.Image:
    """Return the colours that a picture is written with, which makes it a third as large: ours and their shades."""
    heat = [to_hex(look.heat(at / 15)) for at in range(16)]
    ours = dict.fromkeys([*look.PALETTE, *look.NAMED.values(), look.PALE, look.LINK, look.ARROW])
    shades = [_shade(colour, at / _SHADES) for colour in ours for at in range(1, _SHADES + 1)]
    whole = [look.PANEL, look.GROUND, look.GRID, look.LINE, look.TRACK, *heat, *shades][:256]
    made = Image.new("P", (1, 1))
    made.putpalette([round(part * 255) for colour in whole for part in to_rgb(colour)])
    return made


def _shade(colour: str, strength: float) -> str:
    red, green, blue = (1 - strength * (1 - part) for part in to_rgb(colour))
    return to_hex((red, green, blue))


@functools.cache
def _font(bold: bool) -> FT2Font:
    return FT2Font(str(_FONTS / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")))


@functools.lru_cache(100_000)
def _advance(letter: str, size: float, bold: bool) -> float:
    font = _font(bold)
    font.set_size(size * _POINTS, _DPI)
    return float(font.load_char(ord(letter)).linearHoriAdvance) / 65536


def width(text: str, size: float = look.TEXT, *, bold: bool = False) -> float:
    """Return how many pixels a line takes."""
    return sum(_advance(letter, size, bold) for letter in drawable(text))


@functools.lru_cache(100_000)
def _is_known(letter: str) -> bool:
    return letter.isprintable() and _font(bold=False).get_char_index(ord(letter)) != 0


def drawable(text: str) -> str:
    """Return a text as one line of letters that the font has."""
    return "".join(each if _is_known(each) else _UNKNOWN for each in " ".join(text.split()))


def fitting(text: str, most: float, size: float = look.TEXT, *, bold: bool = False) -> str:
    """Return as much of a text as fits into so many pixels."""
    line = drawable(text[:2000])
    if width(line, size, bold=bold) <= most:
        return line
    room = most - width("…", size, bold=bold)
    kept = 0
    while kept < len(line) and (room := room - _advance(line[kept], size, bold)) >= 0:
        kept += 1
    return line[:kept].rstrip() + "…"


def wrapped(text: str, most: float, size: float = look.TEXT) -> Iterator[str]:
    """Yield lines of at most so many pixels; a word that is longer is cut."""
    line = ""
    for word in drawable(text[:4000]).split():
        longer = f"{line} {word}".lstrip()
        if line and width(longer, size) > most:
            yield fitting(line, most, size)
            longer = word
        line = longer
    if line:
        yield fitting(line, most, size)
