"""The identity of a recording process."""

import subprocess
import sys

from otel_interactions.process import Process

FORKING = """
import os, sys
import otel_interactions as oi
oi.configure(service_name="forking", endpoint=sys.argv[1])
with oi.session(id="parent"):
    oi.user_message("before the fork")
    assert oi.flush()
    child = os.fork()
    if child == 0:
        oi.event("child")
        oi.event("child")
        ok = oi.flush()
        status = oi.status()
        os._exit(0 if ok and status.recorded == {"event": 2} and status.delivered == 2 else 3)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    oi.event("parent")
oi.shutdown()
sys.exit(code)
"""


def test_a_forked_child_is_a_process_of_its_own(grpc_receiver):
    """After a fork the child records under a new id, numbers from 1 and delivers by itself; the session goes on."""
    subprocess.run([sys.executable, "-c", FORKING, grpc_receiver.endpoint], check=True, timeout=60)
    parent = [span for span in grpc_receiver.spans if span.name != "event child"]
    child = [span for span in grpc_receiver.spans if span.name == "event child"]
    assert [span.attributes["interaction.sequence"] for span in child] == [1, 2]
    assert sorted(span.attributes["interaction.sequence"] for span in parent) == [1, 2, 3, 4]
    (parent_id,) = {span.attributes["service.instance.id"] for span in parent}
    (child_id,) = {span.attributes["service.instance.id"] for span in child}
    assert parent_id != child_id
    assert {span.resource["service.instance.id"] for span in parent} == {parent_id}
    assert {span.resource["service.instance.id"] for span in child} == {child_id}
    assert {span.trace_id for span in grpc_receiver.spans} == {parent[0].trace_id}


def test_renewed_means_from_the_start():
    """A renewed process has another id and counts from nothing."""
    process = Process()
    first = process.instance_id
    assert [process.number("event"), process.number("event")] == [1, 2]
    process.drop("disabled")
    process.miss_session()
    assert process.counts() == ({"event": 2}, {"disabled": 1}, 1, 0)
    process.renew()
    assert process.instance_id != first
    assert process.counts() == ({}, {}, 0, 0)
    assert process.number("event") == 1
