"""What goes on behind an answer: calls of a model, runs of an agent, retrievals; and what the user thought of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, ParamSpec, TypeVar, Unpack, overload

from otel_interactions import conventions as names
from otel_interactions.decorators import wrap
from otel_interactions.guard import guard
from otel_interactions.recorder import installed, is_off
from otel_interactions.recording import NOTHING, Off, Recording, as_message, record, span_name
from otel_interactions.responses import Answer, OffAnswer, Said
from otel_interactions.values import MAX_ITEMS, MAX_TEXT, as_json, as_number, as_text, clean

F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
R = TypeVar("R")
Messages = str | Sequence[Mapping[str, Any]]
"""A question, or a conversation: messages with `role` and `content` as chat APIs have them, or with OpenTelemetry's
`parts`."""

_MOST_TEXT = 4 * MAX_TEXT  # characters of one conversation; beyond, the oldest messages go


class Generation(Answer):
    """One call of a model, made by `generation()`."""

    def __init__(
        self,
        fields: Mapping[str, Any],
        messages: Messages | None,
        instructions: str | None,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        model = fields.get("model")
        super().__init__("generation", span_name("generation", as_text(model) if model else ""), fields, attributes)
        self._messages, self._instructions = messages, instructions
        self._tool_calls: list[dict[str, Any]] = []
        self._put({names.GEN_AI_OPERATION_NAME: "chat"})

    def set(
        self,
        *,
        response_model: str | None = None,
        cached_tokens: int | None = None,
        reasoning_tokens: int | None = None,
        tool_calls: Iterable[Mapping[str, Any]] | None = None,
        **known: Unpack[Said],
    ) -> None:
        """Set what is known of the call; None leaves a field as it is. The fields are those of the function.

        Args:
            response_model: the model that answered, where it says so.
            cached_tokens: of the tokens read, those that came from a cache.
            reasoning_tokens: of the tokens written, those nobody sees.
            tool_calls: what the model wants called, as its API has it.
            known: the fields of `assistant_response()`.
        """
        super().set(**known)
        self._put(
            {
                names.GEN_AI_RESPONSE_MODEL: response_model,
                names.GEN_AI_CACHED_TOKENS: cached_tokens,
                names.GEN_AI_REASONING_TOKENS: reasoning_tokens,
            }
        )
        if tool_calls is not None:
            with guard:
                self._tool_calls = [_tool_call(call) for call in tool_calls]

    def __call__(self, function: F) -> F:
        """Decorate a function that calls the model and returns or yields what it said."""
        return wrap(
            function,
            lambda _args, _kwargs: Generation(self._fields, self._messages, self._instructions, self._extra),
            partial(is_off, "generation"),
        )

    def _finish_text(self) -> None:
        if not self._captures:
            super()._finish_text()
            return
        if self._messages is not None:
            self._attributes[names.GEN_AI_INPUT_MESSAGES] = _conversation(self._messages)
        if self._instructions is not None:
            said = [{"type": "text", "content": clean(as_text(self._instructions))}]
            self._attributes[names.GEN_AI_SYSTEM_INSTRUCTIONS] = as_json(said)
        if not self._tool_calls:
            super()._finish_text()
            return
        parts: list[dict[str, Any]] = list(self._tool_calls)
        if self._text.length:
            parts.insert(0, {"type": "text", "content": clean(self._text.text())})
        one: dict[str, Any] = {"role": "assistant", "parts": parts}
        one["finish_reason"] = as_text(self._fields.get("finish_reason") or "tool_call")
        self._attributes[names.GEN_AI_OUTPUT_MESSAGES] = as_json([one])


class _OffGeneration(OffAnswer, Generation):
    """A call of a model while nothing is recorded; as a decorator what it would be."""

    def __call__(self, function: F) -> F:
        """Decorate a function, whose calls of the model are recorded once anything is."""
        return Generation(*self._given)(function)


@overload
def generation(messages: Callable[P, R]) -> Callable[P, R]: ...
@overload
def generation(
    messages: Messages | None = None,
    *,
    model: str | None = None,
    provider: str | None = None,
    instructions: str | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Generation: ...


def generation(
    messages: Any = None,
    *,
    model: str | None = None,
    provider: str | None = None,
    instructions: str | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Any:
    """Record one call of a model, as `with`, `async with`, stream or decorator; `set()` takes what it answered.

    Where OpenTelemetry's instrumentation of the provider's library is at work it records this call by itself.

    Args:
        messages: what the model was given: a question, or the conversation as its API takes it. A function decorated
            without parentheses calls the model.
        model: the model that was asked.
        provider: who runs it: `openai`, `gcp.gemini`.
        instructions: the system prompt, where it is not among the messages.
        attributes: more attributes.
    """
    if callable(messages):
        return Generation({}, None, None)(messages)
    fields = {"model": model, "provider": provider}
    if installed() is None:
        return _OffGeneration("generation", fields, messages, instructions, attributes)
    return Generation(fields, messages, instructions, attributes)


class AgentRun(Recording):
    """One run of an agent, made by `agent_run()`."""

    def __init__(self, agent: str, text: str | None, attributes: Mapping[str, Any] | None = None) -> None:
        self.agent_name = agent if isinstance(agent, str) else str(agent)
        super().__init__("agent_run", span_name("agent_run", self.agent_name), attributes)
        self._extra, self._input = attributes, text
        self._output: Any = None
        self._put({names.GEN_AI_OPERATION_NAME: "invoke_agent", names.GEN_AI_AGENT_NAME: self.agent_name})

    def output(self, text: Any) -> None:
        """Record what the agent came to: a str as it is, anything else as JSON."""
        self._output = text

    def __call__(self, function: F) -> F:
        """Decorate a function: each call is a run of this agent, what it returns its output."""
        return wrap(
            function,
            lambda _args, _kwargs: AgentRun(self.agent_name, self._input, self._extra),
            partial(is_off, "agent_run"),
        )

    def returned(self, value: Any) -> Any:
        """Hear what a decorated function returned, and end."""
        if value is not None:
            self.output(value)
        return super().returned(value)

    def _finishing(self, end_ns: int) -> None:  # noqa: ARG002 - the time is of no use here
        if self._captures:
            if self._input is not None:
                self._attributes[names.GEN_AI_INPUT_MESSAGES] = _conversation(as_text(self._input))
            if self._output is not None:
                self._attributes[names.GEN_AI_OUTPUT_MESSAGES] = as_message("assistant", as_text(self._output))


class _OffAgentRun(Off, AgentRun):
    """A run while nothing is recorded; as a decorator what it would be."""

    def __init__(self, agent: str, *given: Any) -> None:
        super().__init__("agent_run", agent, *given)
        self.agent_name = agent

    def output(self, text: Any) -> None:
        """Nothing is kept."""

    def __call__(self, function: F) -> F:
        """Decorate a function, whose runs are recorded once anything is."""
        return AgentRun(*self._given)(function)


@overload
def agent_run(agent: F) -> F: ...
@overload
def agent_run(agent: str, *, input: str | None = None, attributes: Mapping[str, Any] | None = None) -> AgentRun: ...


def agent_run(
    agent: Any,
    *,
    input: str | None = None,  # noqa: A002  the word people use
    attributes: Mapping[str, Any] | None = None,
) -> Any:
    """Record a run of an agent, as `with`, `async with` or decorator; its model and tool calls become its children.

    Args:
        agent: the agent's name; a function decorated without parentheses gives its own.
        input: what it was asked to do.
        attributes: more attributes.
    """
    if callable(agent) and not isinstance(agent, str):
        name = getattr(agent, "__name__", None) or type(agent).__name__
        return AgentRun(name, input, attributes)(agent)
    if installed() is None:
        return _OffAgentRun(agent, input, attributes)
    return AgentRun(agent, input, attributes)


class Retrieval(Recording):
    """One look into a store of documents, made by `retrieval()`."""

    def __init__(self, query: Any, source: str | None, attributes: Mapping[str, Any] | None = None) -> None:
        super().__init__("retrieval", span_name("retrieval", as_text(source) if source else ""), attributes)
        self._query, self._source, self._extra = query, source, attributes
        self._documents: list[Any] | None = None
        self._put({names.GEN_AI_OPERATION_NAME: "retrieval", names.GEN_AI_DATA_SOURCE_ID: source})

    @guard
    def documents(self, found: Iterable[Any]) -> None:
        """Record what was found: mappings with `id` and `score` where there are such, anything else as text."""
        self._documents = list(found)

    def __call__(self, function: F) -> F:
        """Decorate a function: its first argument is the query, what it returns are the documents."""

        def opener(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Retrieval:
            given = [*args, *kwargs.values()]
            texts = (value for value in given if isinstance(value, str))
            query = self._query if self._query is not None else next(texts, None)
            return Retrieval(query, self._source, self._extra)

        return wrap(function, opener, partial(is_off, "retrieval"))

    def returned(self, value: Any) -> Any:
        """Hear what a decorated function returned, and end. An iterator is left to its consumer."""
        if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes):
            self.documents(value)
        return super().returned(value)

    def _finishing(self, end_ns: int) -> None:  # noqa: ARG002 - the time is of no use here
        if self._captures and self._query is not None:
            self._attributes[names.GEN_AI_RETRIEVAL_QUERY] = as_text(self._query)
        if self._documents is not None:
            kept = [_document(each, whole=self._captures) for each in self._documents[:MAX_ITEMS]]
            self._attributes[names.GEN_AI_RETRIEVAL_DOCUMENTS] = as_json(kept)
            self._attributes[names.DOCUMENTS] = len(self._documents)


class _OffRetrieval(Off, Retrieval):
    """A look while nothing is recorded; as a decorator what it would be."""

    def documents(self, found: Iterable[Any]) -> None:
        """Nothing is kept."""

    def __call__(self, function: F) -> F:
        """Decorate a function, whose looks are recorded once anything is."""
        return Retrieval(*self._given)(function)


@overload
def retrieval(query: Callable[P, R]) -> Callable[P, R]: ...
@overload
def retrieval(
    query: str | None = None, *, source: str | None = None, attributes: Mapping[str, Any] | None = None
) -> Retrieval: ...


def retrieval(query: Any = None, *, source: str | None = None, attributes: Mapping[str, Any] | None = None) -> Any:
    """Record a look into a store of documents, as `with`, `async with` or decorator.

    Args:
        query: what was asked for; of a decorated function the first text among its arguments. A function decorated
            without parentheses looks into the store.
        source: which store: an index, a collection.
        attributes: more attributes.
    """
    if callable(query):
        return Retrieval(None, None)(query)
    if installed() is None:
        return _OffRetrieval("retrieval", query, source, attributes)
    return Retrieval(query, source, attributes)


def feedback(
    score: float | bool | str,
    *,
    name: str = "user_feedback",
    comment: str | None = None,
    of: Recording | str | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Recording:
    """Record what somebody thought of an answer.

    Args:
        score: a number, True and False for thumbs up and down, or a label in words.
        name: what is rated: `helpful`, `tone`.
        comment: in the user's words.
        of: what was rated: what a recording function returned, or its span id.
        attributes: more attributes.
    """
    if is_off("feedback"):
        return NOTHING
    recorder = installed()
    rated = of.span_id if isinstance(of, Recording) else of
    words = {True: "up", False: "down"}.get(score) if isinstance(score, bool) else None
    fields = {
        names.GEN_AI_EVALUATION_NAME: name,
        names.GEN_AI_EVALUATION_SCORE: None if isinstance(score, str) else as_number(score),
        names.GEN_AI_EVALUATION_LABEL: score if isinstance(score, str) else words,
        names.FEEDBACK_OF: rated,
    }
    if comment is not None:
        fields[names.TEXT_LENGTH] = len(as_text(comment))
        if recorder is not None and recorder.capture_content:
            fields[names.GEN_AI_EVALUATION_EXPLANATION] = comment
    return record("feedback", fields, attributes=attributes, detail=name)


def _conversation(messages: Messages) -> str:
    """Return a conversation as JSON in OpenTelemetry's form; where it is too long, its newest messages."""
    if isinstance(messages, str):
        return as_message("user", messages)
    if not isinstance(messages, Sequence):
        return as_message("user", as_text(messages))
    kept: list[str] = []
    room = _MOST_TEXT
    for one in reversed(messages[-MAX_ITEMS:]):
        text = as_json(_in_parts(one))
        room -= len(text)
        if kept and room < 0:
            break
        kept.append(text)
    return f"[{','.join(reversed(kept))}]"


