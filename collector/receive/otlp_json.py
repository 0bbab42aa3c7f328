"""OTLP/JSON becomes the protobuf message it stands for; from there on it takes protobuf's road.

Strict where OTLP is: ids are hex of the right length, 64-bit integers exact, nothing is guessed. Lenient where it
costs nothing: integers as text or numbers, enums as numbers or names, keys in lowerCamelCase or snake_case, either
alphabet of base64, unknown keys skipped, null for absent. A record that does not fit is refused alone, with the path
of the field.

The readers are made from the messages' descriptors, so a field OTLP adds is read as soon as opentelemetry-proto has it.
About 50 us a span; protobuf is for who is in a hurry.
"""

from __future__ import annotations

import base64
import functools
import json
import math
import re
from collections.abc import Callable
from typing import Any, NoReturn

import orjson
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from collector.errors import Malformed
from collector.receive.refusals import Holder, Refusals, holders, is_record

_IDS = {"trace_id": 16, "span_id": 8, "parent_span_id": 8}  # bytes
_COLLECTIONS = {"array_value", "kvlist_value"}  # OTLP's own example of an event leaves their one field, `values`, out
_DEEPEST = 100  # messages in each other, the request included: protobuf's own limit
_INTEGER = re.compile(r"-?[0-9]{1,20}")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_NOT_FINITE = {"NaN", "Infinity", "-Infinity"}
_EXACT = 2**63  # a float from here on may be an integer literal that orjson rounded
_SHOWN = 40  # characters of a value that is quoted


class _Unfit(Exception):
    """A value does not fit its field; `path` grows while the error climbs."""

    def __init__(self, why: str) -> None:
        self.path, self.why = "", why

    def below(self, step: str) -> _Unfit:
        self.path = step + self.path
        return self


def read(body: bytes, request: type[Message], refusals: Refusals) -> Message:
    """Return the request a body stands for, without the records that do not fit: those go to `refusals`.

    Raises:
        Malformed: it is no JSON, or no request down to its records.
    """
    given, message = _load(body, request), request()
    fields = _fields(request.DESCRIPTOR)
    if not isinstance(given, dict):
        raise _malformed(body, request, "it must be an object")
    if given and fields.keys().isdisjoint(given):
        known = sorted({field.key for field in fields.values()})
        raise _malformed(body, request, f"it has none of its fields ({', '.join(known)})")
    try:
        _fill(message, given, 1, _Walk(refusals))
    except _Unfit as unfit:
        path = unfit.path.removeprefix(".")
        raise Malformed(f"{path}: {unfit.why}", violations=[(path, unfit.why)]) from unfit
    return message


def _malformed(body: bytes, request: type[Message], why: object) -> Malformed:
    return Malformed(f"the body of {len(body)} bytes is not an {request.DESCRIPTOR.name} in JSON: {why}")


