"""A Unix socket: a file only its owner may open, in place of one left by a crash, removed at the end."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from collector.errors import StartError

_LONGEST = 107  # bytes; what the kernel's address of a socket has room for
_HIDDEN = 11  # bytes that the path has behind its folder until the socket is shown: /12345678/s


@contextlib.contextmanager
def listening(path: Path, flag: str) -> Iterator[socket.socket]:
    """Listen at `path` for the length of a block.

    Raises:
        StartError: somebody else listens there, or it is no place for a socket; `flag` is the setting to change.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:

        def bind(address: str) -> None:
            listener.bind(address)
            listener.listen(1024)

        with shown(path, flag, bind):
            yield listener


@contextlib.contextmanager
def shown(path: Path, flag: str, bind: Callable[[str], None]) -> Iterator[None]:
    """Have `bind` open a socket where nobody sees it, and show it at `path` for the length of a block.

    So it is never there with another mode than 0600. A umask would do that too, but for every thread of the process.

    Raises:
        StartError: see `listening`.
    """
    path = path.absolute()
    _require_room(path, flag)
    with tempfile.TemporaryDirectory(prefix="", dir=path.parent) as private:
        hidden = Path(private) / "s"
        bind(str(hidden))
        hidden.chmod(stat.S_IRUSR | stat.S_IWUSR)
        hidden.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _require_room(path: Path, flag: str) -> None:
    if max(len(os.fsencode(path)), len(os.fsencode(path.parent)) + _HIDDEN) > _LONGEST:
        raise _no_place(path, f"the path is longer than {_LONGEST} bytes", flag)
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise _no_place(path, "its folder is not there or cannot be written", flag)
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise _no_place(path, "something else is there, and it stays", flag)
    if _answers(path):
        raise _no_place(path, "another program listens there", flag)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:  # left by a process that is gone
            return False
        except OSError:  # whatever else, it is not ours to remove
            return True
    return True


def _no_place(path: Path, why: str, flag: str) -> StartError:
    return StartError(f"the socket {path} cannot be opened: {why}", hint=f"choose another path with {flag}")
