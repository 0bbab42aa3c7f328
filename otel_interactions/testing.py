"""For tests of applications: `captured()` gathers finished interactions, with ids and times one can foresee.

with captured() as seen, otel_interactions.session(id="s-1"):
    otel_interactions.user_message("Hello")
assert seen.types() == ["session_start", "user_message", "session_end"]
assert seen.one("user_message").text == "Hello"
"""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401  before any provider, or a forked child waits for this module's lock for ever
import dataclasses
import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import StatusCode, Tracer, format_span_id, format_trace_id

from otel_interactions import conventions as names
from otel_interactions.log import forget_said
from otel_interactions.privacy.policy import DEFAULT, FULL, METADATA
from otel_interactions.process import Process
from otel_interactions.provider import GLOBAL, prepare
from otel_interactions.recorder import Recorder, install

START_NS = 1_767_225_600_000_000_000
"""The time of the first reading of the clock: 2026-01-01 00:00:00 UTC."""
TICK_NS = 1_000_000
"""Each reading of the clock is one millisecond after the one before."""


@dataclass(frozen=True, slots=True)
class Interaction:
    """One finished interaction; `attributes` has everything it carries, under the names on the wire."""

    type: str
    name: str
    session_id: str | None
    user_id: str | None
    text: str | None
    attributes: Mapping[str, Any]
    trace_id: str
    span_id: str
    parent_id: str | None
    links: tuple[tuple[str, str], ...]
    """(trace id, span id) of each span linked to."""
    start_ns: int
    end_ns: int
    failed: bool


class Captured:
    """What has been recorded inside `captured()` so far."""

    def __init__(self, provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
        self._provider = provider
        self._exporter = exporter

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """All finished spans, those of other instrumentations too, in the order of their ends."""
        return self._exporter.get_finished_spans()

    @property
    def interactions(self) -> list[Interaction]:
        """All finished interactions, in the order of their ends."""
        return [_interaction(span) for span in self.spans if names.TYPE in (span.attributes or {})]

    def types(self) -> list[str]:
        """Return the types of all finished interactions, in the order of their ends."""
        return [interaction.type for interaction in self.interactions]

    def of_type(self, kind: str) -> list[Interaction]:
        """Return the finished interactions of one type."""
        return [interaction for interaction in self.interactions if interaction.type == kind]

    def one(self, kind: str) -> Interaction:
        """Return the only interaction of a type.

        Raises:
            AssertionError: there is none, or more than one.
        """
        found = self.of_type(kind)
        if len(found) != 1:
            raise AssertionError(f"expected one {kind}, found {len(found)} among {self.types()}")
        return found[0]

    def tracer(self, name: str) -> Tracer:
        """Return a tracer as another instrumentation in the application would have it."""
        return self._provider.get_tracer(name)

    def clear(self) -> None:
        """Forget what has been recorded."""
        self._exporter.clear()


@contextmanager
def captured(*, capture_content: bool = True) -> Iterator[Captured]:
    """Record into memory inside the block, in place of what `configure()` set up; it is back after the block.

    Ids count from 1 (`session-1`, `call-1`, span 0000000000000001), the clock starts at 2026-01-01 and moves one
    millisecond a reading, the process is `instance-1`. One at a time in a process: the recorder is the process's own.

    Args:
        capture_content: False records lengths instead of texts, arguments and results.
    """
    exporter = InMemorySpanExporter()
    provider = TracerProvider(
        resource=Resource({names.SERVICE_INSTANCE_ID: "instance-1"}),
        id_generator=_CountingIds(),
        shutdown_on_exit=False,
    )
    prepare(provider)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    recorder = Recorder(
        provider=provider,
        tracer=provider.get_tracer("otel_interactions"),
        privacy=dataclasses.replace(DEFAULT, key=b"captured", content=FULL if capture_content else METADATA),
        process=Process("instance-1"),
        clock=_Clock().read,
        new_id=_Names().make,
    )
    forget_said()
    before, global_before = install(recorder), GLOBAL.current
    GLOBAL.current = provider
    try:
        yield Captured(provider, exporter)
    finally:
        install(*before)
        GLOBAL.current = global_before
        provider.shutdown()


class _Clock:
    def __init__(self) -> None:
        self._readings = count()

    def read(self) -> int:
        return START_NS + TICK_NS * next(self._readings)


class _Names:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: Counter[str] = Counter()

    def make(self, purpose: str) -> str:
        with self._lock:
            self._made[purpose] += 1
            return f"{purpose}-{self._made[purpose]}"


class _CountingIds(IdGenerator):
    def __init__(self) -> None:
        self._traces, self._spans = count(1), count(1)

    def generate_trace_id(self) -> int:
        return next(self._traces)

    def generate_span_id(self) -> int:
        return next(self._spans)


def _interaction(span: ReadableSpan) -> Interaction:
    attributes: dict[str, Any] = dict(span.attributes or {})
    if span.context is None:
        raise AssertionError("a finished span has a context")
    return Interaction(
        type=attributes[names.TYPE],
        name=span.name,
        session_id=attributes.get(names.SESSION_ID),
        user_id=attributes.get(names.USER_ID),
        text=_text(attributes),
        attributes=attributes,
        trace_id=format_trace_id(span.context.trace_id),
        span_id=format_span_id(span.context.span_id),
        parent_id=None if span.parent is None else format_span_id(span.parent.span_id),
        links=tuple(
            (format_trace_id(link.context.trace_id), format_span_id(link.context.span_id)) for link in span.links
        ),
        start_ns=span.start_time or 0,
        end_ns=span.end_time or 0,
        failed=span.status.status_code is StatusCode.ERROR,
    )


def _text(attributes: Mapping[str, Any]) -> str | None:
    """Return the first text of the message an interaction carries; of a model's or agent's what it said."""
    for name in (names.GEN_AI_OUTPUT_MESSAGES, names.GEN_AI_INPUT_MESSAGES):
        for message in json.loads(attributes.get(name, "[]")):
            for part in message.get("parts", ()):
                if part.get("type") == "text":
                    return str(part.get("content"))
    return None
