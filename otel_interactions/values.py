"""Whatever an application passes becomes text and attribute values that OTLP can carry; nothing in here raises.

OTLP strings are UTF-8 and its integers have 64 bits: an attribute with a lone surrogate or a larger integer is lost in
OpenTelemetry's encoder, and a span's name with one takes its whole batch along. So every value is cleaned here before
it is given to a span.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import hashlib
import json
import math
import numbers
import os
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from itertools import islice
from typing import Any, Final, TypeAlias

AttributeValue: TypeAlias = str | bool | int | float | Sequence[str] | Sequence[bool] | Sequence[int] | Sequence[float]

MAX_TEXT: Final = 1 << 20  # bytes of one text, unless `limit_texts` says otherwise; the collector's limit is lower
MAX_REPR: Final = 2_000  # characters of the repr() of an object that has no better form
MAX_DEPTH: Final = 16  # levels of nesting followed in values that json cannot take as they are
MAX_ITEMS: Final = 10_000  # members of one container followed in such values
MAX_ATTRIBUTES: Final = 64  # of the application's own on one span: OpenTelemetry keeps 128 and drops the oldest
_AS_THEY_ARE: Final = frozenset({bool, float, type(None)})
_SIMPLE: Final = (str, bool, int, float, type(None))  # tuples: a union would be made anew at each call
_LISTS: Final = (list, tuple)
_JSON_KINDS: Final = (dict, *_LISTS, *_SIMPLE)
_NUMBERS: Final = (numbers.Real, Decimal)
INT64: Final = range(-(1 << 63), 1 << 63)


class _Limit:
    """The most bytes of one text in this process."""

    text = MAX_TEXT


def limit_texts(size: int) -> None:
    """Have texts cut after so many bytes."""
    _Limit.text = size


def clean(text: str, limit: int | None = None) -> str:
    """Return `text` as valid UTF-8 of at most `limit` bytes; a cut is marked with the true length and the SHA-256.

    Args:
        text: any str, lone surrogates and all.
        limit: bytes kept; the process's limit unless given.
    """
    most = _Limit.text if limit is None else limit
    if type(text) is str and len(text) <= most and text.isascii():
        return text  # nearly all there is
    if type(text) is not str:
        text = str.__str__(text)  # a subclass may override str()
    text = _utf8(text)
    if len(text) * 4 <= most:
        return text
    raw = text.encode()
    if len(raw) <= most or (len(raw) <= most + _MARK and _CUT.search(text)):
        return text
    return _marked(raw[:most], most, len(raw), hashlib.sha256(raw))


def _marked(raw: bytes, limit: int, size: int, digest: hashlib._Hash) -> str:
    """Return the beginning of a text with the collector's mark of a cut."""
    return f"{raw.decode(errors='ignore')}{CUT}{limit} of {size} bytes, sha256 {digest.hexdigest()}]"


CUT: Final = "… [cut after "
"""How the mark of a cut begins."""
_MARK: Final = 160  # bytes of a mark at most
_CUT: Final = re.compile(r"… \[cut after \d+ of \d+ bytes, sha256 [0-9a-f]{64}\]\Z")


class Gathered:
    """A text that comes in parts; beyond the limit only its length and its hash are kept.

    Attributes:
        length: characters so far.
    """

    def __init__(self) -> None:
        self.length = 0
        self._parts: list[bytes] = []
        self._kept = self._size = 0
        self._digest = hashlib.sha256()

    def append(self, part: str) -> None:
        """Add a part."""
        self.length += len(part)
        raw = part.encode("utf-8", "surrogatepass")
        self._digest.update(raw)
        self._size += len(raw)
        if self._kept <= _Limit.text:
            self._parts.append(raw[: _Limit.text + 1])
            self._kept += len(raw)

    def text(self) -> str:
        """Return the text, cut and marked where it is too long."""
        raw = b"".join(self._parts)
        if self._size <= _Limit.text:
            return raw.decode("utf-8", "surrogatepass")
        return _marked(raw[: _Limit.text], _Limit.text, self._size, self._digest)


def _utf8(text: str) -> str:
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        # By way of UTF-16: a surrogate pair becomes its character, a lone surrogate becomes U+FFFD.
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def as_text(value: object) -> str:
    """Return a str as it is, anything else as JSON text."""
    if isinstance(value, str):
        return clean(value)
    if not isinstance(value, _JSON_KINDS):
        value = _leaf(value)
        if isinstance(value, str):
            return clean(value)
    return as_json(value)


