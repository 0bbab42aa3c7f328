"""Not run: mypy checks that the public surface keeps its users' types (see test_typing.py)."""

from collections.abc import AsyncGenerator, Generator
from typing import assert_type

import otel_interactions as oi


@oi.tool_call
def weather(city: str, *, days: int = 1) -> dict[str, int]:
    """A tool."""
    return {city: days}


@oi.tool_call(name="search")
async def search(query: str) -> list[str]:
    """A tool under another name."""
    return [query]


@oi.tool_call("count")
def count(text: str) -> int:
    """A tool under another name, in short."""
    return len(text)


@oi.assistant_response(model="gpt-5")
def answer(question: str) -> Generator[str, None, None]:
    """An answer."""
    yield question


@oi.session(id=lambda room: room)
async def talk(room: str) -> None:
    """A session for each call."""
    assert_type(await search(room), list[str])


@oi.assistant_response
def reply(question: str) -> str:
    """An answer, in short."""
    return question


@oi.generation
async def ask(question: str) -> str:
    """A call of a model, in short."""
    return question


@oi.retrieval
def look_up(query: str, limit: int = 3) -> list[str]:
    """A look into a store, in short."""
    return [query] * limit


@oi.user_message
async def heard(text: str, *, room: str = "") -> int:
    """What a user wrote."""
    return len(text + room)


@oi.performance_metric("lookup")
def lookup(key: str) -> int:
    """A function that is measured."""
    return len(key)


async def hear() -> None:
    """What is decorated keeps its type."""
    assert_type(await heard("a", room="b"), int)
    await heard(1)  # type: ignore[arg-type]


assert_type(lookup("a"), int)
assert_type(reply("a"), str)
assert_type(look_up("a", limit=2), list[str])
look_up(1)  # type: ignore[arg-type]
assert_type(weather("Paris", days=2), dict[str, int])
assert_type(count("a"), int)
assert_type(answer("a"), Generator[str, None, None])
weather(7)  # type: ignore[arg-type]
weather("Paris", weeks=2)  # type: ignore[call-arg]

with oi.session(user_id="u") as s:
    assert_type(s, oi.Session)
    assert_type(s.trace_id, str)
    assert_type(oi.user_message("Hello"), oi.Recording)
    with oi.assistant_response() as response:
        assert_type(response, oi.AssistantResponse)
        for number in response.stream([1, 2]):
            assert_type(number, int)
    with oi.tool_call("weather", arguments={"city": "Paris"}) as call:
        assert_type(call, oi.ToolCall)


async def stream(chunks: AsyncGenerator[bytes, None]) -> None:
    """An async stream keeps the type of its chunks."""
    async with oi.session() as inner, oi.assistant_response() as response:
        assert_type(inner, oi.Session)
        async for chunk in response.astream(chunks, text_of=lambda chunk: chunk.decode()):
            assert_type(chunk, bytes)


assert_type(oi.flush(), oi.Flushed)
assert_type(oi.flush().accepted, int)
assert_type(oi.status(), oi.Status)
assert_type(oi.current_session(), oi.Session | None)
oi.event("payment", severity="warn")
