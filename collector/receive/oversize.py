"""Texts longer than a set size are cut, with a marker that says what is missing and how to tell it is the same text.

Only where `--max-field-bytes` asks for it; otherwise everything within the request limit is kept whole. A body smaller
than the limit cannot hold a field larger than it, so this walk, which is slow, is rarely taken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message


def cut(message: Message, limit: int) -> None:
    """Cut every string and bytes field of a message, however deep, that has more than `limit` bytes, in place."""
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for each in _each(field, value):
                cut(each, limit)
        elif field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated:
            if len(raw := value.encode()) > limit:
                setattr(message, field.name, raw[:limit].decode(errors="ignore") + _marker(raw, limit))
        elif field.type == FieldDescriptor.TYPE_BYTES and len(value) > limit:
            setattr(message, field.name, value[:limit] + _marker(value, limit).encode())


def _each(field: FieldDescriptor, value: object) -> Iterable[Message]:
    return value if field.is_repeated else (value,)  # type: ignore[return-value] # protobuf's own containers


def _marker(raw: bytes, limit: int) -> str:
    return f"… [cut after {limit} of {len(raw)} bytes, sha256 {hashlib.sha256(raw).hexdigest()}]"
