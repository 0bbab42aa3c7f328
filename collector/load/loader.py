"""Frozen segments become rows, one insert each, in order, until ClickHouse has them.

The insert carries the segment's name as its deduplication token, and every table behind the views remembers tokens.
So after any crash or lost answer the same segment is simply inserted again. Only when ClickHouse has confirmed does the
journal get to delete the file. Of a damaged segment the damaged requests are set aside, the others are loaded.

What ClickHouse cannot take would be refused for ever. If nothing of such a segment is stored (it is asked), its
requests are inserted one by one, a token each, and those that fail alone are set aside in `dead-letters/` with the
reason. If a view behind the first table failed, rows of the segment are there already under its own token, so it is
set aside whole.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import queue
import random
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from clickhouse_connect.driver.exceptions import ClickHouseError

from collector.clickhouse import ClickHouse
from collector.errors import SegmentDamaged, first_line
from collector.request import Content, content
from collector.telemetry import Counters

log = logging.getLogger(__name__)

# ClickHouse says of these bytes, not of its own state, that it cannot take them; they will never fare better.
PERMANENT = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        32,  # ATTEMPT_TO_READ_AFTER_EOF
        33,  # CANNOT_READ_ALL_DATA
        36,  # BAD_ARGUMENTS
        69,  # ARGUMENT_OUT_OF_BOUND
        70,  # CANNOT_CONVERT_TYPE
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        128,  # TOO_LARGE_ARRAY_SIZE
        131,  # TOO_LARGE_STRING_SIZE
        407,  # DECIMAL_OVERFLOW
        436,  # PROTOBUF_BAD_CAST
        444,  # UNKNOWN_PROTOBUF_FORMAT
    }
)
_PARSER = "ProtobufRowInputFormat"  # named in an error of the parser, which comes before the first row is written
SINGLY = ".singly"  # beside a segment whose requests are being inserted one by one
INBOXES = {  # by the signal in a segment's name
    "traces": "otel.otlp_traces",
    "logs": "otel.otlp_logs",
    "metrics": "otel.otlp_metrics",
}
TABLES = {  # the first that keep rows; one with rows of a segment tells that some of it is stored
    "traces": ("otel.otel_traces",),
    "logs": ("otel.otel_logs",),
    "metrics": (
        "otel.otel_metrics_gauge",
        "otel.otel_metrics_sum",
        "otel.otel_metrics_histogram",
        "otel.otel_metrics_exponential_histogram",
        "otel.otel_metrics_summary",
    ),
}
_PROTO = Path(__file__).with_name("otlp.proto")
_MORE, _STOP = True, False
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 30.0  # seconds between tries

Keep = Callable[[int, bytes, str], None]  # sets damaged bytes aside: their offset, themselves, what is wrong with them


class Segments(Protocol):
    """The journal's files, which only the journal touches."""

    def read(self, segment: Path) -> tuple[memoryview, list[memoryview]]:
        """Return a segment's head and frames. Raises SegmentDamaged: they are not as they were written."""

    def mend(self, segment: Path, keep: Keep) -> int:
        """Make a damaged segment readable, its damaged frames empty; return how many those are.

        `keep` gets what is damaged, and has made it durable when it returns.

        Raises:
            SegmentDamaged: nothing of it reads.
        """

    def retire(self, segment: Path) -> None:
        """Let a segment go that is stored or set aside: its file is deleted, if it is still there."""


def insert_settings(token: str, *, embedded: bool) -> dict[str, str]:
    """Settings of a segment's insert; they must be the same at every try, or deduplication does not hold."""
    return _schema_settings(embedded=embedded) | {
        "insert_deduplication_token": token,
        "async_insert": "0",  # the default since 26.3, and it would acknowledge before the rows are there
        "deduplicate_blocks_in_dependent_materialized_views": "1",
        "max_partitions_per_insert_block": "0",  # a sender's clock may be anywhere; a batch must not fail on it
        "input_format_protobuf_oneof_presence": "1",  # the tag of each value: '' and absent stay apart
        "output_format_json_escape_forward_slashes": "0",  # JSON in attributes as the OpenTelemetry exporter writes it
        "output_format_json_quote_64bit_integers": "0",
    }


