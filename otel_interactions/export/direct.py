"""The span of an interaction without OpenTelemetry's SDK in between: made here, encoded when it ends, put to be sent.

OpenTelemetry's own span costs more than all the rest of a recording call, and half of that is what nobody uses here:
bounded copies, locks, a snapshot for each processor. This one is a Span of OpenTelemetry's API all the same, so it can
be the current span, and other instrumentations find in it what they expect. It is used where nobody but us would see
the SDK's: the provider is of our making, nobody else has added a processor to it, and no limits are set
(`OTEL_SPAN_*_LIMIT`).
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Event, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    get_current_span,
)
from opentelemetry.util.types import Attributes, AttributeValue

from otel_interactions import conventions as names
from otel_interactions.export.encoding import event_field, span_field
from otel_interactions.export.exporter import Exporter, Ours, leaves_at_once
from otel_interactions.failures import type_name
from otel_interactions.guard import guard
from otel_interactions.privacy.spans import fit_events, fit_links
from otel_interactions.values import clean

_logger = logging.getLogger("otel_interactions")

_INTERNAL: Final = 1  # Span.SpanKind of trace.proto
_FLAGS: Final = {
    (is_sampled, is_random): TraceFlags(TraceFlags.SAMPLED * is_sampled | TraceFlags.RANDOM_TRACE_ID * is_random)
    for is_sampled in (False, True)
    for is_random in (False, True)
}
_FOLLOWS_PARENT: Final = (
    ",remoteParentSampled:AlwaysOnSampler,remoteParentNotSampled:AlwaysOffSampler,"
    "localParentSampled:AlwaysOnSampler,localParentNotSampled:AlwaysOffSampler}"
)
"""How the sampler describes itself, whatever it does with roots, that has a span sampled when its parent is."""
_MOST: Final = 128  # attributes, events and links of a span: OpenTelemetry's defaults


def no_limits() -> bool:
    """Tell whether spans have OpenTelemetry's default limits, which no interaction reaches."""
    limits = SpanLimits()
    counts = limits.max_span_attributes, limits.max_events, limits.max_links
    return counts == (_MOST, _MOST, _MOST) and limits.max_span_attribute_length is None


