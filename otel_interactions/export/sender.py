"""Sends what waits in a queue, batch by batch, until the collector has it.

    wait for a batch to fill, or for its time --> plan --> send --> accepted, or its bytes refused --> settle
                                                           send --> later --> wait --> plan: the same batch

A batch whose answer was lost is sent again byte for byte, so a collector that remembers bodies stores it once. One that
is refused for its bytes is halved until the spans at fault are alone; they are given up and counted, the others sent.
"""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from otel_interactions.export.encoding import encode_request
from otel_interactions.export.frames import Batch
from otel_interactions.export.queues import Queue
from otel_interactions.export.tally import Tally
from otel_interactions.export.transport import Answer, Transport

_logger = logging.getLogger("otel_interactions")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 30.0  # seconds between two tries
REQUEST_BYTES: Final = 3 << 20  # other collectors take 4 MiB over gRPC
_LONGEST_ASKED: Final = 300.0  # seconds a collector may ask us to wait
_TEND: Final = 10.0  # seconds between two looks for what other processes left
_LAST: Final = 0.5  # seconds a thread has to end once its connection is closed
_NO_ERROR: Final = "the collector gave no reason"


@dataclass(frozen=True, slots=True)
class Pace:
    """When a batch is sent.

    Attributes:
        spans: the most in a request.
        size: the most bytes in a request, but for a single span.
        delay: seconds after which a batch that is not full is sent.
    """

    spans: int
    size: int
    delay: float


class Sender:
    """A thread that empties one queue.

    Args:
        queue: what waits.
        connect: makes the transport, on the sender's thread and again in a forked child.
        tally: where the fate of spans is counted.
        pace: when a batch is sent.
        adopts: whether it looks for what processes left that have ended.
    """

    def __init__(
        self, queue: Queue, connect: Callable[[], Transport], tally: Tally, pace: Pace, *, adopts: bool
    ) -> None:
        self.queue = queue
        self._connect, self._tally, self._pace, self._adopts = connect, tally, pace, adopts
        self.renew()

    def renew(self) -> None:
        """Begin anew, in a forked child too: no thread, no connection."""
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._transport: Transport | None = None
        self._deadline: float | None = None  # set when the sender is to end
        self._most = self._pace.spans
        self._pause = _FIRST_PAUSE
        self._tended = 0.0
        self._now = False  # whether somebody wants all sent, whatever the collector said
        self.given = 0  # spans that were put into the queue, by whoever holds the exporter's lock
        self.in_flight = 0
        self._counting = 0  # spans that have left the queue and are not counted yet

    def unsettled(self) -> int:
        """Return of how many spans the fate is not counted yet."""
        return sum(self.queue.waiting()) + self._counting  # in this order: what is in neither is counted

    def start(self) -> None:
        """Begin to send, unless it has begun."""
        if self._thread is not None or self._deadline is not None:
            return
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="otel_interactions", daemon=True)
                with contextlib.suppress(RuntimeError):  # the interpreter is exiting: `join` sends on its own thread
                    thread.start()
                    self._thread = thread

    def wake(self, *, now: bool = True) -> None:
        """Send what waits: now, or as soon as the collector may be asked again."""
        self._now = now or self._now
        self._wake.set()

    def end(self, deadline: float) -> None:
        """Have the thread send what waits and end; it gives up at the deadline, or when what waits is safe on disk."""
        self._deadline = deadline
        self.wake()

    def join(self) -> None:
        """Wait for the thread until the deadline; a request that takes longer is cut off."""
        thread = self._thread
        if thread is None:
            self._run()  # none could be started, or nothing was ever put
        else:
            thread.join(max(0.0, (self._deadline or 0.0) - time.monotonic()))
        transport = self._transport
        if transport is not None:
            transport.close()
        if thread is not None:
            thread.join(_LAST)

    def _run(self) -> None:
        over = False
        while not over:
            try:
                over = self._tend_and_send()
            except Exception as error:
                _logger.exception("sending spans to the collector failed; it is tried again")
                self._tally.trouble(repr(error))
                self._rest(_LONGEST_PAUSE)
                over = self._is_over()

    def _tend_and_send(self) -> bool:
        """Do one round; return whether that was the last."""
        if self._deadline is None:
            self._wake.wait(self._pace.delay)
        self._wake.clear()
        self._now = False
        if self._adopts and self._deadline is None and time.monotonic() - self._tended >= _TEND:
            self._tend()
        while batch := self.queue.plan(self._most, self._pace.size):
            if not self._deliver(batch) and self._is_over():
                return True
        if self._adopts and self._deadline is not None and not self._tended and self._thread is not None:
            self._tend()  # a process that lives for a moment: there may be no other kind
            return False
        return self._deadline is not None

    def _tend(self) -> None:
        """Take over what other processes left; where there was some, look again in the next round."""
        found = self.queue.adopt()
        self._tended = time.monotonic() - (_TEND if found else 0)
        self._tally.find(found)

    def _is_over(self) -> bool:
        """Tell whether to end with spans waiting: the time is over, or they are safe and the collector is away."""
        if self._deadline is None:
            return False
        in_memory, _ = self.queue.waiting()
        return time.monotonic() >= self._deadline or not in_memory

    def _deliver(self, batch: Batch) -> bool:
        """Send a batch; return whether it is settled."""
        self.in_flight = len(batch.spans)
        try:
            answer = self._ask(encode_request(batch.spans))
        finally:
            self.in_flight = 0
        if answer.fate == "later":
            self._later(answer)
            return False
        self._pause = _FIRST_PAUSE
        if answer.fate == "refused" and len(batch.spans) > 1:
            self._most = max(1, len(batch.spans) // 2)
            self.queue.split(batch)
            return False
        self._counting = len(batch.spans)
        try:
            return self._settle(batch, answer)
        finally:
            self._counting = 0
            self._tally.change()

    def _settle(self, batch: Batch, answer: Answer) -> bool:
        """Forget a batch that has its answer, and count it; return False if it is counted already."""
        if not self.queue.settle(batch):
            return False
        self._most = min(self._most * 2, self._pace.spans)
        rejected = len(batch.spans) if answer.fate == "refused" else min(answer.rejected, len(batch.spans))
        if rejected or answer.error:
            self._tally.refuse(rejected, answer.error or _NO_ERROR)
        self._tally.deliver(len(batch.spans) - rejected)
        return True

    def _ask(self, body: bytes) -> Answer:
        if self._transport is None:
            self._transport = self._connect()
        return self._transport.send(body)

    def _later(self, answer: Answer) -> None:
        """Wait for the next try: as long as the collector asks, else longer each time."""
        self._tally.trouble(answer.error)
        pause = self._pause * random.uniform(0.5, 1.0)  # noqa: S311  jitter, not a secret
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        if answer.after is not None:
            pause = min(max(answer.after, _FIRST_PAUSE), _LONGEST_ASKED)
        self._rest(pause)

    def _rest(self, seconds: float) -> None:
        """Wait so long; less where somebody wants all sent now, or the end."""
        if self._deadline is not None:
            seconds = min(seconds, max(0.0, self._deadline - time.monotonic()))
        until = time.monotonic() + seconds
        while not (self._now or self._is_over()) and (left := until - time.monotonic()) > 0:
            self._wake.wait(left)
            self._wake.clear()
        self._now = False
