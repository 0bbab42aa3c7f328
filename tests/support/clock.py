"""`python clock.py serve …`: the collector on a wall clock that jumps, an hour back and forth, at random.

The monotonic clock goes on, as it does when NTP or an operator sets the time. What is synced is noted (`power.py`).
"""

from __future__ import annotations

import random
import sys
import time

import power

_real, _choose = time.time_ns, random.Random()
_offset = 0


def _jumping() -> int:
    global _offset  # noqa: PLW0603 - one clock a process
    if _choose.random() < 0.02:
        _offset = _choose.randrange(-3600, 3600) * 10**9
    return _real() + _offset


if __name__ == "__main__":
    power.note_syncs()
    time.time_ns = _jumping
    time.time = lambda: _jumping() / 1e9
    from collector.__main__ import main

    sys.argv[0] = "otel-interactions"
    main()
