"""A thread that goes on by itself: started once, ended soon when asked, and ready to say what is in its way."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod

from collector.errors import first_line

log = logging.getLogger(__name__)

_PATIENCE = 10.0  # seconds the end of the process waits for what runs: it may be done again


class Background(ABC):
    """The thread; `_run` is what it does until `_stop` is set."""

    def __init__(self, name: str) -> None:
        """Nothing runs before `start`."""
        self._stop = threading.Event()
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin, with what an earlier process left."""
        self._thread.start()

    def stop(self) -> None:
        """End soon; a statement that runs is not waited for longer than a moment, as it may be done again."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_PATIENCE)

    def trouble(self) -> str:
        """Say what is in the way, "" if all goes well."""
        return self._trouble

    @abstractmethod
    def _run(self) -> None:
        """Work until `_stop` is set."""

    def _complain(self, what: str, error: BaseException) -> None:
        """Say what is in the way, here and in the log."""
        self._trouble = f"{what}: {first_line(error)}"
        log.warning("%s", self._trouble, exc_info=error if log.isEnabledFor(logging.DEBUG) else None)
