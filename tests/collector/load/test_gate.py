"""Inserts side by side, and one who goes alone."""

from __future__ import annotations

import random
import threading
import time

import pytest

from collector.load.gate import Gate

THREADS = 6


def test_alone_is_alone() -> None:
    """Whoever goes alone meets nobody, the others meet each other, and all get in."""
    gate, inside, most, met = Gate(), list[str](), [0], list[str]()
    begin = threading.Barrier(THREADS)

    def come(seed: int) -> None:
        choose = random.Random(seed)
        begin.wait()
        for _ in range(30):
            alone = choose.random() < 0.2
            with gate.alone() if alone else gate.shared():
                inside.append("alone" if alone else "shared")
                time.sleep(0.001)
                met.extend(["met"] * (len(inside) > 1 and "alone" in inside))
                most[0] = max(most[0], len(inside))
                inside.remove("alone" if alone else "shared")

    threads = [threading.Thread(target=come, args=(seed,)) for seed in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not met
    assert most[0] > 1
    assert not any(thread.is_alive() for thread in threads)


def test_who_fails_leaves() -> None:
    """An exception inside lets the next one in."""
    gate = Gate()
    for way in (gate.alone, gate.shared, gate.alone):
        with pytest.raises(OSError, match="inside"), way():
            raise OSError("inside")
