"""One exporter and the fate of each span."""
# ruff: noqa: ANN002  functions written as users write them

import logging

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_interactions.export.delivery import Delivery
from otel_interactions.export.otlp import make_exporter
from otel_interactions.export.quiet import listen
from otel_interactions.export.tally import Tally


def finished(*names):
    """Return finished spans of these names."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    for name in names:
        provider.get_tracer("t").start_span(name).end()
    provider.shutdown()
    return exporter.get_finished_spans()


def test_one_bad_span_does_not_cost_its_batch(grpc_receiver):
    """Of a batch with a span whose name cannot be encoded, all the others arrive; the bad one is counted."""
    tally = Tally(grpc_receiver.endpoint)
    delivery = Delivery(lambda: make_exporter("grpc", grpc_receiver.endpoint, None), tally)
    spans = finished("a", "b", "bad\ud800", "c", "d")
    for _ in spans:
        tally.give()
    delivery.export(spans)
    delivery.shutdown()
    assert sorted(grpc_receiver.names()) == ["a", "b", "c", "d"]
    assert tally.counts() == (4, {"export_failed": 1}, 0)
    assert "bad" in tally.last_error


def test_after_shutdown_nothing_is_sent(grpc_receiver):
    """What comes after the end is counted as lost to it; a second shutdown is quiet."""
    tally = Tally(grpc_receiver.endpoint)
    delivery = Delivery(lambda: make_exporter("grpc", grpc_receiver.endpoint, None), tally)
    delivery.shutdown()
    delivery.shutdown()
    tally.give()
    delivery.export(finished("late"))
    assert tally.counts() == (0, {"shutdown": 1}, 0)
    assert grpc_receiver.requests == 0


def test_the_lines_of_other_exporters_are_left_alone(caplog):
    """Only while our own exporter is at work in this thread are OpenTelemetry's lines ours."""
    logger = logging.getLogger("opentelemetry.exporter.otlp.proto.grpc.exporter")
    heard = []
    with listen(lambda level, line: heard.append((level, line))):
        logger.error("ours %d", 1)
    logger.error("theirs")
    assert heard == [(logging.ERROR, "ours 1")]
    assert [record.getMessage() for record in caplog.records] == ["theirs"]


def test_the_full_address_over_http(http_receiver):
    """A base address gets OTLP's path; one that has it already is taken as it is."""
    for endpoint in (http_receiver.endpoint, http_receiver.endpoint + "/", http_receiver.endpoint + "/v1/traces"):
        exporter = make_exporter("http/protobuf", endpoint, None)
        exporter.export(finished("x"))
        exporter.shutdown()
    assert [headers[":path"] for headers in http_receiver.headers] == ["/v1/traces"] * 3


def test_what_arrives_after_all_is_counted_right():
    """Spans given up at a shutdown are lost; those that arrive after all are delivered, and none is counted twice."""
    tally = Tally("http://collector")
    for _ in range(10):
        tally.give()
    tally.deliver(2)
    tally.abandon()
    assert tally.counts() == (2, {"shutdown": 8}, 0)
    tally.deliver(3)
    tally.lose(5, "export_failed", "closed")
    assert tally.counts() == (5, {"shutdown": 5}, 0)
