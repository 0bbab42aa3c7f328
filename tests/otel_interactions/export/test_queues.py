"""What waits to be sent: nothing is sent twice, nothing goes missing uncounted, whatever the disk does."""
# ruff: noqa: ARG001  at_once is asked for by its name

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from small_disk import fill

from otel_interactions.export import queues
from otel_interactions.export.encoding import encode_request
from otel_interactions.export.frames import Batch
from otel_interactions.export.queues import Limits, Memory, Queue, Spool
from otel_interactions.export.spool import Folder, Segment

ORIGINS = [(b"resource", b"scope"), (b"another", b"")]
PLENTY = 1 << 30
NEVER = 1e9  # seconds

Span = tuple[tuple[bytes, bytes], bytes]


def span(number: int) -> Span:
    """Return a span of one of two origins."""
    return ORIGINS[number % 3 == 2], b"span %06d" % number


def put(queue: Queue, *numbers: int) -> list[str]:
    """Put spans into a queue; return what it said."""
    return [queue.put(*span(number)) for number in numbers]


def number_of(each: Span) -> int:
    """Return which span it is."""
    return int(each[1].split()[1])


def numbers_of(batch: Batch | None) -> list[int]:
    """Return which spans a batch holds."""
    return [number_of(each) for each in batch.spans] if batch else []


def drain(queue: Queue, spans: int = 3) -> list[int]:
    """Settle all that waits; return which spans that were."""
    found = []
    while batch := queue.plan(spans, PLENTY):
        found += numbers_of(batch)
        assert queue.settle(batch)
    return found


# ---- memory


def test_memory_is_bounded_by_number() -> None:
    """As many spans wait as may; with room again, more are taken."""
    queue = Memory(3, PLENTY)
    assert put(queue, 0, 1, 2, 3, 4) == ["", "", "", "queue_full", "queue_full"]
    assert queue.waiting() == (3, 0)
    batch = queue.plan(2, PLENTY)
    assert put(queue, 5) == ["queue_full"]
    assert batch
    assert queue.settle(batch)
    assert put(queue, 6, 7, 8) == ["", "", "queue_full"]
    assert drain(queue) == [2, 6, 7]


def test_memory_is_bounded_by_bytes() -> None:
    """So many bytes wait as may; what is settled makes room for as many."""
    queue = Memory(100, 1000)
    sizes = [400, 500, 200, 100, 1]
    assert [queue.put(ORIGINS[0], b"x" * size) for size in sizes] == ["", "", "queue_full", "", "queue_full"]
    for _ in range(3):
        batch = queue.plan(1, PLENTY)
        assert batch
        queue.settle(batch)
    assert queue.put(ORIGINS[0], b"x" * 1000) == ""
    assert queue.put(ORIGINS[0], b"") == ""
    assert queue.put(ORIGINS[0], b"x") == "queue_full"


def test_a_batch_from_memory_is_bounded() -> None:
    """A batch has so many spans and bytes at most, but for a single span."""
    queue = Memory(100, PLENTY)
    for size in (10, 10, 10, 500, 10, 10):
        queue.put(ORIGINS[0], b"x" * size)
    sizes = []
    while batch := queue.plan(2, 100):
        sizes.append([len(each) for _, each in batch.spans])
        queue.settle(batch)
    assert sizes == [[10, 10], [10], [500], [10, 10]]


def test_a_plan_stays_until_it_is_settled() -> None:
    """What was planned is the next batch, though more has come and other limits are asked for."""
    queue = Memory(100, PLENTY)
    assert queue.plan(10, PLENTY) is None
    put(queue, 0, 1)
    batch = queue.plan(10, PLENTY)
    put(queue, 2)
    assert queue.plan(1, 1) is batch
    assert numbers_of(batch) == [0, 1]
    assert batch
    assert queue.settle(batch)
    assert numbers_of(queue.plan(10, PLENTY)) == [2]


def test_memory_is_split_down_to_one() -> None:
    """Each half is the next batch; behind the one span that is given up come all the others."""
    queue = Memory(100, PLENTY)
    put(queue, *range(10))
    batch = queue.plan(7, PLENTY)
    halves = []
    while batch and len(batch.spans) > 1:
        queue.split(batch)
        batch = queue.plan(100, PLENTY)
        halves.append(numbers_of(batch))
    assert halves == [[0, 1, 2], [0]]
    assert batch
    assert queue.settle(batch)
    assert drain(queue, 100) == list(range(1, 10))


