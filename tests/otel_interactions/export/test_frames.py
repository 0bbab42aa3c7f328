"""Spool files: what is written is read back, and of a damaged file a true beginning."""

from __future__ import annotations

import contextlib
import os
import struct
import tempfile
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_interactions.export.encoding import Origin
from otel_interactions.export.frames import (
    CHUNK,
    MAGIC,
    Batch,
    Reader,
    origin_frame,
    read_progress,
    span_frame,
    write_progress,
)

EVERYTHING = 1 << 62
BEGINNING = (len(MAGIC), len(MAGIC))
ORIGINS: list[Origin] = [(b"", b""), (b"resource", b""), (b"", b"scope"), (b"r" * 300, b"s" * 40)]

Span = tuple[Origin, bytes]

files = st.lists(st.tuples(st.sampled_from(ORIGINS), st.binary(max_size=80)), max_size=30)


def written(given: list[Span]) -> tuple[bytes, list[int]]:
    """Return a file of these spans, and where each of them ends in it; an origin comes before its first span."""
    data, ends, numbers = bytearray(MAGIC), [], dict[Origin, int]()
    for origin, span in given:
        if origin not in numbers:
            numbers[origin] = len(numbers)
            data += origin_frame(numbers[origin], origin)
        data += span_frame(numbers[origin], span)
        ends.append(len(data))
    return bytes(data), ends


@contextlib.contextmanager
def file_of(data: bytes) -> Iterator[int]:
    """Open a real file of these bytes."""
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(data)
        yield file.fileno()


def batches(reader: Reader, end: int, count: int = EVERYTHING, size: int = EVERYTHING) -> Iterator[Batch]:
    """Read batch by batch until there is none."""
    while (batch := reader.batch(end, count, size)).spans:
        yield batch


def readable(data: bytes) -> list[Span]:
    """Return the spans that can be read of a file."""
    with file_of(data) as descriptor:
        return Reader(descriptor).batch(len(data), EVERYTHING, EVERYTHING).spans


@settings(deadline=None)
@given(files)
def test_round_trip(given: list[Span]) -> None:
    """Any spans of any origins are read as they were written, in order."""
    data, _ = written(given)
    assert readable(data) == given


@settings(deadline=None)
@given(files, st.integers(1, 10), st.integers(0, 300))
def test_batches_are_bounded(given: list[Span], count: int, size: int) -> None:
    """A batch has so many spans and so many bytes of them at most, but for a single one; none is left out."""
    data, _ = written(given)
    with file_of(data) as descriptor:
        reader = Reader(descriptor)
        found = list(batches(reader, len(data), count, size))
        assert reader.at == len(data)
    assert [span for batch in found for span in batch.spans] == given
    assert all(len(batch.spans) <= count for batch in found)
    assert all(len(batch.spans) == 1 or sum(len(span) for _, span in batch.spans) <= size for batch in found)
    assert all(before.end == behind.start for before, behind in pairwise(found))


@pytest.mark.parametrize("size", [0, 1, 10, 400])
def test_a_span_larger_than_a_batch_may_be(size: int) -> None:
    """It is a batch of its own, the first of its origin too, however large that one is."""
    given = [(ORIGINS[3], b"x" * 1000), (ORIGINS[3], b"y" * 1000), (ORIGINS[1], b"z" * 1000)]
    data, ends = written(given)
    with file_of(data) as descriptor:
        found = list(batches(Reader(descriptor), len(data), 10, size))
    assert [(batch.spans, batch.end) for batch in found] == [
        ([span], end) for span, end in zip(given, ends, strict=True)
    ]


def test_a_batch_that_could_hold_more_does() -> None:
    """Spans go together as long as they fit."""
    data, _ = written([(ORIGINS[0], b"x" * 10)] * 30)
    with file_of(data) as descriptor:
        assert [len(batch.spans) for batch in batches(Reader(descriptor), len(data), 7)] == [7, 7, 7, 7, 2]
        assert len(next(batches(Reader(descriptor), len(data), 100, 500)).spans) >= 25


@settings(deadline=None)
@given(files, st.integers(1, 5), st.integers(1, 5))
def test_a_batch_is_read_again_from_where_it_began(given: list[Span], count: int, other: int) -> None:
    """From the offset a batch began at up to its end the same spans are read, whatever was read meanwhile."""
    data, _ = written(given)
    with file_of(data) as descriptor:
        reader = Reader(descriptor)
        for batch in batches(reader, len(data), count):
            behind = reader.at
            reader.batch(len(data), other, EVERYTHING)
            reader.at = batch.start
            assert reader.batch(batch.end, EVERYTHING, EVERYTHING) == batch
            assert reader.at == behind


def test_larger_than_what_is_read_at_a_time() -> None:
    """Files and spans of several megabytes are read whole."""
    sizes = [300_000] * 5 + [3 * CHUNK, 5, CHUNK, CHUNK - 11, CHUNK - 12, 7]
    given = [(ORIGINS[number % 3], bytes([number]) * size) for number, size in enumerate(sizes)]
    assert readable(written(given)[0]) == given


@pytest.mark.parametrize("before", range(20))
def test_frames_across_the_end_of_what_is_read_at_a_time(before: int) -> None:
    """A frame is whole wherever the first read ends within it."""
    first = CHUNK - len(written([(ORIGINS[0], b"")])[0]) - before
    given = [(ORIGINS[0], b"x" * first), (ORIGINS[0], b"behind"), (ORIGINS[1], b"end")]
    assert readable(written(given)[0]) == given


