"""Interactions as life has them, any number, in an embedded ClickHouse: `seed.py --rows 20000000 --data-dir DIR`.

They are made by the engine in SQL (seed.sql) and go into otel_traces as the collector's do, so that every column and
every materialized view does its normal work. People talk by day more than by night, some have hundreds of sessions and
most a few, most sessions are short; a tenth of them was recorded by OpenTelemetry's instrumentation of a model's
library and not by our SDK. The same seed, number and end make the same rows.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

from collector.clickhouse import ClickHouse
from collector.schema import migrator

SQL = Path(__file__).with_suffix(".sql").read_text()
DAYS = 30
SEED = 20_261_122
ROWS_OF_A_SESSION = 40.0  # on average, found by counting
SESSIONS_OF_A_USER = 1.6  # likewise: of so many users as there may be, most have any
LONGEST = timedelta(hours=9)  # 240 turns of two minutes and what follows the last
ROWS_AT_ONCE = 170_000  # in one insert, six hours of 20 million: some 0.5 GB of memory
SHARE_OF_HOUR = (
    2,
    1,
    1,
    1,
    1,
    2,
    4,
    7,
    10,
    12,
    13,
    13,
    12,
    12,
    13,
    13,
    12,
    11,
    10,
    10,
    9,
    7,
    5,
    3,
)  # from midnight, UTC
SHARE_OF_WEEKEND = 0.6
MEMORY_BYTES = 6 * 2**30
NOTE = "seed.json"  # in the data directory: what it was made of
SETTINGS = {
    "max_threads": "2",
    "min_insert_block_size_rows": str(2**40),  # one part for each insert and day, as a segment of the journal makes
    "min_insert_block_size_bytes": str(2**50),
    "max_partitions_per_insert_block": "0",
}


@dataclass(frozen=True, slots=True)
class Hour:
    """When it begins, the number of its first session and that of the first one after it."""

    begins: datetime
    first: int
    beyond: int


@dataclass(frozen=True, slots=True)
class Seeded:
    """What is there now."""

    rows: int
    sessions: int
    users: int
    seconds: float
    disk_bytes: int


def seed(
    database: ClickHouse,
    rows: int,
    *,
    number: int = SEED,
    until: datetime,
    progress: Callable[[float], None] = lambda _: None,
) -> Seeded:
    """Make about so many interactions of the 30 days before `until`; tell the share that is done as it goes.

    Merges go on as in a collector; nothing is merged on purpose.
    """
    began = time.monotonic()
    sessions = math.ceil(rows / ROWS_OF_A_SESSION)
    hours = list(hours_of(sessions, until))
    database.command("INSERT INTO otel.tenant_settings (tenant, session_idle_seconds) VALUES ('', 1800)")
    parameters = {"seed": number, "users": math.ceil(sessions / SESSIONS_OF_A_USER)}
    for at_once, share in windows(hours, rows):
        insert(database, hours, at_once, until, parameters)
        progress(share)
    return counted(database, time.monotonic() - began)


def hours_of(sessions: int, end: datetime) -> Iterator[Hour]:
    """Deal the sessions out to the hours before `end`, more to those by day than to those by night."""
    begins = [end - timedelta(hours=each) for each in range(DAYS * 24, 0, -1)]
    shares = [SHARE_OF_HOUR[each.hour] * (SHARE_OF_WEEKEND if each.weekday() > 4 else 1) for each in begins]
    bounds = [round(sessions * each / sum(shares)) for each in accumulate(shares, initial=0)]
    for hour, (first, beyond) in zip(begins, pairwise(bounds), strict=True):
        yield Hour(hour, first, beyond)


def windows(hours: Sequence[Hour], rows: int) -> Iterator[tuple[Sequence[Hour], float]]:
    """Yield the hours that go in at once, and the share that is done then."""
    many = max(1, round(ROWS_AT_ONCE / rows * len(hours)))
    for start in range(0, len(hours), many):
        yield hours[start : start + many], min(1.0, (start + many) / len(hours))


def insert(
    database: ClickHouse, hours: Sequence[Hour], at_once: Sequence[Hour], end: datetime, parameters: dict[str, Any]
) -> None:
    """Insert what happened in these hours; sessions of earlier ones may still go on."""
    since, until = at_once[0].begins, min(end, at_once[-1].begins + timedelta(hours=1))
    going = [each for each in hours if since - LONGEST <= each.begins < until]
    told = (f"({int(each.begins.timestamp())}, {each.first}, {each.beyond})" for each in going)
    window = {
        "since": since.strftime("%F %T"),
        "until": until.strftime("%F %T"),
        "hours": f"[{', '.join(told)}]",
    }
    database._client.command(SQL, parameters=parameters | window, settings=SETTINGS)


def counted(database: ClickHouse, seconds: float) -> Seeded:
    """Count what is there."""
    rows = database.rows("SELECT count() FROM otel.otel_traces")[0][0]
    sessions, users = database.rows("SELECT count(), uniqExact(user_id) FROM otel.sessions")[0]
    disk = database.rows("SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'otel'")[0][0]
    return Seeded(rows, sessions, users, seconds, disk)


def opened(folder: Path) -> ClickHouse:
    """Open the embedded engine of a data directory, with the newest schema."""
    folder.mkdir(parents=True, exist_ok=True)
    database = ClickHouse(folder, None, memory_bytes=MEMORY_BYTES)
    migrator.migrate(database)
    return database


def made(folder: Path, rows: int, number: int, until: datetime) -> ClickHouse:
    """Fill a data directory, note in it what it was made of, and leave it open."""
    database = opened(folder)
    print(told(seed(database, rows, number=number, until=until, progress=show), number, until), file=sys.stderr)
    note = {"made of": fingerprint(rows, number), "until": until.isoformat()}
    (folder / NOTE).write_text(json.dumps(note))
    return database


def kept(folder: Path, rows: int, number: int = SEED) -> tuple[ClickHouse, datetime]:
    """Open what was made of the same schema, seed and number of rows, or make it; return when it ends, too."""
    note = folder / NOTE
    if note.exists():
        found = json.loads(note.read_text())
        if found["made of"] == fingerprint(rows, number):
            return opened(folder), datetime.fromisoformat(found["until"])
    if folder.exists():  # of another schema, or not finished
        shutil.rmtree(folder)
    until = now()
    return made(folder, rows, number, until), until


def now() -> datetime:
    """Return this second."""
    return datetime.now(UTC).replace(microsecond=0)


def fingerprint(rows: int, number: int) -> str:
    """Return what tells one seed from another: the schema, how the rows are made, which and how many."""
    parts = [*(each.checksum for each in migrator.migrations()), SQL, str(ROWS_OF_A_SESSION), str(number), str(rows)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def show(share: float) -> None:
    """Show how far it is."""
    print(f"\r{share:6.1%}", end="" if share < 1 else "\n", file=sys.stderr, flush=True)


def told(done: Seeded, number: int, until: datetime) -> str:
    """Say what was made, and what makes it again."""
    return (
        f"seed {number}, {DAYS} days until {until:%F %T} UTC: {done.rows:,} rows, {done.sessions:,} sessions, "
        f"{done.users:,} users; {done.seconds:.0f} s, {done.disk_bytes / 2**30:.2f} GiB on disk"
    )


def main() -> None:
    """Fill a data directory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000, help="about so many")
    parser.add_argument("--data-dir", type=Path, required=True, help="as `otel-interactions serve` takes it")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument(
        "--until", type=datetime.fromisoformat, help="when the last one happened, UTC; now unless given"
    )
    chosen = parser.parse_args()
    until = chosen.until.replace(tzinfo=UTC, microsecond=0) if chosen.until else now()
    made(chosen.data_dir, chosen.rows, chosen.seed, until).close()


if __name__ == "__main__":
    main()
