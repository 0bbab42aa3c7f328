"""OpenTelemetry's exporters log each attempt; while one of ours exports, we hear those lines and the log does not."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_NOISY: Final = (
    "opentelemetry.exporter.otlp.proto.grpc.exporter",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
)

_listening = threading.local()


class _Filter(logging.Filter):
    """Hands the lines of a listening thread to its listener; exporters that are not ours log as before."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line goes on to the log."""
        listener: Callable[[int, str], None] | None = getattr(_listening, "listener", None)
        if listener is None:
            return True
        listener(record.levelno, record.getMessage())
        return False


_filter = _Filter()


@contextmanager
def listen(listener: Callable[[int, str], None]) -> Iterator[None]:
    """Give what OpenTelemetry's exporters log in this thread, inside the block, to `listener` (level, line)."""
    for name in _NOISY:
        logging.getLogger(name).addFilter(_filter)  # adding it again changes nothing
    _listening.listener = listener
    try:
        yield
    finally:
        _listening.listener = None
