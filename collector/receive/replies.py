"""The one place that turns an outcome into the protocols' words: HTTP status and Status body, gRPC status.

OTLP 1.11: every 4xx and 5xx carries a google.rpc.Status in the request's own encoding; only 429, 502, 503, 504 (HTTP)
and UNAVAILABLE and its like (gRPC) are sent again by clients. 503 rather than 429 for "not now": Python exporters
before 1.45 drop a batch on 429.
"""

from __future__ import annotations

from dataclasses import dataclass

import grpc
from google.protobuf import json_format
from google.rpc.code_pb2 import Code
from google.rpc.status_pb2 import Status

from collector.errors import (
    Forbidden,
    Malformed,
    MethodNotAllowed,
    NotFound,
    Refused,
    Retryable,
    TooLarge,
    Unauthenticated,
    UnsupportedMedia,
)

PROTOBUF, JSON = "application/x-protobuf", "application/json"
RETRY_AFTER_SECONDS = 2  # the Python exporter gives up when the pause passes its own 10 s budget
_LONGEST_MESSAGE = 1024  # characters; a reply must stay far below OTLP's 4 MiB


@dataclass(frozen=True, slots=True)
class _Words:
    http: int
    code: int
    grpc: grpc.StatusCode


_WORDS: dict[type[Refused], _Words] = {
    Malformed: _Words(400, Code.INVALID_ARGUMENT, grpc.StatusCode.INVALID_ARGUMENT),
    TooLarge: _Words(413, Code.RESOURCE_EXHAUSTED, grpc.StatusCode.RESOURCE_EXHAUSTED),
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


def accepted(media: str) -> HttpReply:
    """Full success: an empty export response, `partial_success` unset."""
    return HttpReply(200, {"content-type": media}, b"{}" if media == JSON else b"")


def refused(refusal: Refused, media: str) -> HttpReply:
    """Say no over HTTP, in the request's encoding."""
    words = _WORDS[type(refusal)]
    status = Status(code=words.code, message=str(refusal)[:_LONGEST_MESSAGE])
    body = json_format.MessageToJson(status, indent=None).encode() if media == JSON else status.SerializeToString()
    headers = {"content-type": media}
    if isinstance(refusal, Retryable):
        headers["retry-after"] = str(RETRY_AFTER_SECONDS)
    if isinstance(refusal, Unauthenticated):
        headers["www-authenticate"] = "Bearer"
    return HttpReply(words.http, headers, body)


def grpc_status(refusal: Refused) -> tuple[grpc.StatusCode, str]:
    """Say no over gRPC."""
    return _WORDS[type(refusal)].grpc, str(refusal)[:_LONGEST_MESSAGE]
