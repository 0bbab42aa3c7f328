"""What people have agreed to decides what leaves the process: interactions and the spans of other instrumentations."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_interactions as oi
from otel_interactions.ids import session_ids
from otel_interactions.privacy.anonymity import pseudonym
from otel_interactions.privacy.redactor import FAILED

KEY = "a key for tests"
MAIL, PHONE = "jane.doe@example.com", "+49 221 1234567"
SECRETS = ("jane.doe", "1234567", "u-77", "4111111111111111", "203.0.113.77", "s-of-jane")


@dataclasses.dataclass
class Spans:
    """Everything that left, parsed from the wire."""

    receiver: Any

    def all(self) -> list[Any]:
        """Return all spans, everything sent."""
        assert oi.flush()
        return list(self.receiver.spans)

    def named(self, name: str) -> Any:
        """Return the one span of this name."""
        (found,) = [span for span in self.all() if span.name == name]
        return found

    def text(self) -> str:
        """Return all there is as one text."""
        return "\n".join(str(span.whole) for span in self.all())


@pytest.fixture
def configured(grpc_receiver: Any) -> Iterator[Callable[..., Spans]]:
    """Configure the SDK with these settings."""

    def configure(**arguments: Any) -> Spans:
        oi.configure(endpoint=grpc_receiver.endpoint, set_global=False, hash_key=KEY, **arguments)
        return Spans(grpc_receiver)

    yield configure
    oi.shutdown()


@pytest.fixture(params=["ours", "SDK"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make spans without the SDK, and with it."""
    if request.param == "SDK":
        monkeypatch.setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", "100")


def talk() -> None:
    """Say what is nobody's business, in every place there is."""
    oi.user_message(f"I am {MAIL}, call {PHONE}", attributes={"app.note": MAIL, "client.address": "203.0.113.77:80"})
    with oi.tool_call(
        "mail", arguments={"to": MAIL, "card": "4111111111111111", "nested": [{"ip": "203.0.113.77"}]}
    ) as call:
        call.result({"sent": MAIL})
        trace.get_current_span().set_attribute("added.by.others", MAIL)
        trace.get_current_span().add_event("exception", {"exception.message": f"no such user {MAIL}"})
    oi.ui_event("click", "buy", url=f"https://shop.example/a?mail={MAIL}", details={"mail": MAIL})
    oi.error(ValueError(f"{MAIL} is not known"), details=f"call {PHONE}")
    oi.event(f"for {MAIL}", f"to {MAIL}")
    oi.assistant_response(f"Dear {MAIL}")


@pytest.mark.usefixtures("way")
def test_without_consent(configured: Callable[..., Spans]) -> None:
    """Who said no is nobody: not in ids, texts, arguments, URLs, addresses, errors, nor in what others add."""
    spans = configured()
    with oi.session("s-of-jane", user_id="u-77", consent=False, client={"ip": "203.0.113.77", "mail": MAIL}) as session:
        talk()
    assert not [secret for secret in SECRETS if secret in spans.text()]
    name, user = pseudonym(KEY.encode(), "s-of-jane"), pseudonym(KEY.encode(), "u-77")
    for span in spans.all():
        assert (span.attributes["session.id"], span.attributes["user.id"]) == (name, user)
        assert span.attributes["interaction.anonymous"] is True
        assert int(span.trace_id, 16) == session_ids(name)[0]
    assert session.id == "s-of-jane"
    assert session.recorded_id == name
    message = json.loads(spans.named("user_message").attributes["gen_ai.input.messages"])
    assert message[0]["parts"][0]["content"] == "I am [email], call [phone]"
    call = spans.named("tool_call mail").attributes
    assert json.loads(call["gen_ai.tool.call.arguments"]) == {
        "to": "[email]",
        "card": "[card]",
        "nested": [{"ip": "[ip]"}],
    }
    assert spans.named("user_message").attributes["client.address"] == "203.0.113.0"
    assert spans.named("ui_event click").attributes["url.full"] == "https://shop.example/a"


