"""Colours and sizes: those of the PDF report's charts on Grafana's light ground."""

from __future__ import annotations

from typing import Final

PALETTE: Final = (
    *("#2f6fb5", "#e0862d", "#3f9b6c", "#8a63b8", "#c94f55", "#5aa9c7", "#b59b3a"),  # of the report
    *("#7c8894", "#d377a8", "#4f7d2e", "#a8632e", "#3c4f9a"),  # where more are needed
)
NAMED: Final = {"green": "#3f9b6c", "orange": "#e0862d", "red": "#c94f55", "blue": "#2f6fb5", "text": "#2b3139"}
INK: Final = "#2b3139"
PALE: Final = "#5b6470"
GRID: Final = "#e4e7eb"
LINE: Final = "#d5d9df"
GROUND: Final = "#f4f5f7"
PANEL: Final = "#ffffff"
TRACK: Final = "#eceef1"
ARROW: Final = "#9aa3ad"
LINK: Final = "#1f60c4"

WIDTH: Final = 1600  # pixels of a picture
GAP: Final = 8  # between panels
UNIT: Final = 38  # of Grafana's grid: 30 and the gap
HEADER: Final = 92
TITLE, TEXT, SMALL = 16, 14, 13  # sizes of letters in pixels
PADDING: Final = 12


def heat(share: float) -> tuple[float, float, float]:
    """Return the colour of a share of what is most (0 to 1), stronger for small ones than it would be."""
    strength = 0.12 + 0.88 * share**0.5
    return (0.99 - 0.27 * strength, 0.93 - 0.66 * strength, 0.85 - 0.83 * strength)
