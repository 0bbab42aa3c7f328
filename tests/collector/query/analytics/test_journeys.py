"""Ways of sessions: common paths, funnels, one journey."""

from __future__ import annotations

import random
from collections import defaultdict
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

HOUR = 3600
STEPS = st.lists(st.tuples(st.integers(0, 30_000), st.sampled_from("abc")), max_size=12, unique_by=lambda step: step[0])
"""What one session does: milliseconds, no two the same, and what is clicked."""


def clicks(make: Any, session: str, *steps: tuple[float, str], **fields: Any) -> list[dict[str, Any]]:
    """Return clicks of a session, so many seconds from noon."""
    return [make(at, "ui_event", session, action=action, **fields) for at, action in steps]


def paths(world: Any, **asked: Any) -> dict[tuple[str, ...], tuple[Any, ...]]:
    return {
        tuple(row["path"]): (row["frequency"], row["avg_duration_seconds"], row["dropoff_rate"])
        for row in world.ask("common_paths", **asked)
    }


def test_common_paths(world: Any, make: Any) -> None:
    """Each beginning of a way is a path; the same step again is none; what is no step of anybody's is not in it."""
    world.happened(
        *clicks(make, "a", (4, "ask"), (0, "open"), (1, "open"), (9, "export")),
        *clicks(make, "b", (0, "open"), (2, "ask")),
        make(1, "generation", "b"),
        make(-1, "session_start", "b"),
        *clicks(make, "c", (0, "open")),
    )
    world.happened(*clicks(make, "a", (3, "close")), tenant=f"{world.tenant}-2")
    expected = {
        ("open",): (3, 0.0, pytest.approx(1 / 3)),
        ("open", "ask"): (2, 3.0, 0.5),
        ("open", "ask", "export"): (1, 9.0, 1.0),
    }
    assert paths(world) == expected
    assert list(paths(world, limit=2)) == [("open",), ("open", "ask")]
    assert paths(world, depth=1) == {("open",): expected["open",]}


def test_sessions_of_two_tenants(world: Any, make: Any) -> None:
    """The same session id of two tenants is two ways."""
    ago = 6 * 365 * 86_400  # of no other test
    world.happened(*clicks(make, "s", (ago, "open")))
    world.happened(*clicks(make, "s", (ago + 1, "close")), tenant=f"{world.tenant}-2")
    assert set(paths(world, tenant="", since="2032-01-01", until="2032-12-01")) == {("open",), ("close",)}


def test_what_steps_are_called(world: Any, make: Any) -> None:
    """What was done to what, the state entered, the tool, the category, else the type."""
    world.happened(
        make(0, "ui_event", action="click", component="Buy"),
        make(1, "state_transition", to="paid"),
        make(2, "tool_call", tool="search"),
        make(3, "event", category="auth"),
        make(4, "user_message"),
        make(5, "tool_call"),
        *(
            make(6, kind)
            for kind in ("session_end", "tool_response", "audio_output", "performance_metric", "retrieval")
        ),
    )
    (longest,) = (path for path in paths(world, depth=9) if len(path) == 6)
    assert longest == ("click Buy", "paid", "search", "auth", "user_message", "tool_call")


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ways=st.lists(STEPS, max_size=8), depth=st.integers(1, 5), seed=st.integers())
def test_any_paths(new_world: Any, make: Any, ways: list[list[tuple[int, str]]], depth: int, seed: int) -> None:
    """Frequency, duration and drop-off are those of walking each session's way."""
    world = new_world()
    rows = [
        row for n, way in enumerate(ways) for row in clicks(make, f"s{n}", *((at / 1000, step) for at, step in way))
    ]
    random.Random(seed).shuffle(rows)
    if rows:
        world.happened(*rows)
    walked: dict[tuple[str, ...], list[tuple[float, bool]]] = defaultdict(list)
    for way in ways:
        ordered = sorted(way)
        kept = ordered[:1] + [later for earlier, later in pairwise(ordered) if earlier[1] != later[1]]
        for length in range(1, min(depth, len(kept)) + 1):
            took = (kept[length - 1][0] - kept[0][0]) / 1000
            walked[tuple(step for _, step in kept[:length])].append((took, length == len(kept)))
    assert paths(world, depth=depth, limit=1000) == {
        path: (
            len(seen),
            pytest.approx(sum(took for took, _ in seen) / len(seen)),
            pytest.approx(sum(ended for _, ended in seen) / len(seen)),
        )
        for path, seen in walked.items()
    }


def reached(world: Any, steps: list[str], **asked: Any) -> list[int]:
    return [count for (count,) in world.answers("funnel", "reached", steps=steps, **asked)]


