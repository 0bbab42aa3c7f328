"""`/api/sessions…`: sessions, what was said in one, and how it went."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query

from collector.query.api import answers, cursors
from collector.query.api.asking import (
    SECOND,
    Api,
    Asking,
    Cursor,
    Limit,
    Reading,
    Row,
    SessionId,
    Since,
    Until,
    Word,
    cut,
    place_of,
)
from collector.query.api.items import moment
from collector.query.api.pages import newest
from collector.query.api.parameters import nano
from collector.query.api.problems import RESPONSES, NotAnsweredError, Route
from collector.query.reader import Span
from collector.query.viewer import Viewer

routes = APIRouter(route_class=Route, responses=RESPONSES, tags=["sessions"], prefix="/sessions")
_NEVER: Final = "1970-01-01 00:00:00.000000000"
_TIMES: Final = ("started_at", "last_activity_at", "ended_at")


@routes.get("")
async def sessions(
    api: Asking,
    *,
    viewer: Reading,
    status: Annotated[str, Query(pattern="^(|active|ended|abandoned)$", description="active, ended, abandoned")] = "",
    user_id: Word = "",
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    cursor: Cursor = "",
) -> answers.SessionPage:
    """List sessions, those that began last first; `since` and `until` are about their beginnings."""
    asked: dict[str, Any] = {
        "status": status,
        "user": user_id or viewer.user,
        "since": nano(since),
        "until": nano(until),
    }
    place = cursors.read(cursor, asked)
    more: dict[str, Any] = {"before": place.nano, "before_session": place.id, "limit": limit + 1}
    indexed = bool(asked["user"])
    found = await newest(api, "session_page", viewer, asked, place=place, indexed=indexed, **more)
    shown, last = cut(found, limit)
    return answers.SessionPage(
        sessions=[answers.Session(**_session(row)) for row in shown],
        next=cursors.write(place_of(last, "from_nano", "session_id"), asked) if last else None,
    )


@routes.get("/{session_id:path}/transcript")
async def transcript(api: Asking, viewer: Reading, session_id: SessionId) -> answers.Transcript:
    """Tell what was said in a session, in order, whoever recorded it."""
    question = "session" if viewer.user else "session_range"  # whose a session is, only its whole row tells
    row = await _found(api, viewer, session_id, question)
    return answers.Transcript(session_id=session_id, messages=await _messages(api, viewer, row))


@routes.get("/{session_id:path}/stats")
async def session_stats(api: Asking, viewer: Reading, session_id: SessionId) -> answers.SessionStats:
    """Tell how a session went: messages, response time, duration."""
    row = await _found(api, viewer, session_id)
    only = Viewer(row["tenant"], viewer.user)
    [told] = await api.rows("session_stats", only, _within(row), session=session_id)
    times = [each for each in (told["of_answers"], told["of_calls"]) if each is not None]
    return answers.SessionStats(
        total_messages=row["user_messages"] + row["assistant_responses"],
        conversation_count=max(told["conversations"], 1),
        started_at=moment(row["started_at"]),
        last_activity=moment(row["last_activity_at"]),
        avg_response_time=times[0] if times else None,
        duration_seconds=row["duration_ms"] / 1000,
        is_active=row["status"] == "active",
    )


@routes.get("/{session_id:path}")
async def session(api: Asking, viewer: Reading, session_id: SessionId) -> answers.SessionDetail:
    """Tell everything about one session: its row, and what was said."""
    row = await _found(api, viewer, session_id)
    return answers.SessionDetail(**_session(row), transcript=await _messages(api, viewer, row))


async def _found(api: Api, viewer: Viewer, session_id: str, question: str = "session") -> Row:
    rows = await api.rows(question, viewer, session=session_id)
    if not rows:
        raise NotAnsweredError(404, "there is no such session", hint="GET /api/sessions lists what there is")
    return rows[0]


async def _messages(api: Api, viewer: Viewer, row: Row) -> list[answers.Message]:
    only = Viewer(row["tenant"], viewer.user)
    found = await api.rows("transcript", only, _within(row), session=row["session_id"])
    return [answers.Message(**each | {"ts": moment(each["ts"])}) for each in found]


def _within(row: Row) -> Span:
    """Return when a session was: ClickHouse opens the parts of these days and not of all."""
    return Span(row["from_nano"], row["to_nano"] + SECOND)


def _session(row: Row) -> dict[str, Any]:
    times = {name: None if row[name] == _NEVER else moment(row[name]) for name in _TIMES}
    return {**row, **times}
