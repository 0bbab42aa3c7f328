"""Our own faults are logged, counted and stay ours: they never reach the application.

One object, used both ways:

    with guard:            # what raises in here is ours; the block ends early
        ...

    @guard                 # what raises in here is ours; the caller gets None
    def helper(): ...

Code of the application (its functions, its generators, its `with` blocks) never runs inside the guard: its exceptions
are its own and pass unchanged.
"""

from __future__ import annotations

import functools
import logging
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import ParamSpec, TypeVar

from otel_interactions.log import say_once
from otel_interactions.process import PROCESS

P = ParamSpec("P")
R = TypeVar("R")

FAULT = "fault"
"""The reason under which `status()` counts what a fault of ours cost."""


class Guard:
    """Swallow and report every `Exception`; let `KeyboardInterrupt` and its like pass."""

    reraise = False
    """True only in this package's own tests, where a fault must show."""

    def __enter__(self) -> None:
        """Begin a block whose faults are ours."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        return self._report(error)

    def _report(self, error: Exception) -> bool:
        """Count and log a fault; return whether it ends here."""
        PROCESS.drop(FAULT)
        say_once((FAULT, *_where(error.__traceback__)), logging.ERROR, _LINE, _traced(error))
        return not self.reraise

    def __call__(self, function: Callable[P, R]) -> Callable[P, R | None]:
        """Return `function` with its faults guarded; after a fault it returns None."""

        @functools.wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R | None:
            try:
                return function(*args, **kwargs)
            except Exception as error:
                if not self._report(error):
                    raise
            return None

        return guarded


_LINE = (
    "a fault inside otel_interactions; your code runs on, one interaction may be missing. "
    "This line appears once for each place; please report it: %s"
)


def _where(trace: TracebackType | None) -> tuple[str, int]:
    """Return file and line of the innermost frame: faults of one place are one line in the log."""
    if trace is None:
        return "", 0
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename, trace.tb_lineno


def _traced(error: Exception) -> str:

    return "".join(traceback.format_exception(error))


guard = Guard()
