"""What all workers of a loader share, whichever thread they run on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from collector.load.complaints import Complaints
from collector.load.dead_letters import DeadLetters
from collector.load.gate import Gate
from collector.load.line import Line
from collector.telemetry import Counters

Keep = Callable[[int, bytes, str], None]  # takes the offset of what is damaged, its bytes, and why


class Segments(Protocol):
    """The journal's frozen segments."""

    def read(self, segment: Path) -> tuple[memoryview, list[memoryview]]:
        """Return a segment's head and frames; raises SegmentDamaged."""

    def mend(self, segment: Path, keep: Keep) -> int:
        """Put empty frames where damaged ones were, each handed to `keep`; return how many requests that were."""

    def retire(self, segment: Path) -> None:
        """Delete a segment that is loaded or set aside."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What all workers share; any of their threads may use it.

    Attributes:
        segments: the journal's, to be read and deleted.
        line: who is next.
        letters: what cannot be stored.
        scratch: folder for files in between; nothing in it is needed after a crash.
        counters: where the fate of requests is counted.
        complaints: what ClickHouse said.
        decode: who decodes OTLP. (The embedded engine is the collector's own either way.)
        tokens_lost: whether what an earlier process inserted may be there without its token.
        gate: a segment of which some is there is completed while nothing else is inserted: that would tell wrong sums.
    """

    segments: Segments
    line: Line
    letters: DeadLetters
    scratch: Path
    counters: Counters
    complaints: Complaints
    decode: Literal["clickhouse", "collector"]
    tokens_lost: bool
    gate: Gate = field(default_factory=Gate)
