"""New interactions as they arrive: each listener's own statement, again and again, and no row twice."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

import anyio

from collector.query import questions
from collector.query.api.cursors import Place
from collector.query.api.problems import NotAnsweredError
from collector.query.reader import AskedTooMuchError, AwayError, Reader, Span
from collector.query.viewer import Viewer

_LISTENERS: Final = 20
_PAUSE_SECONDS: Final = 1.0
_SHARE: Final = 0.05  # of the time, at most, to ask for one listener
_OVERLAP_SECONDS: Final = 30  # batches are loaded side by side: what was received earlier may appear later
_REACH_SECONDS: Final = 2 * 86_400  # what ended longer ago, and comes now, is no news
_AT_ONCE: Final = 500
_FLOOD_PAGES: Final = 10  # beyond so many at once nobody reads along, and what is late is let go
_SECOND: Final = 1_000_000_000

Run = Callable[[Callable[[], list[dict[str, Any]]]], Awaitable[list[dict[str, Any]]]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a listener wants to hear of; "" for all."""

    session: str = ""
    user: str = ""
    type: str = ""
    category: str = ""
    severity: str = ""


class Live:
    """Listeners, a bounded number."""

    def __init__(self, reader: Reader, run: Run) -> None:
        """Ask `reader`, each statement by `run`, which keeps it off the event loop."""
        self._reader, self._run = reader, run
        self._listening = 0

    @contextlib.contextmanager
    def seat(self) -> Iterator[None]:
        """Take one of the seats for the length of a block.

        Raises:
            NotAnsweredError: too many listen already.
        """
        if self._listening >= _LISTENERS:
            raise NotAnsweredError(503, "too many listen already", hint="try again later")
        self._listening += 1
        try:
            yield
        finally:
            self._listening -= 1

    async def listen(self, viewer: Viewer, wanted: Wanted, since: Place) -> AsyncIterator[dict[str, Any]]:
        """Yield rows that arrive behind a place (`received_nano`, span), as they do."""
        seen: dict[tuple[str, str, str], int] = {}
        newest, overlap = since.nano, 0
        while True:
            began, pages = time.monotonic(), 0
            place: Place | None = Place(newest - overlap) if newest - overlap > since.nano else since
            while place:
                found = await self._page(viewer, wanted, place)
                place, pages = _behind(found), pages + 1
                for row in found:
                    key = (row["tenant"], row["trace_id"], row["span_id"])
                    if key not in seen:
                        seen[key] = row["received_nano"]
                        yield row
            newest = max(seen.values(), default=newest)
            overlap = 0 if pages > _FLOOD_PAGES else _OVERLAP_SECONDS * _SECOND
            seen = {key: received for key, received in seen.items() if received >= newest - overlap}
            await anyio.sleep(max(_PAUSE_SECONDS, (time.monotonic() - began) / _SHARE))

    async def _page(self, viewer: Viewer, wanted: Wanted, place: Place) -> list[dict[str, Any]]:
        now = time.time_ns()
        within = Span(now - _REACH_SECONDS * _SECOND, now + _REACH_SECONDS * _SECOND)
        parameters = {**asdict(wanted), "since": place.nano, "behind": place.id, "limit": _AT_ONCE}
        try:
            return await self._run(lambda: self._reader.rows(questions.text("live"), parameters, viewer, within))
        except (AskedTooMuchError, AwayError):  # the next try may fare better
            return []


def _behind(found: list[dict[str, Any]]) -> Place | None:
    """Return where the next page begins, None where this is the last."""
    return Place(found[-1]["received_nano"], found[-1]["span_id"]) if len(found) == _AT_ONCE else None