def test_memory_that_is_closed() -> None:
    """What waits is lost and counted once; its batch cannot be settled or split any more, and nothing is taken."""
    queue = Memory(100, PLENTY)
    put(queue, *range(5))
    batch = queue.plan(4, PLENTY)
    assert batch
    assert queue.close() == 5
    queue.split(batch)
    assert queue.plan(10, PLENTY) is None
    assert queue.settle(batch) is False
    assert put(queue, 6) == ["queue_full"]
    assert (queue.waiting(), queue.close()) == ((0, 0), 0)


def test_memory_is_closed_while_it_is_planned() -> None:
    """Closed just as a batch was taken from it, that batch is not to be settled."""

    class ClosingLock:
        """A lock in front of which somebody waits to close the queue."""

        def __init__(self) -> None:
            self.lock, self.closed = queue._lock, False

        def __enter__(self) -> None:
            self.lock.acquire()

        def __exit__(self, *_: object) -> None:
            self.lock.release()
            if not self.closed:
                self.closed = True
                queue.close()

    queue = Memory(100, PLENTY)
    put(queue, 0, 1)
    queue._lock = ClosingLock()  # type: ignore[assignment]
    batch = queue.plan(10, PLENTY)
    assert batch
    assert queue.settle(batch) is False
    assert queue.plan(10, PLENTY) is None


def test_memory_forgets() -> None:
    """In a forked child it is empty, and works."""
    queue = Memory(2, 100)
    put(queue, 0, 1)
    queue.plan(1, PLENTY)
    queue.forget()
    assert (queue.waiting(), queue.plan(1, PLENTY)) == ((0, 0), None)
    assert put(queue, 2, 3, 4) == ["", "", "queue_full"]
    assert drain(queue) == [2, 3]


# ---- the spool


@dataclass
class Made:
    """A spool and what it said of lost spans."""

    queue: Spool
    folder: Folder
    memory: Memory
    lost: Counter[str] = field(default_factory=Counter)

    def files(self) -> list[str]:
        """Return the names of its spool files."""
        return [path.stem for path in self.folder.files()]


names = (f"{number:08d}" for number in itertools.count())


def spool_on(
    root: Path,
    *,
    file_size: int = 200,
    size: int = PLENTY,
    age: float = NEVER,
    drop_oldest: bool = True,
    memory: int = 100,
) -> Made:
    """Return a spool with files of a few spans each."""
    lost = Counter[str]()

    def lose(spans: int, reason: str, error: str) -> None:
        if spans:
            assert error
            lost[reason] += spans

    folder = Folder(root, "http://collector:4317")
    kept = Memory(memory, PLENTY)
    queue = Spool(folder, lambda: next(names), Limits(size, age, drop_oldest), kept, lose)
    queue._file_size = file_size  # no less than 64 KiB otherwise
    return Made(queue, folder, kept, lost)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """A spool of small files, and room for all."""
    it = spool_on(tmp_path / "spool")
    yield it
    it.queue.close()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try the disk again with the next span."""
    monkeypatch.setattr(queues, "_PAUSE", 0.0)


def test_the_order_across_files(made: Made) -> None:
    """Spans come out as they went in, from many files, each of which is deleted with its last one."""
    put(made.queue, *range(100))
    files = made.files()
    assert len(files) > 10
    assert made.queue.waiting() == (0, 100)
    found = []
    while batch := made.queue.plan(7, PLENTY):
        found += numbers_of(batch)
        made.queue.settle(batch)
        assert made.files() == files[-len(made.files()) :]
        assert made.queue.waiting() == (0, 100 - len(found))
    assert found == list(range(100))
    assert made.files() == files[-1:]
    assert (made.queue.close(), made.files(), made.lost) == (0, [], Counter())


def test_sending_while_it_is_written(made: Made) -> None:
    """Each span is sent as soon as it is there, from the file that is being written too."""
    found = []
    for number in range(50):
        put(made.queue, number)
        if number % 3 == 0:
            found += drain(made.queue)
            assert found == list(range(number + 1))
    assert found + drain(made.queue) == list(range(50))


def test_many_threads_put_and_one_sends(tmp_path: Path) -> None:
    """Nothing is lost or doubled between threads, and what one thread puts stays in order."""
    made = spool_on(tmp_path / "spool", file_size=2_000)
    threads = [threading.Thread(target=put, args=(made.queue, *range(start, start + 300))) for start in (0, 1000, 2000)]
    for thread in threads:
        thread.start()
    found = []
    while any(thread.is_alive() for thread in threads):
        found += drain(made.queue, 20)
    found += drain(made.queue, 20)
    for start in (0, 1000, 2000):
        assert [number for number in found if start <= number < start + 1000] == list(range(start, start + 300))
    assert (made.queue.close(), made.lost) == (0, Counter())


def test_the_plan_of_a_spool_stays(made: Made) -> None:
    """What was planned is the next batch until it is settled, other limits or not."""
    put(made.queue, *range(4))
    batch = made.queue.plan(2, PLENTY)
    put(made.queue, *range(4, 20))
    assert made.queue.plan(100, PLENTY) is batch
    assert drain(made.queue) == list(range(20))


def test_our_own_file_is_replaced_when_it_is_sent(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is all sent goes once it is large enough; a small one is written on."""
    monkeypatch.setattr(queues, "_SENT_ENOUGH", 150)
    put(made.queue, 0)
    (first,) = made.files()
    assert drain(made.queue) == [0]
    assert made.files() == [first]
    put(made.queue, 1, 2, 3)
    assert made.files() == [first]
    assert drain(made.queue) == [1, 2, 3]
    assert made.files() == []
    put(made.queue, 4)
    assert made.files() != [first]
    assert drain(made.queue) == [4]


