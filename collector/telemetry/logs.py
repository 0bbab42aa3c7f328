"""Log lines on standard error: one event a line, as text or as JSON, and what repeats said once.

A line that repeats (same logger, level and template; an error counts as the same only if its whole text is) is printed
the first time; when ten seconds have passed, or at the exit, one more line says how often it came again.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any, Literal

# Libraries whose words reach the operator as ours, or not at all.
_QUIET = {
    "asyncio": logging.WARNING,
    "clickhouse_connect": logging.CRITICAL,
    "urllib3.connectionpool": logging.CRITICAL,
    "uvicorn.access": logging.WARNING,
    "uvicorn.error": logging.WARNING,
}
REPEAT_SECONDS = 10.0
_MOST_KEYS = 1000  # lines remembered at a time; beyond them the oldest is let go early
# Fields of a record that `extra=` did not bring, and what uvicorn brings for terminals.
_NOT_EXTRA = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}
# What would end a line or speak to the terminal, were a sender to put it into a message.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))} | {
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\t",
}
_CONTROL_IN_TRACEBACK = _CONTROL | {ord("\n"): "\n"}


def configure_logging(level: str, form: Literal["text", "json"] = "text") -> None:
    """Log to standard error what is at least of `level`; Python's own warnings too."""
    handler = CollapsingHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(least)


class TextFormatter(logging.Formatter):
    """Time, level, where, what; a traceback below. Control characters are spelled out."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name logging calls
        """Return the line without a traceback."""
        return super().formatMessage(record).translate(_CONTROL)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name logging calls
        """Return a traceback, which is of several lines."""
        return super().formatException(ei).translate(_CONTROL_IN_TRACEBACK)


class JsonFormatter(logging.Formatter):
    """One object a line: time (ISO 8601, UTC), level, logger, message; extra fields; exception where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object."""
        line: dict[str, Any] = {name: value for name, value in record.__dict__.items() if name not in _NOT_EXTRA}
        line |= {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="microseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, skipkeys=True)


_Key = tuple[str, int, int]


@dataclass(slots=True)
class _Repeating:
    """A line that was printed, and what came again since."""

    until: float  # time.monotonic()
    count: int = 0
    text: str = ""  # of the last one


class CollapsingHandler(logging.StreamHandler[IO[str]]):
    """Prints a line the first time, and when its period is over once more, with the number of repetitions."""

    def __init__(self, stream: IO[str], period: float = REPEAT_SECONDS) -> None:
        super().__init__(stream)
        self._period = period
        self._seen: dict[_Key, _Repeating] = {}  # the oldest first
        self._timer: threading.Timer | None = None
        self._closed = False

    def emit(self, record: logging.LogRecord) -> None:
        """Print it, or count it. Logging calls it with the handler's lock held."""
        try:
            self._end_periods(time.monotonic())
            if self._is_first(record):
                super().emit(record)
        except Exception:  # noqa: BLE001 - whatever it is, the caller only wanted to log
            self.handleError(record)

    def _is_first(self, record: logging.LogRecord) -> bool:
        if self._closed:
            return True
        key = _key(record)
        if repeating := self._seen.get(key):
            repeating.count += 1
            repeating.text = record.getMessage()
            self._wake_at(repeating.until)
            return False
        if len(self._seen) >= _MOST_KEYS:
            self._end_oldest()
        self._seen[key] = _Repeating(time.monotonic() + self._period)
        return True

    def close(self) -> None:
        """Say what is still to be said; logging calls it when the process exits."""
        with self._guard():
            self._closed = True
            self._end_periods(float("inf"))
            if self._timer:
                self._timer.cancel()
        super().close()

    def _guard(self) -> threading.RLock:
        assert self.lock is not None  # noqa: S101 - Handler.__init__ made it
        return self.lock

    def _wake_at(self, moment: float) -> None:
        """Look at the periods then, although nothing may be logged meanwhile."""
        if self._timer is None:
            self._timer = threading.Timer(max(0.0, moment - time.monotonic()), self._on_timer)
            self._timer.name, self._timer.daemon = "log-repeats", True
            self._timer.start()

    def _on_timer(self) -> None:
        with self._guard():
            self._timer = None
            self._end_periods(time.monotonic())
            if not self._closed and (due := [each.until for each in self._seen.values() if each.count]):
                self._wake_at(due[0])

    def _end_periods(self, now: float) -> None:
        while self._seen and next(iter(self._seen.values())).until <= now:
            self._end_oldest()

    def _end_oldest(self) -> None:
        name, level, _ = key = next(iter(self._seen))
        ended = self._seen.pop(key)
        if ended.count:
            times = "once" if ended.count == 1 else f"{ended.count} times"
            summary = logging.LogRecord(name, level, "", 0, f"… repeated {times}: {ended.text}", None, None)
            summary.repeated = ended.count
            super().emit(summary)


def _key(record: logging.LogRecord) -> _Key:
    """Return what makes a line the same as another; texts by their hash, they may be long."""
    text = str(record.msg)
    if record.levelno >= logging.ERROR:
        text = record.getMessage() + (repr(record.exc_info[1]) if record.exc_info else "")
    return record.name, record.levelno, hash(text)
