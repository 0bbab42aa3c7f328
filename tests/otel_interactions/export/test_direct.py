"""Spans made without the SDK are what the SDK would have made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, StatusCode, TraceFlags, TraceState

import otel_interactions as oi
from otel_interactions.recorder import installed

ELSEWHERE = trace.NonRecordingSpan(
    SpanContext(5, 6, is_remote=True, trace_flags=TraceFlags(1), trace_state=TraceState([("vendor", "1")]))
)


class Watching(SpanProcessor):
    """A processor of somebody else: with it, the SDK makes the spans."""


def everything() -> None:
    """Record something of each kind, nested, failing, with odd values, in and beside another trace."""
    with oi.session(id="s-1", user_id="u-1", model="m", mode="text", client={"app": 1}):
        oi.user_message("Hällo\n" * 50, attributes={"a": 1, "b": 1.5, "c": True, "d": ["x", "y"], "e": {"deep": [1]}})
        with oi.tool_call("search", arguments={"q": "x" * 3000}) as call:
            trace.get_current_span().set_attribute("set.inside", "yes")
            trace.get_current_span().add_event("noted", {"n": 1})
            trace.get_current_span().add_link(SpanContext(7, 8, is_remote=True, trace_flags=TraceFlags(1)), {"l": 1})
            oi.event("api", "called", severity="warn", details={"n": None})
            call.result([1, 2, {"three": 3}])
        with trace.use_span(ELSEWHERE):
            oi.event("api", "in another trace")
        with pytest.raises(KeyError), oi.tool_call("fails"):
            raise KeyError("nothing")
        oi.error("it broke", critical=True, type="Broken")
        oi.assistant_response("text", model="m", input_tokens=1, output_tokens=2, cost_usd=0.1, finish_reason="stop")
        oi.ui_event("click", "button", url="http://x/?a=b")
        oi.state_transition("a", "b", event="go")
        oi.performance_metric("LCP", 1.25, unit="s")
        oi.audio_input(duration_ms=10.5, size_bytes=100, transcript="said")
    with trace.use_span(ELSEWHERE):
        oi.event("system", "without a session")


def sent(receiver: Any, configure: Callable[[], None], record: Callable[[], None]) -> list[dict[str, Any]]:
    """Return what arrives of a recording, but for what differs each time."""
    receiver.spans.clear()
    configure()
    record()
    assert oi.flush()
    oi.shutdown()
    ids = {span.span_id: number for number, span in enumerate(sorted(receiver.spans, key=order))}
    found = []
    for span in sorted(receiver.spans, key=order):
        attributes = {
            name: value
            for name, value in span.attributes.items()
            if name not in {"interaction.sequence", "interaction.response_time_ms", "interaction.duration_ms"}
            and not name.endswith(("call.id", "stacktrace"))
        }
        about: dict[str, Any] = {"name": span.name, "parent": ids.get(span.parent_id), "attributes": attributes}
        events = span.whole.events
        about["events"] = [(one.name, [(each.key, str(each.value)) for each in one.attributes]) for one in events]
        about["links"] = [(link.trace_id, link.flags, str(link.attributes)) for link in span.whole.links]
        about["state"] = span.whole.trace_state
        about["status"], about["flags"] = str(span.whole.status), span.whole.flags
        in_session = "session.id" in attributes
        found.append(about | {"trace": span.trace_id if in_session else "", "resource": span.resource.keys()})
    return found


def order(span: Any) -> int:
    """Put spans in the order of their numbers."""
    return int(span.attributes["interaction.sequence"])


def test_they_are_what_the_sdk_would_have_made(grpc_receiver: Any) -> None:
    """The same calls, with and without the SDK in between, arrive as the same spans."""

    def direct() -> None:
        oi.configure(service_name="t", endpoint=grpc_receiver.endpoint, set_global=False)

    def watched() -> None:
        direct()
        recorder = installed()
        assert recorder is not None
        recorder.provider.add_span_processor(Watching())

    without_sdk = sent(grpc_receiver, direct, everything)
    with_sdk = sent(grpc_receiver, watched, everything)
    assert len(with_sdk) == 14
    assert without_sdk == with_sdk
    assert with_sdk[-1]["state"] == "vendor=1"


def test_a_processor_added_later_sees_them(grpc_receiver: Any) -> None:
    """Whoever adds a processor to our provider gets interactions as the SDK's spans, from then on."""
    oi.configure(endpoint=grpc_receiver.endpoint)
    with oi.session(end=False):
        oi.event("before")
        memory = InMemorySpanExporter()
        trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(memory))  # type: ignore[attr-defined]
        oi.event("after")
    assert [span.name for span in memory.get_finished_spans()] == ["event after"]
    assert oi.flush()
    assert sorted(grpc_receiver.names()) == ["event after", "event before", "session_start"]


