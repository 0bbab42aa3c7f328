"""Which pages in browsers may send to us: those of the origins an operator lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_DAY = 86_400  # seconds a browser may remember the answer; it caps that at two hours or so


def options(origins: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of Starlette's CORSMiddleware.

    Credentials (cookies, and all of `navigator.sendBeacon`) are for origins listed by name, never for a bare `*`.
    Any header may be sent: exporters let people add their own.
    """
    return {
        "allow_origins": origins,
        "allow_methods": ["GET", "POST"],
        "allow_headers": ["*"],
        "allow_credentials": "*" not in origins,
        "expose_headers": ["Retry-After"],
        "max_age": _DAY,
    }
