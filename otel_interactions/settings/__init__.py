"""The settings of the SDK.

An argument of `configure()` wins over the environment, the environment over the default. Variables that begin with
`OTEL_INTERACTIONS_` are read here; the others are OpenTelemetry's, and mean what OpenTelemetry says.
"""

from otel_interactions.settings.policies import privacy, switches
from otel_interactions.settings.reading import (
    PROTOCOLS,
    WHEN_FULL,
    batch,
    choice,
    listed,
    protocol,
    queue_size,
    seconds,
    spool_dir,
    switch,
    whole,
)
from otel_interactions.settings.table import SETTINGS, Setting
from otel_interactions.settings.target import fallback, target

__all__ = [
    "PROTOCOLS",
    "SETTINGS",
    "WHEN_FULL",
    "Setting",
    "batch",
    "choice",
    "fallback",
    "listed",
    "privacy",
    "protocol",
    "queue_size",
    "seconds",
    "spool_dir",
    "switch",
    "switches",
    "target",
    "whole",
]
