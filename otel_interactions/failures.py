"""An exception, or a message in its place, as the attributes of a span."""

from __future__ import annotations

import os
import sys
import traceback
from dataclasses import dataclass
from typing import Final

from otel_interactions import conventions as names
from otel_interactions.values import AttributeValue, clean, safe_repr

MAX_STACK: Final = 64 << 10  # characters; the end is kept: the innermost frames and the message stand there
_HERE: Final = os.path.dirname(__file__)  # noqa: PTH120
OTHER: Final = "_OTHER"  # OpenTelemetry's error.type where there is no better


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong: its type, its message and its stack."""

    type: str
    message: str
    stack: str

    def attributes(self) -> dict[str, AttributeValue]:
        """Return the failure in OpenTelemetry's names."""
        return {
            names.ERROR_TYPE: self.type,
            names.EXCEPTION_TYPE: self.type,
            names.EXCEPTION_MESSAGE: self.message,
            names.EXCEPTION_STACKTRACE: self.stack,
        }


def of_exception(error: BaseException, message: str | None = None) -> Failure:
    """Describe an exception; `message` replaces its own."""
    try:
        text = str(error) if message is None else message
    except Exception:  # noqa: BLE001  an exception of the application may fail to print itself
        text = safe_repr(error)
    return Failure(type_name(error), clean(text), _tail(_formatted(error)))


def of_message(message: str, kind: str | None = None) -> Failure:
    """Describe a failure known by its message: with the exception being handled, else the caller's own stack."""
    handled = sys.exception()
    if handled is not None:
        failure = of_exception(handled, message)
        return failure if kind is None else Failure(kind, failure.message, failure.stack)
    frames = traceback.extract_stack()
    while frames and os.path.dirname(frames[-1].filename) == _HERE:  # noqa: PTH120  a hot path of plain strings
        frames.pop()
    return Failure(kind or OTHER, clean(message), _tail("".join(traceback.format_list(frames))))


def type_name(error: BaseException) -> str:
    """Return the qualified name of an exception's class, without `builtins.`."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _formatted(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001  formatting calls the application's __str__ and reads its sources
        return safe_repr(error)


def _tail(stack: str) -> str:
    if len(stack) > MAX_STACK:
        stack = f"[cut: {len(stack)} characters] …{stack[-MAX_STACK:]}"
    return clean(stack)
