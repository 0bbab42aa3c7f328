"""A session that nobody ends: the process is killed in the middle of it, with interactions that are not sent yet.

They are in its spool; the next process that records to the same collector sends them.
"""

from __future__ import annotations

import os
import signal

import otel_interactions as oi
from otel_interactions.examples import report

if __name__ == "__main__":
    oi.configure(service_name="concierge")
    session = oi.session("demo-dropped-emil", user_id="emil", model="gpt-5-mini")
    session.start()
    with session.active():
        oi.user_message("Are you still there?")
    report(flush=False)
    os.kill(os.getpid(), signal.SIGKILL)
