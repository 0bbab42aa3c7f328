"""Who the client is, through proxies."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_interactions.integrations.forwarded import Proxies, address

PROXIES = ("10.0.0.0/8", "2001:db8:aaaa::/48", "127.0.0.1")


@pytest.mark.parametrize(
    ("peer", "said", "client"),
    [
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # not a proxy of ours: what it says does not count
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),  # the client claimed to be somebody else
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1", "10.0.0.2"], "198.51.100.1"),  # a header a proxy
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),  # one of ours all the way
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", ["2001:DB8::0001"], "2001:db8::1"),
        ("10.0.0.1", ["198.51.100.1, 2001:db8:aaaa::7"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, unknown"], "10.0.0.1"),  # nobody knows: the nearest that is known
        ("10.0.0.1", ["198.51.100.1, , 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["<script>"], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),  # a socket for both families
        ("10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("fe80::1%eth0", [], "fe80::1"),
        ("testclient", ["198.51.100.1"], "testclient"),
        (None, ["198.51.100.1"], None),
        ("", ["198.51.100.1"], None),
    ],
)
def test_x_forwarded_for(peer: str | None, said: list[str], client: str | None) -> None:
    """The first address from the right that is no trusted proxy's, without port and zone."""
    assert Proxies(PROXIES, "X-Forwarded-For").client(peer, said) == client


@pytest.mark.parametrize(
    ("said", "client"),
    [
        (["for=198.51.100.1"], "198.51.100.1"),
        (["by=10.0.0.2;For=198.51.100.1;proto=https"], "198.51.100.1"),
        (["for=6.6.6.6, for=198.51.100.1 ; by=10.0.0.2, for=10.0.0.9"], "198.51.100.1"),
        (['for="[2001:db8::1]:4711"'], "2001:db8::1"),
        (['for="198.51.100.1:80";host="a,b;for=6.6.6.6"'], "198.51.100.1"),
        (['for=198.51.100.1;host="a\\"b,c"'], "198.51.100.1"),
        (["for=198.51.100.1, for=_hidden"], "10.0.0.1"),
        (["for=198.51.100.1, for=unknown"], "10.0.0.1"),
        (["for=198.51.100.1, proto=https"], "10.0.0.1"),
        (['for="198.51.100.1'], "10.0.0.1"),  # a quote that does not end
        (["xfor=198.51.100.1"], "10.0.0.1"),
        ([], "10.0.0.1"),
    ],
)
def test_forwarded(said: list[str], client: str) -> None:
    """RFC 7239: quoted, with parameters in any order and case."""
    assert Proxies(PROXIES, "forwarded").client("10.0.0.1", said) == client


def test_a_proxy_on_a_unix_socket() -> None:
    """A peer without an address is a proxy where that is said; of ours nobody else is."""
    proxies = Proxies(["unix", "10.0.0.1"], "x-forwarded-for")
    assert proxies.client(None, ["6.6.6.6, 198.51.100.1, 10.0.0.1"]) == "198.51.100.1"
    assert proxies.client(None, []) is None
    assert proxies.client("127.0.0.1", ["198.51.100.1"]) == "127.0.0.1"


def test_everybody() -> None:
    """Where everybody is trusted the first one named is the client; one network may be given as it is."""
    assert Proxies("0.0.0.0/0", "x-real-ip").client("203.0.113.9", ["198.51.100.1, 203.0.113.8"]) == "198.51.100.1"


def test_what_is_no_network(lines: Callable[[], list[str]]) -> None:
    """A wrong entry is said, and trusts nobody; a host's address with a mask is its network."""
    proxies = Proxies(["10.0.0.0/33", "proxy.example", "10.9.8.7/8"], "x-forwarded-for")
    assert [line for line in lines() if "10.0.0.0/33" in line]
    assert [line for line in lines() if "proxy.example" in line]
    assert proxies.client("10.0.0.1", ["198.51.100.1"]) == "198.51.100.1"
    assert proxies.client("proxy.example", ["198.51.100.1"]) == "proxy.example"


written = st.sampled_from(["{}", " {} ", "{}:80", "[{}]", "[{}]:443"])


@given(st.ip_addresses(), written)
def test_an_address_in_all_its_spellings(given_address: ipaddress.IPv4Address, form: str) -> None:
    """An address is found in each way of writing it; one of IPv6 without brackets has no port."""
    bare = isinstance(given_address, ipaddress.IPv6Address) and form == "{}:80"
    found = address(form.format(given_address))
    mapped = getattr(given_address, "ipv4_mapped", None)
    assert bare or found == (mapped or given_address)


@given(
    st.lists(st.text(alphabet='for=,;"[]: 1.0a\\%_', max_size=40), max_size=4),
    st.sampled_from(["forwarded", "x-forwarded-for"]),
)
def test_whatever_is_said(said: list[str], header: str) -> None:
    """Nothing a client can write makes it fail, and what comes out is an address."""
    client = Proxies(["0.0.0.0/0", "::/0"], header).client("10.0.0.1", said)
    assert client is not None
    assert str(ipaddress.ip_address(client)) == client


@given(
    st.lists(st.ip_addresses(v=4).filter(lambda each: each not in ipaddress.ip_network("10.0.0.0/8")), min_size=1),
    st.integers(0, 4),
    st.booleans(),
)
def test_the_last_stranger_is_the_client(chain: list[ipaddress.IPv4Address], proxies: int, rfc: bool) -> None:
    """However many claim to stand before it, and however many proxies of ours come after it."""
    hops = [str(each) for each in chain] + [f"10.0.0.{each}" for each in range(proxies)]
    said = ", ".join(f"for={hop}" for hop in hops) if rfc else ", ".join(hops)
    found = Proxies(["10.0.0.0/8"], "forwarded" if rfc else "x-forwarded-for").client("10.1.1.1", [said])
    assert found == str(chain[-1])
