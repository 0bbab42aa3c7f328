"""A user's token is good when its issuer signed it, for here, and not too long ago."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
import pytest
from api_world import SECRET, World, token
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from collector.access.tokens import Tokens, Trust, User, is_token
from collector.errors import StartError, Unauthenticated

KEY = rsa.generate_private_key(65537, 2048)
PUBLIC = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def signed(key: Any = KEY, algorithm: str = "RS256", **claims: Any) -> str:
    """Sign a token that is good but for what is said."""
    told = {"sub": "ann", "exp": time.time() + 60, **claims}
    return jwt.encode({name: value for name, value in told.items() if value is not None}, key, algorithm=algorithm)


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": time.time() - 3600}, "expired"),
        ({"exp": None}, "exp"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "whom it is about"),
        ({"sub": 7}, "[Ss]ub"),
        ({"nbf": time.time() + 3600}, "not yet valid"),
        ({"iss": "somebody else"}, "issuer"),
        ({"iss": None}, "iss"),
        ({"aud": "elsewhere"}, "[Aa]udience"),
        ({"aud": None}, "aud"),
        ({"tenant": 7}, "whom it is about"),
        ({"tenant": "*"}, "whom it is about"),
        ({"tenant": ""}, "whom it is about"),
        ({"tenant": "a' OR '1'='1"}, "whom it is about"),
    ],
)
def test_bad_claims(claims: dict[str, Any], why: str) -> None:
    """Each claim that is asked for must be there and right."""
    tokens = Tokens(Trust(public_key=PUBLIC, issuer="us", audience="here"))
    good = {"iss": "us", "aud": "here", "tenant": "acme"}
    assert tokens.user(signed(**good)) == User("acme", "ann")
    with pytest.raises(Unauthenticated, match=why):
        tokens.user(signed(**{**good, **claims}))


def test_a_tenant_by_another_name() -> None:
    """The claim that says the tenant is a setting; without one in the token a user is of `default`."""
    tokens = Tokens(Trust(public_key=PUBLIC, tenant_claim="org"))
    assert tokens.user(signed(org="acme", tenant="beta")) == User("acme", "ann")
    assert tokens.user(signed(tenant="beta")) == User("default", "ann")


def test_forged() -> None:
    """Signed by nobody, by another key, or with the public key as if it were a secret: no token is taken."""
    unsigned = jwt.encode({"sub": "ann", "exp": time.time() + 60}, "", algorithm="none")
    other = signed(rsa.generate_private_key(65537, 2048))
    head, _, tail = signed().partition(".")
    claims = jwt.utils.base64url_encode(json.dumps({"sub": "bob", "exp": 9e9}).encode()).decode()
    changed = f"{head}.{claims}.{tail.rpartition('.')[2]}"
    tokens = Tokens(Trust(public_key=PUBLIC))
    for forged in (
        unsigned,
        other,
        changed,
        token("ann", key=SECRET),
        signed(ec.generate_private_key(ec.SECP256R1()), "ES256"),
    ):
        assert is_token(forged)
        with pytest.raises(Unauthenticated):
            tokens.user(forged)
    for forged in (unsigned, signed()):
        with pytest.raises(Unauthenticated):
            Tokens(Trust(secret=SECRET)).user(forged)


def test_published_keys() -> None:
    """Where the issuer publishes its keys, they are fetched; one it does not publish is not trusted."""
    published = {
        "keys": [json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key())) | {"kid": "k1", "use": "sig"}]
    }
    with serving(json.dumps(published).encode()) as url:
        tokens = Tokens(Trust(jwks_url=url))
        known = jwt.encode({"sub": "ann", "exp": time.time() + 60}, KEY, "RS256", headers={"kid": "k1"})
        assert tokens.user(known) == User("default", "ann")
        with pytest.raises(Unauthenticated):
            tokens.user(jwt.encode({"sub": "ann", "exp": time.time() + 60}, KEY, "RS256", headers={"kid": "k2"}))


def test_an_issuer_that_is_away() -> None:
    """Nobody is let in when the issuer's keys are not to be had."""
    with serving(b"{}") as url:
        pass
    with pytest.raises(Unauthenticated, match="not valid"):
        Tokens(Trust(jwks_url=url)).user(jwt.encode({"sub": "a", "exp": 9e9}, KEY, "RS256", headers={"kid": "k1"}))


@pytest.mark.parametrize("trust", [Trust(secret="short"), Trust(public_key=b"no key")])  # noqa: S106 - it is too short
def test_bad_trust(trust: Trust) -> None:
    """A secret that can be guessed and a key that is none are refused at the start."""
    with pytest.raises(StartError):
        Tokens(trust)


def test_over_http(world: World) -> None:
    """A bad token is 401 on every path, with what is wrong in the problem; a good one is let in."""
    for shown in (
        token("ann", "acme", seconds=-3600),
        token("ann", "acme", key="another secret, as long as the right one"),
        "a.b.c",
    ):
        reply = world.get("/api/sessions", shown)
        assert (reply.status_code, reply.headers["content-type"]) == (401, "application/problem+json")
        assert reply.headers["www-authenticate"] == "Bearer"
        assert "token is not valid" in reply.json()["detail"]
    assert world.get("/api/sessions", token("ann", "acme")).status_code == 200
    assert world.get("/api/sessions", token("ann", "acme"), tenant="beta").status_code == 403


def serving(body: bytes) -> Any:
    """Serve these bytes over HTTP for the length of a block; give the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    @contextlib.contextmanager
    def serve() -> Iterator[str]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/jwks.json"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    return serve()
