"""Active users, generations, error rates, statistics, the overview, and `daily_stats` below them."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

DAY, HOUR = 86_400, 3600
TENTH = date(2026, 3, 10)


def test_active_users(world: Any, make: Any) -> None:
    """A user counts once a day, and in the week for seven days; who names no user counts as a session only."""
    world.happened(
        make(0, "user_message", "a", user="ann"),
        make(9, "user_message", "b", user="ann"),
        make(5, "event", "c", user="bob"),
        make(DAY, "event", "d"),
        make(6 * DAY, "event", "e", user="cid"),
    )
    world.happened(make(7 * DAY, "event", "f", user="bob"), make(8 * DAY, "event", "g", user="bob"))
    world.happened(make(0, "event", "h", user="ann"), make(0, "event", "a", user="dan"), tenant=f"{world.tenant}-2")
    columns = ("day", "daily_active_users", "weekly_active_users", "sessions")
    assert world.answers("active_users", *columns, until="2026-03-18 00:00:00") == [
        (TENTH, 2, 2, 3),
        (TENTH + timedelta(1), 0, 2, 1),
        *((TENTH + timedelta(n), 0, 2, 0) for n in range(2, 6)),
        (TENTH + timedelta(6), 1, 3, 1),
        (TENTH + timedelta(7), 1, 2, 1),
    ]
    late = world.answers("active_users", *columns, since="2026-03-16 23:00:00", until="2026-03-16 23:30:00")
    assert late == [(TENTH + timedelta(6), 1, 3, 1)]  # the whole day, and the week before it


def test_people_of_two_tenants_are_two(world: Any, make: Any) -> None:
    """The same id in two tenants is two people and two sessions, where all tenants are asked for."""
    year = "2031-05-05"  # of no other test
    ago = (datetime(2031, 5, 5, tzinfo=UTC) - datetime(2026, 3, 10, 12, tzinfo=UTC)).total_seconds()
    for tenant in ("one", "two"):
        world.happened(make(ago, "event", "same", user="same"), tenant=f"{world.tenant}-{tenant}")
    asked = {"tenant": "", "since": year, "until": f"{year} 01:00:00"}
    assert world.answers("active_users", "daily_active_users", "weekly_active_users", "sessions", **asked) == [
        (2, 2, 2)
    ]
    assert world.answers("stats", "total_interactions", "total_sessions", **asked) == [(2, 2)]
    assert world.answers("overview", "interactions", "sessions", "users", **asked) == [(2, 2, 2)]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seen=st.lists(st.tuples(st.integers(0, 15), st.sampled_from("abcdef")), min_size=1, max_size=40))
def test_active_users_of_any_days(new_world: Any, make: Any, seen: list[tuple[int, str]]) -> None:
    """The numbers are those of counting sets."""
    world = new_world()
    middle = len(seen) // 2
    for part in filter(None, (seen[middle:], seen[:middle])):
        world.happened(*(make(day * DAY, "event", user=user) for day, user in part))
    expected = []
    for day in range(16):
        week = {user for on, user in seen if day - 6 <= on <= day}
        if week:
            expected.append((TENTH + timedelta(day), len({user for on, user in seen if on == day}), len(week)))
    asked = world.answers("active_users", "day", "daily_active_users", "weekly_active_users", until="2026-03-26")
    assert asked == expected


def test_generations(world: Any, make: Any) -> None:
    """Answers and calls by day; what took no time is not in the average; failed is what says so."""
    world.happened(
        make(0, "generation", ms=100),
        make(1, "generation", ms=300, StatusCode="Error"),
        make(2, "generation"),
        make(3, "assistant_response", ms=500),
        make(DAY, "generation", StatusCode="Error"),
        make(DAY, "tool_call", ms=9),
    )
    columns = ("day", "type", "generations", "avg_generation_ms", "failed", "error_rate")
    assert world.answers("generations", *columns) == [
        (TENTH, "assistant_response", 1, 500.0, 0, 0.0),
        (TENTH, "generation", 3, 200.0, 1, 1 / 3),
        (TENTH + timedelta(1), "generation", 1, None, 1, 1.0),
    ]


def test_error_rate(world: Any, make: Any) -> None:
    """An `error` and whatever failed count, the end of a session that failed does not; services apart."""
    world.happened(
        make(0, "error"),
        make(0, "tool_call", StatusCode="Error"),
        make(0, "session_end", StatusCode="Error"),
        make(0, "event"),
        make(0, "event", ServiceName="till"),
    )
    world.happened(make(0, "error"), tenant=f"{world.tenant}-2")
    columns = ("day", "service", "interactions", "errors", "error_rate")
    assert world.answers("error_rate", *columns) == [(TENTH, "shop", 4, 2, 0.5), (TENTH, "till", 1, 0, 0.0)]


def test_stats(world: Any, make: Any) -> None:
    """The shape is that of GET /api/interactions/stats; days are those of UTC."""
    world.happened(
        make(-12 * HOUR, "event", "a"),
        make(-12 * HOUR - 1, "event", "a"),
        make(3, "user_message", "b"),
        make(4, "user_message", "a"),
    )
    (stats,) = world.ask("stats")
    assert stats == {
        "total_interactions": 4,
        "total_sessions": 2,
        "interaction_types": {"event": 2, "user_message": 2},
        "daily_breakdown": {
            "2026-03-09": {"event": 1, "total": 1},
            "2026-03-10": {"event": 1, "user_message": 2, "total": 3},
        },
    }
    assert list(stats["daily_breakdown"]) == ["2026-03-09", "2026-03-10"]


def test_overview(world: Any, make: Any) -> None:
    """From, and before: to the nanosecond; tokens count once, by the model that answered."""
    world.happened(
        make(-1e-9, "error"),
        make(0, "assistant_response", "a", user="ann", model="m", answered_by="m-1", input=10, output=5, ms=100),
        make(1, "generation", "a", user="ann", model="m", input=10, output=5, ms=9000),
        make(2, "generation", "b", user="bob", model="n", input=7, ms=9000),
        make(3, "assistant_response", "c", model="n", output=2),
        make(4, "error", "c", critical="true"),
        make(HOUR, "error"),
    )
    world.happened(make(1, "error"), tenant=f"{world.tenant}-2")
    (found,) = world.ask("overview", since="2026-03-10 12:00:00", until="2026-03-10 13:00:00")
    assert found == {
        "interactions": 5,
        "sessions": 3,
        "users": 2,
        "errors": 1,
        "critical_errors": 1,
        "error_rate": 0.2,
        "p95_response_ms": 100.0,
        "tokens_by_model": {
            "m": {"calls": 1, "input_tokens": 10, "output_tokens": 5},
            "n": {"calls": 2, "input_tokens": 7, "output_tokens": 2},
        },
    }


def test_an_overview_without_answers(world: Any, make: Any) -> None:
    """Where nobody records answers, those of models are timed."""
    world.happened(make(0, "generation", ms=70), make(0, "tool_call", ms=9000))
    assert world.answers("overview", "p95_response_ms") == [(70.0,)]


def daily(world: Any, *columns: str) -> list[tuple[Any, ...]]:
    sql = f"SELECT {', '.join(columns)} FROM otel.daily_stats WHERE tenant = {{t:String}} ORDER BY day, service, type"
    return [tuple(row) for row in world.engine.ask(sql, t=world.tenant)]


def test_daily_stats(world: Any, make: Any) -> None:
    """One row a day, service and type, whatever the inserts; costs that nobody said are NULL, 0 is 0."""
    world.happened(
        make(0, "generation", "a", user="ann", input=3, output=2, cost=0, ms=10),
        make(1, "generation", "b", user="ann", cost=0.5, ms=30),
        make(DAY, "generation", "b"),
    )
    world.happened(
        make(2, "generation", "a", StatusCode="Error"), make(0, "event", attributes={"interaction.type": ""})
    )
    counted = ("interactions", "errors", "users", "sessions", "input_tokens", "output_tokens", "cost_usd")
    assert daily(world, "day", "service", "type", *counted, "duration_ms", "avg_duration_ms") == [
        (TENTH, "shop", "generation", 3, 1, 1, 2, 3, 2, 0.5, 40.0, 20.0),
        (TENTH + timedelta(1), "shop", "generation", 1, 0, 0, 1, 0, 0, None, 0.0, None),
    ]
    assert daily(world, "p50_duration_ms", "p99_duration_ms")[1] == (None, None)


def test_which_percentile_of_a_day(world: Any, make: Any) -> None:
    """Each column is the percentile it is called: of 1 to 100 ms the number itself."""
    world.happened(*(make(0, "generation", ms=each) for each in range(1, 101)))
    found = daily(world, *(f"p{p}_duration_ms" for p in (50, 90, 95, 99)))[0]
    assert [abs(value - p) <= 1 for p, value in zip((50, 90, 95, 99), found, strict=True)] == [True] * 4


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(times=st.lists(st.integers(1, 100_000), min_size=1, max_size=300))
def test_percentiles_of_a_day(new_world: Any, make: Any, times: list[int]) -> None:
    """Percentiles of states from several inserts are those of all the times, within two hundredths of their rank."""
    world, ordered = new_world(), sorted(times)
    for part in filter(None, (times[::2], times[1::2])):
        world.happened(*(make(0, "generation", ms=each) for each in part))
    found = daily(world, *(f"p{p}_duration_ms" for p in (50, 90, 95, 99)))[0]
    for share, value in zip((0.5, 0.9, 0.95, 0.99), found, strict=True):
        rank = share * len(ordered)
        low, high = math.floor(rank - 0.02 * len(ordered)) - 1, math.ceil(rank + 0.02 * len(ordered))
        bounds = ordered[max(0, low)], ordered[min(len(ordered) - 1, high)]
        assert bounds[0] * 0.999 <= value <= bounds[1] * 1.001


@pytest.mark.parametrize("question", ["active_users", "stats", "generations", "error_rate"])
def test_where_a_day_begins(world: Any, make: Any, question: str) -> None:
    """`since` at midnight begins that day, `until` at midnight ends the day before."""
    world.happened(make(-12 * HOUR, "generation", user="a"), make(12 * HOUR - 1, "generation", user="a"))
    day = {"since": "2026-03-10 00:00:00", "until": "2026-03-11 00:00:00"}
    here, before = (world.ask(question, **asked) for asked in (day, {"until": day["since"]}))
    assert here
    assert before == world.ask(question, since="1980-01-01", until="1980-02-01")
    after = world.ask(question, since=day["until"])
    assert after == before or {row["daily_active_users"] for row in after} == {0}
