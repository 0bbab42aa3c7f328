"""The panels' numbers, counted once more in Python from what was sent: ten tenants, the same ids in each of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from ten_tenants import HOURS, MODELS, Told

from dashboards import statements
from dashboards.boards import ALL as BOARDS
from dashboards.validate import macros
from dashboards.validate.macros import ALL, Context, Value

Rows = list[dict[str, Any]]
Keep = Callable[[Told], bool]
INTERVAL = 1000  # seconds; no bucket begins where the time of the board does
CHOICES: list[tuple[str, dict[str, Value], Keep]] = [
    ("everything", {}, lambda _: True),
    ("one tenant", {"tenant": ["tenant-3"]}, lambda t: t.tenant == "tenant-3"),
    ("two tenants", {"tenant": ["tenant-3", "acme"]}, lambda t: t.tenant in {"tenant-3", "acme"}),
    ("an apostrophe", {"service": ["it's one"]}, lambda t: t.service == "it's one"),
    ("a user", {"user": "user-1"}, lambda t: t.user == "user-1"),
    ("a session", {"session": "the same id"}, lambda t: t.session == "the same id"),
    ("a backslash", {"user": "o\\'brien' OR 1=1"}, lambda _: False),
    ("nobody", {"tenant": ["nobody"]}, lambda _: False),
]


def on_board(world: Any, name: str, chosen: dict[str, Value], hours: tuple[float, float] = (0, HOURS)) -> Rows:
    """Ask a panel's query of these hours."""
    [board] = [b for b in BOARDS if any(name in p.queries.values() for row in b.rows for p in row.panels)]
    values: dict[str, Value] = {each.name: ALL if each.query else each.default for each in board.variables}
    if missing := chosen.keys() - values.keys():
        pytest.skip(f"{board.title} has no {missing}")
    since, until = (world.since + each * 3600 for each in hours)
    sql = statements.load(name, board.names).sql
    answer = world.asker.ask(macros.of_panel(sql, Context(since, until, INTERVAL * 1000, values | chosen)))
    return [dict(zip(answer.names, row, strict=True)) for row in answer.rows]


