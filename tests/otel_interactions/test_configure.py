"""configure(), flush(), shutdown(), status()."""
# ruff: noqa: ANN002, ANN003, ARG001  functions written as users write them

import os
import subprocess
import sys
import time

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

import otel_interactions as oi
from otel_interactions.log import forget_said

KEPT = ("OTEL_INTERACTIONS_SPOOL_DIR", "PYTHONPATH")


def run(code, *arguments, **environment):
    """Run code in a new interpreter, where nothing has been configured."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={"PATH": "", **kept, **environment},
    )


def dropped(reason):
    return oi.status().dropped.get(reason, 0)


def test_not_configured(lines):
    """Before configure() everything runs, is counted as not_configured, and one line says what to do."""
    result = run(
        "import otel_interactions as oi\n"
        "with oi.session() as s:\n"
        "    oi.user_message('a'); oi.user_message('b')\n"
        "    with oi.assistant_response() as r: assert list(r.stream('ab')) == ['a', 'b']\n"
        "print(oi.status().state, oi.status().dropped, oi.status().recorded, bool(oi.flush()))\n"
    )
    assert result.stdout == "not_configured {'not_configured': 5} {} True\n"
    assert result.stderr.count("\n") == 1
    assert "call otel_interactions.configure()" in result.stderr


def test_after_shutdown(grpc_receiver, lines):
    """After shutdown() everything runs, is counted as after_shutdown, and one line says what to do."""
    oi.configure(endpoint=grpc_receiver.endpoint, set_global=False)
    with oi.session(), oi.tool_call("slow"):
        oi.shutdown()
        before = dropped("after_shutdown")
        oi.user_message("too late")
    oi.shutdown()
    assert oi.status().state == "after_shutdown"
    assert dropped("after_shutdown") == before + 3  # the message, the open call, the end of the session
    assert len([line for line in lines() if "configure() to record again" in line]) == 1
    assert grpc_receiver.names() == ["session_start"]


@pytest.mark.parametrize(
    ("variable", "value"), [("OTEL_INTERACTIONS_ENABLED", "false"), ("OTEL_SDK_DISABLED", "true"), (None, None)]
)
def test_disabled(monkeypatch, lines, grpc_receiver, variable, value):
    """Switched off by either variable or by argument: counted as disabled, said once, nothing is sent."""
    forget_said()
    if variable:
        monkeypatch.setenv(variable, value)
    before = dropped("disabled")
    oi.configure(endpoint=grpc_receiver.endpoint, set_global=False, enabled=None if variable else False)
    with oi.session():
        oi.user_message("Hello")
    assert oi.status().state == "disabled"
    assert dropped("disabled") == before + 3
    assert len([line for line in lines() if "switched off" in line]) == 1
    oi.shutdown()
    assert grpc_receiver.requests == 0


def test_resource_and_scope(monkeypatch, grpc_receiver):
    """Arguments win over OTEL_RESOURCE_ATTRIBUTES, what they leave open is the environment's."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "team=voice,service.name=env,service.version=0")
    oi.configure(
        service_version="1.2",
        environment="staging",
        resource_attributes={"region": "eu", "odd": {"a": 1}},
        endpoint=grpc_receiver.endpoint,
        set_global=False,
    )
    oi.event("system")
    oi.shutdown()
    span = grpc_receiver.wait_for("event system")
    assert span.resource["team"] == "voice"
    assert span.resource["service.name"] == "env"
    assert span.resource["service.version"] == "1.2"
    assert span.resource["deployment.environment.name"] == "staging"
    assert span.resource["region"] == "eu"
    assert span.resource["odd"] == '{"a":1}'
    assert span.resource["service.instance.id"] == span.attributes["service.instance.id"]


