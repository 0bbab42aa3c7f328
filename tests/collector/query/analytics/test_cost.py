"""What tokens cost: as spans say, else by the price of the day, else nobody knows."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

DAY = 86_400
COUNTED = ("calls", "input_tokens", "cached_tokens", "output_tokens")


@pytest.fixture
def name() -> str:
    """Name a model that nobody else has."""
    return f"model-{secrets.token_hex(4)}"


@pytest.fixture
def price(engine: Any) -> Any:
    """Add a price."""

    def add(model: str, since: str, *usd: float | str, provider: str = "", tenant: str = "") -> None:
        """Cost so many USD per million of input, cached and output tokens; NULL for unknown."""
        values = f"('{tenant}', '{provider}', '{model}', '{since}', {', '.join(map(str, usd))})"
        columns = "tenant, provider, model, valid_from, input_usd, cached_input_usd, output_usd"
        engine.database.command(f"INSERT INTO otel.model_prices ({columns}) VALUES {values}")

    return add


def cost(world: Any, **asked: Any) -> list[tuple[Any, ...]]:
    return world.answers("tokens_and_cost", "cost_usd", "calls_without_cost", **asked)


def test_by_model_user_and_day(world: Any, make: Any, price: Any, name: str) -> None:
    """What is named is told apart, the rest is summed; the dearest first."""
    price(name, "2026-01-01", 1, 0.5, 10)
    million = 1_000_000
    world.happened(
        make(0, "generation", "a", user="ann", model=name, input=million, cached=400_000, output=100_000),
        make(DAY, "generation", "b", user="ann", model=name, input=million),
        make(0, "generation", "c", user="bob", model="free", input=5, cost=0),
    )
    world.happened(make(0, "generation", "a", model=name, input=million), tenant=f"{world.tenant}-2")
    columns = ("day", "model", "user", *COUNTED, "cost_usd")
    first, second = 0.6 + 0.4 * 0.5 + 1, 1.0
    assert world.answers("tokens_and_cost", *columns) == [
        ("", name, "", 2, 2 * million, 400_000, 100_000, pytest.approx(first + second)),
        ("", "free", "", 1, 5, 0, 0, 0.0),
    ]
    assert world.answers("tokens_and_cost", *columns[:3], "cost_usd", by=["day", "user"]) == [
        ("2026-03-10", "", "ann", pytest.approx(first)),
        ("2026-03-11", "", "ann", pytest.approx(second)),
        ("2026-03-10", "", "bob", 0.0),
    ]
    assert world.answers("tokens_and_cost", *columns[:3], "calls", by=[]) == [("", "", "", 3)]


def test_the_price_of_the_day(world: Any, make: Any, engine: Any, price: Any, name: str) -> None:
    """A price holds from its first day (UTC) until the next one's; before it none; a later entry corrects."""
    for since, usd in (("2026-03-10", 1), ("2026-03-12", 1), ("2026-03-12", 3), ("2026-03-11", 9), ("2026-03-11", 2)):
        price(name, since, usd, "NULL", 0)
    engine.database.command(
        "INSERT INTO otel.model_prices (model, valid_from, input_usd, output_usd, inserted_at) "
        f"VALUES ('{name}', '2026-03-12', 8, 0, '2026-01-01 00:00:00')"  # restored from elsewhere, and older
    )
    noon = 43_200
    at = (-noon - 1, -noon, noon - 1, noon, 2 * DAY, 9 * DAY)
    world.happened(*(make(each, "generation", model=name, input=1_000_000) for each in at))
    expected = [
        ("2026-03-19", 3, 0),
        ("2026-03-12", 3, 0),
        ("2026-03-10", 2, 0),
        ("2026-03-11", 2, 0),
        ("2026-03-09", None, 1),
    ]
    found = world.answers("tokens_and_cost", "day", "cost_usd", "calls_without_cost", by=["day"])
    assert sorted(found) == sorted(expected)


def test_unknown_is_not_free(world: Any, make: Any, price: Any, name: str) -> None:
    """A model without a price, or cached tokens without one, have no cost; what is known beside them is summed."""
    price(name, "2026-01-01", 1, "NULL", 0)
    world.happened(
        make(0, "generation", model="nobody-knows", input=7),
        make(0, "generation", model="", input=7),
        make(0, "generation", model=name, input=1_000_000),
        make(0, "generation", model=name, input=1_000_000, cached=1),
    )
    found = world.answers("tokens_and_cost", "model", "cost_usd", "calls_without_cost")
    assert found[0] == (name, 1.0, 1)
    assert sorted(found[1:]) == [("", None, 1), ("nobody-knows", None, 1)]


