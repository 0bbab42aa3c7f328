"""A collector of our own for the length of a block, filled by the tests' program `boards_to_show.py`."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROGRAM: Final = Path(__file__).parents[2] / "tests" / "support" / "boards_to_show.py"
_WATCHED: Final = "otel-interactions-health"  # what it is about happens while the program runs


class OwnError(Exception):
    """There is no such collector."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where boards are asked, and which time they show.

    Attributes:
        url: of the SQL port.
        key: to show there, or ''.
        until: when the time on the boards ends (s since 1970).
        times: by uid, (when it ends, how many seconds it is) on a board, where it is another.
    """

    url: str
    key: str
    until: float
    times: dict[str, tuple[float, float]]


@contextlib.contextmanager
def started(*arguments: str) -> Iterator[Source]:
    """Run the program with these arguments and wait until there is something to show.

    Raises:
        OwnError: the program is not there (it is in the repository, not in the package), or it failed.
    """
    if not PROGRAM.exists():
        raise OwnError(f"{PROGRAM.name} is not there; work in a clone of the repository, or say --url")
    command = [sys.executable, str(PROGRAM), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        told = process.stdout.readline() if process.stdout else ""
        if not told:
            raise OwnError(f"{PROGRAM.name} failed; what it says stands above")
        found = json.loads(told)
        watched = (found["live_until"], found["live_seconds"])
        try:
            yield Source(found["url"], "", found["until"], {_WATCHED: watched})
        finally:
            process.communicate()  # the end of its input ends it
