"""OTLP/JSON documents, written from protobuf and bent at random."""

from __future__ import annotations

import base64
import copy
import random
from collections.abc import Callable
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

IDS = {"traceId": 16, "spanId": 8, "parentSpanId": 8, "trace_id": 16, "span_id": 8, "parent_span_id": 8}  # bytes

JUNK: tuple[Any, ...] = (
    *(None, True, 0, -1, 5, 2**63, 2**64 - 1, 1.5, 1e18, 1e300, "", "x", "5", "-5", "1.5", "NaN", "SPAN_KIND_SERVER"),
    *("ff" * 8, "FF" * 16, "é😀", "AAAA", [], {}, [{}], [None], {"stringValue": "s"}, {"values": [{}]}),
)
KEYS = ("name", "traceId", "spans", "value", "stringValue", "intValue", "kind", "attributes", "unknown", "trace_id")


def with_ids(document: Any, convert: Callable[[str], str]) -> Any:
    """Return a document with every id converted."""
    if isinstance(document, dict):
        return {key: convert(value) if key in IDS else with_ids(value, convert) for key, value in document.items()}
    return [with_ids(each, convert) for each in document] if isinstance(document, list) else document


def written(message: Message, **options: Any) -> Any:
    """Write a message as OTLP/JSON: protobuf's own JSON mapping, but for the ids, which are hex."""
    given = {"use_integers_for_enums": True} | options
    return with_ids(json_format.MessageToDict(message, **given), lambda text: base64.b64decode(text).hex())


def bent(document: Any, choose: random.Random) -> Any:
    """Return a copy that is changed in one to five places."""
    copied = copy.deepcopy(document)
    for _ in range(choose.choice((1, 1, 2, 5))):
        if found := _places(copied):
            _bend(found, choose)
    return copied


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Return every place in a document: its container and its key there."""
    if isinstance(document, dict | list):
        inside = list(document.items() if isinstance(document, dict) else enumerate(document))
        return [(document, key) for key, _ in inside] + [place for _, each in inside for place in _places(each)]
    return []


def _bend(places: list[tuple[Any, Any]], choose: random.Random) -> None:
    container, key = choose.choice(places)
    match choose.choice(("junk", "junk", "drop", "key", "move", "twice")):
        case "junk":
            container[key] = copy.deepcopy(choose.choice(JUNK))
        case "drop":
            del container[key]
        case "key" if isinstance(container, dict):
            container[choose.choice(KEYS)] = container.pop(key)
        case "move":
            other, there = choose.choice(places)
            container[key] = copy.deepcopy(other[there])
        case "twice" if isinstance(container, list):
            container.insert(key, copy.deepcopy(container[key]))
