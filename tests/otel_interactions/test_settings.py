"""Settings from arguments and the environment."""

import inspect

import pytest

import otel_interactions as oi
from otel_interactions import settings


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
        ({}, {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "9999"}, "OTEL_BSP_"),
        ({}, {"OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}, "OTEL_EXPORTER_OTLP_"),
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
        assert row.env
        assert row.type
        assert row.sentence.endswith(".")
        assert not row.name or row.name in parameters
    named = {row.name for row in oi.SETTINGS}
    assert set(parameters) - named == {"tracer_provider", "set_global"}
