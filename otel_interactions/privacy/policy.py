"""Who has agreed to be known, and what becomes of the attributes of those who have not."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from otel_interactions import conventions as names
from otel_interactions.log import say_once
from otel_interactions.privacy.anonymity import ADDRESSES, IDS, anonymous, is_pseudonym, pseudonym
from otel_interactions.privacy.content import is_content
from otel_interactions.privacy.patterns import FINDERS
from otel_interactions.privacy.redactor import Redactor, unmixed
from otel_interactions.values import AttributeValue

FULL: Final = "full"
METADATA: Final = "metadata"
NONE: Final = "none"

_OURS: Final = frozenset({names.TYPE, names.SERVICE_INSTANCE_ID, names.SEQUENCE, names.SESSION_ID, names.USER_ID})
"""What says which interaction this is: never taken for a phone number."""


_asking: Final = ContextVar("otel_interactions_asking", default=False)
"""Whether the application is being asked: the spans of its database ask again."""


class Person(Protocol):
    """Whose interactions these are: a session."""

    id: str
    consent: bool | None
    user_id: str | None

    def marks(self) -> dict[str, AttributeValue]:
        """Return the attributes that name them, as they may leave."""


@dataclass(frozen=True, slots=True)
class Privacy:
    """What may leave the process.

    Attributes:
        key: of the hashes that stand for the ids of who has not agreed.
        everybody: whether all are anonymous, whatever they said.
        required: whether who has said nothing is anonymous.
        agreed: what a user said, by the application's own records; asked where the session does not say.
        content: `full`, `metadata` or `none`.
        redactor: for what those say who have agreed; None for nothing to take out.
        strict: for the others.
    """

    key: bytes
    everybody: bool = False
    required: bool = False
    agreed: Callable[[str], bool | None] | None = None
    content: str = FULL
    redactor: Redactor | None = None
    strict: Redactor = field(default_factory=lambda: Redactor(FINDERS))

    def is_anonymous(self, person: Person | None) -> bool:
        """Tell whether somebody is not to be known; so is who is not known to have agreed, where that is required."""
        if self.everybody or person is None:
            return self.everybody or self.required
        consent = person.consent
        if consent is None and person.user_id is not None and self.agreed is not None:
            consent = self._asked(self.agreed, person.user_id)
        if consent is None:
            return self.required or is_pseudonym(person.id)
        return consent != 1  # neither a word nor what an `async def` returns is an agreement

    @staticmethod
    def _asked(agreed: Callable[[str], bool | None], user_id: str) -> bool | None:
        """Return what the application knows; nobody has agreed whom it is about to ask after in its own database."""
        if _asking.get():
            return False
        token = _asking.set(True)
        try:
            return agreed(user_id)
        except Exception as error:  # noqa: BLE001  the application's own function
            say_once("consent", logging.ERROR, "consent=... failed, so who it is asked of stays anonymous: %r", error)
            return False
        finally:
            _asking.reset(token)

    @property
    def changes(self) -> bool:
        """Whether attributes change of those, too, who have agreed to be known."""
        return self.redactor is not None or self.content != FULL

    def pseudonym(self, text: str) -> str:
        """Return the name under which an anonymous session or user is recorded."""
        return pseudonym(self.key, text)

    def attributes(self, given: Mapping[str, Any], *, hidden: bool) -> dict[str, Any]:
        """Return attributes as they may leave.

        Args:
            given: clean ones.
            hidden: whether they are somebody's who is anonymous.
        """
        redactor = self.strict if hidden else self.redactor
        if redactor is None and self.content != NONE:
            return dict(given)
        found = {name: value for name, value in given.items() if name != names.TEXT_LENGTH or self.content != NONE}
        if hidden:
            found = {name: anonymous(self.key, name, value) for name, value in found.items()}
        if redactor is None:
            return found
        kept = _OURS | IDS | ADDRESSES if hidden else _OURS
        return unmixed(
            (redactor.name(name), value if name in kept else redactor.value(name, value))
            for name, value in found.items()
        )

    def foreign(self, given: Mapping[str, Any], *, hidden: bool) -> dict[str, Any]:
        """Return attributes of another instrumentation's span as they may leave."""
        if self.content != FULL:
            given = {name: value for name, value in given.items() if not is_content(name)}
        return self.attributes(given, hidden=hidden)

    def text(self, given: str, *, hidden: bool) -> str:
        """Return a text that is no attribute, a span's name, as it may leave."""
        redactor = self.strict if hidden else self.redactor
        return given if redactor is None else redactor.value("", given)

    def hides(self, given: Mapping[str, Any]) -> bool:
        """Tell whether another instrumentation's span is somebody's who is anonymous."""
        marked = given.get(names.ANONYMOUS)
        return marked is True or self.everybody or (self.required and names.SESSION_ID not in given)


DEFAULT: Final = Privacy(key=os.urandom(32))
"""What holds where nothing is configured: nothing is taken out, but who says no is anonymous."""