def moment(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def failed(told: Told) -> bool:
    return told.failed or told.type == "error"


def waited(told: Iterable[Told]) -> list[Told]:
    """Answers; acme's services record none, and calls of models stand for them."""
    return [t for t in told if t.type == ("generation" if t.tenant == "acme" else "assistant_response")]


def between(value: float, durations: list[float], share: float) -> bool:
    """Is this a quantile of few: between its neighbours?"""
    ordered = sorted(durations)
    place = share * (len(ordered) - 1)
    return ordered[max(0, int(place) - 1)] <= value <= ordered[min(len(ordered) - 1, int(place) + 2)]


@pytest.fixture(params=CHOICES, ids=[name for name, _, _ in CHOICES])
def choice(request: pytest.FixtureRequest) -> tuple[dict[str, Value], Keep]:
    """What is chosen above the board, and what that leaves."""
    return request.param[1], request.param[2]


def test_rates(world: Any, choice: tuple[dict[str, Value], Keep]) -> None:
    """Interactions a second of each bucket: by the seconds of it that lie in the time of the board."""
    chosen, keep = choice
    until = world.since + HOURS * 3600
    counted = Counter((int(t.at) // INTERVAL * INTERVAL, t.type) for t in world.told if keep(t))
    whole = {
        (at, kind): number / (min(at + INTERVAL, until) - max(at, world.since))
        for (at, kind), number in counted.items()
    }
    shown = {(moment(row["time"]), row["series"]): row["rate"] for row in on_board(world, "sre/rate_by_type", chosen)}
    assert shown == pytest.approx(whole)
    assert bool(whole) == any(keep(t) for t in world.told)


def test_at_a_glance(world: Any, choice: tuple[dict[str, Value], Keep]) -> None:
    """Rate, share of errors, tools that failed, and the wait; nothing at all where nothing is left."""
    chosen, keep = choice
    told = [t for t in world.told if keep(t)]
    tools = [t for t in told if t.type == "tool_call"]
    [row] = on_board(world, "sre/totals", chosen)
    assert row["Interactions a second"] == pytest.approx(len(told) / (HOURS * 3600))
    assert row["Errors"] == (pytest.approx(sum(map(failed, told)) / len(told)) if told else None)
    assert row["Failed tools"] == (pytest.approx(sum(t.failed for t in tools) / len(tools)) if tools else None)
    if told:
        assert between(row["Answer, p95"], [t.ms for t in waited(told)], 0.95)
    else:
        assert row["Answer, p95"] is None


def test_heatmap(world: Any, choice: tuple[dict[str, Value], Keep]) -> None:
    """Each answer is counted once, in the line it belongs to."""
    chosen, keep = choice
    bounds = {"100 ms": 100, "250 ms": 250, "500 ms": 500, "1 s": 1000, "2 s": 2000, "4 s": 4000, "8 s": 8000}
    expected: Counter[str] = Counter()
    for each in waited(t for t in world.told if keep(t)):
        expected[next((name for name, bound in bounds.items() if each.ms <= bound), "16 s")] += 1
    shown: Counter[str] = Counter()
    for row in on_board(world, "sre/heatmap", chosen):
        shown.update({name: number for name, number in row.items() if name != "time"})
    assert +shown == expected


def test_points_lead_to_the_slowest(world: Any) -> None:
    """Each point's link is to the slowest answer of that bucket, and to its own session and tenant."""
    slowest: dict[int, Told] = {}
    for each in waited(world.told):
        at = int(each.at) // INTERVAL * INTERVAL
        slowest[at] = max(slowest.get(at, each), each, key=lambda t: t.ms)
    shown = {moment(row["time"]): row for row in on_board(world, "sre/response", {})}
    links = {at: (row["whole_trace"], row["session"], row["tenant"]) for at, row in shown.items()}
    assert links == {at: (t.trace, t.session, t.tenant) for at, t in slowest.items()}
    for at, row in shown.items():
        assert int(row["from_ms"]) < slowest[at].at * 1000 < int(row["to_ms"])


def test_tools(world: Any, choice: tuple[dict[str, Value], Keep]) -> None:
    """Calls and failures of each tool."""
    chosen, keep = choice
    calls = [t for t in world.told if keep(t) and t.type == "tool_call"]
    expected = {
        tool: (n, sum(t.failed for t in calls if t.tool == tool)) for tool, n in Counter(t.tool for t in calls).items()
    }
    assert {row["Tool"]: (row["Calls"], row["Failed"]) for row in on_board(world, "sre/tools", chosen)} == expected


def test_models(world: Any, choice: tuple[dict[str, Value], Keep]) -> None:
    """Tokens and cost of each model and in whole, over time and together."""
    chosen, keep = choice
    calls = [t for t in world.told if keep(t) and t.type == "generation"]
    expected: dict[str, list[float]] = defaultdict(lambda: [0, 0, 0, 0, 0.0])
    for t in calls:
        for at, number in enumerate((1, t.tokens_in, t.cached, t.tokens_out, t.cost)):
            expected[t.model][at] += number
    rows = on_board(world, "models/models", chosen)
    columns = ("Calls", "Tokens in", "Cached", "Tokens out", "Cost")
    assert {row["Model"]: pytest.approx([row[name] for name in columns]) for row in rows} == expected
    assert {row["Model"]: row["Provider"] for row in rows} == {model: MODELS[model] for model in expected}
    tokens = on_board(world, "models/tokens", chosen)
    assert sum(row["read"] for row in tokens) == sum(t.tokens_in for t in calls)
    assert sum(row["written"] for row in tokens) == sum(t.tokens_out for t in calls)
    [whole] = on_board(world, "models/totals", chosen)
    share = sum(t.cached for t in calls) / sum(t.tokens_in for t in calls) if calls else None
    assert whole["From cache"] == (pytest.approx(share) if calls else None)


def test_spenders(world: Any, choice: tuple[dict[str, Value], Keep]) -> None:
    """The same id in ten tenants is ten people, each with what they cost."""
    chosen, keep = choice
    expected: dict[tuple[str, str], float] = defaultdict(float)
    for t in world.told:
        if keep(t) and t.type == "generation":
            expected[t.tenant, t.user] += t.cost
    shown = {(row["Tenant"], row["User"]): row["Cost"] for row in on_board(world, "models/spenders", chosen)}
    assert shown == pytest.approx(dict(expected))


@pytest.mark.parametrize("hours", [(0, HOURS), (1, 3), (2.5, 2.6)])
def test_sessions(world: Any, hours: tuple[float, float]) -> None:
    """Sessions begun in a time, and those of it: also those that went on after it, and those that began before."""
    since, until = (world.since + each * 3600 for each in hours)
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for t in world.told:
        times[t.tenant, t.session] += [t.at, t.at + t.ms / 1000]
    begun = [each for each in times.values() if since <= min(each) <= until]
    there = [each for each in times.values() if min(each) <= until and max(each) >= since]
    assert sum(row["sessions"] for row in on_board(world, "conversations/by_status", {}, hours)) == len(begun)
    [row] = on_board(world, "conversations/totals", {}, hours)
    assert row["Sessions"] == len(there)
    shown = {(each["tenant"], each["Session"]) for each in on_board(world, "conversations/sessions", {}, hours)}
    assert len(shown) == len(there)


def test_people(world: Any) -> None:
    """People of the day: three ids in each of ten tenants are up to thirty people."""
    [row] = on_board(world, "product/totals", {})
    assert row["On the day"] == len({(t.tenant, t.user) for t in world.told})
    assert row["Sessions on the day"] == len({(t.tenant, t.session) for t in world.told})
