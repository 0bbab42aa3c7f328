"""The schema ClickHouse reads segments with says what OpenTelemetry's own says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import collector.load

TEXT = re.sub(r"//.*", "", Path(collector.load.__file__).with_name("otlp.proto").read_text())
OURS = {
    name: {field: (kind, int(number)) for kind, field, number in re.findall(r"(\w+) (\w+) = (\d+);", body)}
    for name, body in re.findall(r"message (\w+) \{((?:[^{}]|\{[^{}]*\})*)\}", TEXT)
}
NAMES = {
    "ExportTraceServiceRequest": "Traces",
    "ExportLogsServiceRequest": "Logs",
    "ExportMetricsServiceRequest": "Metrics",
    "InstrumentationScope": "Scope",
    "ArrayValue": "Array",
}
FLAT = {"Scalar": "AnyValue", "KeyScalar": "KeyValue"}  # where recursion ends
TYPE_NAMES = {n: name.removeprefix("TYPE_").lower() for name, n in descriptor_pb2.FieldDescriptorProto.Type.items()}
INTEGERS = {"int32", "uint32", "enum"}
# Fields OpenTelemetry has and we leave out, each with its reason.
LEFT_OUT = {
    ("Resource", "entity_refs"): "in development; names attributes the resource carries anyway",
    ("KeyValue", "key_strindex"): "of the profiles signal only",
    ("AnyValue", "string_value_strindex"): "of the profiles signal only",
}


def messages(root: Descriptor, seen: dict[str, Descriptor] | None = None) -> dict[str, Descriptor]:
    """Return a message and all it is made of."""
    found = seen if seen is not None else {}
    if root.name not in found:
        found[root.name] = root
        for field in root.fields:
            if field.message_type:
                messages(field.message_type, found)
    return found


OFFICIAL = (
    messages(ExportTraceServiceRequest.DESCRIPTOR)
    | messages(ExportLogsServiceRequest.DESCRIPTOR)
    | messages(ExportMetricsServiceRequest.DESCRIPTOR)
)
FIELDS = [(name, field) for name, message in OFFICIAL.items() for field in message.fields if name in OFFICIAL]


@pytest.mark.parametrize(("message", "field"), FIELDS, ids=[f"{name}.{field.name}" for name, field in FIELDS])
def test_field(message: str, field: FieldDescriptor) -> None:
    """Each field of OTLP is read under its number and type, or is left out for a reason written down here."""
    ours = OURS.get(NAMES.get(message, message))
    if message == "EntityRef" or (message, field.name) in LEFT_OUT:
        return
    assert ours is not None
    assert field.name in ours, "OTLP has a field that we would drop"
    kind, number = ours[field.name]
    assert number == field.number
    official = field.message_type.name if field.message_type else TYPE_NAMES[field.type]
    wanted = NAMES.get(official, official)
    assert FLAT.get(kind, kind) == wanted or {kind, wanted} <= INTEGERS


ONEOFS = {
    (name, frozenset(re.findall(r"(\w+) = ", members)))
    for message, body in re.findall(r"message (\w+) \{((?:[^{}]|\{[^{}]*\})*)\}", TEXT)
    for name, members in re.findall(r"oneof (\w+) \{([^{}]*)\}", body)
}


def test_presence() -> None:
    """What OTLP tells from absent we tell from absent: the members of each oneof, and each optional field."""
    for message in OFFICIAL.values():
        for oneof in message.oneofs:
            members = {field.name for field in oneof.fields if (message.name, field.name) not in LEFT_OUT}
            if oneof.name.startswith("_"):  # how protobuf keeps the presence of one optional field
                (field,) = oneof.fields
                body = re.search(rf"message {message.name} \{{(.*?)\n\}}", TEXT, re.DOTALL)
                assert body
                assert f"optional double {field.name} = {field.number};" in body[1], f"{message.name}.{field.name}"
            else:
                assert (oneof.name, frozenset(members)) in ONEOFS, f"{message.name}.{oneof.name}"


def test_where_recursion_ends() -> None:
    """The flat values have the fields of full ones; a nested list is read as bytes, to see that it is there."""
    assert {field: number for field, (_, number) in OURS["Scalar"].items()} == {
        field: number for field, (_, number) in OURS["AnyValue"].items()
    }
    assert {kind for field, (kind, _) in OURS["Scalar"].items() if field in {"array_value", "kvlist_value"}} == {
        "bytes"
    }
    assert OURS["KeyScalar"] == {"key": ("string", 1), "value": ("Scalar", 2)}
