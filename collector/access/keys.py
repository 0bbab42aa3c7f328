"""A key: what its holder sends, and what is kept of it.

    oti_1f0c9a3e_5e8d…64 hex digits…
        id       secret, 256 random bits

Kept are the id and the SHA-256 of the secret. A slow hash (argon2, bcrypt) protects secrets that people choose, which
can be guessed; nobody guesses 256 random bits, and a slow hash would cost each request tens of milliseconds.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
import secrets
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

ALL_TENANTS = "*"
_TOKEN = re.compile(r"oti_([0-9a-f]{8})_([0-9a-f]{64})")
TENANT = r"^(\*|[A-Za-z0-9][A-Za-z0-9._-]{0,63})$"
_NO_HASH = "0" * 64


class Scope(StrEnum):
    """What a key opens."""

    INGEST = "ingest"
    READ = "read"
    ADMIN = "admin"


class Key(BaseModel):
    """One key as it is kept.

    Attributes:
        id: what it is called in lists, logs and `keys revoke`.
        name: what people call it.
        tenant: whose data it writes and reads; `*` reads everybody's.
        scopes: what it opens; admin opens everything.
        sha256: of its secret, in hex.
        created: ISO 8601, UTC.
        requests_per_second: its own limit; 0 for none, None for the collector's.
        bytes_per_second: likewise.
    """

    model_config = ConfigDict(frozen=True)

    id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}$")]
    name: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,100}$")]
    tenant: Annotated[str, StringConstraints(pattern=TENANT)]
    scopes: frozenset[Scope] = Field(min_length=1)
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    created: str
    requests_per_second: float | None = Field(None, ge=0, allow_inf_nan=False)
    bytes_per_second: float | None = Field(None, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _rows_need_an_owner(self) -> Key:
        if self.tenant == ALL_TENANTS and Scope.INGEST in self.scopes:
            raise ValueError("a key that writes belongs to one tenant: * is for the scopes read and admin")
        return self

    def opens(self, scope: Scope) -> bool:
        """Tell whether its scopes reach this."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


def make(name: str, tenant: str, scopes: frozenset[Scope], **limits: Any) -> tuple[Key, str]:
    """Make a key; return what is kept and what its holder sends, which is not kept anywhere.

    Raises:
        pydantic.ValidationError: a name, tenant, scope or limit that is none.
    """
    token = f"oti_{secrets.token_hex(4)}_{secrets.token_hex(32)}"
    return of_token(token, name, tenant, scopes, **limits), token


def of_token(token: str, name: str, tenant: str, scopes: frozenset[Scope], **limits: Any) -> Key:
    """Return what is kept of a key that was made beforehand, by `make` or by whoever keeps secrets.

    Raises:
        ValueError: the token has not the form of a key.
        pydantic.ValidationError: a name, tenant, scope or limit that is none.
    """
    parts = _TOKEN.fullmatch(token)
    if parts is None:
        raise ValueError("a key is oti_, 8 hex digits, _ and 64 hex digits, all in lower case")
    created = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return Key(
        id=parts[1], name=name, tenant=tenant, scopes=scopes, sha256=_digest(parts[2]), created=created, **limits
    )


def find(keys: dict[str, Key], token: str) -> Key | None:
    """Return the key of this token, if there is one; an unknown id takes as long as a wrong secret."""
    parts = _TOKEN.fullmatch(token)
    if parts is None:
        return None
    key = keys.get(parts[1])
    same = hmac.compare_digest(_digest(parts[2]), key.sha256 if key else _NO_HASH)
    return key if same else None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
