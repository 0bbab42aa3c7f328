"""The assistant's answers."""
# ruff: noqa: ANN202, ANN204  functions written as users write them

import asyncio
import gc

import pytest

import otel_interactions as oi
from otel_interactions.testing import captured

OUTPUT = "gen_ai.output.messages"
REASONS = "gen_ai.response.finish_reasons"
FIRST = "gen_ai.response.time_to_first_chunk"


def test_at_once(seen):
    """An answer that is over is recorded with all that is known of it."""
    with oi.session():
        oi.assistant_response(
            "21 degrees.",
            model="gpt-5",
            provider="openai",
            input_tokens=12,
            output_tokens=3,
            cost_usd=0.0,
            finish_reason="stop",
            response_time_ms=800,
            ttft_ms=250,
            mood="cheerful",
            attributes={"prompt.version": 7},
        )
    answer = seen.one("assistant_response")
    assert answer.text == "21 degrees."
    expected = {
        "interaction.text.length": 11,
        "gen_ai.request.model": "gpt-5",
        "gen_ai.provider.name": "openai",
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 3,
        "interaction.cost_usd": 0.0,
        REASONS: ("stop",),
        "interaction.response_time_ms": 800.0,
        FIRST: 0.25,
        "interaction.mood": "cheerful",
        "prompt.version": 7,
    }
    assert {name: answer.attributes.get(name) for name in expected} == expected
    assert isinstance(answer.attributes["interaction.response_time_ms"], float)


def test_the_model_is_the_sessions_unless_given(seen):
    """An answer without a model names that of its session."""
    with oi.session(model="gpt-5"):
        oi.assistant_response("a")
        oi.assistant_response("b", model="o4")
    assert [i.attributes["gen_ai.request.model"] for i in seen.of_type("assistant_response")] == ["gpt-5", "o4"]


def test_a_block_is_timed(seen):
    """A block measures the answer, and what it was told last holds."""
    with oi.session(), oi.assistant_response() as answer:
        answer.append("wrong")
        answer.text("21 ")
        answer.append("degrees")
        answer.set(mood="calm", attributes={"a": 1})
    recorded = seen.one("assistant_response")
    assert recorded.text == "21 degrees"
    assert recorded.attributes["interaction.mood"] == "calm"
    assert recorded.attributes["a"] == 1
    assert recorded.attributes["interaction.response_time_ms"] == (recorded.end_ns - recorded.start_ns) / 1e6 > 0


def _called(answer):
    answer.text("21 degrees")


def _assigned(answer):
    answer.text = "21 degrees"


def _set(answer):
    answer.set(text="21 degrees")


@pytest.mark.parametrize("say", [_called, _assigned, _set])
def test_ways_to_say_the_text(seen, say):
    """However one writes it, the text is recorded, and can be added to."""
    with oi.session(), oi.assistant_response() as answer:
        say(answer)
        answer.append(" and sun")
    assert seen.one("assistant_response").text == "21 degrees and sun"


def test_a_stream_passes_through(seen):
    """A stream yields the chunks themselves, collects the text of those that are str, and times the first."""
    chunks = ["Hel", None, "lo", 7]
    with oi.session(), oi.assistant_response() as answer:
        assert list(answer.stream(chunks)) == chunks
    recorded = seen.one("assistant_response")
    assert recorded.text == "Hello"
    assert recorded.attributes[FIRST] == 0.001  # one tick of the clock of `captured()`


def test_a_stream_alone_is_the_answer(seen):
    """Without a block the answer lasts as long as its stream."""
    with oi.session():
        for _ in oi.assistant_response(model="gpt-5").stream(iter(["a", "b"])):
            assert seen.of_type("assistant_response") == []
        assert seen.one("assistant_response").text == "ab"


def test_text_of_chunks_of_any_kind(seen):
    """`text_of` finds the text in chunks that are not str."""

    class Chunk:
        def __init__(self, text):
            self.text = text

    with oi.session():
        list(oi.assistant_response().stream([Chunk("a"), Chunk(None), Chunk("b")], text_of=lambda chunk: chunk.text))
    assert seen.one("assistant_response").text == "ab"


def test_a_text_of_that_raises_does_not_stop_the_stream(seen, lines):
    """Where `text_of` raises, every chunk still passes, the text of the others is kept, and one line says so."""
    chunks = [{"t": "a"}, {}, {}, {"t": "b"}]
    with oi.session():
        assert list(oi.assistant_response().stream(chunks, text_of=lambda chunk: chunk["t"])) == chunks
    assert seen.one("assistant_response").text == "ab"
    assert len([line for line in lines() if "text_of failed" in line]) == 1


async def test_async_streams(seen):
    """An async stream does all a stream does."""

    async def llm():
        for chunk in ("Hel", "lo"):
            await asyncio.sleep(0)
            yield chunk

    async with oi.session():
        async with oi.assistant_response() as answer:
            assert [chunk async for chunk in answer.astream(llm())] == ["Hel", "lo"]
        assert [chunk async for chunk in oi.assistant_response().astream(llm())] == ["Hel", "lo"]
    assert [i.text for i in seen.of_type("assistant_response")] == ["Hello", "Hello"]


