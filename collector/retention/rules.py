"""For how many days what is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_OTHERS = {  # what rows are called that have no type of interaction, by table
    "otel_logs": "log",
    "otel_metrics_gauge": "metric",
    "otel_metrics_sum": "metric",
    "otel_metrics_histogram": "metric",
    "otel_metrics_exponential_histogram": "metric",
    "otel_metrics_summary": "metric",
}
SPAN = "span"  # a span that is no interaction
_NO_INTERACTIONS = frozenset({SPAN, *_OTHERS.values()})
EVER = 10**6  # days


@dataclass(frozen=True, slots=True)
class Rules:
    """Days by tenant and by type; 0 is for ever.

    Attributes:
        days: of what no other rule is about.
        of_tenant: of single tenants.
        of_type: of single types: of interactions, or `span` for spans that are none, `log`, `metric`.
    """

    days: int = 90
    of_tenant: Mapping[str, int] = field(default_factory=dict)
    of_type: Mapping[str, int] = field(default_factory=dict)

    def of(self, tenant: str, kind: str = "") -> int:
        """Return the days of a tenant's rows of a type. Where both have a rule, the shorter holds."""
        found = [rules[key] or EVER for rules, key in ((self.of_tenant, tenant), (self.of_type, kind)) if key in rules]
        return min(found, default=self.days or EVER)

    def of_table(self, table: str, tenant: str) -> int:
        """Return the days of a tenant's rows in a table that does not tell types."""
        return self.of(tenant, _OTHERS.get(table, ""))

    def shortest(self) -> int:
        """Return the fewest days of any rule."""
        return min(each or EVER for each in (self.days, *self.of_tenant.values(), *self.of_type.values()))

    def of_session(self, tenant: str) -> int:
        """Return the days after which no interaction of a tenant's session is left."""
        return max(self.of(tenant, kind) for kind in ("", *(self.of_type.keys() - _NO_INTERACTIONS)))

    def of_trace(self) -> int:
        """Return the days after which no span of anybody's is left."""
        return max(
            max(self.of_session(tenant), self.of(tenant, SPAN) if SPAN in self.of_type else 0)
            for tenant in ("", *self.of_tenant)
        )

    def expired(self, tenant: str, age_days: int) -> tuple[bool, list[str]]:
        """Tell whether rows of an age go, but for those of some types; or else stay, but for those."""
        base = age_days > self.of(tenant)
        differ = [kind for kind in self.of_type if (age_days > self.of(tenant, kind)) != base]
        return base, sorted(differ)
