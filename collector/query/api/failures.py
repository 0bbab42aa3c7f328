"""`/api/errors…`: what failed, and that it is settled."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Path, Query

from collector.query.api import answers, cursors
from collector.query.api.asking import (
    Asking,
    Cursor,
    Limit,
    OfAdmin,
    Reading,
    Since,
    Until,
    Word,
    cut,
    place_of,
)
from collector.query.api.items import item
from collector.query.api.pages import interactions_of, newest
from collector.query.api.parameters import Text, nano
from collector.query.api.problems import RESPONSES, NotAnsweredError, Route

routes = APIRouter(route_class=Route, responses=RESPONSES, tags=["errors"], prefix="/errors")
_ID: Final = re.compile(r"([0-9a-f]{32})-([0-9a-f]{16})")


@routes.get("")
async def errors(
    api: Asking,
    *,
    viewer: Reading,
    resolved: Annotated[bool | None, Query(description="Only those that are settled, or that are not.")] = None,
    session_id: Word = "",
    since: Since = None,
    until: Until = None,
    limit: Limit = 50,
    cursor: Cursor = "",
) -> answers.FailurePage:
    """List errors, the newest first: each `error`, and whatever failed, save the end of a session that did."""
    asked: dict[str, Any] = {
        "resolved": "" if resolved is None else str(resolved).lower(),
        "session": session_id,
        "since": nano(since),
        "until": nano(until),
    }
    place = cursors.read(cursor, asked)
    more: dict[str, Any] = {"before": place.nano, "before_span": place.id, "limit": limit + 1}
    indexed = bool(session_id or viewer.user)
    keys, last = cut(await newest(api, "errors_keys", viewer, asked, place=place, indexed=indexed, **more), limit)
    settled = {(key["trace_id"], key["span_id"]): key["resolved"] for key in keys}
    shown = await interactions_of(api, viewer, keys)
    return answers.FailurePage(
        errors=[answers.Failure(**item(row), resolved=settled[row["trace_id"], row["span_id"]]) for row in shown],
        next=cursors.write(place_of(last, "nano", "span_id"), asked) if last else None,
    )


@routes.post("/{error_id}/resolve")
async def resolve(
    api: Asking,
    *,
    admin: OfAdmin,
    error_id: Annotated[Text, Path(description="`id` of the error.")],
    said: Annotated[answers.Resolution | None, Body()] = None,
) -> answers.Resolved:
    """Say that an error is settled, or with `resolved` false that it is not. The last word holds."""
    viewer, sender = admin
    ids, word = _ID.fullmatch(error_id), said or answers.Resolution(resolved=True, note="")
    found = await api.rows("error", viewer, trace=ids[1], span=ids[2]) if ids else []
    if not found:
        raise NotAnsweredError(404, "there is no such error", hint="GET /api/errors lists what there is")
    now = datetime.now(UTC)
    row = {**found[0], "resolved": word.resolved, "note": word.note, "said_by": sender.key, "said_at": now.timestamp()}
    await api.settle(row)
    return answers.Resolved(
        id=error_id, resolved=word.resolved, note=word.note, said_by=sender.key, said_at=now.isoformat()
    )
