"""Tools the model calls: call and response on one span, or the response alone where it arrives separately."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeVar, overload

from otel_interactions import conventions as names
from otel_interactions.decorators import wrap
from otel_interactions.failures import Failure, of_exception
from otel_interactions.guard import guard
from otel_interactions.ids import new_id
from otel_interactions.recorder import installed, is_off
from otel_interactions.recording import NOTHING, Off, Recording, record, span_name
from otel_interactions.values import MAX_ITEMS, AttributeValue, as_number, as_text, clean

F = TypeVar("F", bound=Callable[..., Any])

_ABSENT: Any = object()
EXECUTE_TOOL = "execute_tool"


class ToolCall(Recording):
    """One call of a tool, made by `tool_call()`."""

    def __init__(
        self, name: str, arguments: object, call_id: str | None, attributes: Mapping[str, Any] | None = None
    ) -> None:
        self.tool_name = name if isinstance(name, str) else str(name)
        super().__init__("tool_call", span_name("tool_call", self.tool_name), attributes)
        self.call_id = clean(str(call_id)) if call_id is not None else _new_call_id()
        self._arguments = arguments
        self._yielded: list[Any] = []
        self._extra = attributes
        self._attributes |= {
            names.GEN_AI_OPERATION_NAME: EXECUTE_TOOL,
            names.GEN_AI_TOOL_NAME: clean(self.tool_name),
            names.GEN_AI_TOOL_CALL_ID: self.call_id,
        }

    def result(self, value: Any) -> None:
        """Record what the tool gave back: a str as it is, anything else as JSON."""
        with guard:
            self._attributes |= _result(value, capture=self._captures)

    def start(self) -> ToolCall:
        """Begin now, without becoming current; `with` does this."""
        self._start(None)
        with guard:
            if self._captures and self._arguments is not None:
                self._attributes[names.GEN_AI_TOOL_ARGUMENTS] = as_text(self._arguments)
        self._arguments = None
        return self

    def __call__(self, function: F) -> F:
        """Decorate a function: each call is recorded under this name."""
        return _decorate(function, self.tool_name, self._extra)

    def yielded(self, item: Any) -> None:
        """Hear one value of a decorated generator; all of them together are its result."""
        if len(self._yielded) < MAX_ITEMS:
            self._yielded.append(item)

    def returned(self, value: Any) -> Any:
        """Hear the result, and end."""
        if value is not None or not self._yielded:
            self._yielded = []
            self.result(value)
        self.leave(None)
        return value

    def leave(self, error: BaseException | None) -> None:
        """End; a generator's values so far are the result."""
        if self._yielded:
            self.result(self._yielded)
        super().leave(error)


class _OffToolCall(Off, ToolCall):
    """A call while nothing is recorded; as a decorator what it would be."""

    def __init__(self, name: str, attributes: Mapping[str, Any] | None, call_id: str | None) -> None:
        super().__init__("tool_call", name, attributes)
        self.tool_name = name
        self._call_id = call_id

    @property
    def call_id(self) -> str:  # type: ignore[override]  # made when somebody asks
        """The id of the call."""
        if self._call_id is None:
            self._call_id = _new_call_id()
        return self._call_id

    def result(self, value: Any) -> None:
        """Nothing is kept."""

    def yielded(self, item: Any) -> None:
        """Nothing is kept."""

    def returned(self, value: Any) -> Any:
        """Nothing is kept."""
        return value

    def __call__(self, function: F) -> F:
        """Decorate a function, whose calls are recorded once anything is."""
        return _decorate(function, *self._given)


