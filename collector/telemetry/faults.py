"""Exceptions nobody caught: logged with their traceback, counted, and remembered.

A process that lost one of its threads or tasks looks alive and is not. `/health` says so, and where the thread is one
that acknowledged data depends on, the collector ends, so that a supervisor starts it anew. Nothing is lost by that:
what was acknowledged is in the journal.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from collector.telemetry.counters import Counters

log = logging.getLogger(__name__)


class Faults:
    """The uncaught exceptions of this process, from the moment `watch` is called."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._on_fatal: Callable[[], object] = lambda: None
        self._vital: frozenset[str] = frozenset()
        self.sentences: list[str] = []
        self.fatal = ""

    def watch(self, vital: frozenset[str], on_fatal: Callable[[], object]) -> None:
        """Take over the hooks of threads and of the running event loop.

        `on_fatal` is called, from whichever thread, when a thread named in `vital` ends by an exception; `fatal` says
        which then.
        """
        self._vital, self._on_fatal = vital, on_fatal
        threading.excepthook = self._in_thread
        asyncio.get_running_loop().set_exception_handler(self._in_loop)

    def _in_thread(self, caught: threading.ExceptHookArgs) -> None:
        if caught.exc_value is None or isinstance(caught.exc_value, SystemExit):
            return
        name = caught.thread.name if caught.thread else "unknown"
        self._record(f"the thread {name!r} ended", caught.exc_value, caught.exc_traceback)
        if name in self._vital:
            self.fatal = self.sentences[-1]
            self._on_fatal()

    def _in_loop(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is None or isinstance(error, OSError):  # a connection that broke is its peer's matter
            loop.default_exception_handler(context)
            return
        self._record(str(context.get("message") or "an exception in the event loop"), error, error.__traceback__)

    def _record(self, where: str, error: BaseException, traceback: TracebackType | None) -> None:
        self._counters.add("uncaught_exceptions")
        self.sentences = [*self.sentences[-9:], f"{where}: {type(error).__name__}: {error}"]
        log.critical("%s", where, exc_info=(type(error), error, traceback))
