"""Who comes, who comes back, what do they do?"""

from __future__ import annotations

from typing import Final

from dashboards.boards import common
from dashboards.model import Board, Column, Panel, Row, Variable

_PEOPLE: Final = Row(
    "People",
    [
        Panel(
            "stat",
            "People",
            {"A": "product/totals"},
            width=24,
            height=4,
            columns=[Column("Stickiness", unit="percentunit")],
        ),
        Panel("timeseries", "Active users", {"A": "product/active_users"}),
        Panel(
            "timeseries",
            "Come again",
            {"A": "product/retention"},
            unit="percentunit",
            most=1,
            hint="No two days with users that lie 1, 7, 14 or 28 days apart: choose a longer time",
        ),
    ],
)
_WAYS: Final = Row(
    "What they do",
    [
        Panel("timeseries", "By type", {"A": "product/by_type"}, bars=True, stacked=True),
        Panel(
            "bargauge",
            "Funnel",
            {"A": "product/funnel"},
            hint="No session takes the first step: name others in the box Funnel, as the paths below call them",
        ),
        Panel(
            "table",
            "Paths",
            {"A": "product/paths"},
            width=16,
            height=10,
            columns=[
                Column("Path", width=420),
                Column("Go no further", unit="percentunit"),
                Column("Takes", unit="s"),
            ],
        ),
        Panel(
            "table",
            "UI events",
            {"A": "product/ui_events"},
            width=8,
            height=10,
            hint="No UI event in this time: record them with ui_event(…), or send them to /api/interactions",
        ),
        Panel(
            "table",
            "Top prompts of the last day",
            {"A": "product/top_prompts"},
            width=24,
            height=10,
            shows_content=True,
            columns=[Column("Prompt", width=700)],
        ),
    ],
)
_PAGE: Final = Row(
    "How the page feels",
    [
        Panel(
            "timeseries",
            "Measurements, p75",
            {"A": "product/web_vitals"},
            unit="none",
            hint="No measurement in this time: record web vitals with performance_metric(…)",
        ),
        Panel(
            "table",
            "Web vitals",
            {"A": "product/vitals_table"},
            hint="No measurement in this time: record web vitals with performance_metric(…)",
            columns=common.hidden("good", "poor"),
        ),
    ],
)

BOARD: Final = Board(
    uid=f"{common.PREFIX}product",
    title="Product",
    description=(
        "Who comes and comes back, what people do and ask, where they stop, how the page feels. `Top prompts` "
        "shows what people said, nothing else does."
    ),
    variables=[
        common.TENANT,
        common.SERVICE,
        common.ENVIRONMENT,
        Variable(
            "funnel",
            "Funnel",
            default="user_message, assistant_response",
            description="Steps with commas between them, ten at most, called as in Paths",
        ),
    ],
    rows=[_PEOPLE, _WAYS, _PAGE],
    since="now-7d",
    refresh="15m",
)
