"""What do the models read, write and cost?"""

from __future__ import annotations

from typing import Final

from dashboards.boards import common
from dashboards.boards.common import rising
from dashboards.model import Board, Column, Panel, Row

_NO_PRICE: Final = "No cost is known: models without a price are listed below; add one with --model-prices FILE"
_USD: Final = "currencyUSD"

_TOTALS: Final = Row(
    "At a glance",
    [
        Panel(
            "stat",
            "In this time",
            {"A": "models/totals"},
            width=24,
            height=4,
            columns=[
                Column("From cache", unit="percentunit"),
                Column("Cost", unit=_USD),
                Column("Calls without a price", thresholds=rising(1, 1000)),
            ],
        )
    ],
)
_OVER_TIME: Final = Row(
    "Over time",
    [
        Panel("timeseries", "Tokens", {"A": "models/tokens"}, bars=True),
        Panel("timeseries", "Tokens by model", {"A": "models/tokens_by_model"}, bars=True, stacked=True),
        Panel(
            "timeseries",
            "Cost by model",
            {"A": "models/cost_by_model"},
            unit=_USD,
            bars=True,
            stacked=True,
            hint=_NO_PRICE,
        ),
        Panel(
            "timeseries",
            "Cost by day and provider",
            {"A": "models/days"},
            unit=_USD,
            bars=True,
            stacked=True,
            hint=_NO_PRICE,
        ),
        Panel("timeseries", "Tokens from cache", {"A": "models/cache"}, unit="percentunit", most=1),
        Panel("timeseries", "Answers by model, p95", {"A": "models/latency"}, unit="ms"),
    ],
)
_COMPARED: Final = Row(
    "Compared",
    [
        Panel(
            "table",
            "Providers and models",
            {"A": "models/models"},
            width=24,
            columns=[
                Column("Cost", unit=_USD),
                Column("Cost a call", unit=_USD),
                Column("Without a price", thresholds=rising(1, 1000)),
            ],
        ),
        Panel(
            "table",
            "How fast",
            {"A": "models/speed"},
            width=14,
            height=9,
            columns=[
                *(Column(name, unit="ms") for name in ("p50", "p95", "First token, p50", "First token, p95")),
                Column("Failed", unit="percentunit", thresholds=rising(0.02, 0.05)),
            ],
        ),
        Panel("barchart", "Why they stopped", {"A": "models/finish"}, width=10, height=9, stacked=True),
        Panel(
            "table",
            "Top spenders",
            {"A": "models/spenders"},
            width=24,
            height=9,
            hint="No interaction with a model names a user in this time",
            columns=[Column("Cost", unit=_USD)],
        ),
    ],
)

BOARD: Final = Board(
    uid=f"{common.PREFIX}models",
    title="Models and cost",
    description="Tokens, cost, speed and finish reasons of models. Costs are the spans' own, else those of "
    "otel.model_prices on the day of the call (UTC).",
    variables=[common.TENANT, common.SERVICE, common.ENVIRONMENT, common.MODEL, common.USER, common.SESSION],
    rows=[_TOTALS, _OVER_TIME, _COMPARED],
    refresh="5m",
)
