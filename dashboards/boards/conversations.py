"""How do conversations go, and which were there?"""

from __future__ import annotations

from typing import Final

from dashboards.boards import common
from dashboards.boards.common import rising
from dashboards.model import Board, Column, Panel, Row, Variable

_NOW: Final = Row(
    "At a glance",
    [
        Panel("stat", "Active now", {"A": "conversations/active_now"}, width=4, height=4, hint="0"),
        Panel(
            "stat",
            "Sessions in this time",
            {"A": "conversations/totals"},
            width=20,
            height=4,
            columns=[
                Column("Abandoned", unit="percentunit", thresholds=rising(0.3, 0.6)),
                Column("Duration, median", unit="ms"),
                Column("With errors", unit="percentunit", thresholds=rising(0.05, 0.2)),
            ],
        ),
    ],
)
_COURSE: Final = Row(
    "How they go",
    [
        Panel(
            "timeseries",
            "Sessions begun, by what became of them",
            {"A": "conversations/by_status"},
            bars=True,
            stacked=True,
            columns=[
                Column("active", colour="blue"),
                Column("ended", colour="green"),
                Column("abandoned", colour="orange"),
            ],
        ),
        Panel("timeseries", "Duration", {"A": "conversations/duration"}, unit="ms"),
        Panel("timeseries", "Messages", {"A": "conversations/messages"}, bars=True, stacked=True),
        Panel(
            "timeseries",
            "Abandoned",
            {"A": "conversations/abandonment"},
            unit="percentunit",
            most=1,
            thresholds=rising(0.3, 0.6),
        ),
        Panel("piechart", "How sessions ended", {"A": "conversations/end_reasons"}),
        Panel(
            "timeseries",
            "Mood",
            {"A": "conversations/mood"},
            bars=True,
            stacked=True,
            hint="No answer names a mood in this time: record one with assistant_response(…, mood=…)",
        ),
    ],
)
_LIST: Final = Row(
    "Which there were",
    [
        Panel(
            "table",
            "Sessions",
            {"A": "conversations/sessions"},
            width=24,
            height=14,
            columns=[
                Column("Session", link=common.TO_SESSION, width=260),
                Column("Duration", unit="ms"),
                Column("Tokens", unit="short"),
                Column("Cost", unit="currencyUSD"),
                Column("Errors", thresholds=(*rising(1, 5),)),
                *common.hidden("tenant", "from_ms", "to_ms"),
            ],
        )
    ],
)

BOARD: Final = Board(
    uid=f"{common.PREFIX}conversations",
    title="Conversations",
    description=(
        "How conversations go: how many, how long, how they end; and which there were. Shows nothing that was said."
    ),
    variables=[
        common.TENANT,
        common.SERVICE,
        common.MODEL,
        common.USER,
        Variable("status", "Status", "variables/status", description="Of the list"),
        Variable("search", "Search", description="Of the list: a part of an id, a user, a service, a model, a reason"),
    ],
    rows=[_NOW, _COURSE, _LIST],
)
