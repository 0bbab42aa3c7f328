"""The boards tell the same as the questions that everybody else asks (collector/query/sql)."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from collector.query import questions
from dashboards import statements
from dashboards.boards import ALL
from dashboards.validate import macros
from dashboards.validate.macros import ALL as EVERYTHING
from dashboards.validate.macros import Context

Rows = list[dict[str, Any]]
DAYS = 10


def span(world: Any) -> tuple[int, int]:
    """Return ten days whose last second is not cut: what the boards and the questions both see whole."""
    until = int(world.until) + 60
    return until - DAYS * 86_400, until


def on_board(world: Any, name: str, change: tuple[str, str] = ("", ""), **given: Any) -> Rows:
    """Ask a query of the board that has it, with everything chosen but what is given."""
    [board] = [each for each in ALL if any(name in p.queries.values() for row in each.rows for p in row.panels)]
    since, until = span(world)
    chosen = {each.name: EVERYTHING if each.query else each.default for each in board.variables} | given
    sql = macros.of_panel(statements.load(name, board.names).sql, Context(since, until, 3600_000, chosen))
    answer = world.asker.ask(sql.replace(*change) if change[0] else sql)
    return [dict(zip(answer.names, row, strict=True)) for row in answer.rows]


def in_words(world: Any, question: str, **values: Any) -> Rows:
    """Ask the question of the same time."""
    since, until = span(world)
    given = {**questions.DEFAULTS, "since": since, "until": until, **values}
    wanted = questions.parameters(question)
    found: Rows = world.collector.ask(questions.text(question), **{name: given[name] for name in wanted})
    return found


def test_tokens_and_cost(world: Any) -> None:
    """Each model's calls, tokens and cost are those of `tokens_and_cost`, whichever panel tells."""
    told = {row["model"] or "unknown": row for row in in_words(world, "tokens_and_cost", by=["model"])}
    shown: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for row in on_board(world, "models/models"):
        for column, value in row.items():
            if column not in {"Provider", "Model"}:
                shown[row["Model"]][column] += value or 0
    assert shown.keys() == told.keys()
    for model, row in told.items():
        one = shown[model]
        assert (one["Calls"], one["Tokens in"], one["Tokens out"], one["Without a price"]) == (
            row["calls"],
            row["input_tokens"],
            row["output_tokens"],
            row["calls_without_cost"],
        )
        assert one["Cost"] == pytest.approx(row["cost_usd"] or 0)
    whole = sum(row["cost_usd"] or 0 for row in told.values())
    assert whole > 0
    assert on_board(world, "models/totals")[0]["Cost"] == pytest.approx(whole)
    for name in ("models/cost_by_model", "models/days"):
        assert sum(row["cost"] or 0 for row in on_board(world, name)) == pytest.approx(whole)


def test_spenders(world: Any) -> None:
    """Top spenders are those of `tokens_and_cost` by user, who is nobody left out."""
    told = [row for row in in_words(world, "tokens_and_cost", by=["user"], tenant="default") if row["user"]][:50]
    shown = on_board(world, "models/spenders", tenant=["default"])
    assert [row["Cost"] for row in shown] == pytest.approx([row["cost_usd"] for row in told])
    assert len(shown) > 40


def test_cost_of_sessions(world: Any) -> None:
    """What a user's sessions cost, one by one, is what the user costs; so is what their calls cost, one by one."""
    since, until = span(world)
    compared = 0
    for row in on_board(world, "models/spenders", tenant=["default"])[:3]:
        found = world.collector.ask(
            "SELECT SessionId AS session, groupUniqArray(TraceId) AS traces, "
            "groupUniqArrayIf(InteractionType, InputTokens > 0) AS tell, countIf(isNotNull(CostUsd)) AS own "
            "FROM otel.otel_traces WHERE Tenant = 'default' AND UserId = {user:String} AND InteractionType != '' "
            "AND Timestamp >= fromUnixTimestamp({since:Int64}) AND Timestamp < fromUnixTimestamp({until:Int64}) "
            "GROUP BY session",
            user=row["User"],
            since=since,
            until=until,
        )
        told = {each["session"]: on_board(world, "session/cost", session=each["session"]) for each in found}
        assert sum(model["Cost"] or 0 for models in told.values() for model in models) == pytest.approx(row["Cost"])
        for each in (each for each in found if len(each["tell"]) == 1 and not each["own"]):
            calls = [call for trace in each["traces"] for call in on_board(world, "session/spans", trace=trace)]
            cost = sum(model["Cost"] or 0 for model in told[each["session"]])
            assert sum(call["Cost"] or 0 for call in calls) == pytest.approx(cost)
            compared += cost > 0
    assert compared


