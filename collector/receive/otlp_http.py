"""OTLP over HTTP: POST /v1/traces and its like in protobuf or JSON, plain or compressed."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from collector.access.admission import Admission, Visit
from collector.errors import MethodNotAllowed, NotFound, Refused, UnsupportedMedia
from collector.receive import body, peer, replies
from collector.receive.intake import Intake
from collector.receive.wire import WIRE
from collector.request import Signal

_MEDIA = {replies.PROTOBUF, replies.JSON}


def routes(intake: Intake, admission: Admission) -> list[Route]:
    """Return the OTLP paths, for the application that serves the HTTP port."""

    def route(path: str, signal: Signal) -> Route:
        async def export(request: Request) -> Response:
            return await _export(intake, admission, signal, request)

        return Route(path, export, methods=["POST"])

    return [route(wire.path, signal) for signal, wire in WIRE.items()]


async def _export(intake: Intake, admission: Admission, signal: Signal, request: Request) -> Response:
    media = media_of(request)
    try:
        with visit_of(intake, admission, signal, request) as visit:
            accepting = intake.accept(signal, await _read(intake, signal, request, visit), visit.sender, media)
            receipt = await visit.during(accepting)
    except Refused as refusal:
        return _response(replies.refused(refusal, media))
    except ClientDisconnect:
        return Response(status_code=400)  # nobody reads it
    return _response(replies.accepted(signal, receipt, media))


def visit_of(intake: Intake, admission: Admission, signal: Signal, request: Request) -> Visit:
    """Let a request in of which only the head was read; raises Refused, counted."""
    declared = request.headers.get("content-length", "")
    size = min(int(declared), intake.limit) if declared.isdecimal() else 0
    try:
        return admission.visit(request.headers, peer_of(request), size)
    except Refused as refusal:
        intake.refuse_unread(refusal, signal)
        raise


async def _read(intake: Intake, signal: Signal, request: Request, visit: Visit) -> bytes:
    try:
        require_media(request, _MEDIA, f"send {replies.PROTOBUF} or {replies.JSON}")
        return await body_of(intake, request, visit)
    except Refused as refusal:
        intake.refuse_unread(refusal, signal)
        raise


async def body_of(intake: Intake, request: Request, visit: Visit) -> bytes:
    """Read a request's body, unpacked and within the limit. Raises Refused, ClientDisconnect."""
    encoding = request.headers.get("content-encoding", "").strip().lower()
    async with visit.reading():
        raw = await body.read(request.stream(), encoding, intake.limit, visit.grow)
    visit.arrived(len(raw))
    return raw


def peer_of(request: Request) -> str:
    """Return the address a request comes from, "" for none."""
    if request.client:
        return peer.plain(request.client.host)
    server = request.scope.get("server")  # (path, None) for a Unix socket
    return peer.UNIX if server and server[1] is None else ""


async def refuse(request: Request, refusal: Exception) -> Response:
    """Answer a refusal that a route raised, in the request's encoding."""
    assert isinstance(refusal, Refused)  # noqa: S101 - what it is registered for
    return _response(replies.refused(refusal, media_of(request)))


async def refuse_path(request: Request, error: Exception) -> Response:
    """Answer what no route matched, as OTLP asks: with a Status body."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    path = request.url.path
    refusal: Refused = (
        MethodNotAllowed(f"{request.method} is not allowed on {path}", hint="OTLP is sent with POST")
        if status == 405  # noqa: PLR2004 - Method Not Allowed
        else NotFound(
            f"nothing is served at {path}", hint=f"OTLP goes to {', '.join(wire.path for wire in WIRE.values())}"
        )
    )
    response = _response(replies.refused(refusal, media_of(request)))
    response.headers.update(getattr(error, "headers", None) or {})  # 405 names what is allowed
    return response


async def fail(request: Request, _: Exception) -> Response:
    """Answer a fault of ours with a Status body; the server logs it."""
    return _response(replies.failed(media_of(request)))


def media_of(request: Request) -> str:
    """Return the encoding to answer in: the request's own where we know it, else JSON, which people can read."""
    media = _media(request)
    return media if media in _MEDIA else replies.JSON


def _media(request: Request) -> str:
    return request.headers.get("content-type", "").split(";", 1)[0].strip().lower()


def require_media(request: Request, known: AbstractSet[str], hint: str) -> None:
    """Raise UnsupportedMedia where the content type is none of these; the hint says what to send."""
    if _media(request) not in known:
        given = request.headers.get("content-type") or "none"
        raise UnsupportedMedia(f"content type {given} is not supported", hint=hint)


def _response(reply: replies.HttpReply) -> Response:
    return Response(reply.body, reply.status, reply.headers)
