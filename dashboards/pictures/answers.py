"""What each panel of a board has to show: its queries, asked as the validator asks them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dashboards.validate import asks, macros
from dashboards.validate.asks import Ask, AskError
from dashboards.validate.looks import panels_of, variables_of
from dashboards.validate.macros import Context, MacroError
from dashboards.validate.shapes import Answer

Json = Mapping[str, Any]
_MARGIN_SECONDS = 55  # of the minute that the boards' links leave around a session: the rest is shown


class PanelError(Exception):
    """A panel's query was refused; the message names the panel."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A panel with its answers.

    Attributes:
        panel: as it stands in the board's JSON.
        answers: by the letters of its queries.
        context: what they were asked with.
        now: when (s since 1970), for times that are told from now.
    """

    panel: Json
    answers: Mapping[str, Answer]
    context: Context
    now: float

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(answer.rows for answer in self.answers.values())


def asked(board: Json, ask: Ask, base: Context, now: float) -> tuple[Context, list[Shown]]:
    """Ask the queries of all panels; return what they were asked with, and what they show.

    Raises:
        PanelError: a query was refused.
        AskError: nobody answers.
    """
    context = asks.everything_chosen(board, ask, base)
    if "trace" in variables_of(board):
        context = _of_the_session(board, ask, context)
    panels = ((panel, dict(_answers(board, panel, ask, context))) for panel in panels_of(board))
    return context, [Shown(panel, answers, context, now) for panel, answers in panels]


def _answers(board: Json, panel: Json, ask: Ask, context: Context) -> Iterator[tuple[str, Answer]]:
    for target in panel["targets"]:
        try:
            yield target["refId"], ask(macros.of_panel(target["rawSql"], context))
        except (AskError, MacroError) as error:
            raise PanelError(f"{board['title']} / {panel['title']} / {target['refId']}: {error}") from error


def _of_the_session(board: Json, ask: Ask, context: Context) -> Context:
    """Take the session's own time, as its link in the first panel does."""
    first = panels_of(board)[0]
    [(_, answer)] = _answers(board, first, ask, context)
    if not answer.rows:
        return context
    row = dict(zip(answer.names, answer.rows[0], strict=True))
    since, until = (int(row[name]) / 1000 for name in ("from_ms", "to_ms"))
    return replace(
        context,
        since=since + _MARGIN_SECONDS,
        until=until - _MARGIN_SECONDS,
        interval_ms=max(1000, int((until - since) * 1000 / asks.POINTS)),
    )
