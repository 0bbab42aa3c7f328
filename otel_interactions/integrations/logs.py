"""Log records of the application become interactions of the session they are written in.

    logging.getLogger().addHandler(LogHandler(logging.WARNING))

An `error` for records of level ERROR and above and for those with an exception, an `event` of the category `system` for
the others; CRITICAL is a critical error, which leaves at once.
"""

from __future__ import annotations

import logging
import threading
from typing import Any, Final

from otel_interactions.guard import guard
from otel_interactions.interactions import error, event
from otel_interactions.session import current_session

_OURS: Final = ("otel_interactions", "opentelemetry")
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LogHandler(logging.Handler):
    """A handler for `logging`.

    Args:
        level: records below it are left alone.
        everywhere: whether records written outside any session are taken, too; else these are left alone.
        source: where they come from: `server`, `worker`.
    """

    def __init__(self, level: int | str = logging.WARNING, *, everywhere: bool = False, source: str = "server") -> None:
        super().__init__(level)
        self._everywhere, self._source = everywhere, source
        self._inside = threading.local()

    def createLock(self) -> None:  # noqa: N802  logging's own name
        """Have none: what records has locks of its own, and who holds these may log."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        """Record one, unless it is our own or OpenTelemetry's: what these say of sending would have to be sent."""
        if record.name.partition(".")[0] in _OURS or getattr(self._inside, "busy", False):
            return
        if not self._everywhere and current_session() is None:
            return
        self._inside.busy = True
        try:
            with guard:
                self._record(record)
        finally:
            self._inside.busy = False

    def _record(self, record: logging.LogRecord) -> None:
        message, attributes = _message(record), _attributes(record)
        failure = record.exc_info[1] if record.exc_info else None
        if failure is None and record.levelno < logging.ERROR:
            severity = "warn" if record.levelno >= logging.WARNING else record.levelname.lower()
            event(
                "system", message, severity=severity, source=self._source, component=record.name, attributes=attributes
            )
            return
        if failure is not None:
            attributes["interaction.message"] = message
        error(
            failure if failure is not None else message,
            critical=record.levelno >= logging.CRITICAL,
            type=None if failure is not None else record.levelname,
            component=record.name,
            source=self._source,
            attributes=attributes,
        )


def _message(record: logging.LogRecord) -> str:
    """Return what is said; where arguments do not fit the format, both as they are."""
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001  the application's own arguments and their __str__
        return f"{record.msg!r} % {len(record.args or ())} arguments that do not fit"


def _attributes(record: logging.LogRecord) -> dict[str, Any]:
    """Return where it was written, and what was given as `extra`."""
    extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    return {
        **extra,
        "code.file.path": record.pathname,
        "code.line.number": record.lineno,
        "code.function.name": record.funcName,
        "thread.name": record.threadName,
    }
