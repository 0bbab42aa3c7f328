"""`/api/export`: everything of one kind in a time, as a file."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from collector.query.api.asking import Asking, Reading, Since, Until, Word
from collector.query.api.parameters import nano
from collector.query.api.problems import RESPONSES, NotAnsweredError, Route
from collector.query.export import ALWAYS, Wanted
from collector.query.kinds import MEDIA, Format, What
from collector.query.reader import Span

_FILE: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The file, as it is made. It is whole where the body ends as it should; else the connection "
        "breaks off. `x-total-rows` says beforehand how many rows there will be, where that is known.",
        "content": {media.partition(";")[0]: _FILE for media in MEDIA.values()},
    },
    **RESPONSES,
}

routes = APIRouter(route_class=Route, tags=["export"])


@routes.get("/export", responses=_RESPONSES, response_class=Response)
async def export(
    api: Asking,
    *,
    viewer: Reading,
    what: Annotated[What, Query(description="Sessions and transcripts are those that began in the time.")],
    output_format: Annotated[Format, Query(alias="format", description="jsonl: one object a line.")] = "csv",
    since: Since = None,
    until: Until = None,
    session_id: Word = "",
    user_id: Word = "",
    interaction_type: Word = "",
) -> Response:
    """Export rows in the order of time, transcripts one conversation behind the other."""
    if interaction_type and what not in {"interactions", "errors"}:
        raise NotAnsweredError(
            422, f"what={what} takes no interaction_type", hint="leave it out, or export interactions"
        )
    span = Span(nano(since) if since else ALWAYS.since, nano(until) if until else ALWAYS.until)
    if span.until <= span.since:
        raise NotAnsweredError(422, "until is not after since", hint="exchange them")
    wanted = Wanted(what, span, session_id, user_id, interaction_type)
    return api.exports.response(viewer, wanted, output_format)
