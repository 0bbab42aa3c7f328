"""The keys as they are now: a changed file is noticed within a second, a broken one changes nothing."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

from collector.access import keyfile
from collector.access.keys import Key
from collector.errors import StartError

log = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0  # between two looks at the file: one `stat`, and nothing else unless it changed

_Signature = tuple[int, int, int]


class KeyRing:
    """The keys of one collector, for one thread.

    Attributes:
        problem: why the file does not read, in words; then the last keys that did stay in force. "" while all is well.
    """

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            StartError: it is there and does not read.
        """
        self.problem = ""
        self._path = path
        self._seen = self._signature()
        self._keys = keyfile.read(path)
        self._looked = time.monotonic()

    def keys(self) -> dict[str, Key]:
        """Return the keys by id."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            self._look()
        return self._keys

    def _look(self) -> None:
        signature = self._signature()
        if signature == self._seen:
            return
        self._seen = signature
        if signature is None:
            self._keep(f"the key file {self._path} is gone")
            return
        try:
            keys = keyfile.read(self._path)
        except StartError as error:
            self._keep(str(error))
            return
        added, gone = keys.keys() - self._keys.keys(), self._keys.keys() - keys.keys()
        log.info("keys: %d in force, added %s, revoked %s", len(keys), sorted(added) or "none", sorted(gone) or "none")
        self._keys, self.problem = keys, ""

    def _keep(self, problem: str) -> None:
        """Go on with the keys there are: a file that breaks must neither lock everybody out nor let everybody in."""
        self.problem = problem
        log.error("keys: %s; the %d keys read before stay in force", problem, len(self._keys))

    def _signature(self) -> _Signature | None:
        try:
            status = os.stat(self._path)  # noqa: PTH116 - the plain call, once a second
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino
