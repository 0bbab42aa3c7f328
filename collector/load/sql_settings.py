"""ClickHouse settings under which segments are read and inserted."""

from __future__ import annotations

import functools
import re
from pathlib import Path

_PROTO = Path(__file__).with_name("otlp.proto")
_RENDERING = {  # JSON in attributes as the OpenTelemetry exporter writes it
    "output_format_json_escape_forward_slashes": "0",
    "output_format_json_quote_64bit_integers": "0",
}


def insert_settings(token: str, *, embedded: bool) -> dict[str, str]:
    """Settings of the insert of a segment's file."""
    return block_settings(token) | decoding_settings(embedded=embedded)


def block_settings(token: str) -> dict[str, str]:
    """Settings of every insert; they must be the same at every try, or deduplication does not hold.

    It holds for blocks, so a segment has to be one block in each table and partition. The file is one row of the inbox,
    and ARRAY JOIN does not split it; what an aggregating view splits is put together again below the two minima. Tried
    with segments of 8, 32 and 200 MiB, and with `max_block_size = 50`: one part each.
    """
    return _RENDERING | {
        "insert_deduplication_token": token,
        "async_insert": "0",  # the default since 26.3, and it would acknowledge before the rows are there
        "deduplicate_blocks_in_dependent_materialized_views": "1",
        "max_partitions_per_insert_block": "0",  # a sender's clock may be anywhere; a batch must not fail on it
        "min_insert_block_size_rows": str(2**40),  # one block, whatever comes
        "min_insert_block_size_bytes": str(2**50),
    }


def decoding_settings(*, embedded: bool) -> dict[str, str]:
    """Settings with which a segment's file is read."""
    presence = {"input_format_protobuf_oneof_presence": "1"}  # the tag of each value: '' and absent stay apart
    return _RENDERING | presence | _schema_settings(embedded=embedded)


@functools.cache
def _schema_settings(*, embedded: bool) -> dict[str, str]:
    """Name the protobuf schema: to the embedded engine by path, to a server by value.

    By value the engine writes the schema to a file first, below a path that in the embedded engine is the working
    directory and cannot be set; that directory is the user's.
    """
    if embedded:
        return {"format_schema_source": "file", "format_schema": f"{_PROTO}:Segment"}
    text = re.sub(r"\s+", " ", re.sub(r"//.*", "", _PROTO.read_text())).strip()
    return {"format_schema_source": "string", "format_schema": text, "format_schema_message_name": "Segment"}
