"""How the rows of a segment reach ClickHouse: in one insert, or in one for each table that comes first.

- As it is: ClickHouse reads the segment's file into the inbox of its signal and decodes it by its views.
- Decoded (`--decode collector`): an embedded engine of the collector's own runs the very SQL of those views, and
  ClickHouse gets their rows as `Native` blocks under the same token. The views behind run on the server as ever. (The
  inboxes are created there all the same: they keep nothing, and the SQL is taken from their views.)

ClickHouse makes of a token another one for each view, so what went one way it does not know when it comes the other.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final, Protocol

from collector.clickhouse import ClickHouse
from collector.load.decoder import Decoder
from collector.load.sql_settings import block_settings, insert_settings
from collector.load.tables import Tables

_LONG_SECONDS: Final = 2.0
_FIRST_SECONDS: Final = 10.0
_FIRST: Final = {"priority": "1"}  # readers of the SQL port have 2, and pause meanwhile


class Delivery(Protocol):
    """A way into ClickHouse."""

    def insert(self, path: Path, signal: str, token: str) -> None:
        """Insert a segment's file; on return ClickHouse has all of it.

        Raises:
            ClickHouseError, OSError: nobody knows how much of it ClickHouse has; the same token settles it.
        """


class AsItIs:
    """ClickHouse decodes.

    In the embedded engine readers share its processors. Once an insert took long, the next ones go before them: not
    always, because then a small question waits half a second whenever anything is received.
    """

    def __init__(self, database: ClickHouse, tables: Tables) -> None:
        """Insert through this connection."""
        self._database = database
        self._tables = tables
        self._first_until = 0.0  # seconds of the monotonic clock

    def insert(self, path: Path, signal: str, token: str) -> None:
        """Insert a segment's file into its inbox."""
        began, embedded = time.monotonic(), self._database.embedded
        settings = insert_settings(token, embedded=embedded)
        if embedded and began < self._first_until:
            settings |= _FIRST
        self._database.insert_file(self._tables.route(signal).inbox, path, "ProtobufSingle", settings)
        if time.monotonic() - began > _LONG_SECONDS:
            self._first_until = time.monotonic() + _FIRST_SECONDS


class Decoded:
    """The collector decodes."""

    def __init__(self, database: ClickHouse, tables: Tables, decoder: Decoder) -> None:
        """Insert through this connection what the decoder makes of a segment."""
        self._database = database
        self._tables = tables
        self._decoder = decoder

    def insert(self, path: Path, signal: str, token: str) -> None:
        """Insert the rows of a segment's file into the tables next to its inbox."""
        route = self._tables.route(signal)
        for step in route.entries:
            with self._decoder.rows(path, route, step) as rows:
                if rows:
                    self._database.insert_file(step.target, rows, "Native", block_settings(token))
