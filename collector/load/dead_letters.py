"""What ClickHouse cannot take, kept with the reason, until somebody sends it again or deletes it.

    dead-letters/ID.otlp      the request, in a segment of its own that is called ID (`otlp.proto`)
    dead-letters/ID.json      why, when, whose; written last: a letter without it is none
    dead-letters/replay/ID    somebody wants it sent again

The id is the name of the segment a request came in and its number there; so setting it aside again, after a crash,
writes the same letter once more. A replay is asked for by a file, which the running collector finds within a second,
and a stopped one when it starts. The letter stays where it is until its rows are in ClickHouse, under its own id as
the token; whatever crashes in between, it is stored once. A replay that is refused leaves the letter with the new
reason.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import xxhash

from collector import files
from collector.errors import CollectorError
from collector.load import envelope

log = logging.getLogger(__name__)

_BYTES, _REASON, _REPLAY = ".otlp", ".json", "replay"


class LetterError(CollectorError):
    """A dead letter is not there, does not read, or cannot be sent again."""


@dataclass(frozen=True, slots=True)
class Letter:
    """Why a request, or a whole segment, was set aside.

    Attributes:
        id: what it is called.
        reason: the error in a sentence.
        code: ClickHouse's number of the error, 0 for none.
        signal: traces, logs or metrics.
        tenant: whose it is; "" where nobody can tell, or where there are several.
        peer: address of the sender, "" as above.
        received_unix_nano: when it arrived, 0 as above.
        set_aside_unix_nano: when it was set aside, or refused again.
        requests: how many there are in it.
        size: bytes of it.
        checksum: XXH3 of these bytes, in hex.
        stored_in: tables that have its rows all the same, because a table behind them refused.
        damaged: whether the bytes are not those that were acknowledged.
        replays: how often it was sent again and refused.
    """

    id: str
    reason: str
    code: int
    signal: str
    tenant: str = ""
    peer: str = ""
    received_unix_nano: int = 0
    set_aside_unix_nano: int = field(default_factory=time.time_ns)
    requests: int = 1
    size: int = 0
    checksum: str = ""
    stored_in: tuple[str, ...] = ()
    damaged: bool = False
    replays: int = 0


class DeadLetters:
    """The folder. The collector that runs writes letters; others read them and ask for replays."""

    def __init__(self, folder: Path) -> None:
        """Nothing is created before the first letter or request for a replay."""
        self.folder = folder

    def keep(self, letter: Letter, data: bytes) -> None:
        """Set bytes aside, durably: on return the original may be deleted. The same id again replaces the letter.

        Raises:
            OSError: the disk did not take it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        files.write_whole(self.bytes_of(letter.id), data)
        self._write(replace(letter, size=len(data), checksum=_checksum(data)))
        log.error("set aside %s: %s", letter.id, letter.reason)

    def rewrite(self, letter: Letter, data: bytes) -> None:
        """Put other bytes into a letter. What a crash leaves between the two files, rewriting it again mends.

        Raises:
            OSError: the disk did not take it.
        """
        self._write(replace(letter, size=len(data), checksum=_checksum(data)))
        files.write_whole(self.bytes_of(letter.id), data)

    def refused_again(self, letter: Letter, reason: str, code: int) -> None:
        """Write down that a replay was refused, and forget that it was asked for."""
        again = replace(
            letter, reason=reason, code=code, set_aside_unix_nano=time.time_ns(), replays=letter.replays + 1
        )
        self._write(again)
        self.withdraw(letter.id)

    def remove(self, identity: str) -> None:
        """Forget a letter, its replay included. No error if there is none."""
        (self.folder / (identity + _REASON)).unlink(missing_ok=True)
        self.bytes_of(identity).unlink(missing_ok=True)
        self.withdraw(identity)

    def ask_replay(self, letter: Letter) -> None:
        """Ask, durably, that a letter be sent again.

        Raises:
            LetterError: that would not be right.
            OSError: the folder cannot be written.
        """
        if letter.damaged:
            raise LetterError(
                f"{letter.id} cannot be sent again: its bytes are not those that were acknowledged",
                hint=f"look at them with `dead-letters show {letter.id} --raw FILE`",
            )
        if letter.stored_in:
            raise LetterError(
                f"{letter.id} cannot be sent again: {', '.join(letter.stored_in)} has its rows, and would twice",
                hint="mend the view that refused it, and fill the table behind it from there",
            )
        wanted = self.folder / _REPLAY
        wanted.mkdir(exist_ok=True)
        files.write_whole(wanted / letter.id, b"")

    def wanted(self) -> list[str]:
        """Return the ids of letters to be sent again."""
        try:
            return sorted(path.name for path in (self.folder / _REPLAY).iterdir() if not path.suffix)
        except FileNotFoundError:
            return []

    def is_wanted(self, identity: str) -> bool:
        """Tell whether a letter still waits to be sent again."""
        return (self.folder / _REPLAY / identity).exists()

    def withdraw(self, identity: str) -> None:
        """Forget that a replay was asked for."""
        (self.folder / _REPLAY / identity).unlink(missing_ok=True)

    def ids(self) -> list[str]:
        """Return the ids of all letters, the oldest first."""
        return sorted(path.name.removesuffix(_REASON) for path in self.folder.glob("*" + _REASON))

    def get(self, identity: str) -> Letter:
        """Return a letter.

        Raises:
            LetterError: there is none, or its reason does not read.
        """
        path = self.folder / (Path(identity).name + _REASON)  # an id names a file here, and nowhere else
        try:
            content = json.loads(path.read_text())
            return Letter(**content | {"stored_in": tuple(content["stored_in"])})
        except FileNotFoundError as error:
            raise LetterError(f"there is no dead letter {identity}", hint="`dead-letters list` shows all") from error
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise LetterError(
                f"{path} does not read: {error}", hint="its bytes are in the .otlp file beside it"
            ) from error

    def data(self, letter: Letter) -> bytes:
        """Return a letter's bytes.

        Raises:
            LetterError: they are not those that were set aside.
        """
        try:
            data = self.bytes_of(letter.id).read_bytes()
        except OSError as error:
            raise LetterError(f"the bytes of {letter.id} cannot be read: {error.strerror}") from error
        if _checksum(data) != letter.checksum:
            raise LetterError(
                f"the bytes of {letter.id} are not those that were set aside", hint="the disk damaged them"
            )
        return data

    def requests(self, letter: Letter) -> list[envelope.Envelope]:
        """Return the requests of a letter.

        Raises:
            LetterError: its bytes do not read.
        """
        try:
            return [envelope.read(frame) for frame in envelope.frames_of(self.data(letter))]
        except ValueError as error:
            raise LetterError(f"the bytes of {letter.id} do not read: {error}") from error

    def bytes_of(self, identity: str) -> Path:
        """Return where a letter's bytes lie."""
        return self.folder / (identity + _BYTES)

    def _write(self, letter: Letter) -> None:
        files.write_whole(self.folder / (letter.id + _REASON), json.dumps(asdict(letter), indent=1).encode())


def _checksum(data: bytes) -> str:
    return xxhash.xxh3_64_hexdigest(data)
