"""Group commit: an append returns when its request is on disk, and many share one sync."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from segments import descriptors, encoded, fill, left_open
from segments import frozen as left_frozen

from collector.errors import Retryable
from collector.journal import frame, segment
from collector.journal.names import OPEN
from collector.journal.store import Keeping, Store
from collector.journal.writer import Journal, Limits
from collector.request import Content, Request, Signal

NEVER = Limits(items=10**9, size=10**12, seconds=3600)
SECONDS = 10  # nothing here takes that long unless it hangs


def request(number: int, items: int = 1, *, urgent: bool = False) -> Request:
    """Make a request that can be told from others."""
    return Request(Signal.TRACES, b"%d" % number, items, "default", number, "", urgent=urgent)


class Frozen:
    """Collects what the journal hands over, in the loader's place."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.paths: list[Path] = []
        self.counts: list[int] = []
        self.busy = False

    def enqueue(self, path: Path, content: Content) -> None:
        """Take a frozen segment."""
        self.paths.append(path)
        self.counts.append(content.requests)

    def is_busy(self) -> bool:
        """Say what the test decided."""
        return self.busy

    def holds(self, *requests: Request, paths: list[Path] | None = None) -> bool:
        """Tell whether exactly these requests were handed over, in this order."""
        taken = self.paths if paths is None else paths
        found = [(path.stem, bytes(each)) for path in taken for each in segment.read(path)[1]]
        assert len(found) == len(requests)
        return all(encoded(name, each) == [kept] for (name, kept), each in zip(found, requests, strict=True))

    async def wait(self, segments: int) -> None:
        """Wait until so many were handed over."""
        async with asyncio.timeout(SECONDS):
            while len(self.paths) < segments:  # noqa: ASYNC110 - handed over by a thread
                await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def journal(
    folder: Path, limits: Limits = NEVER, keeping: Keeping | None = None
) -> AsyncIterator[tuple[Journal, Frozen]]:
    """Run a journal for the length of a block; it is stopped, and must then have handed over everything."""
    frozen = Frozen()
    running = Journal(Store(folder, keeping or Keeping()), limits, frozen)
    running.start(lambda *_: None)
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


def segment_files(folder: Path, ending: str = "") -> list[str]:
    """List what is in the journal."""
    return sorted(each.name for each in folder.iterdir() if each.name.endswith(ending))


async def test_append_returns_after_the_sync(tmp_path: Path, disk: Disk) -> None:
    """As long as the disk has not confirmed, nobody is told yes."""
    async with journal(tmp_path) as (running, _):
        disk.release.clear()
        append = asyncio.ensure_future(running.append(request(1)))
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
        first = asyncio.ensure_future(running.append(request(0)))
        assert await asyncio.to_thread(disk.began.wait, SECONDS)
        rest = [asyncio.ensure_future(running.append(request(number))) for number in range(1, 500)]
        await asyncio.sleep(0.05)
        disk.release.set()
        await asyncio.wait_for(asyncio.gather(first, *rest), SECONDS)
        assert disk.syncs == 2
    assert frozen.holds(*map(request, range(500)))
    assert frozen.counts == [500]


async def test_concurrent_appends_are_all_kept(tmp_path: Path, disk: Disk) -> None:
    """Under steady concurrent load there are far fewer syncs than requests, and each request is kept once."""
    async with journal(tmp_path, Limits(items=300, size=10**9, seconds=3600)) as (running, frozen):

        async def sender(start: int) -> None:
            for number in range(start, start + 50):
                await running.append(request(number))

        await asyncio.gather(*(sender(start) for start in range(0, 2000, 50)))
        assert disk.syncs < 2000 / 4
    kept = [frame.read_envelope(each).received_unix_nano for path in frozen.paths for each in segment.read(path)[1]]
    assert sorted(kept) == list(range(2000))
    assert sum(frozen.counts) == 2000
    assert not segment_files(tmp_path, OPEN)


async def test_freezes_by_items(tmp_path: Path) -> None:
    """A segment is frozen once it has so many items; items are counted, not requests."""
    async with journal(tmp_path, Limits(items=10, size=10**9, seconds=3600)) as (running, frozen):
        await running.append(request(1, items=4))
        await running.append(request(2, items=5))
        assert frozen.paths == []
        await running.append(request(3, items=1))
        await frozen.wait(1)
        assert frozen.counts == [3]
        assert running.filling() == (0, 0, 0.0)


