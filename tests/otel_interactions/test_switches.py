"""What is switched off, sampled, limited: not recorded, counted, never silent."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

import pytest

import otel_interactions as oi
from otel_interactions import recorder, settings
from otel_interactions.conventions import Kind
from otel_interactions.switches import Bucket, Switches, _share
from otel_interactions.testing import Captured


@contextmanager
def switched(switches: Switches) -> Iterator[None]:
    """Record with these switches inside the block."""
    found = recorder.installed()
    assert found is not None
    before = recorder.install(dataclasses.replace(found, switches=switches))
    yield
    recorder.install(*before)


def dropped() -> Counter[str]:
    """Return what was not recorded so far, by reason."""
    return Counter(oi.status().dropped)


def test_severity(seen: Captured) -> None:
    """Events below it are not recorded; what has no severity is."""
    with switched(Switches(min_severity="warn")), oi.session():
        for severity in ("debug", "info", "warning", "error", "of my own"):
            oi.event("system", severity, severity=severity)
        oi.user_message("hello")
        oi.error("broken")
    assert [each.attributes["interaction.message"] for each in seen.of_type("event")] == ["warning", "error"]
    assert seen.types()[-3:] == ["user_message", "error", "session_end"]
    assert dropped() == {"below_severity": 3}


def test_sources(seen: Captured) -> None:
    """What names a source that is off is not recorded; what names none is."""
    with switched(Switches(disabled_sources=frozenset({"client"}))), oi.session():
        oi.ui_event("click", "buy")
        oi.event("auth", source="client")
        oi.event("auth", source="server")
        oi.event("auth", source=["client", "server"])  # type: ignore[arg-type]
        oi.user_message("hello")
    assert seen.types() == ["session_start", "event", "event", "user_message", "session_end"]
    assert dropped() == {"source_off": 2}


def test_a_share_of_the_sessions(seen: Captured) -> None:
    """A session has all of a type or none, in every process alike; what is kept says the share."""
    with switched(Switches(sample_rates={"ui_event": 0.3})):
        for number in range(200):
            with oi.session(f"s-{number}"):
                for _ in range(3):
                    oi.ui_event("click", "buy")
                oi.user_message("hello")
    kept = Counter(each.session_id for each in seen.of_type("ui_event"))
    assert set(kept.values()) == {3}
    assert 35 <= len(kept) <= 85
    assert set(kept) == {f"s-{number}" for number in range(200) if _share("ui_event", f"s-{number}") < 0.3}
    assert {each.attributes["interaction.sample_rate"] for each in seen.of_type("ui_event")} == {0.3}
    assert "interaction.sample_rate" not in seen.of_type("user_message")[0].attributes
    assert dropped() == {"not_sampled": 600 - 3 * len(kept)}


def test_outside_any_session_each_is_decided_alone(seen: Captured) -> None:
    """Half of them, about."""
    with switched(Switches(sample_rates={"*": 0.5})):
        for _ in range(400):
            oi.event("system")
    assert 140 <= len(seen.interactions) <= 260


def test_what_is_always_recorded(seen: Captured) -> None:
    """Sessions and critical errors."""
    nothing = Switches(sample_rates={"*": 0.0}, buckets=dict.fromkeys(["error", "user_message"], Bucket(0.0)))
    with switched(nothing), oi.session():
        oi.user_message("hello")
        oi.error("broken")
        oi.error("on fire", critical=True)
    assert seen.types() == ["session_start", "error", "session_end"]


def test_a_flood(seen: Captured, caplog: pytest.LogCaptureFixture) -> None:
    """Of a type that floods so many are recorded a second; the others are, all of them."""
    caplog.set_level(logging.INFO)
    with switched(Switches(buckets={"ui_event": Bucket(20)})), oi.session():
        started = time.monotonic()
        while time.monotonic() - started < 1:
            oi.ui_event("scroll", "page")
        oi.user_message("hello")
    found = len(seen.of_type("ui_event"))
    assert 20 <= found <= 45
    assert len(seen.of_type("user_message")) == 1
    assert dropped()["rate_limited"] > 100
    assert len([each for each in caplog.records if "OTEL_INTERACTIONS_RATE_LIMITS" in each.getMessage()]) == 1


def test_children_of_what_is_not_recorded(seen: Captured) -> None:
    """What happens inside an interaction that is left out belongs to what is around it."""
    with switched(Switches(sample_rates={"agent_run": 0.0})), oi.session() as session, oi.agent_run("a") as run:
        with oi.tool_call("t") as call:
            call.result("x")
        run.output("done")
    (tool,) = seen.of_type("tool_call")
    assert tool.parent_id == session.root_span_id
    assert not run.recorded


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("MIN_SEVERITY", "loud", "'loud' is not supported; allowed: debug, info, warn, error"),
        ("DISABLED_SOURCES", "client,moon", "'moon' is not supported; allowed: client, server"),
        ("SAMPLE_RATES", "ui_event=2", "'2' is more than all; allowed: a number from 0 to 1"),
        ("SAMPLE_RATES", "click=0.5", "'click' is no type of interaction; allowed: session_start"),
        ("SAMPLE_RATES", "ui_event", "'ui_event' has no number; allowed: type=number"),
        ("RATE_LIMITS", "ui_event=-1", "'-1' is no number; allowed: a number from 0"),
        ("RATE_LIMITS", "ui_event=nan", "'nan' is no number"),
        ("HEARTBEAT_SECONDS", "soon", "'soon' is no number; allowed: seconds, off"),
        ("PROPAGATE", "everything", "'everything' is not supported; allowed: session, user, all, off"),
        ("REDACT", "names", "'names' is not supported; allowed: tokens, iban, cards, emails, ips, phones, all, off"),
        ("CAPTURE_CONTENT", "some", "'some' is not supported; allowed: full, metadata, none, true, false"),
        ("MAX_FIELD_BYTES", "-5", "'-5' is no count; allowed: an integer from 1"),
    ],
)
def test_settings_that_cannot_be(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str) -> None:
    """The error names the variable, what is wrong with it, and what would be right."""
    monkeypatch.setenv(f"OTEL_INTERACTIONS_{variable}", value)
    with pytest.raises(oi.ConfigurationError) as raised:
        oi.configure(set_global=False)
    assert str(raised.value).startswith(f"OTEL_INTERACTIONS_{variable}: {said}")


def test_arguments_that_cannot_be() -> None:
    """So does an argument's."""
    for arguments in (
        {"redact_patterns": {"x": "("}},
        {"redact_patterns": {"x": ".*"}},
        {"redact_functions": ["no function"]},
        {"redact_functions": len},
        {"redact_functions": None},
        {"redact_patterns": ["x"]},
        {"hash_key": b"key"},
        {"redact": 5},
        {"redact": [1]},
        {"propagate": 7},
        {"sample_rates": [1]},
        {"consent": asyncio.sleep},
        {"consent": "yes"},
        {"capture_content": 7},
        {"sample_rates": {"ui_event": "much"}},
    ):
        with pytest.raises(oi.ConfigurationError, match=next(iter(arguments))):
            oi.configure(set_global=False, **arguments)


