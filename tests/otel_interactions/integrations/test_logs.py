"""Log records become interactions."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Iterator

import pytest

import otel_interactions as oi
from otel_interactions.integrations.logs import LogHandler
from otel_interactions.testing import Captured


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """A logger of the application, with our handler at its root."""
    handler = LogHandler(logging.INFO)
    root = logging.getLogger()
    root.addHandler(handler)
    found = logging.getLogger("shop.cart")
    found.setLevel(logging.DEBUG)
    yield found
    root.removeHandler(handler)


def test_levels(seen: Captured, logger: logging.Logger) -> None:
    """Up to WARNING they are events, from ERROR on errors, CRITICAL ones are critical; below the level is nothing."""
    with oi.session("s"):
        logger.debug("nothing")
        logger.info("%d things", 3)
        logger.warning("careful", extra={"cart": "c-1"})
        logger.error("it broke")
        logger.critical("on fire")
    first, second, third, fourth = seen.interactions[1:-1]
    assert [first.type, second.type, third.type, fourth.type] == ["event", "event", "error", "error"]
    assert (first.attributes["interaction.message"], first.attributes["interaction.severity"]) == ("3 things", "info")
    assert (second.attributes["interaction.severity"], second.attributes["cart"]) == ("warn", "c-1")
    assert second.attributes["interaction.component"] == "shop.cart"
    assert second.attributes["code.function.name"] == "test_levels"
    assert (third.attributes["exception.message"], third.attributes["interaction.critical"]) == ("it broke", False)
    assert fourth.attributes["interaction.critical"] is True
    assert {each.session_id for each in seen.interactions} == {"s"}


def test_an_exception(seen: Captured, logger: logging.Logger) -> None:
    """With an exception it is an error with its type, message and stack, and what was said about it."""
    with oi.session():
        try:
            {}["no such thing"]
        except LookupError:
            logger.exception("while looking")
    (found,) = seen.of_type("error")
    assert found.attributes["error.type"] == "KeyError"
    assert found.attributes["exception.message"] == "'no such thing'"
    assert "test_logs.py" in found.attributes["exception.stacktrace"]
    assert found.attributes["interaction.message"] == "while looking"


def test_outside_any_session(seen: Captured, logger: logging.Logger) -> None:
    """Outside a session nothing is taken, unless that is asked for."""
    logger.error("nobody's")
    assert seen.interactions == []
    everywhere = LogHandler(everywhere=True)
    logger.addHandler(everywhere)
    logger.error("somebody's")
    logger.removeHandler(everywhere)
    assert seen.types() == ["error"]


def test_our_own_lines_are_left_alone(seen: Captured, logger: logging.Logger) -> None:
    """What we or OpenTelemetry say of sending is not sent; a handler that logs while it records ends at once."""

    class Chatty:
        def __str__(self) -> str:
            logger.error("from inside")
            return "chatty"

    with oi.session():
        logging.getLogger("otel_interactions").error("no success yet")
        logging.getLogger("opentelemetry.exporter").error("failed")
        logger.error("%s", Chatty())
    said = [each.attributes["exception.message"] for each in seen.of_type("error")]
    assert said.count("chatty") == 1
    assert set(said) == {"chatty", "from inside"}  # the latter from pytest's own handlers, which format it, too


def test_arguments_that_do_not_fit(seen: Captured, logger: logging.Logger) -> None:
    """A wrong call of the application's is recorded as well as possible; logging goes on."""
    with oi.session():
        logging.Handler.handle(LogHandler(), logging.LogRecord("x", 40, "f", 1, "%d %d", (1,), None))
        logger.error("next")
    first, second = seen.of_type("error")
    assert "'%d %d'" in first.attributes["exception.message"]
    assert second.attributes["exception.message"] == "next"


def test_two_threads(seen: Captured, logger: logging.Logger) -> None:
    """One thread records a log record, another one logs while it records: neither waits for the other."""
    root = logging.getLogger()
    (handler,) = [each for each in root.handlers if isinstance(each, LogHandler)]
    recording, lock = threading.Event(), threading.Lock()

    def record_slowly(_record: logging.LogRecord) -> None:
        recording.set()
        assert other_holds.wait(5)
        assert lock.acquire(timeout=5)  # as the exporter's is taken for each span
        lock.release()

    def log_while_recording() -> None:
        with lock:
            other_holds.set()
            logging.getLogger("otel_interactions").warning("the disk is full")

    other_holds = threading.Event()
    handler._record = record_slowly  # type: ignore[method-assign]
    with oi.session():
        other = threading.Thread(target=log_while_recording, daemon=True)
        first = threading.Thread(target=contextvars.copy_context().run, args=(logger.error, "it broke"), daemon=True)
        first.start()
        assert recording.wait(5)
        other.start()
        for each in (other, first):
            each.join(5)
            assert not each.is_alive()
    assert seen.types() == ["session_start", "session_end"]
