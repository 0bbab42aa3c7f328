"""What is recorded and what may leave: settings made into `Switches` and `Privacy`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, get_args

from otel_interactions.conventions import Kind
from otel_interactions.errors import ConfigurationError
from otel_interactions.privacy.patterns import FINDERS
from otel_interactions.privacy.policy import DEFAULT, FULL, METADATA, NONE, Privacy
from otel_interactions.privacy.redactor import Custom, Redactor
from otel_interactions.settings.reading import (
    FALSE,
    ROWS,
    TRUE,
    by_type,
    choice,
    from_environment,
    listed,
    number,
    share,
    switch,
)
from otel_interactions.switches import EVERY, SEVERITIES, SOURCES, Bucket, Switches

_CONTENT: Final = (FULL, METADATA, NONE)
_NEEDED: Final = {
    "redact_patterns": "regular expressions by the word that stands for what they match",
    "redact_functions": "a list of functions",
    "hash_key": "a text",
}
_KINDS: Final = tuple(FINDERS)


def switches(
    min_severity: str | None,
    disabled_sources: Iterable[str] | str | None,
    sample_rates: Mapping[str, float] | str | None,
    rate_limits: Mapping[str, float] | str | None,
) -> Switches | None:
    """Return which interactions are recorded; None for all.

    Raises:
        ConfigurationError: a setting has a value it cannot have.
    """
    types = (*get_args(Kind), EVERY)
    limits = {kind: number(*each) for kind, each in by_type("rate_limits", rate_limits, types).items()}
    if (for_others := limits.pop(EVERY, None)) is not None:
        limits = {**dict.fromkeys(get_args(Kind), for_others), **limits}
    found = Switches(
        min_severity=choice("min_severity", min_severity, SEVERITIES),
        disabled_sources=listed("disabled_sources", disabled_sources, SOURCES),
        sample_rates={kind: share(*each) for kind, each in by_type("sample_rates", sample_rates, types).items()},
        buckets={kind: Bucket(limit) for kind, limit in limits.items()},
    )
    return found if found.are_set else None


def privacy(
    *,
    capture_content: bool | str | None,
    anonymous: bool | None,
    require_consent: bool | None,
    consent: Callable[[str], bool | None] | None,
    hash_key: str | None,
    redact: Iterable[str] | str | None,
    redact_patterns: Mapping[str, str | re.Pattern[str]] | None,
    redact_functions: Sequence[Custom],
) -> Privacy:
    """Return what may leave the process.

    Raises:
        ConfigurationError: a setting has a value it cannot have.
    """
    kinds = listed("redact", redact, _KINDS)
    for name, given, kind in (
        ("redact_patterns", redact_patterns, Mapping | None),
        ("redact_functions", redact_functions, Iterable),
        ("hash_key", hash_key, str | None),
    ):
        if not isinstance(given, kind):
            raise ConfigurationError(name, f"{type(given).__name__} is not supported", _NEEDED[name])
    patterns = {mark: _pattern(mark, each) for mark, each in (redact_patterns or {}).items()}
    functions = tuple(redact_functions)
    for name, each in [("consent", consent), *(("redact_functions", each) for each in functions)]:
        if each is not None and not callable(each):
            raise ConfigurationError(name, f"{each!r} cannot be called", "a function")
        if inspect.iscoroutinefunction(each):
            raise ConfigurationError(name, f"{each!r} has to be awaited", "a function that is no coroutine")
    key = hash_key if hash_key is not None else from_environment("hash_key")[1]
    return Privacy(
        key=key.encode() if key else DEFAULT.key,
        everybody=switch("anonymous", anonymous),
        required=switch("require_consent", require_consent),
        agreed=consent,
        content=content(capture_content),
        redactor=Redactor(kinds, patterns, functions) if kinds or patterns or functions else None,
        strict=Redactor(_KINDS, patterns, functions),
    )


def content(argument: bool | str | None) -> str:
    """Return how much of what was said is recorded: `full`, `metadata` or `none`.

    Raises:
        ConfigurationError: the argument or the variable is none of them.
    """
    if isinstance(argument, bool):
        return FULL if argument else METADATA
    variable, text = ("capture_content", argument) if argument is not None else from_environment("capture_content")
    if text is not None and not isinstance(text, str):
        raise ConfigurationError(variable, f"{text!r} is not supported", ", ".join(_CONTENT))
    chosen = (text or ROWS["capture_content"].default).strip().lower()
    if chosen in TRUE | FALSE:
        return FULL if chosen in TRUE else METADATA
    if chosen not in _CONTENT:
        raise ConfigurationError(variable, f"{chosen!r} is not supported", ", ".join((*_CONTENT, "true", "false")))
    return chosen


def _pattern(mark: str, given: str | re.Pattern[str]) -> re.Pattern[str]:
    try:
        found = re.compile(given)
    except (re.error, TypeError) as error:
        raise ConfigurationError(
            "redact_patterns", f"{mark}: {error}", "regular expressions of Python's `re`"
        ) from error
    if found.search(""):
        raise ConfigurationError(
            "redact_patterns", f"{mark}: {found.pattern!r} matches nothing at all", "a pattern of something"
        )
    return found
