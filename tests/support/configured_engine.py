"""Opens an embedded engine as a server's configuration says, and asks it; prints the answers as JSON.

    python configured_engine.py FOLDER < {"main": XML, "users": XML, "rows": [[table, row], …], "asked": [sql, …]}

Rows are there before the configuration is. An answer is a list of rows, or what was said against it.
"""

from __future__ import annotations

import itertools
import json
import operator
import os
import sys
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.exceptions import ClickHouseError

from collector import doctor
from collector.clickhouse import ClickHouse
from collector.schema import migrator

OWN_LOGS = "doctor.own_logs"  # in place of SQL


def answer(database: ClickHouse, sql: str) -> Any:
    """Ask one question."""
    try:
        if sql == OWN_LOGS:
            finding = doctor.own_logs(database)
            return [[finding.status, finding.found]]
        return database.rows(sql)
    except ClickHouseError as error:
        return " ".join(str(error).split())


def main(folder: Path, given: dict[str, Any]) -> None:
    """Do it, and end at once: the engine's own end takes seconds."""
    database = ClickHouse(folder, None)
    migrator.migrate(database)
    for table, rows in itertools.groupby(given["rows"], operator.itemgetter(0)):
        database.insert(f"otel.{table}", [row for _, row in rows])
    (folder / "users.xml").write_text(given["users"])
    config = folder / "config.xml"
    config.write_text(
        given["main"].replace("<clickhouse>", f"<clickhouse><users_config>{folder / 'users.xml'}</users_config>")
    )
    database.reopen(folder, config)
    print(json.dumps([answer(database, sql) for sql in given["asked"]], default=str), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.load(sys.stdin))
