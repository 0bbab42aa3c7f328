"""Everything of one kind in a time, as CSV, JSON lines or Parquet, however much it is, in little memory.

    cut the time into slices of some 10,000 rows -> a statement a slice, its answer whole -> bytes of the file

Decision: slices, not one statement whose blocks are passed on.
- ClickHouse has to hold all rows to put them in order, as the tables' order is not quite that of time. 300,000
  interactions (473 MiB of JSON) as one ordered statement took 1,240 MiB more of the process; in slices of 10,000 rows
  they take 280 MiB more and 15 % longer, and 30 million take no more than that.
- A block of the embedded engine is encoded as if it were the only one: CSV would repeat its head, and each block of
  Parquet is a file of its own. So the head of CSV is asked for once, and Parquet is written here from Arrow, a row
  group a slice; pyarrow comes with the embedded engine. An answer without rows has no block, so no head, at all.
- No statement waits for a slow client, nor holds one of the places for statements while it does.
- A slice that is too much for the limits on memory, time or size (prompts of megabytes) is cut in two, until it is one
  of a millisecond.
What is stored while an export runs is in it or not; no row is in it twice.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from collector.query import questions
from collector.query.kinds import Format, What
from collector.query.reader import AskedTooMuchError, Reader, Span
from collector.query.viewer import Viewer

ALWAYS: Final = Span(0, (1 << 63) - 1)
_AT_ONCE: Final = 10_000
_SHORTEST: Final = 1_000_000  # nanoseconds
_SECOND: Final = 1_000_000_000
_COUNTED: Final = frozenset({"interactions", "sessions", "errors"})  # what one knows the number of beforehand
_JSON_IN: Final = frozenset({"csv"})  # where a map stands as JSON


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is exported; "" for all.

    Attributes:
        what: which rows. Sessions and conversations are those that began in the time.
        span: from when, and before when.
        session: of this session.
        user: of this user.
        type: interactions or errors of this type.
    """

    what: What
    span: Span = ALWAYS
    session: str = ""
    user: str = ""
    type: str = ""


@dataclass(frozen=True, slots=True)
class Slice:
    """A time of an export: rows of `span`, for which one has to read up to `reach`, nanoseconds since 1970."""

    span: Span
    reach: int

    def halves(self) -> tuple[Slice, Slice] | None:
        """Return the two halves of it, None where it is short already."""
        since, until = self.span.since, self.span.until
        if until - since < 2 * _SHORTEST:
            return None
        middle = (since + until) // 2
        return Slice(Span(since, middle), self.reach), Slice(Span(middle, until), self.reach)


class Export:
    """One export. All of it blocks; for one thread at a time, but not always the same one."""

    def __init__(self, reader: Reader, viewer: Viewer, wanted: Wanted, output_format: Format) -> None:
        """Cut the time into slices.

        Raises:
            AskedTooMuchError: it would take too long or too much memory.
            AwayError: ClickHouse does not answer.
        """
        self._reader, self._viewer, self._wanted, self._format = reader, viewer, wanted, output_format
        cut = reader.rows(*self._asked("_slices", wanted.span), viewer)
        self._slices = [_slice(row, wanted.span) for row in cut]
        self.rows: int | None = sum(row["rows"] for row in cut) if wanted.what in _COUNTED else None

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes of the file.

        Raises:
            AskedTooMuchError: what happened in one millisecond takes too much memory.
            AwayError: ClickHouse does not answer any more.
        """
        match self._format:
            case "csv":
                yield self._nothing("CSVWithNames")
                yield from self._answers("CSV")
            case "jsonl":
                yield from self._answers("JSONEachRow")
            case "parquet":
                yield from _as_parquet(self._nothing("ArrowStream"), self._answers("ArrowStream"))

    def _answers(self, engine_format: str) -> Iterator[bytes]:
        waiting = self._slices[::-1]
        while waiting:
            each = waiting.pop()
            try:
                yield self._answer(each, engine_format)
            except AskedTooMuchError:
                halves = each.halves()
                if not halves:
                    raise
                waiting.extend(reversed(halves))

    def _answer(self, each: Slice, engine_format: str) -> bytes:
        sql, parameters = self._asked("", each.span)
        return self._reader.whole(sql, engine_format, parameters, self._viewer, Span(each.span.since, each.reach))

    def _nothing(self, engine_format: str) -> bytes:
        """Return what a format says of no rows: their names, their types."""
        sql, parameters = self._asked("", Span(0, 0))
        return self._reader.whole(sql, engine_format, parameters, self._viewer)

    def _asked(self, part: str, span: Span) -> tuple[str, dict[str, Any]]:
        """Return the SQL of an export or of its slices, and its parameters."""
        name, wanted = f"export_{self._wanted.what}{part}", self._wanted
        values = {
            "session": wanted.session,
            "user": wanted.user,
            "type": wanted.type,
            "since": span.since,
            "until": span.until,
            "attributes": "attributes_as_json" if self._format in _JSON_IN else "attributes",
            "at_once": _AT_ONCE,
        }
        return questions.text(name), {key: values[key] for key in questions.parameters(name)}


def _slice(row: Mapping[str, Any], asked: Span) -> Slice:
    since, until = row["since"] * _SECOND, row["until"] * _SECOND
    return Slice(Span(max(since, asked.since), min(until, asked.until)), row["reach"] * _SECOND)


def _as_parquet(empty: bytes, streams: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a Parquet file, a row group for each of `streams` (Arrow), of the columns that `empty` has."""
    # Not at the top: it takes memory that only this needs.
    from pyarrow import ipc as arrow  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    written = io.BytesIO()
    with arrow.open_stream(empty) as head:
        schema = head.schema
    with parquet.ParquetWriter(written, schema, compression="zstd") as writer:
        for stream in streams:
            with arrow.open_stream(stream) as batches:
                writer.write_table(batches.read_all())
            yield _taken(written)
    yield _taken(written)


def _taken(written: io.BytesIO) -> bytes:
    data = written.getvalue()
    written.seek(0)
    written.truncate()
    return data