def as_json(value: object) -> str:
    """Return JSON text of any value: repr() where JSON has no form, a marked prefix where it is too long."""
    try:
        text = _ENCODER.encode(value)
    except Exception:  # noqa: BLE001  cycles, NaN, odd keys, and whatever the application's own classes raise
        text = json.dumps(_plain(value, ()), ensure_ascii=False, separators=(",", ":"))
    if len(text) > _Limit.text:
        text = json.dumps(clean(text), ensure_ascii=False)  # a JSON string: half an object would not parse
    return _utf8(text)


def as_attribute(value: object) -> AttributeValue | None:
    """Return `value` as an attribute value, or None if there is none to set."""
    if type(value) is str:
        return clean(value)
    if type(value) in _AS_THEY_ARE or isinstance(value, float):
        return value  # type: ignore[return-value]  # one of these
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, int):
        return int(value) if value in INT64 else _integer_text(value)
    if isinstance(value, _LISTS) and value:
        return _same_kind(value) or as_json(value)
    return as_text(value)


def as_number(value: object) -> object:
    """Return a float where the wire has one: what is no number stays as it is, to be seen in the record."""
    if isinstance(value, _NUMBERS):
        try:
            return float(value)
        except (OverflowError, ValueError):
            return value
    return value


def as_attributes(given: Mapping[str, Any] | None) -> dict[str, AttributeValue]:
    """Return the application's own attributes in a form spans can carry, at most `MAX_ATTRIBUTES` of them."""
    if not given:
        return {}
    if not isinstance(given, Mapping):
        return {"attributes": as_text(given)}
    attributes: dict[str, AttributeValue] = {}
    for key, value in islice(given.items(), MAX_ATTRIBUTES):
        name, attribute = clean(key if type(key) is str else str(key)), as_attribute(value)
        if name and attribute is not None:
            attributes[name] = attribute
    return attributes


def safe_repr(value: object) -> str:
    """Return a bounded `repr(value)`, or its type's name where repr itself raises."""
    try:
        return clean(repr(value), MAX_REPR)
    except Exception:  # noqa: BLE001  a repr of the application may raise anything
        return f"<{type(value).__name__}, repr() failed>"


def _same_kind(value: Iterable[object]) -> list[str] | list[int] | list[float] | None:
    """Return the members as a list OTLP can carry, or None unless all are of one simple kind."""
    items = list(value)
    kinds = {type(item) for item in items}
    if kinds == {str}:
        return [clean(str(item)) for item in items]
    if kinds in ({bool}, {float}) or (kinds == {int} and all(item in INT64 for item in items)):
        return items  # type: ignore[return-value]  # all of one kind: just checked
    return None


def _integer_text(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # more digits than Python converts to decimal
        return clean(hex(value), MAX_REPR)


def _leaf(value: object) -> object:
    """Return something closer to JSON than `value`, which json cannot take; its repr if there is nothing closer."""
    try:
        return _closer(value)
    except Exception:  # noqa: BLE001  model_dump() and its like belong to the application
        return safe_repr(value)


def _closer(value: object) -> object:
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value)
    if isinstance(value, type):
        return safe_repr(value)
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
    dump = getattr(type(value), "model_dump", None)  # pydantic's, and what looks like it; a mock has any attribute
    return dump(value) if callable(dump) else safe_repr(value)


_CONVERSIONS: Final[tuple[tuple[tuple[type, ...], Callable[[Any], object]], ...]] = (
    ((enum.Enum,), lambda value: value.value),
    ((dt.date, dt.time), lambda value: value.isoformat()),
    ((uuid.UUID, Decimal), str),
    ((os.PathLike,), os.fspath),
    ((numbers.Integral,), int),
    ((numbers.Real,), float),
    ((bytes, bytearray, memoryview), lambda value: safe_repr(bytes(value[:MAX_REPR]))),
    ((Mapping,), dict),
    ((AbstractSet, Sequence), list),
)


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_leaf, separators=(",", ":"))


def _plain(value: object, above: tuple[int, ...]) -> Any:
    """Return `value` built from what JSON knows; `above` are the ids of the containers it is in."""
    if isinstance(value, _SIMPLE):
        return _simple(value)
    if id(value) in above:
        return "<cycle>"
    if len(above) >= MAX_DEPTH:
        return safe_repr(value)
    inside = (*above, id(value))
    if isinstance(value, dict):
        return {_key(key): _plain(member, inside) for key, member in islice(list(value.items()), MAX_ITEMS)}
    if isinstance(value, _LISTS):
        return [_plain(member, inside) for member in islice(value, MAX_ITEMS)]
    return _plain(_leaf(value), inside)


def _simple(value: str | float | None) -> str | float | None:
    """Return a value JSON knows: NaN and what has too many digits as text."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value) if value in INT64 else _integer_text(value)
    return value


def _key(key: object) -> str:
    return clean(key, MAX_REPR) if isinstance(key, str) else safe_repr(key)
