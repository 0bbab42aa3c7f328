"""The file that keeps the keys: written whole, by one at a time, read by a running collector as soon as it changes."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from collector import files
from collector.access.keys import Key
from collector.errors import CollectorError, StartError

FILE = "keys.json"


class UnknownKey(CollectorError):
    """No key has this id."""


class _Content(BaseModel):
    version: Literal[1]
    keys: list[Key]


def read(path: Path) -> dict[str, Key]:
    """Return the keys by id; none where there is no file.

    Raises:
        StartError: the file does not read.
    """
    try:
        keys = _Content.model_validate_json(path.read_bytes()).keys
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _unreadable(path, (error.strerror or str(error)).lower()) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _unreadable(path, f"{where}: {first['msg']}".removeprefix(": ")) from error  # never what stands there
    found = {key.id: key for key in keys}
    if len(found) != len(keys):
        raise _unreadable(path, "an id stands twice")
    return found


def add(path: Path, key: Key) -> None:
    """Keep one more key.

    Raises:
        StartError: the file cannot be read or written.
    """
    with _edited(path) as keys:
        if key.id in keys:  # one in four billion
            raise StartError(f"there is a key {key.id} already", hint="try again")
        keys[key.id] = key


def ensure(path: Path, key: Key) -> bool:
    """Keep this key, made beforehand, unless it is kept already; return whether it is new.

    Raises:
        StartError: another secret, or other rights, are kept under its id; or see `add`.
    """
    with _edited(path) as keys:
        known = keys.setdefault(key.id, key)
        if known.sha256 != key.sha256:
            raise StartError(
                f"there is a key {key.id} already, and its secret is another",
                hint="make another id, or `otel-interactions keys revoke` that one first",
            )
        if known.model_copy(update={"created": key.created}) != key:
            raise StartError(
                f"the key {key.id} is kept already, with another name, tenant, scope or limit",
                hint="`otel-interactions keys list` shows them; to change it, revoke it first",
            )
    return known is key


def revoke(path: Path, identity: str) -> Key:
    """Forget a key and return what was known of it.

    Raises:
        UnknownKey: there is none with this id.
        StartError: the file cannot be read or written.
    """
    with _edited(path) as keys:
        if identity not in keys:
            raise UnknownKey(f"there is no key {identity!r}", hint="`otel-interactions keys list` names them")
        return keys.pop(identity)


@contextlib.contextmanager
def _edited(path: Path) -> Iterator[dict[str, Key]]:
    """Give the keys to change; on leaving they are written, unless an error passes through."""
    path = path.resolve()  # a link stays one
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        keys = read(path)
        yield keys
        try:
            _write(path, keys)
        except OSError as error:
            raise _unwritable(path, error) from error
    finally:
        os.close(lock)


def _write(path: Path, keys: dict[str, Key]) -> None:
    content = {"version": 1, "keys": [key.model_dump(mode="json", exclude_none=True) for key in keys.values()]}
    files.write_whole(path, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode(), mode=0o600)


def _unreadable(path: Path, why: str) -> StartError:
    return StartError(
        f"the key file {path} does not read: {why}", hint="restore it, or remove it and add the keys anew"
    )


def _unwritable(path: Path, error: OSError) -> StartError:
    return StartError(
        f"the key file {path} cannot be written: {(error.strerror or str(error)).lower()}",
        hint="name another with --keys-file, or run this where it is writable",
    )
