"""A collector with something to show on every board: `python boards_to_show.py --rows 800000 --live-seconds 90`.

Seeded sessions of 30 days until a fixed moment, among them one in which everything happens; and what happens while it
runs, for what a collector tells of itself. Prints one line of JSON (its address, and which time the boards are about)
and runs until its input ends.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from conversations import SECOND, said
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from otlp_builders import log_record, logs, span, traces
from processes import CollectorProcess, running
from seeded import seeded

UNTIL = datetime.fromisoformat("2026-11-20T15:00:00+00:00")
SESSION = "9f3c2d51-umbrella"
MOODS = ("friendly", "friendly", "friendly", "curious", "curious", "apologetic", "amused", "serious")
MOODY = 500  # sessions of the last day whose answers have a mood
SERVICES = ("web-chat", "web-chat", "mobile-app")
QUESTIONS = (
    "Where is my order?",
    "How do I return an item?",
    "Can I change the delivery address?",
    "Do you ship to Norway?",
    "What is the warranty on the bicycle lamp?",
    "My discount code does not work",
    "Which size fits 182 cm?",
    "Please cancel my subscription",
    "Is the blue one back in stock?",
    "How do I reset my password?",
    "When will I get the refund?",
    "Can I speak to a person?",
)
LIVE_SESSIONS = 12
_TRACE = bytes.fromhex("9f3c2d51a0b14c6e8d7f00112233aabb")
_ASKED = "Do I need an umbrella in Paris on Saturday?"
_ANSWERED = "Yes: rain from noon on, 14 °C. Shall I book the museum for the afternoon instead?"


class Story:
    """One session's spans."""

    def __init__(self, began: int, session: str, trace: bytes, service: str) -> None:
        """Begin at a moment (ns since 1970)."""
        self.spans: list[Span] = []
        self._began, self._trace, self._service = began, trace, service
        self.common: dict[str, Any] = {"session.id": session}

    def tell(self, second: float, lasts: float, kind: str, name: str = "", under: int = 0, **more: Any) -> int:
        """Add a span below another (by number, 0 for none); return its number."""
        number = len(self.spans) + 1
        start = self._began + int(second * SECOND)
        given = self.common | {"interaction.type": kind, "service.instance.id": "1"}
        given |= {"interaction.sequence": number} | more
        failed = "exception.type" in more
        self.spans.append(
            span(
                name or kind,
                given,
                trace_id=self._trace,
                span_id=number.to_bytes(8, "big"),
                parent_span_id=under.to_bytes(8, "big") if under else b"",
                start_time_unix_nano=start,
                end_time_unix_nano=start + int(lasts * SECOND),
                **({"status": {"code": 2, "message": more["exception.message"]}} if failed else {}),
            )
        )
        return number

    def request(self) -> Any:
        """Return it as a request."""
        resource = {"service.name": self._service, "deployment.environment.name": "production"}
        return traces(*self.spans, resource=resource, scope="otel_interactions")


def of_a_model(asked: str, answered: str, tokens: tuple[int, int], first: float) -> dict[str, Any]:
    """Return the attributes of a model's call."""
    return {
        "gen_ai.provider.name": "openai",
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": tokens[0],
        "gen_ai.usage.output_tokens": tokens[1],
        "interaction.cost_usd": (2.5 * tokens[0] + 10 * tokens[1]) / 1e6,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.response.time_to_first_chunk": first,
        "gen_ai.input.messages": said("user", asked),
        "gen_ai.output.messages": said("assistant", answered),
    }


def of_a_tool(name: str, arguments: str, result: str) -> dict[str, Any]:
    """Return the attributes of a tool's call."""
    call = {"gen_ai.tool.name": name, "gen_ai.tool.call.id": f"call {name}", "gen_ai.tool.call.arguments": arguments}
    return call | ({"gen_ai.tool.call.result": result} if result else {})


