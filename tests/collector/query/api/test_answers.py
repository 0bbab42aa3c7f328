"""What was sent in comes out in the same shape; counts, transcripts, errors and questions tell what happened."""

from __future__ import annotations

import time
from typing import Any

import pytest
from api_world import World

SENT: list[dict[str, Any]] = [
    {"interaction_type": "session_start", "content": {"model": "gpt-5", "mode": "voice", "voice": "Aoede"}},
    {"interaction_type": "user_message", "content": {"text": "How do I create a plan?", "length": 23}},
    {
        "interaction_type": "tool_call",
        "content": {"function_name": "get_weather", "arguments": {"city": "Köln"}, "call_id": "call_1"},
    },
    {
        "interaction_type": "tool_response",
        "content": {"function_name": "get_weather", "call_id": "call_1", "result": {"sky": "rain"}},
        "metadata": {"duration_ms": 120},
    },
    {
        "interaction_type": "assistant_response",
        "content": {"text": "Start with two days.", "length": 20},
        "metadata": {"tokens": 6, "finish_reason": "stop", "model": "gpt-5", "response_time_ms": 900, "mood": "calm"},
    },
    {
        "interaction_type": "audio_input",
        "content": {
            "audio_duration_ms": 2300,
            "audio_size_bytes": 73600,
            "audio_url": "https://media.example/1.ogg",
            "transcript": "And on weekends?",
        },
        "metadata": {"mime_type": "audio/ogg"},
    },
    {
        "interaction_type": "error",
        "content": {"error": "boom", "stack": "at x", "component": "Plan", "code": "E42"},
        "metadata": {"critical": True, "user_agent": "Mozilla/5.0"},
    },
    {"interaction_type": "session_end", "content": {"reason": "user_disconnect", "duration": 5000}},
]


@pytest.fixture(scope="module")
def told(world: World) -> list[dict[str, Any]]:
    """Everything of `SENT`, asked for after it was sent, in the order in which it happened."""
    now = int(time.time() * 1000) - 100_000
    items = [
        {
            "session_id": "shapes",
            "user_id": "cleo",
            **each,
            "metadata": {**each.get("metadata", {}), "timestamp": now + 10_000 * i},
        }
        for i, each in enumerate(SENT)
    ]
    with world.client(world.keys["acme ingest"]) as client:
        assert client.post("/api/interactions/log", json=items).status_code == 200
    world.collector.wait_until_stored()
    found = world.found("/api/interactions/log", world.keys["acme read"], session_id="shapes")
    assert found["total"] == len(SENT)
    by_type = {each["interaction_type"]: each for each in found["interactions"]}
    return [by_type[each["interaction_type"]] for each in SENT]


@pytest.mark.parametrize("number", range(len(SENT)))
def test_the_shape_of_the_post(told: list[dict[str, Any]], number: int) -> None:
    """Each field that a client sent stands where it put it."""
    sent, found = SENT[number], told[number]
    assert (found["session_id"], found["user_id"]) == ("shapes", "cleo")
    assert {name: found["content"].get(name) for name in sent["content"]} == sent["content"]
    assert {name: found["metadata"].get(name) for name in sent.get("metadata", {})} == sent.get("metadata", {})
    assert found["timestamp"].endswith("Z")
    assert found["created_at"].endswith("Z")


def test_a_session(world: World, told: list[dict[str, Any]]) -> None:
    """The session's row, transcript and figures tell of the same eight interactions."""
    key = world.keys["acme read"]
    detail = world.found("/api/sessions/shapes", key)
    assert (detail["status"], detail["end_reason"], detail["mode"], detail["interactions"]) == (
        "ended",
        "user_disconnect",
        "voice",
        len(told),
    )
    transcript = world.found("/api/sessions/shapes/transcript", key)["messages"]
    assert detail["transcript"] == transcript
    assert [(each["role"], each["text"] or each["tool_result"]) for each in transcript] == [
        ("user", "How do I create a plan?"),
        ("tool", '{"sky":"rain"}'),
        ("assistant", "Start with two days."),
        ("user", "And on weekends?"),
    ]
    stats = world.found("/api/sessions/shapes/stats", key)
    assert (stats["avg_response_time"], stats["is_active"], stats["conversation_count"]) == (900, False, 1)
    assert stats["total_messages"] == detail["user_messages"] + detail["assistant_responses"]


@pytest.mark.usefixtures("told")
def test_a_users_history(world: World) -> None:
    """Of one user, the newest first, by the team and by that user."""
    found = world.found("/api/users/cleo/history", world.keys["acme read"])
    assert [each["interaction_type"] for each in found["interactions"]] == [e["interaction_type"] for e in SENT][::-1]


