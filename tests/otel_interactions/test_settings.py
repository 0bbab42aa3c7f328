"""Settings from arguments and the environment."""

import inspect
from pathlib import Path

import pytest

import otel_interactions as oi
from otel_interactions import settings
from otel_interactions.export.transport import GRPC, HTTP


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("1", True), ("ON", True), ("no", False), (" off ", False), ("", True)]
)
def test_switches_read_the_usual_words(monkeypatch, text, value):
    """On and off may be said as people say it; an empty variable is not set."""
    monkeypatch.setenv("OTEL_INTERACTIONS_ENABLED", text)
    assert settings.switch("enabled", None) is value


def test_an_argument_wins_over_the_environment(monkeypatch):
    """What the code says holds, whatever the environment says."""
    monkeypatch.setenv("OTEL_INTERACTIONS_ENABLED", "false")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    assert settings.switch("enabled", argument=True) is True
    assert settings.protocol("http/protobuf") == "http/protobuf"


def test_the_traces_variable_wins_over_the_general_one(monkeypatch):
    """Of OpenTelemetry's two variables the one for traces wins."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf")
    assert settings.protocol(None) == "http/protobuf"


@pytest.mark.parametrize(
    ("arguments", "environment", "named"),
    [
        ({"protocol": "carrier pigeon"}, {}, "protocol"),
        ({"endpoint": "localhost:4317"}, {}, "endpoint"),
        ({"enabled": "yes"}, {}, "enabled"),
        ({"tracer_provider": object()}, {}, "tracer_provider"),
        ({}, {"OTEL_INTERACTIONS_CAPTURE_CONTENT": "perhaps"}, "OTEL_INTERACTIONS_CAPTURE_CONTENT"),
        ({}, {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "OTEL_EXPORTER_OTLP_PROTOCOL"),
        ({}, {"OTEL_BSP_MAX_QUEUE_SIZE": "many"}, "OTEL_BSP_MAX_QUEUE_SIZE"),
        ({}, {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "0"}, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"),
        ({}, {"OTEL_BSP_SCHEDULE_DELAY": "1.5"}, "OTEL_BSP_SCHEDULE_DELAY"),
        ({}, {"OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}, "OTEL_EXPORTER_OTLP_TIMEOUT"),
        ({}, {"OTEL_EXPORTER_OTLP_TIMEOUT": "0"}, "OTEL_EXPORTER_OTLP_TIMEOUT"),
        ({}, {"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "nan"}, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"),
        ({}, {"OTEL_EXPORTER_OTLP_COMPRESSION": "zstd"}, "OTEL_EXPORTER_OTLP_COMPRESSION"),
        ({}, {"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "zstd"}, "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION"),
        ({}, {"OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere/ca.pem"}, "OTEL_EXPORTER_OTLP_CERTIFICATE"),
        ({}, {"OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY": "/nowhere/key"}, "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY"),
        ({}, {"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "/nowhere"}, "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"),
        ({"protocol": HTTP}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"protocol": HTTP}, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "c:1"}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
        ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:port"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"endpoint": "http://collector:port"}, {}, "endpoint"),
        ({"endpoint": "http://collector:431700"}, {}, "endpoint"),
        ({"fallback_endpoint": "collector:4318"}, {}, "fallback_endpoint"),
        ({"fallback_endpoint": "http://collector:port"}, {}, "fallback_endpoint"),
        ({}, {"OTEL_INTERACTIONS_FALLBACK_ENDPOINT": "perhaps"}, "OTEL_INTERACTIONS_FALLBACK_ENDPOINT"),
        ({"spool_max_mib": 0}, {}, "spool_max_mib"),
        ({"spool_max_mib": -5}, {}, "spool_max_mib"),
        ({"spool_max_mib": 1.5}, {}, "spool_max_mib"),
        ({}, {"OTEL_INTERACTIONS_SPOOL_MAX_MIB": "a lot"}, "OTEL_INTERACTIONS_SPOOL_MAX_MIB"),
        ({"spool_max_hours": 0}, {}, "spool_max_hours"),
        ({}, {"OTEL_INTERACTIONS_SPOOL_MAX_HOURS": "0"}, "OTEL_INTERACTIONS_SPOOL_MAX_HOURS"),
        ({"spool_when_full": "wait"}, {}, "spool_when_full"),
        ({}, {"OTEL_INTERACTIONS_SPOOL_WHEN_FULL": "wait"}, "OTEL_INTERACTIONS_SPOOL_WHEN_FULL"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch, arguments, environment, named):
    """configure() raises a ConfigurationError that names the setting and what is allowed, and changes nothing."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(oi.ConfigurationError) as caught:
        oi.configure(**arguments, set_global=False)
    assert named in caught.value.setting
    assert "allowed: " in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert oi.status().state != "recording"


