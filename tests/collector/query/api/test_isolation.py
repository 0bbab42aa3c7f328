"""Nobody sees what is not theirs, whatever they ask."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Final, get_args

import pytest
from api_world import TENANTS, USERS, World, mark, token

from collector.query.kinds import What

WAYS: Final = {
    "session_id": ["session-ann", *(f"other-{mark(t, u)}" for t, u in zip(TENANTS, USERS, strict=True))],
    "user_id": USERS,
    "erasure_id": [f"{number:020d}-0a1b2c3d" for number in range(2)],  # whose those are: test_erasures
}
MARKS: Final = {(tenant, user): mark(tenant, user) for tenant in TENANTS for user in USERS}
ENDLESS: Final = {"/api/live"}
ONE_OF_EACH_KIND: Final = {"user ann of acme", "read key of acme", "key of all"}
NARROWED: Final = {"session_id", "user_id", "tenant"}


def identities(world: World) -> dict[str, tuple[str, set[str]]]:
    """Return each who may read, and the marks of what they may see."""
    found = {f"user {user} of {tenant}": (token(user, tenant), {told}) for (tenant, user), told in MARKS.items()}
    for tenant, scope in zip(TENANTS, ("read", "admin"), strict=True):
        own = {told for (of, _), told in MARKS.items() if of == tenant}
        found[f"{scope} key of {tenant}"] = world.keys[f"{tenant} {scope}"], own
    return found | {"key of all": (world.keys["all read"], set(MARKS.values()))}


def requests(world: World) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield every way to ask that the OpenAPI document knows: each path, about each thing that it may be about."""
    paths = world.found("/openapi.json")["paths"]
    asked = [path for path, verbs in paths.items() if path.startswith("/api/") and "get" in verbs]
    assert len(asked) > 10
    for path in set(asked) - ENDLESS:
        about = [name for name in WAYS if f"{{{name}}}" in path]
        if "{question}" in path:
            for name in [each["name"] for each in world.found("/api/analytics", world.keys["all read"])]:
                more = {"session": "session-ann"} if name == "journey" else {"steps": "a,b"} if name == "funnel" else {}
                yield path, path.replace("{question}", name), more
            continue
        if path == "/api/export":
            yield from _exports(path)
            continue
        names = [each["name"] for each in paths[path]["get"].get("parameters", []) if each["in"] == "query"]
        for chosen in itertools.product(*(WAYS[name] for name in about)):
            filled = path.format(**dict(zip(about, chosen, strict=True)))
            yield path, filled, {}
            yield from (
                (path, filled, {name: value})
                for name in ("session_id", "user_id")
                if name in names
                for value in WAYS[name]
            )
            yield from ((path, filled, {"tenant": tenant}) for tenant in TENANTS if "tenant" in names)


def _exports(path: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for what in get_args(What):
        asked = {"what": what, "format": "jsonl"}
        yield path, path, asked
        yield path, path, asked | {"tenant": "beta"}


def test_every_route(world: World) -> None:
    """Every path, asked by everybody about everything, tells each only what is theirs, and tells each all of that.

    Where a parameter narrows it, one of each kind asks: a user, a key of one tenant, a key of all.
    """
    everybody = identities(world)
    seen: dict[str, set[str]] = {name: set() for name in everybody}
    walked = set()
    for path, filled, parameters in requests(world):
        for name in ONE_OF_EACH_KIND if parameters.keys() & NARROWED else everybody:
            shown, own = everybody[name]
            reply = world.get(filled, shown, **parameters)
            assert reply.status_code in {200, 403, 404}, (name, filled, parameters, reply.text)
            told = {each for each in MARKS.values() if each in reply.text}
            asked = {each for each in MARKS.values() if each in filled or each in str(parameters)}
            assert told - asked <= own, f"{name} sees {told - own} at {filled} {parameters}"
            if reply.status_code == 200:
                assert told <= own, f"{name} sees {told - own} at {filled} {parameters}"
                walked.add(path)
            seen[name] |= told
    assert {name: own for name, (_, own) in everybody.items()} == seen
    assert len(walked) > 10


@pytest.mark.parametrize("path", ["/api/interactions/log", "/api/sessions", "/api/errors", "/api/interactions/stats"])
def test_numbers_are_ones_own(world: World, path: str) -> None:
    """Counts too: a user has two sessions of four interactions each, a tenant twice that, all four times."""
    counts = {}
    for name, shown in {
        "user": token("ann", "acme"),
        "tenant": world.keys["acme read"],
        "all": world.keys["all read"],
    }.items():
        told = world.found(path, shown, **({"limit": 100} if "stats" not in path else {}))
        rows = told.get("total_interactions") or len(next(iter(told.values())))
        counts[name] = rows
    own = {"log": 8, "sessions": 2, "errors": 2, "stats": 8}[path.rpartition("/")[2]]
    assert counts == {"user": own, "tenant": 2 * own, "all": 4 * own}


def test_stats_of_sessions(world: World) -> None:
    """Both tenants have a session of that id; each key tells of its own, and a user of another name sees neither."""
    for tenant in TENANTS:
        told = world.found("/api/sessions/session-ann", world.keys[f"{tenant} read"])
        assert (told["tenant"], told["user_id"], told["interactions"]) == (tenant, "ann", 4)
        assert mark(tenant, "ann") in str(told["transcript"])
    assert world.get("/api/sessions/session-ann", token("bob", "acme")).status_code == 404


def test_changes_need_admin(world: World) -> None:
    """An error is settled by who may change something, and only one of theirs."""
    [error, *_] = world.found("/api/errors", world.keys["acme read"], session_id="session-ann")["errors"]
    path = f"/api/errors/{error['id']}/resolve"
    wrong = {
        "": 401,
        world.keys["acme read"]: 403,
        world.keys["acme ingest"]: 403,
        world.keys["beta admin"]: 404,
        token("ann", "acme"): 403,
    }
    for shown, status in wrong.items():
        with world.client(shown) as client:
            assert client.post(path).status_code == status
    assert not world.found("/api/errors", world.keys["acme read"], session_id="session-ann")["errors"][0]["resolved"]


def test_erasures(world: World) -> None:
    """Who was forgotten is known to a tenant's admin, and to nobody of another tenant."""
    asked = {}
    for tenant in TENANTS:
        with world.client(world.keys[f"{tenant} admin"]) as client:
            asked[tenant] = client.delete(f"/api/users/nobody-of-{tenant}").raise_for_status().json()["id"]
    for tenant, other in (TENANTS, TENANTS[::-1]):
        admin = world.keys[f"{tenant} admin"]
        assert [each["id"] for each in world.found("/api/erasures", admin)["erasures"]] == [asked[tenant]]
        assert world.get(f"/api/erasures/{asked[tenant]}", admin).status_code == 200
        assert world.get(f"/api/erasures/{asked[other]}", admin).status_code == 404
        for shown in (token("ann", tenant), world.keys[f"{tenant} read"], world.keys[f"{tenant} ingest"]):
            assert world.get(f"/api/erasures/{asked[tenant]}", shown).status_code == 403
            assert world.get("/api/erasures", shown).status_code == 403
            with world.client(shown) as client:
                assert client.delete("/api/users/ann").status_code == 403
                assert client.post("/api/erasures", json={"user_id": "ann"}).status_code == 403


def test_live(world: World) -> None:
    """Who listens hears what is theirs."""
    for name, (shown, own) in identities(world).items():
        heard = world.listen(shown, since="1-", events=len(own) * 8)
        told = {each for each in MARKS.values() if each in heard}
        assert told == own, name
