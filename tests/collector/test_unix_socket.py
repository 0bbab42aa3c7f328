"""A Unix socket: for its owner only, in place of one left by a crash, gone at the end."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from collector import unix_socket
from collector.errors import StartError


def connects(path: Path) -> bool:
    """Tell whether somebody listens."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def test_listening(tmp_path: Path) -> None:
    """It can be connected to, its mode is 0600 whatever the umask, and only it is in the folder; then it is gone."""
    path = tmp_path / "otlp.sock"
    before = os.umask(0)
    try:
        with unix_socket.listening(path, "--http-socket") as listener:
            assert connects(path)
            assert listener.accept()[0].close() is None
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert list(tmp_path.iterdir()) == [path]
    finally:
        os.umask(before)
    assert list(tmp_path.iterdir()) == []


def test_left_by_a_crash(tmp_path: Path) -> None:
    """A socket nobody listens at is replaced."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.exists()
    with unix_socket.listening(path, "--http-socket"):
        assert connects(path)


def test_in_use(tmp_path: Path) -> None:
    """A socket somebody listens at stays his: a sentence with the path and the flag."""
    path = tmp_path / "s"
    with unix_socket.listening(path, "--http-socket"):
        with (
            pytest.raises(StartError, match=r"another program listens.*--grpc-socket") as refused,
            unix_socket.listening(path, "--grpc-socket"),
        ):
            pass
        assert str(path) in str(refused.value)
        assert connects(path)


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_something_else(tmp_path: Path, kind: str) -> None:
    """What is no socket is never removed."""
    path, kept = tmp_path / "s", tmp_path / "kept"
    kept.write_text("mine")
    {"file": lambda: path.write_text("mine"), "folder": path.mkdir, "link": lambda: path.symlink_to(kept)}[kind]()
    with pytest.raises(StartError, match="it stays"), unix_socket.listening(path, "--http-socket"):
        pass
    assert path.exists()
    assert kept.read_text() == "mine"


@pytest.mark.parametrize("name", ["no/such/folder", "x" * 120])
def test_no_place(tmp_path: Path, name: str) -> None:
    """A folder that is not there, a path longer than the kernel takes: a sentence."""
    with (
        pytest.raises(StartError, match="choose another path"),
        unix_socket.listening(tmp_path / name, "--http-socket"),
    ):
        pass


def test_the_longest_path(tmp_path: Path) -> None:
    """As long as the kernel takes is taken."""
    path = tmp_path / ("x" * (107 - len(os.fsencode(tmp_path)) - 1))
    with unix_socket.listening(path, "--http-socket"):
        assert connects(path)


def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path is taken from where the collector starts, also if it changes folder later."""
    monkeypatch.chdir(tmp_path)
    with unix_socket.listening(Path("s"), "--http-socket"):
        monkeypatch.chdir("/")
        assert connects(tmp_path / "s")
    assert not (tmp_path / "s").exists()
