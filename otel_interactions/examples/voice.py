"""A voice session with its page around it: audio in and out, UI events, a state transition, a web vital."""

from __future__ import annotations

import otel_interactions as oi
from otel_interactions.examples import report


def main() -> None:
    """Record one call."""
    with oi.session("demo-voice-chen", user_id="chen", model="gemini-live-2.5", mode="voice", voice="Aoede"):
        oi.ui_event("click", "CallButton", details={"x": 412, "y": 80}, url="https://shop.example/help")
        oi.performance_metric("LCP", 1240.5, unit="ms")
        oi.state_transition("idle", "connected", event="call_accepted", duration_ms=180)
        oi.audio_input(
            duration_ms=2300,
            size_bytes=73_600,
            mime_type="audio/pcm",
            url="s3://calls/chen/1.pcm",
            transcript="Where is my parcel?",
        )
        oi.audio_output(
            duration_ms=3100,
            size_bytes=148_800,
            mime_type="audio/pcm",
            url="s3://calls/chen/2.pcm",
            transcript="It is out for delivery and arrives before six.",
        )
        oi.event("calls", "network quality dropped", severity="warn", details={"packet_loss": 0.07})
        oi.ui_event("click", "HangUpButton", url="https://shop.example/help")


if __name__ == "__main__":
    oi.configure(service_name="voice-gateway")
    main()
    report()
    oi.shutdown()
