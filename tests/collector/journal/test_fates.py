"""The journal knows how much it holds, to the request and the item, at every moment and after a restart."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from collector.errors import Retryable
from collector.journal import frame, writer
from collector.journal.store import Keeping, Store
from collector.journal.writer import Journal, Limits
from collector.request import Content, Request, Signal, content

NEVER, AT_ONCE = Limits(10**9, 10**12, 3600), Limits(1, 10**12, 3600)
SECONDS = 10


def request(items: int, signal: Signal = Signal.TRACES) -> Request:
    """Make a request of so many items."""
    return Request(signal, b"body", items, "tenant", 7, "peer")


class Taken:
    """Takes frozen segments in the loader's place."""

    def __init__(self) -> None:
        self.contents: list[Content] = []

    def enqueue(self, _path: Path, held: Content) -> None:
        """Take one."""
        self.contents.append(held)

    def is_busy(self) -> bool:
        """Never."""
        return False


def start(folder: Path, limits: Limits = NEVER, syncs: list[float] | None = None) -> tuple[Journal, Taken]:
    """Start a journal in the running event loop; `syncs` takes what each sync took."""
    taken = Taken()
    running = Journal(Store(folder, Keeping()), limits, taken, [].append if syncs is None else syncs.append)
    running.start(lambda _age, _identity: None)
    return running, taken


@pytest.mark.parametrize("items", [0, 1, 127, 128, 300, 2**20, 2**31])
def test_a_frame_says_its_items(items: int) -> None:
    """How much a frame holds is read off its envelope, whatever stands before it."""
    for tenant, peer in (("", ""), ("default", "10.0.0.1"), ("t" * 300, "p" * 200)):
        made = Request(Signal.LOGS, b"x" * 500, items, tenant, 2**63, peer)
        whole = memoryview(b"".join(frame.encode(made, 1)))
        assert content([whole, whole]) == (2, 2 * items)


def test_a_frame_of_an_earlier_version() -> None:
    """A frame that does not say its items counts as a request of none; it reads on into nothing else."""
    envelope = b"\x0d....\x12\x01t\x19" + bytes(8) + b"\x22\x00"
    for body in (b"\x52\x03\x28\x05\x05", b"\x62\x00", b""):
        frame_of_old = b"\x7a" + bytes((len(envelope) + len(body),)) + envelope + body
        assert content([memoryview(frame_of_old)]) == (1, 0)


async def test_what_is_left_is_handed_over(tmp_path: Path) -> None:
    """What one process left the next one hands over, to the request and the item."""
    running, taken = start(tmp_path)
    await asyncio.gather(*(running.append(request(n)) for n in (5, 6)), running.append(request(7, Signal.LOGS)))
    assert running.filling()[:2] == (3, 18)
    await asyncio.to_thread(running.stop)
    assert sorted(taken.contents) == [(1, 7), (2, 11)]
    running, taken = start(tmp_path)
    assert sorted(taken.contents) == [(1, 7), (2, 11)]
    await asyncio.to_thread(running.stop)


async def test_syncs_are_measured(tmp_path: Path) -> None:
    """Who wants to know is told how long each sync took."""
    syncs: list[float] = []
    running, _ = start(tmp_path, syncs=syncs)
    for _ in range(3):
        await running.append(request(1))
    await asyncio.to_thread(running.stop)
    assert len(syncs) == 3
    assert all(0 < each < SECONDS for each in syncs)


def standing_in(real: Callable[..., None], began: threading.Event, release: threading.Event) -> Callable[..., None]:
    """Hold a system call until it is released."""

    def held(*args: object, **kwargs: object) -> None:
        began.set()
        assert release.wait(SECONDS)
        real(*args, **kwargs)

    return held


async def test_what_is_being_frozen_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk is busy freezing a segment, its requests are not yet the loader's and still the journal's."""
    running, taken = start(tmp_path, AT_ONCE)
    began, release = threading.Event(), threading.Event()
    monkeypatch.setattr(os, "rename", standing_in(os.rename, began, release))
    await running.append(request(5))
    assert await asyncio.to_thread(began.wait, SECONDS)
    assert (running.filling()[:2], taken.contents) == ((1, 5), [])
    release.set()
    await asyncio.to_thread(running.stop)
    assert (running.filling(), taken.contents) == ((0, 0, 0.0), [(1, 5)])


async def test_what_cannot_be_frozen_is_still_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A segment the disk does not let go waits for the next start, and is told as waiting until then."""
    running, taken = start(tmp_path, AT_ONCE)
    with monkeypatch.context() as broken:

        def fail(*_: object, **__: object) -> None:
            raise OSError(errno.EIO, "Input/output error")

        broken.setattr(os, "rename", fail)
        await running.append(request(5))
        await asyncio.to_thread(running.stop)
    assert (running.filling()[:2], taken.contents) == ((1, 5), [])
    assert len(list(tmp_path.glob("*.open"))) == 1  # noqa: ASYNC240 - nothing else runs


async def test_it_says_that_it_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk refuses, the reason is told; not when it takes again, nor when nobody has tried for a while."""
    running, _ = start(tmp_path)
    assert running.refusing() == ""
    with monkeypatch.context() as broken:

        def fail(_descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        broken.setattr(os, "fdatasync", fail)
        with pytest.raises(Retryable):
            await running.append(request(1))
        assert "No space left on device" in running.refusing()
        broken.setattr(writer, "_TOLD_SECONDS", -writer._PAUSE_SECONDS)
        assert running.refusing() == ""
    async with asyncio.timeout(SECONDS):
        while True:
            with contextlib.suppress(Retryable):
                await running.append(request(1))
                break
            await asyncio.sleep(0.05)
    assert running.refusing() == ""
    await asyncio.to_thread(running.stop)
