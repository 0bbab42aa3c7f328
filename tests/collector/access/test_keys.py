"""What a key looks like, what is kept of it, and what it opens."""

from __future__ import annotations

import hashlib

import pytest
from pydantic import ValidationError

from collector.access import keys
from collector.access.keys import Key, Scope

ALL = frozenset(Scope)


def ring(*made: tuple[Key, str]) -> dict[str, Key]:
    """Keep keys by id."""
    return {key.id: key for key, _ in made}


def test_what_is_kept_is_a_hash() -> None:
    """The token begins with oti_, names its id, and has 256 random bits; kept is their SHA-256, and nothing of them."""
    key, token = keys.make("app", "acme", frozenset({Scope.INGEST}))
    prefix, identity, secret = token.split("_")
    assert (prefix, identity, len(bytes.fromhex(secret))) == ("oti", key.id, 32)
    assert key.sha256 == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in key.model_dump_json()
    assert token not in repr(key)


def test_no_two_are_alike() -> None:
    """Ids and secrets are random."""
    tokens = [keys.make("app", "acme", ALL)[1] for _ in range(200)]
    assert len({token.split("_")[2] for token in tokens}) == len({token.split("_")[1] for token in tokens}) == 200


def test_find() -> None:
    """A token finds its key among many."""
    made = [keys.make(str(number), "acme", ALL) for number in range(20)]
    for key, token in made:
        assert keys.find(ring(*made), token) is key


def test_what_is_not_quite_a_key_finds_none() -> None:
    """Another's secret, a changed digit, a cut or longer token, upper case, other text: none."""
    (one, token), (two, other) = keys.make("1", "acme", ALL), keys.make("2", "acme", ALL)
    found = ring((one, token), (two, other))
    swapped = f"oti_{one.id}_{other.split('_')[2]}"
    flipped = token[:-1] + ("0" if token[-1] != "0" else "1")
    unknown = f"oti_{'0' * 8}_{token.split('_')[2]}"
    wrong = [swapped, flipped, unknown, token[:-1], token + "0", token + "\n", " " + token, token.upper()]
    wrong += ["", "oti__", one.id, token.split("_")[2], f"oti_{one.id}_", one.sha256, f"oti_{one.id}_{one.sha256}"]
    wrong += ["é" * 77, token[:-1] + "é", two.id + token]
    for attempt in wrong:
        assert keys.find(found, attempt) is None, attempt
    assert keys.find({}, token) is None


@pytest.mark.parametrize(
    ("scopes", "opened"),
    [
        ({Scope.INGEST}, {Scope.INGEST}),
        ({Scope.READ}, {Scope.READ}),
        ({Scope.INGEST, Scope.READ}, {Scope.INGEST, Scope.READ}),
        ({Scope.ADMIN}, set(Scope)),
    ],
)
def test_scopes(scopes: set[Scope], opened: set[Scope]) -> None:
    """A scope opens itself, admin opens everything."""
    key, _ = keys.make("app", "acme", frozenset(scopes))
    assert {scope for scope in Scope if key.opens(scope)} == opened


@pytest.mark.parametrize("tenant", ["acme", "a", "A.b-c_9", "0", "x" * 64])
def test_tenants(tenant: str) -> None:
    """A tenant is a plain word."""
    assert keys.make("app", tenant, ALL - {Scope.INGEST})[0].tenant == tenant


@pytest.mark.parametrize("tenant", ["", " ", "a b", "a'b", "a\\", "-a", ".a", "**", "a*", "x" * 65, "é", "a\n", "a/b"])
def test_what_is_no_tenant(tenant: str) -> None:
    """What is no plain word is refused: it stands in SQL and in files."""
    with pytest.raises(ValidationError):
        keys.make("app", tenant, ALL)


@pytest.mark.parametrize("name", ["", "x" * 101, "a\nb", "a\x1b[31m"])
def test_what_is_no_name(name: str) -> None:
    """A name is shown in terminals."""
    with pytest.raises(ValidationError):
        keys.make(name, "acme", ALL)


def test_who_writes_has_one_tenant() -> None:
    """A key for all tenants reads; it could not say whose data it writes."""
    assert keys.make("app", "*", frozenset({Scope.READ, Scope.ADMIN}))[0].tenant == "*"
    with pytest.raises(ValidationError, match="belongs to one tenant"):
        keys.make("app", "*", frozenset({Scope.READ, Scope.INGEST}))


@pytest.mark.parametrize("limit", [-1, float("nan"), float("inf")])
def test_what_is_no_limit(limit: float) -> None:
    """A limit is a number from 0 on."""
    with pytest.raises(ValidationError):
        keys.make("app", "acme", ALL, requests_per_second=limit)
