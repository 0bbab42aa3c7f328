"""What the tests of the journal share: requests that can be told apart, their frames, full disks."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from collector.journal import frame
from collector.journal.segment import Segment
from collector.request import Request, Signal


def request(number: int, size: int = 20, *, items: int = 2, identity: bytes = b"", urgent: bool = False) -> Request:
    """Make a request that can be told from others."""
    body = b"%d " % number * size
    return Request(
        Signal.TRACES, body[:size], items, f"tenant {number}", number, "peer", urgent=urgent, identity=identity
    )


def encoded(name: str, *requests: Request) -> list[bytes]:
    """Return the frames of these requests in the segment of this name."""
    return [b"".join(frame.encode(each, frame.salt_of(name))) for each in requests]


def bodies(*frames: bytes | memoryview) -> list[bytes]:
    """Return what stands in frames whose bodies are short: the segment they are in makes no difference."""
    return [bytes(each).rpartition(b"\x22\x04peer")[2] for each in frames]


def left_open(folder: Path, *requests: Request) -> Path:
    """Write a segment as a process leaves it that is killed."""
    opened = Segment(folder, Signal.TRACES)
    if requests:
        opened.append(requests)
    os.close(opened._descriptor)
    return opened.path


def frozen(folder: Path, *requests: Request) -> Path:
    """Write a frozen segment."""
    opened = Segment(folder, Signal.TRACES)
    opened.append(requests)
    return opened.freeze()


def fill(disk: Path) -> None:
    """Leave no space on a disk."""
    with (disk / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(bytes(4096))


def descriptors() -> int:
    """Count the open files of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))
