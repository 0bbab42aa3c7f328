"""OTLP over gRPC: the Export method of each signal, on raw bytes.

No serializer is registered, so a request stays bytes from the socket to the journal; gRPC itself inflates gzip and
deflate, knows no zstd, and bounds the size while it does. A message beyond the limit it refuses in its own words, and
shows us what it shows of a client that left: the end of the stream. To tell them apart we would have to take larger
messages than there is room for. So both count as `no_message`.

The methods are served as streams of one message, which is the same on the wire. So who calls is known before the
message is read, and it is read when there is room for it: until then the sender keeps all but the first 64 KiB
(HTTP/2's window). How large a message is nobody knows before it is whole, so room is taken for the largest there may
be, and the rest given back when it is there.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable

import grpc

from collector.access.admission import Admission, Visit
from collector.datadir import address
from collector.errors import Malformed, Refused, StartError
from collector.receive import peer, replies
from collector.receive.intake import Intake
from collector.receive.wire import WIRE
from collector.request import Signal
from collector.tls import Tls

log = logging.getLogger(__name__)

_BOUNDS = {
    "grpc.max_concurrent_streams": 1000,  # a connection; what passes it gRPC refuses in words of its own
    "grpc.http2.bdp_probe": 0,  # it would let a fast sender have megabytes on their way, unread
    "grpc.keepalive_time_ms": 60_000,  # a peer that vanished is noticed
    "grpc.keepalive_timeout_ms": 20_000,
    "grpc.server_handshake_timeout_ms": 10_000,
}

Context = grpc.aio.ServicerContext[bytes, bytes]
Export = Callable[[object, Context], Awaitable[bytes]]


def server(
    intake: Intake, admission: Admission, host: str, port: int, *, connections: int, tls: Tls | None = None
) -> tuple[grpc.aio.Server, int]:
    """Build a server bound to host:port; return it, not yet started, with the port it got.

    Raises:
        StartError: the port is taken or the address is not ours.
    """
    made = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", intake.limit),
            ("grpc.so_reuseport", 0),  # a taken port must be an error, not a second listener
            ("grpc.max_allowed_incoming_connections", connections),
            *_BOUNDS.items(),
        ]
    )
    for signal, wire in WIRE.items():
        handler = grpc.stream_unary_rpc_method_handler(_export(intake, admission, signal))
        made.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(wire.service, {"Export": handler}),))
    where = address(host, port)
    try:
        bound = made.add_secure_port(where, _credentials(tls)) if tls else made.add_insecure_port(where)
    except RuntimeError as error:
        raise StartError(
            f"port {port} on {host} cannot be opened for OTLP/gRPC",
            hint="stop the program that holds it, or choose another with --grpc-port (0 picks a free one)",
        ) from error
    return made, bound


def bind_unix(made: grpc.aio.Server, path: str) -> None:
    """Let a server that is not yet started listen at a Unix socket too; without TLS, the file's mode guards it."""
    made.add_insecure_port(f"unix:{path}")


def _credentials(tls: Tls) -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials(
        [(tls.key, tls.certificate)],
        root_certificates=tls.client_ca or None,
        require_client_auth=bool(tls.client_ca),
    )


def _export(intake: Intake, admission: Admission, signal: Signal) -> Export:
    async def export(_: object, context: Context) -> bytes:
        try:
            with _visit(intake, admission, signal, context) as visit:
                body = await _read(intake, visit, signal, context)
                accepting = intake.accept(signal, body, visit.sender)
                del body  # `accept` lets go of it as soon as there is a copy
                receipt = await visit.during(accepting)
        except Refused as refusal:
            return await _say_no(context, replies.grpc_refused(refusal))
        except Exception:
            log.exception("OTLP/gRPC: a request of %s failed", signal.name.lower())
            return await _say_no(context, replies.grpc_failed())
        return replies.grpc_accepted(signal, receipt)

    return export


async def _say_no(context: Context, refusal: replies.GrpcRefusal) -> bytes:
    with contextlib.suppress(grpc.aio.InternalError):  # the client left: nobody waits for an answer
        await context.abort(refusal.code, refusal.sentence, refusal.trailers)
    return b""


def _visit(intake: Intake, admission: Admission, signal: Signal, context: Context) -> Visit:
    metadata = {name: str(value) for name, value in context.invocation_metadata() or ()}
    try:
        return admission.visit(metadata, peer.of_grpc(context.peer()))
    except Refused as refusal:
        intake.refuse_unread(refusal, signal)
        raise


async def _read(intake: Intake, visit: Visit, signal: Signal, context: Context) -> bytes:
    try:
        async with visit.reading(intake.limit):
            body = await context.read()
        if not isinstance(body, bytes):
            refusal = Malformed("the call carries no message")
            refusal.reason = "no_message"
            raise refusal
    except Refused as refusal:
        intake.refuse_unread(refusal, signal)
        raise
    visit.arrived(len(body))
    return body
