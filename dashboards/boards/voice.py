"""How do spoken conversations go?"""

from __future__ import annotations

from typing import Final

from dashboards.boards import common
from dashboards.boards.common import rising
from dashboards.model import Board, Column, Panel, Row

_SILENT: Final = (
    "No sound in this time: record it with audio_input(…) and audio_output(…), or an integration of a live API"
)
_SOUND: Final = Row(
    "Sound",
    [
        Panel(
            "stat",
            "In this time",
            {"A": "voice/totals"},
            width=24,
            height=4,
            hint=_SILENT,
            columns=[
                Column("Heard from people", unit="s"),
                Column("Said to people", unit="s"),
                Column("Bytes", unit="bytes"),
                Column("A turn, mean", unit="s"),
            ],
        ),
        Panel("timeseries", "Seconds of sound", {"A": "voice/seconds"}, unit="s", hint=_SILENT),
        Panel(
            "timeseries",
            "Interruptions",
            {"A": "voice/interruptions"},
            hint=_SILENT,
            columns=[Column("share", unit="percentunit", axis="right")],
        ),
    ],
)
_TURNS: Final = Row(
    "Turns",
    [
        Panel(
            "timeseries",
            "Until the assistant begins",
            {"A": "voice/latency"},
            unit="ms",
            hint=_SILENT,
            thresholds=rising(1000, 2000),
        ),
        Panel(
            "table",
            "By model",
            {"A": "voice/latency_by_model"},
            hint=_SILENT,
            columns=[Column(name, unit="ms", thresholds=rising(1000, 2000)) for name in ("p50", "p95", "p99")],
        ),
        Panel(
            "table",
            "Sessions with sound",
            {"A": "voice/sessions"},
            width=24,
            height=10,
            hint=_SILENT,
            columns=[
                Column("Session", link=common.TO_SESSION, width=300),
                Column("In", unit="s"),
                Column("Out", unit="s"),
                *common.hidden("tenant", "from_ms", "to_ms"),
            ],
        ),
    ],
)

BOARD: Final = Board(
    uid=f"{common.PREFIX}voice",
    title="Voice",
    description="Seconds of sound, how long people wait until the assistant begins, how often they interrupt it.",
    variables=[common.TENANT, common.SERVICE, common.ENVIRONMENT, common.MODEL, common.SESSION],
    rows=[_SOUND, _TURNS],
)