def test_the_bytes_that_wait(made: Made) -> None:
    """What is sent waits no more, though its file is still there."""
    put(made.queue, *range(4))
    before = made.queue.size()
    assert 4 * len(span(0)[1]) < before < 300
    batch = made.queue.plan(2, PLENTY)
    assert batch
    made.queue.settle(batch)
    assert 0 < made.queue.size() < before
    drain(made.queue)
    assert made.queue.size() == 0


def test_a_spool_is_split_down_to_one(made: Made) -> None:
    """Each half is the next batch; behind the one span that is given up come all the others."""
    put(made.queue, *range(12))
    batch = made.queue.plan(4, PLENTY)
    halves = []
    while batch and len(batch.spans) > 1:
        made.queue.split(batch)
        batch = made.queue.plan(100, PLENTY)
        halves.append(numbers_of(batch))
    assert halves == [[0, 1], [0]]
    assert drain(made.queue, 100) == list(range(12))


def test_a_span_larger_than_a_batch_may_be(made: Made) -> None:
    """It is sent alone, the first one of a file too, and nothing is taken for damage."""
    for number in range(5):
        made.queue.put(ORIGINS[0], span(number)[1] + b" " + b"x" * 500)
    found = []
    while batch := made.queue.plan(10, 100):
        assert len(batch.spans) == 1
        found += numbers_of(batch)
        made.queue.settle(batch)
    assert (found, made.lost) == (list(range(5)), Counter())


