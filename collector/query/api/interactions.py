"""`/api/interactions/…`, `/api/users/{id}/history`, `/api/live`: interactions one by one, counted, as they come."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Path
from fastapi.sse import EventSourceResponse, ServerSentEvent

from collector.query.api import answers, cursors
from collector.query.api.asking import (
    SECOND,
    Api,
    Asking,
    Cursor,
    Days,
    Limit,
    Offset,
    Reading,
    Row,
    Seat,
    Since,
    Until,
    Word,
    cut,
    place_of,
)
from collector.query.api.cursors import Place
from collector.query.api.items import item
from collector.query.api.live import Wanted
from collector.query.api.pages import interactions_of, newest
from collector.query.api.parameters import Text, nano
from collector.query.api.problems import RESPONSES, Route
from collector.query.viewer import Viewer

_EVENT_ID: Final = re.compile(r"(\d{1,18}|[1-8]\d{18})-([0-9a-f]*)")
_RECENT: Final = 5 * SECOND  # who comes without an id hears what just happened
routes = APIRouter(route_class=Route, responses=RESPONSES, tags=["interactions"])


@routes.get("/interactions/log")
async def interactions(
    api: Asking,
    *,
    viewer: Reading,
    session_id: Word = "",
    user_id: Word = "",
    interaction_type: Word = "",
    category: Word = "",
    severity: Word = "",
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    offset: Offset = 0,
    cursor: Cursor = "",
) -> answers.InteractionPage:
    """List interactions, the newest first."""
    asked = {
        "session": session_id,
        "user": user_id,
        "type": interaction_type,
        "category": category,
        "severity": severity,
        "since": nano(since),
        "until": nano(until),
    }
    return await _page(api, viewer, asked, cursor=cursor, limit=limit, offset=offset)


@routes.get("/users/{user_id:path}/history")
async def history(
    api: Asking,
    *,
    viewer: Reading,
    user_id: Annotated[Text, Path(min_length=1, description="The user's id.")],
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    cursor: Cursor = "",
) -> answers.InteractionPage:
    """List what one user did, the newest first."""
    asked = {"session": "", "user": user_id, "type": "", "category": "", "severity": ""}
    return await _page(
        api, viewer, asked | {"since": nano(since), "until": nano(until)}, cursor=cursor, limit=limit, offset=0
    )


async def _page(
    api: Api, viewer: Viewer, asked: dict[str, Any], *, cursor: str, limit: int, offset: int
) -> answers.InteractionPage:
    place = cursors.read(cursor, asked)
    (shown, last), [counted] = await asyncio.gather(
        _shown(api, viewer, asked, place=place, limit=limit, offset=offset), api.rows("log_count", viewer, **asked)
    )
    return answers.InteractionPage(
        interactions=[answers.Interaction.model_construct(**item(row)) for row in shown],
        total=counted["total"],
        next=cursors.write(place_of(last, "nano", "span_id"), asked) if last else None,
    )


async def _shown(
    api: Api, viewer: Viewer, asked: dict[str, Any], *, place: Place, limit: int, offset: int
) -> tuple[list[Row], Row | None]:
    more = {"before": place.nano, "before_span": place.id, "limit": limit + 1, "offset": offset}
    indexed = bool(asked["session"] or asked["user"] or viewer.user)
    keys, last = cut(await newest(api, "log_keys", viewer, asked, place=place, indexed=indexed, **more), limit)
    return await interactions_of(api, viewer, keys), last


@routes.get("/interactions/stats")
async def stats(api: Asking, viewer: Reading, days: Days = 7.0) -> answers.Stats:
    """Count interactions by day (UTC) and type, and sessions."""
    until = datetime.now(UTC)
    times: dict[str, Any] = {
        "since": f"{(until - timedelta(days=days)).timestamp():.3f}",
        "until": f"{until.timestamp():.3f}",
    }
    if viewer.user:
        [row] = await api.rows("stats_of_user", viewer, **times)
        return _stats_of_user(row)
    [row] = await api.rows("stats", viewer, **times, tenant=viewer.tenant)
    return answers.Stats(**row)


def _stats_of_user(row: Row) -> answers.Stats:
    daily: dict[str, dict[str, int]] = {}
    for day, kind, number in row["of_day"]:
        daily.setdefault(day, {})[kind] = number
    return answers.Stats(
        total_interactions=row["total_interactions"],
        total_sessions=row["total_sessions"],
        interaction_types=row["interaction_types"],
        daily_breakdown={day: types | {"total": sum(types.values())} for day, types in sorted(daily.items())},
    )


@routes.get("/live", response_class=EventSourceResponse, dependencies=[Seat])
async def live(
    api: Asking,
    *,
    viewer: Reading,
    session_id: Word = "",
    user_id: Word = "",
    interaction_type: Word = "",
    category: Word = "",
    severity: Word = "",
    last_event_id: Annotated[str, Header(max_length=60)] = "",
) -> AsyncIterator[ServerSentEvent]:
    """Send interactions as they are stored, as server-sent events; a browser that comes back goes on where it was."""
    wanted = Wanted(session_id, user_id, interaction_type, category, severity)
    heard = _EVENT_ID.fullmatch(last_event_id)
    since = Place(int(heard[1]), heard[2]) if heard else Place(time.time_ns() - _RECENT)
    async for row in api.live.listen(viewer, wanted, since):
        yield ServerSentEvent(data=item(row), event="interaction", id=f"{row['received_nano']}-{row['span_id']}")