@overload
def tool_call(name: F) -> F: ...
@overload
def tool_call(
    name: str,
    *,
    arguments: Mapping[str, Any] | str | None = None,
    call_id: str | None = None,
    result: Any = ...,
    error: BaseException | str | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> ToolCall: ...
@overload
def tool_call(*, name: str | None = None, attributes: Mapping[str, Any] | None = None) -> Callable[[F], F]: ...


def tool_call(
    name: Any = None,
    *,
    arguments: Mapping[str, Any] | str | None = None,
    call_id: str | None = None,
    result: Any = _ABSENT,
    error: BaseException | str | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Any:
    """Record a tool call with its response.

    `@tool_call` and `@tool_call(name="...")` on a function of any kind record each call with its arguments, its result
    or error, and its time. `with tool_call("name", arguments={...}) as call: call.result(...)` does the same by hand.
    `tool_call("name", arguments={...}, result=...)` records a call that is over.

    Args:
        name: the tool's name; that of the function unless given.
        arguments: what it was called with, by name.
        call_id: the id the model gave the call; a new one unless given.
        result: what it gave back.
        error: why it failed.
        attributes: more attributes.
    """
    if callable(name):
        return _decorate(name, None, attributes)
    if name is None:
        return lambda function: _decorate(function, None, attributes)
    if installed() is None:
        off = _OffToolCall(name, attributes, call_id)
        return off if result is _ABSENT and error is None else off.start()
    call = ToolCall(name, arguments, call_id, attributes)
    if result is _ABSENT and error is None:
        return call
    call.start()
    if error is not None:
        call.fail(error)
    if result is not _ABSENT:
        call.result(result)
    call.end()
    return call


def tool_response(
    name: str,
    result: Any = None,
    *,
    call_id: str | None = None,
    duration_ms: float | None = None,
    error: BaseException | str | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Recording:
    """Record the response of a tool that arrives apart from its call.

    Args:
        name: the tool's name.
        result: what it gave back: a str as it is, anything else as JSON.
        call_id: the id of the call it answers.
        duration_ms: milliseconds the tool took.
        error: why it failed.
        attributes: more attributes.
    """
    if is_off("tool_response"):
        return NOTHING
    recorder = installed()
    fields: dict[str, Any] = {
        names.GEN_AI_OPERATION_NAME: EXECUTE_TOOL,
        names.GEN_AI_TOOL_NAME: name,
        names.GEN_AI_TOOL_CALL_ID: call_id,
        names.DURATION_MS: as_number(duration_ms),
    }
    failure = None
    ready: dict[str, AttributeValue] = {}
    with guard:
        ready = _result(result, capture=recorder is not None and recorder.capture_content)
        if error is not None:
            known = isinstance(error, BaseException)
            failure = of_exception(error) if known else Failure("_OTHER", clean(str(error)), "")  # type: ignore[arg-type]
    return record("tool_response", fields, ready=ready, attributes=attributes, detail=name, failure=failure)


def _decorate(function: F, name: str | None, attributes: Mapping[str, Any] | None) -> F:
    tool = name or getattr(function, "__name__", None) or type(function).__name__
    parameters = _Parameters(function)

    def opener(args: tuple[Any, ...], kwargs: dict[str, Any]) -> ToolCall:
        return ToolCall(tool, parameters.named(args, kwargs), None, attributes)

    return wrap(function, opener, partial(is_off, "tool_call"))


class _Parameters:
    """The names of a function's parameters, for what it is called with, without `Signature.bind` at each call."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._names: tuple[str, ...] = ()
        self._rest = "args"
        try:
            found = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):  # some built-in functions do not tell theirs
            return
        self._names = tuple(each.name for each in found if each.kind in _BY_PLACE)
        self._rest = next((each.name for each in found if each.kind is inspect.Parameter.VAR_POSITIONAL), "args")

    def named(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call by name, without `self`; of wrong ones the function will say so itself."""
        if not args:
            return {**kwargs}
        found = dict(zip(self._names, args, strict=False))
        if self._names[:1] in _ITSELF:
            del found[self._names[0]]
        if len(args) > len(self._names):
            found[self._rest] = list(args[len(self._names) :])
        return {**found, **kwargs}


_BY_PLACE: Final = frozenset({inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD})
_ITSELF: Final = frozenset({("self",), ("cls",)})


def _result(value: Any, *, capture: bool) -> dict[str, AttributeValue]:
    text = as_text(value)
    fields: dict[str, AttributeValue] = {names.TEXT_LENGTH: len(text)}
    if capture:
        fields[names.GEN_AI_TOOL_RESULT] = text
    return fields


def _new_call_id() -> str:
    recorder = installed()
    return new_id("call") if recorder is None else recorder.new_id("call")
