"""What can be exported, and as what; apart from the export, so that the command line need not load ClickHouse."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

What = Literal["interactions", "sessions", "transcript", "errors"]
Format = Literal["csv", "jsonl", "parquet"]

MEDIA: Final[Mapping[Format, str]] = MappingProxyType(
    {
        "csv": "text/csv; charset=utf-8; header=present",
        "jsonl": "application/jsonl",
        "parquet": "application/vnd.apache.parquet",
    }
)
TOTAL: Final = "x-total-rows"
"""The header that says how many rows an export will have, as counted when it began."""
