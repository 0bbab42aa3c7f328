"""TLS for every port: the files an operator names, checked before anything is opened."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from collector.errors import StartError
from collector.settings import Settings


@dataclass(frozen=True, slots=True)
class Tls:
    """What the ports show and ask for, in PEM.

    Attributes:
        certificate: the collector's certificate, with those between it and its CA behind it.
        key: its private key.
        client_ca: the CAs one of which must have signed a client's certificate, b"" if clients need none (mTLS).
        context: the same for Python's own TLS.
    """

    certificate: bytes
    key: bytes
    client_ca: bytes
    context: ssl.SSLContext


def of_server(settings: Settings) -> Tls | None:
    """Read the files of the settings; None if TLS is off.

    Raises:
        StartError: a file is missing, does not read, or does not fit the others.
    """
    if not (settings.tls_cert and settings.tls_key):
        if given := settings.tls_cert or settings.tls_key or settings.tls_client_ca:
            raise StartError(
                f"{given} alone is not enough for TLS",
                hint="give both --tls-cert and --tls-key; --tls-client-ca comes on top",
            )
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _show(context, settings.tls_cert, settings.tls_key)
    client_ca = b""
    if settings.tls_client_ca:
        client_ca = _trust(context, settings.tls_client_ca, "--tls-client-ca")
        context.verify_mode = ssl.CERT_REQUIRED
    return Tls(_read(settings.tls_cert, "--tls-cert"), _read(settings.tls_key, "--tls-key"), client_ca, context)


def of_client(settings: Settings, pinned: str | None) -> ssl.SSLContext | None:
    """Return how to ask a collector over TLS; None if nothing says that it speaks TLS.

    It is verified against `--tls-ca`. Without that, the collector must show the very certificate in the file `pinned`:
    the one it wrote beside its address, in a data directory that is the operator's own.

    Raises:
        StartError: a file is missing, does not read, or does not fit the others.
    """
    if not settings.tls_ca and not pinned:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if settings.tls_ca:
        _trust(context, settings.tls_ca, "--tls-ca")
    elif pinned:
        first = _read(Path(pinned), "--tls-cert").decode(errors="replace").partition(ssl.PEM_FOOTER)
        context.load_verify_locations(cadata=first[0] + first[1])
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.check_hostname = False  # holding the key of this one certificate says more than a name
    if settings.tls_cert and settings.tls_key:
        _show(context, settings.tls_cert, settings.tls_key)
    return context


def _show(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    _read(cert, "--tls-cert")
    _read(key, "--tls-key")
    try:
        context.load_cert_chain(cert, key, password=_refuse_password)
    except ssl.SSLError as error:
        raise StartError(
            f"the certificate {cert} and the key {key} cannot be used: {_reason(error)}",
            hint="--tls-cert and --tls-key take PEM files that belong together, the key without a password",
        ) from error


def _refuse_password() -> str:
    """Answer OpenSSL, which would ask at the terminal otherwise."""
    return ""


def _trust(context: ssl.SSLContext, ca: Path, flag: str) -> bytes:
    content = _read(ca, flag)
    try:
        context.load_verify_locations(cafile=ca)
    except ssl.SSLError as error:
        raise StartError(
            f"{ca} holds no certificates that can be used: {_reason(error)}", hint=f"{flag} takes CAs in PEM"
        ) from error
    return content


def _read(path: Path, flag: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StartError(
            f"{path} cannot be read: {(error.strerror or str(error)).lower()}", hint=f"{flag} takes a file in PEM"
        ) from error


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).lower().replace("_", " ")