def _load(body: bytes, request: type[Message]) -> Any:
    """Parse JSON; text that is no Unicode is kept as it is, so that it spoils its own record only.

    orjson refuses a body with half a surrogate pair, which JavaScript writes where it cuts a text, and one with bytes
    that are no UTF-8. The standard library can be told to let both pass; setting the field finds them again.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        try:
            return json.loads(body.decode(errors="surrogateescape"), parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            raise _malformed(body, request, error) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


class _Walk:
    """Where in the request we are, down to the record; and what is refused."""

    def __init__(self, refusals: Refusals) -> None:
        self.refusals = refusals
        self.steps: list[str] = []

    def path(self, unfit: _Unfit) -> str:
        return ".".join(self.steps) + unfit.path


class _Field:
    """One field of a message: `name` in protobuf, `key` in JSON; `put` reads a value into it."""

    def __init__(self, field: FieldDescriptor) -> None:
        self.number, self.name, self.key = field.number, field.name, field.json_name
        oneof = field.containing_oneof
        self.oneof = oneof.name if oneof and len(oneof.fields) > 1 else None  # proto3's `optional` is a oneof of one

    def put(self, message: Message, value: Any, depth: int, walk: _Walk) -> None:
        raise NotImplementedError


class _Scalar(_Field):
    def __init__(self, field: FieldDescriptor) -> None:
        super().__init__(field)
        self.read = _reader(field)

    def put(self, message: Message, value: Any, depth: int, walk: _Walk) -> None:  # noqa: ARG002 - it is flat
        try:
            setattr(message, self.name, self.read(value))
        except UnicodeEncodeError as error:
            raise _Unfit("is not valid Unicode") from error


class _Scalars(_Scalar):
    def put(self, message: Message, value: Any, depth: int, walk: _Walk) -> None:  # noqa: ARG002 - it is flat
        target = getattr(message, self.name)
        for index, element in enumerate(_list(value)):
            try:
                target.append(self.read(element))
            except _Unfit as unfit:
                raise unfit.below(f"[{index}]") from None


class _Message(_Field):
    def put(self, message: Message, value: Any, depth: int, walk: _Walk) -> None:
        inner = getattr(message, self.name)
        inner.SetInParent()
        if isinstance(value, list) and self.name in _COLLECTIONS:
            value = {"values": value}
        _fill(inner, value, depth + 1, walk)


class _Messages(_Field):
    def put(self, message: Message, value: Any, depth: int, walk: _Walk) -> None:
        target = getattr(message, self.name)
        for index, element in enumerate(_list(value)):
            try:
                _fill(target.add(), element, depth + 1, walk)
            except _Unfit as unfit:
                raise unfit.below(f"[{index}]") from None


class _Holders(_Field):
    """Records, or what holds them: one that does not fit is refused, with all records below it."""

    def __init__(self, field: FieldDescriptor, holder: Holder) -> None:
        super().__init__(field)
        self.kind = holder.kind

    def put(self, message: Message, value: Any, depth: int, walk: _Walk) -> None:
        target = getattr(message, self.name)
        for index, element in enumerate(_list(value)):
            before = len(walk.refusals)
            walk.steps.append(f"{self.key}[{index}]")
            try:
                _fill(target.add(), element, depth + 1, walk)
            except _Unfit as unfit:
                count = _count(element, self.kind)
                if not count:
                    raise unfit.below(f"[{index}]") from None
                del target[-1]
                walk.refusals.add(count, walk.path(unfit), unfit.why, instead=before)
            finally:
                walk.steps.pop()


class _Holder(_Message):
    """What holds records, itself not in a list: a metric's data."""

    def put(self, message: Message, value: Any, depth: int, walk: _Walk) -> None:
        walk.steps.append(self.key)
        try:
            super().put(message, value, depth, walk)
        finally:
            walk.steps.pop()


def _fill(message: Message, given: Any, depth: int, walk: _Walk) -> None:
    if not isinstance(given, dict):
        raise _Unfit(f"must be an object, not {_quoted(given)}")
    if depth > _DEEPEST:
        raise _Unfit(f"is nested deeper than {_DEEPEST} messages")
    fields = _fields(message.DESCRIPTOR)
    for key, value in given.items():
        field = fields.get(key)
        if field is None or value is None:
            continue
        try:
            if field.oneof and (other := message.WhichOneof(field.oneof)) not in {None, field.name}:
                raise _Unfit(f"stands beside {other}, of which only one may be set")  # noqa: TRY301 - one path for both
            field.put(message, value, depth, walk)
        except _Unfit as unfit:
            raise unfit.below(f".{field.key}") from None


def _count(given: Any, kind: Descriptor) -> int:
    """Count the records in what does not fit."""
    if is_record(kind):
        return 1
    if not isinstance(given, dict):
        return 0
    total = 0
    for key, value in given.items():
        field = _fields(kind).get(key)
        holder = holders(kind).get(field.number) if field else None
        if holder and holder.repeated == isinstance(value, list):
            total += sum(_count(each, holder.kind) for each in (value if holder.repeated else [value]))
    return total


@functools.cache
def _fields(kind: Descriptor) -> dict[str, _Field]:
    """Return the fields of a message by either spelling of their names."""
    fields = [_field(field, holders(kind).get(field.number)) for field in kind.fields]
    return {field.name: field for field in fields} | {field.key: field for field in fields}


