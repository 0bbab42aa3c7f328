"""What one connection to OpenAI's Realtime API sends and hears becomes interactions of one session."""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from opentelemetry.context import get_current

from otel_interactions import conventions as names
from otel_interactions.conventions import Kind
from otel_interactions.decorators import Active
from otel_interactions.guard import guard
from otel_interactions.integrations.openai_realtime_parts import (
    MOST,
    Config,
    Format,
    Response,
    SoundSent,
    Utterance,
    decoded_size,
    get,
    keep,
    members,
    parsed,
    taken,
    text,
)
from otel_interactions.interactions import error as record_error
from otel_interactions.interactions import event as record_event
from otel_interactions.session import Session
from otel_interactions.tools import ToolCall, tool_call, tool_response

COMPONENT: Final = "openai.realtime"
_CLOSED_AS_AGREED: Final = frozenset({1000, 1001})

Sent = Callable[[], None] | None
"""What is to be called once an event has been sent."""

_sends: dict[str, Callable[[Listener, Any], Sent]] = {}
_hears: dict[str, Callable[[Listener, Any], None]] = {}


def _sent(kind: str) -> Callable[[Callable[[Listener, Any], Sent]], Callable[[Listener, Any], Sent]]:
    """Have a method called for events of a kind that the application sends."""
    return lambda method: _sends.setdefault(kind, method)


def _heard(kind: str) -> Callable[[Callable[[Listener, Any], None]], Callable[[Listener, Any], None]]:
    """Have a method called for events of a kind that the server sends."""
    return lambda method: _hears.setdefault(kind, method)


class Listener:
    """Makes interactions of the events of one connection.

    Sender and receiver may be different tasks or threads, in other Contexts than the one that connected: everything is
    recorded in that one. There is no lock to wait for: what both of them touch is touched in single steps.

    Args:
        part_of: the session.
        owns: whether it is the connection's own: it starts and ends with it.
        model: the model asked for.
        tools: whether function calls are recorded.
    """

    def __init__(self, part_of: Session, *, owns: bool, model: str | None, tools: bool) -> None:
        self.session, self.owns, self._tools = part_of, owns, tools
        self._config = Config(model)
        self._updates: deque[Any] = deque(maxlen=MOST)
        self._instructions: str | None = None
        self._sound = SoundSent()
        self._turns: dict[str, Utterance] = {}
        self._responses: dict[str, Response] = {}
        self._calls: dict[str, ToolCall] = {}
        self._asked: Response | None = None
        self._unstarted = [True] if owns else []
        self._mode = ""
        self._told = self._lost = self._over = False
        with part_of.active() if owns else Active(get_current()):
            self._context = get_current()

    # The life of the session.

    def _inside(self) -> Active:
        """Return a `with` block in which what is recorded belongs here; a session of our own has begun by then."""
        self._begin()
        return Active(self._context)

    def _begin(self) -> None:
        """Start the session, once; as late as that, so that its start tells what was agreed on with the server."""
        self._lost = False
        try:
            self._unstarted.pop()
        except IndexError:  # it has been, maybe by another thread
            return
        fields, config = self.session._fields, self._config  # what was not known when it was made
        self.session.model, fields.mode, fields.voice = config.model, config.mode, config.voice
        self._mode = config.mode
        with Active(self._context):
            self.session.start()

    @guard
    def failed(self, error: BaseException) -> None:
        """Hear that there is no connection."""
        self._over = True
        if not self.owns and isinstance(error, Exception):
            with self._inside():
                record_error(error, component=COMPONENT)
        self._end_session(error)

    @guard
    def lost(self, error: BaseException) -> None:
        """Hear that sending or receiving failed; where the connection is gone, so is the session.

        Should the client connect again, the session is resumed.
        """
        if self._over or self._lost or not hasattr(error, "rcvd"):  # else no ConnectionClosed of websockets
            return
        frame = error.rcvd
        code = getattr(frame, "code", 1006)
        self._let_go(error)
        self._event(
            "disconnected",
            {"code": code, "reason": getattr(frame, "reason", "")},
            severity="info" if code in _CLOSED_AS_AGREED else "warn",
        )
        self._lost = True
        if self.owns:
            self.session.end("disconnected")
            self._unstarted.append(True)

    @guard
    def leave(self, error: BaseException | None) -> None:
        """Hear that the application is done with the connection."""
        if self._over:
            return
        self._over = True
        if not self._lost:
            self._let_go(error if isinstance(error, asyncio.CancelledError) else GeneratorExit())
            self._end_session(error)

    def _end_session(self, error: BaseException | None) -> None:
        if self.owns:
            self._begin()
            self.session.__exit__(None, error, None)

    def _let_go(self, error: BaseException) -> None:
        """End what is still on its way."""
        for response in taken(self._responses):
            self._finish(response, error)
        for waiting in (*taken(self._turns), *taken(self._calls)):
            waiting.end()

    # What the application sends.

    @guard
    def sending(self, event: Any) -> Sent:
        """Hear what is about to be sent; return what is to be called once it is."""
        if self._over:
            return None
        if self._lost:  # it is sent only if the client connects again
            return functools.partial(self._sent_after_all, event)
        return self._send(event)

    def _sent_after_all(self, event: Any) -> None:
        sent = self._send(event)
        if sent is not None:
            sent()

    def _send(self, event: Any) -> Sent:
        kind = get(event, "type")
        if kind == "input_audio_buffer.append":
            self._sound.append(get(event, "audio"))
            return None
        handle = _sends.get(kind) if isinstance(kind, str) else None
        return None if handle is None else handle(self, event)

    @_sent("session.update")
    def _update(self, event: Any) -> Sent:
        given = get(event, "session")
        self._updates.append(given)
        self._config.take(given)
        self._instructions = text(given, "instructions") or self._instructions
        return None

    @_sent("response.create")
    def _ask(self, event: Any) -> Sent:
        """Have the time of the request: the answer's begins with it."""
        self._asked = Response(self._config.model, text(get(event, "response"), "instructions"))
        return None

    @_sent("input_audio_buffer.clear")
    def _clear(self, _event: Any) -> Sent:
        self._sound.clear()
        return None

    @_sent("input_audio_buffer.commit")
    def _commit(self, _event: Any) -> Sent:
        self._sound.commit()
        return None

    @_sent("conversation.item.truncate")
    def _truncate(self, event: Any) -> Sent:
        details = {"item_id": get(event, "item_id"), "heard_ms": get(event, "audio_end_ms")}
        return functools.partial(self._event, "truncated", details)

    @_sent("conversation.item.create")
    def _item(self, event: Any) -> Sent:
        item = get(event, "item")
        kind = get(item, "type")
        if kind == "function_call_output" and self._tools:
            return functools.partial(self._answer, text(item, "call_id"), get(item, "output"))
        if kind == "message" and get(item, "role") == "user":
            return self._write(members(item, "content"))
        return None

    def _write(self, parts: Sequence[Any]) -> Sent:
        """Begin what a message of the user's says; return what ends it."""
        made = [self._clip(part) for part in parts if get(part, "type") == "input_audio"]
        texts = [text(part, "text") for part in parts if get(part, "type") == "input_text"]
        if texts or not made:
            written = self._utterance("user_message")
            written.said("\n".join(texts))
            made.append(written)

        def sent() -> None:
            for each in made:
                each.end()

        return sent

    def _clip(self, part: Any) -> Utterance:
        clip = self._utterance("audio_input")
        clip.sounds(decoded_size(get(part, "audio")), self._config.input)
        if words := text(part, "transcript"):
            clip.said(words)
        return clip

    def _answer(self, call_id: str, output: Any) -> None:
        call = self._calls.pop(call_id, None)
        if call is not None:
            call.result(output)
            call.end()
            return
        with self._inside():
            tool_response("unknown", output, call_id=call_id)

    # What the server sends.

    @guard
    def listening(self) -> None:
        """Hear that the application waits for the next event: what it had to say of the session by now it has said."""
        if self._told and not (self._updates or self._lost or self._over):
            self._begin()

    @guard
    def heard(self, data: bytes | str) -> None:
        """Hear one event, as it came."""
        if self._over:
            return
        self._lost = False
        event = parsed(data)
        handle = _hears.get(text(event, "type"))
        if handle is not None:
            handle(self, event)

    @_heard("session.created")
    def _created(self, event: Any) -> None:
        self._told = True
        self._config.take(get(event, "session"), whole=True)
        for update in self._updates:  # it tells what was before them
            self._config.take(update)

    @_heard("session.updated")
    def _agreed(self, event: Any) -> None:
        self._config.take(get(event, "session"), whole=True)
        mode = self._config.mode
        with self._inside():
            if self.owns and mode != self._mode:
                self._mode = mode
                record_event(
                    "system", f"the mode is {mode}", component=COMPONENT, attributes={names.SESSION_MODE: mode}
                )

    @_heard("error")
    def _problem(self, event: Any) -> None:
        self._asked = None
        self._sound.forget_commits()
        problem = get(event, "error")
        with self._inside():
            record_error(
                text(problem, "message"),
                type=text(problem, "code") or text(problem, "type") or None,
                component=COMPONENT,
                details=problem,
            )

    @_heard("input_audio_buffer.speech_started")
    def _speech_started(self, event: Any) -> None:
        self._sound.bound(event, start="audio_start_ms")
        if self._responses:
            self._event("barge-in", {"response_id": next(reversed(self._responses), None)})

    @_heard("input_audio_buffer.speech_stopped")
    def _speech_stopped(self, event: Any) -> None:
        self._sound.bound(event, end="audio_end_ms")

    @_heard("input_audio_buffer.timeout_triggered")
    def _silence(self, event: Any) -> None:
        self._sound.bound(event, start="audio_start_ms", end="audio_end_ms")

    @_heard("input_audio_buffer.committed")
    def _committed(self, event: Any) -> None:
        item_id = text(event, "item_id")
        turn = self._utterance("audio_input")
        turn.sounds(*self._sound.turn(item_id, self._config.input))
        if self._config.transcribes:
            keep(self._turns, item_id, turn, Utterance.end)
        else:
            turn.end()

    @_heard("conversation.item.input_audio_transcription.completed")
    def _transcribed(self, event: Any) -> None:
        turn = self._turns.pop(text(event, "item_id"), None)
        if turn is not None:
            turn.said(text(event, "transcript"))
            turn.end()

    @_heard("conversation.item.input_audio_transcription.failed")
    def _not_transcribed(self, event: Any) -> None:
        turn = self._turns.pop(text(event, "item_id"), None)
        if turn is not None:
            turn.fails(get(event, "error"))
            turn.end()

    @_heard("response.created")
    def _response_created(self, event: Any) -> None:
        self._response(text(get(event, "response"), "id"))

    @_heard("response.output_text.delta")
    def _text_delta(self, event: Any) -> None:
        self._response(text(event, "response_id")).hear(event)

    @_heard("response.output_audio_transcript.delta")
    def _transcript_delta(self, event: Any) -> None:
        response = self._response(text(event, "response_id"))
        response.spoken = True
        response.hear(event)

    @_heard("response.output_audio.delta")
    def _audio_delta(self, event: Any) -> None:
        self._response(text(event, "response_id")).sound(decoded_size(get(event, "delta")))

    @_heard("response.function_call_arguments.done")
    def _arguments_done(self, event: Any) -> None:
        self._call(self._response(text(event, "response_id")), event)

    @_heard("response.output_item.done")
    def _item_done(self, event: Any) -> None:
        self._output(self._response(text(event, "response_id")), get(event, "item"))

    @_heard("response.done")
    def _response_done(self, event: Any) -> None:
        result = get(event, "response")
        response = self._response(text(result, "id"))
        self._responses.pop(text(result, "id"), None)
        for item in members(result, "output"):
            self._output(response, item)
        response.conclude(result, self._config.served_by)
        form = get(get(get(result, "audio"), "output"), "format")
        self._finish(response, None, Format(form) if form else None)

    # What is made of it.

    def _event(self, what: str, details: Mapping[str, Any], severity: str = "info") -> None:
        with self._inside():
            record_event("calls", what, severity=severity, component=COMPONENT, details=details)

    def _utterance(self, kind: Kind) -> Utterance:
        with self._inside():
            return Utterance(kind).start()

    def _response(self, response_id: str) -> Response:
        """Return a response on its way; one we have not heard of begins."""
        found = self._responses.get(response_id)
        if found is None:
            asked, self._asked = self._asked, None
            found = asked or Response(self._config.model, "")
            with self._inside():
                if found.begin(response_id, self._instructions):
                    self._instructions = None
            keep(self._responses, response_id, found, functools.partial(self._finish, error=GeneratorExit()))
        return found

    def _finish(self, response: Response, error: BaseException | None, form: Format | None = None) -> None:
        if response.spoken:
            with self._inside(), response.active():
                spoken = Utterance("audio_output").start()
            spoken.sounds(response.size, form or self._config.output)
            if response.words:
                spoken.said(response.words)
            spoken.end()
        response.leave(error)

    def _output(self, response: Response, item: Any) -> None:
        """Hear that an item of a response is complete; of a call we hear up to three times."""
        kind, incomplete = get(item, "type"), get(item, "status") == "incomplete"
        if kind == "function_call" and not incomplete:
            self._call(response, item)
        elif kind == "function_call":  # nobody is to run it
            response.takes_back(text(item, "call_id"))
            self._calls.pop(text(item, "call_id"), None)
        elif kind == "mcp_call":
            self._call_of_server(response, item)

    def _call(self, response: Response, call: Any) -> None:
        """Begin the call of a function; it ends when its output is sent."""
        call_id, name, arguments = text(call, "call_id"), text(call, "name"), text(call, "arguments")
        if not name or call_id in response.called:
            return
        response.wants(call_id, name, arguments)
        if self._tools:
            with self._inside(), response.active():
                begun = tool_call(name, arguments=arguments, call_id=call_id).start()
            keep(self._calls, call_id, begun, ToolCall.end)

    def _call_of_server(self, response: Response, call: Any) -> None:
        """Record a call that the server made of a tool of its own."""
        call_id, output, problem = text(call, "id"), get(call, "output"), get(call, "error")
        if call_id in response.called:
            return
        response.called.add(call_id)
        with self._inside(), response.active():
            begun = tool_call(text(call, "name"), arguments=text(call, "arguments"), call_id=call_id).start()
        if output is not None:
            begun.result(output)
        if problem is not None:
            begun.fail(text(problem, "message") or text(problem, "type"))
        begun.end()
