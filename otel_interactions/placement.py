"""Where a span belongs: in which session, under which parent, linked to which other traces."""

from __future__ import annotations

import logging

from opentelemetry.context import Context, get_current
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Link, get_current_span
from opentelemetry.trace import Span as AnySpan

from otel_interactions.baggage import brought
from otel_interactions.conventions import Kind
from otel_interactions.export.exporter import Ours
from otel_interactions.guard import guard
from otel_interactions.log import say_once
from otel_interactions.recorder import Recorder, installed
from otel_interactions.session import Session, current_session, foreign_spans


class SessionProcessor(Ours):
    """Puts `session.id` and `user.id` on every span started in a session's Context, whoever starts it.

    Outside any session those another service sent along, if `propagate` has it so.
    """

    def on_start(self, span: AnySpan, parent_context: Context | None = None) -> None:
        """Mark one span."""
        with guard:
            session = current_session(parent_context)
            marks = brought(installed(), parent_context) if session is None else session.marks()
            if marks:
                span.set_attributes(marks)

    def on_end(self, span: ReadableSpan) -> None:
        """Nothing to do at the end."""

    def shutdown(self) -> None:
        """Nothing to shut down."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002  OpenTelemetry's signature
        """Nothing to flush."""
        return True


def place(recorder: Recorder, kind: Kind) -> tuple[Context, list[Link], Session | None]:
    """Return where an interaction recorded now belongs: the parent's Context, its links, its session.

    Inside a session the parent is the current span if it is of the session's trace, else the session's root. Spans of
    another trace that are current now, or were when the session was entered, are linked.
    """
    context = get_current()
    session = current_session(context)
    if session is None:
        recorder.process.miss_session()
        say_once(
            "without_session",
            logging.WARNING,
            "%s was recorded outside any session: wrap it in `with otel_interactions.session(...)`, or in `with "
            "s.active()` for a session kept elsewhere (said once; status() counts)",
            kind,
        )
        return context, [], None
    foreign = foreign_spans(session.trace_number, context)
    links = [Link(span) for span in foreign] if foreign else []
    if get_current_span(context).get_span_context().trace_id != session.trace_number:
        context = session.root_context()
    return context, links, session
