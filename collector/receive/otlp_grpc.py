"""OTLP over gRPC: the Export methods of traces, logs and metrics, on raw bytes.

No serializer is registered, so a request stays bytes from the socket to the journal; gRPC itself inflates gzip and
bounds the size after it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import unquote

import grpc

from collector.errors import Refused, StartError
from collector.receive import replies
from collector.receive.intake import Intake
from collector.request import Sender, Signal

_SERVICES = {
    "opentelemetry.proto.collector.trace.v1.TraceService": Signal.TRACES,
    "opentelemetry.proto.collector.logs.v1.LogsService": Signal.LOGS,
    "opentelemetry.proto.collector.metrics.v1.MetricsService": Signal.METRICS,
}
_EMPTY_RESPONSE = b""  # an Export…ServiceResponse without partial_success

Export = Callable[[bytes, grpc.aio.ServicerContext[bytes, bytes]], Awaitable[bytes]]


def server(intake: Intake, host: str, port: int) -> tuple[grpc.aio.Server, int]:
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
    for service, signal in _SERVICES.items():
        handler = grpc.unary_unary_rpc_method_handler(_export(intake, signal))
        made.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": handler}),))
    try:
        bound = made.add_insecure_port(f"{host}:{port}")
    except RuntimeError as error:
        raise StartError(
            f"port {port} on {host} cannot be opened for OTLP/gRPC",
            hint="stop the program that holds it, or choose another with --grpc-port (0 picks a free one)",
        ) from error
    return made, bound


def _export(intake: Intake, signal: Signal) -> Export:
    async def export(body: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        try:
            await intake.accept(signal, body, Sender(peer=_host(context.peer())))
        except Refused as refusal:
            await context.abort(*replies.grpc_status(refusal))
        return _EMPTY_RESPONSE

    return export


def _host(peer: str) -> str:
    """Return the address in gRPC's peer name: ipv4:127.0.0.1:5001, ipv6:%5B::1%5D:5001, unix:."""
    kind, _, rest = unquote(peer).partition(":")
    return rest.rpartition(":")[0].strip("[]") if kind in {"ipv4", "ipv6"} else ""
