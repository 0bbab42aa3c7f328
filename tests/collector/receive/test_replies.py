"""Each refusal in the protocols' words."""

from __future__ import annotations

import json
from base64 import b64encode
from urllib.parse import quote

import grpc
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status

from collector import errors
from collector.receive import replies
from collector.receive.wire import WIRE
from collector.request import Receipt, Signal

REFUSALS = [
    (errors.Malformed, 400, 3, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.TooLarge, 413, 8, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.KeyReused, 422, 3, grpc.StatusCode.INVALID_ARGUMENT),
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


MEDIA = [replies.PROTOBUF, replies.JSON]


def status_of(reply: replies.HttpReply) -> Status:
    """Return the google.rpc.Status of an error, in either encoding."""
    assert reply.headers["content-type"] in MEDIA
    if reply.headers["content-type"] == replies.JSON:
        return json_format.Parse(reply.body, Status())
    return Status.FromString(reply.body)


def detail(status: Status, kind: type[Message]) -> Message:
    """Return the one detail of a status."""
    (packed,) = status.details
    found = kind()
    assert packed.Unpack(found)
    return found


@pytest.mark.parametrize("media", MEDIA)
@pytest.mark.parametrize(("kind", "status", "code", "grpc_code"), REFUSALS)
def test_words(kind: type[errors.Refused], status: int, code: int, grpc_code: grpc.StatusCode, media: str) -> None:
    """The status, a google.rpc.Status in the request's encoding, and the hint for whoever reads it."""
    sentence = "it did not fit; hint: make it smaller"
    refusal = kind("it did not fit", hint="make it smaller")
    reply = replies.refused(refusal, media)
    assert reply.status == status
    assert reply.headers["content-type"] == media
    assert (status_of(reply).code, status_of(reply).message) == (code, sentence)
    no = replies.grpc_refused(refusal)
    assert (no.code, no.sentence) == (grpc_code, sentence)
    (_, raw), *_ = no.trailers
    assert (Status.FromString(raw).code, Status.FromString(raw).message) == (grpc_code.value[0], sentence)
    assert ("retry-after" in reply.headers) == (status == 503)
    assert (reply.headers.get("www-authenticate") == "Bearer") == (status == 401)


def test_json_is_as_the_specification_writes_it() -> None:
    """Keys in lowerCamelCase, 64-bit integers as text, details with their type."""
    refusal = errors.Malformed("no", violations=[("resourceSpans[0]", "must be an object")])
    assert json.loads(replies.refused(refusal, replies.JSON).body) == {
        "code": 3,
        "message": "no",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [{"field": "resourceSpans[0]", "description": "must be an object"}],
            }
        ],
    }
    assert json.loads(replies.accepted(Signal.TRACES, Receipt(2, "why"), replies.JSON).body) == {
        "partialSuccess": {"rejectedSpans": "2", "errorMessage": "why"}
    }


@pytest.mark.parametrize("media", MEDIA)
def test_bad_requests_name_the_fields(media: str) -> None:
    """A malformed body: BadRequest details with the path of each field, or the sentence for the body as a whole."""
    for violations, expected in (
        ([("a.b", "is bad"), ("c", "too")], [("a.b", "is bad"), ("c", "too")]),
        ([], [("", "no")]),
    ):
        refusal = errors.Malformed("no", violations=violations)
        (_, raw), *_ = replies.grpc_refused(refusal).trailers
        for status in (status_of(replies.refused(refusal, media)), Status.FromString(raw)):
            found = detail(status, BadRequest).field_violations
            assert [(each.field, each.description) for each in found] == expected


@pytest.mark.parametrize(
    ("seconds", "header", "exact"), [(None, "2", 2.0), (5, "5", 5.0), (2.4, "3", 2.4), (0, "1", 0.0), (0.2, "1", 0.2)]
)
def test_pause(seconds: float | None, header: str, exact: float) -> None:
    """`retry_after` becomes whole seconds over HTTP, at least one, and exact ones in the details of both protocols."""
    refusal = errors.Retryable("not now", retry_after=seconds)
    reply = replies.refused(refusal, replies.PROTOBUF)
    assert reply.headers["retry-after"] == header
    trailers = dict(replies.grpc_refused(refusal).trailers)
    infos = [
        detail(status_of(reply), RetryInfo),
        detail(Status.FromString(trailers["grpc-status-details-bin"]), RetryInfo),
        RetryInfo.FromString(trailers["google.rpc.retryinfo-bin"]),
    ]
    assert [info.retry_delay.ToNanoseconds() / 1e9 for info in infos] == [exact] * 3


def test_only_retryable_is_sent_again() -> None:
    """OTLP clients send again on 429, 502, 503, 504 and UNAVAILABLE: for what may succeed later, and nothing else."""
    for kind, status, _, grpc_code in REFUSALS:
        again = issubclass(kind, errors.Retryable)
        assert (status in {429, 502, 503, 504}) == again
        assert (grpc_code is grpc.StatusCode.UNAVAILABLE) == again


def test_only_retryable_says_when() -> None:
    """RetryInfo stands only where sending again may help: RESOURCE_EXHAUSTED with it would be sent again."""
    for kind, *_ in REFUSALS:
        no = replies.grpc_refused(kind("no"))
        says = "google.rpc.retryinfo-bin" in dict(no.trailers)
        status = Status.FromString(no.trailers[0][1])
        assert (
            says == any(each.Is(RetryInfo.DESCRIPTOR) for each in status.details) == issubclass(kind, errors.Retryable)
        )


@pytest.mark.parametrize("letter", ["x", "€", "😀", "\ud800"])
def test_long_sentences_are_cut(letter: str) -> None:
    """A reply stays small whatever it quotes, also in gRPC's headers, where text is escaped and bytes are base64."""
    long = letter * 10_000
    refusal = errors.Malformed(long, violations=[(long, long)] * 4)
    for media in MEDIA:
        assert len(replies.refused(refusal, media).body) < 16_000
        assert len(replies.accepted(Signal.LOGS, Receipt(1, long), media).body) < 8000
    no = replies.grpc_refused(refusal)
    headers = len(quote(no.sentence)) + sum(len(b64encode(raw)) for _, raw in no.trailers)
    assert headers < 8000


@pytest.mark.parametrize("signal", Signal)
def test_accepted(signal: Signal) -> None:
    """Full success is an empty response in the request's encoding, partial_success unset."""
    for media, body in ((replies.PROTOBUF, b""), (replies.JSON, b"{}")):
        assert replies.accepted(signal, Receipt(), media) == replies.HttpReply(200, {"content-type": media}, body)
    assert replies.grpc_accepted(signal, Receipt()) == b""


@pytest.mark.parametrize("signal", Signal)
def test_accepted_in_part(signal: Signal) -> None:
    """Partial success says how many records were refused and why, the same in both protocols and encodings."""
    wire = WIRE[signal]
    receipt = Receipt(3, "why")
    responses = [
        wire.response.FromString(replies.accepted(signal, receipt, replies.PROTOBUF).body),
        json_format.Parse(replies.accepted(signal, receipt, replies.JSON).body, wire.response()),
        wire.response.FromString(replies.grpc_accepted(signal, receipt)),
    ]
    for response in responses:
        partial = response.partial_success
        assert (getattr(partial, wire.rejected), partial.error_message) == (3, "why")
