"""The SDK's one logger, and lines that are said once instead of a thousand times."""

from __future__ import annotations

import logging
from typing import Final

logger = logging.getLogger("otel_interactions")

SAID: Final[set[object]] = set()
"""What `say_once` has said something about."""


def say_once(key: object, level: int, message: str, *args: object) -> None:
    """Log `message` the first time `key` is seen in this process; later calls are silent.

    Args:
        key: what the line is about; hashable.
        level: a level of the `logging` module.
        message: the line, with `logging`'s `%s` places.
        args: what goes into those places.
    """
    if key in SAID:
        return
    SAID.add(key)
    logger.log(level, message, *args)


def forget_said() -> None:
    """Let every line be said again: a new configuration starts with a clean page."""
    SAID.clear()
