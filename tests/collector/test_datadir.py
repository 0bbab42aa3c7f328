"""The data directory: one collector's, never an older version's than what is in it."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest

from collector import datadir
from collector.datadir import DataDir
from collector.errors import StartError


def fingerprint(folder: Path) -> dict[str, tuple[str, int]]:
    """Return each file's hash and time of change."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder",
            path.stat().st_mtime_ns,
        )
        for path in [folder, *folder.rglob("*")]
    }


def test_made_and_freed(tmp_path: Path) -> None:
    """A directory is made with its parents, and free again once closed."""
    path = tmp_path / "a" / "b"
    first = DataDir(path, 5)
    assert path.is_dir()
    first.close()
    DataDir(path, 5).close()


def test_a_secret_of_its_own(tmp_path: Path) -> None:
    """Each directory has a secret that stays the same; only its owner can read it; one cut short is made anew."""
    secrets = []
    for name in ("a", "b"):
        for _ in range(2):
            opened = DataDir(tmp_path / name, 5)
            secrets.append(opened.secret())
            opened.close()
    assert secrets[0] == secrets[1] != secrets[2] == secrets[3]
    assert {len(secret) for secret in secrets} == {32}
    file = tmp_path / "a" / "secret"
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_bytes(secrets[0][:7])
    again = DataDir(tmp_path / "a", 5)
    assert len(again.secret()) == 32
    again.close()


def test_one_at_a_time(tmp_path: Path) -> None:
    """A directory in use is refused by its path, and stays with whoever has it."""
    first = DataDir(tmp_path, 5)
    with pytest.raises(StartError, match="is in use by another collector"):
        DataDir(tmp_path, 5)
    with pytest.raises(StartError, match="--data-dir"):
        DataDir(tmp_path, 5)
    first.close()
    DataDir(tmp_path, 5).close()


def test_a_newer_one_is_untouched(tmp_path: Path) -> None:
    """What a newer version wrote is refused with both versions, and not one byte or time of it changes."""
    (tmp_path / "format.json").write_text(json.dumps({"version": "9.9", "schema": 6}))
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "x.ready").write_bytes(b"data")
    before = fingerprint(tmp_path)
    with pytest.raises(StartError, match=r"written by version 9\.9 with schema 6, this version knows 5"):
        DataDir(tmp_path, 5)
    assert fingerprint(tmp_path) == before


@pytest.mark.parametrize("schema", [0, 4, 5])
def test_an_older_or_equal_one_is_taken(tmp_path: Path, schema: int) -> None:
    """What this or an older version wrote is taken."""
    first = DataDir(tmp_path, 5)
    first.record_format("0.1", schema, "embedded")
    first.close()
    DataDir(tmp_path, 5).close()


@pytest.mark.parametrize("content", ["", "{", "\xff", '{"schema": "six"}', '{"schema": null}', "[]", "7", '"x"'])
def test_a_broken_format_is_refused(tmp_path: Path, content: str) -> None:
    """A format file that does not read as one is refused with a sentence: who wrote it is not known."""
    (tmp_path / "format.json").write_bytes(content.encode("latin-1"))
    before = fingerprint(tmp_path)
    with pytest.raises(StartError, match=r"format\.json"):
        DataDir(tmp_path, 5)
    assert fingerprint(tmp_path) == before


def test_a_file_in_the_way(tmp_path: Path) -> None:
    """A file where the directory or its parent should be: a sentence that names --data-dir."""
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StartError, match="--data-dir"):
            DataDir(path, 5)


def test_whether_tokens_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They do not before it is settled, nor after a boot of the machine, nor where another one decodes now."""
    boot = tmp_path / "boot_id"
    boot.write_text("one\n")
    monkeypatch.setattr(datadir, "_BOOT_ID", boot)
    data = DataDir(tmp_path / "data", 1)
    assert data.begin("clickhouse"), "an earlier version may have used it before the boot"
    data.record_settled("clickhouse")
    assert not data.begin("clickhouse")
    assert data.begin("collector")
    assert data.begin("clickhouse"), "what the other one left is not settled"
    data.record_settled("clickhouse")
    boot.write_text("two\n")
    assert data.begin("clickhouse")
    data.record_settled("clickhouse")
    assert not data.begin("clickhouse")
    data.close()


def test_a_machine_that_tells_no_boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody knows whether it was started anew, it may have been, each time."""
    monkeypatch.setattr(datadir, "_BOOT_ID", tmp_path / "nothing")
    data = DataDir(tmp_path / "data", 1)
    for _ in range(2):
        assert data.begin("clickhouse")
        data.record_settled("clickhouse")
    data.close()


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
def test_the_machine_tells_its_boot(tmp_path: Path) -> None:
    """What Linux says of its boot is what is recorded."""
    data = DataDir(tmp_path, 1)
    data.record_settled("collector")
    decode, boot = (tmp_path / "settled").read_text().split()
    assert (decode, len(boot)) == ("collector", 36)
    data.close()


def test_endpoints(tmp_path: Path) -> None:
    """Where the collector listens is on record while it runs, and only then."""
    directory = DataDir(tmp_path, 5)
    assert datadir.endpoints(tmp_path) == {}
    directory.record_endpoints({"grpc": "127.0.0.1:1"})
    assert datadir.endpoints(tmp_path) == {"grpc": "127.0.0.1:1"}
    directory.close()
    assert datadir.endpoints(tmp_path) == {}
    assert datadir.endpoints(tmp_path / "nowhere") == {}
