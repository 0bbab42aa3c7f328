"""Our dictionaries ask ClickHouse for what they look up: as the user `default` without a password, or as another.

On many servers `default` has a password, or is not there at all (ClickHouse Cloud). Who asks instead stands in the
dictionary's definition: ClickHouse has no other place for it, and shows the password to nobody (`[HIDDEN]`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from clickhouse_connect.driver.exceptions import ClickHouseError

from collector.clickhouse import quoted
from collector.errors import first_line
from collector.schema import migrator

if TYPE_CHECKING:
    from collector.clickhouse import ClickHouse

ADVICE: Final = (
    "dictionaries ask ClickHouse as its user `default` without a password: let that read `otel` from the server "
    "itself, or name another with --clickhouse-dictionary-user"
)
_PROBE: Final = "SELECT dictHas('otel.session_by_trace', ('', ''))"
_CREATE, _SOURCE = "CREATE DICTIONARY IF NOT EXISTS otel.", "SOURCE(CLICKHOUSE("


def asking_as(user: str, password: str, cluster: str = "") -> Iterator[str]:
    """Yield the statements that make all dictionaries anew, asking as this user.

    Raises:
        StartError: that is no name of a cluster.
    """
    written = migrator.writer(cluster)
    source = f"{_SOURCE}USER {quoted(user)} PASSWORD {quoted(password)} "
    newest = {name: each.sql for each in migrator.migrations() if (name := _name(each.sql))}
    for sql in newest.values():
        for statement in written(sql):
            yield statement.replace(_CREATE, "CREATE OR REPLACE DICTIONARY otel.", 1).replace(_SOURCE, source, 1)


def _name(sql: str) -> str:
    """Return the name of the dictionary that a statement creates, "" if it creates none."""
    return sql.partition(_CREATE)[2].partition("\n")[0]


def trouble(database: ClickHouse) -> str:
    """Look something up: return what ClickHouse says against it, "" if it answers."""
    try:
        database.rows(_PROBE)
    except ClickHouseError as error:
        return f"sessions and transcripts cannot be read: {first_line(error)}"
    return ""
