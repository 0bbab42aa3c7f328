"""ClickHouse's own row policies in the embedded engine: who reads for one tenant gets that tenant's rows.

The engine takes no CREATE USER and no CREATE ROW POLICY, but it reads a users file when it opens, and in there stand a
role for tenants, what the role may SELECT, and a row policy for each of these tables. A connection becomes a tenant's
by two statements (`as_tenant`); after `readonly = 1` there is no way back.

Why row policies and not `additional_table_filters` or a WHERE added to the query: those are conditions like any other,
and the optimizer runs the cheap ones first. `WHERE toUInt64(input_text) = 1` then fails on another tenant's row and
quotes it in the error. A row policy is applied while rows are read, before PREWHERE.

What a policy does not hide is what never reads rows. The range of the primary key in each granule is looked at before
(as on a ClickHouse server): who divides by a timestamp can learn that something happened at that second, not whose or
what.

Open to tenants are the tables and views of our database with a column `tenant` or `Tenant`; rows of tenant '' are
everybody's. Everything else in it is closed by the missing grant, also behind a view; and so is the archive, as the
statistics of a Parquet file are compared with a condition before its rows are.

Dictionaries know no row policies. Our views ask them for keys made of rows that were read, each with the tenant of its
row, so tenants may (`dictGet`); what they write themselves may not (`query/clickhouse_http/read_only.py`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from collector import files
from collector.clickhouse import ClickHouse

DATABASE = "otel"
_OWNER, _TENANT = "collector_owner", "collector_tenant"
_NAME = re.compile(r"\w+", re.ASCII)
_TAG = "query_cache_tag"  # a setting that does nothing without the query cache; a policy can read it

_TABLES = f"""
SELECT c.table, c.name, t.engine = 'View'
FROM system.columns AS c JOIN system.tables AS t ON t.database = c.database AND t.name = c.table
WHERE c.database = '{DATABASE}' AND lower(c.name) = 'tenant' AND c.type IN ('String', 'LowCardinality(String)')
  AND (t.engine = 'View' OR endsWith(t.engine, 'MergeTree')) AND NOT startsWith(c.table, 'archived_')
ORDER BY c.table
"""  # noqa: S608 - a constant
_DICTIONARIES = f"SELECT name FROM system.dictionaries WHERE database = '{DATABASE}' ORDER BY name"  # noqa: S608 - as above
_USERS = """<clickhouse>
<profiles><default/></profiles>
<quotas><default/></quotas>
<roles>
<{owner}><grants><query>GRANT ALL ON *.* WITH GRANT OPTION</query></grants></{owner}>
<{tenant}><grants>{grants}</grants></{tenant}>
</roles>
<users><default>
<password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
<grants><query>GRANT {owner}</query><query>GRANT {tenant}</query></grants>
<databases><{database}>{policies}</{database}></databases>
</default></users>
</clickhouse>
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view whose rows belong to tenants."""

    name: str
    column: str
    is_view: bool

    @property
    def condition(self) -> str:
        """Which rows a connection reads: all as the owner, else its tenant's and everybody's."""
        return f"has(currentRoles(), '{_OWNER}') OR `{self.column}` IN ('', getSetting('{_TAG}'))"


def tables(database: ClickHouse) -> list[Table]:
    """Return what tenants may read, as the schema stands."""
    return [Table(str(name), str(column), bool(view)) for name, column, view in database.rows(_TABLES)]


def dictionaries(database: ClickHouse) -> list[str]:
    """Return the dictionaries that views ask, as the schema stands."""
    return [str(name) for (name,) in database.rows(_DICTIONARIES)]


def remember(path: Path, found: Iterable[Table], asked: Iterable[str]) -> None:
    """Keep what the policies were made of, for the next start. Raises OSError."""
    made = {"tables": [dataclasses.astuple(each) for each in found], "dictionaries": list(asked)}
    files.write_whole(path, (json.dumps(made, indent=1) + "\n").encode(), durable=False)


def remembered(path: Path) -> tuple[list[Table], list[str]] | None:
    """Return what was kept there, None if it is not there or does not read."""
    try:
        made = json.loads(path.read_text())
        found = [Table(str(name), str(column), bool(view)) for name, column, view in made["tables"]]
        asked = [str(name) for name in made["dictionaries"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    names = [*asked, *(name for each in found for name in (each.name, each.column))]
    return (found, asked) if all(map(_NAME.fullmatch, names)) else None


@contextlib.contextmanager
def config(found: list[Table], asked: Iterable[str] = ()) -> Iterator[Path]:
    """Give the configuration to open the engine with; it is read once, when the engine opens.

    Args:
        found: the tables and views that tenants may read.
        asked: the dictionaries that these views ask.

    It lies where temporary files do: the engine takes the path as an option and splits it at `&`, which a data
    directory's name may have.
    """
    with tempfile.TemporaryDirectory(prefix="otel-interactions-") as name:
        folder = Path(name)
        grants = "".join(f"<query>GRANT SELECT ON {DATABASE}.{each.name}</query>" for each in found)
        grants += "".join(f"<query>GRANT dictGet ON {DATABASE}.{name}</query>" for name in asked)
        policies = "".join(
            f"<{each.name}><filter>{escape(each.condition)}</filter></{each.name}>"
            for each in found
            if not each.is_view
        )
        users = _USERS.format(owner=_OWNER, tenant=_TENANT, grants=grants, policies=policies, database=DATABASE)
        (folder / "users.xml").write_text(users)
        main = folder / "config.xml"
        main.write_text(f"<clickhouse><users_config>{folder / 'users.xml'}</users_config></clickhouse>")
        yield main


def in_force(database: ClickHouse) -> bool:
    """Tell whether the engine has exactly the policies that its tables need: then tenants may read."""
    if not database.rows(f"SELECT has(currentRoles(), '{_OWNER}')")[0][0]:  # it was opened without our file
        return False
    wanted = {(each.name, each.condition) for each in tables(database) if not each.is_view}
    found = database.rows(f"SELECT table, select_filter FROM system.row_policies WHERE database = '{DATABASE}'")  # noqa: S608
    return bool(wanted) and {(str(table), str(condition)) for table, condition in found} == wanted


def as_tenant(tenant: str) -> list[str]:
    """Return the statements that make a connection read for one tenant, to be run before it becomes read-only."""
    quoted = tenant.replace("\\", "\\\\").replace("'", "\\'")
    return [f"SET ROLE {_TENANT}", f"SET {_TAG} = '{quoted}'"]
