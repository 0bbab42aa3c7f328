"""One setting as the argument of `configure()`, its environment variable or its default has it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from otel_interactions.errors import ConfigurationError
from otel_interactions.export.transport import GRPC, HTTP
from otel_interactions.settings.table import SETTINGS

TRUE: Final = frozenset({"1", "true", "yes", "on"})
FALSE: Final = frozenset({"0", "false", "no", "off"})

PROTOCOLS: Final = (GRPC, HTTP)
WHEN_FULL: Final = ("drop_oldest", "drop_newest")

DEFAULTS: Final = {row.env[0]: row.default for row in SETTINGS if not row.name}
ROWS: Final = {row.name: row for row in SETTINGS if row.name}


def switch(name: str, argument: bool | None) -> bool:
    """Return the value of an on/off setting.

    Raises:
        ConfigurationError: the argument or the variable is neither on nor off.
    """
    if argument is not None:
        if not isinstance(argument, bool):
            raise ConfigurationError(name, f"{argument!r} is not a bool", "True, False")
        return argument
    variable, text = from_environment(name)
    text = (text or ROWS[name].default).strip().lower()
    if text not in TRUE | FALSE:
        raise ConfigurationError(variable, f"{text!r} is neither on nor off", "true, false, 1, 0, yes, no, on, off")
    return text in TRUE


def protocol(argument: str | None) -> str:
    """Return how to speak to the collector: one of `PROTOCOLS`.

    Raises:
        ConfigurationError: the argument or the variable names another protocol.
    """
    return choice("protocol", argument, PROTOCOLS)


def from_environment(name: str) -> tuple[str, str | None]:
    """Return (variable, its text) of the first variable of a setting that is set; an empty one counts as not set."""
    for variable in ROWS[name].env:
        if text := os.environ.get(variable, "").strip():
            return variable, text
    return name, None


def choice(name: str, argument: str | None, allowed: tuple[str, ...]) -> str:
    """Return the value of a setting that has few.

    Raises:
        ConfigurationError: the argument or the variable is none of them.
    """
    variable, text = (name, argument) if argument is not None else from_environment(name)
    chosen = ROWS[name].default if text is None else text
    if chosen not in allowed:
        raise ConfigurationError(variable, f"{chosen!r} is not supported", ", ".join(allowed))
    return chosen


def whole(name: str, argument: int | None) -> int:
    """Return the value of a setting that is a positive integer.

    Raises:
        ConfigurationError: the argument or the variable is none.
    """
    variable, text = (name, str(argument)) if argument is not None else from_environment(name)
    return positive(variable, text or ROWS[name].default)


def positive(variable: str, text: str) -> int:
    """Return a positive integer.

    Raises:
        ConfigurationError: it is none.
    """
    if not text.isdecimal() or int(text) == 0:
        raise ConfigurationError(variable, f"{text!r} is no count", "an integer from 1")
    return int(text)


def share(name: str, text: str) -> float:
    """Return a number from 0 to 1.

    Raises:
        ConfigurationError: it is none.
    """
    found = number(name, text, "a number from 0 to 1")
    if found > 1:
        raise ConfigurationError(name, f"{text!r} is more than all", "a number from 0 to 1")
    return found


def number(name: str, text: str, allowed: str = "a number from 0") -> float:
    """Return a finite number from 0.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        raise ConfigurationError(name, f"{text!r} is no number", allowed)
    return found


def listed(name: str, argument: Iterable[str] | str | None, allowed: tuple[str, ...]) -> frozenset[str]:
    """Return the members of a setting that is a list; a word for off is none of them, `all` is all.

    Raises:
        ConfigurationError: one is not allowed.
    """
    variable, text = (name, argument) if argument is not None else from_environment(name)
    chosen = ROWS[name].default if text is None else text
    if not isinstance(chosen, Iterable) or not all(isinstance(each, str) for each in chosen):
        raise ConfigurationError(variable, f"{chosen!r} is no list of words", ", ".join((*allowed, "all", "off")))
    members = [each.strip().lower() for each in (chosen.split(",") if isinstance(chosen, str) else chosen)]
    found = {each for each in members if each and each not in FALSE}
    if found == {"all"}:
        return frozenset(allowed)
    if wrong := sorted(found - {*allowed}):
        raise ConfigurationError(variable, f"{wrong[0]!r} is not supported", ", ".join((*allowed, "all", "off")))
    return frozenset(found)


def by_type(
    name: str, argument: Mapping[str, float] | str | None, types: tuple[str, ...]
) -> dict[str, tuple[str, str]]:
    """Return a setting that has a number for each type: (where it stands, its text), by type.

    Raises:
        ConfigurationError: there is no such type, or no number.
    """
    variable, given = (name, argument) if argument is not None else from_environment(name)
    if isinstance(given, Mapping):
        pairs = [(str(kind), str(value)) for kind, value in given.items()]
    elif given is not None and not isinstance(given, str):
        raise ConfigurationError(variable, f"{given!r} is not supported", "numbers by type")
    else:
        pairs = [_pair(variable, each) for each in (given or "").split(",") if each.strip()]
    for kind, _ in pairs:
        if kind not in types:
            raise ConfigurationError(variable, f"{kind!r} is no type of interaction", ", ".join(types))
    return {kind: (variable, text) for kind, text in pairs}


def _pair(variable: str, text: str) -> tuple[str, str]:
    kind, separator, value = text.partition("=")
    if not separator:
        raise ConfigurationError(variable, f"{text.strip()!r} has no number", "type=number, type=number")
    return kind.strip(), value.strip()


def seconds(name: str, argument: float | None) -> float:
    """Return the value of a setting in seconds; 0 where it is off.

    Raises:
        ConfigurationError: it is no time.
    """
    variable, text = (name, str(argument)) if argument is not None else from_environment(name)
    text = text or ROWS[name].default
    return 0.0 if text.strip().lower() in FALSE else number(variable, text, "seconds, off")


def batch(name: str) -> int:
    """Return a setting of OpenTelemetry's batch span processor, `OTEL_BSP_` and this name.

    Raises:
        ConfigurationError: it is no positive integer.
    """
    variable = f"OTEL_BSP_{name}"
    return positive(variable, os.environ.get(variable, "").strip() or DEFAULTS[variable])


def spool_dir(argument: str | os.PathLike[str] | None) -> Path | None:
    """Return the folder of the spool, None if it is switched off."""
    text = os.fspath(argument) if argument is not None else from_environment("spool_dir")[1]
    if text is not None:
        return None if text.strip().lower() in FALSE else Path(text).expanduser()
    state = os.environ.get("XDG_STATE_HOME", "").strip()
    try:
        return (Path(state) if state else Path.home() / ".local" / "state") / "otel-interactions" / "spool"
    except RuntimeError:  # no home directory
        return None


def queue_size() -> int:
    """Return how many spans may wait in memory.

    Raises:
        ConfigurationError: `OTEL_BSP_MAX_QUEUE_SIZE` is no positive integer.
    """
    return batch("MAX_QUEUE_SIZE")