@pytest.mark.usefixtures("way")
def test_with_consent(configured: Callable[..., Spans]) -> None:
    """Who said yes is recorded as they are."""
    spans = configured(require_consent=True)
    with oi.session("s-of-jane", user_id="u-77", consent=True):
        talk()
    assert all(secret in spans.text() for secret in SECRETS)
    assert "interaction.anonymous" not in spans.named("user_message").attributes


@pytest.mark.parametrize(
    ("arguments", "consent", "anonymous"),
    [
        ({}, None, False),
        ({"require_consent": True}, None, True),
        ({"require_consent": True}, False, True),
        ({"anonymous": True}, True, True),
        ({"consent": {"u-77": True}.get, "require_consent": True}, None, False),
        ({"consent": {"u-77": False}.get}, None, True),
        ({"consent": {"u-77": False}.get}, True, False),
        ({"consent": {}.get, "require_consent": True}, None, True),
        ({"consent": {}.get}, None, False),
        ({"consent": lambda _: 1 / 0}, None, True),
        ({}, "no", True),
        ({}, 1, False),
        ({"consent": {"u-77": object()}.get}, None, True),
    ],
)
def test_who_is_asked(
    configured: Callable[..., Spans], arguments: dict[str, Any], consent: bool | None, anonymous: bool
) -> None:
    """The session first, then the application's records, then the rule; in doubt nobody is known."""
    spans = configured(**arguments)
    with oi.session("s-of-jane", user_id="u-77", consent=consent):
        oi.user_message(MAIL)
    assert (MAIL not in spans.text()) is anonymous
    assert ("u-77" not in spans.text()) is anonymous


@pytest.mark.usefixtures("way")
def test_what_others_do_to_ours(configured: Callable[..., Spans]) -> None:
    """Names, status, links and ids that others give to an interaction of who is anonymous leave as its own would."""
    spans = configured()
    other = trace.SpanContext(7, 7, is_remote=False)
    with oi.session("s-of-jane", consent=False), oi.tool_call("t"):
        span = trace.get_current_span()
        span.update_name(f"for {MAIL}")
        span.set_status(trace.StatusCode.ERROR, f"{MAIL} failed")
        span.add_link(other, {"app.to": MAIL})
        span.add_event("paid", {MAIL: 1})
        oi.event("paid", attributes={MAIL: 1, "bob@example.com": 2})
        span.set_attributes({"user.id": "u-77", "session.id": "s-of-jane", "enduser.id": 77, "app.ids": [MAIL]})
    with oi.session("s-of-jane", consent=False), oi.tool_call("ended by others"):
        trace.get_current_span().set_attribute("app.to", MAIL)
        trace.get_current_span().end()
    assert not [secret for secret in SECRETS if secret in spans.text()]
    found = spans.named("for [email]")
    assert found.whole.status.message == "[email] failed"
    paid = spans.named("event paid").attributes
    assert (paid["[email]"], paid["[email] 2"]) == (1, 2)
    assert found.attributes["user.id"] == pseudonym(KEY.encode(), "u-77")
    assert found.attributes["enduser.id"] == pseudonym(KEY.encode(), "77")
    assert spans.named("tool_call ended by others").attributes["app.to"] == "[email]"


@pytest.mark.usefixtures("way")
def test_consent_withdrawn_in_between(configured: Callable[..., Spans]) -> None:
    """The name, too, leaves as it may at the end; and what began before somebody agreed stays anonymous."""
    spans = configured()
    with oi.session("s-of-jane", user_id="u-77", consent=True) as session, oi.tool_call(f"for {MAIL}"):
        session.consent = False
    with oi.session("t-of-jane", user_id="u-77", consent=False) as session, oi.agent_run("early", input=MAIL):
        session.consent = True
    assert spans.named("tool_call for [email]").attributes["interaction.anonymous"] is True
    early = spans.named("agent_run early")
    assert MAIL not in str(early.whole)
    assert early.attributes["user.id"] == pseudonym(KEY.encode(), "u-77")


