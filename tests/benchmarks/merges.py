"""How often do merges write a row anew? Parts of one size, inserted one after the other, by what selects them."""

from __future__ import annotations

import json
import tempfile
import time

from chdb.session import Session
from report import Table

SELECTORS = [
    "merge_selector_base = 5",  # the engine's default
    "merge_selector_base = 10",
    "merge_selector_base = 20",  # what our tables have
    "merge_selector_base = 40",
    "min_parts_to_merge_at_once = 50",
]
INTO = {"parts of 4 MB": (4_000_000, 500), "parts of 0.1 MB": (100_000, 2000)}
PAUSE_SECONDS = 0.005  # between two inserts, so that merges keep up
ROWS, LOOK_EVERY = 20, 10
MADE = """SELECT level > 0 AS merged, sum(rows) AS rows, sum(active) AS active
FROM system.parts WHERE table = 't' GROUP BY merged"""


def merges(share: float) -> Table:
    """Insert this share of the parts; return how often their rows were written anew, and the most parts there were."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        session = Session(folder)
        for selector in SELECTORS:
            found = [inserted(session, selector, size, int(many * share)) for size, many in INTO.values()]
            rows.append([selector, *(f"{written:.1f} times, {parts} parts" for written, parts in found)])
        session.close()
    titles = [f"{int(many * share):,} {name}" for name, (_, many) in INTO.items()]
    return Table("rows written anew by merges, and the most parts at a time", ["", *titles], rows)


def inserted(session: Session, selector: str, size: int, many: int) -> tuple[float, int]:
    """Insert parts of so many bytes; return how often merges wrote a row, and the most parts seen."""
    session.query("DROP TABLE IF EXISTS default.t SYNC")
    session.query(
        "CREATE TABLE default.t (x String CODEC(NONE)) ENGINE = MergeTree ORDER BY ()"
        f" SETTINGS old_parts_lifetime = 100000, {selector}"
    )
    most = 0
    for number in range(many):
        session.query(f"INSERT INTO default.t SELECT randomString({size // ROWS}) FROM numbers({ROWS})")
        time.sleep(PAUSE_SECONDS)
        if number % LOOK_EVERY == 0:
            most = max(most, sum(int(each["active"]) for each in made(session)))
    written = sum(int(each["rows"]) for each in made(session) if each["merged"])
    return written / ROWS / many, most


def made(session: Session) -> list[dict[str, str]]:
    """Return the rows of all parts there ever were, apart those made by merges."""
    return [json.loads(line) for line in str(session.query(MADE, "JSONEachRow")).splitlines()]
