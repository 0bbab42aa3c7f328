"""Tool calls: by decorator, by hand, and responses that arrive apart."""
# ruff: noqa: ANN202, ANN204, ANN205, ANN206, ARG001  functions written as users write them

import asyncio
import inspect
import json
from dataclasses import dataclass

import pytest

import otel_interactions as oi
from otel_interactions.testing import captured

ARGUMENTS = "gen_ai.tool.call.arguments"
RESULT = "gen_ai.tool.call.result"


def test_decorated_once_gives_call_and_response(seen):
    """One decorated call is one span with name, arguments by name, result, id and time."""

    @oi.tool_call
    def weather(city: str, *days: int, unit: str = "C", **more: object) -> dict:
        return {"city": city}

    with oi.session():
        assert weather("Paris", 1, 2, lang="fr") == {"city": "Paris"}
    call = seen.one("tool_call")
    assert call.name == "tool_call weather"
    assert call.attributes["gen_ai.operation.name"] == "execute_tool"
    assert call.attributes["gen_ai.tool.name"] == "weather"
    assert call.attributes["gen_ai.tool.call.id"] == "call-1"
    assert json.loads(call.attributes[ARGUMENTS]) == {"city": "Paris", "days": [1, 2], "lang": "fr"}
    assert call.attributes[RESULT] == '{"city":"Paris"}'
    assert call.end_ns > call.start_ns


async def test_functions_of_every_kind(seen):
    """Sync, async, generator and async-generator tools are recorded; what generators yield is their result."""

    @oi.tool_call(name="one")
    def plain(x):
        return x

    @oi.tool_call("two")
    async def coroutine(x):
        await asyncio.sleep(0)
        return x

    @oi.tool_call()
    def three(x):
        yield x
        yield x + 1

    @oi.tool_call
    async def four(x):
        yield x

    async with oi.session():
        assert plain(1) == 1
        assert await coroutine(2) == 2
        assert list(three(3)) == [3, 4]
        assert [item async for item in four(5)] == [5]
    calls = {i.attributes["gen_ai.tool.name"]: i.attributes[RESULT] for i in seen.of_type("tool_call")}
    assert calls == {"one": "1", "two": "2", "three": "[3,4]", "four": "[5]"}


def test_kind_signature_and_name_stay():
    """A decorated function is for everybody else the function it was."""

    @oi.tool_call
    async def tool(a: int, *, b: str = "x") -> None:
        """Do it."""

    @oi.tool_call
    async def stream(a: int):
        yield a

    @oi.tool_call
    def numbers():
        yield 1

    assert inspect.iscoroutinefunction(tool)
    assert inspect.isasyncgenfunction(stream)
    assert inspect.isgeneratorfunction(numbers)
    assert str(inspect.signature(tool)) == "(a: int, *, b: str = 'x') -> None"
    assert (tool.__name__, tool.__doc__) == ("tool", "Do it.")


def test_methods_leave_self_out(seen):
    """The arguments of a method are those the model gave: not `self`."""

    class Tools:
        @oi.tool_call
        def search(self, query):
            return query

        @classmethod
        @oi.tool_call
        def count(cls, query):
            return len(query)

        @staticmethod
        @oi.tool_call
        def upper(query):
            return query.upper()

    with oi.session():
        assert Tools().search("a") == "a"
        assert Tools.count("a") == 1
        assert Tools.upper("a") == "A"
    assert [i.attributes[ARGUMENTS] for i in seen.of_type("tool_call")] == ['{"query":"a"}'] * 3


def test_an_error_is_recorded_and_is_the_same(seen):
    """The exception of a tool passes unchanged; the call has its type, message and stack, and no result."""
    problem = LookupError("no such city")

    @oi.tool_call
    def weather(city):
        raise problem

    with oi.session(), pytest.raises(LookupError) as caught:
        weather("Atlantis")
    assert caught.value is problem
    call = seen.one("tool_call")
    assert call.failed
    assert call.attributes["error.type"] == "LookupError"
    assert call.attributes["exception.message"] == "no such city"
    assert "raise problem" in call.attributes["exception.stacktrace"]
    assert RESULT not in call.attributes
    assert json.loads(call.attributes[ARGUMENTS]) == {"city": "Atlantis"}


async def test_an_error_in_a_coroutine_is_recorded_and_is_the_same(seen):
    """The exception of an async tool passes unchanged and is recorded."""
    problem = LookupError("no such city")

    @oi.tool_call
    async def weather(city):
        await asyncio.sleep(0)
        raise problem

    async with oi.session():
        with pytest.raises(LookupError) as caught:
            await weather("Atlantis")
    assert caught.value is problem
    assert seen.one("tool_call").attributes["exception.message"] == "no such city"


