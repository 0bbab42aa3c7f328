"""Sends what processes left in the spool that have ended, where none runs that would."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from otel_interactions.export.queues import Limits, Memory, Spool
from otel_interactions.export.sender import Pace, Sender
from otel_interactions.export.spool import Folder
from otel_interactions.export.tally import Counts, Tally
from otel_interactions.export.transport import Transport

_NO_LIMITS = Limits(size=1 << 62, age=float("inf"), drop_oldest=False)


def send_left(
    folder: Folder, connect: Callable[[], Transport], tally: Tally, pace: Pace, deadline: float
) -> Iterator[tuple[Counts, int]]:
    """Send what is left, some files at a time, until the collector does not take it or all is sent.

    Args:
        folder: the spool's, for one collector.
        connect: makes the transport.
        tally: where the fate of spans is counted.
        pace: the size of batches.
        deadline: when to give up, by the monotonic clock.

    Yields:
        After each round what became of all so far, and how many spans of the files that were found are left.
    """
    queue = Spool(folder, str, _NO_LIMITS, Memory(0, 0), tally.lose)
    found = -1
    while found:
        found = queue.adopt()
        tally.find(found)
        sender = Sender(queue, connect, tally, pace, adopts=False)
        sender.end(deadline)
        sender.join()
        _, left = queue.waiting()
        if found or left:
            yield tally.counts(), left
        if left:
            break
    queue.close()
