"""OTLP over gRPC: the Export method of each signal, on raw bytes.

No serializer is registered, so a request stays bytes from the socket to the journal; gRPC itself inflates gzip and
deflate, and bounds the size while it does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import grpc

from collector.datadir import address
from collector.errors import Refused, StartError
from collector.receive import peer, replies
from collector.receive.intake import Intake
from collector.receive.wire import WIRE
from collector.request import Sender, Signal
from collector.tls import Tls

_Context = grpc.aio.ServicerContext[bytes, bytes]
Export = Callable[[bytes, _Context], Awaitable[bytes]]


def server(intake: Intake, host: str, port: int, tls: Tls | None = None) -> tuple[grpc.aio.Server, int]:
    """Build a server bound to host:port; return it, not yet started, with the port it got.

    Raises:
        StartError: the port is taken or the address is not ours.
    """
    made = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", intake.limit),
            ("grpc.so_reuseport", 0),  # a taken port must be an error, not a second listener
        ]
    )
    for signal, wire in WIRE.items():
        handler = grpc.unary_unary_rpc_method_handler(_export(intake, signal))
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


def _export(intake: Intake, signal: Signal) -> Export:
    async def export(body: bytes, context: _Context) -> bytes:
        try:
            receipt = await intake.accept(signal, body, Sender(peer=peer.of_grpc(context.peer())))
        except Refused as refusal:
            no = replies.grpc_refused(refusal)
            await context.abort(no.code, no.sentence, no.trailers)
        return replies.grpc_accepted(signal, receipt)

    return export