def _field(field: FieldDescriptor, holder: Holder | None) -> _Field:
    if holder:
        return _Holders(field, holder) if field.is_repeated else _Holder(field)
    if field.message_type:
        return _Messages(field) if field.is_repeated else _Message(field)
    return _Scalars(field) if field.is_repeated else _Scalar(field)


def _reader(field: FieldDescriptor) -> Callable[[Any], Any]:
    if field.type == FieldDescriptor.TYPE_BYTES and field.name in _IDS:
        return functools.partial(_hex, _IDS[field.name])
    if field.enum_type:
        return functools.partial(_enum, field.enum_type)
    return _READERS[field.type]


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _Unfit(f"must be a list, not {_quoted(value)}")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _Unfit(f"must be text, not {_quoted(value)}")
    return value


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Unfit(f"must be true or false, not {_quoted(value)}")
    return value


def _integer(low: int, high: int, value: Any) -> int:
    number = None
    if type(value) is int:  # a bool is an int to isinstance
        number = value
    elif isinstance(value, str):
        number = int(value) if _INTEGER.fullmatch(value) else None
    elif isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        number = int(value)
    if number is None or not low <= number <= high:
        raise _Unfit(f"must be an integer from {low} to {high}, not {_quoted(value)}")
    return number


def _double(value: Any) -> float:
    if isinstance(value, str) and value in _NOT_FINITE:
        return float(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = _float(value)
    else:
        number = _float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else math.nan
    if not math.isfinite(number):
        raise _Unfit(
            f"must be a number of 64 bits, or one of NaN, Infinity and -Infinity as text, not {_quoted(value)}"
        )
    return number


def _float(value: str | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _enum(kind: EnumDescriptor, value: Any) -> int:
    named = kind.values_by_name.get(value) if isinstance(value, str) else None
    if named:
        return int(named.number)
    try:
        return _integer(-(2**31), 2**31 - 1, value)
    except _Unfit as error:
        raise _Unfit(f"must be a number or a name of {kind.name}, not {_quoted(value)}") from error


def _hex(length: int, value: Any) -> bytes:
    """Read an id; empty is absent, as in protobuf."""
    try:
        raw = bytes.fromhex(value)
    except (TypeError, ValueError):
        raw = None
    if raw is None or len(raw) not in {0, length} or len(value) != 2 * len(raw):  # fromhex skips spaces
        raise _Unfit(f"must be {2 * length} hex digits, not {_quoted(value)}")
    return raw


def _base64(value: Any) -> bytes:
    try:
        text = value.rstrip("=").replace("-", "+").replace("_", "/")
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (AttributeError, ValueError) as error:
        raise _Unfit(f"must be base64, not {_quoted(value)}") from error


def _quoted(value: Any) -> str:
    """Show a value in a sentence; containers by their kind only."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = json.dumps(value[:_SHOWN] if isinstance(value, str) else value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


_INT64 = functools.partial(_integer, -(2**63), 2**63 - 1)
_UINT64 = functools.partial(_integer, 0, 2**64 - 1)
_INT32 = functools.partial(_integer, -(2**31), 2**31 - 1)
_UINT32 = functools.partial(_integer, 0, 2**32 - 1)
_READERS: dict[int, Callable[[Any], Any]] = {
    FieldDescriptor.TYPE_STRING: _text,
    FieldDescriptor.TYPE_BYTES: _base64,
    FieldDescriptor.TYPE_BOOL: _bool,
    FieldDescriptor.TYPE_DOUBLE: _double,
    FieldDescriptor.TYPE_INT64: _INT64,
    FieldDescriptor.TYPE_SINT64: _INT64,
    FieldDescriptor.TYPE_SFIXED64: _INT64,
    FieldDescriptor.TYPE_UINT64: _UINT64,
    FieldDescriptor.TYPE_FIXED64: _UINT64,
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_SINT32: _INT32,
    FieldDescriptor.TYPE_UINT32: _UINT32,
    FieldDescriptor.TYPE_FIXED32: _UINT32,
}
