"""Group commit: an append returns when its request is on disk, and many share one sync."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from collector.errors import Retryable
from collector.journal import frame, segment
from collector.journal.writer import Journal, Limits
from collector.request import Request, Signal

NEVER = Limits(items=10**9, size=10**12, seconds=3600)
SECONDS = 10  # nothing here takes that long unless it hangs


def request(number: int, items: int = 1) -> Request:
    """Make a request that can be told from others."""
    return Request(Signal.TRACES, b"%d" % number, items, "default", number, "")


class Frozen:
    """Collects what the journal hands over, in the loader's place."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.paths: list[Path] = []
        self.counts: list[int] = []
        self.busy = False

    def enqueue(self, path: Path, requests: int) -> None:
        """Take a frozen segment."""
        self.paths.append(path)
        self.counts.append(requests)

    def is_busy(self) -> bool:
        """Say what the test decided."""
        return self.busy

    def frames(self) -> list[bytes]:
        """Return every frame handed over, in order."""
        return [bytes(each) for path in self.paths for each in segment.read(path)[1]]

    async def wait(self, segments: int) -> None:
        """Wait until so many were handed over."""
        async with asyncio.timeout(SECONDS):
            while len(self.paths) < segments:  # noqa: ASYNC110 - handed over by a thread
                await asyncio.sleep(0.005)


def encoded(*requests: Request) -> list[bytes]:
    """Return the frames these requests must become."""
    return [b"".join(frame.encode(each)) for each in requests]


@contextlib.asynccontextmanager
async def journal(folder: Path, limits: Limits = NEVER) -> AsyncIterator[tuple[Journal, Frozen]]:
    """Run a journal for the length of a block; it is stopped, and must then have handed over everything."""
    frozen = Frozen()
    running = Journal(folder, limits, frozen)
    running.start()
    try:
        yield running, frozen
    finally:
        await asyncio.to_thread(running.stop)
    assert not running._thread.is_alive()


class Disk:
    """Counts and holds the system's syncs, so that a test decides when one is done."""

    def __init__(self, real: object) -> None:
        """Let every sync through."""
        self._real = real
        self.syncs = 0
        self.began, self.release = threading.Event(), threading.Event()
        self.release.set()

    def __call__(self, descriptor: int) -> None:
        """Sync, once released."""
        self.syncs += 1
        self.began.set()
        assert self.release.wait(SECONDS)
        self._real(descriptor)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Stand between the journal and the system's sync."""
    watched = Disk(os.fdatasync)
    monkeypatch.setattr(os, "fdatasync", watched)
    yield watched
    watched.release.set()