def test_which_price(world: Any, make: Any, price: Any, name: str) -> None:
    """The model that answered before the one that was asked, a tenant's own, the exact name, the longest beginning."""
    price(f"{name}-*", "2026-01-01", 1, "NULL", 0)
    price(f"{name}-big-*", "2026-01-01", 2, "NULL", 0)
    price(f"{name}-big-1", "2026-01-01", 3, "NULL", 0)
    price(f"{name}-big-1", "2026-01-01", 4, "NULL", 0, tenant=f"{world.tenant}-2")
    price(f"{name}-big-1", "2026-01-01", 9, "NULL", 0, tenant=f"{world.tenant}-3")
    models = {
        name: None,
        f"{name}-small": 1,
        f"{name}-big-2": 2,
        f"{name}-big-1": 3,
        f"{name}-big": 1,
        f"{name}-big-12": 2,
    }
    calls = [make(0, "generation", model=model, input=1_000_000) for model in models]
    world.happened(*calls)
    world.happened(*calls, tenant=f"{world.tenant}-2")
    assert dict(world.answers("tokens_and_cost", "model", "cost_usd")) == models
    own = dict(world.answers("tokens_and_cost", "model", "cost_usd", tenant=f"{world.tenant}-2"))
    assert own == models | {f"{name}-big-1": 4}
    asked = [
        make(9, "generation", "t", model=f"{name}-big-2", answered_by=f"{name}-small", input=1_000_000),
        make(9, "generation", "t", model=f"{name}-big-2", answered_by="an-alias", input=1_000_000),
    ]
    world.happened(*asked, tenant=f"{world.tenant}-4")
    told = dict(world.answers("tokens_and_cost", "model", "cost_usd", tenant=f"{world.tenant}-4"))
    assert told == {f"{name}-small": 1, "an-alias": 2}


def test_providers(world: Any, make: Any, price: Any, name: str) -> None:
    """A provider's price is for its calls and for those that name none."""
    price(name, "2026-01-01", 1, "NULL", 0, provider="a")
    price(name, "2026-01-01", 5, "NULL", 0, provider="b")
    for provider in ("a", "b", "c"):
        world.happened(make(0, "generation", user=provider, provider=provider, model=name, input=1_000_000))
    assert world.answers("tokens_and_cost", "user", "cost_usd", by=["user"]) == [("b", 5.0), ("a", 1.0), ("c", None)]
    price(f"{name}-x", "2026-01-01", 5, "NULL", 0, provider="b")
    world.happened(make(0, "generation", user="none", model=f"{name}-x", input=1_000_000))
    assert ("none", 5.0) in world.answers("tokens_and_cost", "user", "cost_usd", by=["user"])


def test_tokens_count_once(world: Any, make: Any, price: Any, name: str) -> None:
    """Of answers and the calls inside them those with more tokens count; a cost said on either is all there is."""
    price(name, "2026-01-01", 1, "NULL", 0)
    million = 1_000_000
    stories = {
        "the call says it, too": [("assistant_response", million, {}), ("generation", million, {})],
        "two calls in an answer": [("assistant_response", 5, {}), *[("generation", million // 2, {})] * 2],
        "the answer only": [("assistant_response", million, {}), ("generation", 0, {})],
    }
    for session, rows in stories.items():
        world.happened(*(make(0, kind, session, user=session, model=name, input=n, **more) for kind, n, more in rows))
    assert sorted(world.answers("tokens_and_cost", "user", *COUNTED[:2], "cost_usd", by=["user"])) == [
        ("the answer only", 1, million, 1.0),
        ("the call says it, too", 1, million, 1.0),
        ("two calls in an answer", 2, million, 1.0),
    ]
    told = f"{world.tenant}-2"
    rows = (
        make(0, "assistant_response", model=name, input=million, cost=0.25),
        make(0, "generation", model=name, input=million),
    )
    world.happened(*rows, tenant=told)
    assert cost(world, tenant=told) == [(0.25, 0)]


def test_a_provider_that_counts_cached_apart(world: Any, make: Any, price: Any, name: str) -> None:
    """More cached than input tokens: these are not part of those."""
    price(name, "2026-01-01", 1, 0.1, 0)
    world.happened(make(0, "generation", model=name, input=1_000_000, cached=2_000_000))
    assert cost(world) == [(pytest.approx(1.2), 0)]


def test_prices_that_are_known(engine: Any) -> None:
    """Every price of ours holds for everybody, is positive, and a cached token is cheaper than another."""
    known = "FROM otel.model_prices FINAL WHERE tenant = '' AND provider IN ('openai', 'anthropic', 'gcp.gemini')"
    good = "input_usd > 0 AND output_usd > input_usd AND ifNull(cached_input_usd, 0) < input_usd"
    assert engine.ask(f"SELECT count() > 30, countIf(NOT ({good})) {known}") == [(1, 0)]


def test_a_known_model(world: Any, make: Any) -> None:
    """The table that comes with it is used: gpt-4o-mini costs 0.15 and 0.60 USD per million tokens."""
    world.happened(make(0, "generation", model="gpt-4o-mini", provider="openai", input=1_000_000, output=1_000_000))
    assert cost(world) == [(pytest.approx(0.75), 0)]