def umbrella(began: int) -> Any:
    """Tell a session in which everything happens: talk, an agent, tools, a failure, clicks and measurements."""
    story = Story(began, SESSION, _TRACE, "web-chat")
    story.common["user.id"] = "user-000042"
    root = story.tell(0, 0.05, "session_start", **{"interaction.session.mode": "text"})
    tell = story.tell
    tell(0.4, 0, "performance_metric", "performance_metric LCP", root, **_measured("LCP", 1180))
    tell(1.2, 0, "ui_event", "ui_event click", root, **_clicked("OpenChat"))
    tell(1.4, 0, "state_transition", "", root, **{"interaction.state.to": "asking"})
    tell(3, 0.02, "user_message", "", root, **{"interaction.message": _ASKED})
    run = tell(3.2, 6.1, "agent_run", "invoke_agent concierge", root, **{"gen_ai.agent.name": "concierge"})
    plan = of_a_model(_ASKED, "I look at the weather first.", (412, 38), 0.41)
    tell(3.3, 1.3, "generation", "chat gpt-4o", run, **plan)
    tell(4.7, 0.3, "retrieval", "retrieval travel guide", run, **{"gen_ai.data_source.id": "travel guide"})
    weather = of_a_tool("weather", '{"city": "Paris", "day": "Saturday"}', '{"rain": "from noon", "celsius": 14}')
    tell(5.1, 0.7, "tool_call", "tool_call weather", run, **weather)
    failed = {"error.type": "TimeoutError", "exception.type": "TimeoutError"}
    failed |= {"exception.message": "museum-api: no answer within 1 s"}
    tell(5.9, 1.0, "tool_call", "tool_call museum", run, **of_a_tool("museum", '{"day": "Saturday"}', ""), **failed)
    tell(7.0, 2.2, "generation", "chat gpt-4o", run, **of_a_model(_ASKED, _ANSWERED, (655, 57), 0.62))
    answer = of_a_model(_ASKED, _ANSWERED, (655, 57), 0.9) | {"interaction.mood": "friendly"}
    tell(3.1, 6.3, "assistant_response", "", root, **answer)
    error = {"interaction.severity": "error", "interaction.component": "backend", "interaction.critical": True}
    tell(9.0, 0, "error", "", root, **error, **failed)
    tell(10, 0, "state_transition", "", root, **{"interaction.state.from": "asking", "interaction.state.to": "booking"})
    tell(13, 0, "ui_event", "ui_event click", root, **_clicked("BookButton"))
    tell(14, 0.02, "user_message", "", root, **{"interaction.message": "Yes please, for two."})
    booked = of_a_tool("book", '{"place": "Louvre", "people": 2}', '{"booked": true, "at": "14:30"}')
    tell(14.8, 0.9, "tool_call", "tool_call book", root, **booked)
    thanks = of_a_model("Yes please, for two.", "Booked: Louvre, Saturday 14:30, two people. Enjoy!", (731, 22), 0.35)
    tell(14.2, 2.4, "assistant_response", "", root, **thanks, **{"interaction.mood": "amused"})
    tell(19, 0, "ui_event", "ui_event click", root, **_clicked("ThumbsUp"))
    tell(22, 0, "session_end", "", root, **{"interaction.session.end_reason": "completed"})
    return story.request()


def _measured(name: str, value: float) -> dict[str, Any]:
    return {"interaction.metric.name": name, "interaction.metric.value": value, "interaction.metric.unit": "ms"}


def _clicked(component: str) -> dict[str, Any]:
    return {"interaction.action": "click", "interaction.component": component}


def moody(until: int) -> Iterator[Any]:
    """Tell sessions of the last day that ask some of the same questions, and whose answers have a mood."""
    chosen = random.Random(7)
    for number in range(MOODY):
        began = until - int(chosen.uniform(600, 86_000) * SECOND)
        story = Story(began, f"{chosen.getrandbits(64):016x}", number.to_bytes(16, "big"), chosen.choice(SERVICES))
        story.common["user.id"] = f"user-{chosen.randrange(400):06}"
        root = story.tell(0, 0.01, "session_start")
        second = 2.0
        for _ in range(chosen.randrange(1, 5)):
            second = _turn(story, root, second, chosen)
        story.tell(second, 0, "session_end", "", root, **{"interaction.session.end_reason": "completed"})
        yield story.request()


