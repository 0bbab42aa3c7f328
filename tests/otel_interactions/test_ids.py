"""Ids of sessions."""
# ruff: noqa: ANN202  functions written as users write them

import hashlib
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from otel_interactions.ids import SessionIdGenerator, root_ids, session_ids


@given(st.text(st.characters(exclude_categories=())))
def test_ids_follow_from_the_session_id(session_id):
    """Trace and root are the first 16 and the next 8 bytes of SHA-256 of the id, in any process and language."""
    digest = hashlib.sha256(session_id.encode("utf-8", "replace")).digest()
    assert session_ids(session_id) == (int.from_bytes(digest[:16]), int.from_bytes(digest[16:24]))


def test_known_ids():
    """The ids of one session, written down: other languages test against the same."""
    assert session_ids("s-1") == (0x6A840BAF5D8C3FF241688AEB14546E65, 0x3774CD5387FAF1CB)


def test_only_the_block_and_only_its_thread():
    """The override holds inside the block, for its own thread or task."""
    ids = SessionIdGenerator()
    with root_ids(1, 2), ThreadPoolExecutor(1) as pool:
        assert (ids.generate_trace_id(), ids.generate_span_id()) == (1, 2)
        assert pool.submit(ids.generate_trace_id).result() != 1
    assert ids.generate_trace_id() != 1


def test_other_ids_come_from_the_generator_wrapped():
    """All other ids, and whether they are random, are the wrapped generator's."""

    class Fixed(RandomIdGenerator):
        def generate_span_id(self):
            return 7

        def is_trace_id_random(self):
            return False

    ids = SessionIdGenerator(Fixed())
    assert ids.generate_span_id() == 7
    assert ids.is_trace_id_random() is False
    assert SessionIdGenerator().is_trace_id_random() is True
