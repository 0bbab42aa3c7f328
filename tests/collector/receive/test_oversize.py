"""Fields beyond the set size are cut and marked; all others stay as they are."""

from __future__ import annotations

import hashlib

import pytest
from otlp_builders import log_record, logs, span, traces

from collector.receive.oversize import cut

LIMIT = 100


@pytest.mark.parametrize(
    "text", ["x" * 1000, "ü" * 90, "€" * 51, "x" * 99 + "€"], ids=["ascii", "2", "3", "straddling"]
)
def test_a_long_text_keeps_its_beginning_its_length_and_its_hash(text: str) -> None:
    request = traces(span("work", {"long": text}))
    cut(request, LIMIT)
    kept = request.resource_spans[0].scope_spans[0].spans[0].attributes[0].value.string_value
    start, marker = kept.split("… ")
    raw = text.encode()
    assert text.startswith(start)
    assert LIMIT - 3 <= len(start.encode()) <= LIMIT
    assert marker == f"[cut after 100 of {len(raw)} bytes, sha256 {hashlib.sha256(raw).hexdigest()}]"


def test_everything_within_the_limit_is_left_alone() -> None:
    request = traces(span("w" * LIMIT, {"a": "x" * LIMIT, "b": b"y" * LIMIT, "c": [1, {"d": "ü" * 50}]}))
    before = request.SerializeToString()
    cut(request, LIMIT)
    assert request.SerializeToString() == before


def test_any_depth_any_place() -> None:
    """Nested values, bytes, names, bodies of log records, resources."""
    long = "x" * (LIMIT + 1)
    request = logs(
        log_record({"deep": [[{"er": long}]]}, {"bytes": long.encode()}, event_name=long), resource={"r": long}
    )
    cut(request, LIMIT)
    text = str(request)
    assert text.count("[cut after 100 of 101 bytes") == 4
    assert long not in text
