"""Drafts become OTLP spans: ids that follow from what was sent, times, attributes, resources.

The same item gives the same bytes whenever it is sent, unless the time of receipt has to stand in for its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, Status

from collector.receive.json_api import conventions as names
from collector.receive.json_api.items import Draft, Item, Value
from collector.receive.json_api.session_ids import ids_from, session_ids

SCOPE: Final = "otel-interactions.json"
MAX_DETAIL: Final = 64  # characters; a longer detail makes a poor name of a span


class Spans:
    """Collects items into one OTLP request."""

    def __init__(self, now_ns: int) -> None:
        """Items without a time of their own happened at `now_ns`, nanoseconds since 1970, in the order they stand."""
        self.request = ExportTraceServiceRequest()
        self._now_ns = now_ns
        self._scopes: dict[tuple[str | None, str | None], ScopeSpans] = {}

    def add(self, item: Item, index: int) -> int:
        """Add what the item at this place of its batch becomes; return how many spans that is."""
        at_ns: int = item.given.get("timestamp") or self._now_ns + index
        common, drafts = item.common(), item.drafts()
        spans = self._scope(item).spans
        for draft in drafts:
            span = spans.add(
                name=_name(draft),
                kind=Span.SPAN_KIND_INTERNAL,
                start_time_unix_nano=at_ns - round(draft.started_ms * 1e6),
                end_time_unix_nano=at_ns - round(draft.ended_ms * 1e6),
            )
            _say(span, draft, common)
            _place(span, draft, item, index)
        return len(drafts)

    def _scope(self, item: Item) -> ScopeSpans:
        key = item.given.get("service"), item.given.get("environment")
        if key not in self._scopes:
            resource_spans = self.request.resource_spans.add()
            resource = {names.SERVICE_NAME: key[0], names.DEPLOYMENT_ENVIRONMENT_NAME: key[1]}
            _put(resource_spans.resource.attributes, resource)
            self._scopes[key] = resource_spans.scope_spans.add()
            self._scopes[key].scope.name = SCOPE
        return self._scopes[key]


def _say(span: Span, draft: Draft, common: Mapping[str, Value | None]) -> None:
    """Set what the span says: its attributes, and whether it is about a failure."""
    fields = {names.TYPE: draft.kind, **common, **draft.fields}
    if draft.failure is not None:
        fields |= draft.failure.attributes()
        span.status.code = Status.STATUS_CODE_ERROR
        span.status.message = draft.failure.status
    _put(span.attributes, fields)


def _place(span: Span, draft: Draft, item: Item, index: int) -> None:
    """Put the span into its session's trace; without a session it is a trace of its own.

    Its id follows from the client's id of the item where there is one, else from all the span says and its place in the
    batch: two clicks in the same millisecond are two.
    """
    if item.session_id is None:
        span.trace_id, span.span_id = ids_from(span.SerializeToString() + (b"" if item.id else index.to_bytes(4)))
        return
    span.trace_id, root = session_ids(item.session_id)
    if draft.is_root:
        span.span_id = root
        return
    span.parent_span_id = root
    if item.id:
        span.span_id = ids_from(f"{item.session_id}\0{draft.kind}\0{item.id}".encode())[1]
    else:
        span.span_id = ids_from(span.SerializeToString() + index.to_bytes(4))[1]


def _name(draft: Draft) -> str:
    short = " ".join(draft.detail.split())
    return f"{draft.kind} {short}" if short and len(draft.detail) <= MAX_DETAIL else draft.kind


def _put(attributes: RepeatedCompositeFieldContainer[KeyValue], fields: Mapping[str, Value | None]) -> None:
    """Set attributes, in place: a third of the cost of making each KeyValue apart."""
    for name, value in fields.items():
        if value is not None:
            _set(attributes.add(key=name).value, value)


def _set(target: AnyValue, value: Value) -> None:
    match value:
        case str():
            target.string_value = value
        case bool():
            target.bool_value = value
        case int():
            target.int_value = value
        case float():
            target.double_value = value
        case list():
            for each in value:
                target.array_value.values.add(string_value=each)