def test_an_instance_id_of_the_operators_stays(monkeypatch, grpc_receiver):
    """An instance id given from outside stays on the resource; the spans carry the process's own beside it."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=pod-7")
    oi.configure(endpoint=grpc_receiver.endpoint, set_global=False)
    oi.event("system")
    oi.shutdown()
    span = grpc_receiver.wait_for("event system")
    assert span.resource["service.instance.id"] == "pod-7"
    assert span.attributes["service.instance.id"] not in {"", "pod-7"}


def test_the_endpoint_of_the_environment(monkeypatch, grpc_receiver):
    """Without an argument OpenTelemetry's variable says where to."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", grpc_receiver.endpoint)
    oi.configure(set_global=False)
    oi.event("system")
    assert oi.flush()
    assert grpc_receiver.names() == ["event system"]
    assert oi.status().endpoint == grpc_receiver.endpoint


def test_headers_reach_the_collector(grpc_receiver):
    """Headers are sent with each request, in the case HTTP/2 wants."""
    oi.configure(endpoint=grpc_receiver.endpoint, headers={"X-Api-Key": "k"}, set_global=False)
    oi.event("system")
    oi.shutdown()
    assert grpc_receiver.headers[0]["x-api-key"] == "k"


def test_over_http(http_receiver):
    """Over HTTP it is the same, under /v1/traces of the base address, with headers."""
    oi.configure(
        endpoint=http_receiver.endpoint, protocol="http/protobuf", headers={"X-Api-Key": "k"}, set_global=False
    )
    with oi.session():
        oi.user_message("Hello")
    assert oi.flush()
    assert sorted(http_receiver.names()) == ["session_end", "session_start", "user_message"]
    assert {headers[":path"] for headers in http_receiver.headers} == {"/v1/traces"}
    assert {headers["x-api-key"] for headers in http_receiver.headers} == {"k"}


def test_configured_again(grpc_receiver, http_receiver):
    """A second configure() sends what the first has waiting, and what comes then goes the new way."""
    oi.configure(endpoint=grpc_receiver.endpoint, set_global=False)
    oi.event("first")
    oi.configure(endpoint=http_receiver.endpoint, protocol="http/protobuf", set_global=False)
    assert grpc_receiver.names() == ["event first"]
    oi.event("second")
    oi.shutdown()
    assert grpc_receiver.names() == ["event first"]
    assert http_receiver.names() == ["event second"]


def test_a_wrong_setting_leaves_the_first_configuration(grpc_receiver):
    """A configure() that raises changes nothing: recording goes on as before."""
    oi.configure(endpoint=grpc_receiver.endpoint, set_global=False)
    with pytest.raises(oi.ConfigurationError):
        oi.configure(endpoint="nowhere")
    oi.event("still here")
    assert oi.flush()
    assert grpc_receiver.names() == ["event still here"]


def test_a_provider_of_the_applications(grpc_receiver, lines):
    """An existing provider keeps its exporters and its ids; sessions work in it, and nothing is sent twice."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    before = provider.get_tracer("app")
    for _ in range(2):  # configuring the same provider again adds nothing
        oi.configure(tracer_provider=provider, set_global=False)
    with oi.session(id="s") as s, before.start_as_current_span("GET /"):
        oi.user_message("Hello")
    oi.shutdown()
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert sorted(span.name for span in exporter.get_finished_spans()) == [
        "GET /",
        "session_end",
        "session_start",
        "user_message",
    ]
    assert f"{spans['session_start'].context.span_id:016x}" == s.root_span_id
    assert spans["GET /"].attributes["session.id"] == "s"
    with provider.get_tracer("app").start_as_current_span("later"):
        pass
    assert exporter.get_finished_spans()[-1].name == "later"  # shutting us down leaves their provider running
    provider.shutdown()


def test_a_provider_of_the_applications_with_our_export(grpc_receiver):
    """With an endpoint, our export is added to an existing provider: a session's start leaves at once."""
    provider = TracerProvider(shutdown_on_exit=False, id_generator=RandomIdGenerator())
    oi.configure(tracer_provider=provider, endpoint=grpc_receiver.endpoint, set_global=False)
    with oi.session():
        grpc_receiver.wait_for("session_start")
    assert oi.flush()
    oi.shutdown()
    assert sorted(grpc_receiver.names()) == ["session_end", "session_start"]
    provider.shutdown()


