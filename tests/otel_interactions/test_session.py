"""Sessions: their life, their ids, and who is in which."""
# ruff: noqa: ANN202, ARG001  functions written as users write them

import asyncio
import contextvars
import hashlib
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import otel_interactions as oi
from otel_interactions.testing import captured


def digest(session_id):
    return hashlib.sha256(session_id.encode()).hexdigest()


def test_a_session_is_a_trace(seen):
    """The start of a session is the root of its trace, under ids that follow from the session id; the rest is below."""
    with oi.session(id="s-1", user_id="u-1") as s:
        oi.user_message("Hello")
    start, message, end = seen.interactions
    assert (start.type, message.type, end.type) == ("session_start", "user_message", "session_end")
    assert start.trace_id == s.trace_id == digest("s-1")[:32]
    assert start.span_id == s.root_span_id == digest("s-1")[32:48]
    assert start.parent_id is None
    assert message.trace_id == end.trace_id == s.trace_id
    assert message.parent_id == end.parent_id == s.root_span_id
    assert [i.session_id for i in seen.interactions] == ["s-1"] * 3
    assert [i.user_id for i in seen.interactions] == ["u-1"] * 3
    assert [i.attributes["interaction.sequence"] for i in seen.interactions] == [1, 2, 3]
    assert {i.attributes["service.instance.id"] for i in seen.interactions} == {"instance-1"}


def test_session_start_says_what_is_known(seen):
    """All that is given for a session is on its start."""
    client = {"browser": "Firefox", "version": 140}
    with oi.session(
        id="s", model="gpt-5", mode="voice", voice="alloy", client=client, previous_id="r", attributes={"plan": "pro"}
    ):
        pass
    attributes = seen.one("session_start").attributes
    assert attributes["gen_ai.request.model"] == "gpt-5"
    assert attributes["interaction.session.mode"] == "voice"
    assert attributes["interaction.session.voice"] == "alloy"
    assert attributes["interaction.session.client"] == '{"browser":"Firefox","version":140}'
    assert attributes["session.previous_id"] == "r"
    assert attributes["plan"] == "pro"


def test_session_end_says_how_long_and_why(seen):
    """The end of a session has the reason and the milliseconds since its start."""
    s = oi.session().start()
    s.end(reason="hung up")
    start, end = seen.interactions
    assert end.attributes["interaction.session.end_reason"] == "hung up"
    assert end.attributes["interaction.duration_ms"] == (end.start_ns - start.start_ns) / 1e6


def test_session_end_says_what_went_wrong(seen):
    """An end may carry what it failed with and attributes of the application's own; the reason stays the reason."""
    s = oi.session().start()
    s.end("network", error=ConnectionError("gone"), attributes={"code": 1006, "interaction.session.end_reason": "mine"})
    end = seen.one("session_end")
    assert end.failed
    assert end.attributes["exception.message"] == "gone"
    assert end.attributes["interaction.session.end_reason"] == "network"
    assert end.attributes["code"] == 1006


def test_without_an_id_one_is_made():
    """Sessions without an id get ids that differ, before configure() too."""
    assert len({oi.session().id for _ in range(100)}) == 100


@pytest.mark.parametrize("odd", ["", "  ", 17, "\ud800", "ж" * 300, b"x"])
def test_any_id_is_usable(seen, odd):
    """Whatever is given as id, the session works and its id is a text that can be sent."""
    with oi.session(id=odd) as s:
        pass
    assert s.id.strip()
    s.id.encode()
    assert seen.one("session_start").session_id == s.id


def test_an_exception_ends_the_session_and_is_the_same(seen):
    """An exception passes a session unchanged; the end says error and what it was."""
    problem = ValueError("no such city")
    with pytest.raises(ValueError, match="no such city") as caught, oi.session():
        raise problem
    assert caught.value is problem
    end = seen.one("session_end")
    assert end.failed
    assert end.attributes["interaction.session.end_reason"] == "error"
    assert end.attributes["exception.message"] == "no such city"


def test_end_false_leaves_it_open(seen):
    """A session that another process goes on with is not ended here."""
    with oi.session(end=False):
        pass
    assert seen.types() == ["session_start"]


