"""How long things take: answers, turns of voice assistants, the way to the collector."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TENTH, DAY = date(2026, 3, 10), 86_400


def test_response_times(world: Any, make: Any) -> None:
    """By the model that answered, answers and calls apart; what has no time is counted, and timed as nothing."""
    world.happened(
        make(0, "assistant_response", model="m", answered_by="m-1", ms=100, ttft=0.02),
        make(1, "assistant_response", model="m-1", ms=100, ttft=0.04),
        *(make(2, "assistant_response", model="m-1") for _ in range(3)),
        make(3, "generation", model="m-1"),
        make(4, "tool_call", model="m-1", ms=7),
    )
    world.happened(make(1, "assistant_response", model="m-1", ms=9), tenant=f"{world.tenant}-2")
    first, second = world.ask("response_times")
    assert (first["type"], first["model"], first["answers"]) == ("assistant_response", "m-1", 5)
    assert [first[f"p{p}_ms"] for p in (50, 90, 95, 99)] == [100.0] * 4
    assert 20 <= first["ttft_p50_ms"] <= first["ttft_p99_ms"] <= 40.001
    assert second == {"type": "generation", "model": "m-1", "answers": 1} | {
        f"{kind}p{p}_ms": None for kind in ("", "ttft_") for p in (50, 90, 95, 99)
    }


def test_which_percentile(world: Any, make: Any) -> None:
    """Each column is the percentile it is called: of 1 to 100 ms the number itself."""
    world.happened(*(make(0, "generation", ms=each, ttft=each / 1e5) for each in range(1, 101)))
    (found,) = world.ask("response_times")
    for percent in (50, 90, 95, 99):
        assert abs(found[f"p{percent}_ms"] - percent) <= 1
        assert abs(found[f"ttft_p{percent}_ms"] - percent / 100) <= 0.01


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(times=st.lists(st.integers(1, 100_000), min_size=1, max_size=300))
def test_percentiles(new_world: Any, make: Any, times: list[int]) -> None:
    """Percentiles are those of the sorted times, within two hundredths of their rank."""
    world, ordered = new_world(), sorted(times)
    world.happened(*(make(0, "generation", ms=each, ttft=each / 1e6) for each in times))
    (found,) = world.ask("response_times")
    for percent in (50, 90, 95, 99):
        rank = percent / 100 * len(ordered)
        low, high = math.floor(rank - 0.02 * len(ordered)) - 1, math.ceil(rank + 0.02 * len(ordered))
        least, most = ordered[max(0, low)] * 0.999, ordered[min(len(ordered) - 1, high)] * 1.001
        assert least <= found[f"p{percent}_ms"] <= most
        assert least <= found[f"ttft_p{percent}_ms"] * 1000 <= most


def test_ingestion_lag(world: Any, make: Any) -> None:
    """From the end of the span, not its beginning; a clock that is ahead is told of."""
    world.happened(
        make(0, "event", received=3, Duration=2 * 10**9),
        make(0, "event", received=5, Duration=4 * 10**9),
        make(0, "event", received=-4, ServiceName="ahead"),
        make(0, "event", attributes={"interaction.type": ""}, received=99),
    )
    columns = ("day", "service", "interactions", "max_ms", "clock_ahead")
    assert world.answers("ingestion_lag", *columns) == [
        (TENTH, "ahead", 1, -4000.0, 1),
        (TENTH, "shop", 2, 1000.0, 0),
    ]
    (lags,) = (row for row in world.ask("ingestion_lag") if row["service"] == "shop")
    assert lags["p50_ms"] == lags["p95_ms"] == lags["p99_ms"] == 1000.0


def test_turn_latency(world: Any, make: Any) -> None:
    """The first chunk where it was recorded, else the sound; by turn, however the rows came."""
    said = [
        make(0, "audio_output", "v"),  # a greeting: nobody asked
        make(10, "audio_input", "v", took=2000),
        make(11.8, "assistant_response", "v", model="m", ttft=0.3, ms=4000),
        make(12.1, "audio_output", "v"),
        make(20, "user_message", "v"),
        make(20, "generation", "v", model="m", ttft=0.5),
        make(20.6, "audio_output", "v"),
        make(30, "audio_input", "v", took=1000),
        make(31.25, "audio_output", "v", model="m"),  # only times tell: 250 ms behind the user's end
        make(40, "audio_input", "v", took=5000),
        make(41, "audio_output", "v", model="m"),  # began before the user ended
        make(50, "audio_input", "v"),  # not answered
    ]
    world.happened(*said[::-1])
    world.happened(make(0, "user_message", "text"), make(0.1, "assistant_response", "text", model="m", ttft=9))
    (found,) = world.ask("turn_latency")
    assert (found["day"], found["model"], found["turns"], found["turns_timed"]) == (TENTH, "m", 4, 3)
    assert math.isclose(found["avg_ms"], 350)
    assert (found["p50_ms"], found["p99_ms"]) == (300.0, 500.0)


def test_turns_of_two_tenants(world: Any, make: Any) -> None:
    """The same session id of two tenants is two conversations: the answer of one is no answer to the other."""
    other = f"{world.tenant}-2"
    ago = 5 * 365 * DAY  # of no other test
    world.happened(make(ago, "audio_input", "v"))
    world.happened(make(ago + 1, "audio_output", "v"), tenant=other)
    far = {"since": "2031-01-01", "until": "2031-12-01"}
    assert world.ask("turn_latency", tenant="", **far) == []
    world.happened(make(ago + 3, "audio_output", "v"))
    assert world.answers("turn_latency", "turns", "p50_ms", tenant="", **far) == [(1, 3000.0)]


def test_a_turn_without_a_time(world: Any, make: Any) -> None:
    """It counts, and its time is NULL."""
    world.happened(make(0, "audio_input", "v"), make(1, "assistant_response", "v"))
    assert world.answers("turn_latency", "turns", "turns_timed", "avg_ms", "p50_ms") == [(1, 0, None, None)]


def test_barge_ins(world: Any, make: Any) -> None:
    """Answers in sessions with sound that were interrupted; an answer and the call inside it are one."""
    world.happened(
        make(0, "audio_input", "a"),
        make(1, "assistant_response", "a", model="m", finish='["interrupted"]'),
        make(1, "generation", "a", model="m", finish="interrupted"),
        make(2, "assistant_response", "a", model="m", finish="stop"),
        make(3, "audio_output", "b"),
        make(3, "generation", "b", model="m", finish="stop"),
        make(DAY, "assistant_response", "b", model="m"),
        make(DAY, "audio_output", "b"),
        make(4, "assistant_response", "text", model="m", finish="interrupted"),
    )
    columns = ("day", "model", "answers", "barge_ins", "barge_in_rate", "sessions_with_barge_ins")
    assert world.answers("barge_ins", *columns) == [
        (TENTH, "m", 3, 1, 1 / 3, 1),
        (TENTH + timedelta(1), "m", 1, 0, 0.0, 0),
    ]
