"""Waiting for counts to change."""

from __future__ import annotations

import threading
import time

from otel_interactions.export.tally import Tally


def test_a_queue_counts_while_somebody_waits() -> None:
    """Who counts holds the queue's lock, who waits asks the queue: neither waits for the other."""
    tally, queue = Tally("http://c"), threading.Lock()
    asked, done = threading.Event(), threading.Event()

    def is_done() -> bool:
        asked.set()
        time.sleep(0.1)
        with queue:
            return done.is_set()

    def wait() -> None:
        tally.wait_for(is_done, time.monotonic() + 20)

    def drop() -> None:
        with queue:
            assert asked.wait(5)
            tally.lose(1, "spool_full", "it is full")
            done.set()
        tally.deliver(1)

    threads = [threading.Thread(target=work, daemon=True) for work in (wait, drop)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert not any(thread.is_alive() for thread in threads)


def test_a_change_while_asking_is_not_missed() -> None:
    """What changes after the question was answered, and before the wait begins, ends the wait at once."""
    tally, answers = Tally("http://c"), [False, True]

    def is_done() -> bool:
        tally.deliver(1)
        return answers.pop(0)

    started = time.monotonic()
    tally.wait_for(is_done, started + 20)
    assert time.monotonic() - started < 5


def test_the_deadline() -> None:
    """Where nothing changes it ends at the deadline; after one that is over, at once."""
    tally = Tally("http://c")
    for timeout in 0.2, -1.0:
        started = time.monotonic()
        tally.wait_for(lambda: False, started + timeout)
        assert max(timeout, 0.0) <= time.monotonic() - started < 5
