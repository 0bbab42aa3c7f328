"""Is the collector well, and has everything arrived?"""

from __future__ import annotations

from typing import Final

from dashboards.boards import common
from dashboards.boards.common import falling, rising
from dashboards.model import Board, Column, Panel, Row, Threshold

_UNTOLD: Final = "The collector told nothing of itself in this time: is it up, and --internal-metrics-seconds not 0?"

_ARRIVING: Final = Row(
    "What arrives",
    [
        Panel("timeseries", "Received and stored", {"A": "health/received"}, unit="ops", width=8),
        Panel("timeseries", "Lag from end to receipt", {"A": "health/lag"}, unit="ms", width=8),
        Panel(
            "timeseries",
            "Segments loaded",
            {"A": "health/segments"},
            width=8,
            hint="Nothing came through the collector's journal in this time",
            columns=[Column("spans in each", axis="right")],
        ),
        Panel(
            "table",
            "Missing numbers",
            {"A": "health/missing"},
            width=24,
            height=7,
            hint="Nothing of our SDK in this time",
            columns=[Column("Missing", thresholds=rising(1, 100))],
        ),
    ],
)
_CLICKHOUSE: Final = Row(
    "ClickHouse",
    [
        Panel(
            "stat",
            "The engine",
            {"A": "health/engine"},
            width=16,
            height=4,
            columns=[
                Column("Most parts in a partition", thresholds=rising(100, 300)),
                Column("Longest merge", unit="s"),
                Column("Mutations", thresholds=rising(1, 20)),
                Column("Up", unit="s"),
            ],
        ),
        Panel(
            "table",
            "Disks",
            {"A": "health/disk"},
            width=8,
            height=4,
            columns=[
                Column("Size", unit="bytes"),
                Column("Free", unit="bytes"),
                Column("Free, share", unit="percentunit", thresholds=falling(0.1, 0.2)),
            ],
        ),
        Panel(
            "table",
            "Tables",
            {"A": "health/parts"},
            height=10,
            columns=[Column("On disk", unit="bytes"), Column("Parts", thresholds=rising(500, 2000))],
        ),
        Panel(
            "timeseries",
            "Spans kept, by day",
            {"A": "health/growth"},
            unit="bytes",
            height=10,
            bars=True,
            stacked=True,
        ),
        Panel("table", "Complaints since the start", {"A": "health/complaints"}, width=24, hint="None"),
    ],
)
_OWN: Final = Row(
    "The collector's own figures",
    [
        Panel(
            "stat",
            "Now",
            {"A": "health/now"},
            width=24,
            height=4,
            hint=_UNTOLD,
            columns=[
                Column("Dead letters", thresholds=rising(1, 10)),
                Column("Oldest pending", unit="s", thresholds=rising(30, 300)),
                Column("Journal full", unit="percentunit", thresholds=rising(0.5, 0.8)),
                Column("Inserts that succeed", unit="percentunit", thresholds=falling(0.9, 0.99)),
                Column("ClickHouse answers", thresholds=(Threshold(0, "red"), Threshold(1, "green"))),
                Column("Up", unit="s"),
                Column("Told", unit="dateTimeFromNow"),
            ],
        ),
        Panel(
            "table",
            "Fate of requests",
            {"A": "health/fate"},
            width=24,
            height=6,
            hint=_UNTOLD,
            columns=[Column("Dead", thresholds=rising(1, 1)), Column("Unaccounted", thresholds=rising(1, 100))],
        ),
        Panel("timeseries", "Fate of spans, records and points", {"A": "health/items"}, hint=_UNTOLD),
        Panel("table", "Refused requests", {"A": "health/refused"}, hint="None, or no figures of the collector"),
        Panel(
            "timeseries",
            "Journal",
            {"A": "health/journal"},
            unit="bytes",
            hint=_UNTOLD,
            columns=[Column("segments", unit="short", axis="right")],
        ),
        Panel(
            "timeseries",
            "Waiting for ClickHouse",
            {"A": "health/pending"},
            unit="s",
            hint=_UNTOLD,
            columns=[Column("requests", unit="short", axis="right")],
        ),
        Panel("timeseries", "Syncs, acknowledgements, loads, p95", {"A": "health/latency"}, unit="s", hint=_UNTOLD),
        Panel("timeseries", "Dead letters", {"A": "health/dead_letters"}, hint=_UNTOLD, thresholds=rising(1, 10)),
    ],
)

BOARD: Final = Board(
    uid=f"{common.PREFIX}health",
    title="Collector health",
    description=(
        "Whether everything arrives and is stored. The first two rows ask the tables and ClickHouse itself "
        "(of the node that answers). The third asks the figures of /metrics, which each collector stores every "
        "minute. A Prometheus that scrapes /metrics is the better watcher of a collector that is down. "
        "For operators: a key of one tenant cannot read it."
    ),
    variables=[common.TENANT, common.SERVICE],
    rows=[_ARRIVING, _CLICKHOUSE, _OWN],
    since="now-6h",
)
