"""Ids, addresses and URLs that tell nobody who it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_interactions.privacy.anonymity import anonymous, bare, pseudonym, shortened

KEY = b"a key"


@given(st.text(), st.binary(min_size=1))
def test_pseudonyms(text: str, key: bytes) -> None:
    """One name for one text and one key, and that name stays what it is."""
    found = pseudonym(key, text)
    assert found == pseudonym(key, text) == pseudonym(key, found)
    assert found.startswith("anon-")
    assert len(found) == 37
    assert pseudonym(key, text + "x") != found
    assert pseudonym(key + b"x", text) != found


def test_a_known_pseudonym() -> None:
    """HMAC-SHA-256 of the id, the first 32 hex digits: another process, in any language, gets the same."""
    assert pseudonym(b"key", "u-1") == "anon-7918bbf141a8482b421eab095a74c40e"


@pytest.mark.parametrize(
    ("address", "left"),
    [
        ("203.0.113.77", "203.0.113.0"),
        ("203.0.113.77:51234", "203.0.113.0"),
        ("2001:db8:1234:5678:9abc::1", "2001:db8:1234::"),
        ("[2001:db8:1234:5678::1]:443", "2001:db8:1234::"),
        ("::ffff:203.0.113.77", "203.0.113.0"),
        ("fe80::1%eth0", "fe80::"),
        ("janes-laptop.local", ""),
        ("", ""),
        ("999.1.1.1", ""),
    ],
)
def test_addresses(address: str, left: str) -> None:
    """The network stays, and what is no address goes."""
    assert shortened(address) == left


@pytest.mark.parametrize(
    ("name", "url", "left"),
    [
        (
            "url.full",
            "https://jane:pw@shop.example:8443/cart?email=jane%40example.com#x",
            "https://shop.example:8443/cart",
        ),
        ("http.target", "/cart?user=7", "/cart"),
        ("url.query", "user=7", ""),
        ("url.full", "http://[broken", ""),
        ("url.path", "/a/b", "/a/b"),
    ],
)
def test_urls(name: str, url: str, left: str) -> None:
    """No query, no fragment, no user."""
    assert bare(name, url) == left


def test_which_attributes() -> None:
    """Only those that name somebody change, whatever they are."""
    assert anonymous(KEY, "user.id", "u-1") == pseudonym(KEY, "u-1")
    assert anonymous(KEY, "user.id", "") == ""
    assert anonymous(KEY, "client.address", "203.0.113.77") == "203.0.113.0"
    assert anonymous(KEY, "http.route", "/users/{id}") == "/users/{id}"
    assert anonymous(KEY, "user.id", 7) == pseudonym(KEY, "7")
    assert anonymous(KEY, "user.id", ("u-1", 7)) == [pseudonym(KEY, "u-1"), pseudonym(KEY, "7")]
    assert anonymous(KEY, "http.response.status_code", 7) == 7
    assert anonymous(KEY, "user.id", None) is None