SOME: list[Span] = [
    (ORIGINS[0], b"first"),
    (ORIGINS[1], b""),
    (ORIGINS[1], b"third"),
    (ORIGINS[2], bytes(20)),
    (ORIGINS[0], b"the last one"),
]


def test_cut_off_anywhere() -> None:
    """Of a file that ends at any byte, exactly the spans are read that are whole before it."""
    data, ends = written(SOME)
    for cut in range(len(data) + 1):
        assert readable(data[:cut]) == SOME[: sum(end <= cut for end in ends)], cut


def test_every_flipped_bit() -> None:
    """Of a file with any one bit flipped, exactly the spans before it are read, and none that was never written."""
    data, ends = written(SOME)
    for place in range(len(MAGIC), len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[place] ^= 1 << bit
            assert readable(bytes(damaged)) == SOME[: sum(end <= place for end in ends)], (place, bit)


@settings(deadline=None)
@given(files.filter(bool), st.data())
def test_overwritten(given: list[Span], data: st.DataObject) -> None:
    """Whatever is written over a part of a file, what is read is a beginning of what was there."""
    whole, ends = written(given)
    place = data.draw(st.integers(len(MAGIC), len(whole) - 1))
    over = data.draw(st.binary(min_size=1, max_size=60) | st.builds(bytes, st.integers(1, 200)))
    found = readable(whole[:place] + over + whole[place + len(over) :])
    assert found == given[: len(found)]
    assert len(found) >= sum(end <= place for end in ends)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_nonsense(garbage: bytes) -> None:
    """Bytes that were never frames give no spans, and raise nothing."""
    assert readable(MAGIC + garbage) == []


@pytest.mark.parametrize("size", [0, 1, 2, 1 << 20, 1 << 30, (1 << 32) - 1])
def test_a_size_that_is_nonsense(size: int) -> None:
    """A frame that claims to be gigabytes takes no memory, and ends the file."""
    good, _ = written(SOME)
    data = good + struct.pack("<II", 0, size) + bytes(100)
    tracemalloc.start()
    try:
        assert readable(data) == SOME
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


@settings(deadline=None)
@given(files, st.lists(st.integers(1, 300), min_size=1, max_size=10))
def test_a_file_that_grows(given: list[Span], steps: list[int]) -> None:
    """A reader that follows a file finds each span once, as soon as it is whole, wherever the writer is."""
    data, ends = written(given)
    found: list[Span] = []
    with tempfile.TemporaryFile(buffering=0) as file:
        reader = Reader(file.fileno())
        size = 0
        while size < len(data):
            size += file.write(data[size : size + steps[size % len(steps)]])
            for batch in batches(reader, size, 3):
                found += batch.spans
            assert found == given[: sum(end <= size for end in ends)]
    assert found == given


def test_nothing_is_read_behind_the_end() -> None:
    """What the file holds behind the end that is told is not looked at: it may still be cut off again."""
    data, ends = written(SOME)
    with file_of(data) as descriptor:
        reader = Reader(descriptor)
        assert reader.batch(ends[1], EVERYTHING, EVERYTHING).spans == SOME[:2]
        assert reader.batch(ends[1], EVERYTHING, EVERYTHING).spans == []
        os.pwrite(descriptor, written([*SOME[:2], (ORIGINS[1], b"THIRD")])[0][ends[1] :], ends[1])
        assert reader.batch(ends[2], EVERYTHING, EVERYTHING).spans == [(ORIGINS[1], b"THIRD")]


# ---- how far a file is sent

offsets = st.integers(len(MAGIC), 2**64 - 1)


@settings(deadline=None)
@given(st.lists(st.tuples(offsets, offsets), min_size=1, max_size=5))
def test_progress(told: list[tuple[int, int]]) -> None:
    """What was written last is read, by another process as well."""
    with tempfile.NamedTemporaryFile(buffering=0) as file:
        for settled, planned in told:
            write_progress(file.fileno(), settled, planned)
        assert read_progress(file.fileno()) == told[-1]
        assert os.fstat(file.fileno()).st_size == 20
        with Path(file.name).open("rb") as other:
            assert read_progress(other.fileno()) == told[-1]


def test_progress_before_the_first_frame() -> None:
    """Offsets before the first frame mean the first frame."""
    with file_of(b"") as descriptor:
        write_progress(descriptor, 0, 0)
        assert read_progress(descriptor) == BEGINNING


@given(st.integers(0, 19))
def test_progress_that_is_short(size: int) -> None:
    """An unfinished note means that nothing is sent."""
    with file_of(b"") as descriptor:
        write_progress(descriptor, 100, 200)
        os.ftruncate(descriptor, size)
        assert read_progress(descriptor) == BEGINNING


@given(st.integers(0, 19), st.integers(1, 255))
def test_progress_that_is_damaged(place: int, flipped: int) -> None:
    """A note that is not what was written means that nothing is sent."""
    with file_of(b"") as descriptor:
        write_progress(descriptor, 100, 200)
        before = os.pread(descriptor, 20, 0)
        os.pwrite(descriptor, bytes([before[place] ^ flipped]), place)
        assert read_progress(descriptor) == BEGINNING


def test_progress_that_is_zeros() -> None:
    """Zeros, which a machine without power leaves, are no note: they mean that nothing is sent."""
    with file_of(bytes(20)) as descriptor:
        assert read_progress(descriptor) == BEGINNING