def test_funnel(world: Any, make: Any) -> None:
    """In this order, within the window, other steps between; each number with its share."""
    world.happened(
        *clicks(make, "all", (0, "look"), (1, "other"), (2, "buy"), (60, "pay")),
        *clicks(make, "slow", (0, "look"), (2, "buy"), (61, "pay")),
        *clicks(make, "again", (0, "look"), (50, "look"), (61, "buy"), (99, "pay")),
        *clicks(make, "backwards", (0, "pay"), (1, "buy"), (2, "look")),
        *clicks(make, "none", (0, "buy")),
    )
    world.happened(*clicks(make, "all", (0, "look")), tenant=f"{world.tenant}-2")
    steps = ["look", "buy", "pay"]
    columns = ("number", "step", "reached", "of_first", "of_previous")
    assert world.answers("funnel", *columns, steps=steps, window_seconds=60) == [
        (1, "look", 4, 1.0, None),
        (2, "buy", 3, 0.75, 0.75),
        (3, "pay", 2, 0.5, pytest.approx(2 / 3)),
    ]
    assert reached(world, steps, window_seconds=59) == [4, 3, 1]
    assert reached(world, [*steps, "never"]) == [4, 3, 3, 0]
    assert world.answers("funnel", *columns, steps=["never", "look"]) == [
        (1, "never", 0, None, None),
        (2, "look", 0, None, None),
    ]


def test_funnel_of_users(world: Any, make: Any) -> None:
    """A user's steps over sessions; of a session where none is named, also where it is called like a user."""
    world.happened(
        *clicks(make, "1", (0, "look"), user="ann"),
        *clicks(make, "2", (5, "buy"), user="ann"),
        *clicks(make, "ann", (5, "look")),
        *clicks(make, "ann", (1, "buy")),
    )
    assert reached(world, ["look", "buy"]) == [2, 0]
    assert reached(world, ["look", "buy"], per="user") == [2, 1]


def test_funnel_of_the_same_step(world: Any, make: Any) -> None:
    """Twice the same step takes two of them."""
    world.happened(*clicks(make, "once", (0, "a")), *clicks(make, "twice", (0, "a"), (1, "a")))
    assert reached(world, ["a", "a"]) == [2, 1]


@pytest.mark.parametrize("steps", [[], ["a"] * 11])
def test_too_few_or_many_steps(world: Any, make: Any, steps: list[str]) -> None:
    """A funnel of no steps or of more than ten says so; it does not answer for some of them."""
    world.happened(make(0, "event"))
    with pytest.raises(Exception, match="a funnel has 1 to 10 steps"):
        world.ask("funnel", steps=steps)


def furthest(way: list[tuple[int, str]], steps: list[str], window: int) -> int:
    """Return how many steps a session takes, trying each of its beginnings."""
    ordered, best = sorted(way), 0
    for n, (began, _) in enumerate(ordered):
        level = 0
        for at, step in ordered[n:]:
            if level < len(steps) and step == steps[level] and at - began <= window:
                level += 1
        best = max(best, level)
    return best


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ways=st.lists(STEPS, min_size=1, max_size=8),
    steps=st.lists(st.sampled_from("abc"), min_size=1, max_size=4),
    window=st.integers(1, 30),
)
def test_any_funnel(
    new_world: Any, make: Any, ways: list[list[tuple[int, str]]], steps: list[str], window: int
) -> None:
    """Each step is reached by the sessions that trying every beginning finds."""
    world = new_world()
    rows = [
        row for n, way in enumerate(ways) for row in clicks(make, f"s{n}", *((at / 1000, step) for at, step in way))
    ]
    if rows:
        world.happened(*rows[::-1])
    levels = [furthest(way, steps, window * 1000) for way in ways]
    expected = [sum(level >= n for level in levels) for n in range(1, len(steps) + 1)]
    assert reached(world, steps, window_seconds=window) == expected


def test_journey(world: Any, make: Any) -> None:
    """One session in the order it happened, however it arrived; of two tenants the one that is asked for."""
    world.happened(
        make(9.5, "error", "j", message="broke", StatusCode="Error"),
        make(0, "user_message", "j", says="hello"),
        make(2, "ui_event", "j", action="click", component="Buy"),
        make(1, "event", "other"),
    )
    world.happened(make(1, "event", "j"), tenant=f"{world.tenant}-2")
    columns = ("tenant", "type", "step", "ms_since_previous", "what", "status")
    mine = world.tenant
    assert world.answers("journey", *columns, session="j") == [
        (mine, "user_message", "user_message", None, "hello", "ok"),
        (mine, "ui_event", "click Buy", 2000.0, "", "ok"),
        (mine, "error", "error", 7500.0, "broke", "error"),
    ]
    both = [row for row in world.answers("journey", *columns, session="j", tenant="") if row[0].startswith(mine)]
    assert [(row[0], row[3]) for row in both] == [(mine, None), (mine, 2000.0), (mine, 7500.0), (f"{mine}-2", None)]
