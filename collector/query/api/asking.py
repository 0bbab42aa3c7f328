"""What every path needs: who asks, and a way to ask ClickHouse beside the event loop."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Final, TypeVar

import anyio
import anyio.to_thread
from clickhouse_connect.driver.exceptions import ClickHouseError
from fastapi import Depends, Path, Query, Request

from collector.query import questions
from collector.query.api.cursors import Place
from collector.query.api.door import Door
from collector.query.api.exporting import Exports
from collector.query.api.live import Live
from collector.query.api.parameters import Moment, Text
from collector.query.reader import AwayError, Reader, Span
from collector.query.viewer import Viewer
from collector.request import Sender

Result = TypeVar("Result")
Row = dict[str, Any]
Settle = Callable[[Row], None]
"""Writes what somebody says of an error: a row of `otel.error_resolutions`."""

SECOND: Final = 1_000_000_000  # nanoseconds
_SLOTS: Final = 8  # statements at once; others wait
_DEEPEST: Final = 100_000  # rows that may be skipped; a cursor goes further


class Api:
    """Asks for the paths; lies in `app.state.query_api`."""

    def __init__(self, reader: Reader, door: Door, settle: Settle) -> None:
        """Ask `reader`; `door` says whose rows are seen; `settle` writes what is said of an error."""
        self.door = door
        self.live = Live(reader, self.run)
        self.exports = Exports(reader, self.run)
        self._reader, self._settle = reader, settle
        self._slots = anyio.CapacityLimiter(_SLOTS)

    async def run(self, call: Callable[[], Result]) -> Result:
        """Call beside the event loop, where it may wait."""
        return await anyio.to_thread.run_sync(call, limiter=self._slots)

    async def rows(self, question: str, viewer: Viewer, within: Span | None = None, **parameters: Any) -> list[Row]:
        """Ask a question by its file's name.

        Raises:
            AskedTooMuchError: it would take too long or too much memory.
            AwayError: ClickHouse does not answer.
        """
        return await self.run(
            functools.partial(self._reader.rows, questions.text(question), parameters, viewer, within)
        )

    async def settle(self, row: Row) -> None:
        """Write what somebody says of an error.

        Raises:
            AwayError: ClickHouse does not answer.
        """
        try:
            await self.run(functools.partial(self._settle, row))
        except (ClickHouseError, OSError) as error:
            raise AwayError("ClickHouse does not answer", hint="try again in a moment") from error


def _api(request: Request) -> Api:
    api: Api = request.app.state.query_api
    return api


Tenant = Annotated[Text, Query(max_length=64, description="Only this tenant's, where a key sees those of all.")]


def _viewer(request: Request, tenant: Tenant = "") -> Viewer:
    return _api(request).door.viewer(request, tenant)


def _team(request: Request, tenant: Tenant = "") -> Viewer:
    return _api(request).door.team(request, tenant)


def _admin(request: Request) -> tuple[Viewer, Sender]:
    return _api(request).door.admin(request)


async def _seat(request: Request) -> AsyncIterator[None]:
    with _api(request).live.seat():
        yield


Seat = Depends(_seat)
"""Holds a seat of those who listen until the last byte is sent."""
Asking = Annotated[Api, Depends(_api)]
Reading = Annotated[Viewer, Depends(_viewer)]
OfTeam = Annotated[Viewer, Depends(_team)]
OfAdmin = Annotated[tuple[Viewer, Sender], Depends(_admin)]
Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many.")]
Offset = Annotated[int, Query(ge=0, le=_DEEPEST, description="Skip so many; a cursor is faster, and stays in place.")]
Cursor = Annotated[str, Query(max_length=2_000, description="`next` of the answer before: go on behind it.")]
SessionId = Annotated[Text, Path(min_length=1, description="The session's id.")]
Since = Annotated[Moment | None, Query(description="From then on: ISO 8601, in UTC unless it says otherwise.")]
Until = Annotated[Moment | None, Query(description="Before then.")]
Days = Annotated[float, Query(gt=0, le=3_660, description="The last so many days.")]
Word = Annotated[Text, Query()]


def cut(rows: list[Row], limit: int) -> tuple[list[Row], Row | None]:
    """Return the first `limit` rows, and the last of them if there are more: the page goes on behind it."""
    return rows[:limit], rows[limit - 1] if len(rows) > limit else None


def place_of(row: Row, time: str, name: str) -> Place:
    """Return where a row stands in the order of its page."""
    return Place(int(row[time]), str(row[name]))
