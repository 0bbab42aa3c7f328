"""The data directory: whose it is, which version wrote it, what lies where.

lock                 held by the one collector that uses the directory
format.json          version and schema that wrote it, read before anything is touched
secret               32 random bytes of this directory's own
policies.json        of what the embedded engine's row policies were made; not missed, but the next start is slower
settled              the boot of the machine, or for a server the decoder, at which all that waits was sent, if it was
endpoints.json       where the running collector listens, for the command line
journal/             acknowledged requests on their way (journal/README in collector/README.md)
dead-letters/        what ClickHouse could not take, with the reason
archive/             rows that ClickHouse keeps no longer, in Parquet
erasures/            what is or was to be forgotten, one file each
audit.jsonl          what was forgotten when, on whose word; only ever added to
scratch/             files in between; with a server, an engine that decodes. Nothing in it is missed
clickhouse/          the embedded engine's own files
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import secrets
from pathlib import Path
from typing import IO, Any

from collector import files
from collector.errors import StartError

DEAD_LETTERS, POLICIES = "dead-letters", "policies.json"
_FORMAT, _SETTLED, _ENDPOINTS, _LOCK, _SECRET = "format.json", "settled", "endpoints.json", "lock", "secret"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # Linux: another one after every boot
_SECRET_BYTES = 32


class DataDir:
    """One collector's directory, locked while the object is open."""

    def __init__(self, path: Path, schema: int) -> None:
        """Check that this version, which knows `schema`, may use the directory, then create and lock it.

        Raises:
            StartError: a newer version wrote it, another collector uses it, or it cannot be written.
        """
        self.path = path.absolute()
        refuse_newer(self.path, schema)
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

    @property
    def journal(self) -> Path:
        """Folder of the journal."""
        return self.path / "journal"

    @property
    def policies(self) -> Path:
        """What the embedded engine's row policies were made of."""
        return self.path / POLICIES

    @property
    def dead_letters(self) -> Path:
        """Folder of what could not be stored."""
        return self.path / DEAD_LETTERS

    @property
    def archive(self) -> Path:
        """Folder of rows that ClickHouse keeps no longer."""
        return self.path / "archive"

    @property
    def erasures(self) -> Path:
        """Folder of what is or was to be forgotten."""
        return self.path / "erasures"

    @property
    def audit(self) -> Path:
        """File of what was forgotten."""
        return self.path / "audit.jsonl"

    @property
    def scratch(self) -> Path:
        """Folder for what nobody misses after a crash."""
        return self.path / "scratch"

    def secret(self) -> bytes:
        """Return the directory's secret, made when it is first asked for; it never leaves the machine."""
        path = self.path / _SECRET
        with contextlib.suppress(FileNotFoundError):
            kept = path.read_bytes()
            if len(kept) == _SECRET_BYTES:
                return kept
        made = secrets.token_bytes(_SECRET_BYTES)
        files.write_whole(path, made, mode=0o600)
        return made

    def record_format(self, version: str, schema: int, database: str) -> None:
        """Say who wrote it, and which database has the schema by now."""
        _write(self.path / _FORMAT, {"version": version, "schema": schema, "database": database})

    def has_served(self, database: str) -> bool:
        """Tell whether a collector of this directory has brought this database to its schema, the last one it used."""
        return _read(self.path / _FORMAT).get("database") == database

    def doubts_tokens(self, circumstances: str) -> bool:
        """Tell whether segments that wait may be in ClickHouse under tokens it does not know, until that is settled.

        That is so where they were sent in other circumstances than these, `after_boot` or `decoded_by`, or where nobody
        knows.

        Raises:
            OSError: it cannot be put on record.
        """
        settled = self.path / _SETTLED
        if circumstances and settled.exists() and settled.read_text() == circumstances:
            return False
        settled.unlink(missing_ok=True)
        return True

    def record_settled(self, circumstances: str) -> None:
        """Say that nothing waits any more that may have been sent in other circumstances.

        Raises:
            OSError: it cannot be written.
        """
        if circumstances and not (self.path / _SETTLED).exists():
            files.write_whole(self.path / _SETTLED, circumstances.encode())

    def record_endpoints(self, endpoints: dict[str, str]) -> None:
        """Say where the running collector listens."""
        _write(self.path / _ENDPOINTS, endpoints)

    def close(self) -> None:
        """Give the directory free."""
        (self.path / _ENDPOINTS).unlink(missing_ok=True)
        self._lock.close()


def refuse_newer(path: Path, schema: int) -> None:
    """Check that a newer version than this one, which knows `schema`, did not write the directory. Reads only.

    Raises:
        StartError: it did, or what says so does not read.
    """
    written = _read(path / _FORMAT)
    if not written:
        return
    if not isinstance(written.get("schema"), int):
        raise _unreadable(path / _FORMAT, "it names no schema")
    if written["schema"] > schema:
        raise StartError(
            f"the data directory {path} was written by version {written.get('version')} with schema "
            f"{written['schema']}, this version knows {schema}; nothing was touched",
            hint="run that version or a newer one, or choose another directory with --data-dir",
        )


def after_boot() -> str:
    """Return which boot of the machine it is: the embedded engine does not sync what it remembers of tokens."""
    try:
        return f"boot {_BOOT_ID.read_text().strip()}"
    except OSError:  # not Linux: nobody knows
        return ""


def decoded_by(decode: str) -> str:
    """Return who decodes for a server: it makes of a token another one for each view."""
    return f"decode {decode}"


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


def address(host: str, port: int) -> str:
    """Write an address as endpoints.json does, and as gRPC and URLs want it: an IPv6 host in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def endpoints(path: Path) -> dict[str, str]:
    """Return where the collector of this directory listens; {} if none runs.

    `grpc`, `http` and `sql` are host:port; `certificate` is the file with the one they show, if they speak TLS.
    """
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
    files.write_whole(path, (json.dumps(content, indent=1) + "\n").encode())
