"""Parents, links, and the spans of other instrumentations."""

from opentelemetry import trace

import otel_interactions as oi


def test_interactions_nest(seen):
    """What is recorded inside a block is its child; what comes after it is the session's again."""
    with oi.session() as s:
        with oi.assistant_response() as answer:
            with oi.tool_call("weather"):
                oi.event("api", "asked the service")
            answer.text("21 degrees")
        oi.user_message("thanks")
    tool, event = seen.one("tool_call"), seen.one("event")
    assert event.parent_id == tool.span_id
    assert tool.parent_id == seen.one("assistant_response").span_id
    assert seen.one("assistant_response").parent_id == s.root_span_id
    assert seen.one("user_message").parent_id == s.root_span_id


def test_spans_of_other_instrumentations_join_the_session(seen):
    """A span started by any tracer inside a session is in its trace and says whose session it is."""
    tracer = seen.tracer("httpx")
    with oi.session(id="s", user_id="u") as s, tracer.start_as_current_span("GET /weather"):
        oi.event("api")
    span = next(span for span in seen.spans if span.name == "GET /weather")
    assert f"{span.context.trace_id:032x}" == s.trace_id
    assert f"{span.parent.span_id:016x}" == s.root_span_id
    assert span.attributes["session.id"] == "s"
    assert span.attributes["user.id"] == "u"
    assert seen.one("event").parent_id == f"{span.context.span_id:016x}"


def test_a_span_outside_any_session_is_left_alone(seen):
    """Outside sessions other instrumentations' spans are as they were."""
    with seen.tracer("httpx").start_as_current_span("GET /"):
        pass
    assert "session.id" not in seen.spans[0].attributes


def test_a_session_inside_a_request_is_linked_to_it(seen):
    """Everything recorded in a session that was entered inside another trace links to the span it was entered in."""
    with seen.tracer("asgi").start_as_current_span("POST /chat") as request:
        there = request.get_span_context()
        with oi.session() as s:
            oi.user_message("Hello")
            with oi.tool_call("t"):
                oi.event("api")
    expected = ((f"{there.trace_id:032x}", f"{there.span_id:016x}"),)
    assert len(seen.interactions) == 5
    for interaction in seen.interactions:
        assert interaction.links == expected, interaction.type
        assert interaction.trace_id == s.trace_id


def test_an_interaction_inside_a_later_foreign_span_is_linked_to_it(seen):
    """A foreign trace that becomes current inside the session is linked, and the interaction stays in the session."""
    with oi.session() as s, seen.tracer("job").start_as_current_span("job", context=trace.Context()) as job:
        there = job.get_span_context()
        oi.user_message("from the job")
    message = seen.one("user_message")
    assert message.trace_id == s.trace_id
    assert message.parent_id == s.root_span_id
    assert message.links == ((f"{there.trace_id:032x}", f"{there.span_id:016x}"),)


def test_no_link_without_another_trace(seen):
    """In a session alone nothing is linked."""
    with oi.session():
        oi.user_message("Hello")
    assert [i.links for i in seen.interactions] == [(), (), ()]


def test_outside_a_session(seen, lines):
    """Outside a session things are recorded without one, counted, and the log says once what to do."""
    oi.user_message("Hello?")
    oi.user_message("Anybody?")
    assert [i.session_id for i in seen.interactions] == [None, None]
    assert oi.status().without_session == 2
    told = [line for line in lines() if "outside any session" in line]
    assert len(told) == 1
    assert "with otel_interactions.session" in told[0]


def test_outside_a_session_it_joins_the_trace_that_is_current(seen):
    """Without a session an interaction is an ordinary child of the current span."""
    with seen.tracer("asgi").start_as_current_span("POST /chat") as request:
        oi.user_message("Hello")
    assert seen.one("user_message").parent_id == f"{request.get_span_context().span_id:016x}"
