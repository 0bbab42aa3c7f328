"""An interaction as `POST /api/interactions/log` takes it, out of a row of `otel.interactions`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import orjson

Row = Mapping[str, Any]
Found = dict[str, Any]

_EPOCH: Final = "1970-01-01 00:00:00.000000000"


def item(row: Row) -> Found:
    """Return an interaction in the shape in which clients send it, with its id and its times (ISO 8601, UTC)."""
    return {
        "id": f"{row['trace_id']}-{row['span_id']}",
        "session_id": row["session_id"],
        "user_id": row["user_id"] or None,
        "interaction_type": row["type"],
        "content": _present(_CONTENT.get(row["type"], _other)(row)),
        "metadata": _metadata(row),
        "timestamp": moment(row["ts"]),
        "created_at": moment(row["received_at"]) if row["received_at"] > _EPOCH else None,
        "tenant": row["tenant"],
        "trace_id": row["trace_id"],
        "span_id": row["span_id"],
    }


def moment(text: str) -> str:
    """Return ClickHouse's time in UTC as ISO 8601, in microseconds."""
    return datetime.fromisoformat(text[:26]).isoformat(timespec="microseconds") + "Z"


def as_json(text: str) -> Any:
    """Return what a text says in JSON, else the text."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _present(fields: Found) -> Found:
    return {name: value for name, value in fields.items() if value is not None and value != ""}


def _number(value: float | None) -> float | None:
    """Return a number, None where 0 means absent."""
    return value or None


def _length(row: Row, text: str) -> int | None:
    said = row["attributes"].get("interaction.text.length", "")
    return int(said) if said.isdecimal() else (len(text) or None)


def _user_message(row: Row) -> Found:
    return {"text": row["input_text"], "length": _length(row, row["input_text"])}


def _assistant_response(row: Row) -> Found:
    return {"text": row["output_text"], "length": _length(row, row["output_text"])}


def _generation(row: Row) -> Found:
    return {"input": row["input_text"], "text": row["output_text"]}


def _audio(row: Row) -> Found:
    return {
        "audio_duration_ms": _number(row["audio_duration_ms"]),
        "audio_size_bytes": _number(row["audio_bytes"]),
        "audio_url": row["audio_url"],
        "transcript": row["input_text"] or row["output_text"],
    }


def _tool_call(row: Row) -> Found:
    return {
        "function_name": row["tool_name"],
        "arguments": as_json(row["tool_arguments"]),
        "call_id": row["tool_call_id"],
        "result": as_json(row["tool_result"]),
        "error": row["error_message"],
    }


def _tool_response(row: Row) -> Found:
    return {
        "function_name": row["tool_name"],
        "call_id": row["tool_call_id"],
        "result": as_json(row["tool_result"]),
        "error": row["error_message"],
    }


def _session_start(row: Row) -> Found:
    told = row["attributes"]
    return {
        "model": row["model"],
        "mode": told.get("interaction.session.mode"),
        "voice": told.get("interaction.session.voice"),
    }


def _session_end(row: Row) -> Found:
    return {"reason": row["attributes"].get("interaction.session.end_reason"), "duration": _number(row["duration_ms"])}


def _error(row: Row) -> Found:
    return {
        "error": row["error_message"],
        "code": row["error_type"],
        "stack": row["stack"],
        "component": row["component"],
    }


def _ui_event(row: Row) -> Found:
    return {"action": row["action"], "component": row["component"]}


def _state_transition(row: Row) -> Found:
    told = row["attributes"]
    return {
        "from_state": row["from_state"],
        "to_state": row["to_state"],
        "event": told.get("interaction.state.event"),
        "context": as_json(told.get("interaction.state.context", "")),
        "duration": _number(row["duration_ms"]),
    }


def _performance_metric(row: Row) -> Found:
    return {
        "metric": row["metric_name"],
        "value": row["metric_value"],
        "unit": row["attributes"].get("interaction.metric.unit"),
    }


def _event(row: Row) -> Found:
    return {
        "category": row["category"],
        "type": row["severity"],
        "message": row["attributes"].get("interaction.message") or row["input_text"] or row["error_message"],
        "url": row["url"],
        "source": row["source"],
        "show_to_user": row["show_to_user"] or None,
        "user_message": row["user_message"],
    }


def _other(row: Row) -> Found:
    return {"name": row["name"], "input": row["input_text"], "text": row["output_text"]}


_CONTENT: Final[Mapping[str, Callable[[Row], Found]]] = {
    "user_message": _user_message,
    "assistant_response": _assistant_response,
    "generation": _generation,
    "audio_input": _audio,
    "audio_output": _audio,
    "tool_call": _tool_call,
    "tool_response": _tool_response,
    "session_start": _session_start,
    "session_end": _session_end,
    "error": _error,
    "ui_event": _ui_event,
    "state_transition": _state_transition,
    "performance_metric": _performance_metric,
    "event": _event,
}


def _metadata(row: Row) -> Found:
    """Return what is known beside the content; numbers of 0 and empty texts are absent."""
    told = row["attributes"]
    tokens = row["output_tokens"]
    answers = row["type"] in {"assistant_response", "generation"}
    found = {
        "tokens": tokens or None,
        "input_tokens": row["input_tokens"] or None,
        "output_tokens": tokens or None,
        "cost_usd": row["cost_usd"],
        "model": row["model"],
        "provider": row["provider"],
        "finish_reason": row["finish_reason"],
        "response_time_ms": _number(row["duration_ms"]) if answers else None,
        "duration_ms": None if answers else _number(row["duration_ms"]),
        "ttft_ms": _number(row["ttft_ms"]),
        "mood": told.get("interaction.mood"),
        "mime_type": row["audio_mime_type"],
        "status": row["status"] if row["status"] == "error" else None,
        "critical": row["critical"] or None,
        "user_agent": row["user_agent"],
        "client_ip": row["client_ip"],
        "conversation_id": row["conversation_id"],
        "service": row["service"],
        "environment": row["environment"],
    }
    return _given(told) | _present(found)


def _given(told: Mapping[str, str]) -> Found:
    """Return what a client put into an item's metadata and no shape names."""
    kept = as_json(told.get("interaction.metadata", ""))
    details = as_json(told.get("interaction.details", ""))
    return (kept if isinstance(kept, dict) else {}) | _present({"details": details})
