"""The address of a sender, as the rows keep it."""

from __future__ import annotations

from urllib.parse import unquote

UNIX = "unix"  # over a Unix socket there is no address; who may open it is the file's mode

_MAPPED = "::ffff:"  # how a dual-stack socket names an IPv4 sender


def of_grpc(name: str) -> str:
    """Return the address in gRPC's peer name: ipv4:127.0.0.1:5001, ipv6:%5B::1%5D:5001, unix:."""
    kind, _, rest = unquote(name).partition(":")
    if kind in {"ipv4", "ipv6"}:
        return plain(rest.rpartition(":")[0].strip("[]"))
    return UNIX if kind == "unix" else ""


def plain(address: str) -> str:
    """Write an IPv4 address as such, also where a dual-stack socket reports it as IPv6."""
    return address.removeprefix(_MAPPED) if "." in address else address
