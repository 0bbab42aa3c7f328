"""Collector health needs nobody who scrapes: what a fresh collector stores of itself fills its third row and a rule."""

from __future__ import annotations

import contextlib
import copy
import time
from pathlib import Path
from typing import Any

from otlp_builders import span, traces
from processes import running

from dashboards import provisioned
from dashboards.boards.health import BOARD
from dashboards.clickhouse import Asker
from dashboards.validate import asked
from dashboards.validate.looks import panels_of

Json = dict[str, Any]
STORED = (
    "SELECT uniqExact(toStartOfSecond(TimeUnix)) AS seconds FROM otel.otel_metrics_histogram "
    "WHERE endsWith(MetricName, 'load_duration_seconds') AND Attributes['signal'] = 'traces'"
)


def third_row() -> Json:
    """Return the board with the panels of its last row, and without what they do not use."""
    [board] = [copy.deepcopy(each) for each in provisioned.boards() if each["title"] == BOARD.title]
    titles = {panel.title for panel in BOARD.rows[-1].panels}
    return board | {
        "panels": [each for each in panels_of(board) if each["title"] in titles],
        "templating": {"list": []},
    }


def test_it_tells_of_itself(tmp_path: Path) -> None:
    """Some spans and a refused request in a few seconds, and every panel of that row has something to show."""
    rules = provisioned.rules()
    [group] = rules["groups"]
    group["rules"] = [each for each in group["rules"] if each["uid"].endswith("dead_letters")]
    with running(tmp_path / "data", "--internal-metrics-seconds", "0.5", "--batch-seconds", "0.1") as collector:
        collector.post("/v1/traces", b"this is no protobuf")
        deadline = time.monotonic() + 60
        while collector.ask(STORED)[0]["seconds"] < 3:
            assert time.monotonic() < deadline
            collector.send(traces(span()))
            time.sleep(0.3)
        with contextlib.closing(Asker(f"http://{collector.endpoints['sql']}", "")) as asker:
            length = {BOARD.uid: 60}
            told = asked(
                [third_row()], rules, asker.ask, until=time.time() + 1, shows_content=frozenset(), seconds=length
            )
        assert [str(each) for each in told.findings] == []
        assert len(told.seconds) == len(BOARD.rows[-1].panels) + 1
        assert collector.stop() == 0
