"""What the collector says of itself: log lines on standard error, counters, distributions, uncaught exceptions."""

from __future__ import annotations

from collector.telemetry.counters import Counters
from collector.telemetry.faults import Faults
from collector.telemetry.logs import configure_logging

__all__ = ["Counters", "Faults", "configure_logging"]
