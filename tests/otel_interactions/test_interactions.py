"""Interactions of one moment: what each looks like on the wire."""

import json
from collections.abc import Iterator

import pytest

import otel_interactions as oi
from otel_interactions import conventions as names
from otel_interactions.testing import captured

COMMON = {names.TYPE, names.SESSION_ID, names.SERVICE_INSTANCE_ID, names.SEQUENCE}


def wire(seen, kind):
    """Return what an interaction carries besides what all carry."""
    return {name: value for name, value in seen.one(kind).attributes.items() if name not in COMMON}


def test_user_message(seen):
    """A user's message is OpenTelemetry's input message, with its length in characters."""
    with oi.session():
        oi.user_message("Grüße", attributes={"channel": "web"})
    assert wire(seen, "user_message") == {
        "channel": "web",
        "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"Grüße"}]}]',
        "interaction.text.length": 5,
    }
    assert seen.one("user_message").name == "user_message"


def test_audio(seen):
    """Audio is described and its transcript is a message of who spoke; the sound itself is nowhere."""
    with oi.session():
        oi.audio_input(
            duration_ms=1200, size_bytes=48_000, mime_type="audio/ogg", url="s3://a/1.ogg", transcript="Hello"
        )
        oi.audio_output(duration_ms=900.5, transcript="Good day")
    assert wire(seen, "audio_input") == {
        "interaction.audio.duration_ms": 1200.0,
        "interaction.audio.bytes": 48_000,
        "interaction.audio.mime_type": "audio/ogg",
        "interaction.audio.url": "s3://a/1.ogg",
        "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"Hello"}]}]',
        "interaction.text.length": 5,
    }
    assert isinstance(seen.one("audio_input").attributes["interaction.audio.duration_ms"], float)
    assert wire(seen, "audio_output") == {
        "interaction.audio.duration_ms": 900.5,
        "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"Good day"}]}]',
        "interaction.text.length": 8,
    }


def test_error_from_an_exception(seen):
    """An exception is recorded with its qualified type, message and stack, and the span has failed."""
    with oi.session():
        try:
            json.loads("{")
        except ValueError as problem:
            oi.error(problem, component="parser", show_to_user=True, user_message="Please try again.")
    recorded = seen.one("error")
    attributes = recorded.attributes
    assert recorded.failed
    assert attributes["error.type"] == attributes["exception.type"] == "json.decoder.JSONDecodeError"
    assert attributes["exception.message"].startswith("Expecting property name")
    assert 'json.loads("{")' in attributes["exception.stacktrace"]
    assert attributes["interaction.critical"] is False
    assert attributes["interaction.component"] == "parser"
    assert attributes["interaction.show_to_user"] is True
    assert attributes["interaction.user_message"] == "Please try again."


def test_error_from_a_message(seen):
    """A message alone is recorded with the caller's stack, without frames of ours."""
    with oi.session():
        oi.error("payment refused", critical=True, type="payment.refused", details={"code": 51})
    attributes = seen.one("error").attributes
    assert attributes["error.type"] == "payment.refused"
    assert attributes["exception.message"] == "payment refused"
    assert "test_error_from_a_message" in attributes["exception.stacktrace"]
    assert "failures.py" not in attributes["exception.stacktrace"]
    assert attributes["interaction.critical"] is True
    assert attributes["interaction.details"] == '{"code":51}'


def test_error_from_a_message_while_handling_an_exception(seen):
    """A message inside an except block takes type and stack from the exception being handled."""
    with oi.session():
        try:
            {}["key"]
        except KeyError:
            oi.error("no such customer")
    attributes = seen.one("error").attributes
    assert attributes["error.type"] == "KeyError"
    assert attributes["exception.message"] == "no such customer"
    assert '{}["key"]' in attributes["exception.stacktrace"]


@pytest.mark.parametrize(
    ("given", "recorded"), [("info", "info"), ("WARNING", "warn"), ("Critical", "error"), ("notice", "notice")]
)
def test_event(seen, given, recorded):
    """An event has category, message, severity in the contract's words, source and details."""
    with oi.session():
        oi.event("payment", "card accepted", severity=given, source="worker", details=["visa"], component="till")
    assert seen.one("event").name == "event payment"
    assert wire(seen, "event") == {
        "interaction.category": "payment",
        "interaction.message": "card accepted",
        "interaction.severity": recorded,
        "interaction.source": "worker",
        "interaction.details": '["visa"]',
        "interaction.component": "till",
    }


def test_ui_event(seen):
    """A click says what was clicked, where, in which browser."""
    with oi.session():
        oi.ui_event("click", "buy-button", details={"x": 3}, url="https://shop.example/a", user_agent="Firefox")
    assert seen.one("ui_event").name == "ui_event click"
    assert wire(seen, "ui_event") == {
        "interaction.action": "click",
        "interaction.component": "buy-button",
        "interaction.details": '{"x":3}',
        "url.full": "https://shop.example/a",
        "user_agent.original": "Firefox",
        "interaction.source": "client",
    }


def test_state_transition(seen):
    """A transition says from where, to where, why, in which context and after how long."""
    with oi.session():
        oi.state_transition("idle", "listening", event="mic_on", context={"try": 1}, duration_ms=12.5)
    assert wire(seen, "state_transition") == {
        "interaction.state.from": "idle",
        "interaction.state.to": "listening",
        "interaction.state.event": "mic_on",
        "interaction.state.context": '{"try":1}',
        "interaction.duration_ms": 12.5,
    }


