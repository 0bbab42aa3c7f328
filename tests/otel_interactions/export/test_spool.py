"""The spool's folder: whose file it is, who takes it over, and that the same batch is sent again."""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_disk import fill

from otel_interactions.export.encoding import encode_request
from otel_interactions.export.frames import Batch
from otel_interactions.export.spool import EVERYTHING, Folder, Segment

ENDPOINT = "http://collector:4317"
ORIGIN = (b"resource", b"scope")
OTHER = (b"another", b"")

Span = tuple[tuple[bytes, bytes], bytes]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """The files for one collector."""
    return Folder(tmp_path / "spool", ENDPOINT)


def span(number: int) -> Span:
    """Return a span of one of two origins."""
    return (OTHER if number % 3 == 2 else ORIGIN), b"span %d" % number


def filled(folder: Folder, count: int, name: str = "0001") -> Segment:
    """Make a file of so many spans."""
    segment = folder.create(name)
    for number in range(count):
        segment.append(*span(number))
    return segment


def rest(segment: Segment) -> list[Span]:
    """Return what is left to be sent, settling it."""
    found = []
    while (batch := segment.plan(3, EVERYTHING)).spans:
        found += batch.spans
        segment.settle(batch)
    return found


def names(folder: Folder) -> list[str]:
    """Return the names of all files."""
    return sorted(path.name for path in folder.path.iterdir())


PRELUDE = f"""
import hashlib, sys
from pathlib import Path
from otel_interactions.export.encoding import encode_request
from otel_interactions.export.spool import Folder

folder = Folder(Path(sys.argv[1]), {ENDPOINT!r})

def span(number):
    return ({OTHER!r} if number % 3 == 2 else {ORIGIN!r}), b"span %d" % number
"""

WRITES = """
segment = folder.create("0001")
for number in range(int(sys.argv[2])):
    segment.append(*span(number))
"""

WRITES_ON = """
segment = folder.create("0001")
number = 0
while True:
    segment.append(*span(number))
    number += 1
    print(number, flush=True)
"""

PLANS = """
settled, spans, size = map(int, sys.argv[3:6])
for _ in range(settled):
    segment.settle(segment.plan(2, 1 << 20))
batch = segment.plan(spans, size)
print(len(batch.spans), hashlib.sha256(encode_request(batch.spans)).hexdigest(), flush=True)
"""

WAITS = """
print("ready", flush=True)
sys.stdin.read()
"""

ADOPTS = """
held = []
for line in sys.stdin:
    if line == "adopt\\n":
        held = list(folder.orphans())
        print(*(segment.path.stem for segment in held), flush=True)
    else:
        for segment in held:
            segment.close(delete=True)
        held = []
        print("gone", flush=True)
"""


