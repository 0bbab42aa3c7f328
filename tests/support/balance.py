"""Every request and every item has exactly one fate: what a collector's /health says must add up."""

from __future__ import annotations

from collections import Counter
from typing import Any

FATES = ("received", "refused", "duplicate", "empty", "journaled", "recovered", "stored", "dead")


def assert_balanced(health: dict[str, Any]) -> None:
    """Check both equations, in requests and in items; nothing may be on its way while /health is asked."""
    counters = Counter(health["counters"])
    for what, pending in (("requests", health["queue_depth"]), ("items", health["items_pending"])):
        fate = {name: counters[f"{what}_{name}"] for name in FATES}
        told = sum(fate[name] for name in ("refused", "duplicate", "empty", "journaled"))
        assert fate["received"] == told, (what, fate)
        ended = fate["stored"] + fate["dead"] + pending
        assert fate["journaled"] + fate["recovered"] == ended, (what, fate, pending)
    refusals = sum(count for name, count in counters.items() if name.startswith("refused_"))
    assert refusals == counters["requests_refused"], counters
