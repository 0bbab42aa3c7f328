"""One table of settings: flags over environment over defaults, and a sentence for each value that is not allowed."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from collector import settings
from collector.errors import StartError
from collector.settings import Settings

BAD = {
    "host": ["example.org", "", "127.0.0.1:4317"],
    "grpc_port": ["-1", "65536", "http", "", "1.5"],
    "http_port": ["-1", "65536", "x"],
    "sql_port": ["-1", "65536", "x"],
    "clickhouse_memory_mib": ["-1", "1", "767", "half"],
    "decode": ["server", ""],
    "cors_origins": ["example.org", "https://a.example/path", "https://a,b", "https://", "https://*.example", "null"],
    "batch_items": ["0", "-5", "many"],
    "batch_seconds": ["0", "-1", "soon", "nan", "inf", "1e300"],
    "batch_bytes": ["0", "32M"],
    "max_request_bytes": ["0", "-1", "64MiB"],
    "max_field_bytes": ["-1", "1MiB"],
    "journal_max_bytes": ["0", "-1", "8GiB"],
    "parallel_loads": ["0", "17", "two"],
    "disk_reserve_bytes": ["-1", "half"],
    "durability": ["disk", "", "FSYNC"],
    "duplicate_window_seconds": ["-1", "nan", "inf", "1e300"],
    "duplicate_window_requests": ["0", "-1", "all"],
    "requests_per_second": ["-1", "fast", "nan", "inf"],
    "bytes_per_second": ["-1", "1M", "nan", "inf"],
    "burst_seconds": ["-1", "nan", "inf"],
    "memory_limit_mib": ["0", "1G"],
    "request_seconds": ["0", "-1", "nan", "inf"],
    "max_connections": ["0", "many"],
    "session_idle_seconds": ["0", "-1", "nan", "inf", "1e300"],
    "clickhouse_dictionary_user": ["reader", ":secret"],
    "internal_metrics_seconds": ["-1", "nan", "inf", "often"],
    "tenant_idle_seconds": ["acme", "acme=", "=5", "acme=0", "acme=soon", "acme=1e9", "acme=5;beta=6", "a=nan"],
    "retention_days": ["-1", "1.5", "36501", "soon"],
    "tenant_retention_days": ["acme", "acme=", "=5", "acme=-1", "acme=1.5", "acme=36501", "acme=5;beta=6"],
    "type_retention_days": ["log", "log=", "=5", "log=soon"],
    "archive": ["yes", "1"],
    "drain_seconds": ["-1", "never", "nan", "inf", "1e300"],
    "log_level": ["loud", "INFO!", ""],
    "log_format": ["xml", "JSON "],
}


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin without any of our variables."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"OTEL_INTERACTIONS_{name.upper()}", raising=False)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_bad_values(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A value that is not allowed, by flag or by environment: one sentence with flag, variable and value."""
    with pytest.raises(StartError) as by_flag:
        settings.load(**{name: value})
    monkeypatch.setenv(f"OTEL_INTERACTIONS_{name.upper()}", value)
    with pytest.raises(StartError) as by_environment:
        settings.load()
    sentence = str(by_flag.value)
    assert f"--{name.replace('_', '-')} (OTEL_INTERACTIONS_{name.upper()}) cannot be {value!r}: " in sentence
    assert "--help" in sentence
    assert "\n" not in sentence
    assert str(by_environment.value) == sentence


