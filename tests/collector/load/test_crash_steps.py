"""Killed behind any step of taking a segment apart, and started again: everything once, every letter there."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from otlp_builders import span, traces

from collector import files
from collector.request import Request

Make = Callable[..., Request]


class Killed(BaseException):
    """The process ended here; nothing that catches errors sees it."""


class Steps:
    """Counts what lasts beyond the process (inserts, files), and ends it behind one of these."""

    def __init__(self, database: Any) -> None:
        """Stand in front of this database."""
        self._database = database
        self.embedded = database.embedded
        self.rows, self.command = database.rows, database.command
        self.done: list[str] = []
        self.last = 0

    def step(self, what: str) -> None:
        """Note one."""
        self.done.append(what)
        if len(self.done) == self.last:
            raise Killed

    def insert_file(self, table: str, path: Path, input_format: str, settings: dict[str, str]) -> None:
        """Insert."""
        self._database.insert_file(table, path, input_format, settings)
        self.step(f"insert {settings['insert_deduplication_token'].partition('-traces')[2]}")


@contextlib.contextmanager
def watched(steps: Steps) -> Iterator[None]:
    """Let files that are written or deleted be steps as well."""
    with pytest.MonkeyPatch.context() as patch:
        write, unlink = files.write_whole, Path.unlink

        def write_whole(target: Path, data: bytes, *, durable: bool = True) -> None:
            write(target, data, durable=durable)
            steps.step(f"write {target.suffix}")

        def unlinked(path: Path, missing_ok: bool = False) -> None:
            there = path.exists()
            unlink(path, missing_ok=missing_ok)
            if there and path.suffix in {".ready", ".parts"}:
                steps.step(f"unlink {path.suffix}")

        patch.setattr(files, "write_whole", write_whole)
        patch.setattr(Path, "unlink", unlinked)
        yield


def run(database: Any, folder: Path, new_loading: Any) -> Any:
    """Be a process: load what lies in the journal, to the end, on this very thread."""
    running = new_loading(database, folder)
    for path in sorted(running.journal.glob("*.ready")):
        running.take(path)
    running.loader._line.drain()
    running.loader._run()
    return running


SEGMENT = ("good", "poison", "good")
STEPS = [
    "write .parts",
    "insert -000000",
    "write .parts",
    "insert -000002",
    "write .otlp",
    "write .json",
    "unlink .ready",
    "unlink .parts",
]


@pytest.mark.parametrize("last", range(1, len(STEPS) + 1), ids=lambda last: f"behind {STEPS[last - 1]}")
def test_in_parts(engine: Any, tmp_path: Path, new_loading: Any, request_of: Make, stored: Any, last: int) -> None:
    """Requests that do not parse: halves are inserted as segments of their own."""
    session = f"s-{secrets.token_hex(4)}"
    good = traces(span("w", {"interaction.type": "event", "session.id": session})).SerializeToString()
    (tmp_path / "journal").mkdir()
    sent = [request_of(good if kind == "good" else b"\x0a\x7fabc") for kind in SEGMENT]
    path = engine.freeze(tmp_path / "journal", *sent)
    steps = Steps(engine.database)
    steps.last = last
    with watched(steps), pytest.raises(Killed):
        run(steps, tmp_path, new_loading)
    assert steps.done == STEPS[:last], "the steps are not those this test knows: extend it"
    engine.freeze(tmp_path / "journal", request_of(good))
    run(engine.database, tmp_path, new_loading)
    assert stored(path.stem) == 2
    assert stored.behind(session) == (3, 3)
    assert new_loading(engine.database, tmp_path).letters.ids() == [f"{path.stem}-000001"]
    assert list((tmp_path / "journal").iterdir()) == []


def test_in_parts_and_cut_off(engine: Any, tmp_path: Path, new_loading: Any, request_of: Make, stored: Any) -> None:
    """Killed when some parts are stored, and the segment's second half is gone: the parts are the same as before."""
    (tmp_path / "journal").mkdir()
    good = traces(span("w")).SerializeToString()
    path = engine.freeze(tmp_path / "journal", *map(request_of, [good, good, good, b"\x0a\x7fabc"]))
    steps = Steps(engine.database)
    steps.last = 2
    with watched(steps), pytest.raises(Killed):
        run(steps, tmp_path, new_loading)
    assert steps.done == ["write .parts", "insert -000000-000002"]
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    run(engine.database, tmp_path, new_loading)
    assert stored(path.stem) == 2
    assert list((tmp_path / "journal").iterdir()) == []


def test_the_disk_does_not_sync(
    engine: Any, tmp_path: Path, new_loading: Any, request_of: Make, stored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A segment is gone and the folder cannot be synced: it is done with all the same, its note goes with a start."""
    journal = tmp_path / "journal"
    journal.mkdir()
    path = engine.freeze(journal, *map(request_of, [traces(span("w")).SerializeToString(), b"\x0a\x7fabc"]))
    sync = files.sync_folder

    def failing(folder: Path) -> None:
        if folder == journal and not path.exists():
            raise OSError(5, "Input/output error")
        sync(folder)

    with monkeypatch.context() as patch:
        patch.setattr(files, "sync_folder", failing)
        running = run(engine.database, tmp_path, new_loading)
    assert running.loader.waiting() == []
    assert [each.name for each in journal.iterdir()] == [f"{path.stem}.parts"]
    assert stored(path.stem) == 1
    engine.freeze(journal, request_of(traces(span("w")).SerializeToString()))
    run(engine.database, tmp_path, new_loading)
    assert list(journal.iterdir()) == []


def test_files_in_between_are_swept(engine: Any, tmp_path: Path, new_loading: Any) -> None:
    """What a kill left in the scratch folder is gone with the next start; the engine beside it is not touched."""
    (tmp_path / "scratch" / "clickhouse").mkdir(parents=True)
    (tmp_path / "scratch" / "x.part").write_bytes(b"left")
    assert new_loading(engine.database, tmp_path).left() == ["clickhouse"]


@pytest.mark.parametrize("last", [2, 3])
def test_when_a_view_refuses(
    engine: Any, tmp_path: Path, new_loading: Any, request_of: Make, stored: Any, last: int
) -> None:
    """A view refuses one request, the first table has all: killed behind the letter or the insert of the rest."""
    name = "sessions_state_from_traces"
    sql = engine.ask("SELECT as_select FROM system.tables WHERE database = 'otel' AND name = {n:String}", n=name)[0][0]
    refuse = "if(throwIf(startsWith(SpanName, 'poison')) = 0, Tenant, '') AS tenant"
    session = f"s-{secrets.token_hex(4)}"
    values = {"interaction.type": "event", "session.id": session}
    (tmp_path / "journal").mkdir()
    sent = [request_of(traces(span(kind, values)).SerializeToString()) for kind in ("good", "poison")]
    path = engine.freeze(tmp_path / "journal", *sent)
    engine.database.command(f"ALTER TABLE otel.{name} MODIFY QUERY {sql.replace('Tenant AS tenant', refuse, 1)}")
    try:
        steps = Steps(engine.database)
        steps.last = last
        with watched(steps), pytest.raises(Killed):
            run(steps, tmp_path, new_loading)
        assert steps.done == ["write .otlp", "write .json", "insert "][:last]
        run(engine.database, tmp_path, new_loading)
    finally:
        engine.database.command(f"ALTER TABLE otel.{name} MODIFY QUERY {sql}")
    assert stored(path.stem) == 2
    assert stored.behind(session) == (2, 1)
    assert new_loading(engine.database, tmp_path).letters.ids() == [f"{path.stem}-000001"]