def test_consent_that_is_known_before_the_start(configured: Callable[..., Spans]) -> None:
    """What is said of consent between making a session and starting or entering it gives it its name."""
    spans = configured()
    for name, is_started in (("s-of-jane", True), ("s-of-jane's tab", False)):
        session = oi.session(name)
        session.consent = False
        if is_started:
            session.start()
        with session.active():
            oi.user_message("hello")
    assert not [secret for secret in SECRETS if secret in spans.text()]


def test_asking_a_database_that_is_traced(configured: Callable[..., Spans]) -> None:
    """Whoever looks consent up makes spans in the session, which ask for consent: once is enough."""
    asked: list[str] = []

    def look_up(user: str) -> bool:
        with provider.get_tracer("database").start_as_current_span("SELECT"):
            asked.append(user)
            return True

    spans = configured()
    provider = provider_of(spans, consent=look_up)
    with oi.session("s-1", user_id="u-77"):
        oi.user_message(MAIL)
    assert MAIL in spans.text()
    assert len(asked) < 30


def test_outside_any_session(configured: Callable[..., Spans]) -> None:
    """Where consent is required, what belongs to nobody may be anybody's."""
    spans = configured(require_consent=True)
    oi.user_message(MAIL)
    assert MAIL not in spans.text()


def test_consent_that_changes(configured: Callable[..., Spans]) -> None:
    """It holds from there on, for what has not ended yet, too; the session stays one."""
    spans = configured()
    with oi.session("s-of-jane", user_id="u-77", consent=False) as session:
        oi.user_message(f"one {MAIL}")
        session.consent = True
        oi.user_message(f"two {MAIL}")
        with oi.tool_call("t") as call:
            call.result(f"three {MAIL}")
            session.consent = False
    text = spans.text()
    assert f"two {MAIL}" in text
    assert f"one {MAIL}" not in text
    assert f"three {MAIL}" not in text
    assert "u-77" not in str(spans.named("tool_call t").whole)
    assert len({span.trace_id for span in spans.all()}) == 1


def test_the_same_person_in_another_process(configured: Callable[..., Spans]) -> None:
    """With the same key an anonymous session is resumed: one trace; so it is by the name it was recorded under."""
    spans = configured(require_consent=True)
    with oi.session("s-of-jane", end=False) as first:
        pass
    with oi.resume("s-of-jane", end=False):
        pass
    with oi.resume(first.recorded_id) as again:
        oi.user_message("hello")
    assert again.recorded_id == first.recorded_id
    assert len({span.trace_id for span in spans.all()}) == 1


def test_a_session_made_before_configure(configured: Callable[..., Spans]) -> None:
    """Whoever is anonymous is so by the settings at the start of the session."""
    oi.shutdown()
    session = oi.session("s-of-jane")
    spans = configured(require_consent=True)
    with session:
        oi.user_message("hello")
    assert "s-of-jane" not in spans.text()


def test_redaction_of_everybody(configured: Callable[..., Spans]) -> None:
    """What is asked for is taken out of all texts; ids stay."""
    spans = configured(redact="emails, cards", redact_patterns={"note": r"n-\d+"})
    with oi.session("s-of-jane", user_id="u-77"):
        talk()
        oi.user_message("n-123")
    text = spans.text()
    assert "jane.doe" not in text
    assert "4111111111111111" not in text
    assert "n-123" not in text
    assert PHONE in text
    assert "u-77" in text


def test_a_function_that_fails(configured: Callable[..., Spans]) -> None:
    """What it was to look at does not leave; the rest of the interaction does, and it is counted."""
    spans = configured(redact_functions=[lambda _name, text: str(1 / 0) if "secret" in text else text])
    with oi.session():
        oi.user_message("a secret", attributes={"app.fine": "fine"})
    found = spans.named("user_message").attributes
    assert found["gen_ai.input.messages"] == FAILED
    assert found["app.fine"] == "fine"
    assert oi.status().failed_redactions == 1


# --- other instrumentations


