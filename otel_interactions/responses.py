"""The assistant's answers: at once, as a block, streamed, or as a decorator."""

from __future__ import annotations

import logging
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from functools import partial
from typing import Any, ParamSpec, Self, TypedDict, TypeVar, overload

from otel_interactions import conventions as names
from otel_interactions.conventions import Kind
from otel_interactions.decorators import Active, adrive, drive, wrap
from otel_interactions.guard import guard
from otel_interactions.log import say_once
from otel_interactions.recorder import installed, is_off
from otel_interactions.recording import Off, Recording, message
from otel_interactions.values import Gathered, as_number, as_text

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])
TextOf = Callable[[Any], str | None]


class Said(TypedDict, total=False):
    """What `Answer.set()` takes."""

    text: str | None
    model: str | None
    provider: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    finish_reason: str | None
    response_time_ms: float | None
    ttft_ms: float | None
    mood: str | None
    attributes: Mapping[str, Any] | None


class _Text:
    """`answer.text("…")`, and `answer.text = "…"`, which would else take the method's place and record nothing."""

    def __get__(self, answer: Answer, owner: type[Answer]) -> Callable[[str], None]:
        return answer.say

    def __set__(self, answer: Answer, text: str) -> None:
        answer.say(text)


class Answer(Recording):
    """What a model says, whole or in a stream: the base of `AssistantResponse` and `Generation`."""

    text = _Text()

    def __init__(
        self,
        kind: Kind,
        name: str,
        fields: Mapping[str, Any],
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(kind, name, attributes)
        self._fields = dict(fields)
        self._extra = attributes
        self._text = Gathered()
        self._created_ns = self._now()
        self._first_chunk_ns: int | None = None
        self._timed = False
        self.set(**self._fields)

    def set(
        self,
        *,
        text: str | None = None,
        model: str | None = None,
        provider: str | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cost_usd: float | None = None,
        finish_reason: str | None = None,
        response_time_ms: float | None = None,
        ttft_ms: float | None = None,
        mood: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        """Set what is known of the answer; None leaves a field as it is. The fields are those of the function."""
        if text is not None:
            self.say(text)
        self._fields |= {"finish_reason": finish_reason} if finish_reason is not None else {}
        self._put(
            {
                **(attributes or {}),
                names.GEN_AI_REQUEST_MODEL: model,
                names.GEN_AI_PROVIDER_NAME: provider,
                names.GEN_AI_INPUT_TOKENS: input_tokens,
                names.GEN_AI_OUTPUT_TOKENS: output_tokens,
                names.COST_USD: as_number(cost_usd),
                names.GEN_AI_FINISH_REASONS: None if finish_reason is None else [as_text(finish_reason)],
                names.RESPONSE_TIME_MS: as_number(response_time_ms),
                names.GEN_AI_TIME_TO_FIRST_CHUNK: _seconds(ttft_ms),
                names.MOOD: mood,
            }
        )

    @guard
    def say(self, text: str) -> None:
        """Set the whole text of the answer; `text` is another name of it."""
        self._text = Gathered()
        self.append(text)

    @guard
    def append(self, text: str) -> None:
        """Add to the text of the answer."""
        self._text.append(text if isinstance(text, str) else as_text(text))

    def stream(self, chunks: Iterable[T], *, text_of: TextOf | None = None) -> Generator[T, Any, Any]:
        """Yield the chunks unchanged while collecting their text and timing the first.

        Outside a `with` block the answer ends with the stream. Abandoned half way, the source is closed and what was
        heard so far is recorded, with `abandoned` as the finish reason.

        Args:
            chunks: what the model streams.
            text_of: the text of one chunk, or None if it has none; without it the text of those that are str.
        """
        return drive(lambda: iter(chunks), _Stream(self, text_of))

    def astream(self, chunks: AsyncIterable[T], *, text_of: TextOf | None = None) -> AsyncGenerator[T, Any]:
        """Yield the chunks of an async iterable; as `stream` in all else."""
        return adrive(lambda: aiter(chunks), _Stream(self, text_of))

    def enter(self) -> None:
        """Begin, at the time this object was made: with a stream the request has been on its way since then."""
        self._timed = True
        self._start(self._created_ns)

    def start(self) -> Self:
        """Begin now, without becoming current; `with` does this."""
        self._timed = True
        self._start(None)
        return self

    def yielded(self, item: Any) -> None:
        """Hear one chunk of a decorated generator."""
        self._hear(item, None)

    def returned(self, value: Any) -> Any:
        """Hear what a decorated function returned; an iterator it returned is streamed."""
        if isinstance(value, AsyncIterator):
            return self.astream(value)
        if isinstance(value, Iterator):
            return self.stream(value)
        if value is not None and self._first_chunk_ns is None:
            self.text(value)
        self.leave(None)
        return value

    def leave(self, error: BaseException | None) -> None:
        """End; an answer that was cancelled or abandoned says so as its finish reason."""
        self._interrupted(error)
        super().leave(error)

    def _interrupted(self, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, Exception) and self._fields.get("finish_reason") is None:
            self.set(finish_reason="abandoned" if isinstance(error, GeneratorExit) else "cancelled")

    @guard
    def _hear(self, chunk: Any, text_of: TextOf | None) -> None:
        if self._first_chunk_ns is None:
            self._first_chunk_ns = self._now()
        if text_of is not None:
            chunk = _told(text_of, chunk)
        if isinstance(chunk, str):
            self.append(chunk)

    def _finishing(self, end_ns: int) -> None:
        if self._first_chunk_ns is not None:
            waited = max(0, self._first_chunk_ns - self._started_ns)
            self._attributes.setdefault(names.GEN_AI_TIME_TO_FIRST_CHUNK, waited / 1e9)
        if self._timed:
            self._attributes.setdefault(names.RESPONSE_TIME_MS, (end_ns - self._started_ns) / 1e6)
        if self._session is not None and self._session.model is not None:
            self._attributes.setdefault(names.GEN_AI_REQUEST_MODEL, as_text(self._session.model))
        self._finish_text()

    def _finish_text(self) -> None:
        """Set the message that was said."""
        if self._text.length:
            self._attributes |= message(
                "assistant",
                self._text.text(),
                capture=self._captures,
                length=self._text.length,
                finish_reason=self._fields.get("finish_reason"),
            )


class AssistantResponse(Answer):
    """One answer of the assistant, made by `assistant_response()`."""

    def __init__(self, fields: Mapping[str, Any], attributes: Mapping[str, Any] | None = None) -> None:
        super().__init__("assistant_response", "assistant_response", fields, attributes)

    def __call__(self, function: F) -> F:
        """Decorate a function that returns or yields the answer's text."""
        return wrap(
            function,
            lambda _args, _kwargs: AssistantResponse(self._fields, self._extra),
            partial(is_off, "assistant_response"),
        )


class OffAnswer(Off, Answer):
    """An answer while nothing is recorded."""

    _text = Gathered()  # for who asks; nothing is added
    _begun = False

    def start(self) -> Self:
        """Count what is not recorded."""
        self.enter()
        return self

    def __enter__(self) -> Self:
        self.enter()
        return self

    def set(self, **known: Any) -> None:
        """Nothing is kept."""

    def say(self, text: str) -> None:
        """Nothing is kept."""

    def append(self, text: str) -> None:
        """Nothing is kept."""

    def enter(self) -> None:
        """Count what is not recorded; a stream inside a block is no other one."""
        if not self._begun:
            self._begun = True
            is_off(self.kind)

    def returned(self, value: Any) -> Any:
        """Nothing is kept."""
        return value

    def leave(self, error: BaseException | None) -> None:
        """Nothing has begun."""

    def _interrupted(self, error: BaseException | None) -> None:
        """Nothing has begun."""

    def _hear(self, chunk: Any, text_of: TextOf | None) -> None:
        """Nothing is kept."""


class _OffResponse(OffAnswer, AssistantResponse):
    """An answer of the assistant while nothing is recorded; as a decorator what it would be."""

    def __call__(self, function: F) -> F:
        """Decorate a function, whose answers are recorded once anything is."""
        return AssistantResponse(*self._given)(function)


class _Stream:
    """The scope of `Answer.stream`: in a `with` block the block ends the answer, else the stream does."""

    def __init__(self, answer: Answer, text_of: TextOf | None) -> None:
        self._answer = answer
        self._text_of = text_of
        self._owner = False

    def enter(self) -> None:
        """Begin the answer unless a block has."""
        self._owner = not self._answer._entered  # noqa: SLF001  one class in two halves
        self._answer.enter()

    def active(self) -> Active:
        """Be the parent of what the source records while it makes a chunk."""
        return self._answer.active()

    def yielded(self, item: Any) -> None:
        """Hear one chunk."""
        self._answer._hear(item, self._text_of)  # noqa: SLF001

    def returned(self, value: Any) -> Any:
        """End with the stream, if it owns the answer."""
        self.leave(None)
        return value

    def leave(self, error: BaseException | None) -> None:
        """End; in a block keep the answer open, it is the block that hears of the error."""
        if self._owner:
            self._answer.leave(error)
        else:
            self._answer._interrupted(error)  # noqa: SLF001


@overload
def assistant_response(text: Callable[P, R]) -> Callable[P, R]: ...
@overload
def assistant_response(
    text: str | None = None,
    *,
    model: str | None = None,
    provider: str | None = None,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    cost_usd: float | None = None,
    finish_reason: str | None = None,
    response_time_ms: float | None = None,
    ttft_ms: float | None = None,
    mood: str | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> AssistantResponse: ...


def assistant_response(
    text: Any = None,
    *,
    model: str | None = None,
    provider: str | None = None,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    cost_usd: float | None = None,
    finish_reason: str | None = None,
    response_time_ms: float | None = None,
    ttft_ms: float | None = None,
    mood: str | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Any:
    """Record an answer of the assistant: with `text` at once; without, as `with`, `async with`, stream or decorator.

    Args:
        text: the whole answer; a function decorated without parentheses returns or yields it.
        model: the model that answered; the session's unless given.
        provider: who runs the model: `openai`, `gcp.gemini`.
        input_tokens: tokens read.
        output_tokens: tokens written.
        cost_usd: what the answer cost, in US dollars.
        finish_reason: why the model stopped: `stop`, `length`.
        response_time_ms: milliseconds from question to complete answer; a block or stream is timed by itself.
        ttft_ms: milliseconds to the first chunk; a stream is timed by itself.
        mood: the mood the application ascribes to the answer.
        attributes: more attributes.
    """
    if callable(text):
        return AssistantResponse({})(text)
    if text is not None and is_off("assistant_response"):
        return _NO_RESPONSE
    fields = {
        "model": model,
        "provider": provider,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "cost_usd": cost_usd,
        "finish_reason": finish_reason,
        "response_time_ms": response_time_ms,
        "ttft_ms": ttft_ms,
        "mood": mood,
    }
    if installed() is None:
        return _OffResponse("assistant_response", fields, attributes)
    answer = AssistantResponse(fields, attributes)
    if text is not None:
        answer.text(text)
        answer._start(None)  # noqa: SLF001  not timed: what took time is over
        answer.end()
    return answer


_NO_RESPONSE = _OffResponse("assistant_response", {}, None)


def _told(text_of: TextOf, chunk: Any) -> str | None:
    try:
        return text_of(chunk)
    except Exception as error:  # noqa: BLE001  the application's function: the stream goes on without that text
        say_once("text_of", logging.WARNING, "text_of failed for a chunk, its text is missing (said once): %r", error)
        return None


def _seconds(milliseconds: object) -> object:
    number = as_number(milliseconds)
    return number / 1e3 if isinstance(number, float) else number