@pytest.mark.usefixtures("told")
def test_an_error_is_settled_and_opened_again(world: World) -> None:
    """`resolved` is what was said last, in the list and in the question; the error itself stays."""
    read, admin = world.keys["acme read"], world.keys["acme admin"]
    [error] = world.found("/api/errors", read, session_id="shapes")["errors"]
    assert (error["resolved"], error["content"]["error"]) == (False, "boom")

    def open_errors() -> int:
        question = world.found("/api/analytics/unresolved_errors", read, limit=1000)["rows"]
        asked = sum(each["errors"] for each in question if each["component"] == "Plan")
        assert len(world.found("/api/errors", read, session_id="shapes", resolved="false")["errors"]) == asked
        return int(asked)

    assert open_errors() == 1
    for word, left in ((True, 0), (False, 1), (True, 0)):
        with world.client(admin) as client:
            reply = client.post(f"/api/errors/{error['id']}/resolve", json={"resolved": word, "note": "why"})
        assert reply.status_code == 200, reply.text
        assert (reply.json()["resolved"], reply.json()["said_by"]) == (word, admin.split("_")[1])
        assert open_errors() == left
    [settled] = world.found("/api/errors", read, session_id="shapes", resolved="true")["errors"]
    assert settled == {**error, "resolved": True}


def test_a_question_by_name(world: World) -> None:
    """Every question that can be asked with what is usual is answered; parameters are those that the list tells."""
    key = world.keys["all read"]
    needs = {"funnel": {"steps": "user_message,assistant_response"}, "journey": {"session": "session-ann"}}
    for each in world.found("/api/analytics", key):
        told = world.found(f"/api/analytics/{each['name']}", key, **needs.get(each["name"], {}))
        assert told["question"] == each["name"]
        assert isinstance(told["rows"], list)
    rows = world.found("/api/analytics/funnel", key, **needs["funnel"])["rows"]
    assert [row["step"] for row in rows] == ["user_message", "assistant_response"]


@pytest.mark.parametrize(
    ("path", "parameters", "status", "why"),
    [
        ("/api/analytics/nothing", {}, 404, "no such question"),
        ("/api/analytics/funnel", {}, 422, "steps"),
        ("/api/analytics/overview", {"nonsense": "1"}, 422, "knows no parameter 'nonsense'"),
        ("/api/analytics/top_prompts", {"limit": "-1"}, 422, ""),
        ("/api/analytics/top_prompts", {"limit": "99999999"}, 422, "at most"),
        ("/api/analytics/top_prompts", {"limit": "1; DROP TABLE otel.otel_traces"}, 422, ""),
        ("/api/analytics/overview", {"since": "yesterday"}, 422, "since"),
        ("/api/analytics/overview", {"since": "3000-01-01"}, 422, "between 1970 and 2262"),
        ("/api/analytics/overview", {"days": "-1"}, 422, "days"),
        ("/api/interactions/log", {"limit": "1001"}, 422, "limit"),
        ("/api/interactions/log", {"offset": "9999999"}, 422, "offset"),
        ("/api/interactions/log", {"cursor": "x" * 3000}, 422, "cursor"),
        ("/api/interactions/log", {"session_id": "a\0b"}, 422, "NUL"),
        ("/api/sessions", {"status": "open"}, 422, "status"),
        ("/api/sessions/there is none", {}, 404, "no such session"),
        ("/api/sessions/there is none/transcript", {}, 404, "no such session"),
        ("/api/errors", {"resolved": "perhaps"}, 422, "resolved"),
        ("/api/interactions/stats", {"days": "nan"}, 422, "days"),
    ],
)
def test_bad_input(world: World, path: str, parameters: dict[str, str], status: int, why: str) -> None:
    """What cannot be answered is a problem that says why."""
    reply = world.get(path, world.keys["all read"], **parameters)
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json"), reply.text
    assert why in reply.json()["detail"]


TEXTS = ["' OR 1=1 --", "\\", "\\'", "{x:String}", "a\tb\nc", "%", "😀", "x" * 1000, "\\N", "[1]"]


def item_of(text: str) -> dict[str, Any]:
    """Return what a user of that name did in a session of that name."""
    ids = {"session_id": f"s {text}", "user_id": f"u {text}"[:900]}
    return ids | {"interaction_type": "user_message", "content": {"text": "here"}}


@pytest.fixture(scope="module")
def named(world: World) -> World:
    """The collector, with a session and a user of each of `TEXTS`."""
    with world.client(world.keys["beta ingest"]) as client:
        for text in TEXTS:
            reply = client.post("/api/interactions/log", json=item_of(text))
            assert reply.status_code == 200, reply.text
    world.collector.wait_until_stored()
    return world


@pytest.mark.parametrize("text", TEXTS)
def test_sql_is_a_value(named: World, text: str) -> None:
    """A session and a user of that name are found, and nothing else is."""
    item = item_of(text)
    for name in ("session_id", "user_id"):
        if len(item[name]) <= 1000:  # what a parameter may have
            found = named.found("/api/interactions/log", named.keys["beta read"], **{name: item[name]})
            assert [each["session_id"] for each in found["interactions"]] == [item["session_id"]]


def test_without_a_key(world: World) -> None:
    """Where keys are asked for, every path but the status of health refuses who has none."""
    paths = world.found("/openapi.json")["paths"]
    for path, verbs in paths.items():
        if path.startswith("/api/") and path != "/api/system/health" and "get" in verbs:
            filled = path.replace("{session_id}", "x").replace("{user_id}", "x").replace("{question}", "overview")
            expected = 200 if path == "/api/analytics" else 401
            assert world.get(filled).status_code == expected, path
    assert world.found("/api/system/health") == {"status": "healthy"}
    assert "queue_depth" in world.found("/api/system/health", world.keys["acme read"])
