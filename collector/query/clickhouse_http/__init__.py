"""The ClickHouse HTTP interface over the embedded engine, read only; `app.py` tells the whole."""

from collector.query.clickhouse_http.app import clickhouse_http_app
from collector.query.clickhouse_http.query_settings import Caps

__all__ = ["Caps", "clickhouse_http_app"]
