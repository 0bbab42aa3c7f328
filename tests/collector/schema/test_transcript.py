"""One conversation whoever recorded it: each message once, in order."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from typing import Any

import pytest

Row = Callable[..., dict[str, Any]]
Message = dict[str, Any]
SECOND = 10**9


def user(text: str) -> Message:
    """Return what a person says."""
    return {"role": "user", "parts": [{"type": "text", "content": text}]}


def assistant(text: str) -> Message:
    """Return what a model says."""
    return {"role": "assistant", "parts": [{"type": "text", "content": text}]}


def call(identity: str) -> Message:
    """Return a model's wish to call a tool."""
    part = {"type": "tool_call", "id": identity, "name": "weather", "arguments": {"city": "Rome"}}
    return {"role": "assistant", "parts": [part]}


def answer(identity: str, result: Any) -> Message:
    """Return what a tool answered."""
    return {"role": "tool", "parts": [{"type": "tool_call_response", "id": identity, "response": result}]}


class Conversation:
    """Writes spans of one session, a second apart."""

    def __init__(self, engine: Any, exporter: Any, row: Row) -> None:
        """Begin a session."""
        self._engine, self._exporter, self._row = engine, exporter, row
        self.session = secrets.token_hex(8)
        self._rows: list[dict[str, Any]] = []
        self._start = time.time_ns() - 1000 * SECOND

    def add(self, *, at: float | None = None, seconds: float = 0.5, **attributes: str) -> None:
        """Add a span; `a__b` is the attribute a.b."""
        named = {key.replace("__", "."): value for key, value in attributes.items()}
        ts = self._start + int((len(self._rows) if at is None else at) * SECOND)
        self._rows.append(self._row({"session.id": self.session} | named, ts=ts, duration=int(seconds * SECOND)))

    def says(self, text: str, **where: float) -> None:
        """Record a user message in the application."""
        self.add(interaction__type="user_message", interaction__message=text, **where)

    def replies(self, text: str, **where: float) -> None:
        """Record an answer in the application."""
        self.add(
            interaction__type="assistant_response", gen_ai__output__messages=json.dumps([assistant(text)]), **where
        )

    def generates(self, *history: Message, output: Message, **where: float) -> None:
        """Have an instrumentation record a model call with its whole history."""
        self.add(
            gen_ai__operation__name="chat",
            gen_ai__input__messages=json.dumps(history),
            gen_ai__output__messages=json.dumps([output]),
            **where,
        )

    def uses(self, identity: str, result: str, **where: float) -> None:
        """Have an instrumentation record a tool's execution."""
        self.add(
            gen_ai__operation__name="execute_tool",
            gen_ai__tool__name="weather",
            gen_ai__tool__call__id=identity,
            gen_ai__tool__call__arguments='{"city":"Rome"}',
            gen_ai__tool__call__result=result,
            **where,
        )

    def read(self, columns: str = "turn, role, text") -> list[Any]:
        """Store everything, in disorder, and return the transcript."""
        self._exporter(*reversed(self._rows))
        sql = f"SELECT {columns} FROM otel.transcript WHERE session_id = {{session:String}}"
        return self._engine.ask(sql, session=self.session)


@pytest.fixture
def conversation(engine: Any, exporter: Any, row: Row) -> Conversation:
    """An empty conversation."""
    return Conversation(engine, exporter, row)


def test_recorded_by_the_application(conversation: Conversation) -> None:
    """Messages the application recorded stand in order; each user message begins a turn."""
    conversation.says("hello")
    conversation.replies("hi")
    conversation.says("bye")
    conversation.replies("see you")
    assert conversation.read() == [
        (1, "user", "hello"),
        (1, "assistant", "hi"),
        (2, "user", "bye"),
        (2, "assistant", "see you"),
    ]


def test_recorded_by_an_instrumentation(conversation: Conversation) -> None:
    """Each model call repeats the history; the transcript holds each message once."""
    conversation.generates(user("hello"), output=assistant("hi"))
    conversation.generates(user("hello"), assistant("hi"), user("bye"), output=assistant("see you"))
    assert conversation.read() == [
        (1, "user", "hello"),
        (1, "assistant", "hi"),
        (2, "user", "bye"),
        (2, "assistant", "see you"),
    ]


def test_recorded_by_both(conversation: Conversation) -> None:
    """What the application recorded and an instrumentation saw too is one message: the application's."""
    conversation.says("hello", at=0)
    conversation.replies("hi", at=1, seconds=2)
    conversation.generates(user("hello"), output=assistant("hi"), at=1.5)
    conversation.says("bye", at=4)
    conversation.generates(user("hello"), assistant("hi"), user("bye"), output=assistant("see you"), at=5.5)
    conversation.replies("see you", at=5, seconds=2)
    assert conversation.read("turn, role, text, model") == [
        (1, "user", "hello", ""),
        (1, "assistant", "hi", ""),
        (2, "user", "bye", ""),
        (2, "assistant", "see you", ""),
    ]


def test_saying_the_same_twice(conversation: Conversation) -> None:
    """Who says the same twice said it twice."""
    for _ in range(2):
        conversation.says("yes")
        conversation.replies("really?")
    assert [row[1:] for row in conversation.read()] == [("user", "yes"), ("assistant", "really?")] * 2


