"""The ClickHouse HTTP interface over the embedded engine, read only; `app.py` tells the whole."""

from collector.query.clickhouse_http.app import clickhouse_http_app

__all__ = ["clickhouse_http_app"]
