"""A session is a trace: its trace id and its root span id follow from the session id alone.

    SHA-256(session id, UTF-8)  =  | trace id, 16 bytes | root span id, 8 bytes | not used, 8 bytes |

The SDK derives them the same way (`otel_interactions/ids.py`), so a browser that sends JSON and a server that sends
OTLP meet in one trace; tests/collector/receive/json_api/test_session_ids.py compares the two.
"""

from __future__ import annotations

import hashlib

TRACE_BYTES = 16
SPAN_BYTES = 8


def session_ids(session_id: str) -> tuple[bytes, bytes]:
    """Return (trace id, root span id) of a session."""
    return ids_from(session_id.encode("utf-8", "replace"))


def ids_from(seed: bytes) -> tuple[bytes, bytes]:
    """Return (trace id, span id) that follow from `seed`; neither is ever all zero, which is invalid."""
    digest = hashlib.sha256(seed).digest()
    trace_id = int.from_bytes(digest[:TRACE_BYTES]) or 1
    span_id = int.from_bytes(digest[TRACE_BYTES : TRACE_BYTES + SPAN_BYTES]) or 1
    return trace_id.to_bytes(TRACE_BYTES), span_id.to_bytes(SPAN_BYTES)
