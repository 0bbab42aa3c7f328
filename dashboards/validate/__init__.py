"""Would Grafana show these boards? Nothing of Grafana is needed to tell, and none was asked.

What the data source's plugin does with a query is done here (`macros`), what can be seen in the JSON is looked at
(`looks`), and every query is put to a real ClickHouse whose answers must be of the shape that the panel takes (`asks`).
"""

from __future__ import annotations

from dashboards.validate.asks import Times, asked
from dashboards.validate.finding import Finding
from dashboards.validate.looks import looked_at

__all__ = ["Finding", "Times", "asked", "looked_at"]