def test_more_origins_than_a_file_has_numbers_for(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans of ever new origins go on in another file."""
    monkeypatch.setattr(queues, "MAX_ORIGINS", 5)
    made.queue._file_size = 1 << 20
    for number in range(12):
        made.queue.put((b"%d" % number, b""), span(number)[1])
    assert len(made.files()) == 3
    batch = made.queue.plan(100, PLENTY)
    assert batch
    assert [each[0][0] for each in batch.spans] == [b"%d" % number for number in range(5)]
    assert drain(made.queue) == list(range(12))


# ---- a disk that takes nothing


def test_a_full_disk(small_disk: Path, at_once: None, caplog: pytest.LogCaptureFixture) -> None:
    """Spans wait in memory then, which is told once; with room again they go to files, and all of them are sent."""
    made = spool_on(small_disk, file_size=1 << 20)
    assert put(made.queue, *range(10)) == [""] * 10
    ballast = fill(small_disk)
    numbers = iter(range(10, 10_000))
    while not made.queue.trouble:
        assert put(made.queue, next(numbers)) == [""]
    behind = next(numbers)
    assert put(made.queue, *range(behind, behind + 20)) == [""] * 20
    assert made.queue.waiting() == (21, behind - 1)
    assert "no space left" in made.queue.trouble.lower()
    (told,) = [record for record in caplog.records if record.name == "otel_interactions"]
    assert told.levelno == logging.WARNING
    assert "spans wait in memory: no space left" in told.getMessage().lower()

    ballast.unlink()
    assert put(made.queue, *range(behind + 20, behind + 30)) == [""] * 10
    assert made.queue.trouble == ""
    assert made.queue.waiting() == (21, behind + 9)
    assert sorted(drain(made.queue)) == list(range(behind + 30))
    assert len(caplog.records) == 1
    assert (made.queue.close(), made.lost) == (0, Counter())


def test_a_full_disk_is_sent_from(small_disk: Path, at_once: None) -> None:
    """What is in files is sent though the disk is full, and then there is room for what comes."""
    made = spool_on(small_disk, file_size=20_000)
    count = 0
    while not made.queue.trouble:
        assert made.queue.put(ORIGINS[0], span(count)[1] + b" " + bytes(3_000)) == ""
        count += 1
    assert count > 20
    assert drain(made.queue) == list(range(count))
    assert put(made.queue, count) == [""]
    assert made.queue.trouble == ""
    assert made.queue.close() == 0


def test_a_disk_without_room_for_large_spans(small_disk: Path, at_once: None) -> None:
    """Each try begins a file in which nothing fits: none of them stays, and small spans still go to files."""
    made = spool_on(small_disk)
    for number in range(30):
        assert made.queue.put(ORIGINS[0], span(number)[1] + b" " + bytes(200_000)) == ""
    assert len(made.files()) <= 1
    assert made.queue.waiting() == (30, 0)
    assert put(made.queue, 30) == [""]
    assert made.queue.waiting() == (30, 1)
    assert sorted(drain(made.queue)) == list(range(31))


def test_memory_that_is_full_too(small_disk: Path, at_once: None) -> None:
    """With no room anywhere a span is refused, and whoever put it is told why."""
    made = spool_on(small_disk, memory=2)
    fill(small_disk)
    assert put(made.queue, 0, 1, 2, 3) == ["", "", "queue_full", "queue_full"]
    assert made.queue.close() == 2


def test_the_disk_is_left_alone_for_a_while(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that refused is not asked again with each span, but after the pause."""
    made = spool_on(small_disk)
    ballast = fill(small_disk)
    put(made.queue, 0)
    ballast.unlink()
    put(made.queue, 1)
    assert made.queue.waiting() == (2, 0)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + queues._PAUSE + 1)
    put(made.queue, 2)
    assert made.queue.waiting() == (2, 1)


def read_only(folder: Path) -> None:
    """Have nothing be made or deleted in a folder, not even by root, while files that are open can be written."""
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)