def test_each_row_is_complete():
    """Each setting has its variables, type and sentence; those of configure() have the name of its argument."""
    parameters = inspect.signature(oi.configure).parameters
    for row in oi.SETTINGS:
        assert row.env or row.name
        assert row.type
        assert row.sentence.endswith(".")
        assert not row.name or row.name in parameters
    named = {row.name for row in oi.SETTINGS}
    assert set(parameters) - named == {"tracer_provider", "set_global"}


# --- the spool


def test_where_the_spool_is(monkeypatch, tmp_path):
    """The argument, the variable, the state folder of the user, that of the home: the first that is set."""
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    monkeypatch.setenv("OTEL_INTERACTIONS_SPOOL_DIR", "/from/environment")
    assert settings.spool_dir(tmp_path) == tmp_path
    assert settings.spool_dir(str(tmp_path)) == tmp_path
    assert settings.spool_dir("~/spool") == Path("/home/somebody/spool")
    assert settings.spool_dir(None) == Path("/from/environment")
    monkeypatch.delenv("OTEL_INTERACTIONS_SPOOL_DIR")
    assert settings.spool_dir(None) == Path("/state/otel-interactions/spool")
    monkeypatch.delenv("XDG_STATE_HOME")
    assert settings.spool_dir(None) == Path("/home/somebody/.local/state/otel-interactions/spool")


@pytest.mark.parametrize("word", ["off", "OFF", " false ", "no", "0"])
def test_no_spool(monkeypatch, word):
    """Off is off, in the argument and in the variable."""
    assert settings.spool_dir(word) is None
    monkeypatch.setenv("OTEL_INTERACTIONS_SPOOL_DIR", word)
    assert settings.spool_dir(None) is None


@pytest.mark.parametrize(("name", "default"), [("spool_max_mib", 512), ("spool_max_hours", 168)])
def test_how_much_the_spool_takes(monkeypatch, name, default):
    """The argument, the variable, the default."""
    assert settings.whole(name, None) == default
    monkeypatch.setenv(f"OTEL_INTERACTIONS_{name.upper()}", "7")
    assert settings.whole(name, None) == 7
    assert settings.whole(name, 3) == 3


def test_what_goes_when_the_spool_is_full(monkeypatch):
    """The argument, the variable, the default."""
    assert settings.choice("spool_when_full", None, settings.WHEN_FULL) == "drop_oldest"
    monkeypatch.setenv("OTEL_INTERACTIONS_SPOOL_WHEN_FULL", "drop_newest")
    assert settings.choice("spool_when_full", None, settings.WHEN_FULL) == "drop_newest"
    assert settings.choice("spool_when_full", "drop_oldest", settings.WHEN_FULL) == "drop_oldest"


def test_the_settings_reach_the_spool(monkeypatch, grpc_receiver, tmp_path):
    """configure() uses them: the folder it is given, and the limit."""
    monkeypatch.setenv("OTEL_INTERACTIONS_SPOOL_MAX_MIB", "1")
    grpc_receiver.answer = lambda: None
    folder = tmp_path / "of my own"
    oi.configure(endpoint="http://127.0.0.1:9", spool_dir=folder, spool_when_full="drop_newest", set_global=False)
    for _ in range(40):
        oi.event("system", attributes={"text": "x" * 50_000})
    status = oi.status()
    assert 0 < sum(path.stat().st_size for path in folder.rglob("*.spool")) <= 1 << 20
    assert status.spooled + status.waiting == 40  # what the disk does not take is in memory
    assert status.waiting > 0
    assert status.lost == {}


# --- OpenTelemetry's variables


def target(protocol=GRPC, endpoint=None, headers=None):
    return settings.target(protocol, endpoint, headers)


