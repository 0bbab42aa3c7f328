"""A request to the ClickHouse HTTP interface, read: the statement, its parameters, its settings, how to answer."""

from __future__ import annotations

import base64
import binascii
import email.message
import email.parser
import email.policy
import re
import uuid
import zlib
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from collector.query.clickhouse_http.query_error import QueryError, bad_arguments, read_only

MAX_BODY_BYTES: Final = 4 << 20  # after decompression; what is longer is data, and nobody inserts here
_PARAMETER: Final = "param_"
_UNPRINTABLE = re.compile(r"[^\x21-\x7e]")
_FORM: Final = "multipart/form-data"  # clickhouse-connect sends long parameters so


@dataclass(frozen=True)
class HttpQuery:
    """What one request asks."""

    sql: str
    parameters: dict[str, str]
    settings: dict[str, str]  # all that is left of the URL, transport settings included
    database: str
    default_format: str
    query_id: str
    gzip: bool
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
        return self.settings.get("wait_end_of_query") == "1"


async def read(request: Request) -> HttpQuery:
    """Read a request.

    Raises:
        QueryError: it cannot be understood, or asks for a transport that is not spoken here.
    """
    values = dict(request.query_params)
    body = _decompressed(await _body(request), request.headers.get("content-encoding", ""))
    if request.headers.get("content-type", "").startswith(_FORM):
        fields = _fields(body, request.headers["content-type"])
        body = fields.pop("query", "").encode()
        values |= fields
    _refuse_native_compression(values)
    sql = "\n".join(part for part in (values.get("query", ""), _text(body)) if part)
    headers = request.headers
    return HttpQuery(
        sql=sql,
        parameters={name.removeprefix(_PARAMETER): text for name, text in values.items() if _is_parameter(name)},
        settings={name: text for name, text in values.items() if not _is_parameter(name)},
        database=values.get("database") or headers.get("x-clickhouse-database", ""),
        default_format=headers.get("x-clickhouse-format") or values.get("default_format", ""),
        query_id=_query_id(values.get("query_id") or headers.get("x-clickhouse-query-id", "")),
        gzip=_wants_gzip(request, values),
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
            raise _too_large()
        pieces.append(piece)
    return b"".join(pieces)


def _decompressed(body: bytes, encoding: str) -> bytes:
    if encoding in {"", "identity"} or not body:
        return body
    if encoding != "gzip":
        raise QueryError(
            48, "NOT_IMPLEMENTED", f"Content-Encoding {encoding[:20]} is not read here: send gzip or none."
        )
    inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = inflate.decompress(body, MAX_BODY_BYTES)
    except zlib.error as error:
        raise bad_arguments(f"The body is not gzip: {error}") from None
    if inflate.unconsumed_tail:
        raise _too_large()
    if not inflate.eof:
        raise bad_arguments("The gzip body ends early")
    return plain


def _too_large() -> QueryError:
    return QueryError(229, "QUERY_IS_TOO_LARGE", f"The request is larger than {MAX_BODY_BYTES} bytes.")


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        if body.lstrip()[:6].upper() == b"INSERT":  # with its data
            raise read_only() from None
        raise bad_arguments("The statement is not UTF-8") from None


def _fields(body: bytes, content_type: str) -> dict[str, str]:
    head = f"Content-Type: {content_type}\r\n\r\n".encode("latin-1")
    form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    return dict(_field(part) for part in form.iter_parts() if isinstance(part, email.message.Message))


def _field(part: email.message.Message) -> tuple[str, str]:
    name = part.get_param("name", header="content-disposition")
    content = part.get_payload(decode=True)
    if not isinstance(name, str) or part.get_filename() or not isinstance(content, bytes):
        raise QueryError(48, "NOT_IMPLEMENTED", "External tables are not taken here.")
    return name, _text(content)


def _refuse_native_compression(values: dict[str, str]) -> None:
    for name in ("compress", "decompress"):
        if values.get(name, "0") not in {"0", "false"}:
            raise QueryError(  # ACCESS_DENIED is 403: its body the JDBC driver shows as it is
                497,
                "ACCESS_DENIED",
                f"{name}=1 (ClickHouse's own LZ4 framing) is not spoken here: set {name}=0, "
                "or use HTTP compression (enable_http_compression=1 with Accept-Encoding: gzip).",
            )


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


def _wants_gzip(request: Request, values: dict[str, str]) -> bool:
    encodings = {each.partition(";")[0].strip() for each in request.headers.get("accept-encoding", "").split(",")}
    return values.get("enable_http_compression") in {"1", "true"} and "gzip" in encodings