class Other:
    """Another process at work on the same folder."""

    def __init__(self, script: str, folder: Folder, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + script, str(folder.path.parent), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def say(self, line: str) -> None:
        """Tell it something."""
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        """Return the next line it prints."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def kill(self) -> str:
        """Kill it; return what it had printed that was not heard yet."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.send_signal(signal.SIGKILL)
        told = self.process.stdout.read()
        self.process.wait(30)
        self.process.stdin.close()
        self.process.stdout.close()
        return told


@pytest.fixture
def other(folder: Folder) -> Iterator[Callable[..., Other]]:
    """Start other processes; none of them outlives the test."""
    started: list[Other] = []

    def start(script: str, *arguments: object) -> Other:
        started.append(Other(script, folder, *arguments))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.kill()


def test_only_the_user_may_read_it(folder: Folder) -> None:
    """Conversations are in there: nobody else may look, whatever the umask."""
    before = os.umask(0)
    try:
        filled(folder, 1).plan(1, 1)
    finally:
        os.umask(before)
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert names(folder) == ["0001.sent", "0001.spool", "destination.txt"]
    for name in ("0001.sent", "0001.spool"):
        assert (folder.path / name).stat().st_mode & 0o777 == 0o600


def test_each_collector_has_a_folder_that_names_it(tmp_path: Path) -> None:
    """What was meant for one collector is not sent to another one."""
    here, there = Folder(tmp_path, "http://here:4317"), Folder(tmp_path, "http://there:4317")
    filled(here, 1).close(delete=False)
    assert list(there.orphans()) == []
    assert (here.path / "destination.txt").read_text() == "http://here:4317\n"
    assert len(list(here.orphans())) == 1


def test_a_folder_that_is_not_there_is_empty(folder: Folder) -> None:
    """Looking for files makes none."""
    assert (list(folder.orphans()), folder.files(), folder.size()) == ([], [], 0)
    assert not folder.path.exists()


def test_what_is_appended_is_planned_in_order(folder: Folder) -> None:
    """Spans come out as they went in, and each of them once."""
    segment = filled(folder, 10)
    assert segment.spans == 10
    assert rest(segment) == [span(number) for number in range(10)]
    assert (segment.done, segment.spans) == (True, 0)
    segment.append(*span(10))
    assert not segment.done
    assert rest(segment) == [span(10)]


def test_the_size_of_a_folder(folder: Folder) -> None:
    """The bytes of all spool files count, the ones of other processes too."""
    first, second = filled(folder, 5), filled(folder, 7, "0002")
    second.close(delete=False)
    assert folder.size() == first.end + second.end
    assert folder.files() == [folder.path / "0001.spool", folder.path / "0002.spool"]


def test_closed_for_good(folder: Folder) -> None:
    """A file that is all sent goes with its note, and its descriptors are closed."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    filled(folder, 3).close(delete=True)
    assert names(folder) == ["destination.txt"]
    assert len(list(Path("/proc/self/fd").iterdir())) == before


# ---- whose file it is


def test_a_file_of_our_own_is_not_an_orphan(folder: Folder) -> None:
    """A process does not adopt what it writes itself."""
    segment = filled(folder, 1)
    assert list(folder.orphans()) == []
    segment.close(delete=False)
    assert [each.spans for each in folder.orphans()] == [1]


def test_a_file_of_a_living_process_is_left_alone(folder: Folder, other: Callable[..., Other]) -> None:
    """As long as a process lives its files are its own; once it is killed, all it had appended is found."""
    process = other(WRITES + WAITS, 50)
    assert process.hear() == "ready"
    assert list(folder.orphans()) == []
    process.kill()
    (segment,) = folder.orphans()
    assert (segment.path.name, segment.spans) == ("0001.spool", 50)
    assert rest(segment) == [span(number) for number in range(50)]


@pytest.mark.parametrize("heard", [1, 10, 300])
def test_killed_while_it_writes(folder: Folder, other: Callable[..., Other], heard: int) -> None:
    """Killed at any moment, a process leaves each span whose append had returned, and at most one more."""
    process = other(WRITES_ON)
    for number in range(heard):
        assert process.hear() == str(number + 1)
    returned = heard + process.kill().count("\n")
    (segment,) = folder.orphans()
    found = rest(segment)
    assert found == [span(number) for number in range(len(found))]
    assert len(found) in {returned, returned + 1}


def test_a_file_outlives_a_child_of_its_process(folder: Folder) -> None:
    """A forked child that ends takes nothing from its parent: the file stays locked and whole."""
    segment = filled(folder, 3)
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    assert list(folder.orphans()) == []
    segment.append(*span(3))
    assert rest(segment) == [span(number) for number in range(4)]


def test_orphans_come_oldest_first(folder: Folder) -> None:
    """Files are sent in the order they were begun in."""
    for name in ("0003", "0001", "0002"):
        filled(folder, 1, name).close(delete=False)
    assert [segment.path.stem for segment in folder.orphans()] == ["0001", "0002", "0003"]


def test_only_one_of_several_adopters_gets_a_file(folder: Folder, other: Callable[..., Other]) -> None:
    """Processes that look at the same time share what is there: each file has one taker."""
    adopters = [other(ADOPTS) for _ in range(3)]
    for attempt in range(15):
        left = [f"{attempt:02d}-{number}" for number in range(4)]
        for name in left:
            filled(folder, 1, name).close(delete=False)
        for adopter in adopters:
            adopter.say("adopt")
        found = [name for adopter in adopters for name in adopter.hear().split()]
        assert sorted(found) == left
        for adopter in adopters:
            adopter.say("release")
            assert adopter.hear() == "gone"
        assert names(folder) == ["destination.txt"]


def test_a_file_that_is_just_being_deleted_is_nobodys(folder: Folder, other: Callable[..., Other]) -> None:
    """Whoever looks while files are deleted gets no spans of them, and leaves nothing behind."""
    adopters = [other(ADOPTS) for _ in range(2)]
    for attempt in range(15):
        segments = [filled(folder, 1, f"{attempt:02d}-{number:03d}") for number in range(20)]
        for adopter in adopters:
            adopter.say("adopt")
        for segment in segments:
            segment.close(delete=True)
        assert [adopter.hear() for adopter in adopters] == ["", ""]
        assert names(folder) == ["destination.txt"]


def test_a_file_that_was_deleted_before_its_lock_was_had(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opened before it was deleted, locked afterwards: its spans are sent already, and nothing is made in its place."""
    segment = filled(folder, 3)
    lock = fcntl.flock

    def deleted_before(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        segment.close(delete=True)
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", deleted_before)
    assert list(folder.orphans()) == []
    assert names(folder) == ["destination.txt"]


def test_a_file_removed_under_its_writer(folder: Folder) -> None:
    """Somebody deletes the whole folder: what is in the open file is still sent, and the next file makes it anew."""
    segment = filled(folder, 2)
    for path in folder.path.iterdir():
        path.unlink()
    folder.path.rmdir()
    segment.append(*span(2))
    assert rest(segment) == [span(number) for number in range(3)]
    segment.close(delete=True)
    filled(folder, 1, "0002").close(delete=False)
    assert [each.path.name for each in folder.orphans()] == ["0002.spool"]


def test_files_that_were_never_finished(folder: Folder) -> None:
    """What a process left while it made a file goes after an hour, and not before: it may still be at it."""
    filled(folder, 0).close(delete=True)
    for name, age in (("old", 3700), ("fresh", 3500), ("now", 0)):
        path = folder.path / f"{name}.new"
        path.touch()
        os.utime(path, (time.time() - age, time.time() - age))
    assert list(folder.orphans()) == []
    assert names(folder) == ["destination.txt", "fresh.new", "now.new"]


# ---- what the next process sends


@pytest.mark.parametrize("limits", [(1, 1), (2, EVERYTHING), (100, EVERYTHING), (100, 20)])
@pytest.mark.parametrize("planned", [(3, EVERYTHING), (1, 1), (100, 30), (100, EVERYTHING)])
@pytest.mark.parametrize("settled", [0, 2])
def test_the_batch_that_was_being_sent_is_sent_again(
    folder: Folder, settled: int, planned: tuple[int, int], limits: tuple[int, int]
) -> None:
    """The next process begins with the very batch, byte for byte, however large its own batches are; then the rest."""
    segment = filled(folder, 12)
    for _ in range(settled):
        segment.settle(segment.plan(2, EVERYTHING))
    batch = segment.plan(*planned)
    segment.close(delete=False)
    (again,) = folder.orphans()
    assert again.spans == 12 - 2 * settled
    assert encode_request(again.plan(*limits).spans) == encode_request(batch.spans)
    again.settle(batch)
    behind = again.plan(*limits)
    assert len(behind.spans) <= limits[0]
    found = [span(number) for number in range(2 * settled)] + batch.spans + behind.spans
    again.settle(behind)
    assert found + rest(again) == [span(number) for number in range(12)]


def test_the_batch_of_a_process_that_was_killed(folder: Folder, other: Callable[..., Other]) -> None:
    """Killed while it waits for an answer: the next process sends the same bytes, and so does the one after it."""
    process = other(WRITES + PLANS + WAITS, 20, 3, 5, EVERYTHING)
    count, digest = process.hear().split()
    assert (count, process.hear()) == ("5", "ready")
    process.kill()
    for limits in ((1, 1), (1000, EVERYTHING)):
        (segment,) = folder.orphans()
        assert segment.spans == 14
        batch = segment.plan(*limits)
        assert hashlib.sha256(encode_request(batch.spans)).hexdigest() == digest
        segment.close(delete=False)


def test_a_split_is_what_is_planned(folder: Folder) -> None:
    """Half of a refused batch takes its place, down to one span, and the next process begins with that half."""
    segment = filled(folder, 11)
    segment.settle(segment.plan(1, EVERYTHING))
    batch = segment.plan(8, EVERYTHING)
    halves = []
    while len(batch.spans) > 1:
        batch = segment.split(batch)
        halves.append(batch.spans)
    assert halves == [[span(number) for number in range(1, 1 + size)] for size in (4, 2, 1)]
    segment.close(delete=False)
    (again,) = folder.orphans()
    assert again.plan(100, EVERYTHING).spans == [span(1)]


def test_a_batch_that_was_being_sent_may_be_split(folder: Folder) -> None:
    """A batch of the process before, refused by the collector now, is halved like any other."""
    segment = filled(folder, 9)
    segment.plan(6, EVERYTHING)
    segment.close(delete=False)
    (again,) = folder.orphans()
    half = again.split(again.plan(1, 1))
    assert half.spans == [span(number) for number in range(3)]
    again.settle(half)
    assert rest(again) == [span(number) for number in range(3, 9)]


def test_a_damaged_note_means_all_is_sent_again(folder: Folder) -> None:
    """Where it is not known how far a file is sent, it is sent from its beginning."""
    segment = filled(folder, 5)
    segment.settle(segment.plan(3, EVERYTHING))
    segment.close(delete=False)
    (folder.path / "0001.sent").write_bytes(b"nonsense")
    (again,) = folder.orphans()
    assert again.spans == 5
    assert rest(again) == [span(number) for number in range(5)]


def test_a_note_that_is_gone_means_all_is_sent_again(folder: Folder) -> None:
    """Without its note a file is sent from its beginning."""
    filled(folder, 5).close(delete=False)
    (folder.path / "0001.sent").unlink()
    (again,) = folder.orphans()
    assert rest(again) == [span(number) for number in range(5)]


def test_a_note_that_says_more_than_there_is(folder: Folder) -> None:
    """A disk that lost the end of a file, but not the note: nothing is left of it, and nothing raised."""
    segment = filled(folder, 5)
    segment.settle(segment.plan(3, EVERYTHING))
    segment.plan(2, EVERYTHING)
    segment.close(delete=False)
    os.truncate(segment.path, segment.settled - 5)
    (again,) = folder.orphans()
    assert (again.spans, again.plan(10, EVERYTHING).spans, again.done) == (0, [], True)


def test_cut_off_anywhere(folder: Folder) -> None:
    """However much of a file is left, whoever adopts it finds its whole spans, one that has only begun included."""
    segment = filled(folder, 4)
    segment.close(delete=False)
    data = segment.path.read_bytes()
    counts = []
    for size in range(len(data) + 1):
        segment.path.write_bytes(data[:size])
        (again,) = folder.orphans()
        found = rest(again)
        assert found == [span(number) for number in range(len(found))]
        assert again.done
        counts.append(len(found))
        again.close(delete=False)
        (folder.path / "0001.sent").unlink()
    assert counts == sorted(counts)
    assert set(counts) == {0, 1, 2, 3, 4}


steps = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 5)),
    st.tuples(st.just("plan"), st.integers(1, 6)),
    st.sampled_from([("split", 0), ("settle", 0), ("settle", 0), ("crash", 0)]),
)


