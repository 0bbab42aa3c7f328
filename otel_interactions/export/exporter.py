"""From an ended span to the collector: encoded on the thread that ended it, kept, sent by threads of ours.

    on_end --> encode --> urgent?  yes --> queue --> sender, now        (session_start, critical errors)
                                   no  --> queue --> sender, in batches

Each span takes exactly one way. A queue is a spool of files, or memory where there is no folder for one.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otel_interactions import conventions as names
from otel_interactions.export.encoding import Origin, encode_origin, encode_span
from otel_interactions.export.queues import Limits, Memory, Queue, Spool
from otel_interactions.export.sender import Pace, Sender
from otel_interactions.export.spool import Folder
from otel_interactions.export.tally import Counts, Tally
from otel_interactions.export.transport import Transport
from otel_interactions.guard import guard
from otel_interactions.privacy.policy import DEFAULT, Privacy
from otel_interactions.privacy.spans import fit_to_leave
from otel_interactions.process import PROCESS

_ORIGINS: Final = 256  # kept encoded: there are as many as instrumentations
_OPEN: Final = 100_000  # anonymous spans that are remembered while they are open
_MEMORY: Final = 64 << 20  # bytes of spans in memory, besides their number


@dataclass(frozen=True, slots=True)
class Flushed:
    """What became of spans since the last `flush()`, or `configure()`; true if none of them waits or was given up.

    Attributes:
        accepted: how many the collector has.
        refused: how many it refused for good, by what it said.
        lost: how many were given up, by reason.
        waiting: how many wait in memory.
        spooled: how many wait in the spool: they survive this process.
    """

    accepted: int = 0
    refused: dict[str, int] | None = None
    lost: dict[str, int] | None = None
    waiting: int = 0
    spooled: int = 0

    def __bool__(self) -> bool:
        """Tell whether all there was is accepted."""
        return not (self.refused or self.lost or self.waiting or self.spooled)


class Ours(SpanProcessor):
    """A processor whose work is done for the spans of `direct.py`, too, though these do not pass it."""


class Exporter(Ours):
    """The span processor of our own export.

    Args:
        connect: makes a transport; each way has its own, so a slow batch does not hold up an urgent span.
        tally: where the fate of spans is counted.
        pace: when a batch is sent.
        queue_size: the most spans that wait in memory, in each way.
        privacy: what may leave of the spans of other instrumentations; interactions come as they may leave.
        folder: the spool's, None for none.
        limits: how much of it may be used.
    """

    def __init__(
        self,
        connect: Callable[[], Transport],
        tally: Tally,
        pace: Pace,
        queue_size: int,
        privacy: Privacy = DEFAULT,
        *,
        folder: Folder | None,
        limits: Limits,
    ) -> None:
        self.privacy = privacy
        self._tally, self._pace, self._files = tally, pace, 0
        self._lock = threading.RLock()
        self._origins: dict[tuple[int, int], tuple[Resource, InstrumentationScope | None, Origin]] = {}
        self._anonymous: dict[int, object] = {}  # open spans, by their ids
        self._closed = False
        self._told = Counts()

        def queue() -> Queue:
            memory = Memory(queue_size, _MEMORY)
            return memory if folder is None else Spool(folder, self._name, limits, memory, tally.lose)

        self._normal = Sender(queue(), connect, tally, pace, adopts=True)
        self._urgent = Sender(queue(), connect, tally, pace, adopts=False)
        self._senders = self._urgent, self._normal
        _exporters.add(self)

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002
        """Remember who is anonymous: a span with more attributes than its limit loses the first, which say so."""
        with guard:
            if (span.attributes or {}).get(names.ANONYMOUS) is True and span.context is not None:
                if len(self._anonymous) >= _OPEN:  # most of them will never end
                    self._anonymous.clear()
                self._anonymous[span.context.span_id] = None

    def on_end(self, span: ReadableSpan) -> None:
        """Keep a sampled span, encoded."""
        context = span.context
        was_anonymous = context is not None and self._anonymous.pop(context.span_id, self) is None
        if self._closed or context is None or not context.trace_flags.sampled:
            return
        with guard:
            attributes = span.attributes or {}
            hidden = was_anonymous or self.privacy.hides(attributes)
            if hidden or self.privacy.changes:
                span = fit_to_leave(span, self.privacy, hidden=hidden)
            origin = self.origin(span.resource, span.instrumentation_scope)
            self.put(origin, encode_span(span), urgent=leaves_at_once(attributes))

    def origin(self, resource: Resource, scope: InstrumentationScope | None) -> Origin:
        """Return where a span comes from, encoded once."""
        known = self._origins.get((id(resource), id(scope)))
        if known is None:
            if len(self._origins) >= _ORIGINS:
                self._origins.clear()
            known = resource, scope, encode_origin(resource, scope)  # kept alive, or another would get its id
            self._origins[id(resource), id(scope)] = known
        return known[2]

    def put(self, origin: Origin, span: bytes, *, urgent: bool) -> None:
        """Keep an encoded span until it is sent."""
        sender = self._urgent if urgent else self._normal
        with self._lock:
            self._tally.give()
            refusal = sender.queue.put(origin, span)
            sender.given += 1
            full = not sender.given % self._pace.spans
        if refusal:
            self._tally.lose(1, refusal, "as many spans wait as may")
        sender.start()
        if urgent or full:
            sender.wake(now=False)

    def flush(self, timeout: float) -> Flushed:
        """Send what waits now, for at most so many seconds; return what became of it."""
        if not self._closed:
            given = [(sender, sender.given) for sender in self._senders]
            for sender, _ in given:
                sender.start()
                sender.wake()

            def is_done() -> bool:
                return all(sender.unsettled() <= sender.given - before for sender, before in given)

            self._tally.wait_for(is_done, time.monotonic() + timeout)
        now, before = self._tally.counts(), self._told
        self._told = now
        waiting, spooled = self.waiting()
        return Flushed(
            accepted=now.delivered - before.delivered,
            refused=dict(Counter(now.refused) - Counter(before.refused)),
            lost=dict(Counter(now.lost) - Counter(before.lost)),
            waiting=waiting,
            spooled=spooled,
        )

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what waits; return whether all of it arrived in time."""
        return bool(self.flush(timeout_millis / 1e3))

    def waiting(self) -> tuple[int, int]:
        """Return how many spans wait in memory, and how many in the spool."""
        in_memory, in_files = zip(*(sender.queue.waiting() for sender in self._senders), strict=True)
        return sum(in_memory), sum(in_files)

    def in_flight(self) -> int:
        """Return how many spans are being sent."""
        return sum(sender.in_flight for sender in self._senders)

    def spool_bytes(self) -> int:
        """Return how many bytes wait in the spool."""
        return sum(sender.queue.size() for sender in self._senders)

    def shutdown(self, timeout_millis: int = 30_000) -> None:
        """Send what waits, for at most `timeout_millis`; then the spool keeps it, and what is in memory is lost."""
        if self._closed:
            return
        self._closed = True
        deadline = time.monotonic() + timeout_millis / 1e3
        for sender in self._senders:
            sender.end(deadline)
        for sender in self._senders:
            sender.join()
            self._tally.lose(
                sender.queue.close(), "shutdown", f"not sent in time; last error: {self._tally.last_error or 'none'}"
            )

    def renew(self) -> None:
        """Begin anew in a forked child: what waits is the parent's."""
        self._lock = threading.RLock()
        self._told = Counts()
        self._tally.renew()
        for sender in self._senders:
            sender.queue.forget()
            sender.renew()

    def _name(self) -> str:
        self._files += 1
        return f"{time.time_ns()}-{PROCESS.instance_id}-{self._files:06d}"


def leaves_at_once(attributes: Mapping[str, Any]) -> bool:
    """Return whether a span with these attributes is urgent: the start of a session, or a critical error."""
    return attributes.get(names.TYPE) == "session_start" or attributes.get(names.CRITICAL) is True


_exporters: weakref.WeakSet[Exporter] = weakref.WeakSet()


def _renew_all() -> None:
    for exporter in list(_exporters):
        exporter.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
