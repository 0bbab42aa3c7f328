"""Spans as OTLP bytes, written directly: one ended span costs microseconds, on the thread that ended it.

The messages are those of opentelemetry-proto (`trace/v1/trace.proto`, `common/v1/common.proto`, stable since 1.0). What
comes out parses to the same message as OpenTelemetry's own encoder writes; a property test compares the two. Where
that one gives an attribute up or refuses the whole batch (integers beyond 64 bits, lone surrogates, foreign objects),
the value is written as text.

A protobuf field is a tag (number and wire type) and a value; strings, bytes and messages begin with their length as a
varint. So a message is the concatenation of its fields, and a request is put together from spans that are encoded
already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from struct import Struct
from typing import Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status

from otel_interactions.values import as_text, clean, safe_repr

Origin = tuple[bytes, bytes]
"""Where a span comes from: the fields of its ResourceSpans and those of its ScopeSpans, but for what they hold."""

MAX_DEPTH: Final = 24  # levels of nesting in a value, three of messages each; protobuf's parsers refuse a hundred

_HEAD: Final = Struct("<2s16s2s8s").pack  # trace_id = 1, span_id = 2
_TIMES: Final = Struct("<BBsQsQ2sI").pack  # kind = 6, start = 7, end = 8, flags = 16
_DOUBLE: Final = Struct("<d").pack
_FIXED64: Final = Struct("<Q").pack
_FIXED32: Final = Struct("<I").pack
_HAS_IS_REMOTE, _IS_REMOTE = 0x100, 0x200  # SpanFlags of trace.proto
_SHORT: Final = 120  # bytes of a key and a string for which every length around them is one byte
_KEYS: Final = 4096  # short names kept in their encoded form
_SEVEN, _MORE = 0x7F, 0x80  # the bits of a varint's byte
_PAIRS: Final = 4096  # short attributes kept in their encoded form
_UINT64: Final = (1 << 64) - 1


def varint(number: int) -> bytes:
    """Return an unsigned integer as protobuf's varint: seven bits a byte, the lowest first."""
    if number < 1 << 7:
        return bytes((number,))
    if number < 1 << 14:
        return bytes((number & _SEVEN | _MORE, number >> 7))
    out = bytearray()
    while number > _SEVEN:
        out.append(number & _SEVEN | _MORE)
        number >>= 7
    out.append(number)
    return bytes(out)


class _Fields(dict[str, bytes]):
    """Fields of text by their text, encoded once if they are short.

    Args:
        tag: of the field.
        behind: what always follows it.
    """

    def __init__(self, tag: bytes, behind: bytes = b"") -> None:
        super().__init__()
        self._tag, self._behind = tag, behind

    def __missing__(self, key: str) -> bytes:
        text = _utf8(key)
        encoded = _field(self._tag, text) + self._behind
        if len(self) < _KEYS and len(text) < _SHORT:
            self[key] = encoded
        return encoded


_keys = _Fields(b"\x0a", b"\x12")  # the key of a KeyValue, and the tag of its value
_names = _Fields(b"\x2a")  # the name of a Span
_texts: dict[tuple[str, str], bytes] = {}


def encode_span(span: ReadableSpan) -> bytes:
    """Return an ended span as a field of a ScopeSpans message.

    Raises:
        ValueError: it has no ids.
    """
    context = span.context
    if context is None:
        raise ValueError("a span without ids")
    return span_field(
        context,
        span.parent,
        span.name,
        span.kind.value + 1,
        span.start_time or 0,
        span.end_time or 0,
        span.attributes or {},
        links=span.links,
        status=span.status,
        rest=b"".join(_rest(span)),
    )