def fill(disk: Path) -> None:
    """Leave no space on a disk."""
    with (disk / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(bytes(4096))


def segment_files(folder: Path, ending: str = "") -> list[str]:
    """List what is in the journal."""
    return sorted(each.name for each in folder.iterdir() if each.name.endswith(ending))


def descriptors() -> int:
    """Count the open files of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_append_returns_after_the_sync(tmp_path: Path, disk: Disk) -> None:
    """As long as the disk has not confirmed, nobody is told yes."""
    async with journal(tmp_path) as (running, _):
        disk.release.clear()
        append = asyncio.create_task(running.append(request(1)))
        assert await asyncio.to_thread(disk.began.wait, SECONDS)
        await asyncio.sleep(0.05)
        assert not append.done()
        disk.release.set()
        await asyncio.wait_for(append, SECONDS)
        assert running.filling()[0] == 1


async def test_many_appends_share_a_sync(tmp_path: Path, disk: Disk) -> None:
    """What arrives while one sync runs is covered by the next one, however much it is."""
    async with journal(tmp_path) as (running, frozen):
        disk.release.clear()
        first = asyncio.create_task(running.append(request(0)))
        assert await asyncio.to_thread(disk.began.wait, SECONDS)
        rest = [asyncio.create_task(running.append(request(number))) for number in range(1, 500)]
        await asyncio.sleep(0.05)
        disk.release.set()
        await asyncio.wait_for(asyncio.gather(first, *rest), SECONDS)
        assert disk.syncs == 2
    assert frozen.frames() == encoded(*map(request, range(500)))
    assert frozen.counts == [500]


async def test_concurrent_appends_are_all_kept(tmp_path: Path, disk: Disk) -> None:
    """Under steady concurrent load there are far fewer syncs than requests, and each request is kept once."""
    async with journal(tmp_path, Limits(items=300, size=10**9, seconds=3600)) as (running, frozen):

        async def sender(start: int) -> None:
            for number in range(start, start + 50):
                await running.append(request(number))

        await asyncio.gather(*(sender(start) for start in range(0, 2000, 50)))
        assert disk.syncs < 2000 / 4
    assert sorted(frozen.frames()) == sorted(encoded(*map(request, range(2000))))
    assert sum(frozen.counts) == 2000
    assert not segment_files(tmp_path, segment.OPEN)


async def test_freezes_by_items(tmp_path: Path) -> None:
    """A segment is frozen once it has so many items; items are counted, not requests."""
    async with journal(tmp_path, Limits(items=10, size=10**9, seconds=3600)) as (running, frozen):
        await running.append(request(1, items=4))
        await running.append(request(2, items=5))
        assert frozen.paths == []
        await running.append(request(3, items=1))
        await frozen.wait(1)
        assert frozen.counts == [3]
        assert running.filling() == (0, 0.0)


async def test_a_busy_loader_makes_batches_larger(tmp_path: Path) -> None:
    """While segments wait to be loaded, the next one fills beyond the limit of items: larger batches catch up."""
    async with journal(tmp_path, Limits(items=2, size=200, seconds=3600)) as (running, frozen):
        frozen.busy = True
        for number in range(3):
            await running.append(request(number))
        assert frozen.paths == []
        frozen.busy = False
        await running.append(request(3))
        await frozen.wait(1)
        frozen.busy = True
        await running.append(Request(Signal.TRACES, bytes(300), 1, "t", 1, ""))
        await frozen.wait(2)  # the limit of bytes holds all the same
    assert frozen.counts == [4, 1]


async def test_signals_have_segments_of_their_own(tmp_path: Path) -> None:
    """Traces and logs go to different tables: each segment holds one signal only, however they arrive."""
    async with journal(tmp_path) as (running, frozen):
        both = [Request(signal, b"%d" % number, 1, "t", number, "") for number in range(20) for signal in Signal]
        await asyncio.gather(*map(running.append, both))
        assert running.filling()[0] == 60
    assert frozen.counts == [20, 20, 20]
    for path in frozen.paths:
        mine = [each for each in both if path.stem.endswith(each.signal.name.lower())]
        assert [bytes(each) for each in segment.read(path)[1]] == encoded(*mine)


async def test_freezes_by_size(tmp_path: Path) -> None:
    """A segment is frozen once it has so many bytes."""
    async with journal(tmp_path, Limits(items=10**9, size=1000, seconds=3600)) as (running, frozen):
        await running.append(Request(Signal.LOGS, bytes(400), 1, "t", 1, ""))
        assert frozen.paths == []
        await running.append(Request(Signal.LOGS, bytes(600), 1, "t", 2, ""))
        await frozen.wait(1)
        assert frozen.counts == [2]


async def test_freezes_by_age(tmp_path: Path) -> None:
    """A lone request does not wait for company longer than the limit says."""
    async with journal(tmp_path, Limits(items=10**9, size=10**9, seconds=0.2)) as (running, frozen):
        began = time.monotonic()
        await running.append(request(1))
        assert frozen.paths == []
        await frozen.wait(1)
        assert 0.15 < time.monotonic() - began < SECONDS
        await running.append(request(2))
        await frozen.wait(2)
    assert frozen.counts == [1, 1]


@pytest.mark.parametrize("seconds", [1e10, 1e300, float("inf")])
async def test_a_limit_of_ages_never_freezes(tmp_path: Path, seconds: float) -> None:
    """A longer time than the system can wait for is a long time, not the end of the journal."""
    async with journal(tmp_path, Limits(items=10**9, size=10**9, seconds=seconds)) as (running, frozen):
        for number in range(3):
            await asyncio.wait_for(running.append(request(number)), 2)
    assert frozen.counts == [3]


async def test_stop_writes_and_freezes(tmp_path: Path, disk: Disk) -> None:
    """Stopping writes what waits, freezes the segment, and refuses what comes later as retryable."""
    frozen = Frozen()
    running = Journal(tmp_path, NEVER, frozen)
    running.start()
    disk.release.clear()
    first = asyncio.create_task(running.append(request(1)))
    assert await asyncio.to_thread(disk.began.wait, SECONDS)
    second = asyncio.create_task(running.append(request(2)))
    await asyncio.sleep(0)
    stopping = asyncio.create_task(asyncio.to_thread(running.stop))
    await asyncio.sleep(0.05)
    with pytest.raises(Retryable, match="shutting down"):
        await running.append(request(3))
    disk.release.set()
    await asyncio.wait_for(asyncio.gather(first, second, stopping), SECONDS)
    assert frozen.frames() == encoded(request(1), request(2))
    assert segment_files(tmp_path) == [path.name for path in frozen.paths]


async def test_stop_without_requests_leaves_nothing(tmp_path: Path) -> None:
    """A journal nobody wrote to leaves an empty folder."""
    async with journal(tmp_path) as (_, frozen):
        pass
    assert frozen.paths == []
    assert segment_files(tmp_path) == []


async def test_a_disk_error_is_retryable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that refuses once costs the requests of that moment only; none of them is stored."""
    async with journal(tmp_path) as (running, frozen):
        await running.append(request(1))
        with monkeypatch.context() as broken:

            def fail(_descriptor: int) -> None:
                raise OSError(errno.ENOSPC, "No space left on device")

            broken.setattr(os, "fdatasync", fail)
            refused = await asyncio.gather(*(running.append(request(n)) for n in (2, 3)), return_exceptions=True)
        assert [type(each) for each in refused] == [Retryable, Retryable]
        assert "No space left on device" in str(refused[0])
        await running.append(request(4))
    assert frozen.frames() == encoded(request(1), request(4))


async def test_a_full_disk_is_retryable_until_there_is_space(small_disk: Path) -> None:
    """On a really full disk every append is refused as retryable, and taken again once there is space."""
    folder = small_disk / "journal"
    async with journal(folder, Limits(items=1, size=10**9, seconds=3600)) as (running, frozen):
        await running.append(request(1))
        await frozen.wait(1)
        fill(small_disk)
        before = descriptors()
        for _ in range(5):
            with pytest.raises(Retryable, match="No space left on device"):
                await asyncio.wait_for(running.append(request(2)), SECONDS)
        assert descriptors() <= before + 1
        (small_disk / "ballast").unlink()
        await asyncio.wait_for(running.append(request(3)), SECONDS)
        await frozen.wait(2)
        assert frozen.frames() == encoded(request(1), request(3))


async def test_a_segment_that_cannot_be_frozen_does_not_end_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk refuses the rename, later requests get an answer all the same, and none acknowledged is lost."""
    folder = tmp_path / "journal"
    async with journal(folder, Limits(items=1, size=10**9, seconds=3600)) as (running, frozen):
        real, failed = os.rename, threading.Event()

        def fail(*_: object, **__: object) -> None:
            failed.set()
            raise OSError(errno.EIO, "Input/output error")

        with monkeypatch.context() as broken:
            broken.setattr(os, "rename", fail)
            await asyncio.wait_for(running.append(request(1)), SECONDS)
            assert await asyncio.to_thread(failed.wait, SECONDS)
            await asyncio.sleep(0.05)
        assert os.rename is real
        with contextlib.suppress(Retryable):
            await asyncio.wait_for(running.append(request(2)), 2)
    kept = b"".join(each.read_bytes() for each in folder.iterdir())
    assert encoded(request(1))[0] in kept or encoded(request(1))[0] in frozen.frames()


async def test_a_cancelled_append_breaks_no_other(tmp_path: Path, disk: Disk) -> None:
    """A caller that goes away while its request waits takes nobody with it; what it sent is kept or not, whole."""
    async with journal(tmp_path) as (running, frozen):
        disk.release.clear()
        first = asyncio.create_task(running.append(request(1)))
        assert await asyncio.to_thread(disk.began.wait, SECONDS)
        gone, stays = (asyncio.create_task(running.append(request(number))) for number in (2, 3))
        await asyncio.sleep(0.01)
        gone.cancel()
        first.cancel()
        disk.release.set()
        await asyncio.wait_for(stays, SECONDS)
        await asyncio.wait_for(running.append(request(4)), SECONDS)
        assert first.cancelled()
        assert gone.cancelled()
    assert frozen.frames() == encoded(*map(request, (1, 2, 3, 4)))


async def test_start_hands_over_what_an_earlier_process_left(tmp_path: Path) -> None:
    """Frozen and open segments of an earlier process are handed over oldest first, the torn one without its tail."""
    left = [segment.Segment(tmp_path, Signal.TRACES) for _ in range(4)]
    for number, each in enumerate(left[:3]):
        each.append([request(number), request(number + 10)])
    left[0].freeze()
    left[2].freeze()
    for each in (left[1], left[3]):  # a kill leaves these two; the last one without a frame
        os.close(each._descriptor)
    with left[1].path.open("ab") as file:
        file.write(b"\x7a\x7ftorn")
    async with journal(tmp_path) as (running, frozen):
        assert [path.stem for path in frozen.paths] == [each.name for each in left[:3]]
        assert frozen.counts == [2, 2, 2]
        await running.append(request(99))
    assert frozen.frames() == encoded(*(request(n) for n in (0, 10, 1, 11, 2, 12, 99)))
    assert frozen.paths == segment.oldest_first(tmp_path)


async def test_recovering_on_a_full_disk(small_disk: Path) -> None:
    """A torn segment on a full disk: its good frames are handed over all the same, nothing stops the start."""
    folder = small_disk / "journal"
    folder.mkdir()
    left = segment.Segment(folder, Signal.TRACES)
    left.append([request(1)])
    os.close(left._descriptor)
    with left.path.open("ab") as file:
        file.write(b"\x7a\x7f" + bytes(4000))
    fill(small_disk)
    async with journal(folder) as (_, frozen):
        assert frozen.frames() == encoded(request(1))
