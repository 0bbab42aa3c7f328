"""The key file: old or new, never in between, whoever writes."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from collector.access import keyfile, keys
from collector.access.keys import Key, Scope
from collector.errors import StartError


def made(name: str = "app") -> tuple[Key, str]:
    """Make a key."""
    return keys.make(name, "acme", frozenset({Scope.INGEST, Scope.READ}), requests_per_second=2.5)


def test_add_read_revoke(tmp_path: Path) -> None:
    """What was added reads back equal; what was revoked is gone, the others stay."""
    path = tmp_path / "new" / "keys.json"
    (one, _), (two, _) = made("one"), made("two")
    assert keyfile.read(path) == {}
    keyfile.add(path, one)
    keyfile.add(path, two)
    assert keyfile.read(path) == {one.id: one, two.id: two}
    assert keyfile.revoke(path, one.id) == one
    assert keyfile.read(path) == {two.id: two}
    keyfile.revoke(path, two.id)
    assert keyfile.read(path) == {}


def test_only_the_owner_reads_it(tmp_path: Path) -> None:
    """The file has mode 0600, also where a crash left a temporary file anybody could read; it never holds a secret."""
    path = tmp_path / "keys.json"
    (tmp_path / "keys.json.tmp").touch(mode=0o666)
    key, token = made()
    keyfile.add(path, key)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert token.split("_")[2] not in path.read_text()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["keys.json", "keys.json.lock"]


def test_unknown_id(tmp_path: Path) -> None:
    """Revoking what there is not says so, and how to find what there is."""
    path = tmp_path / "keys.json"
    keyfile.add(path, made()[0])
    before = path.read_bytes()
    with pytest.raises(keyfile.UnknownKey, match="keys list"):
        keyfile.revoke(path, "00000000")
    assert path.read_bytes() == before


def test_all_who_write_at_once_are_kept(tmp_path: Path) -> None:
    """Many add keys at the same time, each with a lock of its own; a reader sees a whole file at every moment."""
    path, seen = tmp_path / "keys.json", [0]

    def add_some() -> None:
        for _ in range(6):
            keyfile.add(path, made()[0])

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(add_some) for _ in range(4)]
        while not all(writer.done() for writer in writers):
            seen.append(len(keyfile.read(path)))
        for writer in writers:
            writer.result()
    assert len(keyfile.read(path)) == 24
    assert seen == sorted(seen)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """A path that is a symbolic link, as secrets are mounted, is followed, not replaced."""
    target = tmp_path / "real.json"
    link = tmp_path / "keys.json"
    link.symlink_to(target)
    keyfile.add(link, made()[0])
    assert link.is_symlink()
    assert len(keyfile.read(target)) == 1


GOOD = {"id": "0" * 8, "name": "n", "tenant": "t", "scopes": ["read"], "sha256": "a" * 64, "created": "2026"}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"version": 2, "keys": []}',
        '{"version": 1, "keys": {}}',
        json.dumps({"version": 1, "keys": [GOOD, GOOD]}),
        json.dumps({"version": 1, "keys": [GOOD | {"scopes": []}]}),
        json.dumps({"version": 1, "keys": [GOOD | {"scopes": ["root"]}]}),
        json.dumps({"version": 1, "keys": [GOOD | {"sha256": "leaked"}]}),
        json.dumps({"version": 1, "keys": [GOOD | {"tenant": "*", "scopes": ["ingest"]}]}),
        json.dumps({"version": 1, "keys": [{name: GOOD[name] for name in GOOD if name != "sha256"}]}),
    ],
)
def test_what_does_not_read(tmp_path: Path, content: str) -> None:
    """A broken file is one sentence that names it and repeats nothing of it; nothing is written over it."""
    path = tmp_path / "keys.json"
    path.write_text(content)
    with pytest.raises(StartError, match=r"the key file .*keys\.json does not read: ") as error:
        keyfile.read(path)
    assert "leaked" not in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(StartError):
        keyfile.add(path, made()[0])
    assert path.read_text() == content


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    """A place where no file can be: a sentence that says what to do."""
    (tmp_path / "file").touch()
    with pytest.raises(StartError, match="--keys-file"):
        keyfile.add(tmp_path / "file" / "keys.json", made()[0])


def test_what_a_newer_version_adds_is_no_obstacle(tmp_path: Path) -> None:
    """A field this version does not know is passed over."""
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"version": 1, "keys": [GOOD | {"colour": "red"}]}))
    assert keyfile.read(path)["0" * 8].name == "n"
