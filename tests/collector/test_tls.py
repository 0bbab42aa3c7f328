"""TLS and mTLS on all ports, shown with OpenTelemetry's own exporters and our own command line."""

from __future__ import annotations

import contextlib
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from certificates import Files
from click.testing import Result
from cryptography.hazmat.primitives import serialization
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from otlp_builders import span, traces
from processes import CollectorProcess, running
from typer.testing import CliRunner

from collector import settings, tls
from collector.cli import app
from collector.errors import StartError
from collector.query.questions import Asker

PROTOCOLS = ["grpc", "http"]


def has_ipv6() -> bool:
    """Tell whether this machine has an IPv6 loopback."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


LOOPBACK = "::1" if has_ipv6() else "127.0.0.1"  # the collector with mTLS listens there


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Certificates of two CAs."""
    return Files.made(tmp_path_factory.mktemp("pem"))


@pytest.fixture(scope="module")
def secure(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A collector that speaks TLS on every port."""
    folder = tmp_path_factory.mktemp("tls")
    flags = ["--tls-cert", str(files.cert), "--tls-key", str(files.key), "--batch-seconds", "0.1"]
    with running(folder / "data", *flags, "--http-socket", str(folder / "http")) as process:
        yield process


@pytest.fixture(scope="module")
def mutual(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A collector that demands a client's certificate on every port, on IPv6 where there is one."""
    flags = ["--tls-cert", str(files.cert), "--tls-key", str(files.key), "--tls-client-ca", str(files.ca)]
    flags += ["--batch-seconds", "0.1", "--host", LOOPBACK]
    with running(tmp_path_factory.mktemp("mtls") / "data", *flags) as process:
        yield process


@pytest.fixture(autouse=True)
def _no_other_ca(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the files given to the exporter count: `requests` prefers what these variables name."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


def rows(collector: CollectorProcess, files: Files, name: str) -> list[dict[str, Any]]:
    """Wait until spans of this name are stored; return their peers."""
    chosen = settings.load(tls_ca=files.ca, tls_cert=files.client_cert, tls_key=files.client_key)
    with contextlib.closing(
        Asker(f"https://{collector.endpoints['sql']}", context=tls.of_client(chosen, pinned=None))
    ) as asker:
        for _ in range(300):
            found = asker.rows("SELECT Peer AS peer FROM otel.otel_traces WHERE SpanName = {name:String}", name=name)
            if found:
                return found
    return []


def export(
    collector: CollectorProcess, protocol: str, name: str, ca: Path, shown: tuple[Path, Path] | None = None
) -> SpanExportResult:
    """Export a span with OpenTelemetry's own exporter, which trusts `ca` and shows a certificate if it has one."""
    cert, key = shown or (None, None)
    provider, done = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(done))
    provider.get_tracer("t").start_span(name).end()
    exporter: Any
    if protocol == "grpc":
        credentials = grpc.ssl_channel_credentials(
            ca.read_bytes(), key.read_bytes() if key else None, cert.read_bytes() if cert else None
        )
        exporter = GrpcSpans(endpoint=f"https://{collector.endpoints['grpc']}", credentials=credentials, timeout=1)
    else:
        exporter = HttpSpans(
            endpoint=f"https://{collector.endpoints['http']}/v1/traces",
            certificate_file=str(ca),
            client_certificate_file=str(cert) if cert else None,
            client_key_file=str(key) if key else None,
            timeout=1,
        )
    try:
        return exporter.export(done.get_finished_spans())  # type: ignore[no-any-return]
    finally:
        exporter.shutdown()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tls(secure: CollectorProcess, files: Files, protocol: str) -> None:
    """The stock exporter that trusts the CA is served, and its span is stored with its peer."""
    name = secrets.token_hex(8)
    assert export(secure, protocol, name, files.ca) is SpanExportResult.SUCCESS
    assert rows(secure, files, name) == [{"peer": "127.0.0.1"}]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_client_that_trusts_another_ca(secure: CollectorProcess, files: Files, protocol: str) -> None:
    """The stock exporter that trusts another CA does not send."""
    assert export(secure, protocol, "never", files.other_ca) is SpanExportResult.FAILURE


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_mtls(mutual: CollectorProcess, files: Files, protocol: str) -> None:
    """The stock exporter with a certificate of the clients' CA is served, over IPv6 too."""
    name = secrets.token_hex(8)
    result = export(mutual, protocol, name, files.ca, (files.client_cert, files.client_key))
    assert result is SpanExportResult.SUCCESS
    assert rows(mutual, files, name) == [{"peer": LOOPBACK}]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_mtls_without_a_certificate(mutual: CollectorProcess, files: Files, protocol: str) -> None:
    """The stock exporter without a certificate is not served ..."""
    assert export(mutual, protocol, "never", files.ca) is SpanExportResult.FAILURE


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_mtls_with_a_foreign_certificate(mutual: CollectorProcess, files: Files, protocol: str) -> None:
    """... nor with a certificate of another CA."""
    result = export(mutual, protocol, "never", files.ca, (files.foreign_cert, files.foreign_key))
    assert result is SpanExportResult.FAILURE


def test_plain_text_is_not_served(secure: CollectorProcess) -> None:
    """Where TLS is on nothing is answered without it."""
    for port in ("http", "sql"):
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://{secure.endpoints[port]}/health")
    with grpc.insecure_channel(secure.endpoints["grpc"]) as channel, pytest.raises(grpc.RpcError) as refused:
        TraceServiceStub(channel).Export(traces(span()), timeout=5)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_unix_sockets_stay_plain(secure: CollectorProcess) -> None:
    """Over its Unix socket a collector with TLS speaks without: the file's mode guards it."""
    path = secure.data_dir.parent / "http"
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
        assert client.get("http://x/health").json()["status"] == "healthy"


def ask(collector: CollectorProcess, *flags: str, **environment: str) -> Result:
    """Ask with the command line, which finds the collector by its data directory."""
    command = ["sql", "SELECT 1 AS one", "--format", "CSV", *flags, "--data-dir", str(collector.data_dir)]
    return CliRunner().invoke(app, command, env=environment)


def test_asking_needs_nothing(secure: CollectorProcess) -> None:
    """`sql` asks over TLS without a flag: the data directory names the certificate the collector must show."""
    done = ask(secure)
    assert (done.exit_code, done.stdout) == (0, "1\n"), done.stderr


def test_asking_by_ca(secure: CollectorProcess, files: Files) -> None:
    """With --tls-ca the collector's certificate must be signed by it."""
    assert ask(secure, "--tls-ca", str(files.ca)).stdout == "1\n"
    wrong = ask(secure, OTEL_INTERACTIONS_TLS_CA=str(files.other_ca))
    assert wrong.exit_code == 1
    assert "certificate verify failed" in wrong.stderr.lower()
    assert "--tls-ca" in wrong.stderr


def test_asking_with_a_certificate(mutual: CollectorProcess, files: Files) -> None:
    """Where clients need a certificate, so does the command line."""
    shown = ask(mutual, "--tls-cert", str(files.client_cert), "--tls-key", str(files.client_key))
    assert shown.stdout == "1\n", shown.stderr
    without = ask(mutual)
    assert without.exit_code == 1
    assert "--tls-cert" in without.stderr
    assert isinstance(without.exception, SystemExit)  # a sentence, not a traceback


def test_another_certificate_of_the_same_ca_is_not_the_collector(secure: CollectorProcess, files: Files) -> None:
    """What the data directory names is one certificate, not all its CA signs."""
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"https://{secure.endpoints['sql']}", verify=pinned_to(files.client_cert))
    assert httpx.get(f"https://{secure.endpoints['sql']}/ping", verify=pinned_to(files.cert)).status_code == 200