@pytest.mark.parametrize(
    ("protocol", "environment", "address"),
    [
        (GRPC, {}, "http://localhost:4317"),
        (HTTP, {}, "http://localhost:4318/v1/traces"),
        (GRPC, {"ENDPOINT": "http://c:4317"}, "http://c:4317"),
        (GRPC, {"ENDPOINT": "https://c:4317"}, "https://c:4317"),
        (GRPC, {"ENDPOINT": "c:4317"}, "https://c:4317"),
        (GRPC, {"ENDPOINT": "c:4317", "INSECURE": "true"}, "http://c:4317"),
        (GRPC, {"ENDPOINT": "c:4317", "INSECURE": "false"}, "https://c:4317"),
        (GRPC, {"ENDPOINT": "c:4317", "INSECURE": "true", "TRACES_INSECURE": "false"}, "https://c:4317"),
        (GRPC, {"ENDPOINT": "https://c:4317", "INSECURE": "true"}, "https://c:4317"),
        (GRPC, {"ENDPOINT": "http://c:4317", "TRACES_ENDPOINT": "http://t:4317"}, "http://t:4317"),
        (HTTP, {"ENDPOINT": "http://c:4318"}, "http://c:4318/v1/traces"),
        (HTTP, {"ENDPOINT": "http://c:4318/otlp/"}, "http://c:4318/otlp/v1/traces"),
        (HTTP, {"ENDPOINT": "http://c:4318", "TRACES_ENDPOINT": "http://t/as/it/is"}, "http://t/as/it/is"),
        (HTTP, {"TRACES_ENDPOINT": " http://t/as/it/is "}, "http://t/as/it/is"),
        (GRPC, {"ENDPOINT": "http://c:4317", "TRACES_ENDPOINT": ""}, "http://c:4317"),
        (GRPC, {"ENDPOINT": "unix:///run/c.sock"}, "unix:///run/c.sock"),
    ],
)
def test_the_address(monkeypatch, protocol, environment, address):
    """OpenTelemetry's variables say where to, as they do for its own exporter; an argument wins."""
    for name, value in environment.items():
        monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", value)
    assert target(protocol).endpoint == address
    given = target(protocol, "https://argument:1").endpoint
    assert given == "https://argument:1" + ("" if protocol == GRPC else "/v1/traces")


def test_headers(monkeypatch):
    """Headers of the environment are decoded, those for traces win, those of the argument win over both."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b%3D, X-Tenant = one ,empty=")
    assert target().headers == {"api-key": "a b=", "x-tenant": "one", "empty": ""}
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "api-key=t")
    assert target().headers == {"api-key": "t"}
    assert target(headers={"X-Own": "Ö"}).headers == {"X-Own": "Ö"}
    assert target(headers={}).headers == {}


def test_timeout_and_compression(monkeypatch):
    """Seconds of a request, and gzip; the variables for traces win."""
    assert (target().timeout, target().gzip) == (10.0, False)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    assert (target().timeout, target().gzip) == (3.0, True)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0.5")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "None")
    assert (target().timeout, target().gzip) == (0.5, False)


def test_certificates(monkeypatch, tmp_path):
    """Files of certificates and keys; the variables for traces win."""
    for name, attribute in (
        ("CERTIFICATE", "certificate"),
        ("CLIENT_KEY", "client_key"),
        ("CLIENT_CERTIFICATE", "client_certificate"),
    ):
        assert not getattr(target(), attribute)
        for traces in ("", "TRACES_"):
            path = tmp_path / f"{traces}{name}.pem"
            path.write_text("")
            monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{traces}{name}", str(path))
            assert getattr(target(), attribute) == str(path)


@pytest.mark.parametrize(
    ("protocol", "endpoint", "given", "address"),
    [
        (GRPC, "http://c:4317", None, "http://c:4318/v1/traces"),
        (HTTP, "https://c:4318", None, "https://c:4317"),
        (GRPC, "http://[::1]:4317", None, "http://[::1]:4318/v1/traces"),
        (GRPC, "http://c:9999", None, None),
        (GRPC, "http://c", None, None),
        (HTTP, "http://c:4317", None, None),
        (GRPC, "http://c:4317", "off", None),
        (GRPC, "http://c:4317", "No", None),
        (GRPC, "http://c:9999", "http://c:8888", "http://c:8888/v1/traces"),
        (HTTP, "http://c:9999", "http://c:8888", "http://c:8888"),
    ],
)
@pytest.mark.parametrize("by", ["argument", "environment"])
def test_the_other_address(monkeypatch, by, protocol, endpoint, given, address):
    """The other protocol of the same collector: at the usual port, where it is said, or nowhere."""
    if given and by == "environment":
        monkeypatch.setenv("OTEL_INTERACTIONS_FALLBACK_ENDPOINT", given)
        given = None
    first = settings.target(protocol, endpoint, {"k": "v"})
    other = settings.fallback(first, given)
    if address is None:
        assert other is None
    else:
        assert other.endpoint == address
        assert other.protocol == (HTTP if protocol == GRPC else GRPC)
        assert other.headers == {"k": "v"}


def test_the_argument_of_the_other_address_wins(monkeypatch):
    """Off in the code is off, whatever the environment says."""
    monkeypatch.setenv("OTEL_INTERACTIONS_FALLBACK_ENDPOINT", "http://c:1")
    assert settings.fallback(target(), "off") is None