@pytest.mark.parametrize("how", ["close", "forget"])
def test_an_abandoned_stream_is_recorded(seen, how):
    """A stream left half way closes its source and is recorded with what was heard, as abandoned."""
    closed = []

    def llm():
        try:
            yield "Hel"
            yield "lo"
        finally:
            closed.append(True)

    with oi.session():
        stream = oi.assistant_response().stream(llm())
        assert next(stream) == "Hel"
        if how == "close":
            stream.close()
        del stream
        gc.collect()
        assert closed == [True]
        answer = seen.one("assistant_response")
    assert answer.text == "Hel"
    assert answer.attributes[REASONS] == ("abandoned",)
    assert not answer.failed


async def test_an_abandoned_async_stream_is_recorded(seen, lines):
    """An async stream whose consumer breaks off and forgets it is recorded, and nothing is logged about contexts."""
    closed = []

    async def llm():
        try:
            yield "Hel"
            yield "lo"
        finally:
            closed.append(True)

    async with oi.session():
        async for _ in oi.assistant_response().astream(llm()):
            break
        gc.collect()
        for _ in range(5):
            await asyncio.sleep(0)
    assert closed == [True]
    assert seen.one("assistant_response").attributes[REASONS] == ("abandoned",)
    assert not any("context" in line.lower() for line in lines())


@pytest.mark.parametrize("in_block", [True, False])
def test_an_error_in_a_stream_is_recorded_and_passes(seen, in_block):
    """The exception of a stream reaches the consumer as it is; the answer has it and the text so far."""
    problem = ConnectionError("model went away")

    def llm():
        yield "Hel"
        raise problem

    def consume():
        if in_block:
            with oi.assistant_response() as answer:
                list(answer.stream(llm()))
        else:
            list(oi.assistant_response().stream(llm()))

    with oi.session(), pytest.raises(ConnectionError) as caught:
        consume()
    assert caught.value is problem
    answer = seen.one("assistant_response")
    assert answer.failed
    assert answer.text == "Hel"
    assert answer.attributes["error.type"] == "ConnectionError"
    assert "raise problem" in answer.attributes["exception.stacktrace"]


async def test_a_cancelled_answer_says_so(seen):
    """A task cancelled in the middle of an answer records it as cancelled, not as failed."""

    async def llm():
        yield "Hel"
        await asyncio.sleep(60)

    heard = asyncio.Event()

    async def talk():
        async for _ in oi.assistant_response().astream(llm()):
            heard.set()

    async with oi.session():
        task = asyncio.create_task(talk())
        await heard.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    answer = seen.one("assistant_response")
    assert answer.attributes[REASONS] == ("cancelled",)
    assert not answer.failed


async def test_decorates_functions_of_every_kind(seen):
    """On a function that returns or yields text, each call is one answer; a returned iterator is streamed."""
    answers = oi.assistant_response(model="gpt-5", mood="calm")

    @answers
    def plain():
        return "plain"

    @answers
    async def coroutine():
        return "coroutine"

    @answers
    def generator():
        yield "gene"
        yield "rator"

    @answers
    async def async_generator():
        yield "async "
        yield "generator"

    @answers
    def iterator():
        return iter(["iter", "ator"])

    @answers
    async def async_iterator():
        return async_generator.__wrapped__()

    async with oi.session():
        assert plain() == "plain"
        assert await coroutine() == "coroutine"
        assert list(generator()) == ["gene", "rator"]
        assert [chunk async for chunk in async_generator()] == ["async ", "generator"]
        assert list(iterator()) == ["iter", "ator"]
        assert [chunk async for chunk in await async_iterator()] == ["async ", "generator"]
    assert [i.text for i in seen.of_type("assistant_response")] == [
        "plain",
        "coroutine",
        "generator",
        "async generator",
        "iterator",
        "async generator",
    ]
    assert {i.attributes["interaction.mood"] for i in seen.of_type("assistant_response")} == {"calm"}


def test_content_off_keeps_the_length():
    """With content capture off an answer has its length and no text."""
    with captured(capture_content=False) as seen, oi.session():
        oi.assistant_response("secret")
        list(oi.assistant_response().stream(["sec", "ret"]))
    for answer in seen.of_type("assistant_response"):
        assert OUTPUT not in answer.attributes
        assert answer.attributes["interaction.text.length"] == 6


def test_a_very_long_answer_is_cut_and_says_so(seen):
    """Of an answer of many megabytes the beginning is kept; its length is the true one."""
    with oi.session(), oi.assistant_response() as answer:
        for _ in range(30):
            answer.append("x" * 100_000)
    recorded = seen.one("assistant_response")
    assert recorded.attributes["interaction.text.length"] == 3_000_000
    assert 1_000_000 < len(recorded.text) < 1_200_000
