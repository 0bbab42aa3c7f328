"""The pages of a report: A4, with what it is about on top and numbers at the foot."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from fpdf import FPDF
from fpdf.enums import TableBordersLayout, XPos, YPos
from fpdf.fonts import FontFace

from collector.report import words
from collector.report.charts import Charts
from collector.report.figures import Figures, Model
from collector.report.fonts import BOLD, MISSING, REGULAR, Fonts

_INK: Final = (31, 41, 55)
_SOFT: Final = (107, 114, 128)
_LINE: Final = (222, 226, 231)
_PALE: Final = (245, 247, 249)
_GOOD: Final = (47, 125, 82)
_BAD: Final = (190, 60, 66)
_MARGIN: Final = 16.0  # mm, as all sizes here
_WIDTH: Final = 210 - 2 * _MARGIN
_GAP: Final = 4.0
_CARDS: Final = 5  # in a row
_MOST_DAYS: Final = 31  # that are listed one by one
_PAGES: Final = "{\N{INVISIBLE SEPARATOR}}"  # stands for their number until it is known; nobody's text can hold it
_TEXT: Final = 160  # characters of what somebody said
_NAME: Final = 40

Columns = Sequence[tuple[str, int, str]]
"""Of a table: head, share of the width, L or R for where the text stands."""

_MODELS: Final[Columns] = (
    ("Model", 40, "L"),
    ("Calls", 13, "R"),
    ("Tokens read", 19, "R"),
    ("Tokens written", 21, "R"),
    ("Cost", 16, "R"),
    ("p50", 15, "R"),
    ("p95", 15, "R"),
)
_DAYS: Final[Columns] = (
    ("Day (UTC)", 28, "L"),
    ("Interactions", 20, "R"),
    ("Sessions", 18, "R"),
    ("Users", 18, "R"),
    ("Errors", 18, "R"),
    ("Error rate", 18, "R"),
)
_PROMPTS: Final[Columns] = (("Prompt", 88, "L"), ("Asked", 14, "R"), ("Sessions", 16, "R"), ("Users", 14, "R"))
_PATHS: Final[Columns] = (
    ("Sessions began with", 80, "L"),
    ("Sessions", 16, "R"),
    ("Took on average", 22, "R"),
    ("Went no further", 22, "R"),
)
_FAILURES: Final[Columns] = (
    ("Error", 32, "L"),
    ("Last message", 66, "L"),
    ("Times", 13, "R"),
    ("Users", 13, "R"),
    ("Last seen (UTC)", 25, "R"),
)


_ABOUT: Final = (
    "All times are UTC, and days begin at midnight UTC; a day that the time only touches is shown whole. p50 and p95: "
    "half, and 19 of 20, of the answers took no longer. Users and sessions beyond some 60,000 and percentiles are "
    "estimates. Ended and abandoned are shares of the sessions that began in this time, as of when this was made; the "
    "rest were still active."
)


class Pages:
    """Sets one report."""

    def __init__(self, figures: Figures, fonts: Fonts, now: datetime, title: str) -> None:
        """Nothing is drawn before `written`. The same figures and `now` give the same bytes."""
        self._figures, self._fonts, self._now = figures, fonts, now
        self._title = fonts.line(title, 80)
        self._charts = Charts(fonts)
        self._pdf = _Paper(f"{self._title} · {self._range()}", f"made {now:%Y-%m-%d %H:%M} UTC")
        self._pdf.set_title(f"{self._title}, {self._range()}")
        self._pdf.set_creation_date(now)
        self._pdf.set_lang("en")
        self._pdf.dress(fonts)

    def written(self) -> bytes:
        """Return the PDF."""
        self._pdf.add_page()
        self._head()
        self._cards()
        if self._figures.period.interactions:
            self._sections()
        else:
            self._pdf.heading("Nothing happened")
            self._pdf.said("No interactions were recorded in this time. Is the time the right one, and the tenant?")
        self._notes()
        return bytes(self._pdf.output())

    def _range(self) -> str:
        return f"{words.moment(self._figures.since)} to {words.moment(self._figures.until)} UTC"

    def _head(self) -> None:
        figures, pdf = self._figures, self._pdf
        pdf.letters(20, bold=True)
        pdf.multi_cell(_WIDTH, 9, self._title, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        tenant = (
            f"Tenant {self._fonts.line(figures.tenant, 64)}" if figures.tenant else "All tenants that the key may read"
        )
        length = figures.until - figures.since
        pdf.letters(9.5, colour=_SOFT)
        pdf.multi_cell(
            _WIDTH,
            5,
            f"{self._range()}  ·  {tenant}\nCompared with the time before it, as long: "
            f"{words.moment(figures.since - length)} to {words.moment(figures.since)} UTC",
            new_x=XPos.LMARGIN,
            new_y=YPos.NEXT,
        )
        pdf.ln(3)

    def _cards(self) -> None:
        """Show the key figures, each with how it changed; red and green where one way is better."""
        now, before = self._figures.period, self._figures.before
        cards = [
            ("Interactions", words.number(now.interactions), words.change(now.interactions, before.interactions), 0),
            ("Sessions", words.number(now.sessions), words.change(now.sessions, before.sessions), 0),
            ("Users", words.number(now.users), words.change(now.users, before.users), 0),
            ("Error rate", words.percent(now.error_rate), words.points(now.error_rate, before.error_rate), -1),
            ("Response time, p95", words.milliseconds(now.p95_ms), words.change(now.p95_ms, before.p95_ms), -1),
            ("Tokens read", words.number(now.input_tokens), words.change(now.input_tokens, before.input_tokens), 0),
            (
                "Tokens written",
                words.number(now.output_tokens),
                words.change(now.output_tokens, before.output_tokens),
                0,
            ),
            ("Cost", words.dollars(now.cost_usd), words.change(now.cost_usd, before.cost_usd), 0),
            ("Sessions ended", words.percent(now.ended), words.points(now.ended, before.ended), 0),
            ("Sessions abandoned", words.percent(now.abandoned), words.points(now.abandoned, before.abandoned), -1),
        ]
        for start in range(0, len(cards), _CARDS):
            self._pdf.cards(cards[start : start + _CARDS])
        self._pdf.ln(1)

    def _sections(self) -> None:
        days, charts = self._figures.days, self._charts
        self._chart("Interactions per day, by type", charts.types_by_day, days, 62)
        self._chart("Active users per day", charts.users_by_day, days, 44)
        failed = days if any(each.errors for each in days) else []
        self._chart("Errors per day", charts.errors_by_day, failed, 40, "No errors in this time.")
        self._models()
        self._table_of_days()
        self._prompts()
        self._paths()
        self._failures()

    def _chart(
        self,
        title: str,
        draw: Callable[[Any, float, float], bytes],
        data: Sequence[Any],
        height: float,
        without: str = "",
    ) -> None:
        self._pdf.heading(title, height if data else 10)
        if data:
            self._pdf.picture(draw(data, _WIDTH, height), title, _WIDTH, height)
        else:
            self._pdf.said(without)

    def _models(self) -> None:
        models, charts = self._figures.models, self._charts
        timed = [each for each in models if each.p50_ms is not None]
        priced = [each for each in models if each.cost_usd is not None]
        self._chart(
            "Response time by model", charts.waiting, timed, 48, "No response times were recorded in this time."
        )
        self._chart("Tokens by model", charts.tokens, models, 48, "No calls of models in this time.")
        self._chart("Cost by model", charts.cost, priced, 40, "No cost is known for this time: see --model-prices.")
        if models:
            self._listed("Models", _MODELS, [self._of_model(each) for each in models])

    def _of_model(self, model: Model) -> tuple[str, ...]:
        return (
            self._fonts.line(model.name or "(no name)", _NAME),
            words.number(model.calls),
            words.number(model.input_tokens),
            words.number(model.output_tokens),
            words.dollars(model.cost_usd),
            words.milliseconds(model.p50_ms),
            words.milliseconds(model.p95_ms),
        )

    def _table_of_days(self) -> None:
        days = self._figures.days
        self._pdf.heading("Day by day", 24)
        if len(days) > _MOST_DAYS:
            self._pdf.said(f"The table is left out for more than {_MOST_DAYS} days; the charts above show them.")
            return
        rows = [
            (
                f"{each.day:%a %Y-%m-%d}",
                words.number(each.interactions),
                words.number(each.sessions),
                words.number(each.users),
                words.number(each.errors),
                words.percent(each.errors / each.interactions if each.interactions else None),
            )
            for each in days
        ]
        self._pdf.grid(_DAYS, rows)

    def _prompts(self) -> None:
        rows = [
            (
                self._fonts.line(each["prompt"], _TEXT),
                *(words.number(each[name]) for name in ("asked", "sessions", "users")),
            )
            for each in self._figures.prompts
        ]
        self._listed("What people ask most", _PROMPTS, rows, "Nobody asked anything in this time.")

    def _paths(self) -> None:
        rows = [
            (
                self._fonts.line(" → ".join(each["path"]), _TEXT),
                words.number(each["frequency"]),
                words.milliseconds(each["avg_duration_seconds"] * 1000 if len(each["path"]) > 1 else None),
                words.percent(each["dropoff_rate"]),
            )
            for each in self._figures.paths
        ]
        self._listed("Common paths", _PATHS, rows, "No steps were recorded in this time.")

    def _failures(self) -> None:
        rows = [
            (
                self._fonts.line(each["error_type"] or each["type"], _NAME),
                self._fonts.line(each["sample"], _TEXT) or words.NOTHING,
                words.number(each["errors"]),
                words.number(each["users"]),
                str(each["last_at"])[:16],
            )
            for each in self._figures.failures
        ]
        self._listed("Unresolved errors", _FAILURES, rows, "No unresolved errors in this time.")

    def _listed(self, title: str, columns: Columns, rows: Sequence[Sequence[str]], without: str = "") -> None:
        self._pdf.heading(title, 24)
        if rows:
            self._pdf.grid(columns, rows)
        else:
            self._pdf.said(without)

    def _notes(self) -> None:
        """Say what the figures mean, and what is not in them."""
        period = self._figures.period
        notes = [_ABOUT]
        if period.calls_without_cost:
            notes.append(
                f"The cost of {words.number(period.calls_without_cost)} of {words.number(period.calls)} calls of "
                "models is not known and not in any sum (collector setting --model-prices)."
            )
        if self._fonts.missing:
            notes.append(
                f"{MISSING} stands for a character that the fonts here do not have "
                f"({len(self._fonts.missing)} of them, such as emoji and Chinese); "
                "`otel-interactions report --font FILE` adds a font that has them."
            )
        self._pdf.notes(notes)


class _Paper(FPDF):
    """A4 with our header, footer and parts."""

    def __init__(self, head: str, foot: str) -> None:
        super().__init__(format="A4")
        self._head_text, self._foot_text = head, foot
        self.set_margins(_MARGIN, _MARGIN, _MARGIN)
        self.set_auto_page_break(auto=True, margin=18)
        self.alias_nb_pages(_PAGES)
        self.c_margin = 0  # text begins where pictures and tables do

    def dress(self, fonts: Fonts) -> None:
        """Take the fonts."""
        self.add_font("body", "", REGULAR)
        self.add_font("body", "B", BOLD)
        for number, path in enumerate(fonts.added):
            self.add_font(f"added{number}", "", path)
        if fonts.added:
            self.set_fallback_fonts([f"added{number}" for number in range(len(fonts.added))], exact_match=False)
        self.set_text_shaping(use_shaping_engine=True)

    def letters(self, size: float, *, bold: bool = False, colour: tuple[int, int, int] = _INK) -> None:
        """Write from now on like this; the size is in points."""
        self.set_font("body", "B" if bold else "", size)
        self.set_text_color(*colour)

    def header(self) -> None:
        """Write what it is about on every page but the first."""
        if self.page_no() > 1:
            self.letters(8, colour=_SOFT)
            self.cell(_WIDTH, 5, self._head_text, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
            self.ln(3)

    def footer(self) -> None:
        """Write when it was made, and the number of the page."""
        self.set_y(-13)
        self.letters(8, colour=_SOFT)
        self.cell(_WIDTH / 2, 5, self._foot_text)
        self.cell(_WIDTH / 2, 5, f"page {self.page_no()} of {_PAGES}", align="R")

    def heading(self, title: str, below: float = 10) -> None:
        """Write a heading where `below` fits under it, else on the next page."""
        if self.will_page_break(below + 12):
            self.add_page()
        self.ln(3)
        self.letters(12, bold=True)
        self.cell(_WIDTH, 7, title, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def said(self, sentence: str) -> None:
        """Write a sentence."""
        self.letters(9.5, colour=_SOFT)
        self.multi_cell(_WIDTH, 5, sentence, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def notes(self, sentences: Sequence[str]) -> None:
        """Write what stands at the end."""
        self.heading("About these figures", 22)
        self.letters(8, colour=_SOFT)
        for each in sentences:
            self.multi_cell(_WIDTH, 4.2, each, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
            self.ln(1)

    def picture(self, png: bytes, told: str, width: float, height: float) -> None:
        """Place a chart."""
        self.image(io.BytesIO(png), x=_MARGIN, w=width, h=height, alt_text=told)
        self.ln(1)

    def cards(self, cards: Sequence[tuple[str, str, str, int]]) -> None:
        """Place a row of key figures: name, value, change, and which way is better (-1: down)."""
        width, height, top = (_WIDTH - (_CARDS - 1) * _GAP / 2) / _CARDS, 21.0, self.get_y()
        for number, (name, value, changed, better) in enumerate(cards):
            left = _MARGIN + number * (width + _GAP / 2)
            self.set_fill_color(*_PALE)
            self.rect(left, top, width, height, style="F", round_corners=True, corner_radius=1.5)
            self.set_xy(left + 2.5, top + 2)
            self.letters(7.5, colour=_SOFT)
            self.cell(width - 4, 4, name)
            self.set_xy(left + 2.5, top + 6.5)
            self.letters(14, bold=True)
            self.cell(width - 4, 7, value)
            self.set_xy(left + 2.5, top + 14.5)
            self.letters(7, colour=_colour(changed, better))
            self.cell(width - 4, 4, changed)
        self.set_xy(_MARGIN, top + height + _GAP / 2)

    def grid(self, columns: Columns, rows: Sequence[Sequence[str]]) -> None:
        """Place a table, which goes on on the next page with its head again."""
        self.letters(8)
        self.set_draw_color(*_LINE)
        self.set_fill_color(255)
        with self.table(
            col_widths=tuple(width for _, width, _ in columns),
            width=_WIDTH,
            line_height=4.2,
            padding=(1.1, 1.2),
            text_align=tuple(align for _, _, align in columns),
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            headings_style=FontFace(emphasis="BOLD", color=_SOFT, fill_color=_PALE),
        ) as table:
            for row in ([head for head, _, _ in columns], *rows):
                table.row(row)


def _colour(changed: str, better: int) -> tuple[int, int, int]:
    if not better or changed[:1] not in "+-":
        return _SOFT
    return _GOOD if (changed[0] == "-") == (better < 0) else _BAD


def pdf(figures: Figures, fonts: Fonts, now: datetime, title: str) -> bytes:
    """Return a report as a PDF.

    Args:
        figures: What it shows.
        fonts: What it is written with.
        now: When it is made; UTC.
        title: What stands on top.
    """
    return Pages(figures, fonts, now, title).written()
