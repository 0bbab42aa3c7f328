"""`opentelemetry-instrument` itself, with this package installed beside other distributions or alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from processes import CollectorProcess

REPOSITORY = Path(__file__).parents[3]
COMMAND = Path(sys.executable).with_name("opentelemetry-instrument")

APP = """
import logging
from opentelemetry import metrics, trace
import otel_interactions as oi

tracer = trace.get_tracer("shop")  # as other instrumentations do, at import
with oi.session("s-1", user_id="u-1"):
    with tracer.start_as_current_span("GET /cart"):
        oi.user_message("hello")
with tracer.start_as_current_span("nightly"):
    pass
metrics.get_meter("shop").create_counter("carts").add(3)
print("the application ran")
"""
LOGGING = """
from opentelemetry._logs import LogRecord, get_logger
get_logger("shop").emit(LogRecord(body="a line", severity_text="INFO"))
"""
ALL = {"session_start", "GET /cart", "user_message", "session_end", "nightly"}

Instrument = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This package, installed as users have it: a built wheel, with its entry points."""
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", str(folder), str(REPOSITORY)], check=True, timeout=120)
    return folder


@pytest.fixture
def without_another(tmp_path: Path) -> Path:
    """A folder that hides `opentelemetry-distro`: one of that name without entry points, which is found first."""
    folder = tmp_path / "hiding"
    metadata = folder / "opentelemetry_distro-0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: opentelemetry-distro\nVersion: 0\n")
    return folder


@pytest.fixture
def another(tmp_path: Path) -> Path:
    """Another vendor's distribution, which says that it is used."""
    folder = tmp_path / "another"
    metadata = folder / "another-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: another\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(
        "[opentelemetry_distro]\nanother = another:Distro\n"
        "[opentelemetry_configurator]\nanother = another:Configurator\n"
    )
    (folder / "another.py").write_text(
        "from opentelemetry.instrumentation.distro import BaseDistro\n"
        "class Distro(BaseDistro):\n"
        "    def _configure(self, **given):\n"
        "        print('another distro')\n"
        "class Configurator:\n"
        "    def configure(self, **given):\n"
        "        print('another configurator', *given)\n"
    )
    return folder