def _in_parts(message: Any) -> Any:
    """Return one message of a chat API in OpenTelemetry's form; one that has it already as it is."""
    if not isinstance(message, Mapping):
        return {"role": "user", "parts": [{"type": "text", "content": as_text(message)}]}
    if "parts" in message:
        return message
    role, content = as_text(message.get("role", "user")), message.get("content")
    if role == "tool":
        answered = {"type": "tool_call_response", "id": message.get("tool_call_id"), "response": content}
        return {"role": role, "parts": [answered]}
    parts = [_part(each) for each in content] if isinstance(content, list | tuple) else []
    if content is not None and not parts:
        parts = [{"type": "text", "content": clean(as_text(content))}]
    parts += [_tool_call(call) for call in message.get("tool_calls") or ()]
    return {"role": role, "parts": parts}


def _part(part: Any) -> Any:
    """Return one part of a message; texts under OpenTelemetry's name, others as they are."""
    if isinstance(part, Mapping) and isinstance(part.get("text"), str):
        return {"type": "text", "content": clean(part["text"])}
    return part if isinstance(part, Mapping) else {"type": "text", "content": as_text(part)}


def _tool_call(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call of a tool, as chat APIs have it or flat, in OpenTelemetry's form."""
    inner = call.get("function")
    of = inner if isinstance(inner, Mapping) else call
    arguments = of.get("arguments")
    if isinstance(arguments, str):
        with guard:
            arguments = _parsed(arguments)
    return {"type": "tool_call", "id": call.get("id"), "name": of.get("name"), "arguments": arguments}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _document(document: Any, *, whole: bool) -> Any:
    """Return a document in OpenTelemetry's form: without content but `id` and `score` alone."""
    if not isinstance(document, Mapping):
        return {"content": clean(as_text(document), MAX_TEXT // 64)} if whole else {}
    if whole:
        return document
    return {name: document[name] for name in ("id", "score") if name in document}
