"""`POST /api/interactions/log` and `POST /api/log-interaction`: JSON in, the fate of each item out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any, Final

import orjson
from fastapi import Body, Header, Query
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from collector.access.admission import Admission, Visit
from collector.errors import Malformed, Refused
from collector.receive import replies
from collector.receive.duplicates import Mark
from collector.receive.intake import Intake
from collector.receive.json_api import events, interactions
from collector.receive.json_api.batch import Batch, ReadItem, Rejected, convert
from collector.receive.otlp_http import body_of, require_media, visit_of
from collector.request import Signal

PLAIN: Final = "text/plain"  # what navigator.sendBeacon can send to another origin without asking it first
_INLINE_BYTES = 4 << 10  # a larger body is converted on another thread: an item costs about 100 us, and others wait
_SWITCH: Final = {None: False, "false": False, "0": False, "true": True, "1": True, "": True}

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class LogAnswer(BaseModel):
    """What became of a batch."""

    accepted: int = Field(description="Items that are stored, durably: they survive a crash from here on.")
    rejected: list[Rejected] = Field(description="Items that are not as they must be, with the reason.")
    error: str = Field(default="", description="Why the request as a whole was refused; empty if it was not.")


class InteractionBatch(BaseModel):
    """A batch; fields beside the array hold for every item that has no such field of its own."""

    interactions: list[interactions.Logged]


class LogBatch(BaseModel):
    """A batch under the name `logs`; otherwise as `interactions`."""

    logs: list[interactions.Logged]


class EventBatch(BaseModel):
    """A batch; fields beside the array hold for every item that has no such field of its own."""

    events: list[events.Logged]


def routes(intake: Intake, admission: Admission) -> list[BaseRoute]:
    """Return the JSON paths, for the application that serves the HTTP port."""
    return [
        _Route("/api/interactions/log", log_interactions, _handler(intake, admission, interactions.read)),
        _Route("/api/log-interaction", log_events, _handler(intake, admission, events.read)),
    ]


class _Route(APIRoute):
    """A path whose function only says in its signature what comes in; the handler reads the body itself.

    FastAPI would read a body without a bound, take it for JSON by its content type only, and answer with the first
    thing that is wrong instead of item by item. So it makes the OpenAPI document, and no more.
    """

    def __init__(self, path: str, documented: Callable[..., None], handler: Handler) -> None:
        self._handler = handler
        super().__init__(
            path,
            documented,
            methods=["POST"],
            response_model=LogAnswer,
            response_description="Stored, durably: all items, or with partial the good ones.",
            responses=_RESPONSES,
            openapi_extra=_PLAIN_TOO,
        )

    def get_route_handler(self) -> Handler:
        """Return what answers a request."""
        return self._handler


_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": LogAnswer, "description": "Nothing is stored: an item is rejected, or the body is no JSON."},
    413: {
        "model": LogAnswer,
        "description": "Nothing is stored: too many bytes, counted after decompression, or items.",
    },
    415: {"model": LogAnswer, "description": "Nothing is stored: a content type or encoding that is not read."},
    422: {"model": LogAnswer, "description": "Nothing is stored: another body came under the same Idempotency-Key."},
    503: {"model": LogAnswer, "description": "Nothing is stored: not now; send it again after Retry-After seconds."},
    "4XX": {"model": LogAnswer, "description": "Nothing is stored."},
}
_PLAIN_TOO: Final = {
    "requestBody": {
        "content": {
            PLAIN: {"schema": {"type": "string", "description": "The same JSON, as navigator.sendBeacon sends it."}}
        }
    }
}
_Partial = Annotated[
    bool,
    Query(description="Store the good items although others are rejected. Without it a batch is stored whole or not."),
]
_Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="A text that no other request of this tenant has, such as a UUID; send it again with the request. "
        "For as long as --duplicate-window-seconds says, the same body is then acknowledged and not stored again, and "
        "another body is refused. Without a key a body is recognised by its bytes, if each of its items has an id or a "
        "timestamp; one in which an item has neither is stored each time it comes, as somebody may have done the same "
        "twice.",
    ),
]


def log_interactions(
    body: Annotated[interactions.Logged | list[interactions.Logged] | InteractionBatch | LogBatch, Body()],
    *,
    partial: _Partial = False,
    idempotency_key: _Key = None,
) -> None:
    """Log interactions of sessions: one, an array, or an object that holds an array.

    Names in camelCase and in snake_case are the same. What no field names is kept as JSON. The answer comes once all of
    it is on disk. If it does not come, send the same bytes again: with an Idempotency-Key, or with an id or a timestamp
    in each item, they are stored once.
    """


def log_events(
    body: Annotated[events.Logged | list[events.Logged] | EventBatch, Body()],
    *,
    partial: _Partial = False,
    idempotency_key: _Key = None,
) -> None:
    """Log events of a user interface or a system: one, an array, or an object that holds an array.

    The kind of an event follows from its fields. Names in camelCase and in snake_case are the same. What no field names
    is kept as JSON. The answer comes once all of it is on disk. If it does not come, send the same bytes again: with an
    Idempotency-Key, or with an id or a timestamp in each item, they are stored once.
    """


def _handler(intake: Intake, admission: Admission, read_item: ReadItem) -> Handler:
    async def handle(request: Request) -> Response:
        try:
            with visit_of(intake, admission, Signal.TRACES, request) as visit:
                batch, partial, mark = await _read(intake, visit, request, read_item)
                if batch.rejected and not (partial and batch.accepted):
                    _count_rejected(intake, batch)
                    return _answer(400, LogAnswer(accepted=0, rejected=batch.rejected))
                rejected = len(batch.rejected)
                accepting = intake.accept(Signal.TRACES, batch.otlp, visit.sender, mark=mark, rejected=rejected)
                await visit.during(accepting)
        except Refused as refusal:
            reply = replies.refused(refusal, replies.JSON)
            return _answer(reply.status, LogAnswer(accepted=0, rejected=[], error=str(refusal)), reply.headers)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        return _answer(200, LogAnswer(accepted=batch.accepted, rejected=batch.rejected))

    return handle


def _count_rejected(intake: Intake, batch: Batch) -> None:
    """Count a batch that is refused whole: the good items with the bad ones."""
    rejected = len(batch.rejected)
    refusal = Malformed(f"{rejected} items are rejected")
    intake.refuse_read(refusal, Signal.TRACES, size=len(batch.otlp), items=batch.spans, rejected=rejected)


async def _read(intake: Intake, visit: Visit, request: Request, read_item: ReadItem) -> tuple[Batch, bool, Mark]:
    """Return a request's batch, whether its good items are wanted without the others, and what it is recognised by."""
    try:
        require_media(request, {replies.JSON, PLAIN}, f"send {replies.JSON}, or JSON as {PLAIN}")
        partial = _wants_partial(request)
        raw = await body_of(intake, request, visit)
        now_ns = time.time_ns()
        if len(raw) <= _INLINE_BYTES:
            batch = convert(raw, read_item, now_ns)
        else:
            batch = await asyncio.to_thread(convert, raw, read_item, now_ns)
        return batch, partial, _mark(intake, visit, request, raw, batch)
    except Refused as refusal:
        intake.refuse_unread(refusal, Signal.TRACES)
        raise


def _mark(intake: Intake, visit: Visit, request: Request, raw: bytes, batch: Batch) -> Mark:
    """Return what a body is recognised by: its bytes as they came, for what they became may hold the time of receipt.

    Without a key, equal bytes without ids and times may well be two people who did the same: they are nothing to go by.
    """
    key = request.headers.get("idempotency-key", "").strip()
    if not key and not batch.is_one_of_a_kind:
        return Mark(b"")
    return intake.mark(Signal.TRACES, visit.sender, raw, request.url.path, key)


def _wants_partial(request: Request) -> bool:
    given = request.query_params.get("partial")
    wanted = _SWITCH.get(None if given is None else given.lower())
    if wanted is None:
        raise Malformed(f"partial is {given}; it should be true or false")
    return wanted


def _answer(status: int, answer: LogAnswer, headers: Mapping[str, str] | None = None) -> Response:
    content = answer.model_dump(exclude_defaults=True)
    return Response(orjson.dumps(content), status, {**(headers or {}), "content-type": replies.JSON})