def test_sampling_keeps_or_drops_whole_sessions(monkeypatch, grpc_receiver):
    """With a ratio sampler a session is kept whole or not at all, by its id, in every process alike."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    oi.configure(endpoint=grpc_receiver.endpoint, set_global=False)
    before = dropped("not_sampled")
    for number in range(40):
        with oi.session(id=f"s-{number}", end=False):
            oi.user_message("Hello")
        with oi.resume(f"s-{number}"):
            oi.user_message("again")
    assert oi.flush()
    kept = {}
    for span in grpc_receiver.spans:
        kept.setdefault(span.attributes["session.id"], []).append(span.name)
    assert 5 < len(kept) < 35
    for names in kept.values():
        assert sorted(names) == ["session_end", "session_start", "session_start", "user_message", "user_message"]
    assert dropped("not_sampled") == before + 5 * (40 - len(kept))


def test_status_counts(grpc_receiver):
    """status() says what was recorded, by type, and what the collector accepted."""
    before = oi.status()
    oi.configure(endpoint=grpc_receiver.endpoint, set_global=False)
    with oi.session():
        oi.user_message("a")
        oi.user_message("b")
    oi.event("system")
    assert oi.flush()
    now = oi.status()
    assert now.state == "recording"
    assert now.recorded["user_message"] - before.recorded.get("user_message", 0) == 2
    assert now.without_session - before.without_session == 1
    assert (now.delivered, now.lost, now.waiting, now.last_error) == (5, {}, 0, "")
    with pytest.raises(AttributeError):
        now.delivered = 0


def test_the_interpreters_exit_sends_what_waits(grpc_receiver):
    """A program that just ends has its interactions sent."""
    run(
        "import sys, otel_interactions as oi\n"
        "oi.configure(endpoint=sys.argv[1])\n"
        "with oi.session(): oi.user_message('last words')\n",
        grpc_receiver.endpoint,
    )
    assert sorted(grpc_receiver.names()) == ["session_end", "session_start", "user_message"]


def test_the_sdk_is_light_to_import():
    """Importing the package brings neither grpc nor urllib3: they come with configure(), one of them."""
    result = run("import sys, otel_interactions\nprint([name for name in ('grpc', 'urllib3') if name in sys.modules])")
    assert result.stdout == "[]\n"


def record_in_vain():
    """Record 1200 spans, and say how long the slowest call took."""
    slowest = 0.0
    for _ in range(300):
        started = time.perf_counter()
        with oi.session():
            oi.user_message("Hello")
            oi.error(ValueError(), critical=True)
        slowest = max(slowest, time.perf_counter() - started)
    return slowest


def test_no_collector(lines, tmp_path):
    """Without a collector calls return at once, nothing is lost, and the log has one line, with the address."""
    oi.configure(endpoint="http://127.0.0.1:9", set_global=False)
    assert record_in_vain() < 0.5
    started = time.perf_counter()
    flushed = oi.flush(timeout_ms=300)
    assert not flushed
    assert (flushed.accepted, flushed.lost, flushed.waiting, flushed.spooled) == (0, {}, 0, 1200)
    oi.shutdown(timeout_ms=300)
    assert time.perf_counter() - started < 3
    status = oi.status()
    assert (status.delivered, status.lost, status.waiting, status.spooled) == (0, {}, 0, 1200)
    (told,) = lines()
    assert "127.0.0.1:9" in told
    assert f"kept in {tmp_path / 'spool'}" in told


def test_no_collector_and_no_spool(lines):
    """Without a spool either, what does not fit and what is left at the end are lost and counted: two lines."""
    oi.configure(endpoint="http://127.0.0.1:9", set_global=False, spool_dir="off")
    assert record_in_vain() < 0.5
    started = time.perf_counter()
    assert not oi.flush(timeout_ms=300)
    oi.shutdown(timeout_ms=300)
    assert time.perf_counter() - started < 3
    status = oi.status()
    assert (status.delivered, status.lost, status.waiting, status.spooled) == (0, {"shutdown": 1200}, 0, 0)
    waits, drops = lines()
    assert "127.0.0.1:9" in waits
    assert "kept in memory" in waits
    assert "127.0.0.1:9" in drops
    assert "dropped" in drops
