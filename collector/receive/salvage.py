"""A protobuf body that does not parse is taken apart: the records that parse are kept, the others refused.

SDKs in C++ and Go put bytes that are no UTF-8 into text fields, and one such span would take its whole batch with it.
Only a body that failed comes here. Its envelopes are followed on the wire down to the records, and every piece is tried
inside its envelopes, so that what is kept parses as a whole, depth included.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from collector.receive.refusals import Holder, Refusals, holders, is_record
from collector.request import read_varint, varint

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5  # wire types; no field of OTLP is a group
_SKIP = {_FIXED64: 8, _FIXED32: 4}
_DEEPEST = 100  # protobuf's own limit

_Wrap = Callable[[bytes], bytes]


class _Garbled(Exception):
    """What holds records does not parse, and not because of one of them."""

    def __init__(self, path: str, why: str) -> None:
        self.path, self.why = path, why


def salvage(body: bytes, request: type[Message], refusals: Refusals) -> bytes | None:
    """Return the body without the records that do not parse: those go to `refusals`. None if that does not mend it."""
    try:
        kind: Any = request.DESCRIPTOR  # typed as one of two classes that are the same
        return _Taker(request, refusals).take(body, kind, "", bytes)
    except _Garbled:
        return None


class _Taker:
    """Takes requests of one kind apart."""

    def __init__(self, request: type[Message], refusals: Refusals) -> None:
        self._request, self._refusals = request, refusals

    def take(self, data: bytes, kind: Descriptor, path: str, wrap: _Wrap) -> bytes:
        """Return what parses of the bytes of a message; `wrap` puts such bytes into its envelopes.

        Raises:
            _Garbled: its structure, or a field of its own, does not parse.
        """
        kept, own, seen = list[bytes](), list[bytes](), Counter[int]()
        for number, wire, raw, content in _split(data, path):
            holder = holders(kind).get(number)
            if not holder or wire != _LENGTH:
                own.append(raw)
                continue
            step = f"{holder.key}[{seen[number]}]" if holder.repeated else holder.key
            seen[number] += 1
            kept.append(self._piece(raw, content, holder, f"{path}.{step}".removeprefix("."), wrap))
        mine = b"".join(own)
        if not self._parses(wrap(mine)):
            below, why = _fault(mine, kind)
            raise _Garbled(f"{path}{below}".removeprefix("."), why)
        return mine + b"".join(kept)

    def _piece(self, raw: bytes, content: bytes, holder: Holder, path: str, wrap: _Wrap) -> bytes:
        """Return what parses of one field that leads to records, tag and length included."""
        if self._parses(wrap(raw)):
            return raw
        number, kind, before = holder.number, holder.kind, len(self._refusals)
        if is_record(kind):
            below, why = _fault(content, kind)
            self._refusals.add(1, path + below, why, instead=before)
            return b""
        try:
            return _block(number, self.take(content, kind, path, lambda part: wrap(_block(number, part))))
        except _Garbled as garbled:
            count = _count(content, kind)
            if not count:
                raise
            self._refusals.add(count, garbled.path, garbled.why, instead=before)
            return b""

    def _parses(self, body: bytes) -> bool:
        try:
            self._request.FromString(body)
        except DecodeError:
            return False
        return True


def _block(number: int, content: bytes) -> bytes:
    return varint(number << 3 | _LENGTH) + varint(len(content)) + content


def _split(data: bytes, path: str) -> Iterator[tuple[int, int, bytes, bytes]]:
    """Yield a message's fields: number, wire type, all its bytes, and its content if that is bytes.

    Raises:
        _Garbled: these bytes are no message.
    """
    at = 0
    while at < len(data):
        start, content = at, b""
        try:
            tag, at = read_varint(data, at)
            wire = tag & 7
            if wire == _VARINT:
                _, at = read_varint(data, at)
            elif wire == _LENGTH:
                length, at = read_varint(data, at)
                content = data[at : at + length]
                at += length
            else:
                at += _SKIP[wire]
        except (IndexError, KeyError) as error:
            raise _Garbled(path, "is no protobuf message") from error
        if at > len(data):
            raise _Garbled(path, "is cut short")
        yield tag >> 3, wire, data[start:at], content


def _count(data: bytes, kind: Descriptor) -> int:
    """Count the records in what does not parse; 0 if there is no telling."""
    if is_record(kind):
        return 1
    try:
        return sum(
            _count(content, holders(kind)[number].kind)
            for number, wire, _, content in _split(data, "")
            if wire == _LENGTH and number in holders(kind)
        )
    except _Garbled:
        return 0


def _fault(data: bytes, kind: Descriptor, depth: int = 1) -> tuple[str, str]:
    """Return the path below a message of the first thing wrong in it, and what it is."""
    if depth > _DEEPEST:
        return "", f"is nested deeper than {_DEEPEST} messages"
    seen = Counter[int]()
    try:
        for number, wire, _, content in _split(data, ""):
            field = kind.fields_by_number.get(number)
            if field is None or wire != _LENGTH:
                continue
            step = f".{field.json_name}" + (f"[{seen[number]}]" if field.is_repeated else "")
            seen[number] += 1
            if found := _fault_in(field, content, depth):
                return step + found[0], found[1]
    except _Garbled as garbled:
        return "", garbled.why
    return ("", f"does not parse as {kind.name}") if depth == 1 else ("", "")


def _fault_in(field: FieldDescriptor, content: bytes, depth: int) -> tuple[str, str] | None:
    if field.type == FieldDescriptor.TYPE_STRING:
        try:
            content.decode()
        except UnicodeDecodeError:
            return "", "is not UTF-8"
    if field.message_type is None:
        return None
    found = _fault(content, field.message_type, depth + 1)
    return found if found[1] else None
