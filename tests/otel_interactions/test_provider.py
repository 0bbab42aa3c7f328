"""The process-wide provider. Each test in an interpreter of its own: OpenTelemetry lets it be set once."""

import subprocess
import sys

OTHERS = """
import sys
from opentelemetry import trace
import otel_interactions as oi
early = trace.get_tracer("library")          # as libraries do, at import
oi.configure(service_name="one", endpoint=sys.argv[1])
late = trace.get_tracer("library.late")
with oi.session(id="s", user_id="u"):
    with early.start_as_current_span("early one"), late.start_as_current_span("late one"):
        oi.event("inside")
oi.configure(service_name="two", endpoint=sys.argv[1])
with oi.session(id="s2"):
    with early.start_as_current_span("early two"), late.start_as_current_span("late two"):
        pass
assert trace.get_tracer_provider().force_flush()
oi.shutdown()
with late.start_as_current_span("after shutdown"):
    pass
"""

FOREIGN = """
import sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
import otel_interactions as oi
exporter = InMemorySpanExporter()
theirs = TracerProvider()
theirs.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(theirs)
oi.configure(endpoint=sys.argv[1])
assert trace.get_tracer_provider() is theirs
with oi.session(id="s") as s, trace.get_tracer("library").start_as_current_span("GET /"):
    oi.user_message("Hello")
oi.shutdown()
(span,) = exporter.get_finished_spans()
assert span.attributes["session.id"] == "s", span.attributes
assert f"{span.context.trace_id:032x}" == s.trace_id
"""


def run(code, endpoint):
    result = subprocess.run(
        [sys.executable, "-c", code, endpoint], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
    return result


def test_other_instrumentations_join_and_follow_a_second_configure(grpc_receiver):
    """Tracers got before and after configure() make spans of our provider, in the session; after a second one too."""
    run(OTHERS, grpc_receiver.endpoint)
    spans = {span.name: span for span in grpc_receiver.spans}
    for name in ("early one", "late one"):
        assert spans[name].attributes["session.id"] == "s"
        assert spans[name].attributes["user.id"] == "u"
        assert spans[name].trace_id == spans["event inside"].trace_id
        assert spans[name].resource["service.name"] == "one"
    for name in ("early two", "late two"):
        assert spans[name].attributes["session.id"] == "s2"
        assert spans[name].resource["service.name"] == "two"
    assert "after shutdown" not in spans


def test_a_provider_that_is_global_already_stays(grpc_receiver):
    """Where the application has a global provider it stays; its spans still say whose session they are in."""
    run(FOREIGN, grpc_receiver.endpoint)
    assert sorted(grpc_receiver.names()) == ["session_end", "session_start", "user_message"]
