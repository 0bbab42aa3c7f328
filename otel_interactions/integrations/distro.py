"""`opentelemetry-instrument` records and sends through this package; not a line of the application changes.

    OTEL_SERVICE_NAME=shop opentelemetry-instrument python app.py

It calls `configure()`, so that OTEL_* and OTEL_INTERACTIONS_* say how, and then switches on the instrumentations that
are installed, whose spans take the same way. Where another distribution of OpenTelemetry is installed beside, this one
stands aside until it is named: OTEL_PYTHON_DISTRO=otel_interactions.

OTEL_TRACES_EXPORTER means what OpenTelemetry says, `otlp` (the default) being our own export: others that are named get
the spans as well; where `otlp` is not named, as in `none`, ours stays out. OTEL_METRICS_EXPORTER and OTEL_LOGS_EXPORTER
do too: their exporters are OpenTelemetry's, and without these variables nothing of the kind is sent.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from opentelemetry._logs import set_logger_provider
from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]  # it has no types
from opentelemetry.instrumentation.environment_variables import OTEL_PYTHON_CONFIGURATOR, OTEL_PYTHON_DISTRO
from opentelemetry.metrics import set_meter_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import TELEMETRY_AUTO_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_interactions.configure import configure
from otel_interactions.errors import ConfigurationError
from otel_interactions.guard import guard
from otel_interactions.log import logger
from otel_interactions.recorder import installed

NAME: Final = "otel_interactions"
"""What OTEL_PYTHON_DISTRO and OTEL_PYTHON_CONFIGURATOR call us."""

_DISTROS: Final = "opentelemetry_distro"
_CONFIGURATORS: Final = "opentelemetry_configurator"
_OTLP: Final = {"grpc": "otlp_proto_grpc", "http/protobuf": "otlp_proto_http"}
_OURS: Final = frozenset({"otlp", *_OTLP.values()})
_UNREAD: Final = ("OTEL_CONFIG_FILE", "OTEL_PYTHON_ID_GENERATOR", "OTEL_PYTHON_TRACER_CONFIGURATOR")


class Distro(BaseDistro):  # type: ignore[misc]  # likewise
    """Our distribution: instrumentations are switched on as OpenTelemetry does it, the SDK is set up by ours."""

    def _configure(self, **_: Any) -> None:
        """Choose our configurator as well, so that one variable is enough."""
        os.environ.setdefault(OTEL_PYTHON_CONFIGURATOR, NAME)


def distro() -> Distro | None:
    """Return our distribution; None, which OpenTelemetry skips, where another one is to be used."""
    return Distro() if _chosen() else None


class Configurator:
    """Sets up the SDK, once, before the application starts."""

    def configure(self, **given: Any) -> None:
        """Set everything up; where another distribution is to be used, let its configurator do it.

        A setting with a value it cannot have is one line in the log: the application runs, unrecorded.

        Args:
            given: what OpenTelemetry gives to configurators: `auto_instrumentation_version`.
        """
        if _chosen():
            _configure(given.get("auto_instrumentation_version"))
            return
        for other in _others(_CONFIGURATORS):
            logger.warning(
                "otel_interactions is installed and leaves OpenTelemetry's configuration to %s; %s=%s chooses ours",
                other.value,
                OTEL_PYTHON_DISTRO,
                NAME,
            )
            other.load()().configure(**given)
            return


def _chosen() -> bool:
    """Tell whether we are the distribution to be used: named, or nobody is and there is no other."""
    named = {os.environ[name] for name in (OTEL_PYTHON_DISTRO, OTEL_PYTHON_CONFIGURATOR) if name in os.environ}
    return NAME in named if named else not (_others(_DISTROS) or _others(_CONFIGURATORS))


def _others(group: str) -> list[EntryPoint]:
    return [found for found in entry_points(group=group) if found.name != NAME]


@guard
def _configure(instrumentation: str | None) -> None:
    for variable in _UNREAD:
        if os.environ.get(variable, "random") != "random":
            logger.warning("%s is not read by otel_interactions", variable)
    about = {TELEMETRY_AUTO_VERSION: instrumentation} if instrumentation else {}
    try:
        _traces(about)
    except ConfigurationError as error:
        logger.error("nothing is recorded, the application runs on: %s", error)  # the sentence says it all
    recorder = installed()
    resource = recorder.provider.resource if recorder else Resource.create(about)
    _metrics(resource)
    _logs(resource)


def _traces(about: dict[str, str]) -> None:
    """Record; through our own export where OTLP is among the exporters, else through OpenTelemetry's alone.

    Raises:
        ConfigurationError: a setting has a value it cannot have.
    """
    wanted = _wanted("traces", "otlp")
    if _OURS.isdisjoint(wanted):
        configure(tracer_provider=TracerProvider(resource=Resource.create(about)))
    else:
        configure(resource_attributes=about)
    recorder = installed()
    if recorder is not None:
        for exporter in _exporters("traces", [name for name in wanted if name not in _OURS]):
            recorder.provider.add_span_processor(BatchSpanProcessor(exporter))


def _metrics(resource: Resource) -> None:
    found = list(_exporters("metrics", _wanted("metrics")))
    if found:
        readers = [each if isinstance(each, MetricReader) else PeriodicExportingMetricReader(each) for each in found]
        set_meter_provider(MeterProvider(readers, resource))


def _logs(resource: Resource) -> None:
    found = list(_exporters("logs", _wanted("logs")))
    if found:
        provider = LoggerProvider(resource)
        for each in found:
            provider.add_log_record_processor(BatchLogRecordProcessor(each))
        set_logger_provider(provider)


def _wanted(signal: str, default: str = "") -> list[str]:
    """Return the names of the exporters that OTEL_<SIGNAL>_EXPORTER asks for; none for `none`."""
    text = os.environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip() or default
    return [name for each in text.split(",") if (name := each.strip()) not in {"", "none"}]


def _exporters(signal: str, names: list[str]) -> Iterator[Any]:
    """Make exporters; of one that cannot be made a line says why, and the others are made."""
    for name in names:
        try:
            yield _exporter(signal, name)
        except Exception as error:  # noqa: BLE001  whatever packages of others raise
            logger.log(logging.ERROR, "OTEL_%s_EXPORTER: %r is left out: %s", signal.upper(), name, error)


def _exporter(signal: str, name: str) -> Any:
    if name == "otlp":
        specific, general = f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"
        protocol = (os.environ.get(specific) or os.environ.get(general) or "grpc").strip()
        if protocol not in _OTLP:
            raise ConfigurationError(general, f"{protocol!r} is unknown", ", ".join(_OTLP))
        name = _OTLP[protocol]
    for found in entry_points(group=f"opentelemetry_{signal}_exporter", name=name):
        return found.load()()
    hint = f"; opentelemetry-exporter-{name.replace('_', '-')} has" if name in _OURS else ""
    raise LookupError(f"no installed package has it{hint}")
