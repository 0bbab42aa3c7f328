"""Single records that are refused while the rest of their request is kept."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor

from collector.errors import Malformed
from collector.request import Receipt

_NAMED = 4  # reasons told to the sender; a reply stays small, gRPC's headers have 8 KiB

# What counts as one record: the messages OTLP's `rejected_…` fields count.
_RECORDS = {
    "opentelemetry.proto.logs.v1.LogRecord",
    "opentelemetry.proto.metrics.v1.ExponentialHistogramDataPoint",
    "opentelemetry.proto.metrics.v1.HistogramDataPoint",
    "opentelemetry.proto.metrics.v1.NumberDataPoint",
    "opentelemetry.proto.metrics.v1.SummaryDataPoint",
    "opentelemetry.proto.trace.v1.Span",
}
_VALUES = ("opentelemetry.proto.common.", "opentelemetry.proto.resource.")  # what attributes are made of; recursive


def is_record(kind: Descriptor) -> bool:
    """Tell whether messages of this kind are counted one by one."""
    return kind.full_name in _RECORDS


@dataclass(frozen=True, slots=True)
class Holder:
    """A field that leads to records: its number, its name in JSON, whether it is a list, and of what kind."""

    number: int
    key: str
    repeated: bool
    kind: Descriptor


@functools.cache
def holders(kind: Descriptor) -> dict[int, Holder]:
    """Return the fields of a message that lead to records, by number."""
    return {
        each.number: Holder(each.number, each.json_name, each.is_repeated, each.message_type)
        for each in kind.fields
        if each.message_type and _holds_records(each.message_type)
    }


def _holds_records(kind: Descriptor) -> bool:
    return not kind.full_name.startswith(_VALUES) and (is_record(kind) or bool(holders(kind)))


class Refusals:
    """The records of one request that are refused: how many at which path, and why."""

    def __init__(self, noun: str) -> None:
        """Begin with none; `noun` is what people call the records."""
        self._noun = noun
        self._found: list[tuple[int, str, str]] = []

    def __len__(self) -> int:
        """Return how many entries there are: a mark for `add`."""
        return len(self._found)

    def add(self, count: int, path: str, why: str, *, instead: int) -> None:
        """Refuse `count` records at `path`, in place of all entries made since the mark `instead`."""
        del self._found[instead:]
        self._found.append((count, path, why))

    @property
    def receipt(self) -> Receipt:
        """What the sender is told beside the acknowledgement of the rest."""
        count = sum(count for count, _, _ in self._found)
        return Receipt(count, self._sentence(count) if count else "")

    def malformed(self) -> Malformed:
        """Return the refusal of a request none of whose records is usable."""
        violations = [(path, why) for _, path, why in self._found[:_NAMED]]
        count = sum(count for count, _, _ in self._found)
        return Malformed(f"nothing in it is usable: {self._sentence(count)}", violations=violations)

    def _sentence(self, count: int) -> str:
        named = "; ".join(f"{path}: {why}" for _, path, why in self._found[:_NAMED])
        more = "; …" if len(self._found) > _NAMED else ""
        return f"{self._noun} refused: {count}; {named}{more}"
