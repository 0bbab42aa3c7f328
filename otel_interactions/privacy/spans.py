"""Ended spans as they may leave."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, Status

from otel_interactions.conventions import SCOPE, SEQUENCE, TYPE
from otel_interactions.privacy.policy import Privacy


def fit_to_leave(span: ReadableSpan, privacy: Privacy, *, hidden: bool) -> ReadableSpan:
    """Return a span without what may not leave: in its name, attributes, events, links and status.

    An interaction has all but events and links as they may leave, unless somebody else has ended it: then it has no
    number.
    """
    given, scope = span.attributes or {}, span.instrumentation_scope
    name, attributes, status = span.name, given, span.status
    if scope is None or scope.name != SCOPE or (TYPE in given and SEQUENCE not in given):
        name, attributes = privacy.text(name, hidden=hidden), privacy.foreign(given, hidden=hidden)
        if status.description:
            status = Status(status.status_code, privacy.text(status.description, hidden=hidden))
    return ReadableSpan(
        name=name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=fit_events(span.events, privacy, hidden=hidden),
        links=fit_links(span.links, privacy, hidden=hidden),
        kind=span.kind,
        status=status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=scope,
    )


def fit_events(events: Iterable[Event], privacy: Privacy, *, hidden: bool) -> list[Event]:
    """Return a span's events without what may not leave."""
    return [
        Event(
            privacy.text(event.name, hidden=hidden),
            privacy.foreign(event.attributes or {}, hidden=hidden),
            event.timestamp,
        )
        for event in events
    ]


def fit_links(links: Sequence[Link], privacy: Privacy, *, hidden: bool) -> list[Link]:
    """Return a span's links without what may not leave."""
    return [Link(link.context, privacy.foreign(link.attributes or {}, hidden=hidden)) for link in links]
