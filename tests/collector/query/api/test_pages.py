"""Pages: each row once, in order, whatever is stored meanwhile; and no cursor is taken for what it is not."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from api_world import World
from hypothesis import given
from hypothesis import strategies as st

from collector.query.api import cursors
from collector.query.api.cursors import Place
from collector.query.api.problems import NotAnsweredError


@given(st.integers(1, (1 << 63) - 1), st.text(max_size=60), st.dictionaries(st.text(), st.text() | st.integers(-9, 9)))
def test_a_cursor_is_read_back(nano: int, name: str, asked: dict[str, Any]) -> None:
    """What is written is read, and only for the same question."""
    text = cursors.write(Place(nano, name), asked)
    assert text.isascii()
    assert cursors.read(text, asked) == Place(nano, name)
    with pytest.raises(NotAnsweredError, match="another question"):
        cursors.read(text, {**asked, "more": 1})


@given(st.text(max_size=200) | st.binary(max_size=100).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_what_is_no_cursor(text: str) -> None:
    """Anything else is refused, with the same sentence."""
    if text:
        with pytest.raises(NotAnsweredError, match="no cursor"):
            cursors.read(text, {})


@pytest.mark.parametrize(
    ("path", "rows", "name"),
    [
        ("/api/interactions/log", "interactions", "id"),
        ("/api/sessions", "sessions", "session_id"),
        ("/api/errors", "errors", "id"),
    ],
)
def test_pages_while_more_is_stored(world: World, path: str, rows: str, name: str) -> None:
    """In five pages, and something new after each: what was there at the start comes once, and nothing else."""
    key, ingest = world.keys["all read"], world.keys["acme ingest"]
    before = [each[name] + each["tenant"] for each in world.found(path, key, limit=1000)[rows]]
    found, cursor, number, limit = [], "", 0, len(before) // 5 + 1
    while cursor is not None:
        page = world.found(path, key, limit=limit, cursor=cursor)
        found += [each[name] + each["tenant"] for each in page[rows]]
        cursor, number = page["next"], number + 1
        new = {"session_id": f"new {path} {number}", "interaction_type": "error", "content": {"error": "new"}}
        with world.client(ingest) as client:
            assert client.post("/api/interactions/log", json=new).status_code == 200
        world.collector.wait_until_stored()
    assert found == before
    assert number > 3


def test_offset_and_total(world: World) -> None:
    """`offset` skips, `total` counts what the filters leave."""
    key = world.keys["acme read"]
    whole = world.found("/api/interactions/log", key, session_id="session-ann", limit=100)
    part = world.found("/api/interactions/log", key, session_id="session-ann", limit=2, offset=1)
    assert part["interactions"] == whole["interactions"][1:3]
    assert part["total"] == whole["total"] == 4
    one = world.found("/api/interactions/log", key, session_id="session-ann", interaction_type="error")
    assert [each["interaction_type"] for each in one["interactions"]] == ["error"]
    assert one["total"] == 1
