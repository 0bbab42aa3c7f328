"""Who listens hears each new interaction once, and holds nothing when gone."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path

from api_world import World, token
from processes import running

FROM_THE_START = {"last-event-id": "1-"}
QUIET = {"session_id": "session-ann"}  # in which little was said


def say(world: World, user: str, session: str, *texts: str) -> None:
    """Let a user say something."""
    items = [
        {"session_id": session, "user_id": user, "interaction_type": "user_message", "content": {"text": text}}
        for text in texts
    ]
    with world.client(world.keys["acme ingest"]) as client:
        assert client.post("/api/interactions/log", json=items).status_code == 200


def test_each_once(world: World) -> None:
    """In many small requests and one large one, what was said is heard once, by who asked for that session."""
    said = [f"text-{number:04d}" for number in range(700)]
    for text in said[:10]:
        say(world, "dan", "heard", text)
        say(world, "dan", "another", f"not {text}")
    say(world, "dan", "heard", *said[10:])
    heard = world.listen(world.keys["acme read"], since="1-", events=len(said), session_id="heard")
    assert sorted(re.findall(r'"text": "(text-\d+)"', heard)) == said
    assert "not text" not in heard


def test_going_on_where_it_was(world: World) -> None:
    """A browser that comes back with the id of the last event it heard misses nothing."""
    shown = token("eve", "acme")
    say(world, "eve", "s", "first")
    last = re.findall(r"^id: (\S+)", world.listen(shown, since="1-", events=1), re.MULTILINE)[-1]
    say(world, "eve", "s", "second")
    heard = world.listen(shown, since=last, events=1)
    assert '"second"' in heard
    assert '"first"' not in heard


def test_listeners_are_bounded_and_go(world: World) -> None:
    """Twenty may listen; the next one is told to come later, and let in when others have gone."""
    key = world.keys["all read"]
    with contextlib.ExitStack() as stack:
        heard = []  # an iterator that is let go closes its connection
        for _ in range(20):
            client = stack.enter_context(world.client(key))
            reply = stack.enter_context(client.stream("GET", "/api/live", params=QUIET, headers=FROM_THE_START))
            heard.append(reply.iter_bytes())
            assert next(heard[-1])
        refused = world.get("/api/live", key)
        assert (refused.status_code, refused.headers.get("retry-after")) == (503, "5"), refused.text
    deadline = time.monotonic() + 20
    while "event: interaction" not in heard_now(world, key):
        assert time.monotonic() < deadline, "nobody who went away is forgotten"
        time.sleep(0.2)


def heard_now(world: World, key: str) -> str:
    """Return the first of what is heard, or of the refusal."""
    with (
        world.client(key) as client,
        client.stream("GET", "/api/live", params=QUIET, headers=FROM_THE_START) as reply,
    ):
        return next(reply.iter_text())


def test_the_end_of_the_collector(tmp_path: Path) -> None:
    """Somebody who listens keeps no collector from ending as it should."""
    with running(tmp_path / "data") as collector:
        world = World(collector, {})
        with world.client() as client, client.stream("GET", "/api/live") as reply:
            assert reply.status_code == 200
            assert collector.stop() == 0
