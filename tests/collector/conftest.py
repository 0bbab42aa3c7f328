"""One embedded ClickHouse for this test process, and what OTLP values must look like once they are rows."""

from __future__ import annotations

import base64
import json
import math
import re
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from collector.clickhouse import ClickHouse
from collector.journal import segment
from collector.load.sql_settings import insert_settings
from collector.request import Request, Signal
from collector.schema import migrator

_FILLED = """
SELECT DISTINCT table FROM system.parts
WHERE active AND database = 'otel' AND table NOT IN ('model_prices', 'schema_migrations', 'tenant_settings')
"""  # what was inserted into these a second time would be taken for a repetition
_opened: list[Engine] = []  # none, or the one


class Engine:
    """The embedded engine, migrated. Tests of a file share its rows and tell theirs apart by segment, peer or ids."""

    def __init__(self, folder: Path) -> None:
        """Open it below `folder`; a process can open one such path only."""
        self.folder = folder
        self.database = ClickHouse(folder, None)
        migrator.migrate(self.database)

    def ask(self, sql: str, **parameters: Any) -> list[Sequence[Any]]:
        """Query it."""
        return self.database.rows(sql, parameters)

    def freeze(self, folder: Path, *requests: Request) -> Path:
        """Write a frozen segment of these requests, all of one signal."""
        written = segment.Segment(folder, requests[0].signal)
        written.append(requests)
        return written.freeze()

    def insert(self, path: Path, token: str = "") -> None:
        """Load a frozen segment once, as the loader does but for another token; a refusal is raised."""
        inbox = f"otel.otlp_{path.stem.split('-')[2]}"
        self.database.insert_file(inbox, path, "ProtobufSingle", insert_settings(token or path.stem, embedded=True))

    def store(self, folder: Path, *requests: Request) -> str:
        """Freeze and load; return the segment's name, which its rows carry."""
        path = self.freeze(folder, *requests)
        self.insert(path)
        return path.stem


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The one embedded engine of this process."""
    opened = Engine(tmp_path_factory.mktemp("engine"))
    _opened.append(opened)
    yield opened
    _opened.clear()
    opened.database.close()


@pytest.fixture(scope="module", autouse=True)
def _emptied() -> Iterator[None]:
    """Take a file's rows out of the engine after it: what asks, and above all what deletes, handles every part."""
    yield
    for engine in _opened:
        for (table,) in engine.ask(_FILLED):
            engine.database.command(f"TRUNCATE TABLE otel.{table}")


def make_request(
    body: bytes, signal: Signal = Signal.TRACES, *, items: int = 1, tenant: str = "default", peer: str = ""
) -> Request:
    """Wrap a body as the receiver does."""
    return Request(signal, body, items, tenant, time.time_ns(), peer)


@pytest.fixture(scope="session")
def request_of() -> Callable[..., Request]:
    """Make a request for the journal out of a body."""
    return make_request


_KINDS = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")
_STATUSES = ("Unset", "Ok", "Error")
_TAGS = {
    None: 0,
    "string_value": 1,
    "bool_value": 2,
    "int_value": 3,
    "double_value": 4,
    "array_value": 5,
    "kvlist_value": 6,
    "bytes_value": 7,
}
_ESCAPE = re.compile(r"\\u[0-9A-Fa-f]{4}")


