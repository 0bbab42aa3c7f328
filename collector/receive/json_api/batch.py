"""A JSON body becomes an OTLP body: parsed, split into items, each item validated for itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from pydantic import BaseModel, Field, ValidationError
from pydantic.alias_generators import to_snake
from pydantic_core import ErrorDetails

from collector.errors import Malformed, TooLarge
from collector.receive.json_api.fields import NoShape, as_json, shown
from collector.receive.json_api.items import Item
from collector.receive.json_api.spans import Spans

MAX_ITEMS: Final = 10_000
_MAX_SHARED: Final = 4 << 10  # characters; what stands beside the items is repeated in each of them
LISTS: Final = ("interactions", "logs", "events")  # an object with one of these is a batch

ReadItem = Callable[[dict[str, Any]], Item]


class Rejected(BaseModel):
    """One item that is not as it must be."""

    index: int = Field(description="Its place in the batch, from 0.")
    field: str = Field(description="The field that is wrong, as the client wrote it; empty where it is the whole item.")
    reason: str = Field(description="What was found and what is allowed.")


@dataclass(slots=True)
class Batch:
    """What a body holds: the good items as one OTLP request, and the others by place, field and reason.

    Attributes:
        otlp: the request.
        spans: in it; an item may be several.
        accepted: good items.
        rejected: the others.
        is_one_of_a_kind: each good item has an id or a time of its own, so that equal bytes are the same batch, sent
            again, and not the same thing done twice.
    """

    otlp: bytes = b""
    spans: int = 0
    accepted: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    is_one_of_a_kind: bool = True


def convert(body: bytes, read_item: ReadItem, now_ns: int) -> Batch:
    """Turn a JSON body into OTLP; `now_ns` is the time of receipt.

    Raises:
        Malformed: the body is no JSON, or neither an object nor an array.
        TooLarge: it has more than MAX_ITEMS items, or too much stands beside them.
    """
    batch, spans = Batch(), Spans(now_ns)
    for index, given in enumerate(_items(_parse(body))):
        try:
            item = read_item(_object(given))
            batch.spans += spans.add(item, index)
        except NoShape as problem:
            batch.rejected.append(Rejected(index=index, field=problem.field, reason=problem.reason))
        except ValidationError as problem:
            batch.rejected.append(_rejected(index, problem))
        else:
            batch.accepted += 1
            batch.is_one_of_a_kind &= item.is_one_of_a_kind
    batch.otlp = spans.request.SerializeToString()
    return batch


def _object(item: Any) -> dict[str, Any]:
    if isinstance(item, dict):
        return item
    raise NoShape("", f"found {shown(item)}; should be an object")


def _parse(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if "surrogate in string" not in error.msg:
            raise _not_json(body, error) from error
    # JavaScript writes a text cut in the middle of an emoji with half a surrogate pair, which orjson refuses.
    try:
        return orjson.loads(_ESCAPE.sub(lambda escape: escape[0] if escape[1] is None else b"\\ufffd", body))
    except orjson.JSONDecodeError as error:
        raise _not_json(body, error) from error


# A whole pair, half a pair (the one group), any other escape: what comes first in the text comes first here.
_ESCAPE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)


def _not_json(body: bytes, error: orjson.JSONDecodeError) -> Malformed:
    try:
        body.decode()
    except UnicodeDecodeError as undecodable:
        return Malformed(
            f"the body is not UTF-8: byte {undecodable.start} cannot be decoded", hint="send JSON encoded as UTF-8"
        )
    what = error.msg[:1].lower() + error.msg[1:]
    return Malformed(f"the body is not JSON: {what}, at line {error.lineno} column {error.colno}")


def _items(parsed: Any) -> list[Any]:
    """Return the items of a body: an array, an object that holds one, or one object.

    What stands beside the array belongs to each item that has no such field of its own.

    Raises:
        Malformed: it is none of these.
        TooLarge: there are more than MAX_ITEMS of them, or too much stands beside them.
    """
    if isinstance(parsed, list):
        return _bounded(parsed)
    if not isinstance(parsed, dict):
        raise Malformed(f"the body is {shown(parsed)}; it should be an object or an array")
    held = [name for name in LISTS if name in parsed]
    if not held:
        return [parsed]
    if len(held) > 1:
        raise Malformed(f"the body has both {held[0]} and {held[1]}", hint="send one array")
    items = parsed.pop(held[0])
    if not isinstance(items, list):
        raise Malformed(f"{held[0]} is {shown(items)}; it should be an array")
    _bounded(items)
    if not parsed:
        return items
    _check_shared(parsed, held[0])
    return [_with(parsed, item) for item in items]


def _bounded(items: list[Any]) -> list[Any]:
    if len(items) > MAX_ITEMS:
        raise TooLarge(f"the batch has {len(items)} items; allowed are {MAX_ITEMS}", hint="send smaller batches")
    return items


def _check_shared(shared: dict[str, Any], beside: str) -> None:
    try:
        size = len(as_json(shared))
    except NoShape as problem:
        raise Malformed(f"what stands beside {beside} {problem.reason}") from problem
    if size > _MAX_SHARED:
        raise TooLarge(
            f"what stands beside {beside} has {size} characters; allowed are {_MAX_SHARED}",
            hint="it is repeated in every item; put what is large into the one item that it is about",
        )


def _with(shared: dict[str, Any], item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    own = {to_snake(name) for name, value in item.items() if value is not None}
    lent = {name: value for name, value in shared.items() if to_snake(name) not in own}
    empty = {to_snake(name) for name in lent}
    return lent | {name: value for name, value in item.items() if to_snake(name) not in empty}


def _rejected(index: int, problem: ValidationError) -> Rejected:
    """Name the first wrong field with its reason, and the other wrong ones."""
    first, *others = problem.errors(include_url=False)
    reason = _reason(first)
    if others:
        reason += f"; wrong too: {', '.join(dict.fromkeys(map(_path, others)))}"
    return Rejected(index=index, field=_path(first), reason=reason)


def _path(error: ErrorDetails) -> str:
    return ".".join(map(str, error["loc"]))


def _reason(error: ErrorDetails) -> str:
    if error["type"] == "missing":
        return "is required"
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    expected = "should be an object" if error["type"] == "model_type" else error["msg"].removeprefix("Input ")
    return f"found {shown(error['input'])}; {expected[:1].lower()}{expected[1:]}"