def test_turn_latency(world: Any) -> None:
    """Turns of each model, and how many of them have a time, are those of `turn_latency`."""
    told: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in in_words(world, "turn_latency"):
        told[row["model"] or "unknown"][0] += row["turns"]
        told[row["model"] or "unknown"][1] += row["turns_timed"]
    shown = {row["Model"]: [row["Turns"], row["Timed"]] for row in on_board(world, "voice/latency_by_model")}
    assert shown == dict(told)
    assert shown


def test_interruptions(world: Any) -> None:
    """Interruptions are the barge-ins of `barge_ins`."""
    told = sum(row["barge_ins"] for row in in_words(world, "barge_ins"))
    assert sum(row["interrupted"] for row in on_board(world, "voice/interruptions")) == told > 0


def test_active_users(world: Any) -> None:
    """People of each day and week are those of `active_users`."""
    told = {
        row["day"]: (row["daily_active_users"], row["weekly_active_users"]) for row in in_words(world, "active_users")
    }
    shown = {row["time"][:10]: (row["daily"], row["weekly"]) for row in on_board(world, "product/active_users")}
    assert shown == told


def test_paths_and_funnel(world: Any) -> None:
    """Paths and steps of the funnel are those of `common_paths` and `funnel`."""
    told = in_words(world, "common_paths", limit=40)
    shown = on_board(world, "product/paths")
    assert [(row["Path"], row["Sessions"]) for row in shown] == [(" → ".join(r["path"]), r["frequency"]) for r in told]
    steps = in_words(world, "funnel", steps=["user_message", "assistant_response"])
    assert [row["Sessions"] for row in on_board(world, "product/funnel")] == [row["reached"] for row in steps]


def test_glance(world: Any) -> None:
    """Errors, critical errors and the active sessions are those of `overview` and `active_sessions`."""
    [overview] = in_words(world, "overview")
    [shown] = on_board(world, "sre/totals")
    assert shown["Errors"] == pytest.approx(overview["error_rate"])
    assert shown["Critical errors"] == overview["critical_errors"]
    [active] = world.collector.ask(questions.text("active_sessions"))
    assert on_board(world, "conversations/active_now") == [{"Active now": active["sessions"]}]


def test_missing_numbers(world: Any) -> None:
    """A number lost in the last day is told as by `missing_sequence_numbers`; where nothing was lost, nothing is."""
    told: dict[str, int] = defaultdict(int)
    since = (span(world)[1] - 86_400) * 10**9
    for row in in_words(world, "missing_sequence_numbers", since=since, grace_seconds=0, gaps=1, complete=True):
        told[row["service"]] += row["missing"]
    shown = on_board(world, "health/missing", ("toIntervalMinute(1)", "toIntervalMinute(0)"))
    assert {row["Service"]: row["Missing"] for row in shown} == dict(told)
    assert told["lossy"] == 3
    assert sum(told.values()) == 3


def test_settled_errors(world: Any) -> None:
    """The errors nobody settled are those of `unresolved_errors`."""
    told = in_words(world, "unresolved_errors", limit=100)
    shown = on_board(world, "sre/unresolved")
    assert sorted(
        (row["Error"], row["Type"], row["Service"], row["Times"], row["Critical"]) for row in shown
    ) == sorted((row["error_type"], row["type"], row["service"], row["errors"], row["critical_errors"]) for row in told)