class Reference:
    """The OpenTelemetry exporter's renderings, written anew from its rules (reference/otlp-receiver.md, 1.5).

    Nothing here knows how the collector does it: this is what its rows are compared with.
    """

    @classmethod
    def text(cls, value: AnyValue) -> str:
        """Render an attribute's value or a log's body."""
        kind = value.WhichOneof("value")
        if kind == "string_value":
            return value.string_value
        if kind == "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        if kind == "double_value":
            return cls._number(value.double_value).strip('"')
        return "" if kind is None else cls._json(value)

    @classmethod
    def _json(cls, value: AnyValue) -> str:  # noqa: PLR0911 - one return a kind of value
        match value.WhichOneof("value"):
            case "array_value":
                return "[" + ",".join(map(cls._json, value.array_value.values)) + "]"
            case "kvlist_value":
                found = {entry.key: cls._json(entry.value) for entry in value.kvlist_value.values}
                return "{" + ",".join(cls._quoted(key) + ":" + found[key] for key in sorted(found)) + "}"
            case "string_value":
                return cls._quoted(value.string_value)
            case "bytes_value":
                return '"' + base64.b64encode(value.bytes_value).decode() + '"'
            case "bool_value":
                return "true" if value.bool_value else "false"
            case "int_value":
                return str(value.int_value)
            case "double_value":
                return cls._number(value.double_value)
        return "null"

    @staticmethod
    def _quoted(text: str) -> str:
        return json.dumps(text, ensure_ascii=False)

    @staticmethod
    def _number(number: float) -> str:
        """ECMAScript's Number::toString, save that -0 keeps its sign as in Go; NaN and infinities in quotes."""
        if not math.isfinite(number):
            return '"NaN"' if math.isnan(number) else '"Infinity"' if number > 0 else '"-Infinity"'
        if number == 0:
            return "-0" if math.copysign(1, number) < 0 else "0"
        sign = "-" if number < 0 else ""
        digits, _, power = f"{abs(number)!r}".partition("e")
        whole, _, fraction = digits.partition(".")
        fraction = "" if fraction == "0" else fraction
        significant = (whole + fraction).lstrip("0")
        point = int(power or 0) + len(whole) - (len(whole + fraction) - len(significant))
        if not whole.strip("0"):
            point = int(power or 0) - (len(fraction) - len(fraction.lstrip("0")))
        significant = significant.rstrip("0")
        if len(significant) <= point <= 21:
            return sign + significant + "0" * (point - len(significant))
        if 0 < point <= 21:
            return sign + significant[:point] + "." + significant[point:]
        if -6 < point <= 0:
            return sign + "0." + "0" * -point + significant
        mantissa = significant[0] + ("." + significant[1:] if significant[1:] else "")
        return f"{sign}{mantissa}e{point - 1:+d}"

    @staticmethod
    def normal(text: str) -> str:
        """Level what JSON leaves open: the case of escapes, and whether U+2028 and U+2029 are escaped."""
        lowered = _ESCAPE.sub(lambda match: match[0].lower(), text)
        return lowered.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")

    @classmethod
    def levelled(cls, cell: Any) -> Any:
        """Level a stored cell, however nested, as the reference levels its own texts."""
        if isinstance(cell, str):
            return cls.normal(cell)
        if isinstance(cell, list | tuple):
            return type(cell)(map(cls.levelled, cell))
        return cell

    @staticmethod
    def is_deep(value: AnyValue) -> bool:
        """Tell whether a value nests deeper than the columns, so that it is stored as JSON text, a string."""
        inner = [*value.array_value.values, *(entry.value for entry in value.kvlist_value.values)]
        return any(each.array_value.values or each.kvlist_value.values for each in inner)

    @classmethod
    def tags(cls, attributes: Sequence[KeyValue]) -> list[int]:
        """Return the OTLP tag of each attribute's value; a deep one is text."""
        return [1 if cls.is_deep(each.value) else _TAGS[each.value.WhichOneof("value")] for each in attributes]

    @classmethod
    def pairs(cls, attributes: Sequence[KeyValue]) -> list[tuple[str, str]]:
        """Return attributes as they were sent, rendered: a key sent twice stays twice."""
        return [(each.key, cls.text(each.value)) for each in attributes]

    @staticmethod
    def identity(raw: bytes, length: int) -> str:
        """Render an id: lower-case hex, empty when all zero."""
        return "" if raw == bytes(length) else raw.hex()

    @staticmethod
    def time(nanoseconds: int) -> int:
        """Render a time; what passes the year 2262 wraps, as in the exporter's time.Unix."""
        return nanoseconds - 2**64 if nanoseconds >= 2**63 else nanoseconds

    @classmethod
    def spans(cls, request: ExportTraceServiceRequest) -> list[tuple[Any, ...]]:
        """Return the rows a traces request must become, in the order of `SPANS`."""
        rows = [
            (
                span.name,
                cls.identity(span.trace_id, 16),
                cls.identity(span.span_id, 8),
                cls.identity(span.parent_span_id, 8),
                span.trace_state,
                _KINDS[span.kind] if 0 <= span.kind < len(_KINDS) else "",
                cls.time(span.start_time_unix_nano),
                max(0, span.end_time_unix_nano - span.start_time_unix_nano),
                cls.pairs(span.attributes),
                cls.tags(span.attributes),
                _STATUSES[span.status.code] if 0 <= span.status.code < len(_STATUSES) else "",
                span.status.message,
                [(e.name, cls.time(e.time_unix_nano), cls.pairs(e.attributes)) for e in span.events],
                [
                    (cls.identity(x.trace_id, 16), cls.identity(x.span_id, 8), x.trace_state, cls.pairs(x.attributes))
                    for x in span.links
                ],
                span.flags,
                span.dropped_attributes_count,
                span.dropped_events_count,
                span.dropped_links_count,
                cls.pairs(resource.resource.attributes),
                resource.schema_url,
                scope.scope.name,
                scope.scope.version,
                cls.pairs(scope.scope.attributes),
                scope.schema_url,
            )
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        return cls.levelled(rows)

    SPANS = """SpanName, TraceId, SpanId, ParentSpanId, TraceState, SpanKind, toUnixTimestamp64Nano(Timestamp),
        Duration, arrayZip(mapKeys(SpanAttributes), mapValues(SpanAttributes)), SpanAttributeTypes, StatusCode,
        StatusMessage,
        arrayMap((n, t, a) -> (n, toUnixTimestamp64Nano(t), arrayZip(mapKeys(a), mapValues(a))),
          Events.Name, Events.Timestamp, Events.Attributes),
        arrayMap((t, s, w, a) -> (t, s, w, arrayZip(mapKeys(a), mapValues(a))),
          Links.TraceId, Links.SpanId, Links.TraceState, Links.Attributes),
        Flags, DroppedAttributesCount, DroppedEventsCount, DroppedLinksCount,
        arrayZip(mapKeys(ResourceAttributes), mapValues(ResourceAttributes)), ResourceSchemaUrl,
        ScopeName, ScopeVersion, arrayZip(mapKeys(ScopeAttributes), mapValues(ScopeAttributes)), ScopeSchemaUrl"""

    @classmethod
    def records(cls, request: ExportLogsServiceRequest) -> list[tuple[Any, ...]]:
        """Return the rows a logs request must become, in the order of `RECORDS`."""
        rows = [
            (
                cls.text(record.body),
                cls.identity(record.trace_id, 16),
                cls.identity(record.span_id, 8),
                cls.time(record.time_unix_nano or record.observed_time_unix_nano),
                cls.time(record.observed_time_unix_nano),
                record.severity_text,
                record.severity_number % 256,
                record.event_name,
                cls.pairs(record.attributes),
                cls.tags(record.attributes),
                record.flags,
                record.dropped_attributes_count,
                cls.pairs(resource.resource.attributes),
                scope.scope.name,
            )
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]
        return cls.levelled(rows)

    RECORDS = """Body, TraceId, SpanId, toUnixTimestamp64Nano(Timestamp), toUnixTimestamp64Nano(ObservedTimestamp),
        SeverityText, SeverityNumber, EventName, arrayZip(mapKeys(LogAttributes), mapValues(LogAttributes)),
        LogAttributeTypes, Flags, DroppedAttributesCount,
        arrayZip(mapKeys(ResourceAttributes), mapValues(ResourceAttributes)), ScopeName"""

    @staticmethod
    def bits(number: float) -> int:
        """Return a double's bits, so that NaN equals itself and -0 is not 0."""
        return int(struct.unpack("<Q", struct.pack("<d", number))[0])

    @classmethod
    def number(cls, holder: Any) -> tuple[int, int, str]:
        """Return a data point's or exemplar's value as a double's bits, as an integer, and which of them was sent."""
        sent = {"as_int": "int", "as_double": "double", None: "empty"}[holder.WhichOneof("value")]
        return cls.bits(holder.as_int if sent == "int" else holder.as_double), holder.as_int, sent

    @classmethod
    def optional(cls, point: Any, *fields: str) -> tuple[tuple[int, bool], ...]:
        """Return optional doubles with whether they were sent."""
        return tuple((cls.bits(getattr(point, field)), point.HasField(field)) for field in fields)

    @classmethod
    def exemplars(cls, point: Any) -> list[tuple[Any, ...]]:
        """Return a data point's exemplars."""
        return [
            (
                cls.pairs(each.filtered_attributes),
                cls.tags(each.filtered_attributes),
                cls.time(each.time_unix_nano),
                *cls.number(each),
                cls.identity(each.span_id, 8),
                cls.identity(each.trace_id, 16),
            )
            for each in point.exemplars
        ]

    @classmethod
    def specific(cls, metric: Any, point: Any) -> tuple[Any, ...]:
        """Return what only points of its kind have, in the order of `SPECIFIC`."""
        match metric.WhichOneof("data"):
            case "gauge":
                return (*cls.number(point), cls.exemplars(point))
            case "sum":
                shared = metric.sum.aggregation_temporality, metric.sum.is_monotonic
                return (*cls.number(point), cls.exemplars(point), *shared)
            case "histogram":
                return (
                    point.count,
                    *cls.optional(point, "sum", "min", "max"),
                    list(point.bucket_counts),
                    list(map(cls.bits, point.explicit_bounds)),
                    cls.exemplars(point),
                    metric.histogram.aggregation_temporality,
                )
            case "exponential_histogram":
                return (
                    point.count,
                    *cls.optional(point, "sum", "min", "max"),
                    (point.scale, point.zero_count, cls.bits(point.zero_threshold)),
                    (point.positive.offset, list(point.positive.bucket_counts)),
                    (point.negative.offset, list(point.negative.bucket_counts)),
                    cls.exemplars(point),
                    metric.exponential_histogram.aggregation_temporality,
                )
        quantiles = [(cls.bits(each.quantile), cls.bits(each.value)) for each in point.quantile_values]
        return (point.count, cls.bits(point.sum), quantiles)

    @classmethod
    def points(cls, request: ExportMetricsServiceRequest) -> list[tuple[Any, ...]]:
        """Return the rows a metrics request must become, sorted: the kind, `POINT`, then `SPECIFIC` of the kind."""
        rows = [
            (
                metric.WhichOneof("data"),
                metric.name,
                metric.description,
                metric.unit,
                cls.pairs(metric.metadata),
                cls.tags(metric.metadata),
                cls.pairs(point.attributes),
                cls.tags(point.attributes),
                cls.time(point.start_time_unix_nano),
                cls.time(point.time_unix_nano),
                point.flags,
                cls.pairs(resource.resource.attributes),
                cls.tags(resource.resource.attributes),
                resource.resource.dropped_attributes_count,
                resource.schema_url,
                next((text for key, text in cls.pairs(resource.resource.attributes) if key == "service.name"), ""),
                scope.scope.name,
                scope.scope.version,
                cls.pairs(scope.scope.attributes),
                cls.tags(scope.scope.attributes),
                scope.scope.dropped_attributes_count,
                scope.schema_url,
                *cls.specific(metric, point),
            )
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.WhichOneof("data")
            for point in getattr(metric, metric.WhichOneof("data")).data_points
        ]
        return sorted(cls.levelled(rows), key=repr)

    POINT = """MetricName, MetricDescription, MetricUnit, arrayZip(mapKeys(MetricMetadata), mapValues(MetricMetadata)),
        MetricMetadataTypes, arrayZip(mapKeys(Attributes), mapValues(Attributes)), AttributeTypes,
        toUnixTimestamp64Nano(StartTimeUnix), toUnixTimestamp64Nano(TimeUnix), Flags,
        arrayZip(mapKeys(ResourceAttributes), mapValues(ResourceAttributes)), ResourceAttributeTypes,
        ResourceDroppedAttributesCount, ResourceSchemaUrl, ServiceName, ScopeName, ScopeVersion,
        arrayZip(mapKeys(ScopeAttributes), mapValues(ScopeAttributes)), ScopeAttributeTypes, ScopeDroppedAttrCount,
        ScopeSchemaUrl"""
    _EXEMPLARS = """arrayMap((a, y, t, v, i, k, s, c) -> (arrayZip(mapKeys(a), mapValues(a)), y,
          toUnixTimestamp64Nano(t), reinterpretAsUInt64(v), i, toString(k), s, c),
        Exemplars.FilteredAttributes, Exemplars.FilteredAttributeTypes, Exemplars.TimeUnix, Exemplars.Value,
        Exemplars.ValueInt, Exemplars.ValueType, Exemplars.SpanId, Exemplars.TraceId)"""
    _NUMBER = "reinterpretAsUInt64(Value), ValueInt, toString(ValueType)"
    _OPTIONAL = """Count, (reinterpretAsUInt64(Sum), HasSum), (reinterpretAsUInt64(Min), HasMin),
        (reinterpretAsUInt64(Max), HasMax)"""
    SPECIFIC: ClassVar[dict[str, str]] = {
        "gauge": f"{_NUMBER}, {_EXEMPLARS}",
        "sum": f"{_NUMBER}, {_EXEMPLARS}, AggregationTemporality, IsMonotonic",
        "histogram": f"""{_OPTIONAL}, BucketCounts, arrayMap(b -> reinterpretAsUInt64(b), ExplicitBounds),
          {_EXEMPLARS}, AggregationTemporality""",
        "exponential_histogram": f"""{_OPTIONAL}, (Scale, ZeroCount, reinterpretAsUInt64(ZeroThreshold)),
          (PositiveOffset, PositiveBucketCounts), (NegativeOffset, NegativeBucketCounts), {_EXEMPLARS},
          AggregationTemporality""",
        "summary": """Count, reinterpretAsUInt64(Sum), arrayMap((q, v) -> (reinterpretAsUInt64(q),
          reinterpretAsUInt64(v)), ValueAtQuantiles.Quantile, ValueAtQuantiles.Value)""",
    }


@pytest.fixture(scope="session")
def reference() -> type[Reference]:
    """What OTLP must look like as rows."""
    return Reference
