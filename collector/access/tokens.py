"""Users' own tokens: JSON Web Tokens (RFC 7519) that the application issues; their holder sees what is that user's.

Each way to verify takes its own algorithms only: a token that says HS256 is never verified with a public key.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from collector.errors import StartError, Unauthenticated

_SHAPE: Final = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)
_LEEWAY_SECONDS: Final = 30  # between two clocks
_FETCH_SECONDS: Final = 5  # for the keys of an issuer
_SHORTEST_SECRET: Final = 32  # bytes, RFC 7518, 3.2
_ALGORITHMS: Final = (
    (rsa.RSAPublicKey, ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
    (ec.EllipticCurvePublicKey, ("ES256", "ES384", "ES512")),
    (ed25519.Ed25519PublicKey, ("EdDSA",)),
)
_TENANT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
DEFAULT_TENANT: Final = "default"


@dataclass(frozen=True, slots=True)
class User:
    """Whom a token is about."""

    tenant: str
    subject: str


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose tokens are good; one of the first three is given.

    Attributes:
        secret: HS256; at least 32 bytes.
        public_key: RS256 and its like, PEM.
        jwks_url: where the issuer publishes its keys.
        issuer: what `iss` must be, "" for anything.
        audience: what `aud` must hold, "" for anything.
        tenant_claim: the claim that says the tenant; without it a user is of the tenant `default`.
    """

    secret: str = ""
    public_key: bytes = b""
    jwks_url: str = ""
    issuer: str = ""
    audience: str = ""
    tenant_claim: str = "tenant"


def is_token(text: str) -> bool:
    """Tell whether this has the shape of a token; API keys have no dots."""
    return bool(_SHAPE.fullmatch(text))


class Tokens:
    """Verifies tokens."""

    def __init__(self, trust: Trust) -> None:
        """Trust the issuer.

        Raises:
            StartError: the secret is too short, or the key is none.
        """
        self._trust = trust
        self._key = _key(trust)

    def user(self, token: str) -> User:
        """Return whom a token is about. May ask the issuer for its keys.

        Raises:
            Unauthenticated: it is forged, expired, for somebody else, or about nobody.
        """
        try:
            key = self._key(token)
            claims = jwt.decode(
                token,
                key,
                algorithms=_algorithms(key),
                issuer=self._trust.issuer or None,
                audience=self._trust.audience or None,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "sub"], "verify_aud": bool(self._trust.audience)},
            )
        except jwt.PyJWTError as error:
            raise Unauthenticated(f"the token is not valid: {error}", hint="sign in again") from error
        subject, tenant = claims["sub"], claims.get(self._trust.tenant_claim, DEFAULT_TENANT)
        if not subject or not isinstance(tenant, str) or not _TENANT.fullmatch(tenant):
            raise Unauthenticated("the token does not say whom it is about", hint="it needs `sub`, and a tenant's name")
        return User(tenant, subject)


def _key(trust: Trust) -> Callable[[str], Any]:
    if trust.secret:
        if len(trust.secret.encode()) < _SHORTEST_SECRET:
            raise StartError("--jwt-secret is too short", hint=f"take {_SHORTEST_SECRET} random bytes or more")
        return lambda _: trust.secret
    if trust.public_key:
        try:
            loaded = load_pem_public_key(trust.public_key)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise StartError("--jwt-public-key is no public key", hint="it must be one in PEM") from error
        return lambda _: loaded
    published = jwt.PyJWKClient(trust.jwks_url, timeout=_FETCH_SECONDS)
    return lambda token: published.get_signing_key_from_jwt(token).key


def _algorithms(key: Any) -> list[str]:
    """Return what a key verifies; none for what an issuer publishes and we do not know."""
    if isinstance(key, str):
        return ["HS256"]
    return [name for kind, names in _ALGORITHMS if isinstance(key, kind) for name in names]
