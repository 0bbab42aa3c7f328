"""Functions wrapped round a scope: everything Python lets one do with them still works."""
# ruff: noqa: ANN202  functions written as users write them

import asyncio
import contextvars
import functools

import pytest
from opentelemetry.context import get_current, set_value

import otel_interactions as oi
from otel_interactions.decorators import Active


def test_send_throw_and_return_value_pass(seen):
    """A decorated generator still takes send() and throw() and keeps its return value."""

    @oi.tool_call
    def conversation():
        heard = yield "hello"
        try:
            yield f"you said {heard}"
        except LookupError:
            yield "caught"
        return "bye"

    def outer():
        return (yield from conversation())

    talk = outer()
    with oi.session():
        assert next(talk) == "hello"
        assert talk.send("x") == "you said x"
        assert talk.throw(LookupError()) == "caught"
        with pytest.raises(StopIteration) as stop:
            next(talk)
    assert stop.value.value == "bye"
    assert seen.one("tool_call").attributes["gen_ai.tool.call.result"] == "bye"
    assert not seen.one("tool_call").failed


async def test_asend_and_athrow_pass(seen):
    """A decorated async generator still takes asend() and athrow()."""

    @oi.tool_call
    async def conversation():
        heard = yield "hello"
        try:
            yield f"you said {heard}"
        except LookupError:
            yield "caught"

    talk = conversation()
    with oi.session():
        assert await anext(talk) == "hello"
        assert await talk.asend("x") == "you said x"
        assert await talk.athrow(LookupError()) == "caught"
        with pytest.raises(StopAsyncIteration):
            await anext(talk)
    assert seen.one("tool_call").attributes["gen_ai.tool.call.result"] == '["hello","you said x","caught"]'


def test_a_thrown_exception_that_is_not_caught_is_recorded(seen):
    """An exception thrown into a generator that lets it pass is recorded and comes out as the same object."""

    @oi.tool_call
    def numbers():
        yield 1

    stream, problem = numbers(), RuntimeError("from outside")
    with oi.session():
        next(stream)
        with pytest.raises(RuntimeError) as caught:
            stream.throw(problem)
    assert caught.value is problem
    assert seen.one("tool_call").attributes["exception.message"] == "from outside"


def test_partials_are_seen_through(seen):
    """A partial of a generator function is a generator function to the decorator."""

    def numbers(start, stop):
        yield from range(start, stop)

    with oi.session():
        assert list(oi.tool_call("numbers")(functools.partial(numbers, 1))(3)) == [1, 2]
    assert seen.one("tool_call").attributes["gen_ai.tool.call.arguments"] == '{"stop":3}'


async def test_consumers_in_turn_from_several_tasks(seen, lines):
    """An async generator advanced by one task and closed by another keeps every task's own context."""

    @oi.session(id="inner")
    async def numbers():
        yield 1
        yield 2

    stream = numbers()

    async def advance():
        value = await anext(stream)
        assert oi.current_session() is None
        return value

    assert await asyncio.create_task(advance()) == 1
    assert await asyncio.create_task(advance()) == 2
    await asyncio.create_task(stream.aclose())
    assert seen.types() == ["session_start", "session_end"]
    assert lines() == []


def test_left_in_another_context(lines):
    """A scope entered in one context and left in another does no harm and logs nothing."""
    active = Active(set_value("key", "value"))
    contextvars.copy_context().run(active.__enter__)
    active.__exit__(None, None, None)
    assert get_current().get("key") is None
    assert lines() == []


async def test_coroutines_run_concurrently_without_mixing(seen):
    """Fifty calls of one decorated coroutine at once: each has its own arguments and its own result."""

    @oi.tool_call
    async def double(x):
        await asyncio.sleep(0)
        oi.event("api", str(x))
        await asyncio.sleep(0)
        return 2 * x

    with oi.session():
        assert await asyncio.gather(*(double(x) for x in range(50))) == [2 * x for x in range(50)]
    calls = {i.span_id: i for i in seen.of_type("tool_call")}
    for event in seen.of_type("event"):
        x = event.attributes["interaction.message"]
        assert calls[event.parent_id].attributes["gen_ai.tool.call.arguments"] == f'{{"x":{x}}}'
        assert calls[event.parent_id].attributes["gen_ai.tool.call.result"] == str(2 * int(x))