async def test_a_busy_loader_makes_batches_larger(tmp_path: Path) -> None:
    """While segments wait to be loaded, the next one fills beyond the limit of items: larger batches catch up."""
    async with journal(tmp_path, Limits(items=2, size=200, seconds=3600)) as (running, frozen):
        frozen.busy = True
        for number in range(3):
            await running.append(request(number))
        await asyncio.sleep(0.05)  # the writer looks after it has acknowledged
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
        assert frozen.holds(*mine, paths=[path])


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
    running = Journal(Store(tmp_path, Keeping()), NEVER, frozen)
    running.start(lambda *_: None)
    disk.release.clear()
    first = asyncio.ensure_future(running.append(request(1)))
    assert await asyncio.to_thread(disk.began.wait, SECONDS)
    second = asyncio.ensure_future(running.append(request(2)))
    await asyncio.sleep(0)
    stopping = asyncio.create_task(asyncio.to_thread(running.stop))
    await asyncio.sleep(0.05)
    with pytest.raises(Retryable, match="shutting down"):
        await running.append(request(3))
    disk.release.set()
    await asyncio.wait_for(asyncio.gather(first, second, stopping), SECONDS)
    assert frozen.holds(request(1), request(2))
    assert segment_files(tmp_path, ".ready") == [path.name for path in frozen.paths]
    assert segment_files(tmp_path, OPEN) == []


async def test_stop_without_requests_leaves_nothing(tmp_path: Path) -> None:
    """A journal nobody wrote to leaves an empty folder."""
    async with journal(tmp_path) as (_, frozen):
        pass
    assert frozen.paths == []
    assert segment_files(tmp_path) == []


def broken_disk(*_: object, **__: object) -> None:
    """Fail as a broken disk does."""
    raise OSError(errno.EIO, "Input/output error")


async def accepted_again(running: Journal, *requests: Request) -> None:
    """Append, as a sender does that is told to come back later."""
    for each in requests:
        async with asyncio.timeout(SECONDS):
            while True:
                try:
                    await running.append(each)
                except Retryable:
                    await asyncio.sleep(0.02)
                else:
                    break


async def accepted_until(running: Journal, each: Request, reason: str) -> int:
    """Append one after the other until one is refused for this reason; return how many were taken."""
    taken = 0
    try:
        while True:
            await running.append(each)
            taken += 1
    except Retryable as refusal:
        assert reason in str(refusal)  # noqa: PT017 - which one is refused is for the test to find out
    return taken


@pytest.mark.parametrize("call", ["fdatasync", "writev", "open"])
async def test_a_disk_error_is_retryable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """A disk that fails costs the requests of that moment only; none of them is stored, all before and after are."""
    async with journal(tmp_path) as (running, frozen):
        if call != "open":  # the first segment is yet to be opened
            await running.append(request(1))
        with monkeypatch.context() as broken:
            broken.setattr(os, call, broken_disk)
            refused = await asyncio.gather(*(running.append(request(n)) for n in (2, 3)), return_exceptions=True)
        assert [type(each) for each in refused] == [Retryable, Retryable]
        assert "Input/output error" in str(refused[0])
        await accepted_again(running, request(4))
    assert frozen.holds(*map(request, (4,) if call == "open" else (1, 4)))
    assert len(frozen.paths) == (1 if call == "open" else 2), "nothing is written behind what failed"


