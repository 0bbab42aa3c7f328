"""`configure()` and `shutdown()`: providers, processors and exporters, put together once and taken apart again."""

from __future__ import annotations

import atexit
import os
import re
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from opentelemetry.sdk.resources import (
    SERVICE_INSTANCE_ID,
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NoOpTracer, NoOpTracerProvider

from otel_interactions import conventions as names
from otel_interactions import settings
from otel_interactions.baggage import SESSION, USER
from otel_interactions.errors import ConfigurationError
from otel_interactions.export.direct import Direct, OwnProvider, no_limits
from otel_interactions.export.exporter import Exporter, Flushed
from otel_interactions.export.queues import Limits
from otel_interactions.export.sender import REQUEST_BYTES, Pace
from otel_interactions.export.spool import Folder
from otel_interactions.export.tally import Tally
from otel_interactions.export.transport import connect, load
from otel_interactions.guard import guard
from otel_interactions.heartbeat import Heartbeat
from otel_interactions.log import forget_said
from otel_interactions.placement import SessionProcessor
from otel_interactions.process import PROCESS
from otel_interactions.provider import GLOBAL, make_global, prepare
from otel_interactions.recorder import AFTER_SHUTDOWN, DISABLED, Recorder, Status, install, installed, state
from otel_interactions.values import as_attributes, limit_texts

FLUSH_TIMEOUT_MS: Final = 10_000
SHUTDOWN_TIMEOUT_MS: Final = 5_000  # what a dead collector may cost an application that ends


@dataclass(frozen=True, slots=True)
class _Pipeline:
    """What one `configure()` put together; `exporter` is None where the application's own provider exports."""

    provider: TracerProvider
    own: bool
    exporter: Exporter | None


class _Current:
    """The pipeline in use, and the counts of the last one."""

    lock = threading.RLock()
    pipeline: _Pipeline | None = None
    exporter: Exporter | None = None
    tally = Tally("")
    at_exit = False


def configure(
    *,
    service_name: str | None = None,
    service_version: str | None = None,
    environment: str | None = None,
    endpoint: str | None = None,
    protocol: str | None = None,
    headers: Mapping[str, str] | None = None,
    fallback_endpoint: str | None = None,
    spool_dir: str | os.PathLike[str] | None = None,
    spool_max_mib: int | None = None,
    spool_max_hours: int | None = None,
    spool_when_full: str | None = None,
    resource_attributes: Mapping[str, Any] | None = None,
    tracer_provider: TracerProvider | None = None,
    set_global: bool = True,
    enabled: bool | None = None,
    capture_content: bool | str | None = None,
    max_field_bytes: int | None = None,
    min_severity: str | None = None,
    disabled_sources: Iterable[str] | str | None = None,
    sample_rates: Mapping[str, float] | str | None = None,
    rate_limits: Mapping[str, float] | str | None = None,
    anonymous: bool | None = None,
    require_consent: bool | None = None,
    consent: Callable[[str], bool | None] | None = None,
    hash_key: str | None = None,
    redact: Iterable[str] | str | None = None,
    redact_patterns: Mapping[str, str | re.Pattern[str]] | None = None,
    redact_functions: Sequence[Callable[[str, str], str]] = (),
    heartbeat_seconds: float | None = None,
    propagate: Iterable[str] | str | None = None,
) -> None:
    """Start recording. None leaves a setting to its environment variable, else to its default (`settings/table.py`).

    Called again, it sends what the first configuration has waiting and replaces it.

    Args:
        service_name: the name of the application.
        service_version: its version.
        environment: where it runs: `production`.
        endpoint: the collector: `http://host:4317`; https:// switches TLS on.
        protocol: `grpc` or `http/protobuf`.
        headers: headers of each request to the collector.
        fallback_endpoint: where the same collector takes the other protocol; `off` for nowhere.
        spool_dir: where spans wait for the collector, so that they outlive the process; `off` keeps them in memory.
        spool_max_mib: the most the spool takes of the disk, in MiB.
        spool_max_hours: how long spans wait in it, in hours.
        spool_when_full: `drop_oldest` or `drop_newest`.
        resource_attributes: more attributes on everything this process sends.
        tracer_provider: an SDK provider to record through instead of one of our own. It keeps its own exporters;
            ours is added only where `endpoint` is given too.
        set_global: make the provider the one other instrumentations use, so that they join the sessions.
        enabled: False records nothing.
        capture_content: `full`; `metadata` or False keeps lengths instead of texts, arguments and results; `none`.
        max_field_bytes: the most of one text, in bytes.
        min_severity: the least severity of an event: `debug`, `info`, `warn`, `error`.
        disabled_sources: where events, errors and UI events come from that are not recorded: `{"client"}`.
        sample_rates: the share of the sessions in which a type is recorded: `{"ui_event": 0.1}`; `*` for all others.
        rate_limits: how many of a type are recorded a second: `{"ui_event": 50}`.
        anonymous: True records everybody anonymously.
        require_consent: True records those anonymously who have not agreed to be known.
        consent: tells what a user agreed to, by the user's id: True, False, or None where nobody asked. It is asked
            two or three times for each interaction, and once for each span of others, where the session does not say:
            it has to be quick. What it does itself is anonymous.
        hash_key: the key of the hashes that stand for anonymous ids.
        redact: what is taken out of all texts: `emails`, `phones`, `cards`, `iban`, `tokens`, `ips`, or `all`. Of
            texts of anonymous people all of it always is.
        redact_patterns: regular expressions of your own, by the word that stands for what they match.
        redact_functions: functions of your own: (name of the attribute, text) to the text that may leave. Where one
            raises, the value does not leave.
        heartbeat_seconds: seconds of silence after which an open session tells that it is; 0 for never.
        propagate: which ids go to other services in W3C baggage, and are taken from it: `session`, `user`; `off`.

    Raises:
        ConfigurationError: a setting has a value it cannot have; what was configured before goes on.
    """
    on = settings.switch("enabled", enabled)
    privacy = settings.privacy(
        capture_content=capture_content,
        anonymous=anonymous,
        require_consent=require_consent,
        consent=consent,
        hash_key=hash_key,
        redact=redact,
        redact_patterns=redact_patterns,
        redact_functions=redact_functions,
    )
    switches = settings.switches(min_severity, disabled_sources, sample_rates, rate_limits)
    interval = settings.seconds("heartbeat_seconds", heartbeat_seconds)
    propagates = settings.listed("propagate", propagate, (SESSION, USER))
    field_bytes = settings.whole("max_field_bytes", max_field_bytes)
    target = settings.target(settings.protocol(protocol), endpoint, headers)
    other = settings.fallback(target, fallback_endpoint)
    spool = settings.spool_dir(spool_dir)
    limits = Limits(
        size=settings.whole("spool_max_mib", spool_max_mib) << 20,
        age=settings.whole("spool_max_hours", spool_max_hours) * 3600.0,
        drop_oldest=settings.choice("spool_when_full", spool_when_full, settings.WHEN_FULL) == "drop_oldest",
    )
    pace = Pace(settings.batch("MAX_EXPORT_BATCH_SIZE"), REQUEST_BYTES, settings.batch("SCHEDULE_DELAY") / 1e3)
    folder = None if spool is None else Folder(spool, target.endpoint, target.headers)
    tally = Tally(target.endpoint, f"in {spool}" if spool else "in memory")
    if tracer_provider is not None and not isinstance(tracer_provider, TracerProvider):
        raise ConfigurationError("tracer_provider", f"{tracer_provider!r}", "an opentelemetry.sdk TracerProvider")
    with _Current.lock:
        if not on:
            _retire(DISABLED)
            return
        provider = tracer_provider or _provider(service_name, service_version, environment, resource_attributes)
        prepare(provider)
        tracer = provider.get_tracer(names.SCOPE, _version())
        if isinstance(tracer, NoOpTracer):  # OTEL_SDK_DISABLED
            _retire(DISABLED)
            return
        exporter = None
        if tracer_provider is None or endpoint is not None:
            for way in filter(None, (target, other)):
                load(way.protocol)
            ways = partial(connect, target, other)
            exporter = Exporter(ways, tally, pace, settings.queue_size(), privacy, folder=folder, limits=limits)
            provider.add_span_processor(exporter)
        before = installed()
        _retire(AFTER_SHUTDOWN)
        forget_said()
        _Current.pipeline = _Pipeline(provider, tracer_provider is None, exporter)
        _Current.exporter, _Current.tally = exporter, tally
        limit_texts(field_bytes)
        heart = Heartbeat(interval) if interval else None
        direct = _direct(provider, exporter)
        install(Recorder(provider, tracer, direct, privacy, switches, heart, propagates))
        if heart is not None and before is not None and isinstance(before.heart, Heartbeat):
            heart.inherit(before.heart)
        if set_global:
            make_global(provider)
        if not _Current.at_exit:
            _Current.at_exit = True
            atexit.register(shutdown)


def shutdown(timeout_ms: float = SHUTDOWN_TIMEOUT_MS) -> None:
    """Send what is waiting and stop recording; runs by itself when the interpreter exits.

    Args:
        timeout_ms: milliseconds this may take; what is left then is dropped, counted and logged.
    """
    with guard, _Current.lock:
        _retire(AFTER_SHUTDOWN, timeout_ms)


def flush(timeout_ms: float = FLUSH_TIMEOUT_MS) -> Flushed:
    """Send what is waiting now.

    Args:
        timeout_ms: milliseconds this may take.

    Returns:
        What became of all spans since the last call: true if the collector accepted all of them, or none was recorded.
    """
    with guard:
        pipeline = _Current.pipeline
        if pipeline is not None and pipeline.exporter is not None:
            return pipeline.exporter.flush(timeout_ms / 1e3)
        if pipeline is not None and not pipeline.provider.force_flush(int(timeout_ms)):
            return Flushed(lost={"export_failed": 0})
    return Flushed()


def status() -> Status:
    """Return what became of everything recorded by this process so far."""
    recorder = installed()
    process = PROCESS if recorder is None else recorder.process
    recorded, dropped, without_session, failed_redactions = process.counts()
    exporter, counts = _Current.exporter, _Current.tally.counts()
    waiting, spooled = exporter.waiting() if exporter else (0, 0)
    return Status(
        state=state(),
        recorded=recorded,
        dropped=dropped,
        without_session=without_session,
        failed_redactions=failed_redactions,
        endpoint=_Current.tally.endpoint,
        delivered=counts.delivered,
        refused=counts.refused,
        lost=counts.lost,
        waiting=waiting,
        spooled=spooled,
        spool_bytes=exporter.spool_bytes() if exporter else 0,
        in_flight=exporter.in_flight() if exporter else 0,
        failures=counts.failures,
        last_error=_Current.tally.last_error,
    )


def _direct(provider: TracerProvider, exporter: Exporter | None) -> Direct | None:
    """Return what makes spans without the SDK, where nobody but our exporter sees them."""
    if not isinstance(provider, OwnProvider) or exporter is None or not no_limits():
        return None
    scope = InstrumentationScope(names.SCOPE, _version())
    return Direct(exporter, provider, scope, SessionProcessor().on_start)


def _retire(reason: str, timeout_ms: float = SHUTDOWN_TIMEOUT_MS) -> None:
    """Stop the pipeline in use; from here on interactions are dropped for `reason`."""
    pipeline, _Current.pipeline = _Current.pipeline, None
    if pipeline is None and reason == AFTER_SHUTDOWN:
        return
    recorder, _ = install(None, reason)
    if pipeline is None:
        return
    with guard:
        if recorder is not None and isinstance(recorder.heart, Heartbeat):
            recorder.heart.stop()
        if GLOBAL.current is pipeline.provider and pipeline.own:
            GLOBAL.current = NoOpTracerProvider()
        if pipeline.exporter is not None:
            pipeline.exporter.shutdown(int(timeout_ms))
        if pipeline.own:
            pipeline.provider.shutdown()
        else:
            pipeline.provider.force_flush(int(timeout_ms))


def _provider(
    service_name: str | None,
    service_version: str | None,
    environment: str | None,
    resource_attributes: Mapping[str, Any] | None,
) -> TracerProvider:
    given = {
        SERVICE_NAME: service_name,
        SERVICE_VERSION: service_version,
        names.DEPLOYMENT_ENVIRONMENT_NAME: environment,
    }
    attributes = as_attributes(resource_attributes)
    attributes |= as_attributes({name: value for name, value in given.items() if value is not None})
    named_instance = SERVICE_INSTANCE_ID in {*attributes, *OTELResourceDetector().detect().attributes}
    if not named_instance:
        attributes[SERVICE_INSTANCE_ID] = PROCESS.instance_id
    with _telling("OTEL_TRACES_SAMPLER, OTEL_SPAN_*_LIMIT, OTEL_RESOURCE_ATTRIBUTES"):
        provider = OwnProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
    if not named_instance:
        _follow_forks(provider)
    return provider


def _follow_forks(provider: TracerProvider) -> None:
    """Give the resource in a forked child the child's instance id, which its spans carry too.

    OpenTelemetry's own hook, which makes up another id, was registered before this one and so runs before it.
    """
    found = weakref.ref(provider)

    def rename() -> None:
        update = getattr(found(), "_update_resource", None)  # private: without it the spans alone carry the id
        if update is not None:
            with guard:
                update(Resource({SERVICE_INSTANCE_ID: PROCESS.instance_id}))

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=rename)


@contextmanager
def _telling(which: str) -> Iterator[None]:
    """Turn what OpenTelemetry's classes raise for a bad value into a ConfigurationError."""
    try:
        yield
    except ConfigurationError:
        raise
    except Exception as error:
        raise ConfigurationError(which, str(error) or repr(error), "see opentelemetry.io, SDK configuration") from error


def _version() -> str:
    try:
        return version("otel-interactions")
    except PackageNotFoundError:  # a copy of the source, not an installation
        return ""


def _new_lock() -> None:
    _Current.lock = threading.RLock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)