class OwnProvider(TracerProvider):
    """A provider of our making.

    Attributes:
        watched: whether the application or an instrumentation has added a processor, which is to see each span.
    """

    watched = False

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Add a processor; of those that are not ours take note."""
        super().add_span_processor(span_processor)
        if not isinstance(span_processor, Ours):
            self.watched = True


class Direct:
    """Makes spans.

    Args:
        exporter: gets them encoded.
        provider: whose ids, sampler and resource they have.
        scope: what made them.
        mark: puts on a span what it has from its Context: session and user.
    """

    def __init__(
        self,
        exporter: Exporter,
        provider: OwnProvider,
        scope: InstrumentationScope,
        mark: Callable[[Span, Context], None],
    ) -> None:
        self._exporter, self._provider, self._scope, self._mark = exporter, provider, scope, mark
        self._follows_parent = provider.sampler.get_description().endswith(_FOLLOWS_PARENT)

    @property
    def alone(self) -> bool:
        """Whether nobody else watches the spans of the provider."""
        return not self._provider.watched

    def start(
        self, name: str, context: Context, attributes: dict[str, Any], links: Sequence[Link], start_ns: int
    ) -> Span:
        """Start a span as a tracer would."""
        provider = self._provider
        ids = provider.id_generator
        parent: SpanContext | None = get_current_span(context).get_span_context()
        if parent is None or not parent.is_valid:
            parent, trace_id, is_random = None, ids.generate_trace_id(), ids.is_trace_id_random()
        else:
            trace_id, is_random = parent.trace_id, bool(parent.trace_flags & TraceFlags.RANDOM_TRACE_ID)
        if parent is not None and self._follows_parent:
            is_sampled = is_recording = bool(parent.trace_flags & TraceFlags.SAMPLED)
            state = parent.trace_state
        else:
            said = provider.sampler.should_sample(context, trace_id, name, SpanKind.INTERNAL, attributes, links)
            is_sampled = said.decision is Decision.RECORD_AND_SAMPLE
            is_recording = said.decision is not Decision.DROP
            attributes, state = dict(said.attributes or attributes), said.trace_state or TraceState()
        own = SpanContext(trace_id, ids.generate_span_id(), False, _FLAGS[is_sampled, is_random], state)  # noqa: FBT003
        if not is_recording:
            return NonRecordingSpan(own)
        span = DirectSpan(self, name, own, parent, links, start_ns)
        span.values.update(attributes)
        self._mark(span, context)
        return span

    def finish(self, span: DirectSpan, end_ns: int) -> None:
        """Put an ended span to be sent."""
        exporter, events, links = self._exporter, span.events, span.links
        if events or links or names.SEQUENCE not in span.values:
            events, links = self._fit(span)
        encoded = span_field(
            span.context,
            span.parent,
            span.name,
            _INTERNAL,
            span.start_ns,
            end_ns,
            span.values,
            links=links,
            status=span.status,
            rest=b"".join(event_field(event) for event in events) if events else b"",
        )
        origin = exporter.origin(self._provider.resource, self._scope)
        exporter.put(origin, encoded, urgent=leaves_at_once(span.values))

    def _fit(self, span: DirectSpan) -> tuple[list[Event], Sequence[Link]]:
        """Return events and links as they may leave; have the rest so, too, if somebody else has ended the span."""
        privacy, events, links = self._exporter.privacy, span.events, span.links
        hidden = privacy.hides(span.values)
        if not hidden and not privacy.changes:
            return events, links
        if names.TYPE in span.values and names.SEQUENCE not in span.values:
            span.values, span.name = privacy.foreign(span.values, hidden=hidden), privacy.text(span.name, hidden=hidden)
            if span.status is not None and span.status.description:
                span.status = Status(span.status.status_code, privacy.text(span.status.description, hidden=hidden))
        return fit_events(events, privacy, hidden=hidden), fit_links(links, privacy, hidden=hidden)


class DirectSpan(Span):
    """A span of our own; any thread may use it."""

    __slots__ = ("_direct", "_open", "context", "events", "links", "name", "parent", "start_ns", "status", "values")

    def __init__(  # noqa: PLR0917 - what it begins with
        self,
        direct: Direct,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        links: Sequence[Link],
        start_ns: int,
    ) -> None:
        self._direct, self._open = direct, True
        self.name, self.context, self.parent, self.start_ns = name, context, parent, start_ns
        self.links = links
        self.values: dict[str, Any] = {}
        self.events: list[Event] = []
        self.status: Status | None = None

    def get_span_context(self) -> SpanContext:
        """Return its ids."""
        return self.context

    @property
    def attributes(self) -> dict[str, Any]:
        """Return its attributes so far."""
        return self.values

    def is_recording(self) -> bool:
        """Tell whether it has not ended."""
        return self._open

    def set_attributes(self, attributes: Any) -> None:
        """Set attributes."""
        if self._open and len(self.values) + len(attributes) <= _MOST and "" not in attributes:
            self.values.update(attributes)
            return
        for name, value in attributes.items():
            self.set_attribute(name, value)

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """Set one attribute; beyond 128 only those that are there already."""
        if self._open and key and (len(self.values) < _MOST or key in self.values):
            self.values[key] = value

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        """Add an event."""
        if self._open and len(self.events) < _MOST:
            self.events.append(Event(name, dict(attributes or {}), timestamp or time.time_ns()))

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        """Add a link."""
        if self._open and len(self.links) < _MOST and context.is_valid:
            self.links = (*self.links, Link(context, attributes))

    def update_name(self, name: str) -> None:
        """Change its name."""
        if self._open:
            self.name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set how it went: what is OK stays so, and nothing becomes unset again."""
        if not isinstance(status, Status):
            status = Status(status, description)
        is_ok = self.status is not None and self.status.status_code is StatusCode.OK
        if self._open and not is_ok and status.status_code is not StatusCode.UNSET:
            self.status = status

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Add an exception as an event, as OpenTelemetry's SDK does."""
        found = {
            "exception.type": type_name(exception),
            "exception.message": str(exception),
            "exception.stacktrace": "".join(traceback.format_exception(exception)),
            "exception.escaped": str(escaped),
        }
        self.add_event("exception", {**found, **(attributes or {})}, timestamp)

    def end(self, end_time: int | None = None) -> None:
        """End it and have it sent, once."""
        if not self._open:
            _logger.warning("span %r was ended a second time", clean(self.name, 100))
            return
        self._open = False
        if self.context.trace_flags.sampled:
            with guard:
                self._direct.finish(self, time.time_ns() if end_time is None else end_time)
