"""Which columns a query reads that hold what people, models, tools or errors said."""

from __future__ import annotations

import re
from typing import Final

from dashboards.validate.shapes import Answer

_MESSAGES: Final = ("text", "arguments", "result", "tool_arguments", "tool_result")
CONTENT: Final[dict[str, tuple[str, ...]]] = {
    "otel.otel_traces": ("Messages", "SpanAttributes", "Events", "Links", "StatusMessage", "TraceState"),
    "otel.otel_logs": ("Body", "LogAttributes"),
    "otel.interactions": (
        *("input_text", "output_text", "tool_arguments", "tool_result", "error_message", "stack", "user_message"),
        *("attributes", "url", "audio_url"),
    ),
    "otel.transcript": _MESSAGES,
    "otel.messages": _MESSAGES,
    "otel.span_messages": ("Instructions", "Input", "Output"),
    "otel.error_resolutions": ("note",),
    "system.errors": ("last_error_message", "last_error_trace"),
}
# Of the attributes of a span those that say nothing of what was said.
PLAIN_KEYS: Final = frozenset({"interaction.mood", "interaction.sequence", "service.instance.id"})
_TABLE: Final = re.compile(r"TABLE id: (\d+), .*?table_name: ([\w.]+)")
_COLUMN: Final = re.compile(r"COLUMN id: \d+, column_name: (\S+?), result_type: .*source_id: (\d+)")
_DICTIONARY: Final = re.compile(r"function_name: (dictGet\w*)")
_QUERIES: Final = frozenset({"system.processes", "system.query_log"})


def read(tree: Answer) -> set[str]:
    """Return the columns with content, of the answer to EXPLAIN QUERY TREE; views are looked at as they stand there."""
    lines = [str(row[0]) for row in tree.rows]
    tables = {found[1]: found[2] for line in lines if (found := _TABLE.search(line))}
    found_columns = (found for line in lines if (found := _COLUMN.search(line)))
    columns = {(tables.get(found[2], ""), found[1]) for found in found_columns}
    said = {f"{table}.{column}" for table, column in columns if _is_content(table, column)}
    said |= {found[1] for line in lines if (found := _DICTIONARY.search(line))}
    return said | (_QUERIES & set(tables.values()))


def _is_content(table: str, column: str) -> bool:
    name, _, rest = column.partition(".")
    if table.startswith("otel.archived_"):
        return True
    if name not in CONTENT.get(table, ()):
        return False
    return not (name == "SpanAttributes" and rest.removeprefix("key_") in PLAIN_KEYS)
