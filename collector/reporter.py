"""Stores the collector's own figures beside what they are about, so that boards and alerts need nobody who scrapes.

They take the way of every request: journaled, loaded once, counted among the others. What is refused on that way (a
full journal) is not kept for later, as the figures add up and the next ones tell it too.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

from collector.background import Background
from collector.errors import Refused
from collector.telemetry import otlp
from collector.telemetry.exposition import Exposition

SERVICE: Final = "otel-interactions-collector"  # service.name of the figures

log = logging.getLogger(__name__)


class Reporter(Background):
    """A thread that tells the figures each so many seconds."""

    def __init__(
        self, exposition: Exposition, send: Callable[[bytes], object], resource: Mapping[str, str], seconds: float
    ) -> None:
        """Tell what `exposition` shows to `send`, which returns when it is durable or raises `Refused`."""
        super().__init__("reporter")
        self._exposition, self._send, self._seconds = exposition, send, seconds
        self._resource = {"service.name": SERVICE, **resource}
        self._began = time.time_ns()

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                self._send(otlp.encode(self._exposition.families(), self._resource, self._began, time.time_ns()))
            except Refused as refusal:
                log.debug("the collector's own figures are not stored this time: %s", refusal)
