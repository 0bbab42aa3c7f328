"""Calls of a model, runs of an agent, retrievals, feedback."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import otel_interactions as oi
from otel_interactions.testing import Captured, captured

CONVERSATION = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "What is the weather?"}, {"type": "image_url", "url": "x"}]},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": 1}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
    {"role": "user", "parts": [{"type": "text", "content": "as OpenTelemetry has it"}]},
]
IN_PARTS = [
    {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
    {
        "role": "user",
        "parts": [{"type": "text", "content": "What is the weather?"}, {"type": "image_url", "url": "x"}],
    },
    {
        "role": "assistant",
        "parts": [{"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": 1}}],
    },
    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": "rain"}]},
    {"role": "user", "parts": [{"type": "text", "content": "as OpenTelemetry has it"}]},
]


def of(attributes: Any, name: str) -> Any:
    """Return an attribute that is JSON."""
    return json.loads(attributes[name])


def test_a_generation(seen: Captured) -> None:
    """A call of a model has what it was given, what it said, and what that cost, in the GenAI conventions."""
    with oi.session(), oi.generation(CONVERSATION, model="gpt-5", provider="openai", instructions="Be kind.") as call:
        call.text("It rains.")
        call.set(
            response_model="gpt-5-2026",
            input_tokens=9,
            output_tokens=3,
            cached_tokens=5,
            reasoning_tokens=1,
            finish_reason="stop",
            cost_usd=0.01,
        )
    (found,) = seen.of_type("generation")
    assert found.name == "generation gpt-5"
    assert of(found.attributes, "gen_ai.input.messages") == IN_PARTS
    assert of(found.attributes, "gen_ai.system_instructions") == [{"type": "text", "content": "Be kind."}]
    said = {"role": "assistant", "parts": [{"type": "text", "content": "It rains."}], "finish_reason": "stop"}
    assert of(found.attributes, "gen_ai.output.messages") == [said]
    wanted = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.response.model": "gpt-5-2026",
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 5,
        "gen_ai.usage.reasoning.output_tokens": 1,
        "interaction.cost_usd": 0.01,
    }
    assert {name: found.attributes[name] for name in wanted} == wanted


def test_a_generation_that_calls_tools(seen: Captured) -> None:
    """What the model wants called is part of what it said, with text or without."""
    for text in ("", "Let me see."):
        with oi.session(), oi.generation("What is the weather?", model="m") as call:
            call.text(text)
            call.set(tool_calls=CONVERSATION[2]["tool_calls"])  # type: ignore[arg-type]
    for found, parts in zip(
        seen.of_type("generation"), ([], [{"type": "text", "content": "Let me see."}]), strict=True
    ):
        (said,) = of(found.attributes, "gen_ai.output.messages")
        assert said == {"role": "assistant", "parts": [*parts, *IN_PARTS[2]["parts"]], "finish_reason": "tool_call"}


def test_a_generation_streams_and_decorates(seen: Captured) -> None:
    """Streams are timed and collected; decorated functions of every kind keep their kind."""

    @oi.generation(model="m")
    def plain() -> str:
        return "plain"

    @oi.generation(model="m")
    def streamed() -> Iterator[str]:
        yield "str"
        yield "eamed"

    @oi.generation(model="m")
    async def awaited() -> str:
        return "awaited"

    @oi.generation(model="m")
    async def both() -> AsyncIterator[str]:
        yield "both"

    async def run() -> None:
        assert await awaited() == "awaited"
        assert [part async for part in both()] == ["both"]

    assert inspect.iscoroutinefunction(awaited)
    assert inspect.isasyncgenfunction(both)
    with oi.session():
        assert plain() == "plain"
        assert list(streamed()) == ["str", "eamed"]
        asyncio.run(run())
        call = oi.generation(model="m")
        assert list(call.stream(["a", "b"])) == ["a", "b"]
    assert [each.text for each in seen.of_type("generation")] == ["plain", "streamed", "awaited", "both", "ab"]
    assert "gen_ai.response.time_to_first_chunk" in seen.of_type("generation")[1].attributes


def test_an_agent_with_what_it_does(seen: Captured) -> None:
    """What an agent calls is below its run; its failure is recorded and goes on unchanged."""

    @oi.agent_run
    def planner(_goal: str) -> dict[str, int]:
        with oi.generation("plan", model="m") as call:
            call.text("two steps")
        return {"steps": 2}

    @oi.agent_run("critic", input="Is it good?")
    def failing() -> None:
        raise LookupError("no")

    with oi.session():
        assert planner("x") == {"steps": 2}
        with pytest.raises(LookupError):
            failing()
        with oi.agent_run("writer", input="Write.") as run:
            run.output("Written.")
    first, second, third = seen.of_type("agent_run")
    assert seen.of_type("generation")[0].parent_id == first.span_id
    assert first.attributes["gen_ai.agent.name"] == "planner"
    assert of(first.attributes, "gen_ai.output.messages")[0]["parts"][0]["content"] == '{"steps":2}'
    assert (second.failed, second.attributes["error.type"]) == (True, "LookupError")
    assert of(third.attributes, "gen_ai.input.messages")[0]["parts"][0]["content"] == "Write."
    assert of(third.attributes, "gen_ai.output.messages")[0]["parts"][0]["content"] == "Written."


def test_a_retrieval(seen: Captured) -> None:
    """A retrieval has its query, its source and its documents; a decorated function gives both."""

    @oi.retrieval(source="manuals")
    def search(_limit: int, query: str) -> list[dict[str, Any]]:
        return [{"id": query, "score": 0.9, "content": "text"}]

    with oi.session():
        assert search(3, query="umbrella")[0]["id"] == "umbrella"
        with oi.retrieval("rain", source="web") as found:
            found.documents(["one", {"id": 2}])
    first, second = seen.of_type("retrieval")
    assert first.attributes["gen_ai.retrieval.query.text"] == "umbrella"
    assert first.attributes["gen_ai.data_source.id"] == "manuals"
    assert of(first.attributes, "gen_ai.retrieval.documents") == [{"id": "umbrella", "score": 0.9, "content": "text"}]
    assert of(second.attributes, "gen_ai.retrieval.documents") == [{"content": "one"}, {"id": 2}]
    assert second.attributes["interaction.retrieval.documents"] == 2


@pytest.mark.parametrize(
    ("score", "value", "label"), [(True, 1.0, "up"), (False, 0.0, "down"), (4, 4.0, None), ("great", None, "great")]
)
def test_feedback(seen: Captured, score: Any, value: float | None, label: str | None) -> None:
    """Thumbs, numbers and words, with what they are about."""
    with oi.session():
        answer = oi.assistant_response("Take one.")
        oi.feedback(score, comment="thanks", of=answer)
    (found,) = seen.of_type("feedback")
    assert found.attributes.get("gen_ai.evaluation.score.value") == value
    assert found.attributes.get("gen_ai.evaluation.score.label") == label
    assert found.attributes["gen_ai.evaluation.name"] == "user_feedback"
    assert found.attributes["gen_ai.evaluation.explanation"] == "thanks"
    assert found.attributes["interaction.feedback.span_id"] == answer.span_id


def test_without_content() -> None:
    """Where content is not captured none of it is there, in whatever field."""
    with captured(capture_content=False) as seen, oi.session():
        with oi.generation("secret", model="m", instructions="secret") as call:
            call.text("secret")
            call.set(tool_calls=[{"name": "t", "arguments": "secret"}])
        with oi.agent_run("a", input="secret") as run:
            run.output("secret")
        with oi.retrieval("secret") as found:
            found.documents([{"id": 1, "score": 2, "content": "secret"}, "secret"])
        oi.feedback(1, comment="secret")
    for each in seen.interactions:
        assert "secret" not in str(each.attributes)
    assert of(seen.of_type("retrieval")[0].attributes, "gen_ai.retrieval.documents") == [{"id": 1, "score": 2}, {}]
    assert seen.of_type("feedback")[0].attributes["interaction.text.length"] == 6


class Hostile:
    """What no API takes."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