async def test_while_the_disk_fails_nobody_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Requests are refused without asking the disk each time, and the log has one line at each end."""
    caplog.set_level("INFO")
    tries = []

    def fail(*_: object) -> None:
        tries.append(time.monotonic())
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    async with journal(tmp_path) as (running, frozen):
        with monkeypatch.context() as broken:
            broken.setattr(os, "fdatasync", fail)
            began = time.monotonic()
            refused = 0
            while time.monotonic() - began < 0.9:
                with pytest.raises(Retryable, match="Disk quota exceeded"):
                    await running.append(request(refused))
                refused += 1
                await asyncio.sleep(0.001)
        assert refused > 100
        assert 2 <= len(tries) <= 5
        await accepted_again(running, request(1))
    assert frozen.holds(request(1))
    told = [each.getMessage() for each in caplog.records if each.name == "collector.journal.writer"]
    assert len(told) == 2, told
    assert "requests are refused, to be sent again: the journal cannot be written: Disk quota exceeded" in told[0]
    assert re.fullmatch(r"journal: takes requests again; \d+ were refused in \d\.\d s", told[1])
    assert int(told[1].split()[4]) >= refused


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
            await asyncio.sleep(0.1)
        assert descriptors() <= before + 1
        (small_disk / "ballast").unlink()
        await accepted_again(running, request(3))
        await frozen.wait(2)
        assert frozen.holds(request(1), request(3))


async def test_a_segment_that_fills_the_disk(small_disk: Path) -> None:
    """The disk fills in the middle of a segment: what was acknowledged is handed over, and later requests go on."""
    folder = small_disk / "journal"
    large = Request(Signal.TRACES, bytes(20_000), 1, "t", 1, "")
    async with journal(folder) as (running, frozen):
        kept = await accepted_until(running, large, "No space")
        assert kept
        await frozen.wait(1)
        assert frozen.counts == [kept]
        assert len(segment.read(frozen.paths[0])[1]) == kept
        frozen.paths[0].unlink()
        await accepted_again(running, large)
    assert frozen.counts == [kept, 1]


async def test_the_reserve_of_the_disk_is_never_touched(small_disk: Path) -> None:
    """The journal stops where the reserve begins, however it is pushed, and goes on when there is more."""
    folder = small_disk / "journal"
    async with journal(folder, keeping=Keeping(reserve=30_000)) as (running, frozen):
        await accepted_until(running, Request(Signal.TRACES, bytes(3000), 1, "t", 1, ""), "30000 are kept free")
        disk = os.statvfs(small_disk)
        assert 28_672 <= disk.f_bavail * disk.f_frsize < 42_000, "to the page: what is frozen leaves a ledger"
        await frozen.wait(1)  # what is there is handed over, to make room
        frozen.paths[0].unlink()
        await accepted_again(running, request(1))


async def test_a_full_journal(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """At its limit the journal refuses, hands over what it has, and goes on when the loader has taken enough."""
    caplog.set_level("INFO")
    store = Store(tmp_path, Keeping(limit=10_000))
    frozen = Frozen()
    running = Journal(store, NEVER, frozen)
    running.start(lambda *_: None)
    large = Request(Signal.TRACES, bytes(1000), 1, "t", 1, "")
    kept = await accepted_until(running, large, "the journal is full")
    assert kept in {9, 10}
    await frozen.wait(1)
    with pytest.raises(Retryable, match="hint: /health says"):
        await running.append(large)
    store.retire(frozen.paths[0])
    await accepted_again(running, large)
    await asyncio.to_thread(running.stop)
    assert frozen.counts == [kept, 1]
    assert [each.levelname for each in caplog.records if each.name == "collector.journal.writer"] == ["ERROR", "INFO"]


async def test_a_backlog_counts_against_the_limit(tmp_path: Path) -> None:
    """What an earlier process left is room that is taken."""
    left_frozen(tmp_path, Request(Signal.TRACES, bytes(9000), 1, "t", 1, ""))
    async with journal(tmp_path, keeping=Keeping(limit=9000)) as (running, frozen):
        with pytest.raises(Retryable, match="the journal is full"):
            await running.append(request(1))
        assert len(frozen.paths) == 1


@pytest.mark.parametrize("call", ["rename", "fsync"])
async def test_a_segment_that_cannot_be_frozen_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, call: str
) -> None:
    """When the disk refuses the rename, requests go on, and the segment is handed over as soon as it can be."""
    async with journal(tmp_path, Limits(items=2, size=10**9, seconds=3600)) as (running, frozen):
        await running.append(request(1))
        with monkeypatch.context() as broken:
            broken.setattr(os, call, broken_disk)
            await running.append(request(2))
            await asyncio.sleep(0.8)
            assert frozen.paths == []
            assert running.filling()[:2] == (2, 2)
        await frozen.wait(1)
        assert frozen.holds(request(1), request(2))
        assert running.filling() == (0, 0, 0.0)
        await accepted_again(running, request(3))
    assert frozen.holds(*map(request, (1, 2, 3)))
    assert caplog.text.count("is not frozen yet") == 1


async def test_what_a_segment_could_not_be_frozen_at_the_end_is_for_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that refuses until the process ends: the next one finds everything."""
    with monkeypatch.context() as broken:
        async with journal(tmp_path) as (running, frozen):
            await running.append(request(1))
            broken.setattr(os, "rename", broken_disk)
        assert frozen.paths == []
    async with journal(tmp_path) as (_, frozen):
        assert frozen.holds(request(1))


async def test_a_request_that_cannot_be_framed(tmp_path: Path) -> None:
    """A fault of ours is an answer to the sender, and not the end of the journal."""
    async with journal(tmp_path) as (running, frozen):
        await running.append(request(1))
        with pytest.raises(Retryable, match="could not be written"):
            await running.append(Request(Signal.TRACES, b"x", 1, "\ud800", 1, ""))
        await running.append(request(2))
    assert frozen.holds(request(1), request(2))
    assert len(frozen.paths) == 1


