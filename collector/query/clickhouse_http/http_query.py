"""A request to the ClickHouse HTTP interface, read: the statement, its parameters, its settings, how to answer."""

from __future__ import annotations

import base64
import binascii
import email.message
import email.parser
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import anyio.to_thread
from starlette.requests import Request

from collector.query.clickhouse_http import compression
from collector.query.clickhouse_http.query_error import QueryError, bad_arguments, read_only
from collector.query.clickhouse_http.sessions import DEFAULT_SECONDS, LONGEST_SECONDS, Asked

MAX_BODY_BYTES: Final = 4 << 20  # after decompression; what is longer is data, and nobody inserts here
_PARAMETER: Final = "param_"
_UNPRINTABLE = re.compile(r"[^\x21-\x7e]")
_ON: Final = frozenset({"1", "true"})
_PROGRESS_MILLISECONDS: Final = 100  # ClickHouse's default; more often tells nobody anything
_FORM: Final = "multipart/form-data"  # clickhouse-connect sends long parameters so
_MOST_FIELDS: Final = 1000
_LONGEST_HEAD: Final = 1024  # bytes before a field's content
_LONGEST_SESSION: Final = 256  # characters of its name, which is kept


@dataclass(frozen=True)
class HttpQuery:
    """What one request asks."""

    sql: str
    parameters: dict[str, str]
    settings: dict[str, str]  # all that is left of the URL, transport settings included
    database: str
    default_format: str
    query_id: str
    encoding: str  # of the answer, "" for none
    session: Asked
    given: bool  # something was asked; without it the answer is "Ok."

    @property
    def protocol_version(self) -> int:
        """The protocol version whose Native blocks the client reads."""
        version = self.settings.get("client_protocol_version", "0")
        if not version.isdecimal():
            raise bad_arguments(f"client_protocol_version is not a number: {version[:20]}")
        return int(version)

    @property
    def waits(self) -> bool:
        """Whether the client would rather wait than see a result break off."""
        return self.settings.get("wait_end_of_query") in _ON

    @property
    def framed(self) -> bool:
        """Whether the answer is to stand in ClickHouse's own frames."""
        return self.settings.get("compress") in _ON

    @property
    def progress_seconds(self) -> float:
        """How often to note how far the statement is, 0 for never."""
        if self.settings.get("send_progress_in_http_headers") not in _ON:
            return 0.0
        asked = self.settings.get("http_headers_progress_interval_ms", "")
        return max(int(asked) if asked.isdecimal() else 0, _PROGRESS_MILLISECONDS) / 1000


async def read(request: Request) -> HttpQuery:
    """Read a request.

    Raises:
        QueryError: it cannot be understood, or asks for a transport that is not spoken here.
    """
    values = dict(request.query_params)
    body = await _body(request)
    if encoding := request.headers.get("content-encoding", "").strip().lower().removeprefix("identity"):
        body = await anyio.to_thread.run_sync(compression.decoded, body, encoding, MAX_BODY_BYTES)
    if values.get("decompress") in _ON:
        body = await anyio.to_thread.run_sync(compression.unframed, body, MAX_BODY_BYTES)
    if request.headers.get("content-type", "").startswith(_FORM):
        fields = await anyio.to_thread.run_sync(_fields, body, request.headers["content-type"])
        body = fields.pop("query", "").encode()
        values |= fields
    sql = "\n".join(part for part in (values.get("query", ""), _text(body)) if part)
    headers = request.headers
    return HttpQuery(
        sql=sql,
        parameters={name.removeprefix(_PARAMETER): text for name, text in values.items() if _is_parameter(name)},
        settings={name: text for name, text in values.items() if not _is_parameter(name)},
        database=values.get("database") or headers.get("x-clickhouse-database", ""),
        default_format=headers.get("x-clickhouse-format") or values.get("default_format", ""),
        query_id=_query_id(values.get("query_id") or headers.get("x-clickhouse-query-id", "")),
        encoding=_encoding(request, values),
        session=_session(values),
        given=bool(sql.strip()) or request.method == "POST",
    )


def _is_parameter(name: str) -> bool:
    return name.startswith(_PARAMETER)


async def _body(request: Request) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > MAX_BODY_BYTES:
            raise compression.too_large(MAX_BODY_BYTES)
        pieces.append(piece)
    return b"".join(pieces)


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        if body.lstrip()[:6].upper() == b"INSERT":  # with its data
            raise read_only() from None
        raise bad_arguments("The statement is not UTF-8") from None


def _fields(body: bytes, content_type: str) -> dict[str, str]:
    boundary = _head(f"Content-Type: {content_type}").get_boundary("")
    before, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("latin-1", "replace"))
    if not boundary or before or not parts or not parts.pop().startswith(b"--") or len(parts) > _MOST_FIELDS:
        raise bad_arguments(f"The body is not a form of at most {_MOST_FIELDS} fields")
    return dict(_field(part) for part in parts)


def _field(part: bytes) -> tuple[str, str]:
    head, found, content = part.partition(b"\r\n\r\n")
    if not found or len(head) > _LONGEST_HEAD:
        raise bad_arguments("A field of the form has no head, or one that is too long")
    fields = _head(_text(head.strip()))
    name = fields.get_param("name", header="content-disposition")
    if not isinstance(name, str) or fields.get_filename() is not None:
        raise QueryError(48, "NOT_IMPLEMENTED", "External tables are not taken here.")
    return name, _text(content)


def _head(lines: str) -> email.message.Message:
    return email.parser.HeaderParser().parsestr(f"{lines}\r\n\r\n")


def key_of(request: Request) -> str:
    """Return the key that came with a request, in any of the ways ClickHouse's clients and ours send one; "" without.

    Who the user is says the key, so names are not looked at. Nothing of the body is read.

    Raises:
        QueryError: the credentials are not what they say.
    """
    headers = request.headers
    if key := headers.get("x-clickhouse-key") or headers.get("x-api-key"):
        return key
    scheme, _, coded = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(coded, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            raise QueryError(516, "AUTHENTICATION_FAILED", "Invalid authentication: not Basic credentials.") from None
    if scheme.lower() == "bearer":
        return coded.strip()
    return request.query_params.get("password", "")


def _query_id(asked: str) -> str:
    return _UNPRINTABLE.sub("?", asked)[:256] or str(uuid.uuid4())


def _encoding(request: Request, values: Mapping[str, str]) -> str:
    if values.get("enable_http_compression", "1") not in _ON:  # the engine's own default since ClickHouse 26
        return ""
    return compression.chosen(request.headers.get("accept-encoding", ""))


def _session(values: Mapping[str, str]) -> Asked:
    asked = values.get("session_timeout", str(DEFAULT_SECONDS))
    if not asked.isdecimal() or len(asked) > len(str(LONGEST_SECONDS)) or int(asked) > LONGEST_SECONDS:
        raise QueryError(
            374,
            "INVALID_SESSION_TIMEOUT",
            f"Invalid session timeout: '{asked[:20]}', at most {LONGEST_SECONDS} seconds.",
        )
    name = values.get("session_id", "")
    if len(name) > _LONGEST_SESSION:
        raise bad_arguments(f"session_id is longer than {_LONGEST_SESSION} characters")
    return Asked(name, int(asked), values.get("session_check") in _ON, values.get("close_session") in _ON)
