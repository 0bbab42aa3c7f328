"""Which settings a reader may send, and how far.

Three kinds: those that shape the answer or lower a limit are applied before the connection becomes read-only; those
that belong to the transport are understood or passed over; the rest is refused with error 164, as ClickHouse does for
a user with `readonly = 1`. A limit beyond its cap is held at the cap instead of refused, because drivers send limits of
their own: clickhouse-go sends `max_execution_time` = its deadline + 5 s with each query.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from collector.query.clickhouse_http.query_error import QueryError, bad_arguments

# Consumed or passed over: they say how to talk, not what to answer.
TRANSPORT: Final = frozenset(
    {
        "add_http_cors_header",
        "async_insert",  # JDBC sends what is to become of inserts with each query
        "buffer_size",
        "cancel_http_readonly_queries_on_client_close",  # always so here
        "client_protocol_version",
        "close_session",
        "compress",
        "database",
        "decompress",
        "default_format",
        "enable_http_compression",
        "http_headers_progress_interval_ms",
        "http_receive_timeout",
        "http_response_buffer_size",
        "http_send_timeout",
        "http_write_exception_in_output_format",
        "http_zlib_compression_level",
        "log_comment",  # ours marks the query, so that it can be cancelled
        "log_queries",
        "password",
        "query",
        "query_id",
        "quota_key",
        "receive_timeout",
        "send_progress_in_http_headers",
        "send_timeout",
        "session_check",
        "session_id",
        "session_timeout",
        "stacktrace",
        "user",
        "wait_end_of_query",
        "wait_for_async_insert",
    }
)

_ALLOWED: Final = frozenset(
    {
        "additional_table_filters",  # Grafana's ad hoc filters; the guard reads the expressions in it
        "aggregate_functions_null_for_empty",
        "any_join_distinct_right_table_keys",
        "asterisk_include_alias_columns",
        "asterisk_include_materialized_columns",
        "bool_false_representation",
        "bool_true_representation",
        "cast_keep_nullable",
        "cast_string_to_dynamic_use_inference",  # clickhouse-connect
        "count_distinct_implementation",
        "date_time_input_format",  # clickhouse-connect
        "date_time_output_format",
        "describe_compact_output",
        "describe_include_subcolumns",
        "empty_result_for_aggregation_by_empty_set",
        "except_default_mode",
        "extremes",
        "final",
        "format_csv_delimiter",
        "format_csv_null_representation",
        "format_tsv_null_representation",
        "group_by_use_nulls",
        "intersect_default_mode",
        "join_algorithm",
        "join_default_strictness",
        "join_use_nulls",
        "limit",
        "max_block_size",
        "max_bytes_to_read",
        "max_columns_to_read",
        "max_result_rows",
        "max_rows_to_group_by",
        "max_rows_to_read",
        "offset",
        "prefer_column_name_to_alias",
        "read_overflow_mode",
        "result_overflow_mode",
        "session_timezone",
        "show_table_uuid_in_table_create_query_if_not_nil",
        "timeout_overflow_mode",
        "totals_mode",
        "transform_null_in",
        "union_default_mode",
    }
)
# How many rows a statement reads, and where it breaks off, tells how many rows others have.
TELLING: Final = frozenset({"max_bytes_to_read", "max_rows_to_read", "read_overflow_mode"})
_ALLOWED_PREFIX: Final = "output_format_"
# Write a file; size a picture in memory; hide the types by which `native.py` measures columns.
_REFUSED_OUTPUT: Final = (
    "output_format_schema",
    "output_format_image_",
    "output_format_native_encode_types_in_binary_format",
)
# Readers come behind who receives and loads: threads with less of the processors (where the process may say so: Linux'
# CAP_SYS_NICE), and ClickHouse's priorities, which count while an insert has one (`load/delivery.py`).
BEHIND: Final = {"os_threads_nice_value_query": "10", "priority": "2"}
_BLOCK_ROWS: Final = 65_409  # ClickHouse's own default: what one streamed chunk holds


@dataclass(frozen=True)
class Caps:
    """The most one statement may cost. A client may ask for less."""

    seconds: int = 60
    memory_bytes: int = 1 << 30
    result_bytes: int = 256 << 20  # of a result that has to be whole before it is sent
    threads: int = os.cpu_count() or 1

    def settings(self) -> dict[str, str]:
        """Return the settings every statement runs with."""
        return {
            "max_execution_time": str(self.seconds),
            "max_memory_usage": str(self.memory_bytes),
            "max_threads": str(self.threads),
            "implicit_select": "0",  # the engine's default takes any word for an expression
            "allow_ddl": "0",
            # Asked while reading, an index is opened anew by every reader: a look-up of one session took twice as long.
            "use_skip_indexes_on_data_read": "0",
            # Sorting and grouping beyond the memory cap fail instead of filling the disk.
            "max_bytes_ratio_before_external_group_by": "0",
            "max_bytes_ratio_before_external_sort": "0",
        }

    def _limits(self) -> dict[str, int]:
        return {
            "max_execution_time": self.seconds,
            "max_memory_usage": self.memory_bytes,
            "max_result_bytes": self.result_bytes,
            "max_threads": self.threads,
            "max_block_size": _BLOCK_ROWS,
        }

    def lowered(self, name: str, value: str) -> str:
        """Return what a client gets who asks for `value`."""
        limit = self._limits().get(name)
        if limit is None:
            return value
        try:
            wanted = float(value)
        except ValueError:
            raise bad_arguments(f"Setting {name} is not a number: '{value[:100]}'") from None
        return value if 0 < wanted <= limit else str(limit)  # 0 asks for no limit


def is_allowed(name: str) -> bool:
    """Tell whether a reader may change this setting."""
    if name.startswith(_ALLOWED_PREFIX):
        return not name.startswith(_REFUSED_OUTPUT)
    return name in _ALLOWED or name in {"max_execution_time", "max_memory_usage", "max_result_bytes", "max_threads"}


def accepted(asked: Mapping[str, str], caps: Caps, known: Iterable[str]) -> dict[str, str]:
    """Return the settings of a request that are to be applied.

    Raises:
        QueryError: one of them is not a reader's to change, or there is no such setting.
    """
    settings = {}
    for name, value in asked.items():
        if name in TRANSPORT or (name == "readonly" and value in {"1", "2"}):
            continue
        if not is_allowed(name):
            raise _refused(name, known)
        settings[name] = caps.lowered(name, value)
    return settings


def _refused(name: str, known: Iterable[str]) -> QueryError:
    shown = name[:100]
    if name in known:
        return QueryError(164, "READONLY", f"Cannot modify '{shown}' setting in readonly mode.")
    return QueryError(115, "UNKNOWN_SETTING", f"Setting {shown} is neither a builtin setting nor a known parameter.")
