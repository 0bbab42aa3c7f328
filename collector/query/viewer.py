"""Who reads: everybody's rows, one tenant's, or those of one user of it; and what that leaves of each table.

It is applied where a statement is sent (`reader.py`), to every table that the statement reads, through whatever views:
no route, and no question, can forget it. ClickHouse's row policies are better against people who write SQL themselves
(`collector/access/row_policies.py`); nobody does here: the SQL is ours, and what people say is bound as parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from collector.clickhouse import quoted

_BY_TENANT: Final[Mapping[str, str]] = {
    "daily_stats_state": "tenant",
    "error_resolutions": "tenant",
    "model_prices": "tenant",
    "otel_logs": "Tenant",
    "otel_metrics_exponential_histogram": "Tenant",
    "otel_metrics_gauge": "Tenant",
    "otel_metrics_histogram": "Tenant",
    "otel_metrics_sum": "Tenant",
    "otel_metrics_summary": "Tenant",
    "otel_traces": "Tenant",
    "session_of_trace": "tenant",
    "sessions_state": "tenant",
    "span_messages": "Tenant",
    "tenant_settings": "tenant",
}
"""The tables whose rows belong to tenants, and the column that says to which; '' is everybody's."""

_BY_USER: Final[Mapping[str, str]] = {"otel_traces": "UserId", "sessions": "user_id"}
"""The tables and views whose rows belong to users."""

_OF_NO_USER: Final = frozenset(
    {"session_of_trace", "sessions_state", "error_resolutions", "model_prices", "tenant_settings", "span_messages"}
)
"""What a user's statement reads all the same: it stands behind `sessions`, or tells nothing without others' rows."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whose rows somebody reads.

    Attributes:
        tenant: whose data, "" for every tenant's.
        user: whose interactions in it, "" for everybody's.
    """

    tenant: str = ""
    user: str = ""

    def conditions(self) -> dict[str, str]:
        """Return the SQL condition that rows of a table must meet, for each table that needs one."""
        found: dict[str, list[str]] = {}
        if self.tenant:
            for table, column in _BY_TENANT.items():
                found.setdefault(table, []).append(f"`{column}` IN ('', {quoted(self.tenant)})")
        if self.user:
            for table, column in _BY_USER.items():
                found.setdefault(table, []).append(f"`{column}` = {quoted(self.user)}")
            for table in _BY_TENANT.keys() - _BY_USER.keys() - _OF_NO_USER:
                found.setdefault(table, []).append("0")
        return {table: " AND ".join(each) for table, each in found.items()}


EVERYBODY: Final = Viewer()