def test_wrong_arguments_are_the_functions_own_error(seen):
    """A call that does not fit the signature raises Python's own TypeError, and is recorded with what was passed."""

    @oi.tool_call
    def weather(city):
        return city

    with oi.session(), pytest.raises(TypeError, match="unexpected keyword argument"):
        weather(town="Paris")
    assert seen.one("tool_call").attributes[ARGUMENTS] == '{"town":"Paris"}'


def test_by_hand(seen):
    """As a block it takes name, arguments and id from the model's request, and the result by hand."""
    with oi.session(), oi.tool_call("weather", arguments={"city": "Paris"}, call_id="call_9") as call:
        call.result("sunny")
    recorded = seen.one("tool_call")
    assert recorded.attributes["gen_ai.tool.call.id"] == call.call_id == "call_9"
    assert recorded.attributes[ARGUMENTS] == '{"city":"Paris"}'
    assert recorded.attributes[RESULT] == "sunny"


def test_at_once(seen):
    """A call that is over is recorded by one plain call, with its result or its error."""
    with oi.session():
        oi.tool_call("weather", arguments={"city": "Paris"}, result=None)
        oi.tool_call("weather", arguments='{"city": "Atlantis"}', error="no such city")
    good, bad = seen.of_type("tool_call")
    assert good.attributes[RESULT] == "null"
    assert not good.failed
    assert bad.failed
    assert bad.attributes["exception.message"] == "no such city"
    assert bad.attributes[ARGUMENTS] == '{"city": "Atlantis"}'


def test_a_response_apart(seen):
    """A response that arrives later names the call it answers."""
    with oi.session():
        oi.tool_response("weather", {"celsius": 21}, call_id="call_9", duration_ms=120.5)
        oi.tool_response("weather", call_id="call_10", error=TimeoutError("too slow"))
    good, bad = seen.of_type("tool_response")
    assert good.name == "tool_response weather"
    assert good.attributes["gen_ai.tool.call.id"] == "call_9"
    assert good.attributes[RESULT] == '{"celsius":21}'
    assert good.attributes["interaction.duration_ms"] == 120.5
    assert bad.failed
    assert bad.attributes["error.type"] == "TimeoutError"


def test_arguments_are_those_at_the_time_of_the_call(seen):
    """What a tool does to its arguments later does not change what is recorded."""

    @oi.tool_call
    def drain(items):
        items.clear()

    with oi.session():
        drain([1, 2])
    assert seen.one("tool_call").attributes[ARGUMENTS] == '{"items":[1,2]}'


def test_content_off_keeps_the_length():
    """With content capture off neither arguments nor results are recorded, only the result's length."""

    @oi.tool_call
    def secret(pin):
        return "12345"

    with captured(capture_content=False) as seen, oi.session():
        secret("0000")
        oi.tool_response("secret", "12345")
    for interaction in (seen.one("tool_call"), seen.one("tool_response")):
        assert ARGUMENTS not in interaction.attributes
        assert RESULT not in interaction.attributes
        assert interaction.attributes["interaction.text.length"] == 5


def test_odd_arguments_and_results(seen):
    """Objects, cycles, NaN, bytes and surrogates reach the record in some readable form and break nothing."""

    @dataclass
    class Point:
        x: int
        y: float

    class Hostile:
        def __repr__(self):
            raise RuntimeError

    @oi.tool_call
    def echo(value):
        return value

    cycle = {"name": "loop"}
    cycle["self"] = cycle
    odd = [Point(1, float("nan")), Hostile(), cycle, b"\xff\x00", "\ud800", {(1, 2): {3}}, 1 << 80, object()]
    with oi.session():
        for value in odd:
            assert echo(value) is value
    results = [i.attributes[RESULT] for i in seen.of_type("tool_call")]
    assert len(results) == len(odd)
    for text in results:
        text.encode()
    assert json.loads(results[0]) == {"x": 1, "y": "nan"}
    assert "Hostile" in results[1]
    assert json.loads(results[2]) == {"name": "loop", "self": "<cycle>"}
    assert results[4] == "\ufffd"
    assert json.loads(results[5]) == {"(1, 2)": [3]}
    assert json.loads(results[6]) == 1 << 80


def test_a_callable_object_is_a_tool_too(seen):
    """Anything callable can be decorated; without a name of its own it is called after its class."""

    class Search:
        def __call__(self, query):
            return query

    with oi.session():
        assert oi.tool_call(Search())("a") == "a"
    assert seen.one("tool_call").attributes["gen_ai.tool.name"] == "Search"