def test_limits_are_the_sdks(grpc_receiver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where OpenTelemetry's limits are set they hold."""
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "5")
    oi.configure(endpoint=grpc_receiver.endpoint, set_global=False)
    oi.event("system", "a long message")
    assert oi.flush()
    assert grpc_receiver.spans[0].attributes["interaction.message"] == "a lon"


@pytest.mark.parametrize("sampler", ["always_off", "traceidratio", "parentbased_always_off", "always_on"])
def test_the_sampler_is_asked(grpc_receiver: Any, monkeypatch: pytest.MonkeyPatch, sampler: str) -> None:
    """Whatever sampler is set decides."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.0")
    oi.configure(endpoint=grpc_receiver.endpoint, set_global=False)
    before = oi.status().dropped.get("not_sampled", 0)
    with oi.session():
        oi.user_message("Hello")
    assert oi.flush()
    taken = sampler == "always_on"
    assert len(grpc_receiver.spans) == (3 if taken else 0)
    assert oi.status().dropped.get("not_sampled", 0) - before == (0 if taken else 3)


def test_other_instrumentations_find_a_span(grpc_receiver: Any) -> None:
    """Inside an interaction the current span is one of OpenTelemetry's API; what they start is its child."""
    oi.configure(endpoint=grpc_receiver.endpoint, set_global=False)
    recorder = installed()
    assert recorder is not None
    tracer = recorder.provider.get_tracer("httpx")
    with oi.session(), oi.tool_call("search"):
        span = trace.get_current_span()
        assert span.is_recording()
        span.update_name("renamed")
        span.set_status(StatusCode.OK)
        span.set_status(StatusCode.ERROR, "too late")
        with pytest.raises(ZeroDivisionError), trace.use_span(span):
            raise ZeroDivisionError
        with tracer.start_as_current_span("GET"):
            pass
    assert not span.is_recording()
    span.set_attribute("late", 1)
    span.end()
    assert oi.flush()
    child = grpc_receiver.wait_for("GET")
    parent = grpc_receiver.wait_for("renamed")
    assert child.parent_id == parent.span_id
    assert child.attributes["session.id"] == parent.attributes["session.id"]
    assert "late" not in parent.attributes


def test_in_tasks_and_threads(grpc_receiver: Any) -> None:
    """Interactions of many tasks and threads at once keep to their own parents."""
    oi.configure(endpoint=grpc_receiver.endpoint, set_global=False)

    async def turn(number: int) -> None:
        async with oi.session(id=f"s-{number}", end=False), oi.tool_call(f"tool-{number}"):
            await asyncio.sleep(0)
            await asyncio.to_thread(oi.event, "inner", attributes={"n": number})

    async def all_of_them() -> None:
        await asyncio.gather(*(turn(number) for number in range(50)))

    asyncio.run(all_of_them())
    assert oi.flush()
    tools = {span.span_id: span for span in grpc_receiver.spans if span.name.startswith("tool_call")}
    inner = [span for span in grpc_receiver.spans if span.name == "event inner"]
    assert len(inner) == len(tools) == 50
    for span in inner:
        assert tools[span.parent_id].name == f"tool_call tool-{span.attributes['n']}"
        assert span.attributes["session.id"] == f"s-{span.attributes['n']}"


def test_an_own_provider_keeps_its_sdk(grpc_receiver: Any) -> None:
    """With a provider of the application's, its processors see each interaction as ever."""
    memory, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    oi.configure(tracer_provider=provider, endpoint=grpc_receiver.endpoint, set_global=False)
    oi.event("system")
    assert oi.flush()
    assert [span.name for span in memory.get_finished_spans()] == grpc_receiver.names() == ["event system"]
