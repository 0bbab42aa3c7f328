"""Every figure the collector tells of itself: name, kind, labels, and what an operator learns from it.

`/metrics` is made from this table, and so is the table in collector/README.md. A figure's name here is its name in the
code and in `/health`; Prometheus sees it with `PREFIX` before it and, if it is a counter, `_total` behind it.

Labels are bounded by the code: `signal` is traces, logs or metrics, `reason` is the name of an error class. Who sent
how much is not asked here but in SQL, where every row has its tenant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PREFIX = "otel_interactions_collector_"

_SIGNAL = ("signal",)
_KIB, _MIB = 1 << 10, 1 << 20


@dataclass(frozen=True, slots=True)
class Family:
    """One figure.

    Attributes:
        name: without prefix and suffix.
        kind: counter, histogram or gauge.
        sentence: what it says.
        labels: what it is told apart by.
        bounds: upper bounds of a histogram's buckets, ascending; infinity is implied.
    """

    name: str
    kind: Literal["counter", "histogram", "gauge"]
    sentence: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


def _fates() -> list[Family]:
    """Return the two families of each fate: requests, and the spans, log records and data points in them."""
    sentences = {
        "received": "{0} that arrived, whatever becomes of them",
        "refused": "{0} the sender was told are not accepted, by reason; nothing of them is stored",
        "duplicate": "{0} a sender sent again; acknowledged, and stored the first time only",
        "empty": "{0} without any item; acknowledged, nothing to store",
        "journaled": "{0} acknowledged, safe in the journal",
        "recovered": "{0} found in the journal at the start, acknowledged by an earlier process",
        "stored": "{0} ClickHouse has confirmed",
        "dead": "{0} ClickHouse cannot store, set aside in dead-letters/ with the reason",
    }
    made = []
    for what, shown in (("requests", "requests"), ("items", "spans, log records and data points")):
        for fate, sentence in sentences.items():
            if what == "items" and fate in {"empty", "duplicate"}:
                continue  # the one has none, the other is recognised before they are read
            labels = ("signal", "reason") if fate == "refused" else _SIGNAL
            made.append(Family(f"{what}_{fate}", "counter", sentence.format(shown.capitalize()), labels))
    return made


_ALL = [
    *_fates(),
    Family("access_refused", "counter", "Attempts refused for their key, or for having none, on any port", ("reason",)),
    Family("segments_loaded", "counter", "Journal segments ClickHouse has confirmed", _SIGNAL),
    Family("requests_replayed", "counter", "Dead letters that ClickHouse took when they were sent again", _SIGNAL),
    Family("loads_failed", "counter", "Inserts that failed; transient ones are tried again", _SIGNAL),
    Family("uncaught_exceptions", "counter", "Exceptions nobody caught; any of them makes the collector unhealthy"),
    Family(
        "acknowledgement_duration_seconds",
        "histogram",
        "From a request's whole body to its acknowledgement: validation, waiting for the sync, the sync",
        _SIGNAL,
        (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
    ),
    Family(
        "request_size_bytes",
        "histogram",
        "Size of a request's body after decompression",
        _SIGNAL,
        (256, _KIB, 4 * _KIB, 16 * _KIB, 64 * _KIB, 256 * _KIB, _MIB, 4 * _MIB, 16 * _MIB, 64 * _MIB),
    ),
    Family(
        "journal_sync_duration_seconds",
        "histogram",
        "One sync of the journal to disk; every acknowledgement waits for one",
        (),
        (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
    ),
    Family(
        "load_duration_seconds",
        "histogram",
        "From a journal segment's first insert to ClickHouse's confirmation, tries in between included",
        _SIGNAL,
        (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
    ),
    Family("status", "gauge", "1 for the status /health tells, 0 for the others", ("status",)),
    Family("requests_pending", "gauge", "Acknowledged requests ClickHouse does not have yet"),
    Family("items_pending", "gauge", "Acknowledged spans, log records and data points ClickHouse does not have yet"),
    Family(
        "oldest_unsaved_age_seconds", "gauge", "Age of the oldest acknowledged request ClickHouse does not have yet"
    ),
    Family("journal_segments", "gauge", "Frozen journal segments that wait to be loaded"),
    Family("journal_size_bytes", "gauge", "Bytes of the journal's files"),
    Family("journal_limit_bytes", "gauge", "Bytes of the journal from which on requests are refused"),
    Family("dead_letters", "gauge", "Requests and segments that lie in dead-letters/, of whatever process"),
    Family("disk_free_bytes", "gauge", "Bytes free on the disk of the data directory"),
    Family("disk_reserve_bytes", "gauge", "Bytes free below which requests are refused until there is space again"),
    Family("clickhouse_up", "gauge", "1 while ClickHouse answers, 0 while it does not"),
    Family(
        "save_success_ratio", "gauge", "Share of the inserts of the last five minutes that succeeded, 1 without any"
    ),
    Family("active_sessions", "gauge", "Sessions that nobody ended and that are not idle for too long"),
    Family("uptime_seconds", "gauge", "Seconds since this process began to serve"),
    Family("build_info", "gauge", "Always 1; the version is its label", ("version",)),
]
FAMILIES: dict[str, Family] = {family.name: family for family in _ALL}


def exposed_name(family: Family) -> str:
    """Return the name Prometheus knows a figure by."""
    return PREFIX + family.name + ("_total" if family.kind == "counter" else "")