def test_a_session_kept_across_requests(seen):
    """start(), active() and end() do in three places what `with` does in one; end() works once."""
    s = oi.session(id="kept").start()
    assert oi.current_session() is None
    with s.active():
        assert oi.current_session() is s
        oi.user_message("one")
    with s.active():
        oi.user_message("two")
    s.end()
    s.end()
    assert seen.types() == ["session_start", "user_message", "user_message", "session_end"]
    assert {i.session_id for i in seen.interactions} == {"kept"}


def test_a_session_started_again_is_resumed(seen):
    """A trace has one root: entering the same session again records a resumed start below it."""
    s = oi.session(id="again")
    with s:
        pass
    with s:
        pass
    first, second = seen.of_type("session_start")
    assert first.parent_id is None
    assert second.parent_id == first.span_id == s.root_span_id
    assert second.span_id != first.span_id
    assert second.attributes["interaction.session.resumed"] is True


def test_the_user_may_become_known_later(seen):
    """After a login `user_id` is on all that follows."""
    with oi.session() as s:
        oi.user_message("who am I")
        s.user_id = "u-9"
        oi.user_message("ah")
    assert [i.user_id for i in seen.of_type("user_message")] == [None, "u-9"]


RESUMING = """
import sys
import otel_interactions as oi
oi.configure(service_name="worker", endpoint=sys.argv[1])
with oi.resume("shared", user_id="u-1"):
    oi.event("calls", "worker was here")
oi.shutdown()
"""


def test_resume_in_another_process_stays_one_trace(grpc_receiver):
    """A session resumed by id in another process adds to the same trace, below the same root, by its own numbers."""
    oi.configure(service_name="web", endpoint=grpc_receiver.endpoint)
    with oi.session(id="shared", end=False) as s:
        oi.user_message("go on elsewhere")
    oi.flush()
    subprocess.run([sys.executable, "-c", RESUMING, grpc_receiver.endpoint], check=True, timeout=60)
    assert {span.trace_id for span in grpc_receiver.spans} == {s.trace_id}
    starts = [span for span in grpc_receiver.spans if span.name == "session_start"]
    root, resumed = sorted(starts, key=lambda span: span.parent_id)
    assert root.parent_id == ""
    assert resumed.parent_id == root.span_id == s.root_span_id
    assert resumed.attributes["interaction.session.resumed"] is True
    event = grpc_receiver.wait_for("event calls")
    assert event.parent_id == root.span_id
    assert event.attributes["service.instance.id"] != root.attributes["service.instance.id"]
    assert resumed.attributes["interaction.sequence"] == 1


async def test_concurrent_tasks_never_mix(seen):
    """Fifty sessions in fifty tasks that wait on each other: each interaction is in its own session."""

    async def talk(number):
        async with oi.session(id=f"s-{number}", user_id=f"u-{number}"):
            for turn in range(3):
                oi.user_message(f"{number}/{turn}")
                await asyncio.sleep(0)
                async with oi.assistant_response() as answer:
                    await asyncio.sleep(0)
                    answer.text(f"{number}/{turn}")

    await asyncio.gather(*(talk(number) for number in range(50)))
    spoken = seen.of_type("user_message") + seen.of_type("assistant_response")
    assert len(spoken) == 300
    for interaction in spoken:
        number = interaction.text.split("/")[0]
        assert interaction.session_id == f"s-{number}"
        assert interaction.user_id == f"u-{number}"
        assert interaction.trace_id == digest(f"s-{number}")[:32]
    assert oi.current_session() is None


