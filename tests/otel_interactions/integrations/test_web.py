"""What a request says of its session, and the cookie that is said back."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.context import Context

from otel_interactions.integrations.web import SESSION_ID, Cookie, Headers, IdSources, brought, in_query

EVERYWHERE = IdSources(header="x-session-id", cookie="session_id", query="session_id", baggage=True)


def headers(**given_headers: str) -> Headers:
    """Return headers as ASGI has them; `_` stands for `-`."""
    return Headers([(name.replace("_", "-").encode(), value.encode()) for name, value in given_headers.items()])


def named(found: Headers, query_string: bytes = b"") -> str | None:
    return EVERYWHERE.find(found, query_string, brought(found))


def test_the_order_of_the_places() -> None:
    """Header, cookie, query string, baggage: the first one that names a session."""
    places = {"x_session_id": "h", "cookie": "a=b; session_id=c", "baggage": "session.id=b"}
    assert named(headers(**places), b"session_id=q") == "h"
    assert named(headers(cookie=places["cookie"], baggage=places["baggage"]), b"session_id=q") == "c"
    assert named(headers(baggage=places["baggage"]), b"x=1&session_id=q") == "q"
    assert named(headers(baggage=places["baggage"])) == "b"
    assert named(headers()) is None


def test_baggage_in_two_headers() -> None:
    """Each service may add a header of its own."""
    assert named(Headers([(b"baggage", b"a=1"), (b"baggage", b"b=2,session.id=s")])) == "s"


def test_places_that_are_not_looked_at() -> None:
    """A place that is switched off names nothing."""
    nowhere = IdSources(header=None, cookie=None, query=None, baggage=False)
    given_headers = headers(x_session_id="h", cookie="session_id=c", baggage="session.id=b")
    assert nowhere.find(given_headers, b"session_id=q", brought(given_headers)) is None


@pytest.mark.parametrize("odd", ["", "   ", "x" * 129, "a b", "a;b", "a\nb", "ж", "<b>", "a,b", '"', "%41", "a\x00"])
def test_an_odd_id_is_not_taken(odd: str) -> None:
    """What is no id leaves the word to the next place."""
    assert named(headers(x_session_id=odd)) is None
    assert named(headers(x_session_id=odd, cookie="session_id=c")) == "c"


@pytest.mark.parametrize(
    ("cookie", "value"),
    [
        ("session_id=a", "a"),
        ("x=1;session_id=a ; y=2", "a"),
        ('session_id="a"', "a"),
        ("session_id=a; session_id=b", "a"),
        ("session_id=a b; session_id=b", "b"),
        ("my_session_id=a", None),
        ("session_id", None),
        ("=;;; session_id=a=b;;", "a=b"),
        ("bad[cookie]=1; session_id=a", "a"),
    ],
)
def test_cookies(cookie: str, value: str | None) -> None:
    """Cookies of all the kinds that browsers send."""
    assert named(headers(cookie=cookie)) == value


def test_query_strings() -> None:
    """Escaped, repeated, broken, or of a thousand fields: the value, or none."""
    assert in_query(b"session_id=a%2Fb&session_id=c", "session_id") == ["a/b", "c"]
    assert in_query(b"other_session_id=a&&&=", "session_id") == []
    assert in_query(b"session_id=%ff\xff", "session_id")
    assert in_query(b"session_id=a&" + b"x=1&" * 5000, "session_id") == []


@given(st.text(alphabet=string.printable, max_size=200) | st.text())
def test_what_is_taken_is_fit(text: str) -> None:
    """Whatever stands in a header, the id is short and plain, or there is none."""
    found = Headers([(b"x-session-id", text.encode())])
    taken = named(found)
    assert taken is None or (SESSION_ID.fullmatch(taken) and taken == text.strip())


@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=80))
def test_whatever_is_sent(header: bytes, cookie: bytes, query_string: bytes) -> None:
    """No bytes make it fail."""
    found = Headers([(b"x-session-id", header), (b"cookie", b"session_id=" + cookie), (b"baggage", header)])
    taken = EVERYWHERE.find(found, b"session_id=" + query_string, Context())
    assert taken is None or SESSION_ID.fullmatch(taken)


@pytest.mark.parametrize(
    ("cookie", "tls", "said"),
    [
        (Cookie("s", None, None), False, "s=x; Path=/; HttpOnly; SameSite=Lax"),
        (Cookie("s", None, None), True, "s=x; Path=/; HttpOnly; SameSite=Lax; Secure"),
        (Cookie("s", max_age=60, secure=True), False, "s=x; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=60"),
        (Cookie("s", max_age=0, secure=False), True, "s=x; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"),
    ],
)
def test_the_cookie(cookie: Cookie, tls: bool, said: str) -> None:
    """For the whole site, out of reach of scripts and other sites, and of plain HTTP where the request came by TLS."""
    assert cookie.header("x", tls=tls) == (b"set-cookie", said.encode())


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        ("set-cookie", "s=mine; Path=/", False),
        ("Set-Cookie", "other=1", True),
        ("cache-control", "public, max-age=60", False),
        ("cache-control", "max-age=1,S-MaxAge=9", False),
        ("cache-control", "private, max-age=60", True),
        ("cache-control", "no-store", True),
    ],
)
def test_where_the_cookie_goes(name: str, value: str, fits: bool) -> None:
    """Not in place of the application's own, and not into a cache that would give it to others."""
    assert Cookie("s", None, None).fits(Headers([(name.encode(), value.encode())])) is fits