@pytest.mark.parametrize(
    "messages",
    [
        [Hostile()],
        [{"role": Hostile(), "content": Hostile()}],
        [{"tool_calls": [{"function": {"name": None, "arguments": "{broken"}}]}],
        [None, 1, "text", b"bytes", {}, {"role": "user", "content": [None, Hostile()]}],
        {"role": "user", "content": "alone"},
        Hostile(),
        [],
    ],
    ids=range(7),
)
def test_messages_of_no_known_form(seen: Captured, messages: Any) -> None:
    """Whatever is given is recorded as well as possible; nothing raises, and it stays JSON."""
    with oi.session(), oi.generation(messages, model="m") as call:
        call.text("answer")
    (found,) = seen.of_type("generation")
    of(found.attributes, "gen_ai.input.messages")
    assert found.text == "answer"


def test_a_long_conversation_keeps_its_end(seen: Captured) -> None:
    """Of a conversation that is too long the newest messages are kept, whole."""
    messages = [{"role": "user", "content": f"{number} " + "x" * 500_000} for number in range(20)]
    with oi.session(), oi.generation(messages, model="m"):
        pass
    kept = of(seen.of_type("generation")[0].attributes, "gen_ai.input.messages")
    assert [each["parts"][0]["content"].split()[0] for each in kept] == [str(number) for number in range(12, 20)]
