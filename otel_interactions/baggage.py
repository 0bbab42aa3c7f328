"""Session and user in W3C baggage: sent along to other services, and taken from what they send."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from opentelemetry.baggage import get_baggage, remove_baggage, set_baggage
from opentelemetry.context import Context

from otel_interactions import conventions as names
from otel_interactions.privacy.anonymity import is_pseudonym
from otel_interactions.recorder import Recorder
from otel_interactions.values import AttributeValue, clean

SESSION: Final = "session"
USER: Final = "user"
_NAMES: Final = {SESSION: names.SESSION_ID, USER: names.USER_ID}
_MOST: Final = 256  # bytes of an id another service may send


def carried(marks: Mapping[str, AttributeValue], recorder: Recorder | None, context: Context) -> Context:
    """Return a Context whose baggage has the ids that go to other services."""
    another = get_baggage(names.SESSION_ID, context) != marks[names.SESSION_ID]
    for each in () if recorder is None else recorder.propagates:
        name = _NAMES[each]
        if name not in marks:
            context = remove_baggage(name, context) if another else context  # the user of a session around this one
        elif get_baggage(name, context) != marks[name]:
            context = set_baggage(name, marks[name], context)
    return context


def brought(recorder: Recorder | None, context: Context | None) -> dict[str, AttributeValue]:
    """Return the ids another service sent along, as attributes of a span: what is said there is nobody's agreement."""
    if recorder is None or not recorder.propagates:
        return {}
    found = {_NAMES[each]: get_baggage(_NAMES[each], context) for each in recorder.propagates}
    ids = {name: clean(value, _MOST) for name, value in found.items() if isinstance(value, str) and value}
    privacy = recorder.privacy
    if ids and (privacy.is_anonymous(None) or is_pseudonym(ids.get(names.SESSION_ID, ""))):
        return {names.ANONYMOUS: True, **{name: privacy.pseudonym(each) for name, each in ids.items()}}
    return {**ids}


def session_id_in_baggage(context: Context | None = None) -> str | None:
    """Return the id of the session another service sent along, to be resumed here; None if it sent none.

    Args:
        context: an OpenTelemetry Context to look in instead of the current one.
    """
    found = get_baggage(names.SESSION_ID, context)
    return clean(found, _MOST) if isinstance(found, str) and found else None
