"""An event loop whose time passes only when nothing else can happen: hours in milliseconds, the same every time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class WarpLoop(asyncio.SelectorEventLoop):
    """Waits by moving its clock."""

    def __init__(self) -> None:
        """Begin at zero."""
        super().__init__()
        self._now = 0.0
        select = self._selector.select

        def jump(timeout: float | None) -> Any:
            assert timeout is not None, "nothing will ever happen again"
            self._now += timeout
            return select(0)

        self._selector.select = jump

    def time(self) -> float:
        """Tell the time that did not pass."""
        return self._now


def warp(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine in such a loop."""
    with asyncio.Runner(loop_factory=WarpLoop) as runner:
        return runner.run(coroutine)
