"""The one place that turns an outcome into the protocols' words: HTTP status and Status body, gRPC status.

OTLP 1.11: every 4xx and 5xx carries a google.rpc.Status in the request's own encoding; only 429, 502, 503, 504 (HTTP)
and UNAVAILABLE and its like (gRPC) are sent again by clients. 503 rather than 429 for "not now": Python exporters
before 1.45 drop a batch on 429.

Everything is bounded: a reply stays far below OTLP's 4 MiB, and gRPC's headers, which hold the whole refusal twice,
below the 8 KiB a client takes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status

from collector.errors import (
    Forbidden,
    KeyReused,
    Malformed,
    MethodNotAllowed,
    NotFound,
    Refused,
    Retryable,
    TooLarge,
    Unauthenticated,
    UnsupportedMedia,
)
from collector.receive.wire import WIRE
from collector.request import Receipt, Signal

PROTOBUF, JSON = "application/x-protobuf", "application/json"
_RETRY_SECONDS = 2.0  # the Python exporter gives up when the pause passes its own 10 s budget
_LONGEST_SENTENCE, _LONGEST_DETAIL = 1024, 256  # bytes
_FAILED = Status(code=Code.INTERNAL, message="the collector failed on this request; its log says why")


@dataclass(frozen=True, slots=True)
class _Words:
    http: int
    code: int
    grpc: grpc.StatusCode


_WORDS: dict[type[Refused], _Words] = {
    Malformed: _Words(400, Code.INVALID_ARGUMENT, grpc.StatusCode.INVALID_ARGUMENT),
    TooLarge: _Words(413, Code.RESOURCE_EXHAUSTED, grpc.StatusCode.RESOURCE_EXHAUSTED),
    KeyReused: _Words(422, Code.INVALID_ARGUMENT, grpc.StatusCode.INVALID_ARGUMENT),
    UnsupportedMedia: _Words(415, Code.INVALID_ARGUMENT, grpc.StatusCode.INVALID_ARGUMENT),
    NotFound: _Words(404, Code.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED),
    MethodNotAllowed: _Words(405, Code.UNIMPLEMENTED, grpc.StatusCode.UNIMPLEMENTED),
    Unauthenticated: _Words(401, Code.UNAUTHENTICATED, grpc.StatusCode.UNAUTHENTICATED),
    Forbidden: _Words(403, Code.PERMISSION_DENIED, grpc.StatusCode.PERMISSION_DENIED),
    Retryable: _Words(503, Code.UNAVAILABLE, grpc.StatusCode.UNAVAILABLE),
}


@dataclass(frozen=True, slots=True)
class HttpReply:
    """Status code, headers and body of an HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class GrpcRefusal:
    """Code, sentence and trailing metadata of a call that ends without an answer."""

    code: grpc.StatusCode
    sentence: str
    trailers: tuple[tuple[str, bytes], ...]


def accepted(signal: Signal, receipt: Receipt, media: str) -> HttpReply:
    """Success over HTTP, in the request's encoding."""
    return HttpReply(200, {"content-type": media}, _encode(_response(signal, receipt), media))


def grpc_accepted(signal: Signal, receipt: Receipt) -> bytes:
    """Success over gRPC."""
    return _response(signal, receipt).SerializeToString()


def _response(signal: Signal, receipt: Receipt) -> Message:
    """Make an export response; `partial_success` stays unset where everything was fine."""
    wire = WIRE[signal]
    response = wire.response()
    if receipt.rejected or receipt.message:
        partial: Any = response.partial_success  # type: ignore[attr-defined]  # every export response has it
        setattr(partial, wire.rejected, receipt.rejected)
        partial.error_message = _bounded(receipt.message, _LONGEST_SENTENCE)
    return response


def refused(refusal: Refused, media: str) -> HttpReply:
    """Say no over HTTP, in the request's encoding."""
    words = _WORDS[type(refusal)]
    headers = {"content-type": media}
    if isinstance(refusal, Retryable):
        headers["retry-after"] = str(max(1, math.ceil(_pause(refusal))))
    if isinstance(refusal, Unauthenticated):
        headers["www-authenticate"] = "Bearer"
    return HttpReply(words.http, headers, _encode(_status(refusal, words.code), media))


def failed(media: str) -> HttpReply:
    """Say over HTTP that the fault is ours; OTLP clients do not send again on 500."""
    return HttpReply(500, {"content-type": media}, _encode(_FAILED, media))


def grpc_failed() -> GrpcRefusal:
    """Say over gRPC that the fault is ours; OTLP clients do not send again on INTERNAL."""
    details = (("grpc-status-details-bin", _FAILED.SerializeToString()),)
    return GrpcRefusal(grpc.StatusCode.INTERNAL, _FAILED.message, details)


def grpc_refused(refusal: Refused) -> GrpcRefusal:
    """Say no over gRPC; the trailers hold the same Status that HTTP has as its body."""
    words = _WORDS[type(refusal)]
    status = _status(refusal, words.grpc.value[0])
    trailers = [("grpc-status-details-bin", status.SerializeToString())]
    if isinstance(refusal, Retryable):  # the name under which OpenTelemetry's Python exporter looks for it
        trailers.append(("google.rpc.retryinfo-bin", _retry_info(refusal).SerializeToString()))
    return GrpcRefusal(words.grpc, status.message, tuple(trailers))


def _status(refusal: Refused, code: int) -> Status:
    status = Status(code=code, message=_bounded(str(refusal), _LONGEST_SENTENCE))
    if isinstance(refusal, Malformed):
        status.details.add().Pack(_bad_request(refusal))
    if isinstance(refusal, Retryable):
        status.details.add().Pack(_retry_info(refusal))
    return status


def _bad_request(refusal: Malformed) -> BadRequest:
    details = BadRequest()
    for path, why in refusal.violations or [("", str(refusal))]:  # no path: the body as a whole
        details.field_violations.add(field=_bounded(path, _LONGEST_DETAIL), description=_bounded(why, _LONGEST_DETAIL))
    return details


def _retry_info(refusal: Retryable) -> RetryInfo:
    info = RetryInfo()
    info.retry_delay.FromNanoseconds(round(_pause(refusal) * 1e9))
    return info


def _pause(refusal: Retryable) -> float:
    return _RETRY_SECONDS if refusal.retry_after is None else refusal.retry_after


def _encode(message: Message, media: str) -> bytes:
    if media == JSON:
        return json_format.MessageToJson(message, indent=None).encode()
    return message.SerializeToString()


def _bounded(text: str, most: int) -> str:
    """Cut a text to so many bytes of UTF-8."""
    return text.encode(errors="replace")[:most].decode(errors="ignore")
