"""Open sessions in which nothing happens tell that they are open still, so that nobody takes them for abandoned."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from typing import Final

from opentelemetry.context import Context

from otel_interactions import conventions as names
from otel_interactions.guard import guard
from otel_interactions.recorder import Recorder, installed
from otel_interactions.session import Session

NAME: Final = "session_heartbeat"


class Heartbeat:
    """A thread that beats for the sessions of this process that are open.

    A heartbeat is a span of the session's trace and no interaction: it has no number, and nobody counts it. Sessions
    the application has let go of without ending them have none. A forked child has no sessions of its parent's.

    Args:
        interval: seconds of silence after which a session beats.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._renew()
        _hearts.add(self)

    def _renew(self) -> None:
        self._lock = threading.RLock()  # a session may be collected, and a signal handler may record, while it is held
        self._open: weakref.WeakSet[Session] = weakref.WeakSet()
        self._thread: threading.Thread | None = None
        self._over = threading.Event()

    def watch(self, session: Session) -> None:
        """Begin with a session that has been started."""
        with self._lock:
            self._open.add(session)
            if self._thread is None and not self._over.is_set():
                thread = threading.Thread(target=self._run, name="otel_interactions_heartbeat", daemon=True)
                with contextlib.suppress(RuntimeError):  # the interpreter is exiting
                    thread.start()
                    self._thread = thread

    def forget(self, session: Session) -> None:
        """End with it."""
        with self._lock:
            self._open.discard(session)

    def inherit(self, other: Heartbeat) -> None:
        """Go on with the sessions another one watched."""
        with other._lock:
            sessions = list(other._open)
        for session in sessions:
            self.watch(session)

    def stop(self) -> None:
        """End with all, for good."""
        self._over.set()

    def _run(self) -> None:
        over = self._over
        while not over.wait(self._interval / 4):
            with guard:
                self._beat()

    def _beat(self) -> None:
        recorder = installed()
        if recorder is None or recorder.heart is not self:
            return
        now = recorder.clock()
        with self._lock:
            silent = [each for each in self._open if now - each.heard_ns >= self._interval * 1e9]
        for session in silent:
            session.heard_ns = now
            _beat_for(session, recorder, now)


def _beat_for(session: Session, recorder: Recorder, now: int) -> None:
    span = recorder.span(NAME, {names.SESSION_HEARTBEAT: True}, context=session.root_context(Context()), start_ns=now)
    span.end(now)


_hearts: weakref.WeakSet[Heartbeat] = weakref.WeakSet()


def _in_child() -> None:
    for heart in list(_hearts):
        heart._renew()  # noqa: SLF001


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
