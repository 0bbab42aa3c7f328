"""Where a verb writes to: a file that appears when it is whole, or standard output."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from collector import files
from collector.errors import CollectorError, StartError

STDOUT: Final = "-"


class NotWrittenError(CollectorError):
    """The file cannot be written."""


@contextlib.contextmanager
def whole_file(output: str) -> Iterator[BinaryIO]:
    """Give what to write to; when the block ends well the file stands there, else what was there before.

    Raises:
        StartError: it is a folder, or in one that is not there or cannot be written to.
        NotWrittenError: writing fails on the way, as on a full disk.
    """
    if output == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    target = Path(output).resolve()
    with _sentences(target):
        if target.is_dir():
            raise StartError(f"{target} is a folder", hint="--output takes a file")
        if target.exists() and not target.is_file():  # a pipe, /dev/null: nothing to rename
            with target.open("wb") as device:
                yield device
        else:
            with _renamed(target) as file:
                yield file


@contextlib.contextmanager
def _renamed(target: Path) -> Iterator[BinaryIO]:
    temporary = target.with_name(f".otel-interactions-{os.getpid()}.part")
    try:
        with _opened(temporary, target) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        files.rename(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _opened(temporary: Path, target: Path) -> BinaryIO:
    try:
        return temporary.open("xb")
    except OSError as error:
        raise StartError(
            f"{target} cannot be written: {(error.strerror or str(error)).lower()}",
            hint="--output takes a file in a folder that is there and yours to write to",
        ) from error


@contextlib.contextmanager
def _sentences(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NotWrittenError(
            f"{target} cannot be written: {(error.strerror or str(error)).lower()}",
            hint="nothing is left of it; what was there before is",
        ) from error
