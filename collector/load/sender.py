"""Sends a segment, a part of one or a letter, unless ClickHouse has it and may not know it any more."""

from __future__ import annotations

import logging
from pathlib import Path

from collector.load.delivery import Delivery
from collector.load.line import Entry
from collector.load.shared import Shared
from collector.load.stored import Stored

log = logging.getLogger(__name__)


class Sender:
    """Sends over one connection."""

    def __init__(self, delivery: Delivery, stored: Stored, shared: Shared) -> None:
        """Send by this delivery, and ask what is stored where the token alone does not tell."""
        self._delivery, self._stored = delivery, stored
        self._line, self._complaints, self._gate = shared.line, shared.complaints, shared.gate
        self._tokens_lost = shared.tokens_lost

    def send(self, path: Path, entry: Entry, name: str) -> None:
        """Have ClickHouse store a file once.

        Args:
            path: the file.
            entry: what it is, or is a part of.
            name: the segment's in the file, and the token.

        Raises:
            ClickHouseError, OSError: nobody knows how much of it ClickHouse has; sent again, it is stored once.
        """
        signal = entry.signal
        in_doubt = entry.in_doubt or (entry.tries and self._stored.was_restarted(name, entry.first_try))
        if in_doubt and self._stored.among(signal, [name]) and not self._is_remembered(entry, name):
            log.warning("segment %s: ClickHouse may have forgotten its token; only what is missing is inserted", name)
            with self._gate.alone():
                self._stored.complete(path, signal, name)
        else:
            with self._gate.shared():
                self._delivery.insert(path, signal, name)
        self._line.works(signal)
        self._complaints.works()

    def _is_remembered(self, entry: Entry, name: str) -> bool:
        """Tell whether ClickHouse certainly knows the token of a segment it has rows of.

        Of a letter it is never certain: it may be older than what is on record of power cuts and decoders.
        """
        if entry.letter or (self._tokens_lost and entry.maybe_stored):
            return False
        return self._stored.remembers(entry.signal, name, None if entry.maybe_stored else entry.first_try)