GOOD = {
    "data_dir": ("/tmp/a", "/tmp/b", Path("/tmp/a"), Path("/tmp/b")),  # noqa: S108 - never opened
    "host": ("localhost", "::1", "localhost", "::1"),
    "grpc_port": ("0", "65535", 0, 65535),
    "http_port": ("1", "2", 1, 2),
    "sql_port": ("1", "2", 1, 2),
    "clickhouse_url": ("http://a", "http://b", None, None),
    "clickhouse_dictionary_user": ("a:b:c", "d:", SecretStr("a:b:c"), SecretStr("d:")),
    "clickhouse_cluster": ("main", "{cluster}", "main", "{cluster}"),
    "clickhouse_memory_mib": ("768", "1024", 768, 1024),
    "decode": ("collector", "clickhouse", "collector", "clickhouse"),
    "grpc_socket": ("/tmp/a", "/tmp/b", Path("/tmp/a"), Path("/tmp/b")),  # noqa: S108 - never opened
    "http_socket": ("/tmp/a", "/tmp/b", Path("/tmp/a"), Path("/tmp/b")),  # noqa: S108
    "tls_cert": ("a.pem", "b.pem", Path("a.pem"), Path("b.pem")),
    "tls_key": ("a.pem", "b.pem", Path("a.pem"), Path("b.pem")),
    "tls_client_ca": ("a.pem", "b.pem", Path("a.pem"), Path("b.pem")),
    "tls_ca": ("a.pem", "b.pem", Path("a.pem"), Path("b.pem")),
    "cors_origins": ("*", "https://b:8443", "*", "https://b:8443"),
    "batch_items": ("1", "2", 1, 2),
    "batch_seconds": ("0.5", "2", 0.5, 2.0),
    "batch_bytes": ("1", "2", 1, 2),
    "max_request_bytes": ("1", "2", 1, 2),
    "max_field_bytes": ("1", "2", 1, 2),
    "journal_max_bytes": ("1", "2", 1, 2),
    "parallel_loads": ("3", "4", 3, 4),
    "disk_reserve_bytes": ("0", "2", 0, 2),
    "durability": ("os", "fsync", "os", "fsync"),
    "duplicate_window_seconds": ("0", "2", 0.0, 2.0),
    "duplicate_window_requests": ("1", "2", 1, 2),
    "keys_file": ("/run/a", "/run/b", Path("/run/a"), Path("/run/b")),
    "requests_per_second": ("1", "2.5", 1.0, 2.5),
    "bytes_per_second": ("1", "2.5", 1.0, 2.5),
    "burst_seconds": ("0", "2", 0.0, 2.0),
    "memory_limit_mib": ("64", "512", 64, 512),
    "request_seconds": ("0.5", "2", 0.5, 2.0),
    "max_connections": ("1", "2", 1, 2),
    "session_idle_seconds": ("0.5", "2", 0.5, 2.0),
    "internal_metrics_seconds": ("0", "15", 0.0, 15.0),
    "tenant_idle_seconds": ("a=1", "a=1.5, b=2", "a=1", "a=1.5, b=2"),
    "retention_days": ("0", "30", 0, 30),
    "tenant_retention_days": ("a=1", "a=0, b=2", "a=1", "a=0, b=2"),
    "type_retention_days": ("ui_event=1", "log=0,span=2", "ui_event=1", "log=0,span=2"),
    "archive": ("off", "on", "off", "on"),
    "model_prices": ("a.csv", "b.csv", Path("a.csv"), Path("b.csv")),
    "jwt_secret": ("s" * 32, "t" * 32, SecretStr("s" * 32), SecretStr("t" * 32)),
    "jwt_public_key": ("a.pem", "b.pem", Path("a.pem"), Path("b.pem")),
    "jwt_jwks_url": ("https://a/jwks", "https://b/jwks", "https://a/jwks", "https://b/jwks"),
    "jwt_issuer": ("a", "b", "a", "b"),
    "jwt_audience": ("a", "b", "a", "b"),
    "jwt_tenant_claim": ("org", "team", "org", "team"),
    "drain_seconds": ("0", "2", 0.0, 2.0),
    "log_level": ("debug", "error", "debug", "error"),
    "log_format": ("json", "json", "json", "json"),
}


def test_every_setting_is_tried() -> None:
    """The table above knows every setting."""
    assert set(GOOD) == set(Settings.model_fields)


