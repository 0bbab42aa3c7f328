"""What happened in one session?"""

from __future__ import annotations

from typing import Final

from dashboards.boards import common
from dashboards.boards.common import rising
from dashboards.model import Board, Column, Panel, Row, Variable

_NONE: Final = (
    "No session chosen, or it was at another time: click its id in the first panel, or choose one on Conversations"
)
_THIS_TIME: Final = (
    "Show this session's time",
    common.session_url("Session", "Tenant"),
)

_KNOWN: Final = Row(
    "What is known of it",
    [
        Panel(
            "table",
            "Session",
            {"A": "session/session"},
            width=24,
            height=4,
            hint="No session of this id: paste one above, or choose one on the board Conversations",
            columns=[
                Column("Session", link=_THIS_TIME, width=260),
                Column("Duration", unit="ms"),
                Column("Errors", thresholds=rising(1, 5)),
                *common.hidden("from_ms", "to_ms"),
            ],
        ),
        Panel(
            "stat",
            "Tokens and times",
            {"A": "session/tokens"},
            width=24,
            height=4,
            hint=_NONE,
            columns=[Column("Answer, median", unit="ms"), Column("First token, median", unit="ms")],
        ),
        Panel(
            "table",
            "Models and cost",
            {"A": "session/cost"},
            width=24,
            height=5,
            hint="No model was called in it",
            columns=[Column("Cost", unit="currencyUSD"), Column("Without a price", thresholds=rising(1, 100))],
        ),
    ],
)
_SAID: Final = Row(
    "What was said and done",
    [
        Panel(
            "table",
            "Transcript",
            {"A": "session/transcript"},
            width=16,
            height=16,
            hint=_NONE,
            shows_content=True,
            columns=[
                Column("Time", width=170),
                Column("Turn", width=60),
                Column("Role", width=90),
                Column("Tool", width=120),
                Column("Model", width=140),
            ],
        ),
        Panel(
            "nodeGraph",
            "Agents, models and tools",
            {"nodes": "session/nodes", "edges": "session/edges"},
            width=8,
            height=16,
            hint=_NONE,
            columns=[Column("arc__ok", colour="green"), Column("arc__failed", colour="red")],
        ),
        Panel("state-timeline", "Timeline", {"A": "session/timeline"}, width=24, height=9, hint=_NONE),
    ],
)
_TRACE: Final = Row(
    "Its trace",
    [
        Panel("traces", "Trace", {"A": "session/trace"}, width=24, height=16, hint=_NONE, shows_content=True),
        Panel(
            "table",
            "Spans with tokens and cost",
            {"A": "session/spans"},
            width=24,
            height=10,
            hint=_NONE,
            columns=[
                Column("Duration", unit="ms"),
                Column("First token", unit="ms"),
                Column("Cost", unit="currencyUSD"),
            ],
        ),
    ],
)
_DETAILS: Final = Row(
    "Tools and errors",
    [
        Panel(
            "table",
            "Tool calls",
            {"A": "session/tool_calls"},
            width=24,
            hint="No tool was called",
            shows_content=True,
            columns=[Column("Duration", unit="ms")],
        ),
        Panel("table", "Errors", {"A": "session/errors"}, width=24, hint="Nothing failed", shows_content=True),
    ],
)

BOARD: Final = Board(
    uid=f"{common.PREFIX}session",
    title="Session detail",
    description=(
        "One session: what was said, who called whom, its trace, tools and errors. Shows what people and "
        "models said; who may not read that must not have this board."
    ),
    variables=[
        common.TENANT,
        Variable("session", "Session", description="A session's whole id"),
        Variable("trace", "Trace", "variables/trace", several=False, description="Of the session's traces"),
    ],
    rows=[_KNOWN, _SAID, _TRACE, _DETAILS],
    refresh="",
)