def writable(folder: Path) -> None:
    """Undo it."""
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_folder_that_is_read_only(
    small_disk: Path, at_once: None, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Where no file can be made spans wait in memory, and one line says so."""
    read_only(small_disk)
    try:
        made = spool_on(small_disk / "spool")
        assert put(made.queue, 0, 1, 2) == ["", "", ""]
        assert (made.queue.waiting(), made.queue.adopt()) == ((3, 0), 0)
        assert ["Read-only file system" in line for line in caplog.messages] == [True]
    finally:
        writable(small_disk)
    put(made.queue, 3)
    assert made.queue.waiting() == (3, 1)
    assert sorted(drain(made.queue)) == [0, 1, 2, 3]
    (tmp_path / "file").write_text("not a folder")
    made = spool_on(tmp_path / "file")
    assert put(made.queue, 0) == [""]
    assert drain(made.queue) == [0]


def test_a_folder_that_becomes_read_only(small_disk: Path, at_once: None) -> None:
    """What is in files that cannot be deleted any more is sent all the same, and only once."""
    made = spool_on(small_disk)
    put(made.queue, *range(20))
    files = made.files()
    read_only(made.folder.path)
    try:
        assert drain(made.queue) == list(range(20))
        assert made.queue.close() == 0
        assert made.files() == files
    finally:
        writable(made.folder.path)
    behind = spool_on(small_disk)
    assert behind.queue.adopt() == 0
    assert drain(behind.queue) == []
    assert behind.files() == []


def test_the_folder_is_deleted_under_it(made: Made, at_once: None) -> None:
    """Somebody deletes the spool: what was in open files is sent, and what comes goes on in a new folder."""
    put(made.queue, *range(10))
    shutil.rmtree(made.folder.path)
    put(made.queue, *range(10, 20))
    assert drain(made.queue) == list(range(20))
    assert (made.queue.trouble, made.lost) == ("", Counter())


# ---- as much of it as may be used

FULL = 1_000  # bytes of five files


def test_a_full_spool_loses_its_oldest(tmp_path: Path) -> None:
    """New spans are taken, the oldest files go, each span in them is counted once, and the limit holds."""
    made = spool_on(tmp_path, size=FULL)
    for number in range(100):
        assert put(made.queue, number) == [""]
        assert made.folder.size() <= FULL
    waiting = made.queue.waiting()[1]
    assert 0 < waiting < 30
    assert made.lost == {"spool_full": 100 - waiting}
    assert drain(made.queue) == list(range(100 - waiting, 100))
    assert made.lost == {"spool_full": 100 - waiting}


def test_what_is_settled_of_a_file_is_not_lost_with_it(tmp_path: Path) -> None:
    """Of a file that goes, only the spans are counted that were not sent."""
    made = spool_on(tmp_path, size=FULL)
    put(made.queue, *range(10))
    batch = made.queue.plan(2, PLENTY)
    assert batch
    made.queue.settle(batch)
    put(made.queue, *range(10, 100))
    left = drain(made.queue)
    assert made.lost == {"spool_full": 100 - 2 - len(left)}
    assert left == list(range(100 - len(left), 100))


def test_what_is_being_sent_is_not_dropped(tmp_path: Path) -> None:
    """The file whose batch is on its way stays, whatever comes meanwhile; the next oldest go."""
    made = spool_on(tmp_path, size=FULL)
    put(made.queue, *range(10))
    batch = made.queue.plan(2, PLENTY)
    assert batch
    put(made.queue, *range(10, 100))
    assert made.queue.plan(100, PLENTY) is batch
    assert made.queue.settle(batch)
    found = numbers_of(batch) + drain(made.queue)
    assert found == sorted(found)
    assert found[:3] == [0, 1, 2]
    assert found[-1] == 99
    assert made.lost == {"spool_full": 100 - len(found)}


def test_what_is_being_read_is_not_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread fills the spool while a batch is read: the file it is read from stays, and the batch is true."""
    made = spool_on(tmp_path, size=FULL)
    put(made.queue, *range(10))
    plan = Segment.plan
    putting = threading.Thread(target=put, args=(made.queue, *range(10, 100)))

    def plan_while_others_put(self: Segment, spans: int, size: int) -> Batch:
        monkeypatch.setattr(Segment, "plan", plan)
        putting.start()
        putting.join(2)  # or it waits until the file is read
        return plan(self, spans, size)

    monkeypatch.setattr(Segment, "plan", plan_while_others_put)
    found = drain(made.queue)
    assert found[:3] == [0, 1, 2]
    assert found == sorted(set(found))
    putting.join()
    found += drain(made.queue)
    assert made.lost == {"spool_full": 100 - len(found)}


def test_a_full_spool_that_keeps_its_files(tmp_path: Path, at_once: None, caplog: pytest.LogCaptureFixture) -> None:
    """Files stay as they are; new spans wait in memory and are then refused, which is told once."""
    made = spool_on(tmp_path, size=FULL, drop_oldest=False, memory=5)
    said = put(made.queue, *range(100))
    kept = said.index("queue_full")
    assert said == [""] * kept + ["queue_full"] * (100 - kept)
    assert made.queue.waiting() == (5, kept - 5)
    assert made.lost == Counter()
    assert [f"it is full ({FULL} bytes)" in line for line in caplog.messages] == [True]
    assert drain(made.queue) == list(range(kept))
    assert put(made.queue, 100) == [""]
    assert made.queue.waiting() == (0, 1)


def test_files_of_other_processes_count(tmp_path: Path, at_once: None) -> None:
    """The limit is for all processes together; nobody deletes the files of another one that lives."""
    first, second = spool_on(tmp_path, size=FULL), spool_on(tmp_path, size=FULL)
    put(first.queue, *range(10))
    files = first.files()
    put(second.queue, *range(10, 100))
    assert set(files) < set(second.files())
    assert first.folder.size() <= FULL
    assert drain(first.queue) == list(range(10))
    assert sum(second.lost.values()) + len(drain(second.queue)) == 90


def test_what_is_too_old_is_given_up(tmp_path: Path) -> None:
    """Files that could not be sent for so long are deleted and counted, those of others too; our own is not."""
    left = spool_on(tmp_path)
    put(left.queue, *range(10))
    left.queue.close()
    made = spool_on(tmp_path, age=1000)
    put(made.queue, *range(10, 20))
    for path in made.folder.files():
        os.utime(path, (time.time() - 900, time.time() - 900))
    assert made.queue.adopt() == 10
    assert made.lost == Counter()
    own = made.files()[-1]
    for path in made.folder.files():
        os.utime(path, (time.time() - 1100, time.time() - 1100))
    assert made.queue.adopt() == 0
    assert made.files() == [own]
    found = drain(made.queue)
    assert found == list(range(20 - len(found), 20))
    assert made.lost == {"expired": 20 - len(found)}


# ---- what another process left


def left_by_another(root: Path, *numbers: int) -> list[str]:
    """Leave files in a folder, as a process does that ended; return their names."""
    before = spool_on(root)
    put(before.queue, *numbers)
    before.queue.close()
    return before.files()


def test_what_is_left_is_sent_by_the_next(tmp_path: Path) -> None:
    """Unsent files stay when the queue is closed; another one finds them, sends them and deletes them."""
    first = spool_on(tmp_path)
    put(first.queue, *range(20))
    batch = first.queue.plan(3, PLENTY)
    assert batch
    first.queue.settle(batch)
    second = spool_on(tmp_path)
    assert second.queue.adopt() == 0
    assert (first.queue.close(), first.lost) == (0, Counter())
    assert second.queue.adopt() == 17
    assert second.queue.waiting() == (0, 17)
    assert drain(second.queue) == list(range(3, 20))
    assert (second.files(), second.lost) == ([], Counter())


def test_a_queue_that_is_closed(tmp_path: Path) -> None:
    """It takes nothing, gives nothing, tells what it left, and holds no file that another process could send."""
    made = spool_on(tmp_path)
    put(made.queue, 0, 1)
    batch = made.queue.plan(1, PLENTY)
    assert batch
    assert made.queue.close() == 0
    made.queue.split(batch)
    assert (made.queue.settle(batch), made.queue.plan(1, PLENTY)) == (False, None)
    assert put(made.queue, 2) == ["queue_full"]
    assert (made.queue.adopt(), made.queue.waiting(), made.queue.close()) == (0, (0, 2), 0)
    other = spool_on(tmp_path)
    assert other.queue.adopt() == 2
    assert drain(other.queue) == [0, 1]


def test_what_is_found_goes_first(tmp_path: Path) -> None:
    """It is older than what this process records, and it keeps its own order."""
    left_by_another(tmp_path, *range(12))
    made = spool_on(tmp_path)
    put(made.queue, *range(100, 105))
    assert made.queue.adopt() == 12
    assert drain(made.queue) == [*range(12), *range(100, 105)]


def test_nothing_is_taken_over_in_front_of_a_planned_batch(tmp_path: Path) -> None:
    """While a batch is on its way it stays the next one; afterwards what is found goes first."""
    made = spool_on(tmp_path)
    put(made.queue, 100, 101)
    batch = made.queue.plan(1, PLENTY)
    left_by_another(tmp_path, 0, 1)
    assert made.queue.adopt() == 0
    assert made.queue.plan(1, PLENTY) is batch
    assert batch
    made.queue.settle(batch)
    assert made.queue.adopt() == 2
    assert drain(made.queue) == [0, 1, 101]


def test_many_files_are_taken_over_by_and_by(tmp_path: Path) -> None:
    """No more files are held open than need be, and all of them are sent in the end."""
    assert len(left_by_another(tmp_path, *range(300))) > 2 * queues._ADOPTED
    made = spool_on(tmp_path)
    found = []
    before = len(list(Path("/proc/self/fd").iterdir()))
    while made.queue.adopt():
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2 * queues._ADOPTED
        found += drain(made.queue)
    assert found == list(range(300))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_batch_of_the_process_before(tmp_path: Path) -> None:
    """A batch whose answer was never heard is sent by the next process as the same bytes."""
    first = spool_on(tmp_path, file_size=2_000)
    put(first.queue, *range(30))
    batch = first.queue.plan(7, PLENTY)
    first.queue.close()
    second = spool_on(tmp_path)
    second.queue.adopt()
    again = second.queue.plan(2, 1)
    assert batch
    assert again
    assert encode_request(again.spans) == encode_request(batch.spans)
    assert drain(second.queue) == list(range(30))


# ---- damage


def damage(path: Path, text: bytes) -> None:
    """Overwrite a byte of a file within this text."""
    place = path.read_bytes().index(text)
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"?")


