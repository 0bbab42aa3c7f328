"""The charts of a report, each as a PNG; made without a display and without matplotlib's global state."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from matplotlib import font_manager, rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from collector.report.figures import Day, Model
from collector.report.fonts import REGULAR, Fonts

COLOURS: Final = ("#2f6fb5", "#e0862d", "#3f9b6c", "#8a63b8", "#c94f55", "#5aa9c7", "#b59b3a")
_OTHERS: Final = "#a9b1bb"
_INK: Final = "#5b6470"
_GRID: Final = "#e4e7eb"
_RED: Final = "#c94f55"
_DPI: Final = 220
_INCH: Final = 25.4  # mm
_MODELS: Final = 8  # bars that can be told apart
_NAMED_DAYS: Final = 10  # of an axis
_NAME: Final = 28  # characters of a model's name


class Charts:
    """Draws."""

    def __init__(self, fonts: Fonts) -> None:
        """Use these fonts."""
        self._fonts = fonts
        for path in fonts.added:
            font_manager.fontManager.addfont(path)
        added = [font_manager.FontProperties(fname=path).get_name() for path in fonts.added]
        font_manager.fontManager.addfont(REGULAR)
        self._settings: dict[Any, Any] = {
            "font.family": ["DejaVu Sans", *added],
            "font.size": 7.5,
            "text.color": _INK,
            "axes.labelcolor": _INK,
            "xtick.color": _INK,
            "ytick.color": _INK,
            "axes.edgecolor": _GRID,
            "text.usetex": False,
            "text.parse_math": False,  # a $ in a model's name is a $
        }

    def types_by_day(self, days: Sequence[Day], width: float, height: float) -> bytes:
        """Draw interactions per day, stacked by type. Sizes are in mm, as everywhere here."""
        sums: dict[str, int] = {}
        for each in days:
            for kind, count in each.types.items():
                sums[kind] = sums.get(kind, 0) + count
        order = sorted(sums, key=lambda kind: (-sums[kind], kind))
        shown, rest = order[: len(COLOURS)], order[len(COLOURS) :]
        stacks = [(kind, [each.types.get(kind, 0) for each in days]) for kind in shown]
        if rest:
            stacks.append(("others", [sum(each.types.get(kind, 0) for kind in rest) for each in days]))

        def draw(axes: Axes) -> None:
            base = [0] * len(days)
            for (kind, counts), colour in zip(stacks, [*COLOURS[: len(shown)], _OTHERS], strict=False):
                axes.bar(_places(days), counts, bottom=base, width=0.8, color=colour, label=self._fonts.line(kind, 24))
                base = [low + count for low, count in zip(base, counts, strict=True)]
            _by_day(axes, days)
            _legend(axes)

        return self._drawn(draw, width, height)

    def users_by_day(self, days: Sequence[Day], width: float, height: float) -> bytes:
        """Draw how many people were active each day."""

        def draw(axes: Axes) -> None:
            axes.plot(_places(days), [each.users for each in days], color=COLOURS[0], marker="o", markersize=3)
            axes.fill_between(_places(days), [each.users for each in days], color=COLOURS[0], alpha=0.12)
            _by_day(axes, days)

        return self._drawn(draw, width, height)

    def errors_by_day(self, days: Sequence[Day], width: float, height: float) -> bytes:
        """Draw how many interactions failed each day."""

        def draw(axes: Axes) -> None:
            axes.bar(_places(days), [each.errors for each in days], width=0.8, color=_RED)
            _by_day(axes, days)

        return self._drawn(draw, width, height)

    def waiting(self, models: Sequence[Model], width: float, height: float) -> bytes:
        """Draw p50 and p95 of the time that answers took, by model, in seconds."""
        timed = [each for each in models if each.p50_ms is not None][:_MODELS]
        series = [
            ("p50", [(each.p50_ms or 0) / 1000 for each in timed]),
            ("p95", [(each.p95_ms or 0) / 1000 for each in timed]),
        ]
        return self._bars(timed, series, "seconds", width, height)

    def tokens(self, models: Sequence[Model], width: float, height: float) -> bytes:
        """Draw tokens read and written, by model."""
        shown = models[:_MODELS]
        series = [
            ("read", [float(each.input_tokens) for each in shown]),
            ("written", [float(each.output_tokens) for each in shown]),
        ]
        return self._bars(shown, series, "tokens", width, height)

    def cost(self, models: Sequence[Model], width: float, height: float) -> bytes:
        """Draw the cost by model, in USD."""
        shown = [each for each in models if each.cost_usd is not None][:_MODELS]
        return self._bars(shown, [("", [each.cost_usd or 0.0 for each in shown])], "USD", width, height)

    def _bars(
        self, models: Sequence[Model], series: Sequence[tuple[str, list[float]]], unit: str, width: float, height: float
    ) -> bytes:
        def draw(axes: Axes) -> None:
            thick = 0.76 / len(series)
            for number, ((name, values), colour) in enumerate(zip(series, COLOURS, strict=False)):
                places = [place + (number - (len(series) - 1) / 2) * thick for place in range(len(models))]
                axes.barh(places, values, height=thick, color=colour, label=name)
            axes.set_yticks(range(len(models)), [self._fonts.line(each.name or "(no name)", _NAME) for each in models])
            axes.invert_yaxis()
            axes.set_ylim(max(len(models), 3) - 0.4, -0.6)  # one bar alone does not fill the chart
            axes.set_xlabel(unit)
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.xaxis.set_major_formatter(FuncFormatter(_tick))
            axes.grid(axis="x", color=_GRID, linewidth=0.6)
            if len(series) > 1:
                _legend(axes)

        return self._drawn(draw, width, height)

    def _drawn(self, draw: Callable[[Axes], None], width: float, height: float) -> bytes:
        with rc_context(self._settings):
            figure = Figure(figsize=(width / _INCH, height / _INCH), dpi=_DPI, layout="constrained")
            FigureCanvasAgg(figure)
            axes = figure.subplots()
            axes.set_axisbelow(True)
            for side in ("top", "right", "left"):
                axes.spines[side].set_visible(False)
            axes.tick_params(length=0)
            draw(axes)
            written = io.BytesIO()
            figure.savefig(written, format="png", metadata={"Software": None})
        return written.getvalue()


def _legend(axes: Axes) -> None:
    """Say what the colours mean, beside what is drawn."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02), frameon=False, fontsize=7, handlelength=1)


def _places(days: Sequence[Day]) -> list[int]:
    return list(range(len(days)))


def _by_day(axes: Axes, days: Sequence[Day]) -> None:
    """Set a horizontal axis of days and a vertical one of counts."""
    named = range(0, len(days), math.ceil(len(days) / _NAMED_DAYS))
    axes.set_xticks(list(named), [f"{days[each].day.day} {days[each].day:%b}" for each in named])
    axes.set_xlim(-0.6, max(len(days), 3) - 0.4)  # one day alone does not fill the chart
    axes.set_ylim(bottom=0, top=axes.get_ylim()[1] * 1.03 or 1)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(_tick))
    axes.grid(axis="y", color=_GRID, linewidth=0.6)


def _tick(value: float, _position: int | None = None) -> str:
    if value >= 1_000_000:  # noqa: PLR2004 - a million
        return f"{value / 1_000_000:g} M"
    return f"{value:,.0f}" if value == round(value) else f"{value:g}"