def span_field(  # noqa: PLR0917 - what a span is made of
    context: SpanContext,
    parent: SpanContext | None,
    name: str,
    kind: int,
    start_ns: int,
    end_ns: int,
    attributes: Mapping[str, Any],
    *,
    links: Sequence[Link] = (),
    status: Status | None = None,
    rest: bytes = b"",
) -> bytes:
    """Return a span as a field of a ScopeSpans message.

    Args:
        context: its own ids.
        parent: those of its parent, None for a root.
        name: its name.
        kind: its kind, a number of `Span.SpanKind`: 1 is internal.
        start_ns: when it began, nanoseconds since 1970.
        end_ns: when it ended, likewise.
        attributes: what it carries.
        links: spans it is linked to.
        status: how it went; unset if None.
        rest: fields of a Span message that are encoded already.
    """
    body = b"%b%b%b%b%b%b%b%b%b" % (
        _HEAD(b"\x0a\x10", context.trace_id.to_bytes(16), b"\x12\x08", context.span_id.to_bytes(8)),
        _text(b"\x1a", _state(context)) if context.trace_state else b"",
        b"" if parent is None else b"\x22\x08" + parent.span_id.to_bytes(8),
        _names[name],
        _TIMES(0x30, kind, b"\x39", start_ns, b"\x41", end_ns, b"\x85\x01", _flags(parent)),
        key_values(b"\x4a", attributes),
        b"".join([_field(b"\x6a", _link(link)) for link in links]) if links else b"",
        b"\x7a\x00" if status is None else _status(status),
        rest,
    )
    return b"\x12" + varint(len(body)) + body


def encode_origin(resource: Resource, scope: InstrumentationScope | None) -> Origin:
    """Return what a span says of its resource and its scope."""
    of_resource = _field(b"\x0a", key_values(b"\x0a", resource.attributes))
    of_scope = b""
    if scope is not None:
        of_scope = (
            _text(b"\x0a", scope.name) + _text(b"\x12", scope.version) + key_values(b"\x1a", scope.attributes or {})
        )
    return (
        of_resource + _text(b"\x1a", resource.schema_url),
        _field(b"\x0a", of_scope) + _text(b"\x1a", scope.schema_url if scope else None),
    )


def encode_request(spans: Iterable[tuple[Origin, bytes]]) -> bytes:
    """Return an ExportTraceServiceRequest of spans as `encode_span` gives them; the same for the same spans."""
    resources: dict[bytes, dict[bytes, list[bytes]]] = {}
    for (of_resource, of_scope), span in spans:
        resources.setdefault(of_resource, {}).setdefault(of_scope, []).append(span)
    return b"".join(
        _field(
            b"\x0a",
            of_resource + b"".join(_field(b"\x12", of_scope + b"".join(inside)) for of_scope, inside in scopes.items()),
        )
        for of_resource, scopes in resources.items()
    )


def key_values(tag: bytes, attributes: Mapping[str, Any]) -> bytes:
    """Return attributes as fields `tag` that are KeyValue messages."""
    pairs: list[bytes] = []
    for name, value in attributes.items():
        if type(value) is str:
            pairs.append(_texts.get((name, value)) or _pair_of_text(name, value))
        else:
            pairs.append(_pair(name, value))
    return tag + tag.join(pairs) if pairs else b""


def _pair_of_text(name: str, value: str) -> bytes:
    """Return a KeyValue message with its length; a short one is kept: of most there are many, as of a session's id."""
    key, text = _keys[name], _utf8(value)
    size, around = len(text), len(key)
    if size + around < _SHORT:
        pair = b"%c%b%c\x0a%c%b" % (around + size + 3, key, size + 2, size, text)
        if len(_texts) >= _PAIRS:
            _texts.clear()
        _texts[name, value] = pair
        return pair
    length = varint(size)
    inner = varint(size + len(length) + 1)
    outer = varint(around + len(inner) + 1 + len(length) + size)
    return b"%b%b%b\x0a%b%b" % (outer, key, inner, length, text)


def _pair(name: str, value: object) -> bytes:
    """Return a KeyValue message with its length."""
    key, encoded = _keys[name], _value(value)
    size = len(encoded)
    if size + len(key) < _SHORT:
        return b"%c%b%c%b" % (len(key) + size + 1, key, size, encoded)
    return _sized(key + _sized(encoded))


