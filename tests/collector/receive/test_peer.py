"""The address of a sender, as the rows keep it."""

from __future__ import annotations

import pytest

from collector.receive import peer


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("ipv4:127.0.0.1:5001", "127.0.0.1"),
        ("ipv6:%5B::1%5D:5001", "::1"),
        ("ipv6:[2001:db8::7]:5001", "2001:db8::7"),
        ("ipv6:%5Bfe80::1%25eth0%5D:5001", "fe80::1%eth0"),
        ("ipv6:%5B::ffff:10.0.0.7%5D:5001", "10.0.0.7"),
        ("unix:", "unix"),
        ("unix:/run/otlp.sock", "unix"),
        ("unknown", ""),
        ("", ""),
    ],
)
def test_grpc(name: str, address: str) -> None:
    """What gRPC calls a peer becomes its address, without port and brackets."""
    assert peer.of_grpc(name) == address


@pytest.mark.parametrize(
    ("given", "address"),
    [("10.0.0.7", "10.0.0.7"), ("::1", "::1"), ("::ffff:10.0.0.7", "10.0.0.7"), ("::ffff:a00:7", "::ffff:a00:7")],
)
def test_plain(given: str, address: str) -> None:
    """An IPv4 sender has one name, also where the socket listens on IPv6."""
    assert peer.plain(given) == address
