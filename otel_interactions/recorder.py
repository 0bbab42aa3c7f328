"""What makes the spans of interactions, while there is one: `configure()` installs it, `shutdown()` removes it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import Link, Span, SpanContext, StatusCode, TraceFlags, Tracer

from otel_interactions import conventions as names
from otel_interactions.conventions import Kind
from otel_interactions.export.direct import Direct
from otel_interactions.failures import Failure
from otel_interactions.ids import new_id
from otel_interactions.log import SAID, say_once
from otel_interactions.privacy.content import is_content
from otel_interactions.privacy.policy import DEFAULT, FULL, Person, Privacy
from otel_interactions.process import PROCESS, Process
from otel_interactions.switches import BELOW_SEVERITY, NOT_SAMPLED, RATE_LIMITED, SOURCE_OFF, Switches
from otel_interactions.values import AttributeValue

Attributes: TypeAlias = Mapping[str, AttributeValue]

NOT_CONFIGURED: Final = "not_configured"
AFTER_SHUTDOWN: Final = "after_shutdown"
DISABLED: Final = "disabled"

_ADVICE: Final = {
    NOT_CONFIGURED: (logging.WARNING, "call otel_interactions.configure() when the application starts"),
    AFTER_SHUTDOWN: (logging.WARNING, "otel_interactions.shutdown() has run; call configure() to record again"),
    DISABLED: (logging.INFO, "recording is switched off by OTEL_INTERACTIONS_ENABLED or OTEL_SDK_DISABLED"),
    BELOW_SEVERITY: (logging.INFO, "it is below OTEL_INTERACTIONS_MIN_SEVERITY"),
    SOURCE_OFF: (logging.INFO, "its source is in OTEL_INTERACTIONS_DISABLED_SOURCES"),
    NOT_SAMPLED: (logging.INFO, "OTEL_INTERACTIONS_SAMPLE_RATES has a share of the sessions only"),
    RATE_LIMITED: (logging.WARNING, "there are more a second than OTEL_INTERACTIONS_RATE_LIMITS allows"),
}


@dataclass(frozen=True, slots=True)
class Recorder:
    """Makes, numbers and finishes the spans of interactions.

    Args:
        provider: where the spans come from.
        tracer: our tracer of that provider.
        direct: makes spans without the SDK; None where somebody else has to see them.
        privacy: what may leave the process.
        switches: what is recorded; None for everything.
        heart: has open sessions tell that they are; None where nobody needs to know.
        propagates: which ids go to other services: `session`, `user`.
        process: whose numbers and counts are used.
        clock: nanoseconds since 1970.
        new_id: makes ids of sessions ("session") and tool calls ("call").
    """

    provider: TracerProvider
    tracer: Tracer
    direct: Direct | None = None
    privacy: Privacy = DEFAULT
    switches: Switches | None = None
    heart: Heart | None = None
    propagates: frozenset[str] = frozenset()
    process: Process = PROCESS
    clock: Callable[[], int] = time.time_ns
    new_id: Callable[[str], str] = new_id

    @property
    def capture_content(self) -> bool:
        """Whether texts, arguments and results are recorded."""
        return self.privacy.content == FULL

    def start(self, kind: Kind, name: str, *, context: Context, links: Sequence[Link], start_ns: int) -> Span:
        """Start the span of one interaction; it is not made current."""
        return self.span(name, {names.TYPE: kind}, context=context, links=links, start_ns=start_ns)

    def span(
        self, name: str, attributes: Attributes, *, context: Context, links: Sequence[Link] = (), start_ns: int
    ) -> Span:
        """Start a span of ours."""
        direct = self.direct
        if direct is not None and direct.alone:
            return direct.start(name, context, dict(attributes), links, start_ns)
        return self.tracer.start_span(
            name,
            context,
            attributes=attributes,
            links=links,
            start_time=start_ns,
            record_exception=False,
            set_status_on_exception=False,
        )

    def refusal(self, kind: Kind, attributes: Attributes, session_id: str | None) -> str:
        """Return why an interaction that is about to begin is not recorded, having counted and said it; else ""."""
        if self.switches is None:
            return ""
        reason = self.switches.refusal(kind, attributes, session_id)
        if reason:
            _refuse(self.process, kind, reason)
        return reason

    def finish(
        self,
        kind: Kind,
        span: Span,
        attributes: Attributes,
        *,
        person: Person | None,
        failure: Failure | None,
        end_ns: int,
    ) -> bool:
        """Number the span and hand it to the exporter; return False if it is not to be sent.

        Args:
            kind: the type of the interaction.
            span: its span.
            attributes: what is known of it by now.
            person: its session: what somebody said who has not agreed to be known leaves without what tells who it is;
                nor had they agreed to what began before they did.
            failure: what went wrong.
            end_ns: when it ended, in nanoseconds since 1970.
        """
        if not span.is_recording() or not span.get_span_context().trace_flags.sampled:
            span.end(end_ns)
            self.process.drop(NOT_SAMPLED)
            return False
        description = ""
        if failure is not None:
            attributes = {**attributes, **failure.attributes()}
            description = f"{failure.type}: {failure.message}"
        privacy, is_anonymous = self.privacy, self.privacy.is_anonymous(person)
        found = getattr(span, "attributes", None) or {}
        hidden = is_anonymous or names.ANONYMOUS in found
        if hidden or privacy.changes:
            attributes = privacy.attributes({**_added(found, privacy, hidden=hidden), **attributes}, hidden=hidden)
            if is_anonymous and person is not None:
                attributes |= person.marks()
            description = privacy.text(description, hidden=hidden)
            _fit(span, privacy, hidden=hidden)
        numbered: dict[str, AttributeValue] = {
            **attributes,
            names.TYPE: kind,
            names.SERVICE_INSTANCE_ID: self.process.instance_id,
            names.SEQUENCE: self.process.number(kind),
        }
        if self.switches is not None and (rate := self.switches.sample_rate(kind)) < 1:
            numbered[names.SAMPLE_RATE] = rate
        span.set_attributes(numbered)
        if failure is not None:
            span.set_status(StatusCode.ERROR, description[:500])
        span.end(end_ns)
        return True

    def root(self, trace_id: int, span_id: int, *, remote: bool) -> SpanContext:
        """Return the root of a session's trace as the parent of its spans, with the sampler's decision for it."""
        decision = self.provider.sampler.should_sample(None, trace_id, "session_start").decision
        flags = TraceFlags.SAMPLED if decision is Decision.RECORD_AND_SAMPLE else TraceFlags.DEFAULT
        if self.provider.id_generator.is_trace_id_random():
            flags |= TraceFlags.RANDOM_TRACE_ID
        return SpanContext(trace_id, span_id, is_remote=remote, trace_flags=TraceFlags(flags))


@dataclass(frozen=True, slots=True)
class Status:
    """What became of everything recorded by this process so far.

    `recorded` interactions were handed to the exporter; `dropped` ones were not, by reason: `not_configured`,
    `after_shutdown`, `disabled`, `not_sampled`, `below_severity`, `source_off`, `rate_limited`, `fault`.
    `failed_redactions` counts values that were left out because redacting them failed.

    Of the spans handed to our exporter, those of other instrumentations and those an earlier process left included,
    `delivered` were accepted by the collector, `refused` by it for good, by what it said, and `lost` were given up, by
    reason: `queue_full`, `shutdown`, `spool_full`, `expired`, `unreadable`. `waiting` are in memory, `spooled` in files
    that outlive the process (`spool_bytes`); `in_flight` of both are being sent. `failures` counts requests that had to
    be tried again.
    """

    state: str
    recorded: Mapping[str, int]
    dropped: Mapping[str, int]
    without_session: int
    failed_redactions: int = 0
    endpoint: str = ""
    delivered: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    lost: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0
    spooled: int = 0
    spool_bytes: int = 0
    in_flight: int = 0
    failures: int = 0
    last_error: str = ""


class Heart(Protocol):
    """Has open sessions tell that they are."""

    def watch(self, session: Any) -> None:
        """Begin with a session that has been started."""

    def forget(self, session: Any) -> None:
        """End with it."""


class _Installed:
    """The recorder in use; without one, the reason why."""

    recorder: Recorder | None = None
    reason: str = NOT_CONFIGURED


def install(recorder: Recorder | None, reason: str = "") -> tuple[Recorder | None, str]:
    """Put a recorder to use, or none for a reason; return what was there before, to be put back."""
    before = _Installed.recorder, _Installed.reason
    _Installed.recorder, _Installed.reason = recorder, reason
    return before


def _added(found: Attributes, privacy: Privacy, *, hidden: bool) -> Attributes:
    """Return what others have put on a span of ours; what was said is emptied, if it may not leave."""
    without = privacy.content != FULL
    marks = () if hidden else _MARKS  # the ids of who is anonymous are hashed, whoever put them there
    return {name: "" if without and is_content(name) else value for name, value in found.items() if name not in marks}


def _fit(span: Span, privacy: Privacy, *, hidden: bool) -> None:
    """Have a span's name, and what others said of how it went, as they may leave."""
    name, status = getattr(span, "name", ""), getattr(span, "status", None)
    if (fit := privacy.text(name, hidden=hidden)) != name:
        span.update_name(fit)
    if status is not None and status.description:
        span.set_status(status.status_code, privacy.text(status.description, hidden=hidden))