@pytest.mark.parametrize("name", GOOD)
def test_flag_over_environment_over_default(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A flag wins over the environment, the environment over the default; a flag not given changes nothing."""
    flag, variable, as_flag, as_variable = GOOD[name]
    default = getattr(settings.load(), name)
    monkeypatch.setenv(f"OTEL_INTERACTIONS_{name.upper()}", variable)
    from_environment = getattr(settings.load(**{name: None}), name)
    from_flag = getattr(settings.load(**{name: flag}), name)
    if name == "clickhouse_url":
        assert default is None
        assert (from_flag.get_secret_value(), from_environment.get_secret_value()) == (flag, variable)
        return
    assert (from_flag, from_environment) == (as_flag, as_variable)
    assert default not in (from_environment, from_flag) or name in {
        "archive",
        "decode",
        "durability",
    }  # two values only


def test_defaults() -> None:
    """Without anything: the ports everybody expects, on loopback only, OTLP's recommended limit."""
    chosen = settings.load()
    assert (chosen.host, chosen.grpc_port, chosen.http_port, chosen.sql_port) == ("127.0.0.1", 4317, 4318, 8123)
    assert chosen.max_request_bytes == 64 * 1024 * 1024
    assert chosen.clickhouse_url is None


def test_data_dir_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Data lives in the user's data folder, wherever XDG says it is."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert settings.load().data_dir == tmp_path / "otel-interactions"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert settings.load().data_dir == tmp_path / ".local" / "share" / "otel-interactions"


@pytest.mark.parametrize("url", ["db:8123", "ftp://me:hunter2@db", "http://", "http://me:hunter2@db:port", "hunter2"])
def test_bad_addresses(url: str) -> None:
    """An address that is none is refused with the form it must have, and without repeating a password."""
    with pytest.raises(StartError, match=r"--clickhouse-url .*http://user:password@host:8123") as refused:
        settings.load(clickhouse_url=url)
    assert "hunter2" not in str(refused.value)


def test_an_empty_address_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable set to nothing, as compose files do, is a variable not set: the embedded engine, with its SQL port."""
    monkeypatch.setenv("OTEL_INTERACTIONS_CLICKHOUSE_URL", "")
    assert settings.load().clickhouse_url is None


@pytest.mark.parametrize(
    ("host", "local"),
    [("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("0.0.0.0", False), ("::", False)],
)
def test_who_can_call(host: str, local: bool) -> None:
    """An address tells whether other machines can call, which decides whether keys are demanded."""
    assert settings.load(host=host).is_local is local


def test_keys_lie_in_the_data_folder_unless_told_otherwise() -> None:
    """The key file is in the data folder, or where it is named."""
    assert settings.load(data_dir="/data").key_file == Path("/data/keys.json")
    assert settings.load(data_dir="/data", keys_file="/run/secrets/keys").key_file == Path("/run/secrets/keys")


def test_the_largest_request_has_room() -> None:
    """A memory limit below the largest request allowed is refused: such a request would be sent again for ever."""
    assert settings.load(memory_limit_mib="1", max_request_bytes=1 << 20).memory_limit_mib == 1
    with pytest.raises(StartError, match=r"--memory-limit-mib 1 has no room .* --max-request-bytes 1048577"):
        settings.load(memory_limit_mib="1", max_request_bytes=(1 << 20) + 1)


def test_the_least_memory_of_the_engine() -> None:
    """Less than is promised to do is refused with what is allowed; 0 stands for half of the machine's."""
    assert settings.load(clickhouse_memory_mib="0").clickhouse_memory_mib == 0
    with pytest.raises(StartError, match="cannot be '767': it must be 768 at the least, or 0 for half of"):
        settings.load(clickhouse_memory_mib="767")


@pytest.mark.parametrize("name", ["grpc_socket", "http_socket", "tls_cert", "tls_key", "tls_client_ca", "tls_ca"])
def test_an_empty_path_is_none(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A variable set to nothing is a variable not set, not the current folder."""
    monkeypatch.setenv(f"OTEL_INTERACTIONS_{name.upper()}", "")
    assert getattr(settings.load(), name) is None


def test_origins_are_written_as_browsers_do() -> None:
    """Spaces, capitals and a slash at the end are levelled; browsers send none of them."""
    given = " https://App.Example.org/ , http://localhost:3000,, "
    assert settings.load(cors_origins=given).cors_origins == "https://app.example.org,http://localhost:3000"


def test_passwords_do_not_show() -> None:
    """The ClickHouse address may hold a password: it shows in no representation."""
    chosen = settings.load(clickhouse_url="http://me:hunter2@db:8123")
    assert "hunter2" not in f"{chosen!r} {chosen} {chosen.model_dump()}"


def test_settings_do_not_change() -> None:
    """Once built, settings stay."""
    with pytest.raises(ValidationError, match="frozen"):
        settings.load().host = "0.0.0.0"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_says_what_it_is(name: str) -> None:
    """The table has a row for each setting, with a sentence that ends as sentences do."""
    row = settings.table()[name]
    assert (row.flag, row.variable) == (f"--{name.replace('_', '-')}", f"OTEL_INTERACTIONS_{name.upper()}")
    assert row.kind
    assert row.default
    assert row.sentence.endswith((".", ").", "8123."))
