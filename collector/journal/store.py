"""The journal's folder: what an earlier process left in it, what is frozen, what is gone.

NAME.open     a segment that is being written
NAME.ready    a frozen one, which waits to be loaded
NAME.seen     its ledger; alone, once the segment is loaded
NAME.torn     what a crash left at the end of a segment, for whoever wants to look; the newest ten stay
NAME.…        the loader's own notes on a segment
*             anything else is left alone, and named in the log
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from collector import files
from collector.journal import names, repair
from collector.journal.archive import Archive
from collector.journal.ledger import SEEN, Ledger
from collector.journal.names import OPEN, READY
from collector.journal.repair import TORN, Keep
from collector.journal.segment import Segment, read
from collector.journal.space import Space
from collector.request import Content, Signal

log = logging.getLogger(__name__)

_TORN_KEPT = 10
_NAMED = 5  # strange files, in the log

Remember = Callable[[float, bytes], None]  # takes how many seconds ago a request came, and its identity


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is kept, and how well.

    Attributes:
        limit: bytes of all the journal's files at which it is full.
        reserve: bytes of the disk that stay free, 0 for none.
        durable: whether files are synced: what they hold survives a power cut, not only the end of the process.
        window: seconds for which the identities of loaded requests are kept, 0 for none.
        window_requests: the most of them.
    """

    limit: int = 8 << 30
    reserve: int = 0
    durable: bool = True
    window: float = 600.0
    window_requests: int = 200_000


class Store:
    """The journal's files. The writer's thread creates and freezes them, the loader's reads and retires them."""

    def __init__(self, folder: Path, keeping: Keeping) -> None:
        """Prepare the folder."""
        self.folder = folder
        self.space = Space(folder, keeping.limit, keeping.reserve)
        self._durable = keeping.durable
        self._archive = Archive(self.space, keeping.window, keeping.window_requests, durable=keeping.durable)
        self._sizes: dict[str, int] = {}  # bytes of frozen segments
        folder.mkdir(parents=True, exist_ok=True)

    def recover(self, remember: Remember) -> list[tuple[Path, Content]]:
        """Return the segments that an earlier process left, oldest first, now all of them frozen.

        Every identity in a ledger that is still there is handed to `remember`, as if it had come now: how long ago it
        came only a wall clock could tell, which may have jumped meanwhile. (An earlier process has deleted, by its
        monotonic clock, what was too old.) What cannot be read now is left as it is.
        """
        found = self._look_around()
        waiting = {path: self._ledger(path) for path in found[READY]}
        for path in found[OPEN]:
            try:
                recovered = repair.recover(path)
            except OSError:
                log.exception("journal segment %s is left for the next start", path.name)
                continue
            if recovered:
                waiting[recovered[0]] = recovered[1]
                self._note(*recovered)
        gone = {path.with_suffix(READY) for path in found[SEEN]} - waiting.keys()
        ledgers = waiting | {path: Ledger.read(path.with_suffix(SEEN)) or Ledger() for path in gone}
        for path, ledger in sorted(ledgers.items()):
            if self._archive.wants(ledger):
                for _, identity in ledger.identities():
                    remember(0.0, identity)
            if path in gone:
                self._dismiss(path, ledger)
            else:
                self._count(path)
        for path in found[TORN][:-_TORN_KEPT]:
            path.unlink()
        return [(path, ledger.content()) for path, ledger in sorted(waiting.items())]

    def _look_around(self) -> defaultdict[str, list[Path]]:
        """Sort what is in the folder by what it is, oldest first."""
        found: defaultdict[str, list[Path]] = defaultdict(list)
        strange = []
        for path in sorted(self.folder.iterdir()):
            if not names.is_related(path.name) or path.is_symlink() or not path.is_file():
                strange.append(path.name)
            elif path.suffix == ".tmp":
                path.unlink()  # of a file that was never finished
            elif names.is_name(path.stem):
                names.saw(path.name)
                found[path.suffix].append(path)
        if strange:
            log.warning(
                "journal: %d files here are not the journal's and are left alone: %s",
                len(strange),
                ", ".join(strange[:_NAMED]),
            )
        return found

    def create(self, signal: Signal, *, urgent: bool) -> Segment:
        """Open a new segment. Raises OSError: the disk does not take it."""
        return Segment(self.folder, signal, urgent=urgent, durable=self._durable)

    def freeze(self, segment: Segment) -> Path:
        """Freeze a segment, its ledger beside it.

        Raises:
            OSError: the disk refused; what was acknowledged is safe in the file. Try again, as often as need be.
        """
        self._note(segment.path, segment.ledger)
        frozen = segment.freeze()
        self._count(frozen)
        return frozen

    @staticmethod
    def read(segment: Path) -> tuple[memoryview, list[memoryview]]:
        """Read a frozen segment through; see `segment.read`."""
        return read(segment)

    def mend(self, segment: Path, keep: Keep) -> int:
        """Make a damaged frozen segment readable again; see `repair.mend`."""
        return repair.mend(segment, self._ledger(segment).requests, keep)

    def retire(self, segment: Path) -> None:
        """Delete a segment that is loaded, or forget one that is set aside; first keep, durably, who was in it.

        Where the disk is too full for that, the segment goes first.

        Raises:
            OSError: the segment cannot be deleted.
        """
        ledger, path = self._ledger(segment), segment.with_suffix(SEEN)
        if self._archive.wants(ledger):
            try:
                self._archive.write(path, ledger)
            except OSError as error:
                log.warning("journal segment %s is deleted before its ledger is safe: %s", segment.name, error)
                segment.unlink(missing_ok=True)
                self._note(segment, ledger)
        segment.unlink(missing_ok=True)
        self.space.free(self._sizes.pop(segment.stem, 0))
        self._dismiss(segment, ledger)

    def _dismiss(self, segment: Path, ledger: Ledger) -> None:
        """Leave the ledger of a segment that is gone to the archive."""
        if self._archive.wants(ledger):
            self._archive.keep(segment.with_suffix(SEEN), ledger)
        else:
            segment.with_suffix(SEEN).unlink(missing_ok=True)

    def _count(self, frozen: Path) -> None:
        self._sizes[frozen.stem] = size = frozen.stat().st_size
        self.space.add(size)

    def _ledger(self, segment: Path) -> Ledger:
        """Read the ledger of a frozen segment, or the segment where it has none."""
        return Ledger.read(segment.with_suffix(SEEN)) or repair.survey(segment)

    def _note(self, segment: Path, ledger: Ledger) -> None:
        """Put the ledger beside its segment. It need not survive anything: the segment says the same."""
        try:
            files.write_whole(segment.with_suffix(SEEN), ledger.encode(), durable=False)
        except OSError as error:
            log.warning("journal segment %s has no ledger, the next start will read it: %s", segment.name, error)