def test_performance_metric(seen):
    """A measurement keeps its value as a number, 0 included."""
    with oi.session():
        oi.performance_metric("CLS", 0, unit="1")
    assert seen.one("performance_metric").name == "performance_metric CLS"
    assert wire(seen, "performance_metric") == {
        "interaction.metric.name": "CLS",
        "interaction.metric.value": 0.0,
        "interaction.metric.unit": "1",
    }


def test_content_off_keeps_lengths():
    """With content capture off no message and no transcript is recorded, only how long it was."""
    with captured(capture_content=False) as seen, oi.session():
        oi.user_message("secret")
        oi.audio_input(transcript="secret", duration_ms=3)
        oi.audio_output(transcript="secret")
    for kind in ("user_message", "audio_input", "audio_output"):
        interaction = seen.one(kind)
        assert "secret" not in str(interaction.attributes)
        assert interaction.attributes["interaction.text.length"] == 6


def test_names_of_spans_stay_few(seen):
    """Long or odd details do not become names of spans."""
    with oi.session():
        oi.event("x" * 500)
        oi.ui_event("a\nb\tc", "d")
        oi.event("")
    assert [i.name for i in seen.interactions[1:-1]] == ["event", "ui_event a b c", "event"]


def test_the_applications_attributes_cannot_replace_ours(seen):
    """An attribute of the application under a name of ours loses."""
    with oi.session():
        oi.user_message("Hello", attributes={"interaction.type": "error", "interaction.sequence": -1, "mine": 1})
    message = seen.one("user_message")
    assert message.attributes["interaction.sequence"] == 2
    assert message.attributes["mine"] == 1


def test_wrong_types_are_recorded_as_well_as_possible(seen):
    """Whatever is passed where text or numbers belong, nothing raises and something readable is recorded."""
    with oi.session():
        oi.user_message(None)
        oi.user_message({"text": "Hello"})
        oi.event(None, 7, severity=None, details=object())
        oi.performance_metric("LCP", "fast")
        oi.audio_input(duration_ms="long", size_bytes=1 << 70)
        oi.assistant_response(7, input_tokens="many", attributes="not a mapping")
        oi.error(None)
    assert [i.text for i in seen.of_type("user_message")] == ["null", '{"text":"Hello"}']
    assert seen.one("audio_input").attributes["interaction.audio.bytes"] == str(1 << 70)
    assert seen.one("assistant_response").text == "7"
    assert seen.one("performance_metric").attributes["interaction.metric.value"] == "fast"
    assert len(seen.interactions) == 9


def test_a_recording_can_be_used_as_a_block_afterwards(seen):
    """What a plain call returns is over: it tells its ids, and `with` around it changes nothing."""
    with oi.session() as s, oi.user_message("Hello") as message:
        pass
    assert message.recorded
    assert message.trace_id == s.trace_id
    assert message.span_id == seen.one("user_message").span_id


def test_a_recording_by_hand(seen):
    """start(), set_attribute(), fail() and end() do without a block; after the end nothing changes."""
    with oi.session():
        call = oi.tool_call("slow").start()
        call.set_attribute("attempt", 2)
        call.fail("gave up")
        call.end()
        call.end()
        call.set_attribute("attempt", 3)
    recorded = seen.one("tool_call")
    assert recorded.failed
    assert recorded.attributes["attempt"] == 2
    assert recorded.attributes["exception.message"] == "gave up"


async def test_what_a_function_hears(seen):
    """A decorated function's first text is what the user wrote, whatever kind of function it is."""

    @oi.user_message
    async def handle(socket: object, text: str, room: str = "lobby") -> str:
        return f"{text.upper()} {room} {socket}"

    @oi.user_message
    def stream(*, text: str) -> Iterator[str]:
        yield from text

    @oi.user_message
    def without(number: int) -> int:
        return number

    with oi.session():
        assert await handle(7, "hello") == "HELLO lobby 7"
        assert list(stream(text="abc")) == ["a", "b", "c"]
        assert without(7) == 7
    assert [each.text for each in seen.of_type("user_message")] == ["hello", "abc"]
    assert handle.__name__ == "handle"


async def test_a_measured_stretch(seen):
    """Without a value a block or a function is measured, in milliseconds, a failure with it."""

    @oi.performance_metric("lookup")
    async def lookup(key: str) -> int:
        return {"known": 7}[key]

    with oi.session():
        with oi.performance_metric("block", attributes={"a": "b"}):
            oi.event("inside")
        assert await lookup("known") == 7
        with pytest.raises(LookupError):
            await lookup("unknown")
    first, second, third = seen.of_type("performance_metric")
    for each, name in ((first, "block"), (second, "lookup"), (third, "lookup")):
        assert each.attributes["interaction.metric.name"] == name
        assert each.attributes["interaction.metric.value"] == (each.end_ns - each.start_ns) / 1e6 > 0
        assert each.attributes["interaction.metric.unit"] == "ms"
    assert first.attributes["a"] == "b"
    assert seen.one("event").parent_id == first.span_id
    assert third.attributes["error.type"] == "KeyError"