def foreign(tracer: trace.Tracer) -> None:
    """Do what an instrumentation of a model's library does."""
    with tracer.start_as_current_span(f"chat {MAIL}") as span:
        span.set_attributes(
            {
                "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": MAIL}]}]),
                "gen_ai.prompt.0.content": MAIL,
                "llm.input_messages.0.message.content": MAIL,
                "input.value": MAIL,
                "gen_ai.event.content": MAIL,
                "url.full": f"https://api.example/v1?user={MAIL}",
                "client.address": "203.0.113.77",
                "enduser.id": "u-77",
                "gen_ai.request.model": "gpt-5",
                "gen_ai.usage.input_tokens": 7,
            }
        )
        span.add_event("gen_ai.user.message", {"gen_ai.prompt": MAIL, "content": MAIL})
        span.set_status(trace.StatusCode.ERROR, f"{MAIL} failed")


def provider_of(spans: Spans, **arguments: Any) -> TracerProvider:
    """Return an application's own provider that passes our processor."""
    provider = TracerProvider(shutdown_on_exit=False)
    oi.configure(
        endpoint=spans.receiver.endpoint, tracer_provider=provider, set_global=False, hash_key=KEY, **arguments
    )
    return provider


def test_spans_of_others_without_consent(configured: Callable[..., Spans]) -> None:
    """They are in the session, so what holds for it holds for them."""
    spans = configured()
    tracer = provider_of(spans).get_tracer("openai")
    with oi.session("s-of-jane", user_id="u-77", consent=False):
        foreign(tracer)
    assert not [secret for secret in SECRETS if secret in spans.text()]
    found = spans.named("chat [email]")
    assert found.attributes["gen_ai.request.model"] == "gpt-5"
    assert found.attributes["gen_ai.usage.input_tokens"] == 7
    assert found.attributes["url.full"] == "https://api.example/v1"
    assert found.attributes["enduser.id"] == pseudonym(KEY.encode(), "u-77")


def test_spans_with_more_attributes_than_there_may_be(configured: Callable[..., Spans]) -> None:
    """OpenTelemetry drops the oldest: the ones that say whose it is."""
    spans = configured()
    tracer = provider_of(spans).get_tracer("openai")
    with oi.session("s-of-jane", consent=False), tracer.start_as_current_span("chat") as span:
        span.set_attributes({f"llm.{number}": f"{MAIL} {number}" for number in range(200)})
        span.set_attribute("session.id", "s-of-jane")
    assert "interaction.anonymous" not in spans.named("chat").attributes
    assert not [secret for secret in SECRETS if secret in spans.text()]


def test_spans_of_others_with_consent(configured: Callable[..., Spans]) -> None:
    """Nothing of them changes."""
    spans = configured()
    tracer = provider_of(spans).get_tracer("openai")
    with oi.session("s-of-jane", user_id="u-77"):
        foreign(tracer)
    assert spans.text().count(MAIL) == 10


@pytest.mark.parametrize("content", ["metadata", "none", False])
def test_spans_of_others_without_content(configured: Callable[..., Spans], content: bool | str) -> None:
    """What was said is left out in every dialect, and the rest stays."""
    spans = configured()
    tracer = provider_of(spans, capture_content=content).get_tracer("openai")
    with oi.session():
        foreign(tracer)
        oi.user_message("hello")
    found = spans.named(f"chat {MAIL}")
    assert set(found.attributes) - {"session.id"} == {
        "url.full", "client.address", "enduser.id", "gen_ai.request.model", "gen_ai.usage.input_tokens",
    }  # fmt: skip
    assert [event.name for event in found.whole.events] == ["gen_ai.user.message"]
    mine = spans.named("user_message").attributes
    assert "gen_ai.input.messages" not in mine
    assert ("interaction.text.length" in mine) is (content != "none")


def test_a_provider_that_keeps_its_own_exporters() -> None:
    """Interactions leave as they may on every way; spans of others we see pass only where our processor is theirs."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    oi.configure(tracer_provider=provider, set_global=False, hash_key=KEY)
    with oi.session("s-of-jane", user_id="u-77", consent=False):
        oi.user_message(MAIL)
        oi.tool_call("t", arguments={"to": MAIL}, result="ok")
    oi.shutdown()
    assert len(exporter.get_finished_spans()) == 4
    for span in exporter.get_finished_spans():
        assert not [secret for secret in SECRETS if secret in span.to_json()]
