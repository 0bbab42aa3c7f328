"""What of an OTLP request is one user's: counted, or taken out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.erasure.person import Names, Own, Person

_MESSAGES: Final[Mapping[str, Any]] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
_POINTS: Final = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
_NO_TEXT: Final = re.compile(r"-?\d+|true|false")  # ids that OTLP may have as something else than a text
_NEEDLES: Final = 100  # to look for so many is slower than to read it all
_IsTheirs = Callable[[Any, list[Any]], bool]


class Sifted(NamedTuple):
    """A request without what is a user's; how many items went, and how many are left."""

    body: bytes
    removed: int
    kept: int


class Sieve:
    """Tells what is a user's by the rule that the tables have, too (`rows.py`)."""

    def __init__(self, person: Person, names: Names, own: Own) -> None:
        """Look for this person."""
        self._user, self._names, self._own = person.user, names, own

    def sift(self, signal: str, body: bytes) -> Sifted:
        """Take out of a request what is the user's.

        Raises:
            ValueError: it is no such request.
        """
        try:
            request = _MESSAGES[signal].FromString(body)
        except DecodeError as error:
            raise ValueError(f"it does not read as {signal}") from error
        removed = sum(_drop(items, shared, self._is_theirs) for items, shared in _items(request))
        kept = sum(len(items) for items, _ in _items(request))
        return Sifted(request.SerializeToString() if removed else body, removed, kept)

    def may_hold(self, data: bytes) -> bool:
        """Tell whether anything of the user's can be in these bytes of OTLP: quick, and right where it says no."""
        if _NO_TEXT.fullmatch(self._user) or len(self._own.sessions) + len(self._own.traces) > _NEEDLES:
            return True
        texts = (self._user, *self._own.sessions)
        return any(each.encode() in data for each in texts) or any(_bytes(each) in data for each in self._own.traces)

    def _is_theirs(self, item: Any, shared: list[Any]) -> bool:
        users = set(self._values([*_attributes(item), *shared], self._names.user))
        if self._user in users:
            return True
        if users - {""}:
            return False
        of_session = item.attributes if isinstance(item, Span) else [*item.attributes, *shared]  # as the tables have it
        sessions = set(self._values(of_session, self._names.session))
        trace: bytes = getattr(item, "trace_id", b"")
        return bool(sessions & self._own.sessions) or trace.hex() in self._own.traces

    def _values(self, attributes: Iterable[Any], wanted: frozenset[str]) -> Iterator[str]:
        return (_text(each.value) for each in attributes if each.key in wanted)


def _text(value: Any) -> str:
    """Return what the tables have of a value; of one that is no id, something that nobody is called."""
    match value.WhichOneof("value"):
        case "string_value" | "int_value" as kind:
            return str(getattr(value, kind))
        case "bool_value":
            return str(value.bool_value).lower()
        case None:
            return ""
    return "\0"


def _bytes(trace: str) -> bytes:
    try:
        return bytes.fromhex(trace)
    except ValueError:  # came by SQL, and not as OTLP
        return trace.encode()


def _items(request: Any) -> Iterator[tuple[Any, list[Any]]]:
    """Yield each list of spans, log records or data points, with the attributes they share."""
    for entry in [*getattr(request, "resource_spans", []), *getattr(request, "resource_logs", [])]:
        for scope in [*getattr(entry, "scope_spans", []), *getattr(entry, "scope_logs", [])]:
            items = scope.spans if hasattr(scope, "spans") else scope.log_records
            yield items, [*entry.resource.attributes, *scope.scope.attributes]
    for entry in getattr(request, "resource_metrics", []):
        for scope in entry.scope_metrics:
            for metric in scope.metrics:
                shared = [*entry.resource.attributes, *scope.scope.attributes, *metric.metadata]
                for kind in _POINTS:
                    if metric.HasField(kind):
                        yield getattr(metric, kind).data_points, shared


def _attributes(item: Any) -> Iterator[Any]:
    yield from item.attributes
    for name in ("events", "links"):
        for each in getattr(item, name, []):
            yield from each.attributes
    for exemplar in getattr(item, "exemplars", []):
        yield from exemplar.filtered_attributes


def _drop(items: Any, shared: list[Any], is_theirs: _IsTheirs) -> int:
    kept = [each for each in items if not is_theirs(each, shared)]
    removed = len(items) - len(kept)
    if removed:
        copies = [type(each).FromString(each.SerializeToString()) for each in kept]
        del items[:]
        items.extend(copies)
    return removed