@settings(deadline=None)
@given(st.lists(steps, max_size=40))
def test_each_span_is_settled_once(steps: list[tuple[str, int]]) -> None:
    """Whatever comes in whatever order, each span is settled once, in order, and a batch stays the same in a crash."""
    with tempfile.TemporaryDirectory() as root:
        folder = Folder(Path(root), ENDPOINT)
        segment = folder.create("0001")
        appended, done = 0, list[Span]()
        ours = True  # nobody writes to a file that was taken over
        batch: Batch | None = None
        for step, number in steps:
            if step == "append" and ours:
                for _ in range(number):
                    segment.append(*span(appended))
                    appended += 1
            elif step == "plan" and batch is None:
                batch = segment.plan(number, EVERYTHING)
                batch = batch if batch.spans else None
            elif step == "split" and batch is not None and len(batch.spans) > 1:
                batch = segment.split(batch)
            elif step == "settle" and batch is not None:
                segment.settle(batch)
                done += batch.spans
                batch = None
            elif step == "crash":
                ours = False
                segment.close(delete=False)
                (segment,) = folder.orphans()
                assert segment.spans == appended - len(done)
                if batch is not None:
                    assert segment.plan(1, 1).spans == batch.spans
        if batch is not None:
            segment.settle(batch)
            done += batch.spans
        assert done + rest(segment) == [span(number) for number in range(appended)]
        segment.close(delete=True)