def test_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables as they are written, arguments before them, nothing set is no switches at all."""
    assert settings.switches(None, None, None, None) is None
    monkeypatch.setenv("OTEL_INTERACTIONS_SAMPLE_RATES", "ui_event=0.5, *=1")
    monkeypatch.setenv("OTEL_INTERACTIONS_RATE_LIMITS", "event = 10")
    monkeypatch.setenv("OTEL_INTERACTIONS_DISABLED_SOURCES", "Client, worker")
    found = settings.switches("error", None, None, None)
    assert found is not None
    assert found.sample_rates == {"ui_event": 0.5, "*": 1.0}
    assert set(found.buckets) == {"event"}
    assert found.disabled_sources == {"client", "worker"}
    found = settings.switches(None, [], {"ui_event": 0.25}, {"*": 5})
    assert found is not None
    assert found.sample_rates == {"ui_event": 0.25}
    assert len(set(map(id, found.buckets.values()))) == len(get_args(Kind))
    assert found.disabled_sources == frozenset()


def test_a_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many at once as in a second, then so many a second, and at least one in the end."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def taken(bucket: Bucket) -> int:
        return sum(bucket.take() for _ in range(100))

    bucket, slow = Bucket(10), Bucket(0.1)
    assert (taken(bucket), taken(slow)) == (10, 1)
    now[0] += 0.5
    assert (taken(bucket), taken(slow)) == (5, 0)
    now[0] += 60
    assert (taken(bucket), taken(slow)) == (10, 1)
    assert taken(Bucket(0)) == 0
