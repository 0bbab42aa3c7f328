"""Alert rules, as Grafana's provisioning reads them.

Rules know neither variables nor `$__conditionalAll`: their SQL is whole, and answers with one number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from dashboards import classic, statements
from dashboards.boards import ALL, common
from dashboards.model import Json

SOURCE_UID: Final = classic.SOURCE_UID
FOLDER: Final = "Interactions"
_EXPRESSION: Final = "__expr__"


@dataclass(frozen=True, slots=True)
class Rule:
    """When somebody is to be told.

    Attributes:
        name: of its .sql file, and of the rule.
        title: what it says.
        above: it fires when the number is greater; None where it fires below `below`.
        below: it fires when the number is less.
        minutes: of data that it looks at.
        for_minutes: it fires after so long.
        severity: a label.
        runbook: what to do.
        board: the board that shows it.
        panel: the title of the panel there.
        no_data: what it is where there is no row.
    """

    name: str
    title: str
    runbook: str
    board: str
    panel: str
    above: float | None = None
    below: float | None = None
    minutes: int = 10
    for_minutes: int = 5
    severity: Literal["warning", "critical"] = "warning"
    no_data: Literal["OK", "NoData", "Alerting"] = "OK"


RULES: Final = (
    Rule(
        "error_rate",
        "More than 5 % of interactions fail",
        "Open Service health: `Errors by service` says where, `Failed last` leads to traces. A "
        "release? Roll it back. A "
        "provider? See its status page. Settle what is known on `Unresolved errors`.",
        "sre",
        "Errors by service",
        above=0.05,
        severity="critical",
    ),
    Rule(
        "response_time",
        "Answers take more than 10 s (p95)",
        "Open Service health: is it one service or all? On Models and cost, `How fast` tells which "
        "model; `Slowest` leads to "
        "traces, where tools and models stand apart. Shorten what is sent, or take another model.",
        "sre",
        "Answers",
        above=10_000,
    ),
    Rule(
        "tool_failures",
        "More than 20 % of a tool's calls fail",
        "Open Service health: `Tools` names the tool and its commonest error. Try what stands behind "
        "it by hand with the "
        "arguments that Session detail shows.",
        "sre",
        "Tools",
        above=0.2,
    ),
    Rule(
        "no_data",
        "Nothing is received any more",
        "Ask the collector's /health. If it is well, the applications do not reach it: address, TLS, "
        "key (`otel-interactions "
        "doctor` on both sides). What they record meanwhile waits in their spools and is sent later. "
        "At night this may be life.",
        "health",
        "Received and stored",
        above=0.5,
        minutes=15,
        severity="critical",
        no_data="Alerting",
    ),
    Rule(
        "ingestion_lag",
        "Interactions arrive more than a minute after their end (p95)",
        "Open Collector health: if `Waiting for ClickHouse` grows, ClickHouse is slow or away, and "
        "nothing is lost. Else "
        "senders hold back: their network, or a spool that is being emptied after an outage.",
        "health",
        "Lag from end to receipt",
        above=60,
    ),
    Rule(
        "dead_letters",
        "There are dead letters",
        "`otel-interactions dead-letters list` says which and why, `dead-letters show` has the "
        "bytes. Mend the reason, then "
        "`dead-letters replay`: nothing of them is in ClickHouse before.",
        "health",
        "Dead letters",
        above=0,
        for_minutes=0,
    ),
    Rule(
        "disk",
        "Less than 10 % of ClickHouse's disk is free",
        "The collector refuses requests before the disk is full, and senders keep them. Make room: "
        "shorten --retention-days, "
        "move archives away, or enlarge the disk. `Tables` on Collector health says what is large.",
        "health",
        "Disks",
        below=0.1,
        severity="critical",
    ),
    Rule(
        "abandoned",
        "Twice as many sessions are abandoned as usual",
        "Open Conversations: since when, and of which service? Look for slow answers and errors at "
        "that time on Service "
        "health, and read some of the abandoned sessions.",
        "conversations",
        "Abandoned",
        above=2,
        minutes=60,
        for_minutes=15,
    ),
)


def provisioning() -> Json:
    """Return the file of rules."""
    group = {
        "orgId": 1,
        "name": "otel-interactions",
        "folder": FOLDER,
        "interval": "60s",
        "rules": [_rule(each) for each in RULES],
    }
    return {"apiVersion": 1, "groups": [group]}


def _rule(rule: Rule) -> Json:
    board = f"{common.PREFIX}{rule.board}"
    return {
        "uid": f"otel_interactions_{rule.name}",
        "title": rule.title,
        "condition": "C",
        "for": f"{rule.for_minutes}m",
        "noDataState": rule.no_data,
        "execErrState": "Error",
        "isPaused": False,
        "dashboardUid": board,
        "panelId": _panel_number(board, rule.panel),
        "labels": {"severity": rule.severity, "source": classic.TAG},
        "annotations": {
            "summary": rule.title,
            "description": statements.load(f"alerts/{rule.name}", ()).words,
            "runbook": rule.runbook,
        },
        "data": list(_steps(rule)),
    }


def _steps(rule: Rule) -> Iterator[Json]:
    """Yield the question, the number of its row, and the comparison."""
    window = {"from": rule.minutes * 60, "to": 0}
    question = {
        "refId": "A",
        "datasource": {"type": classic.PLUGIN, "uid": SOURCE_UID},
        "editorType": "sql",
        "queryType": "table",
        "format": 1,
        "pluginVersion": classic.PLUGIN_VERSION,
        "rawSql": statements.load(f"alerts/{rule.name}", ()).sql,
        "intervalMs": 1000,
        "maxDataPoints": 43_200,
    }
    yield {"refId": "A", "datasourceUid": SOURCE_UID, "relativeTimeRange": window, "model": question}
    kind, limit = ("gt", rule.above) if rule.above is not None else ("lt", rule.below)
    reduced: Json = {"refId": "B", "type": "reduce", "expression": "A", "reducer": "last"}
    compared: Json = {"refId": "C", "type": "threshold", "expression": "B"}
    compared["conditions"] = [{"evaluator": {"type": kind, "params": [limit]}}]
    for model in (reduced, compared):
        model["datasource"] = {"type": _EXPRESSION, "uid": _EXPRESSION}
        yield {"refId": model["refId"], "datasourceUid": _EXPRESSION, "relativeTimeRange": window, "model": model}


def _panel_number(uid: str, title: str) -> int:
    [board] = [each for each in ALL if each.uid == uid]
    [panel] = [each for each in classic.dashboard(board)["panels"] if each["title"] == title and each["type"] != "row"]
    return int(panel["id"])
