"""Everything that can go wrong in the collector, by the one question that matters to whoever asked.

CollectorError
+-- StartError            the collector cannot start; the operator reads `hint`; exit code 2
+-- Refused               a request is not accepted; nothing of it is stored
|   +-- Permanent         sending it again will not help
|   |   +-- Malformed             not what its content type says
|   |   +-- TooLarge              over the size limit, counted after decompression
|   |   +-- UnsupportedMedia      a content type or encoding nobody here reads
|   |   +-- NotFound              no such path
|   |   `-- MethodNotAllowed      the path exists, the verb does not
|   `-- Retryable         not now: send it again
`-- SegmentDamaged        a journal segment does not read back as it was written
"""

from __future__ import annotations

from collections.abc import Sequence


class CollectorError(Exception):
    """Base of all: a sentence, and in `hint` what to do about it (may be empty)."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        """Return the sentence with its hint."""
        message = super().__str__()
        return f"{message}; hint: {self.hint}" if self.hint else message


class StartError(CollectorError):
    """The collector cannot start: a setting, a port or a data directory is not as it must be."""


class Refused(CollectorError):
    """A request is not accepted; nothing of it is stored."""


class Permanent(Refused):
    """Sending the same request again will not help."""


class Malformed(Permanent):
    """The body is not what its content type or encoding says.

    `violations` are pairs of a field's path in the body and what is wrong with it; () if it is the body as a whole.
    """

    def __init__(self, message: str, *, hint: str = "", violations: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message, hint=hint)
        self.violations = violations


class TooLarge(Permanent):
    """The body passes the size limit, counted after decompression (OTLP 1.11)."""


class UnsupportedMedia(Permanent):
    """A content type or content encoding the receiver does not read."""


class NotFound(Permanent):
    """No such path."""


class MethodNotAllowed(Permanent):
    """The path exists, the HTTP method does not fit it."""


class Retryable(Refused):
    """Not now; the sender keeps the data and sends it again, after `retry_after` seconds if that is known."""

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class SegmentDamaged(CollectorError):
    """A journal segment does not read back as it was written."""
