"""Everything that can go wrong in the collector, by the one question that matters to whoever asked.

CollectorError
+-- StartError            the collector cannot start; the operator reads `hint`; exit code 2
+-- Refused               a request is not accepted; nothing of it is stored
|   +-- Permanent         sending it again will not help
|   |   +-- Malformed             not what its content type says
|   |   +-- TooLarge              over the size limit, counted after decompression
|   |   +-- KeyReused             another body came under the same Idempotency-Key
|   |   +-- UnsupportedMedia      a content type or encoding nobody here reads
|   |   +-- NotFound              no such path
|   |   +-- MethodNotAllowed      the path exists, the verb does not
|   |   +-- Unauthenticated       no key, or none that is known
|   |   `-- Forbidden             the key is known, its scopes do not reach this
|   `-- Retryable         not now: send it again
+-- SegmentDamaged        a journal segment does not read back as it was written
`-- Broken                a part the collector cannot do without has ended; exit code 1
"""

from __future__ import annotations

from collections.abc import Sequence


def first_line(error: BaseException) -> str:
    """Return what an exception says, as far as a sentence can hold it; its name if it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:500]


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
    """A request is not accepted; nothing of it is stored. It is counted under its `reason`, one word."""

    reason: str


class Permanent(Refused):
    """Sending the same request again will not help."""


class Malformed(Permanent):
    """The body is not what its content type or encoding says.

    `violations` are pairs of a field's path in the body and what is wrong with it; () if it is the body as a whole.
    """

    reason = "malformed"

    def __init__(self, message: str, *, hint: str = "", violations: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message, hint=hint)
        self.violations = violations


class TooLarge(Permanent):
    """The body passes the size limit, counted after decompression (OTLP 1.11)."""

    reason = "too_large"


class KeyReused(Permanent):
    """Another body was accepted under the Idempotency-Key of this one."""

    reason = "key_reused"


class UnsupportedMedia(Permanent):
    """A content type or content encoding the receiver does not read."""

    reason = "unsupported_media"


class NotFound(Permanent):
    """No such path."""

    reason = "not_found"


class MethodNotAllowed(Permanent):
    """The path exists, the HTTP method does not fit it."""

    reason = "method_not_allowed"


class Unauthenticated(Permanent):
    """No key came with the request, or none that is known; which of its parts is wrong is never told."""

    reason = "unauthenticated"


class Forbidden(Permanent):
    """The key is known, but its scopes or its tenant do not reach this."""

    reason = "forbidden"


class Retryable(Refused):
    """Not now; the sender keeps the data and sends it again.

    Attributes:
        retry_after: seconds after which it is likely to pass; None where nobody can tell.
    """

    def __init__(
        self, message: str, *, hint: str = "", retry_after: float | None = None, reason: str = "unavailable"
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after
        self.reason = reason


class SegmentDamaged(CollectorError):
    """A journal segment does not read back as it was written."""


class Broken(CollectorError):
    """A part the collector cannot do without has ended by an exception nobody expected."""
