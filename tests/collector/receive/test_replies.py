"""Each refusal in the protocols' words."""

from __future__ import annotations

import json

import grpc
import pytest
from google.rpc.status_pb2 import Status

from collector import errors
from collector.receive import replies

REFUSALS = [
    (errors.Malformed, 400, 3, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.TooLarge, 413, 8, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.UnsupportedMedia, 415, 3, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.NotFound, 404, 5, grpc.StatusCode.UNIMPLEMENTED),
    (errors.MethodNotAllowed, 405, 12, grpc.StatusCode.UNIMPLEMENTED),
    (errors.Unauthenticated, 401, 16, grpc.StatusCode.UNAUTHENTICATED),
    (errors.Forbidden, 403, 7, grpc.StatusCode.PERMISSION_DENIED),
    (errors.Retryable, 503, 14, grpc.StatusCode.UNAVAILABLE),
]


def leaves(kind: type[errors.CollectorError]) -> set[type[errors.CollectorError]]:
    """Return the kinds nobody derives from."""
    below = kind.__subclasses__()
    return set().union(*map(leaves, below)) if below else {kind}


def test_every_refusal_has_words() -> None:
    """No refusal can be raised that has no status."""
    assert leaves(errors.Refused) == {kind for kind, *_ in REFUSALS} == set(replies._WORDS)


@pytest.mark.parametrize("media", [replies.PROTOBUF, replies.JSON])
@pytest.mark.parametrize(("kind", "status", "code", "grpc_code"), REFUSALS)
def test_words(kind: type[errors.Refused], status: int, code: int, grpc_code: grpc.StatusCode, media: str) -> None:
    """The status, a google.rpc.Status in the request's encoding, and the hint for whoever reads it."""
    refusal = kind("it did not fit", hint="make it smaller")
    reply = replies.refused(refusal, media)
    assert reply.status == status
    assert reply.headers["content-type"] == media
    if media == replies.JSON:
        assert json.loads(reply.body) == {"code": code, "message": "it did not fit; hint: make it smaller"}
    else:
        parsed = Status.FromString(reply.body)
        assert (parsed.code, parsed.message) == (code, "it did not fit; hint: make it smaller")
    assert replies.grpc_status(refusal) == (grpc_code, "it did not fit; hint: make it smaller")
    assert (reply.headers.get("retry-after") == "2") == (status == 503)
    assert (reply.headers.get("www-authenticate") == "Bearer") == (status == 401)


def test_only_retryable_is_sent_again() -> None:
    """OTLP clients send again on 429, 502, 503, 504 and UNAVAILABLE: for what may succeed later, and nothing else."""
    for kind, status, _, grpc_code in REFUSALS:
        again = issubclass(kind, errors.Retryable)
        assert (status in {429, 502, 503, 504}) == again
        assert (grpc_code is grpc.StatusCode.UNAVAILABLE) == again


def test_long_sentences_are_cut() -> None:
    """A reply stays small, whatever the sentence quotes."""
    refusal = errors.Malformed("x" * 10_000)
    assert len(replies.refused(refusal, replies.PROTOBUF).body) < 2000
    assert len(replies.grpc_status(refusal)[1]) <= 1024


@pytest.mark.parametrize(("media", "body"), [(replies.PROTOBUF, b""), (replies.JSON, b"{}")])
def test_accepted(media: str, body: bytes) -> None:
    """Full success is an empty response in the request's encoding, partial_success unset."""
    assert replies.accepted(media) == replies.HttpReply(200, {"content-type": media}, body)
