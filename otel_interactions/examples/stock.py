"""A program that knows nothing of our SDK: GenAI-convention spans through the stock OpenTelemetry exporter.

Run as `python -m otel_interactions.examples.stock grpc` or `http`; this file imports OpenTelemetry only.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind

Message = dict[str, Any]

QUESTION: Message = {"role": "user", "parts": [{"type": "text", "content": "How far is the moon?"}]}
CALL: Message = {"type": "tool_call", "id": "call_1", "name": "distance", "arguments": {"to": "moon"}}
RESULT: Message = {
    "role": "tool",
    "parts": [{"type": "tool_call_response", "id": "call_1", "response": {"km": 384400}}],
}
ANSWER: Message = {
    "role": "assistant",
    "parts": [{"type": "text", "content": "About 384,400 km."}],
    "finish_reason": "stop",
}


def main(protocol: str) -> list[str]:
    """Record an agent run of two model calls and a tool; return the ids of the spans."""
    provider = TracerProvider(resource=Resource.create({"service.name": f"stock-{protocol}"}))
    provider.add_span_processor(BatchSpanProcessor(GrpcExporter() if protocol == "grpc" else HttpExporter()))
    tracer = provider.get_tracer("opentelemetry.instrumentation.openai")
    common = {"gen_ai.conversation.id": f"demo-stock-{protocol}", "gen_ai.provider.name": "openai"}
    chat = common | {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.response.model": "gpt-5-2026",
    }
    asked = {"role": "assistant", "parts": [CALL], "finish_reason": "tool_call"}
    spans: list[str] = []
    with tracer.start_as_current_span("invoke_agent astronomer") as agent:
        agent.set_attributes(common | {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "astronomer"})
        steps = [
            ("chat gpt-5", chat | _messages([QUESTION], asked, tokens=(18, 9))),
            ("execute_tool distance", common | _tool()),
            ("chat gpt-5", chat | _messages([QUESTION, asked, RESULT], ANSWER, tokens=(44, 8))),
        ]
        for name, attributes in steps:
            with tracer.start_as_current_span(name, kind=SpanKind.CLIENT, attributes=attributes) as span:
                spans.append(f"{span.get_span_context().span_id:016x}")
        spans.append(f"{agent.get_span_context().span_id:016x}")
    provider.shutdown()
    return spans


def _messages(inputs: list[Message], output: Message, tokens: tuple[int, int]) -> dict[str, Any]:
    return {
        "gen_ai.input.messages": json.dumps(inputs),
        "gen_ai.output.messages": json.dumps([output]),
        "gen_ai.usage.input_tokens": tokens[0],
        "gen_ai.usage.output_tokens": tokens[1],
        "gen_ai.response.finish_reasons": [output["finish_reason"]],
    }


def _tool() -> dict[str, Any]:
    return {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "distance",
        "gen_ai.tool.call.id": "call_1",
        "gen_ai.tool.call.arguments": json.dumps(CALL["arguments"]),
        "gen_ai.tool.call.result": json.dumps({"km": 384400}),
    }


if __name__ == "__main__":
    json.dump({"spans": main(sys.argv[1])}, sys.stdout)
    sys.stdout.write("\n")