# ---- a disk that takes nothing


def test_a_disk_that_is_full_leaves_the_file_as_it_was(small_disk: Path) -> None:
    """A span that does not fit leaves nothing of it behind; with room again, the next one is behind the others."""
    folder = Folder(small_disk, ENDPOINT)
    segment = filled(folder, 3)
    ballast = fill(small_disk)
    os.truncate(ballast, ballast.stat().st_size - 8192)
    with pytest.raises(OSError, match="space"):
        segment.append(ORIGIN, bytes(50_000))
    assert segment.path.stat().st_size == segment.end
    assert segment.spans == 3
    segment.append(*span(3))
    segment.close(delete=False)
    (again,) = folder.orphans()
    assert rest(again) == [span(number) for number in range(4)]


def test_a_file_that_cannot_be_made_leaves_nothing_behind(small_disk: Path) -> None:
    """Wherever the disk is full while a file is made, no part of it stays, and no descriptor."""
    folder = Folder(small_disk, ENDPOINT)
    filled(folder, 0).close(delete=True)
    ballast = fill(small_disk)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(2):  # no room at all; room for one of two files
        with pytest.raises(OSError, match="space"):
            folder.create("0002")
        assert names(folder) == ["destination.txt"]
        assert len(list(Path("/proc/self/fd").iterdir())) == before
        os.truncate(ballast, ballast.stat().st_size - 4096)
    filled(folder, 1, "0002").close(delete=False)


def test_what_is_in_the_files_is_sent_from_a_full_disk(small_disk: Path) -> None:
    """A full disk does not keep what waits on it from being sent: that is what makes room."""
    folder = Folder(small_disk, ENDPOINT)
    segment = filled(folder, 10)
    fill(small_disk)
    assert rest(segment) == [span(number) for number in range(10)]


@pytest.mark.parametrize("split", [False, True])
def test_a_note_that_cannot_be_written(folder: Folder, *, split: bool) -> None:
    """A batch that could not be noted is not sent, and not left out: it is planned again, and is settled once."""
    segment = filled(folder, 6)
    batch = segment.plan(4, EVERYTHING) if split else None
    works = os.dup(segment.sent)
    refuses = os.open(segment.path.with_suffix(".sent"), os.O_RDONLY)
    os.dup2(refuses, segment.sent)
    with pytest.raises(OSError, match="Bad file descriptor"):
        segment.split(batch) if batch else segment.plan(4, EVERYTHING)
    os.dup2(works, segment.sent)
    found = []
    if batch:
        segment.settle(batch)
        found += batch.spans
    assert found + rest(segment) == [span(number) for number in range(6)]
    os.close(works)
    os.close(refuses)
