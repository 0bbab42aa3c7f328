"""The data directory: whose it is, which version wrote it, what lies where.

lock                 held by the one collector that uses the directory
format.json          version and schema that wrote it, read before anything is touched
endpoints.json       where the running collector listens, for the command line
journal/             acknowledged requests on their way (journal/README in collector/README.md)
dead-letters/        what ClickHouse could not take, with the reason
scratch/             files in between; with a server, an engine that decodes. Nothing in it is missed
clickhouse/          the embedded engine's own files
"""

from __future__ import annotations

import fcntl
import json
from pathlib import Path
from typing import IO, Any

from collector.errors import StartError

DEAD_LETTERS = "dead-letters"
_FORMAT, _ENDPOINTS, _LOCK = "format.json", "endpoints.json", "lock"


class DataDir:
    """One collector's directory, locked while the object is open."""

    def __init__(self, path: Path, schema: int) -> None:
        """Check that this version, which knows `schema`, may use the directory, then create and lock it.

        Raises:
            StartError: a newer version wrote it, another collector uses it, or it cannot be written.
        """
        self.path = path.absolute()
        self._refuse_newer(schema)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock: IO[str] = (self.path / _LOCK).open("a")
        except OSError as error:
            raise StartError(
                f"the data directory {self.path} cannot be used: {error.strerror}",
                hint="choose another with --data-dir, or make it writable",
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise StartError(
                f"the data directory {self.path} is in use by another collector",
                hint="stop that one, or choose another directory with --data-dir",
            ) from error

    def _refuse_newer(self, schema: int) -> None:
        written = _read(self.path / _FORMAT)
        if not written:
            return
        if not isinstance(written.get("schema"), int):
            raise _unreadable(self.path / _FORMAT, "it names no schema")
        if written["schema"] > schema:
            raise StartError(
                f"the data directory {self.path} was written by version {written.get('version')} with schema "
                f"{written['schema']}, this version knows {schema}; nothing was touched",
                hint="run that version or a newer one, or choose another directory with --data-dir",
            )

    @property
    def journal(self) -> Path:
        """Folder of the journal."""
        return self.path / "journal"

    @property
    def dead_letters(self) -> Path:
        """Folder of what could not be stored."""
        return self.path / DEAD_LETTERS

    @property
    def scratch(self) -> Path:
        """Folder for what nobody misses after a crash."""
        return self.path / "scratch"

    def record_format(self, version: str, schema: int) -> None:
        """Say who wrote it."""
        _write(self.path / _FORMAT, {"version": version, "schema": schema})

    def record_endpoints(self, endpoints: dict[str, str]) -> None:
        """Say where the running collector listens."""
        _write(self.path / _ENDPOINTS, endpoints)

    def close(self) -> None:
        """Give the directory free."""
        (self.path / _ENDPOINTS).unlink(missing_ok=True)
        self._lock.close()


def is_in_use(path: Path) -> bool:
    """Tell whether a collector has the directory locked."""
    try:
        with (path / _LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def endpoints(path: Path) -> dict[str, str]:
    """Return where the collector of this directory listens; {} if none runs."""
    return _read(path / _ENDPOINTS)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error
    if not isinstance(content, dict):
        raise _unreadable(path, "it is no JSON object")
    return content


def _unreadable(path: Path, why: str) -> StartError:
    return StartError(f"{path} does not read: {why}", hint="restore it from a backup, or choose another --data-dir")


def _write(path: Path, content: dict[str, Any]) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(content, indent=1) + "\n")
    temporary.replace(path)