def test_concurrent_threads_never_mix(seen):
    """Eight threads, many sessions: each interaction is in its own session, and no number is given twice."""
    barrier = threading.Barrier(8)

    def talk(number):
        barrier.wait()
        for turn in range(25):
            with oi.session(id=f"s-{number}-{turn}"):
                oi.user_message(f"{number}-{turn}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(talk, range(8)))
    assert len(seen.of_type("user_message")) == 200
    for interaction in seen.of_type("user_message"):
        assert interaction.session_id == f"s-{interaction.text}"
    numbers = [interaction.attributes["interaction.sequence"] for interaction in seen.interactions]
    assert sorted(numbers) == list(range(1, 601))


def test_a_new_thread_has_no_session_unless_it_is_given_the_context(seen):
    """The session follows contextvars: into a thread with a copied context, not into a bare one."""
    found = []
    with oi.session() as s:
        context = contextvars.copy_context()
        for target in (oi.current_session, lambda: context.run(oi.current_session)):
            thread = threading.Thread(target=lambda target=target: found.append(target()))
            thread.start()
            thread.join()
    assert found == [None, s]


def test_sessions_nest(seen):
    """Inside a second session things belong to it; after it to the first again."""
    with oi.session(id="outer"):
        with oi.session(id="inner"):
            oi.user_message("in")
        oi.user_message("out")
    assert [(i.text, i.session_id) for i in seen.of_type("user_message")] == [("in", "inner"), ("out", "outer")]


async def test_decorates_functions_of_every_kind(seen):
    """As a decorator it gives each call a session of its own, with the id made from the arguments."""
    by_room = oi.session(id=lambda room: f"room-{room}", user_id="u")

    @by_room
    def plain(room):
        oi.user_message("plain")
        return room

    @by_room
    async def coroutine(room):
        await asyncio.sleep(0)
        oi.user_message("coroutine")
        return room

    @by_room
    def generator(room):
        oi.user_message("generator")
        yield room

    @by_room
    async def async_generator(room):
        oi.user_message("async generator")
        yield room

    assert plain(1) == 1
    assert await coroutine(2) == 2
    assert list(generator(3)) == [3]
    assert [room async for room in async_generator(4)] == [4]
    assert [(i.session_id, i.text) for i in seen.of_type("user_message")] == [
        ("room-1", "plain"),
        ("room-2", "coroutine"),
        ("room-3", "generator"),
        ("room-4", "async generator"),
    ]
    ends = [i.attributes["interaction.session.end_reason"] for i in seen.of_type("session_end")]
    assert ends == ["completed"] * 4


def test_a_failing_id_function_does_not_stop_the_call(seen, lines):
    """Where the function for the id raises, the call runs in a session with a new id, and the log says so."""

    @oi.session(id=lambda request: request["missing"])
    def handle(request):
        return "done"

    assert handle({}) == "done"
    assert seen.one("session_start").session_id == "session-2"
    assert any("session(id=...) failed" in line for line in lines())


async def test_a_cancelled_task_ends_its_session(seen):
    """Cancellation passes, and the session's end says so without calling it an error."""

    async def wait():
        async with oi.session():
            await asyncio.sleep(60)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    end = seen.one("session_end")
    assert end.attributes["interaction.session.end_reason"] == "cancelled"
    assert not end.failed


def test_an_abandoned_generator_ends_its_session(seen):
    """A decorated generator that is closed half way ends its session as abandoned."""

    @oi.session()
    def numbers():
        yield 1
        yield 2

    stream = numbers()
    next(stream)
    stream.close()
    assert seen.one("session_end").attributes["interaction.session.end_reason"] == "abandoned"


def test_a_generator_does_not_leak_its_session(seen):
    """Between two values of a decorated generator the consumer is outside its session."""

    @oi.session(id="inside")
    def numbers():
        assert oi.current_session().id == "inside"
        yield 1
        assert oi.current_session().id == "inside"

    for _ in numbers():
        assert oi.current_session() is None


def test_without_configure_a_session_is_harmless():
    """Unconfigured, sessions nest, end and pass exceptions as always."""
    with oi.session(id="s") as s:
        assert oi.current_session() is s
        with pytest.raises(KeyError), oi.session():
            raise KeyError
    assert oi.current_session() is None


def test_captured_after_a_session_began(seen):
    """A session that began under another recorder goes on under the new one, in the same trace."""
    with oi.session(id="long") as s:
        with captured() as later:
            oi.user_message("now")
        assert later.one("user_message").trace_id == s.trace_id
    assert seen.types() == ["session_start", "session_end"]