def pinned_to(certificate: Path) -> Any:
    """Return how the command line asks when the data directory names this certificate."""
    return tls.of_client(settings.load(), str(certificate))


# --- files that do not fit


def start(**given: Any) -> str:
    """Try to start with these files; return the sentence of the refusal."""
    with pytest.raises(StartError) as refused:
        tls.of_server(settings.load(**given))
    assert "hint: " in str(refused.value)
    return str(refused.value)


def test_off_by_default() -> None:
    """Without files there is no TLS."""
    assert tls.of_server(settings.load()) is None
    assert tls.of_client(settings.load(), None) is None


@pytest.mark.parametrize("given", [("tls_cert",), ("tls_key",), ("tls_client_ca",), ("tls_key", "tls_client_ca")])
def test_half_the_files(files: Files, given: tuple[str, ...]) -> None:
    """A certificate without its key, a key without its certificate, a client CA alone: a sentence, not plain text."""
    assert "both --tls-cert and --tls-key" in start(**dict.fromkeys(given, files.cert))


@pytest.mark.parametrize("flag", ["tls_cert", "tls_key", "tls_client_ca"])
def test_files_that_do_not_read(files: Files, tmp_path: Path, flag: str) -> None:
    """A file that is missing, a folder, empty or no PEM: a sentence that names it."""
    good = {"tls_cert": files.cert, "tls_key": files.key, "tls_client_ca": files.ca}
    empty, junk = tmp_path / "empty", tmp_path / "junk"
    empty.write_bytes(b"")
    junk.write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    for bad in (tmp_path / "missing", tmp_path, empty, junk):
        sentence = start(**good | {flag: bad})
        assert str(bad) in sentence
        assert "--" + flag.replace("_", "-") in sentence


def test_files_that_do_not_belong_together(files: Files) -> None:
    """A key of another certificate: a sentence that names both."""
    sentence = start(tls_cert=files.cert, tls_key=files.client_key)
    assert str(files.cert) in sentence
    assert str(files.client_key) in sentence
    assert "key values mismatch" in sentence


def test_a_key_with_a_password(files: Files, tmp_path: Path) -> None:
    """A key with a password: a sentence, and nobody is asked for it at a terminal."""
    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    assert "without a password" in start(tls_cert=files.cert, tls_key=locked)


def test_serve_says_it_in_a_sentence(files: Files, tmp_path: Path) -> None:
    """`serve` with files that do not fit: exit 2, one line, nothing opened."""
    command = [sys.executable, "-m", "collector", "serve", "--data-dir", str(tmp_path / "data")]
    command += ["--tls-cert", str(files.cert), "--tls-key", str(files.client_key)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "data").exists()
