"""An OTLP message as people read it: OTLP/JSON, with ids in hex."""

from __future__ import annotations

import base64
import json
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError

from collector.receive.wire import WIRE
from collector.request import Signal

_IDS = {"traceId", "spanId", "parentSpanId"}


def render(signal: str, body: bytes) -> str:
    """Return a request as indented JSON; where it does not parse, say so, with its first bytes in hex."""
    try:
        message = WIRE[Signal[signal.upper()]].request.FromString(body)
    except DecodeError as error:
        return f"(does not parse as OTLP: {error}; {len(body)} bytes, beginning with {body[:64].hex(' ')})"
    return json.dumps(_with_hex_ids(MessageToDict(message)), indent=1, ensure_ascii=False)


def _with_hex_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: base64.b64decode(each).hex() if key in _IDS else _with_hex_ids(each) for key, each in value.items()
        }
    if isinstance(value, list):
        return [_with_hex_ids(each) for each in value]
    return value