def test_a_damaged_file_of_our_own(made: Made) -> None:
    """It costs only what is behind the damage, counted as unreadable; the other files are sent, and new spans too."""
    put(made.queue, *range(20))
    first, second, *_ = [path.read_bytes().count(b"span 0") for path in made.folder.files()]
    assert second >= 3
    damage(made.folder.files()[1], span(first + 1)[1])
    assert drain(made.queue) == [*range(first + 1), *range(first + second, 20)]
    assert made.lost == {"unreadable": second - 1}
    put(made.queue, 20)
    assert drain(made.queue) == [20]


def test_the_file_that_is_written_is_damaged(made: Made) -> None:
    """What is behind the damage is given up, and writing goes on in another file."""
    put(made.queue, 0, 1, 2)
    (name,) = made.files()
    damage(made.folder.files()[0], span(1)[1])
    assert drain(made.queue) == [0]
    assert made.lost == {"unreadable": 2}
    put(made.queue, 3)
    assert made.files() != [name]
    assert drain(made.queue) == [3]


def test_a_file_that_is_cut_off_under_us(made: Made) -> None:
    """Somebody empties the file: what is gone is counted, and sending goes on."""
    put(made.queue, *range(8))
    count = made.folder.files()[0].read_bytes().count(b"span 0")
    os.truncate(made.folder.files()[0], 60)
    assert drain(made.queue) == list(range(count, 8))
    assert made.lost == {"unreadable": count}