@functools.cache
def _schema_settings(*, embedded: bool) -> dict[str, str]:
    """Name the protobuf schema: to the embedded engine by path, to a server by value.

    By value the engine writes the schema to a file first, below a path that in the embedded engine is the working
    directory and cannot be set; that directory is the user's.
    """
    if embedded:
        return {"format_schema_source": "file", "format_schema": f"{_PROTO}:Segment"}
    text = re.sub(r"\s+", " ", re.sub(r"//.*", "", _PROTO.read_text())).strip()
    return {"format_schema_source": "string", "format_schema": text, "format_schema_message_name": "Segment"}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A frozen segment on its way, and how many requests and items it holds."""

    segment: Path
    requests: int
    items: int


class Loader:
    """Loads segments on its own thread, with its own connection."""

    def __init__(self, database: ClickHouse, segments: Segments, dead_letters: Path, counters: Counters) -> None:
        """Load what the journal froze; keep in `dead_letters` what ClickHouse cannot take."""
        self._database = database
        self._segments = segments
        self._dead_letters = dead_letters
        self._counters = counters
        self._wake: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._waiting: deque[Waiting] = deque()
        self._abandon = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loader", daemon=True)
        self.last_error = ""
        dead_letters.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Begin to load."""
        self._thread.start()

    def enqueue(self, segment: Path, content: Content) -> None:
        """Load this frozen segment after those before it."""
        self._waiting.append(Waiting(segment, *content))
        self._wake.put(_MORE)

    def is_busy(self) -> bool:
        """Tell whether segments wait behind the one being loaded."""
        return len(self._waiting) > 1

    def waiting(self) -> list[Waiting]:
        """Return what is not stored yet, oldest first, the segment being loaded included."""
        return list(self._waiting)

    def stop(self, drain_seconds: float) -> bool:
        """Load what waits, for at most so long; return whether all is loaded. The rest stays in the journal."""
        self._wake.put(_STOP)
        self._thread.join(drain_seconds)
        self._abandon.set()
        return not self._thread.is_alive()

    def _run(self) -> None:
        while self._wake.get() is _MORE and not self._abandon.is_set():
            try:
                self._persist(self._waiting[0])
            except _AbandonedError:
                return  # shutting down: the segment stays where it is
            self._waiting.popleft()

    def _persist(self, waiting: Waiting) -> None:
        """Load a segment through whatever the disk does meanwhile."""
        pause = _FIRST_PAUSE
        while True:
            try:
                self._load(waiting)
            except OSError as error:
                self.last_error = str(error)
                log.warning("segment %s: %s; trying again", waiting.segment.name, error)
                pause = self._wait(pause)
            else:
                return

    def _load(self, waiting: Waiting) -> None:
        segment, whole, began = waiting.segment, Content(waiting.requests, waiting.items), time.monotonic()
        try:
            head, frames, dead = self._read_sound(segment, whole)
        except SegmentDamaged as damage:
            self._set_aside(segment, str(damage), whole)
            self._segments.retire(segment)
            return
        singly = segment.with_suffix(SINGLY)
        if not singly.exists():
            try:
                self._insert(segment, segment.stem)
            except ClickHouseError as error:
                if _PARSER not in str(error) and self._rows_stored(segment):
                    self._set_aside(segment, f"some of its rows are stored, a later table refused: {error}", whole)
                    self._segments.retire(segment)
                    return
                log.warning("segment %s is refused (%s); loading its requests one by one", segment.name, error)
                singly.touch()  # a crash from here on goes on here, and not with the question what is stored
        if singly.exists():
            alone = self._load_singly(segment, head, frames)
            dead = Content(dead.requests + alone.requests, dead.items + alone.items)
        self._segments.retire(segment)
        singly.unlink(missing_ok=True)
        signal = _signal(segment)
        stored = Content(whole.requests - dead.requests, whole.items - dead.items)
        self._counters.fate("stored", stored.items, requests=stored.requests, signal=signal)
        self._counters.add("segments_loaded", signal=signal)
        self._counters.observe("load_duration_seconds", time.monotonic() - began, signal=signal)

    def _read_sound(self, segment: Path, whole: Content) -> tuple[memoryview, list[memoryview], Content]:
        """Return head and frames of a segment, and what was in those that are empty since they were damaged."""
        try:
            return *self._segments.read(segment), Content(0, 0)
        except SegmentDamaged:
            lost = self._segments.mend(segment, functools.partial(self._keep_damaged, segment))
            head, frames = self._segments.read(segment)
            dead = Content(lost, whole.items - content(frames).items)
            self._counters.fate("dead", dead.items, requests=lost, signal=_signal(segment))
            return head, frames, dead

    def _keep_damaged(self, segment: Path, offset: int, data: bytes, reason: str) -> None:
        dead = self._dead_letters / f"{segment.stem}.damaged-{offset:012d}"
        for path, kept in ((dead, data), (dead.with_name(dead.name + ".json"), _as_reason(reason))):
            with path.open("wb") as file:
                file.write(kept)
                file.flush()
                os.fsync(file.fileno())
        log.error("set aside %s: %s", dead.name, reason)

    def _rows_stored(self, segment: Path) -> bool:
        return any(self._rows_in(table, segment) for table in TABLES[_signal(segment)])

    def _rows_in(self, table: str, segment: Path) -> int:
        sql = f"SELECT count() FROM {table} WHERE JournalSegment = {{segment:String}}"  # noqa: S608 - a table of ours
        return int(self._database.rows(sql, {"segment": segment.stem})[0][0])

    def _load_singly(self, segment: Path, head: memoryview, frames: list[memoryview]) -> Content:
        """Insert each request alone; return what had to be set aside."""
        dead: list[memoryview] = []
        for number, frame in enumerate(frames):
            single = segment.with_name(f"{segment.stem}.{number:06d}")
            single.write_bytes(b"".join((head, frame)))
            try:
                self._insert(single, single.name)
            except ClickHouseError as error:
                self._set_aside(single, str(error), content([frame]))
                dead.append(frame)
            else:
                single.unlink()
        return content(dead)

    def _set_aside(self, refused: Path, reason: str, held: Content) -> None:
        dead = refused.rename(self._dead_letters / refused.name)
        dead.with_name(dead.name + ".json").write_bytes(_as_reason(reason))
        self._counters.fate("dead", held.items, requests=held.requests, signal=_signal(refused))
        log.error("set aside %s: %s", dead.name, reason)

    def _insert(self, path: Path, token: str) -> None:
        """Insert until ClickHouse confirms.

        Raises:
            ClickHouseError: the bytes are not to be had into the tables.
            _AbandonedError: the collector stops before ClickHouse could be reached.
        """
        inbox = INBOXES[_signal(path)]
        pause, settings = _FIRST_PAUSE, insert_settings(token, embedded=self._database.embedded)
        while True:
            try:
                self._database.insert_file(inbox, path, "ProtobufSingle", settings)
            except (ClickHouseError, OSError) as error:
                self._counters.add("loads_failed", signal=_signal(path))
                if getattr(error, "code", None) in PERMANENT:
                    raise
                self.last_error = first_line(error)
                log.warning("segment %s: %s; trying again", path.name, self.last_error)
            else:
                self.last_error = ""
                return
            pause = self._wait(pause)

    def _wait(self, pause: float) -> float:
        """Pause before the next try, with jitter; return the next pause. Raises _AbandonedError at the end."""
        if self._abandon.wait(pause * random.uniform(0.5, 1.0)):  # noqa: S311 - jitter, not a secret
            raise _AbandonedError
        return min(pause * 2, _LONGEST_PAUSE)


def _signal(path: Path) -> str:
    return path.name.split("-")[2].partition(".")[0]  # behind it stands `urgent`, where it is that


def _as_reason(reason: str) -> bytes:
    return json.dumps({"reason": reason}, indent=1).encode()


class _AbandonedError(Exception):
    """The collector stops; the segment waits for the next start."""
