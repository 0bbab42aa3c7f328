"""Texts without what identifies people: found by shape, by the name of its field, or by the application's own function.

JSON text is taken apart and put together again, so that it stays JSON whatever is taken out.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from otel_interactions.log import say_once
from otel_interactions.privacy.disguises import Plain, may_be_disguised
from otel_interactions.privacy.patterns import FINDERS, SECRET_NAME, Finder
from otel_interactions.process import PROCESS
from otel_interactions.values import CUT, MAX_DEPTH, as_text

FAILED: Final = "[redaction failed]"
TOKEN: Final = "[token]"  # noqa: S105  none itself
Custom = Callable[[str, str], str]
"""A function of the application: (name of the attribute, text) to the text that may leave."""


class Redactor:
    """Takes out what may not leave.

    Args:
        kinds: what to look for, by the names of `FINDERS`.
        patterns: the application's own shapes, by the word that stands in their place.
        functions: the application's own functions; they get what is left by the rest.
    """

    def __init__(
        self,
        kinds: Iterable[str],
        patterns: Mapping[str, re.Pattern[str]] | None = None,
        functions: Sequence[Custom] = (),
    ) -> None:
        wanted = frozenset(kinds)
        found = [finder for kind, finders in FINDERS.items() if kind in wanted for finder in finders]
        own = [Finder(f"[{mark}]", pattern, pattern) for mark, pattern in (patterns or {}).items()]
        self._finders, self._functions = (*own, *found), tuple(functions)
        self._by_name = "tokens" in wanted
        self._names: dict[str, str] = {}

    def name(self, name: str) -> str:
        """Return an attribute's name without what may not leave: who makes names of data may make one of an address."""
        if name not in self._names:
            if len(self._names) >= _NAMES:
                self._names.clear()
            self._names[name] = self._without(name)
        return self._names.get(name) or self._without(name)  # another thread may have cleared them

    def value(self, name: str, value: Any) -> Any:
        """Return an attribute's value without what may not leave; what fails is not sent at all."""
        try:
            return self._value(name, value)
        except Exception as error:  # noqa: BLE001  functions of the application may raise anything
            PROCESS.fail_redaction()
            say_once(
                "redaction",  # not by name: an application may name attributes by its data
                logging.ERROR,
                "redacting %s failed, so its value is not sent: %s (said once; status() counts)",
                name or "a name",
                type(error).__qualname__,
            )
            return FAILED

    def _value(self, name: str, value: Any) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, bytes):
            value = value.decode(errors="replace")
        if isinstance(value, str):
            return self._json(name, value) if _JSON.match(value) else self._text(name, value)
        if isinstance(value, int | float):
            return self._number(name, value)
        if isinstance(value, list | tuple) and not any(isinstance(each, list | tuple | Mapping) for each in value):
            kept = [self._value(name, each) for each in value]
            as_they_were = all(type(each) is type(before) for each, before in zip(kept, value, strict=True))
            return kept if as_they_were else [as_text(each) for each in kept]  # OTLP's lists have one kind
        return self._json(name, as_text(value))  # nobody but our own spans takes what is nested

    def _text(self, name: str, text: str) -> str:
        if self._by_name and text and SECRET_NAME.fullmatch(name):
            return TOKEN
        text = self._without(text)
        for function in self._functions:
            text = function(name, text)
            if not isinstance(text, str):
                raise TypeError(f"{function!r} returned {type(text).__name__}, not str")
        return text

    def _without(self, text: str) -> str:
        """Return a text without what is found in it, as it stands there and as a reader sees it."""
        text = _to_the_last_whole_word(text) if self._finders and CUT in text else text
        for finder in self._finders:
            text = finder.replaced(text)
        if not may_be_disguised(text):
            return text
        plain = Plain(text)
        if plain.text == text:
            return text
        for finder in self._finders:
            if spans := list(finder.spans(plain.text)):
                text = finder.put(text, [(plain.place(start), plain.place(end)) for start, end in spans])
                plain = Plain(text)
        return text

    def _json(self, name: str, text: str) -> str:
        try:
            found = json.loads(text, object_pairs_hook=_object)
        except (ValueError, RecursionError):  # it only looked like JSON, or has one name twice
            return self._text(name, text)
        if isinstance(found, str | list | dict):
            clean = self._members(name, found, MAX_DEPTH * 2)
            return text if clean == found else json.dumps(clean, ensure_ascii=False, separators=(",", ":"))
        return self._text(name, text)

    def _members(self, name: str, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self._json(name, value) if _NESTED.match(value) and depth else self._text(name, value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self._number(name, value)
        if isinstance(value, list | dict) and not depth:
            return FAILED
        if isinstance(value, list):
            return [self._members(name, each, depth - 1) for each in value]
        if isinstance(value, dict):
            return unmixed((self._text("", key), self._members(key, each, depth - 1)) for key, each in value.items())
        return value

    def _number(self, name: str, value: float) -> Any:
        """Return a number, or what stands in its place: a card number may be one."""
        text = str(value)
        redacted = TOKEN if self._by_name and SECRET_NAME.fullmatch(name) else self._without(text)
        return value if redacted == text else redacted


def _to_the_last_whole_word(text: str) -> str:
    """Return a text that was cut without its last word: no finder knows the beginning of an address, or of a number."""
    at = text.rfind(CUT)
    before = max(0, at - _LONG)
    return text[:before] + _LAST_WORD.sub("", text[before:at]) + text[at:]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name that is there twice would hide a value")
    return found


def unmixed(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object whose names may have become the same, with all its values."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        name, number = key, 2
        while name in found:
            name, number = f"{key} {number}", number + 1
        found[name] = value
    return found


_LONG: Final = 100  # characters of a last word that go
_LAST_WORD: Final = re.compile(r"(?:\+?\d[\d ()/.-]*|[^\s\"',;<>]+)\Z")
_NAMES: Final = 4096  # of attributes, whose redaction is remembered
_JSON: Final = re.compile(r"\s*[\[{\"]")
_NESTED: Final = re.compile(r"\s*[\[{]")