def test_a_damaged_file_that_was_left(tmp_path: Path) -> None:
    """What is before the damage is sent, the other files are, and the damaged one is deleted."""
    left_by_another(tmp_path, *range(20))
    made = spool_on(tmp_path)
    first, second, *_ = [path.read_bytes().count(b"span 0") for path in made.folder.files()]
    damage(made.folder.files()[1], span(first + 1)[1])
    expected = [*range(first + 1), *range(first + second, 20)]
    assert made.queue.adopt() == len(expected) + 1
    assert drain(made.queue) == expected
    assert made.lost == {"unreadable": 1}
    assert made.files() == []


def test_damage_in_a_file_that_was_left_is_told(tmp_path: Path) -> None:
    """What another process left and cannot be read is counted as lost: how much it was need not be known."""
    left_by_another(tmp_path, 0, 1, 2)
    made = spool_on(tmp_path)
    damage(made.folder.files()[0], span(1)[1])
    made.queue.adopt()
    assert drain(made.queue) == [0]
    assert made.lost["unreadable"] > 0


@pytest.mark.parametrize("content", [b"", b"otel", b"nonsense" * 100, bytes(5000)])
def test_a_file_that_is_none(tmp_path: Path, content: bytes) -> None:
    """Whatever else lies in the folder under such a name is done with, and holds nothing up."""
    left_by_another(tmp_path, *range(5))
    made = spool_on(tmp_path)
    (made.folder.path / "00000000-first.spool").write_bytes(content)
    assert made.queue.adopt() == 5 + made.lost["unreadable"]
    assert drain(made.queue) == list(range(5))
    assert made.files() == []


# ---- a forked child


def in_a_child(work: Callable[[], Any]) -> None:
    """Fork, and fail where the child does."""
    child = os.fork()
    if not child:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


