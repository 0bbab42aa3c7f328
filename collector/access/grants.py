"""The statements by which a DBA lets a role of a ClickHouse server read one tenant's rows, or one user's of it.

In: the tables that belong to tenants (`row_policies.py`, which does the same in the embedded engine). Out: CREATE ROLE,
GRANT, CREATE ROW POLICY. What is not granted stays closed, behind views too: theirs is `SQL SECURITY INVOKER`.

Of a user is what he or she did, by `otel_traces.UserId`. Tables without that column, which views need, are narrowed to
the sessions and spans of those rows. Logs, metrics and the daily numbers are nobody's own and stay closed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from collector.access.keys import TENANT
from collector.access.row_policies import DATABASE, Table
from collector.clickhouse import quoted
from collector.errors import StartError

_ROLE = re.compile(r"[A-Za-z_][\w-]{0,63}", re.ASCII)
_OWN = f"SELECT Tenant, {{ids}} FROM {DATABASE}.otel_traces WHERE UserId = {{user}}"  # noqa: S608 - all three ours or quoted
# What a user reads: which rows of a table, or all that views show of them.
_OF_USER = {
    "otel_traces": "UserId = {user}",
    "sessions_state": f"(tenant, session_id) IN ({_OWN.replace('{ids}', 'SessionId')})",
    "span_messages": f"(Tenant, TraceId, SpanId) IN ({_OWN.replace('{ids}', 'TraceId, SpanId')})",
    "error_resolutions": f"(tenant, trace_id, span_id) IN ({_OWN.replace('{ids}', 'TraceId, SpanId')})",
    "model_prices": "",
    "tenant_settings": "",
}
_VIEWS_OF_USER = frozenset({"interactions", "messages", "session_of_trace", "sessions", "transcript"})
_HEAD = """-- Lets the role {role} read {whose}, and nothing else of {database}. Give it to a user: GRANT {role} TO …
-- Row policies of one table add up: another one that names this role, or ALL, opens more.
-- Users that no policy names must read everything, the collector's own user is one: leave ClickHouse's setting
-- users_without_row_policies_can_read_rows on, as it is by default.
-- dictGet knows no row policies. The dictionaries' keys are a tenant with ids of traces or spans: who knows those of
-- another tenant can ask what log records and model calls say in them, and to which session a trace belongs."""
_HEAD_OF_CLUSTER = """
-- A shard applies policies to the user who asks only if remote_servers has a <secret> for the cluster {cluster}.
-- Without one shards read as another user, and THESE POLICIES DO NOT HOLD."""


@dataclass(frozen=True, slots=True)
class Readers:
    """Who is to read what.

    Attributes:
        role: the role's name.
        tenant: whose rows; rows of tenant '' are everybody's.
        user: whose of the tenant's, "" for all of them.
        cluster: on which cluster, "" for a single server.
        sharded: the tables that each shard has its own rows of, in `X_local`.
    """

    role: str
    tenant: str
    user: str = ""
    cluster: str = ""
    sharded: Collection[str] = ()

    def __post_init__(self) -> None:
        """Refuse what is no role or tenant.

        Raises:
            StartError: it is none, or a user's rows are asked for on a cluster.
        """
        if not _ROLE.fullmatch(self.role):
            raise StartError(f"--role cannot be {self.role!r}", hint="use letters, digits, _ and -, at most 64")
        if not re.fullmatch(TENANT, self.tenant) or self.tenant == "*":
            raise StartError(
                f"--tenant cannot be {self.tenant!r}",
                hint="name one, of letters, digits, . _ and -; who may read everything needs no policies",
            )
        if self.user and self.cluster:
            raise StartError(
                "--user and --cluster are given",
                hint="a shard cannot tell what of other shards is a user's; let users read through the API under /api",
            )


def statements(found: Iterable[Table], asked: Iterable[str], readers: Readers) -> Iterator[str]:
    """Yield the statements, in the order in which they are run, the first with a comment on what has to be known.

    Args:
        found: the tables and views that belong to tenants.
        asked: the dictionaries that these views ask.
        readers: who is to read what.
    """
    role, on = f"`{readers.role}`", f" ON CLUSTER '{readers.cluster}'" if readers.cluster else ""
    yield f"{_head(readers)}\nCREATE ROLE IF NOT EXISTS {role}{on}"
    for table in found:
        if readers.user and table.name not in (_VIEWS_OF_USER if table.is_view else _OF_USER):
            continue
        local = f"{table.name}_local" if table.name in readers.sharded else table.name
        for name in dict.fromkeys((table.name, local)):
            yield f"GRANT{on} SELECT ON {DATABASE}.{name} TO {role}"
        if not table.is_view:
            policy = f"`{readers.role} reads {readers.tenant}`"
            yield (
                f"CREATE ROW POLICY OR REPLACE {policy} ON {DATABASE}.{local}{on}\n"
                f"FOR SELECT USING {_condition(table, readers)} TO {role}"
            )
    for dictionary in asked:
        yield f"GRANT{on} dictGet ON {DATABASE}.{dictionary} TO {role}"


def _condition(table: Table, readers: Readers) -> str:
    of_tenant = f"{table.column} IN ('', {quoted(readers.tenant)})"
    of_user = _OF_USER[table.name].format(user=quoted(readers.user)) if readers.user else ""
    return " AND ".join(filter(None, (of_tenant, of_user)))


def _head(readers: Readers) -> str:
    whose = f"rows of the tenant {readers.tenant}" + (f" that are {readers.user!r}'s" if readers.user else "")
    head = _HEAD.format(role=readers.role, whose=whose, database=DATABASE)
    return head + (_HEAD_OF_CLUSTER.format(cluster=readers.cluster) if readers.cluster else "")