@pytest.fixture
def instrument(installed: Path, tmp_path: Path) -> Instrument:
    """Run an application under `opentelemetry-instrument`; folders are looked in before what is installed."""

    def run(*folders: Path, app: str = APP, **environment: str) -> subprocess.CompletedProcess[str]:
        script = tmp_path / "app.py"
        script.write_text(app)
        variables = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        variables["PYTHONPATH"] = os.pathsep.join(map(str, [*folders, installed]))
        variables["OTEL_INTERACTIONS_SPOOL_DIR"] = str(tmp_path / "spool")
        return subprocess.run(
            [COMMAND, sys.executable, str(script)],
            env=variables | environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_alone(instrument: Instrument, without_another: Path, grpc_receiver: Any) -> None:
    """Installed alone, nothing has to be chosen: interactions and the spans of others arrive, each once."""
    done = instrument(
        without_another,
        OTEL_SERVICE_NAME="shop",
        OTEL_EXPORTER_OTLP_ENDPOINT=grpc_receiver.endpoint,
        OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer key",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
        OTEL_INTERACTIONS_CAPTURE_CONTENT="metadata",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "the application ran\n", "")
    assert Counter(grpc_receiver.names()) == Counter(ALL)
    spans = {span.name: span for span in grpc_receiver.spans}
    for span in spans.values():
        assert span.resource["service.name"] == "shop"
        assert span.resource["deployment.environment.name"] == "test"
        assert span.resource["telemetry.auto.version"]
    assert {headers["authorization"] for headers in grpc_receiver.headers} == {"Bearer key"}
    assert spans["GET /cart"].attributes["session.id"] == "s-1"
    assert spans["GET /cart"].parent_id == spans["session_start"].span_id
    assert spans["user_message"].parent_id == spans["GET /cart"].span_id
    assert spans["user_message"].attributes["interaction.text.length"] == 5
    assert "hello" not in str(spans["user_message"].whole)


@pytest.mark.parametrize("variable", ["OTEL_PYTHON_DISTRO", "OTEL_PYTHON_CONFIGURATOR"])
@pytest.mark.parametrize("first", [False, True])
def test_chosen(instrument: Instrument, another: Path, grpc_receiver: Any, variable: str, *, first: bool) -> None:
    """Beside other distributions either variable is enough, in whatever order they are found."""
    folders = [] if first else [another]
    done = instrument(
        *folders,
        **{variable: "otel_interactions"},
        OTEL_EXPORTER_OTLP_ENDPOINT=grpc_receiver.endpoint,
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
    )
    assert done.returncode == 0
    assert done.stdout.endswith("the application ran\n")
    assert "another configurator" not in done.stdout
    assert Counter(grpc_receiver.names()) == Counter(ALL)


@pytest.mark.parametrize("variables", [{}, {"OTEL_PYTHON_DISTRO": "another"}, {"OTEL_PYTHON_CONFIGURATOR": "another"}])
@pytest.mark.parametrize("first", [False, True])
def test_another_is_used(
    instrument: Instrument,
    installed: Path,
    without_another: Path,
    another: Path,
    variables: dict[str, str],
    *,
    first: bool,
) -> None:
    """Where another distribution is installed and ours is not named, the other one configures, in whatever order."""
    folders = [installed, another] if first else [another, installed]
    done = instrument(without_another, *folders, **variables)
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        "another distro",
        "another configurator auto_instrumentation_version",
        "the application ran",
    ]
    assert "Traceback" not in done.stderr
    assert "was not recorded: call otel_interactions.configure()" in done.stderr


def test_the_stock_distribution_is_left_alone(instrument: Instrument, grpc_receiver: Any) -> None:
    """With `opentelemetry-distro` beside and nothing chosen, it exports as it does without ours; a line says so."""
    done = instrument(
        OTEL_EXPORTER_OTLP_ENDPOINT=grpc_receiver.endpoint, OTEL_METRICS_EXPORTER="none", OTEL_LOGS_EXPORTER="none"
    )
    assert (done.returncode, done.stdout) == (0, "the application ran\n")
    assert sorted(grpc_receiver.names()) == ["GET /cart", "nightly"]
    assert "OTEL_PYTHON_DISTRO=otel_interactions chooses ours" in done.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "pigeon"),
        ("OTEL_INTERACTIONS_CAPTURE_CONTENT", "some"),
    ],
)
def test_wrong_settings(instrument: Instrument, without_another: Path, variable: str, value: str) -> None:
    """A wrong setting is one line that names it; the application runs."""
    done = instrument(without_another, **{variable: value})
    assert (done.returncode, done.stdout) == (0, "the application ran\n")
    first, *more = done.stderr.splitlines()
    assert first.startswith(f"nothing is recorded, the application runs on: {variable}: ")
    assert value in first
    assert all("was not recorded" in line for line in more)


def test_exporters_that_are_not_there(instrument: Instrument, without_another: Path, grpc_receiver: Any) -> None:
    """Exporters nobody has and variables nobody reads have a line each; the others export."""
    done = instrument(
        without_another,
        OTEL_EXPORTER_OTLP_ENDPOINT=grpc_receiver.endpoint,
        OTEL_TRACES_EXPORTER="otlp, pigeon",
        OTEL_METRICS_EXPORTER="pigeon",
        OTEL_PYTHON_ID_GENERATOR="xray",
    )
    assert done.stdout == "the application ran\n"
    assert done.stderr.splitlines() == [
        "OTEL_PYTHON_ID_GENERATOR is not read by otel_interactions",
        "OTEL_TRACES_EXPORTER: 'pigeon' is left out: no installed package has it",
        "OTEL_METRICS_EXPORTER: 'pigeon' is left out: no installed package has it",
    ]
    assert Counter(grpc_receiver.names()) == Counter(ALL)


