"""The kit for users' tests."""

import subprocess
import sys

import pytest

import otel_interactions as oi
from otel_interactions.testing import START_NS, TICK_NS, captured


def record():
    """Record a small session."""
    with captured() as seen:
        with oi.session():
            with oi.tool_call("t"):
                pass
            oi.user_message("Hello")
        return [(i.type, i.trace_id, i.span_id, i.start_ns, i.end_ns, dict(i.attributes)) for i in seen.interactions]


def test_the_same_test_sees_the_same_ids_and_times():
    """Two runs of the same code are equal to the last id and nanosecond."""
    first, second = record(), record()
    assert first == second
    assert first[0][3] == START_NS
    assert first[1][2] == f"{1:016x}"
    assert first[1][5]["gen_ai.tool.call.id"] == "call-1"
    assert first[1][4] - first[1][3] == TICK_NS


def test_what_was_configured_is_back_afterwards(grpc_receiver):
    """After the block, interactions go to the collector again; those of the block never do."""
    oi.configure(endpoint=grpc_receiver.endpoint, set_global=False)
    with captured() as seen:
        oi.user_message("inside")
    oi.event("outside")
    assert oi.flush()
    assert seen.types() == ["user_message"]
    assert grpc_receiver.names() == ["event outside"]


def test_one_says_what_there_is(seen):
    """one() fails with the types recorded, and clear() forgets them."""
    oi.user_message("a")
    oi.user_message("b")
    with pytest.raises(AssertionError, match=r"expected one user_message, found 2 among \['user_message'"):
        seen.one("user_message")
    seen.clear()
    assert seen.interactions == []


FORKS = """
import os
from otel_interactions.testing import captured

with captured():
    from concurrent.futures import ThreadPoolExecutor
    ThreadPoolExecutor
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
"""


def test_a_fork_inside():
    """A child forked while interactions are captured runs, though its parent got a pool of threads meanwhile."""
    subprocess.run([sys.executable, "-c", FORKS], check=True, timeout=20)