def test_a_tool_loop(conversation: Conversation) -> None:
    """A tool loop: the question once, the tool once with arguments and result, the answer once."""
    question, wish, told = user("weather?"), call("c1"), answer("c1", "sunny")
    conversation.generates(question, output=wish)
    conversation.uses("c1", "sunny")
    conversation.generates(question, wish, told, output=assistant("It is sunny."))
    found = conversation.read("turn, role, text, tool_name, tool_call_id, tool_arguments, tool_result")
    assert found == [
        (1, "user", "weather?", "", "", "", ""),
        (1, "tool", "", "weather", "c1", '{"city":"Rome"}', "sunny"),
        (1, "assistant", "It is sunny.", "", "", "", ""),
    ]


def test_a_tool_loop_without_tool_spans(conversation: Conversation) -> None:
    """Where nobody recorded the tool, the model's call and what it was told are one message."""
    question, wish, told = user("weather?"), call("c1"), answer("c1", "sunny")
    conversation.generates(question, output=wish)
    conversation.generates(question, wish, told, output=assistant("It is sunny."))
    assert conversation.read("role, text, tool_name, tool_arguments, tool_result") == [
        ("user", "weather?", "", "", ""),
        ("tool", "", "weather", '{"city":"Rome"}', "sunny"),
        ("assistant", "It is sunny.", "", "", ""),
    ]


def test_several_results_at_once(conversation: Conversation) -> None:
    """Tools called side by side stand as they were called, each with its result."""
    names = ("c1", "c2", "c3")
    wishes = {"role": "assistant", "parts": [call(each)["parts"][0] for each in names]}
    told = {"role": "tool", "parts": [answer(each, f"of {each}")["parts"][0] for each in names]}
    conversation.generates(user("weather?"), output=wishes)
    conversation.generates(user("weather?"), wishes, told, output=assistant("done"))
    assert conversation.read("role, tool_call_id, tool_result") == [
        ("user", "", ""),
        *(("tool", each, f"of {each}") for each in names),
        ("assistant", "", ""),
    ]


def test_a_long_tool_loop(conversation: Conversation) -> None:
    """Many tools in one turn: the growing history is repeated by every call and shown once."""
    history: list[Message] = [user("plan a trip")]
    for number in range(5):
        wish = call(f"c{number}")
        conversation.generates(*history, output=wish)
        conversation.uses(f"c{number}", f"result {number}")
        history += [wish, answer(f"c{number}", f"result {number}")]
    conversation.generates(*history, output=assistant("done"))
    found = conversation.read("turn, role, text, tool_result")
    assert found == [
        (1, "user", "plan a trip", ""),
        *((1, "tool", "", f"result {number}") for number in range(5)),
        (1, "assistant", "done", ""),
    ]


def test_an_answer_stands_at_its_end(conversation: Conversation) -> None:
    """Messages stand where they were complete: an answer after what happened while it was made."""
    conversation.says("hello", at=0)
    conversation.replies("done", at=1, seconds=5)
    conversation.uses("c1", "x", at=2)
    assert conversation.read("role") == [("user",), ("tool",), ("assistant",)]


def test_sessions_do_not_mix(engine: Any, exporter: Any, row: Row) -> None:
    """The same words in another session are another message."""
    first, second = (Conversation(engine, exporter, row) for _ in range(2))
    first.says("hello")
    second.generates(user("hello"), output=assistant("hi"))
    assert first.read() == [(1, "user", "hello")]
    assert second.read() == [(1, "user", "hello"), (1, "assistant", "hi")]


def test_other_interactions_are_no_messages(conversation: Conversation) -> None:
    """Events, errors and agent runs are not part of what was said."""
    conversation.add(interaction__type="event", interaction__message="clicked")
    conversation.add(interaction__type="error", interaction__message="broke")
    conversation.add(gen_ai__operation__name="invoke_agent")
    assert conversation.read() == []


def test_spans_without_ids(engine: Any, exporter: Any, row: Row) -> None:
    """Spans that have no ids are not one span: each says its own."""
    session, now = secrets.token_hex(8), time.time_ns()
    said = [{"session.id": session, "interaction.type": "user_message", "interaction.message": text} for text in "ab"]
    exporter(*(row(each, ts=now + n * SECOND, TraceId="", SpanId="") for n, each in enumerate(said)))
    found = engine.ask("SELECT turn, text FROM otel.transcript WHERE session_id = {session:String}", session=session)
    assert found == [(1, "a"), (2, "b")]


def test_a_span_that_came_twice(conversation: Conversation) -> None:
    """The same span from two senders is one: a message, and calls of a tool that have no ids."""
    conversation.says("hello")
    conversation.uses("", "1")
    conversation.uses("", "2")
    conversation._rows *= 2
    assert conversation.read("turn, role, text, tool_result") == [
        (1, "user", "hello", ""),
        (1, "tool", "", "1"),
        (1, "tool", "", "2"),
    ]


def test_an_unfinished_answer_is_no_question(conversation: Conversation) -> None:
    """A call that gives the beginning of its answer still asks what stands before it."""
    conversation.generates(user("count"), assistant("one,"), output=assistant("two"))
    assert conversation.read() == [(1, "user", "count"), (1, "assistant", "two")]