def test_another_exporter_beside(instrument: Instrument, without_another: Path, grpc_receiver: Any) -> None:
    """An exporter that is named beside OTLP gets the spans as well."""
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": grpc_receiver.endpoint}
    done = instrument(without_another, OTEL_TRACES_EXPORTER="otlp,console", **environment)
    assert Counter(grpc_receiver.names()) == Counter(ALL)
    assert all(f'"name": "{name}"' in done.stdout for name in ALL)


@pytest.mark.parametrize(("exporter", "printed"), [("none", False), ("console", True)])
def test_without_our_exporter(
    instrument: Instrument, without_another: Path, grpc_receiver: Any, exporter: str, *, printed: bool
) -> None:
    """Where OTLP is not named nothing is sent to a collector, and nothing spooled for one."""
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": grpc_receiver.endpoint}
    done = instrument(without_another, OTEL_TRACES_EXPORTER=exporter, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert ('"name": "user_message"' in done.stdout) == printed
    assert grpc_receiver.spans == []


@pytest.mark.parametrize("variable", [("OTEL_SDK_DISABLED", "true"), ("OTEL_INTERACTIONS_ENABLED", "false")])
def test_switched_off(
    instrument: Instrument, without_another: Path, grpc_receiver: Any, variable: tuple[str, str]
) -> None:
    """Switched off nothing is sent, and the application runs."""
    environment = dict([variable, ("OTEL_EXPORTER_OTLP_ENDPOINT", grpc_receiver.endpoint)])
    done = instrument(without_another, **environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "the application ran\n", "")
    assert grpc_receiver.spans == []


def test_killed(instrument: Instrument, without_another: Path, grpc_receiver: Any) -> None:
    """What a killed application had recorded is in the spool; its next run sends it, once."""
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": grpc_receiver.endpoint}
    killed = APP.replace("s-1", "s-0") + "\nimport os\nos.kill(os.getpid(), 9)\n"
    assert instrument(without_another, app=killed, OTEL_BSP_SCHEDULE_DELAY="60000", **endpoint).returncode == -9
    assert "nightly" not in grpc_receiver.names()
    instrument(without_another, **endpoint)
    spans = {span.span_id: span.name for span in grpc_receiver.spans}  # an urgent one may have been on its way
    assert Counter(spans.values()) == Counter(dict.fromkeys(ALL, 2))


def test_metrics_and_logs(instrument: Instrument, without_another: Path, collector: CollectorProcess) -> None:
    """Named, the exporters of metrics and logs send to the same collector, under the same resource."""
    for wanted in ("otlp", ""):
        done = instrument(
            without_another,
            app=APP + LOGGING,
            OTEL_SERVICE_NAME=f"instrumented {wanted}",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{collector.endpoints['grpc']}",
            OTEL_METRICS_EXPORTER=wanted,
            OTEL_LOGS_EXPORTER=wanted,
        )
        assert (done.returncode, done.stderr) == (0, "")
    collector.wait_until_stored()
    services = "WHERE ServiceName LIKE 'instrumented %' ORDER BY ServiceName"
    lines = collector.ask(f"SELECT ServiceName, Body FROM otel.otel_logs {services}")
    assert lines == [{"ServiceName": "instrumented otlp", "Body": "a line"}]
    sums = collector.ask(f"SELECT ServiceName, MetricName, Value FROM otel.otel_metrics_sum {services}")
    assert [(each["ServiceName"], each["MetricName"], each["Value"]) for each in sums] == [
        ("instrumented otlp", "carts", 3)
    ]
    spans = collector.ask(f"SELECT DISTINCT ServiceName FROM otel.otel_traces {services}")
    assert len(spans) == 2