async def test_urgent_requests_do_not_wait_for_the_batch(tmp_path: Path) -> None:
    """An urgent request is handed over at once, in a segment of its own; the others go on filling theirs."""
    async with journal(tmp_path) as (running, frozen):
        await running.append(request(1))
        began = time.monotonic()
        await running.append(request(2, urgent=True))
        await frozen.wait(1)
        assert time.monotonic() - began < 1
        assert frozen.paths[0].stem.endswith("-traces-urgent")
        assert frozen.holds(request(2, urgent=True))
        await running.append(request(3))
    assert frozen.counts == [1, 2]


async def test_a_flood_of_urgent_requests(tmp_path: Path) -> None:
    """Urgent requests that follow each other share segments: a flood makes five inserts a second, not one each."""
    async with journal(tmp_path) as (running, frozen):
        began, sent = time.monotonic(), 0
        while (passed := time.monotonic() - began) < 1.1:
            await asyncio.gather(*(running.append(request(n, urgent=True)) for n in range(20)))
            sent += 20
            await asyncio.sleep(0.005)
        assert len(frozen.paths) <= passed / 0.2 + 1
        assert len(frozen.paths) >= 2
        await asyncio.sleep(0.3)
        assert sum(frozen.counts) == sent, "none waits longer than a moment"


async def test_level_os(tmp_path: Path, disk: Disk) -> None:
    """With durability os a request is acknowledged once it is written; the disk is never waited for."""
    disk.release.clear()
    async with journal(tmp_path, keeping=Keeping(durable=False)) as (running, frozen):
        await asyncio.wait_for(running.append(request(1)), SECONDS)
        (path,) = [tmp_path / name for name in segment_files(tmp_path, OPEN)]
        assert path.stat().st_size == segment_size(path, request(1))
    assert disk.syncs == 0
    assert frozen.holds(request(1))


def segment_size(path: Path, *requests: Request) -> int:
    """Return the size of a segment of these requests."""
    return len(frame.encode_head(path.stem, 1)) + sum(map(len, encoded(path.stem, *requests)))


async def test_a_cancelled_append_breaks_no_other(tmp_path: Path, disk: Disk) -> None:
    """A caller that goes away while its request waits takes nobody with it; what it sent is kept or not, whole."""
    async with journal(tmp_path) as (running, frozen):
        disk.release.clear()
        first = asyncio.ensure_future(running.append(request(1)))
        assert await asyncio.to_thread(disk.began.wait, SECONDS)
        gone, stays = (asyncio.ensure_future(running.append(request(number))) for number in (2, 3))
        await asyncio.sleep(0.01)
        gone.cancel()
        first.cancel()
        disk.release.set()
        await asyncio.wait_for(stays, SECONDS)
        await asyncio.wait_for(running.append(request(4)), SECONDS)
        assert first.cancelled()
        assert gone.cancelled()
    assert frozen.holds(*map(request, (1, 2, 3, 4)))


async def test_start_hands_over_what_an_earlier_process_left(tmp_path: Path) -> None:
    """Frozen and open segments of an earlier process are handed over oldest first, the torn one without its tail."""
    first = left_frozen(tmp_path, request(1), request(2))
    torn = left_open(tmp_path, request(3))
    with torn.open("ab") as file:
        file.write(b"\x7a\x7ftorn")
    last = left_frozen(tmp_path, request(4))
    async with journal(tmp_path) as (running, frozen):
        assert frozen.paths == [first, torn.with_suffix(".ready"), last]
        assert frozen.counts == [2, 1, 1]
        await running.append(request(99))
    assert frozen.holds(*map(request, (1, 2, 3, 4, 99)))
    assert frozen.paths == sorted(frozen.paths)


async def test_recovering_on_a_full_disk(small_disk: Path) -> None:
    """A torn segment on a full disk: its good frames are handed over all the same, nothing stops the start."""
    folder = small_disk / "journal"
    folder.mkdir()
    left = left_open(folder, request(1))
    with left.open("ab") as file:
        file.write(b"\x7a\x7f" + bytes(4000))
    fill(small_disk)
    async with journal(folder) as (_, frozen):
        assert frozen.holds(request(1))


async def test_a_start_reads_no_frozen_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backlog of hours delays the start by its number of segments, not by its bytes."""
    async with journal(tmp_path) as (running, _):
        await running.append(request(1, items=5))
    read = []
    real = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: (read.append(path.suffix), real(path))[1])
    async with journal(tmp_path) as (_, frozen):
        assert frozen.counts == [1]
    assert read == [".seen"]
