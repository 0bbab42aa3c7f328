"""TracerProviders made ready for sessions, and the process-wide one, which OpenTelemetry lets be set only once."""

from __future__ import annotations

import logging
import weakref
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import NoOpTracerProvider, Span, Tracer

from otel_interactions.ids import SessionIdGenerator
from otel_interactions.placement import SessionProcessor

_logger = logging.getLogger("otel_interactions")
_marked: weakref.WeakSet[TracerProvider] = weakref.WeakSet()


def prepare(provider: TracerProvider) -> None:
    """Let a provider make the roots of sessions, and mark its spans; a second time changes nothing."""
    if not isinstance(provider.id_generator, SessionIdGenerator):
        provider.id_generator = SessionIdGenerator(provider.id_generator)  # type: ignore[assignment]  # typed too narrow
    mark(provider)


def mark(provider: TracerProvider) -> None:
    """Put session and user on every span of a provider that is started in a session."""
    if provider not in _marked:
        _marked.add(provider)
        provider.add_span_processor(SessionProcessor())


class GlobalProvider(trace.TracerProvider):
    """Stands in the global place for good and passes each call on to the provider in use.

    Tracers that other instrumentations got before a second `configure()` make spans of the new provider after it.
    """

    def __init__(self) -> None:
        self.current: trace.TracerProvider = NoOpTracerProvider()

    def get_tracer(self, *args: Any, **kwargs: Any) -> Tracer:
        """Return a tracer that asks for the provider in use each time."""
        return _GlobalTracer(self, args, kwargs)

    def add_span_processor(self, span_processor: SpanProcessor) -> None:
        """Add a processor to the provider in use: applications do this to the global provider."""
        if isinstance(self.current, TracerProvider):
            self.current.add_span_processor(span_processor)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the provider in use: integrations look for this on the global provider."""
        current = self.current
        return current.force_flush(timeout_millis) if isinstance(current, TracerProvider) else True


class _GlobalTracer(Tracer):
    def __init__(self, provider: GlobalProvider, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._provider, self._args, self._kwargs = provider, args, kwargs

    @property
    def _tracer(self) -> Tracer:
        return self._provider.current.get_tracer(*self._args, **self._kwargs)

    def start_span(self, *args: Any, **kwargs: Any) -> Span:
        return self._tracer.start_span(*args, **kwargs)

    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Any:
        return self._tracer.start_as_current_span(*args, **kwargs)


GLOBAL = GlobalProvider()


def make_global(provider: TracerProvider) -> None:
    """Make `provider` the one every instrumentation of this process uses.

    A provider the application made global before stays; its spans are marked with their session all the same.
    """
    before = trace.get_tracer_provider()
    if isinstance(before, trace.ProxyTracerProvider):
        trace.set_tracer_provider(GLOBAL)
        before = trace.get_tracer_provider()
    if before is GLOBAL:
        GLOBAL.current = provider
    elif before is not provider and isinstance(before, TracerProvider):
        mark(before)
        _logger.info(
            "another TracerProvider is global and stays so; interactions go their own way. To record through it: "
            "configure(tracer_provider=opentelemetry.trace.get_tracer_provider())"
        )
