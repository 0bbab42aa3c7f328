"""While nothing is recorded: every call does what it would, for the application, and nothing else."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import otel_interactions as oi
from otel_interactions.testing import captured


@pytest.fixture
def off() -> Iterator[None]:
    """Switch recording off."""
    oi.configure(enabled=False)
    yield
    oi.shutdown()


def dropped() -> int:
    """Return how many interactions were not recorded, as it is switched off."""
    return Counter(oi.status().dropped)["disabled"]


MOMENTS: dict[str, Callable[[], oi.Recording]] = {
    "user_message": lambda: oi.user_message("hello"),
    "assistant_response": lambda: oi.assistant_response("hello", model="m"),
    "tool_call": lambda: oi.tool_call("t", arguments={"a": 1}, result=2),
    "failed tool_call": lambda: oi.tool_call("t", error="no"),
    "tool_response": lambda: oi.tool_response("t", 1),
    "audio_input": lambda: oi.audio_input(duration_ms=1.0),
    "audio_output": lambda: oi.audio_output(duration_ms=1.0),
    "error": lambda: oi.error("no"),
    "event": lambda: oi.event("auth"),
    "ui_event": lambda: oi.ui_event("click", "buy"),
    "state_transition": lambda: oi.state_transition("a", "b"),
    "performance_metric": lambda: oi.performance_metric("LCP", 1.0),
    "feedback": lambda: oi.feedback("good"),
}
BLOCKS: dict[str, Callable[[], Any]] = {
    "assistant_response": oi.assistant_response,
    "generation": lambda: oi.generation("q", model="m"),
    "tool_call": lambda: oi.tool_call("t"),
    "agent_run": lambda: oi.agent_run("a"),
    "retrieval": lambda: oi.retrieval("q"),
}


@pytest.mark.parametrize("record", MOMENTS.values(), ids=MOMENTS)
@pytest.mark.usefixtures("off")
def test_what_has_no_duration(record: Callable[[], oi.Recording]) -> None:
    """It is counted, and what is returned takes everything and keeps nothing."""
    before = dropped()
    found = record()
    assert dropped() == before + 1
    found.set_attribute("a", "b")
    found.fail(ValueError())
    found.end()
    with found:
        pass
    assert not found.recorded
    assert (found.trace_id, found.span_id) == ("0" * 32, "0" * 16)
    assert repr(found)


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.usefixtures("off")
def test_blocks(name: str) -> None:
    """They are counted once, are of the type they would be, take everything, and let exceptions pass."""
    before, made = dropped(), BLOCKS[name]()
    with captured():
        kind = type(BLOCKS[name]())
    assert isinstance(made, kind)
    with made as inside:
        assert inside is made
        for method, value in (("result", 1), ("text", "a"), ("append", "a"), ("output", "a"), ("documents", ["a"])):
            if hasattr(made, method):
                getattr(made, method)(value)
        if hasattr(made, "set"):
            made.set(model="m", input_tokens=1)
    assert dropped() == before + 1
    error = ValueError()
    with pytest.raises(ValueError) as raised, BLOCKS[name]():  # noqa: PT011  the very object
        raise error
    assert raised.value is error


@pytest.mark.usefixtures("off")
async def test_async_blocks() -> None:
    """So are async ones."""
    for make in BLOCKS.values():
        async with make() as made:
            await asyncio.sleep(0)
        assert not made.recorded


@pytest.mark.usefixtures("off")
async def test_streams() -> None:
    """The chunks pass unchanged."""

    async def chunks() -> AsyncIterator[str]:
        for each in "abc":
            yield each

    answer: oi.AssistantResponse
    for answer in (oi.assistant_response(), oi.generation()):  # type: ignore[assignment]
        assert list(answer.stream("abc")) == ["a", "b", "c"]
        with answer:
            assert list(answer.stream("abc", text_of=lambda _: str(1 / 0))) == ["a", "b", "c"]
        assert [each async for each in answer.astream(chunks())] == ["a", "b", "c"]


@pytest.mark.usefixtures("off")
async def test_what_was_decorated_before() -> None:
    """Functions decorated while nothing was recorded do what they do, and are recorded once anything is."""

    @oi.tool_call("named")
    def tool(a: int) -> int:
        return a

    @oi.assistant_response
    def answer() -> Iterator[str]:
        yield from "abc"

    @oi.generation(model="m")
    async def ask() -> str:
        return "abc"

    @oi.agent_run("agent")
    def run() -> str:
        return "abc"

    @oi.retrieval(source="s")
    def look(query: str) -> list[str]:
        return [query]

    async def call_all() -> list[object]:
        return [tool(1), "".join(answer()), await ask(), run(), look("q")]

    assert await call_all() == [1, "abc", "abc", "abc", ["q"]]
    with captured() as seen:
        assert await call_all() == [1, "abc", "abc", "abc", ["q"]]
    assert seen.types() == ["tool_call", "assistant_response", "generation", "agent_run", "retrieval"]
    assert seen.one("tool_call").attributes["gen_ai.tool.name"] == "named"


@pytest.mark.usefixtures("off")
def test_ids_the_application_uses() -> None:
    """The id of a call and of a session are there all the same: an application may send them on."""
    call = oi.tool_call("t")
    assert call.call_id
    assert call.call_id == call.call_id
    assert oi.tool_call("t", call_id="c-1").call_id == "c-1"
    with oi.session("s-1") as session:
        assert oi.current_session() is session


@pytest.mark.usefixtures("off")
def test_ways_to_say_the_text() -> None:
    """However one says an answer's text, it can be said again."""
    with oi.assistant_response() as answer:
        answer.text = "hello"
        answer.set(text="hello")
        answer.text("hello")
        answer.append("!")
