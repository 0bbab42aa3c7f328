"""The ids of a session, as the SDK derives them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collector.receive.json_api.session_ids import ids_from, session_ids
from otel_interactions import ids as sdk


@given(st.text(st.characters(exclude_categories=())))
def test_the_same_as_in_the_sdk(session_id: str) -> None:
    """Collector and SDK derive the same trace and root span from a session id, whatever characters it has."""
    trace_id, root = session_ids(session_id)
    assert (int.from_bytes(trace_id), int.from_bytes(root)) == sdk.session_ids(session_id)
    assert (len(trace_id), len(root)) == (sdk.TRACE_BYTES, sdk.SPAN_BYTES)


def test_known_ids() -> None:
    """The ids of one session, written down; tests/otel_interactions/test_ids.py has the same."""
    trace_id, root = session_ids("s-1")
    assert (trace_id.hex(), root.hex()) == ("6a840baf5d8c3ff241688aeb14546e65", "3774cd5387faf1cb")


def test_any_seed() -> None:
    """Other ids follow from whatever bytes: the same from the same, others from others."""
    assert ids_from(b"a") == ids_from(b"a") != ids_from(b"b")
