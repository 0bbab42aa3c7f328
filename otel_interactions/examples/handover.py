"""One session, two processes: the first starts it, the second resumes it by its id and ends it."""

from __future__ import annotations

import sys

import otel_interactions as oi
from otel_interactions.examples import report

SESSION = "demo-handover-dora"


def start() -> None:
    """Open the session and leave it open, as a web worker does after one request."""
    with oi.session(SESSION, user_id="dora", model="claude-sonnet-5", mode="text", end=False):
        oi.user_message("My invoice is wrong.")
        oi.assistant_response(
            "Let me bring in a colleague.",
            model="claude-sonnet-5",
            provider="anthropic",
            input_tokens=20,
            output_tokens=7,
        )


def finish() -> None:
    """Go on where the other process stopped."""
    with oi.resume(SESSION):
        oi.assistant_response("I corrected it, the new invoice is in your inbox.", model="claude-sonnet-5")
        oi.user_message("Thank you!")


if __name__ == "__main__":
    oi.configure(service_name="support")
    {"start": start, "finish": finish}[sys.argv[1]]()
    report()
    oi.shutdown()