def _turn(story: Story, root: int, second: float, chosen: random.Random) -> float:
    """Tell a question and its answer; return when the next may come."""
    asked = QUESTIONS[int(chosen.random() ** 2 * len(QUESTIONS))]
    story.tell(second, 0.01, "user_message", "", root, **{"interaction.message": asked})
    lasts = chosen.uniform(0.8, 4)
    answer = of_a_model(
        asked, "Here is what I found.", (chosen.randrange(200, 900), chosen.randrange(20, 90)), lasts / 4
    )
    mood = MOODS[int(chosen.random() * len(MOODS))]
    story.tell(second + 0.1, lasts, "assistant_response", "", root, **answer, **{"interaction.mood": mood})
    return second + lasts + chosen.uniform(8, 90)


def live(collector: CollectorProcess, seconds: float) -> None:
    """Let a dozen sessions go on for so long; the collector tells its figures every other second meanwhile."""
    until = time.time() + seconds
    beat, sequence = 0, [0] * LIVE_SESSIONS
    while time.time() < until:
        time.sleep(1.2 - time.time() % 1)  # once in each second of the clock
        chosen = random.Random(beat)
        for number in range(round(6 + 4 * math.sin(beat / 7) + chosen.uniform(0, 3))):
            lost = 2 if beat == 20 and number == 0 else 0
            collector.send(_spoken(chosen.randrange(LIVE_SESSIONS), sequence, lost))
        collector.send(logs(*(log_record(f"line {n}") for n in range(beat % 5 + 3))))
        if beat % 17 == 5:
            collector.post("/v1/traces", b"this is no protobuf")
        beat += 1


def _spoken(of: int, sequence: list[int], lost: int) -> Any:
    """Tell a question and its answer of one of the sessions, behind so many numbers that never come."""
    spans = []
    end = time.time_ns()
    sequence[of] += lost
    for kind, lasts in (("user_message", 0.01), ("assistant_response", 0.4)):
        sequence[of] += 1
        told = {"session.id": f"live-{of}", "interaction.type": kind, "interaction.message": _ASKED}
        told |= {"interaction.sequence": sequence[of], "service.instance.id": f"process-{of}"}
        start = end - int(lasts * SECOND)
        spans.append(span(kind, told, start_time_unix_nano=start, end_time_unix_nano=end))
    service = ("web-chat", "mobile-app", "voice-gateway")[of % 3]
    return traces(*spans, resource={"service.name": service, "service.instance.id": f"process-{of}"})


def filled(folder: Path, rows: int) -> None:
    """Seed the sessions of 30 days."""
    seeded(folder, rows, UNTIL.replace(tzinfo=None).isoformat())


def shown(collector: CollectorProcess, live_seconds: float) -> dict[str, Any]:
    """Let it all happen; return the collector's address, and when the boards' time ends."""
    until = int(UNTIL.timestamp())
    collector.send(umbrella((until - 1500) * SECOND))
    for request in moody(until * SECOND):
        collector.send(request)
    collector.wait_until_stored()
    since = time.time()
    live(collector, live_seconds)
    collector.wait_until_stored()
    live_until = time.time()
    return {
        "url": f"http://{collector.endpoints['sql']}",
        "until": until,
        "live_until": live_until,
        "live_seconds": live_until - since,
    }


def main() -> None:
    """Run one until the input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=800_000, help="about so many interactions of 30 days")
    parser.add_argument("--live-seconds", type=float, default=90, help="so long it is watched")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="boards-") as folder:
        data = Path(folder) / "data"
        filled(data, chosen.rows)
        with running(data, "--retention-days", "0", "--internal-metrics-seconds", "2") as collector:
            print(json.dumps(shown(collector, chosen.live_seconds)), flush=True)
            sys.stdin.read()


if __name__ == "__main__":
    main()
