"""A short run of the chaos that `make chaos` runs for an hour: some of the events, in a seeded order."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from chaos import WORLDS, world
from senders import SENT

EVENTS = int(os.environ.get("CHAOS_EVENTS", "3"))
PAUSE = (0.05, 0.4)  # seconds between two events


@pytest.fixture
def seed() -> int:
    """Pick the schedule; printed, so that a failure can be run again with CHAOS_SEED."""
    chosen = int(os.environ.get("CHAOS_SEED", random.SystemRandom().randrange(10**6)))
    print(f"CHAOS_SEED={chosen}")
    return chosen


@pytest.mark.parametrize("name", WORLDS)
def test_whatever_happens(tmp_path: Path, seed: int, name: str) -> None:
    """Senders that retry, half of them sending all of it twice: everything acknowledged is stored once."""
    with world(tmp_path, seed, name) as broken:
        broken.round(broken.choose.sample(broken.events, k=EVENTS), PAUSE)
        counts = [broken.acknowledged[signal.label] for signal in SENT]
        assert min(counts) > 5, "the senders hardly got through: the test would prove little"