_MARKS: Final = frozenset({names.SESSION_ID, names.USER_ID, names.ANONYMOUS})


def current_privacy() -> Privacy:
    """Return what may leave the process now."""
    return DEFAULT if _Installed.recorder is None else _Installed.recorder.privacy


def installed() -> Recorder | None:
    """Return the recorder in use."""
    return _Installed.recorder


def state() -> str:
    """Return `recording`, or why not."""
    return "recording" if _Installed.recorder is not None else _Installed.reason


def recorder_for(kind: Kind) -> Recorder | None:
    """Return the recorder for one interaction; without one, count and say what was dropped and why."""
    recorder = _Installed.recorder
    if recorder is None:
        refuse(kind, _Installed.reason)
    return recorder


def is_off(kind: Kind) -> bool:
    """Tell whether nothing is recorded now; if so, count and say that one interaction is not."""
    if _Installed.recorder is not None:
        return False
    reason = _Installed.reason
    PROCESS.drop(reason)
    if reason not in SAID:
        _advise(kind, reason)
    return True


def refuse(kind: Kind, reason: str) -> None:
    """Count one interaction as dropped for `reason`, and say once what to do about it."""
    _refuse(PROCESS, kind, reason)


def _refuse(process: Process, kind: Kind, reason: str) -> None:
    process.drop(reason)
    if reason not in SAID:
        _advise(kind, reason)


def _advise(kind: Kind, reason: str) -> None:
    level, advice = _ADVICE[reason]
    say_once(reason, level, "%s was not recorded: %s (said once; status() counts)", kind, advice)
