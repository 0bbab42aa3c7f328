"""What people say of interactions: the few rows that are written beside the journal."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from collector.clickhouse import ClickHouse


class Notes:
    """Writes them, one at a time."""

    def __init__(self, database: ClickHouse) -> None:
        """Take a connection of its own."""
        self._database = database
        self._lock = threading.Lock()

    def settle(self, row: Mapping[str, Any]) -> None:
        """Write that an error is settled, or open again: a row of `otel.error_resolutions`."""
        with self._lock:
            self._database.insert("otel.error_resolutions", [row])

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._database.close()
