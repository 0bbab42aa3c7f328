"""Does it work: rate, errors, duration?"""

from __future__ import annotations

from typing import Final

from dashboards.boards import common
from dashboards.boards.common import rising
from dashboards.model import Board, Column, Panel, Row

_TO_TRACE: Final = ("Open the trace", common.session_url("session", "tenant", "whole_trace"))
_OF_EXEMPLARS: Final = [
    Column("Trace", link=_TO_TRACE, width=170),
    *common.hidden("whole_trace", "session", "tenant", "from_ms", "to_ms"),
]

_TOTALS: Final = Row(
    "At a glance",
    [
        Panel(
            "stat",
            "In this time",
            {"A": "sre/totals"},
            width=24,
            height=4,
            columns=[
                Column("Interactions a second", unit="ops"),
                Column("Errors", unit="percentunit", thresholds=rising(0.02, 0.05)),
                Column("Critical errors", thresholds=rising(1, 10)),
                Column("Answer, p95", unit="ms", thresholds=rising(5000, 10_000)),
                Column("First token, p95", unit="ms", thresholds=rising(2000, 5000)),
                Column("Failed tools", unit="percentunit", thresholds=rising(0.05, 0.2)),
            ],
        )
    ],
)
_RED: Final = Row(
    "Rate, errors, duration",
    [
        Panel("timeseries", "Rate by service", {"A": "sre/rate_by_service"}, unit="ops", width=8),
        Panel("timeseries", "Errors by service", {"A": "sre/errors_by_service"}, unit="percentunit", width=8),
        Panel("timeseries", "Duration by service, p95", {"A": "sre/duration_by_service"}, unit="ms", width=8, log=True),
        Panel("timeseries", "Rate by type", {"A": "sre/rate_by_type"}, unit="ops", width=8),
        Panel("timeseries", "Errors by type", {"A": "sre/errors_by_type"}, unit="percentunit", width=8),
        Panel("timeseries", "Duration by type, p95", {"A": "sre/duration_by_type"}, unit="ms", width=8, log=True),
    ],
)
_ANSWERS: Final = Row(
    "How long people wait",
    [
        Panel("timeseries", "Answers", {"A": "sre/response"}, unit="ms", width=8, exemplars=_TO_TRACE),
        Panel(
            "timeseries",
            "First token",
            {"A": "sre/first_token"},
            unit="ms",
            width=8,
            exemplars=_TO_TRACE,
            hint="No first token was recorded in this time: answers have to be streamed",
        ),
        Panel("heatmap", "Answers, how many took how long", {"A": "sre/heatmap"}, width=8),
        Panel(
            "table",
            "Slowest",
            {"A": "sre/slowest"},
            width=24,
            columns=[Column("Duration", unit="ms"), Column("First token", unit="ms"), *_OF_EXEMPLARS],
        ),
    ],
)
_FAILURES: Final = Row(
    "What fails",
    [
        Panel(
            "timeseries",
            "Errors",
            {"A": "sre/errors_over_time"},
            bars=True,
            stacked=True,
            hint="Nothing failed",
            columns=[Column("errors", colour="orange"), Column("critical", colour="red")],
        ),
        Panel("timeseries", "Tools, share that failed", {"A": "sre/tool_failures"}, unit="percentunit"),
        Panel(
            "table",
            "Tools",
            {"A": "sre/tools"},
            width=10,
            columns=[
                Column("Share", unit="percentunit", thresholds=rising(0.05, 0.2)),
                Column("p50", unit="ms"),
                Column("p95", unit="ms"),
            ],
        ),
        Panel(
            "table",
            "Failed last",
            {"A": "sre/failed"},
            width=14,
            hint="Nothing failed",
            columns=[Column("Time", width=170), Column("Type", width=150), *_OF_EXEMPLARS],
        ),
        Panel(
            "table",
            "Unresolved errors",
            {"A": "sre/unresolved"},
            width=24,
            height=10,
            hint="No error that nobody settled",
            shows_content=True,
            columns=[
                Column("Error", link=("Open the latest one's session", common.session_url("session", "tenant_of_it"))),
                Column("Critical", thresholds=rising(1, 1)),
                *common.hidden("session", "tenant_of_it", "from_ms", "to_ms"),
            ],
        ),
    ],
)

BOARD: Final = Board(
    uid=f"{common.PREFIX}sre",
    title="Service health",
    description=(
        "Rate, errors and duration of interactions, how long people wait, which tools fail. `Unresolved "
        "errors` shows the messages of errors, nothing else shows what was said."
    ),
    variables=[
        common.TENANT,
        common.SERVICE,
        common.ENVIRONMENT,
        common.TYPE,
        common.MODEL,
        common.USER,
        common.SESSION,
    ],
    rows=[_TOTALS, _RED, _ANSWERS, _FAILURES],
    since="now-6h",
)