def test_a_forked_child_begins_with_nothing(tmp_path: Path) -> None:
    """What waits is the parent's: its files stay locked and whole; what the child records is in a file of its own."""
    made = spool_on(tmp_path)
    made.memory.put(*span(50))
    put(made.queue, *range(10))
    batch = made.queue.plan(2, PLENTY)

    def child() -> None:
        made.queue.forget()
        assert (made.queue.waiting(), made.queue.size(), made.queue.plan(10, PLENTY)) == ((0, 0), 0, None)
        assert made.queue.adopt() == 0
        made.queue._name = lambda: "of-the-child"
        assert put(made.queue, 100, 101) == ["", ""]
        assert numbers_of(made.queue.plan(10, PLENTY)) == [100, 101]
        assert made.queue.close() == 0

    in_a_child(child)
    assert batch
    assert made.queue.settle(batch)
    other = spool_on(tmp_path)
    assert other.queue.adopt() == 2
    assert drain(other.queue) == [100, 101]
    put(made.queue, *range(10, 12))
    assert drain(made.queue) == [*range(2, 12), 50]
    assert made.lost == Counter()


def test_a_parent_that_ends_before_its_child(tmp_path: Path) -> None:
    """A child that lives on does not hold its parent's files: another process may send them."""
    made = spool_on(tmp_path)
    put(made.queue, *range(5))
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        made.queue.forget()
        os.close(tell)
        os.read(told, 1)  # until the parent is through
        os._exit(0)
    os.close(told)
    try:
        while any(path.resolve().parent == made.folder.path for path in Path(f"/proc/{child}/fd").iterdir()):
            os.sched_yield()
        made.queue.close()
        other = spool_on(tmp_path)
        assert other.queue.adopt() == 5
        assert drain(other.queue) == list(range(5))
    finally:
        os.close(tell)
        assert os.waitpid(child, 0)[1] == 0


# ---- all together


class Journey(RuleBasedStateMachine):
    """Spans are put, planned, split and settled, by processes that end or are killed, on small files."""

    @initialize(file_size=st.sampled_from([60, 150, 1_000]))
    def begin(self, file_size: int) -> None:
        """Make an empty folder."""
        self.cleanup = contextlib.ExitStack()
        self.root = Path(self.cleanup.enter_context(tempfile.TemporaryDirectory()))
        patch = self.cleanup.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(queues, "_ADOPTED", 1000)  # all at once: between one lot and the next there is no order
        self.file_size = file_size
        self.count = 0
        self.done: list[int] = []
        self.batch: Batch | None = None
        self.was_planned: list[int] = []
        self.open()

    def open(self) -> None:
        self.made = spool_on(self.root, file_size=self.file_size)
        assert self.made.queue.adopt() == self.count - len(self.done)

    @rule(count=st.integers(1, 8))
    def put(self, count: int) -> None:
        assert put(self.made.queue, *range(self.count, self.count + count)) == [""] * count
        self.count += count

    @rule(spans=st.integers(1, 8), size=st.sampled_from([1, 30, PLENTY]))
    def plan(self, spans: int, size: int) -> None:
        batch = self.made.queue.plan(spans, size)
        if self.batch is not None:
            assert batch is self.batch
        elif self.was_planned:
            assert numbers_of(batch) == self.was_planned
        self.batch, self.was_planned = batch, numbers_of(batch)

    @precondition(lambda self: self.batch and len(self.batch.spans) > 1)
    @rule()
    def split(self) -> None:
        assert self.batch
        half = numbers_of(self.batch)[: len(self.batch.spans) // 2]
        self.made.queue.split(self.batch)
        self.batch = self.made.queue.plan(100, PLENTY)
        assert numbers_of(self.batch) == half
        self.was_planned = half

    @precondition(lambda self: self.batch)
    @rule()
    def settle(self) -> None:
        assert self.batch
        assert self.made.queue.settle(self.batch)
        self.done += numbers_of(self.batch)
        self.batch, self.was_planned = None, []

    @rule(killed=st.booleans())
    def end(self, *, killed: bool) -> None:
        """The process ends, in good order or not; another one begins."""
        if killed:
            self.made.queue.forget()  # lets go of the files as they are, as a kernel does
        else:
            assert self.made.queue.close() == 0
        assert self.made.lost == Counter()
        self.batch = None
        self.open()

    @invariant()
    def each_once_and_in_order(self) -> None:
        if hasattr(self, "done"):
            assert self.done == list(range(len(self.done)))
            assert self.made.queue.waiting() == (0, self.count - len(self.done))

    def teardown(self) -> None:
        if hasattr(self, "cleanup"):
            with self.cleanup:
                self.done += drain(self.made.queue)
                assert self.done == list(range(self.count))
                assert (self.made.queue.close(), self.made.lost, self.made.files()) == (0, Counter(), [])


Journey.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestJourney = Journey.TestCase
