"""One OTLP exporter, its fate counted: a failed export, a bad span or a fork costs as little as it can."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from otel_interactions.export.quiet import listen
from otel_interactions.export.tally import Tally


class Delivery(SpanExporter):
    """Exports through an exporter of OpenTelemetry's and counts what became of each span.

    Args:
        make: makes the exporter; called again in a forked child, as connections do not survive a fork.
        tally: where the counts go.
    """

    def __init__(self, make: Callable[[], SpanExporter], tally: Tally) -> None:
        self._make = make
        self._tally = tally
        self._exporter = make()
        self._pid = os.getpid()
        self._closed = False
        self._heard = ""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send a batch; of a batch that cannot be encoded, send all spans but the bad ones."""
        if self._pid != os.getpid():
            self._exporter, self._pid = self._make(), os.getpid()
        if self._closed:
            self._tally.lose(len(spans), "shutdown", "not sent before the time to shut down was over")
            return SpanExportResult.FAILURE
        try:
            with listen(self._hear):
                result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001  encoding refuses the whole batch for one value it cannot carry
            return self._export_halves(spans, error)
        if result is SpanExportResult.SUCCESS:
            self._tally.deliver(len(spans))
        else:
            reason = "shutdown" if self._closed else "export_failed"
            self._tally.lose(len(spans), reason, self._heard or "the exporter gave no reason")
        return result

    def shutdown(self) -> None:
        """Stop; an export that waits to try again gives up."""
        if self._closed:
            return
        self._closed = True
        if self._pid == os.getpid():
            with listen(self._hear):
                self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002  OpenTelemetry's signature
        """Nothing waits in here: lanes do the waiting."""
        return True

    def _export_halves(self, spans: Sequence[ReadableSpan], error: Exception) -> SpanExportResult:
        if len(spans) == 1:
            self._tally.lose(1, "export_failed", f"span {spans[0].name!r}: {error!r}")
            return SpanExportResult.FAILURE
        middle = len(spans) // 2
        results = self.export(spans[:middle]), self.export(spans[middle:])
        return max(results, key=lambda result: result.value)

    def _hear(self, level: int, line: str) -> None:
        if level < logging.WARNING:
            return
        self._heard = line
        if level < logging.ERROR and not self._closed:
            self._tally.trouble(line)
