"""The inboxes have a column for each field of the wire: what has none ClickHouse drops without a word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import collector.load

INBOXES = {signal: f"otel.otlp_{signal}" for signal in ("traces", "logs", "metrics")}
TEXT = re.sub(r"//.*", "", Path(collector.load.__file__).with_name("otlp.proto").read_text())
MESSAGES = dict(re.findall(r"message (\w+) \{((?:[^{}]|\{[^{}]*\})*)\}", TEXT))
ENVELOPE = {"segment", "requests", "requests.tenant", "requests.received_unix_nano", "requests.peer"}


def wire(message: str, above: str = "") -> Iterator[str]:
    """Yield the path of each field below a message, and of each oneof, whose column says which member is set."""
    body = MESSAGES[message]
    yield from (above + name for name in re.findall(r"oneof (\w+) \{", body))
    for kind, field in re.findall(r"(\w+) (\w+) = \d+;", body):
        yield above + field
        if kind in MESSAGES:
            yield from wire(kind, f"{above}{field}.")


def elements(inner: str) -> list[str]:
    """Split what stands between a type's brackets at its outer commas."""
    found, depth = [""], 0
    for letter in inner:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            found.append("")
        else:
            found[-1] += letter
    return [each.strip() for each in found]


def stored(kind: str, above: str) -> Iterator[str]:
    """Yield the path of each element of a type."""
    outer, _, inner = kind.removesuffix(")").partition("(")
    if outer == "Array":
        yield from stored(inner, above)
    elif outer == "Tuple":
        for element in elements(inner):
            name, _, below = element.partition(" ")
            path = above + name.strip("`")
            yield path
            yield from stored(below, f"{path}.")


@pytest.mark.parametrize("signal", INBOXES)
def test_each_field_has_a_column(engine: Any, signal: str) -> None:
    """Field for field of load/otlp.proto, oneofs included, and no column without a field.

    Of the envelope the tables keep the tenant, the time and the peer; the rest of it is the journal's own.
    """
    sql = "SELECT name, type FROM system.columns WHERE database = 'otel' AND table = {table:String}"
    columns = engine.ask(sql, table=INBOXES[signal].removeprefix("otel."))
    found = {path for name, kind in columns for path in (name, *stored(kind, f"{name}."))}
    wanted = {path for path in wire("Segment") if path.startswith(f"requests.{signal}")}
    assert len(wanted) > 90
    assert found == wanted | ENVELOPE
