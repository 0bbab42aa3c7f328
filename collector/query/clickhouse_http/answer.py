"""One statement on a connection of its own: limited, judged, run, read block by block, closed.

All of it blocks and runs in worker threads, except `cancel`, which any other thread may call at any time.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from collector.access import row_policies
from collector.query.clickhouse_http import heads, native, query_settings, read_only
from collector.query.clickhouse_http.embedded import Chunk, Control, Session
from collector.query.clickhouse_http.http_query import HttpQuery
from collector.query.clickhouse_http.query_error import QueryError, closed
from collector.query.clickhouse_http.query_error import read_only as refuse
from collector.query.clickhouse_http.query_settings import Caps
from collector.query.clickhouse_http.sessions import Remembered

_FILTERS: Final = "additional_table_filters"
_DEFAULT_FORMAT: Final = "TabSeparated"
_NATIVE: Final = "Native"

# Each block is encoded as if it were the whole result, so what has a foot cannot be streamed, and what has a head only
# where `heads.py` finds it.
_STREAMED: Final = heads.HEADED | frozenset(
    {
        "BSONEachRow",
        "CSV",
        "JSONCompactEachRow",
        "JSONCompactStringsEachRow",
        "JSONEachRow",
        "JSONL",
        "JSONLines",
        "JSONStringsEachRow",
        "MsgPack",
        _NATIVE,
        "NDJSON",
        "RawBLOB",
        "RowBinary",
        "TSKV",
        "TSV",
        "TSVRaw",
        "TabSeparated",
        "TabSeparatedRaw",
    }
)
_WHOLE_SETTINGS: Final = ("extremes", "output_format_json_array_of_rows")  # they add a foot
# Of these indexes the engine takes values to try a condition on, before any row policy; of the others it takes hashes.
_TELLING_INDEXES: Final = "SELECT DISTINCT name FROM system.data_skipping_indices WHERE type IN ('set', 'minmax')"
# They need a schema file, write one, or speak a wire protocol.
_CLOSED_FORMATS: Final = frozenset(
    {"AvroConfluent", "CapnProto", "MySQLWire", "PNG", "PostgreSQLWire", "Protobuf", "ProtobufList", "ProtobufSingle"}
    | {"Template"}
)


@dataclass(frozen=True)
class Engine:
    """What one process serves: where the data is, what there is, and how much a statement may cost."""

    data_path: str
    database: str
    caps: Caps
    control: Control
    catalogue: read_only.Catalogue
    formats: dict[str, tuple[str, str]]  # lower case -> name, content type
    settings: frozenset[str]
    telling_indexes: str  # comma-separated
    version: str
    timezone: str
    display_name: str

    def output_format(self, asked: str) -> tuple[str, str]:
        """Return a format's name and its content type.

        Raises:
            QueryError: there is no such format, or it is not served here.
        """
        name, content_type = self.formats.get(asked.lower(), ("", ""))
        if not name:
            raise QueryError(73, "UNKNOWN_FORMAT", f"Unknown format {asked[:100]}.")
        if name in _CLOSED_FORMATS:
            raise refuse(f"Format {name} is not served here.")
        return name, content_type


def open_engine(data_path: str, database: str, caps: Caps) -> Engine:
    """Open the engine, or join the one this process has open on the same path, and ask what there is."""
    control = Control(data_path)
    session = control.session

    def rows(sql: str) -> list[list[str]]:
        return [line.split("\t") for line in session.query(sql, "TSVRaw").decode().splitlines()]

    [[version, timezone, display_name]] = rows("SELECT version(), timezone(), displayName()")
    formats = rows("SELECT name, content_type FROM system.formats WHERE is_output")
    return Engine(
        data_path=data_path,
        database=database,
        caps=caps,
        control=control,
        catalogue=read_only.catalogue(session),
        formats={name.lower(): (name, content_type) for name, content_type in formats},
        settings=frozenset(name for [name] in rows("SELECT name FROM system.settings")),
        telling_indexes=",".join(name for [name] in rows(_TELLING_INDEXES)),
        version=version,
        timezone=timezone,
        display_name=display_name,
    )


class Answer:
    """The result of one statement, while it is produced."""

    def __init__(self, engine: Engine, query: HttpQuery, session: Remembered, tenant: str = "") -> None:
        """Nothing happens before `open`. Rows are those of `tenant`, "" for everybody's."""
        self._engine = engine
        self._query = query
        self._remembered = session
        self._tenant = tenant
        self._tag = uuid.uuid4().hex
        self._cancelled = threading.Event()
        self._session: Session | None = None
        self._rest: Chunk | None = None  # of a result that is not streamed
        self._streams = False
        self._joiner = heads.Joiner("")
        self._started = time.monotonic_ns()
        self.format = self.content_type = ""
        self.timezone = engine.timezone
        self.rows = self.read_rows = self.read_bytes = self.bytes = 0

    def open(self) -> None:
        """Judge the statement and start it.

        Raises:
            QueryError: it is refused, or fails before its first row.
        """
        self._session = session = Session(self._engine.data_path)
        if self._tenant:
            for statement in row_policies.as_tenant(self._tenant):
                session.query(statement, "Null")
        settings = self._prepared(session)
        verdict = self._judged(session, self._query.sql, self._query.parameters)
        if verdict.change:
            self._change(session, verdict.change)
            return
        self._begin(session, settings, verdict)

    def _change(self, session: Session, change: read_only.Change) -> None:
        """Try what SET or USE ask for, and let the session remember it; without a session it is forgotten at once."""
        self.format, self.content_type = self._engine.output_format(_DEFAULT_FORMAT)
        if change.database:
            self._remembered.database = self._use(session, change.database)
        settings = query_settings.accepted(change.settings, self._engine.caps, self._engine.settings)
        if self._tenant:
            self._discreet(settings)
        session.set(settings)
        self._remembered.set(settings)

    def _begin(self, session: Session, settings: dict[str, str], verdict: read_only.Verdict) -> None:
        asked = verdict.output_format or self._query.default_format or _DEFAULT_FORMAT
        self.format, self.content_type = self._engine.output_format(asked)
        settings |= {name: self._engine.caps.lowered(name, text) for name, text in verdict.settings.items()}
        self._streams = self.format in _STREAMED and not verdict.whole and not self._reshaped(settings)
        self._joiner = heads.Joiner(self.format if self._streams else "")
        if not self._streams:
            settings.setdefault("max_result_bytes", str(self._engine.caps.result_bytes))
        if self._query.protocol_version >= native.CUSTOM_SERIALIZATION:
            settings["output_format_native_write_json_as_string"] = "1"  # else its length cannot be told
        if self._tenant:
            settings |= self._discreet(settings)
        session.set(settings | {"log_comment": self._tag, "readonly": "1"})
        self.timezone = settings.get("session_timezone") or self._engine.timezone
        self._start(session)

    def _reshaped(self, settings: Mapping[str, str]) -> bool:
        return _adds_foot(settings) or (self.format in heads.HEADED and any(map(heads.reshapes, settings)))

    def _judged(self, session: Session, sql: str, parameters: dict[str, str]) -> read_only.Verdict:
        own = self._engine.database if self._tenant else None
        return read_only.check(session, sql, parameters, self._engine.catalogue, own)

    def _discreet(self, settings: dict[str, str]) -> dict[str, str]:
        """Return what keeps a tenant's answer from telling how much others have."""
        if telling := query_settings.TELLING.intersection(settings):
            raise closed(f"Setting {min(telling)}")
        ignored = self._engine.telling_indexes
        return {"output_format_write_statistics": "0"} | ({"ignore_data_skipping_indices": ignored} if ignored else {})

    def _prepared(self, session: Session) -> dict[str, str]:
        engine = self._engine
        session.set(engine.caps.settings() | query_settings.BEHIND)
        asked = self._remembered.settings | self._query.settings
        settings = query_settings.accepted(asked, engine.caps, engine.settings)
        if _FILTERS in settings:
            statement = read_only.filters_statement(settings[_FILTERS])
            settings |= self._judged(session, statement, {}).settings
        self._use(session, self._query.database or self._remembered.database)
        return settings

    def _use(self, session: Session, database: str) -> str:
        engine = self._engine
        # `default` is what clients call the database nobody told them; the engine's own of that name is a file system.
        database = engine.database if database in {"", *engine.catalogue.closed_databases} else database
        if self._tenant and database != engine.database:
            raise closed(f"Database {database[:100]}")
        session.use(database)
        return database

    def _start(self, session: Session) -> None:
        if self._cancelled.is_set():
            raise QueryError(394, "QUERY_WAS_CANCELLED", "Query was cancelled.")
        sql, parameters = self._query.sql, self._query.parameters
        if self._streams:
            session.stream(sql, self.format, parameters)
            return
        # The engine's own limit counts columns, not their text, and a constant column as one value.
        self._rest = session.result(sql, self.format, parameters, limit=self._engine.caps.result_bytes)

    def read(self) -> bytes:
        """Return the next bytes of the result; none after the last.

        Raises:
            QueryError: the statement failed on the way.
        """
        chunk = self._next()
        if chunk is None:
            return self._joiner.end()
        self.rows += chunk.rows
        self.read_rows += chunk.read_rows
        self.read_bytes += chunk.read_bytes
        self.bytes += len(chunk.data)
        if self.format == _NATIVE:
            return native.reframe(chunk.data, chunk.rows, self._query.protocol_version)
        return self._joiner.next(chunk.data)

    def _next(self) -> Chunk | None:
        if self._streams and self._session:
            chunk = self._session.fetch(self._engine.caps.result_bytes)
            if chunk is None and not self.bytes and self.format in heads.HEADED:
                self._streams = False
                return self._only_head(self._session)
            return chunk
        chunk, self._rest = self._rest, None
        return chunk

    def _only_head(self, session: Session) -> Chunk:
        """Return the head of a result without rows, which a stream leaves out."""
        session.end_stream()
        sql, parameters = self._query.sql, self._query.parameters
        try:
            return session.result(read_only.without_rows(session, sql), self.format, parameters)
        except QueryError:  # as a subquery it is none: names may stand twice
            return session.result(sql, self.format, parameters, limit=self._engine.caps.result_bytes)

    def close(self) -> None:
        """End the statement if it still runs, and give the connection back."""
        session, self._session = self._session, None
        if session:
            session.close()

    def cancel(self) -> None:
        """Make a running statement fail, from another thread."""
        self._cancelled.set()
        self._engine.control.cancel(self._tag)

    def progress(self) -> str:
        """Return how far the statement is, as X-ClickHouse-Progress words it; "" before it runs, and to a tenant."""
        if self._tenant:
            return ""
        running = self._engine.control.progress(self._tag)
        return json.dumps(running, separators=(",", ":")) if running else ""

    def summary(self) -> dict[str, str]:
        """Return what it cost so far, as X-ClickHouse-Summary words it; to a tenant only what it got."""
        read = ("0", "0") if self._tenant else (str(self.read_rows), str(self.read_bytes))
        return {
            "read_rows": read[0],
            "read_bytes": read[1],
            "written_rows": "0",
            "written_bytes": "0",
            "total_rows_to_read": "0",
            "result_rows": str(self.rows),
            "result_bytes": str(self.bytes),
            "elapsed_ns": str(time.monotonic_ns() - self._started),
        }


def _adds_foot(settings: Mapping[str, str]) -> bool:
    return any(settings.get(name, "0") not in {"0", "false"} for name in _WHOLE_SETTINGS)
