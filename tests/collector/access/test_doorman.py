"""Who comes in, and what the others are told."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from collector.access.doorman import Doorman, presented
from collector.access.keys import Scope
from collector.errors import Forbidden, Unauthenticated
from collector.request import Sender
from collector.telemetry import Counters


@pytest.fixture
def counters() -> Counters:
    """Counts of their own."""
    return Counters()


@pytest.fixture
def local(kept: Any, counters: Counters) -> Doorman:
    """On loopback."""
    return Doorman(kept.ring, counters, local=True)


@pytest.fixture
def public(kept: Any, counters: Counters) -> Doorman:
    """Where others can call."""
    return Doorman(kept.ring, counters, local=False)


def test_without_keys_on_loopback_everybody_comes_in(local: Doorman) -> None:
    """Nobody is asked, the tenant is `default`; a key that is sent all the same changes nothing."""
    for token in ("", "oti_00000000_" + "0" * 64, "x"):
        assert local.admit(token, Scope.ADMIN, "10.0.0.1") == Sender(tenant="default", key="", peer="10.0.0.1")
    assert not local.asks()


def test_without_keys_elsewhere_nobody_comes_in(public: Doorman) -> None:
    """An address others reach never opens, also when its last key is gone."""
    assert public.asks()
    for token in ("", "oti_00000000_" + "0" * 64):
        with pytest.raises(Unauthenticated):
            public.admit(token, Scope.INGEST)


def test_the_last_key_gone(kept: Any, clock: Any, local: Doorman, public: Doorman) -> None:
    """Once there is a key it is asked for everywhere; without one again, only loopback opens."""
    from collector.access import keyfile  # noqa: PLC0415 - only here

    key, token = kept.add()
    clock.now += 1.0
    for doorman in (local, public):
        assert doorman.admit(token, Scope.INGEST).tenant == "acme"
        with pytest.raises(Unauthenticated):
            doorman.admit("", Scope.INGEST)
    keyfile.revoke(kept.path, key.id)
    clock.now += 1.0
    assert local.admit("", Scope.INGEST).tenant == "default"
    with pytest.raises(Unauthenticated):
        public.admit(token, Scope.INGEST)


def test_the_key_says_who_it_is(kept: Any, clock: Any, local: Doorman) -> None:
    """Tenant and id come from the key."""
    key, token = kept.add(Scope.INGEST, tenant="beta")
    clock.now += 1.0
    assert local.admit(token, Scope.INGEST, "::1") == Sender(tenant="beta", key=key.id, peer="::1")


@pytest.mark.parametrize("needed", list(Scope))
@pytest.mark.parametrize("given", list(Scope))
def test_scopes(kept: Any, clock: Any, local: Doorman, given: Scope, needed: Scope) -> None:
    """A scope opens itself, admin all; the others are told what they have and what it takes."""
    _, token = kept.add(given)
    clock.now += 1.0
    assert local.knows(token, needed) == (given in {needed, Scope.ADMIN})
    if given in {needed, Scope.ADMIN}:
        assert local.admit(token, needed).tenant == "acme"
    else:
        with pytest.raises(Forbidden, match=f"has the scope {given}, this needs {needed}"):
            local.admit(token, needed)


def test_a_key_for_all_tenants_cannot_write(kept: Any, clock: Any, local: Doorman) -> None:
    """Whose data would it be?"""
    _, token = kept.add(Scope.ADMIN, tenant="*")
    clock.now += 1.0
    assert local.admit(token, Scope.READ).tenant == "*"
    with pytest.raises(Forbidden, match="all tenants"):
        local.admit(token, Scope.INGEST)


def test_a_wrong_id_and_a_wrong_secret_are_the_same(kept: Any, clock: Any, local: Doorman) -> None:
    """What is said does not tell which part was wrong, nor any of it."""
    key, token = kept.add()
    clock.now += 1.0
    said = set()
    for wrong in (f"oti_{key.id}_{'0' * 64}", token.replace(key.id, "0" * 8), "nonsense", token[:-1]):
        with pytest.raises(Unauthenticated) as refusal:
            local.admit(wrong, Scope.INGEST)
        said.add(str(refusal.value))
        assert wrong not in str(refusal.value)
    assert len(said) == 1
    with pytest.raises(Unauthenticated, match="Bearer"):
        local.admit("", Scope.INGEST)


def test_attempts_are_counted_and_do_not_fill_the_log(
    kept: Any, clock: Any, local: Doorman, counters: Counters, caplog: pytest.LogCaptureFixture
) -> None:
    """A thousand attempts are a thousand in the counters and one line a minute; looking at health is no attempt."""
    _, token = kept.add(Scope.INGEST)
    clock.now += 1.0
    with caplog.at_level(logging.WARNING):
        for _ in range(1000):
            with pytest.raises(Unauthenticated):
                local.admit("oti_secret", Scope.INGEST, "10.0.0.9")
        with pytest.raises(Forbidden):
            local.admit(token, Scope.READ)
        local.knows("", Scope.READ)
        clock.now += 60
        with pytest.raises(Unauthenticated):
            local.admit("", Scope.INGEST, "10.0.0.9")
    assert {series.reason: total for series, total in counters.totals().items()} == {
        "unauthenticated": 1001,
        "forbidden": 1,
    }
    assert len(caplog.records) == 2
    assert caplog.records[1].getMessage().startswith("1001 requests refused for their key, the last from 10.0.0.9")
    assert "oti_secret" not in caplog.text


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"authorization": "Bearer k"}, "k"),
        ({"authorization": "bearer  k "}, "k"),
        ({"authorization": "BEARER k"}, "k"),
        ({"x-api-key": "k"}, "k"),
        ({"authorization": "Basic eDp5", "x-api-key": "k"}, "k"),
        ({"authorization": "Bearer k", "x-api-key": "other"}, "k"),
        ({"authorization": "Bearer"}, ""),
        ({"authorization": "k"}, ""),
        ({"authorization": "Basic eDpr"}, ""),
        ({}, ""),
    ],
)
def test_where_a_key_stands(headers: dict[str, str], found: str) -> None:
    """In `Authorization: Bearer`, else in `x-api-key`."""
    assert presented(headers) == found
