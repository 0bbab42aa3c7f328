"""The views' SQL, run over a segment's file by an embedded engine; nothing is stored by it.

Three questions need that. Which rows does a segment become (where ClickHouse itself cannot decode it, or has only some
of them)? Which of its requests is it that a view refuses? The SQL is the one in the database, with the file in place of
the inbox, so there are no two versions of it.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from collector.clickhouse import ClickHouse, quoted, settings_clause
from collector.load.sql_settings import decoding_settings
from collector.load.tables import SEGMENT, Route, Step


class Decoder:
    """An embedded engine: the one that is there, or one of its own beside a server, opened when it is first needed."""

    def __init__(self, database: ClickHouse, scratch: Path) -> None:
        """Use `database` where it is embedded, else an engine below `scratch`, where files in between go, too."""
        self._database = database
        self._scratch = scratch
        self._own: ClickHouse | None = None

    def close(self) -> None:
        """Close the engine, if it has one of its own."""
        if self._own:
            self._own.close()
            self._own = None

    @contextlib.contextmanager
    def rows(self, path: Path, route: Route, step: Step, where: str = "1", timezone: str = "") -> Iterator[Path | None]:
        """Give the rows that a view makes of a segment, those for which `where` holds, as a file of `Native` blocks.

        None if there are none. The file is gone afterwards. Days in `where` begin as they do in `timezone`, if one is
        given.

        Raises:
            ClickHouseError: the segment does not parse, or the view refuses it.
            OSError: the scratch folder cannot be written.
        """
        name = f"{path.stem}-{step.view}.native"
        try:
            with self._links(path) as links:
                into = f"INSERT INTO FUNCTION file('{links / 'scratch' / name}', 'Native')"
                zone = {"session_timezone": timezone} if timezone else {}
                self._run(f"{into} SELECT * FROM ({_over(links, route, step)}) WHERE {where}", zone)  # noqa: S608 - the database's own SQL
            target = self._scratch / name
            yield target if target.exists() and target.stat().st_size else None
        finally:
            (self._scratch / name).unlink(missing_ok=True)

    def check(self, path: Path, route: Route, step: Step) -> None:
        """Run one view over a segment, to see whether it refuses it.

        Raises:
            ClickHouseError: it does.
        """
        with self._links(path) as links:
            self._run(f"SELECT * FROM ({_over(links, route, step)})", form=" FORMAT Null")  # noqa: S608 - as above

    @contextlib.contextmanager
    def _links(self, path: Path) -> Iterator[Path]:
        """Give a folder with links: the data directory's own name may hold what `file` takes for a pattern."""
        with tempfile.TemporaryDirectory() as folder:
            links = Path(folder)
            (links / "segment").symlink_to(path.absolute())
            (links / "scratch").symlink_to(self._scratch.absolute())
            yield links

    def _run(self, statement: str, more: Mapping[str, str] | None = None, form: str = "") -> None:
        settings = decoding_settings(embedded=True) | dict(more or {})
        self._engine().command(f"{statement} {settings_clause(settings)}{form}")

    def _engine(self) -> ClickHouse:
        if self._database.embedded:
            return self._database
        if self._own is None:
            self._own = ClickHouse(self._scratch, None)
        return self._own


def _over(links: Path, route: Route, step: Step) -> str:
    source = f"SELECT * FROM file('{links / 'segment'}', 'ProtobufSingle', {quoted(route.structure)})"  # noqa: S608
    return step.select.replace(SEGMENT, source)