def _value(value: object, above: tuple[int, ...] = ()) -> bytes:
    """Return the inside of an AnyValue message; empty for None. `above` are the ids of the containers it is in."""
    kind = type(value)
    if kind is bool:
        return b"\x10\x01" if value else b"\x10\x00"
    if kind is int:
        return _integer(value)  # type: ignore[arg-type]
    if kind is float:
        return b"\x21" + _DOUBLE(value)
    if kind is str:
        return _field(b"\x0a", _utf8(value))  # type: ignore[arg-type]
    try:
        return b"" if value is None else _other(value, above)
    except Exception:  # noqa: BLE001  a class of the application may not be what it claims to be
        return _field(b"\x0a", safe_repr(value).encode())


def _other(value: object, above: tuple[int, ...]) -> bytes:
    """Return what is less common: containers, bytes, subclasses, and anything else as text."""
    if isinstance(value, str):
        return _value(str.__str__(value))  # a subclass may override str()
    if isinstance(value, int | float):
        return _integer(int.__int__(value)) if isinstance(value, int) else _value(float.__float__(value))
    if isinstance(value, bytes):
        return _field(b"\x3a", value)
    if len(above) < MAX_DEPTH and id(value) not in above:
        inside = (*above, id(value))
        if isinstance(value, Sequence):
            return _field(b"\x2a", b"".join(_field(b"\x0a", _value(each, inside)) for each in value))
        if isinstance(value, Mapping):
            pairs = ((str(key), _value(each, inside)) for key, each in value.items())
            return _field(b"\x32", b"".join(_field(b"\x0a", _keys[key] + _sized(each)) for key, each in pairs))
    return _field(b"\x0a", as_text(value).encode())


def _integer(value: int) -> bytes:
    if -1 << 63 <= value < 1 << 63:
        return b"\x18" + varint(value & _UINT64)
    return _field(b"\x0a", as_text(value).encode())


def _rest(span: ReadableSpan) -> Iterable[bytes]:
    """Return the fields of a span that few have."""
    for event in span.events:
        yield event_field(event)
    for tag, count in (
        (b"\x50", span.dropped_attributes),
        (b"\x60", span.dropped_events),
        (b"\x70", span.dropped_links),
    ):
        if count:
            yield tag + varint(count)


def event_field(event: Event) -> bytes:
    """Return an event as a field of a Span message."""
    fields = [b"\x09" + _FIXED64(event.timestamp), _text(b"\x12", event.name)]
    fields.append(key_values(b"\x1a", event.attributes or {}))
    if event.dropped_attributes:
        fields.append(b"\x20" + varint(event.dropped_attributes))
    return _field(b"\x5a", b"".join(fields))


def _link(link: Link) -> bytes:
    """Return a Link message. OpenTelemetry's encoder leaves its trace state out; the protocol has a field for it."""
    context = link.context
    fields = [_HEAD(b"\x0a\x10", context.trace_id.to_bytes(16), b"\x12\x08", context.span_id.to_bytes(8))]
    if context.trace_state:
        fields.append(_text(b"\x1a", _state(context)))
    fields.append(key_values(b"\x22", link.attributes or {}))
    if link.dropped_attributes:
        fields.append(b"\x28" + varint(link.dropped_attributes))
    fields.append(b"\x35" + _FIXED32(_flags(context)))
    return b"".join(fields)


def _status(status: Status | None) -> bytes:
    if status is None or (not status.status_code.value and not status.description):
        return b"\x7a\x00"
    code = status.status_code.value
    return _field(b"\x7a", _text(b"\x12", status.description) + (bytes((0x18, code)) if code else b""))


def _flags(other: SpanContext | None) -> int:
    """Return what a span says of its parent, or of one it is linked to."""
    return _HAS_IS_REMOTE | _IS_REMOTE if other is not None and other.is_remote else _HAS_IS_REMOTE


def _state(context: SpanContext) -> str:
    return ",".join(f"{key}={value}" for key, value in context.trace_state.items())


def _text(tag: bytes, text: str | None) -> bytes:
    """Return a field of text, nothing for an empty one."""
    return _field(tag, _utf8(text)) if text else b""


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return clean(text).encode()


def _field(tag: bytes, value: bytes) -> bytes:
    return tag + varint(len(value)) + value


def _sized(value: bytes) -> bytes:
    return varint(len(value)) + value
