"""The SDK's one logger, and lines that are said once instead of a thousand times."""

from __future__ import annotations

import logging

logger = logging.getLogger("otel_interactions")

_said: set[object] = set()


def say_once(key: object, level: int, message: str, *args: object) -> None:
    """Log `message` the first time `key` is seen in this process; later calls are silent.

    Args:
        key: what the line is about; hashable.
        level: a level of the `logging` module.
        message: the line, with `logging`'s `%s` places.
        args: what goes into those places.
    """
    if key in _said:
        return
    _said.add(key)
    logger.log(level, message, *args)


def is_said(key: object) -> bool:
    """Tell whether `say_once` has said something about `key`."""
    return key in _said


def forget_said() -> None:
    """Let every line be said again: a new configuration starts with a clean page."""
    _said.clear()
