"""Texts longer than a set size are cut, with a marker that says what is missing and how to tell it is the same text.

Only where `--max-field-bytes` asks for it; otherwise everything within the request limit is kept whole. Where a text is
JSON, as messages and tool arguments are, the texts in it are cut, so that it still reads. Ids and the like are never so
long.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message


def cut(message: Message, limit: int) -> None:
    """Cut every string and bytes field of a message, however deep, that has more than `limit` bytes, in place."""
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for each in _each(field, value):
                cut(each, limit)
        elif field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated:
            if len(value.encode()) > limit:
                setattr(message, field.name, _shortened(value, limit))
        elif field.type == FieldDescriptor.TYPE_BYTES and len(value) > limit:
            setattr(message, field.name, value[:limit] + _marker(value, limit).encode())


def _each(field: FieldDescriptor, value: object) -> Iterable[Message]:
    return value if field.is_repeated else (value,)  # type: ignore[return-value] # protobuf's own containers


def _shortened(text: str, limit: int) -> str:
    if text.startswith(("[", "{")):
        try:
            shorter = json.dumps(_with_short_texts(json.loads(text), limit), ensure_ascii=False, separators=(",", ":"))
            shorter.encode()
        except (ValueError, RecursionError):  # it only looked like JSON, or holds half a pair
            return _cut_text(text, limit)
        return shorter
    return _cut_text(text, limit)


def _with_short_texts(value: Any, limit: int) -> Any:
    if isinstance(value, str):
        return _cut_text(value, limit)
    if isinstance(value, list):
        return [_with_short_texts(each, limit) for each in value]
    if isinstance(value, dict):
        return {_cut_text(key, limit): _with_short_texts(each, limit) for key, each in value.items()}
    return value


def _cut_text(text: str, limit: int) -> str:
    raw = text.encode(errors="surrogatepass")  # JSON may escape half a pair
    if len(raw) <= limit:
        return text
    return raw[:limit].decode(errors="ignore") + _marker(raw, limit)


def _marker(raw: bytes, limit: int) -> str:
    return f"… [cut after {limit} of {len(raw)} bytes, sha256 {hashlib.sha256(raw).hexdigest()}]"
