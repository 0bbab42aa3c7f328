"""Two lanes out of the process: what cannot wait leaves at once, the rest in batches; neither holds the caller up.

    ended span --> urgent?  yes --> queue --> one span a request, now      (session_start, critical errors)
                            no  --> queue --> OTEL_BSP_* batches

Each span takes exactly one lane. The memory of both is bounded; a span that finds it full is dropped and counted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

from otel_interactions import conventions as names
from otel_interactions.export.delivery import Delivery
from otel_interactions.export.tally import Tally

# OpenTelemetry's worker can miss a wake-up that comes while it ends a round; this bounds what that costs.
_URGENT_DELAY_MS: Final = 250


class Lanes(SpanProcessor):
    """The span processor of our own export.

    Args:
        make: makes an exporter; each lane has its own, so a slow batch does not hold up an urgent span.
        tally: where the counts go.
        queue_size: spans kept in memory; urgent ones may take as many again.
    """

    def __init__(self, make: Callable[[], SpanExporter], tally: Tally, queue_size: int) -> None:
        self._tally = tally
        self._limit = queue_size
        self._closed = False
        self._deliveries = Delivery(make, tally), Delivery(make, tally)
        urgent, normal = self._deliveries
        self._urgent = BatchSpanProcessor(
            urgent, max_queue_size=2 * queue_size, schedule_delay_millis=_URGENT_DELAY_MS, max_export_batch_size=1
        )
        try:
            self._normal = BatchSpanProcessor(normal, max_queue_size=queue_size)
        except BaseException:
            self._urgent.shutdown()  # type: ignore[no-untyped-call]  # the settings of the batch are wrong: leave no thread behind
            raise

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing to do at the start."""

    def on_end(self, span: ReadableSpan) -> None:
        """Put a sampled span on its lane."""
        if self._closed or span.context is None or not span.context.trace_flags.sampled:
            return
        if urgent(span):
            if self._tally.give(2 * self._limit):
                self._urgent.on_end(span)
        elif self._tally.give(self._limit):
            self._normal.on_end(span)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is waiting; return whether all of it arrived in time."""
        _, lost_before, _ = self._tally.counts()
        in_time = _both(self._urgent.force_flush, self._normal.force_flush, timeout_millis)
        _, lost, _ = self._tally.counts()
        return in_time and not self._closed and lost == lost_before

    def shutdown(self, timeout_millis: int = 30_000) -> None:
        """Send what is waiting, for at most `timeout_millis`; what is left then is dropped and counted."""
        if self._closed:
            return
        self._closed = True
        try:
            in_time = _both(self._urgent.shutdown, self._normal.shutdown, timeout_millis)
        except RuntimeError:
            _in_turn((self._urgent, self._normal), timeout_millis)
            in_time = False
        if not in_time:
            self._tally.abandon()
            for delivery in self._deliveries:
                delivery.shutdown()


def urgent(span: ReadableSpan) -> bool:
    """Return whether a span leaves at once: the start of a session, or a critical error."""
    attributes = span.attributes or {}
    return attributes.get(names.TYPE) == "session_start" or attributes.get(names.CRITICAL) is True


def _both(first: Callable[[], object], second: Callable[[], object], timeout_millis: float) -> bool:
    """Run two calls that keep no time side by side; return whether both ended within `timeout_millis`.

    Raises:
        RuntimeError: the interpreter is exiting and, from Python 3.12 on, starts no thread any more.
    """
    threads = [threading.Thread(target=call, daemon=True, name="otel_interactions") for call in (first, second)]
    deadline = time.monotonic() + timeout_millis / 1e3
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)


def _in_turn(processors: Iterable[BatchSpanProcessor], timeout_millis: float) -> None:
    """Stop processors without a thread of ours; each may take what time is left."""
    deadline = time.monotonic() + timeout_millis / 1e3
    for processor in processors:
        left = max(0.0, deadline - time.monotonic()) * 1e3
        processor._batch_processor.shutdown(timeout_millis=int(left))  # noqa: SLF001  its own shutdown() takes no time
