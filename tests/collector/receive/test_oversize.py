"""Fields beyond the set size are cut and marked; all others stay as they are."""

from __future__ import annotations

import hashlib
import json

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


def test_texts_in_json_are_cut_and_it_still_reads() -> None:
    """A prompt in its messages is cut where it is long; what is short stays, and the whole is JSON as before."""
    messages = [{"role": "user", "parts": [{"type": "text", "content": "ü" * 500}, {"type": "text", "content": "hi"}]}]
    request = traces(span("work", {"gen_ai.input.messages": json.dumps(messages)}))
    cut(request, LIMIT)
    kept = json.loads(request.resource_spans[0].scope_spans[0].spans[0].attributes[0].value.string_value)
    long, short = (part["content"] for part in kept[0]["parts"])
    assert long.startswith("ü" * 50 + "… [cut after 100 of 1000 bytes, sha256 ")
    assert (kept[0]["role"], short) == ("user", "hi")


@pytest.mark.parametrize("text", ["[" * 5000, '{"a": ' + "x" * 200, '["\\ud800", "' + "x" * 200 + '"]'])
def test_what_only_looks_like_json_is_cut_as_text(text: str) -> None:
    request = traces(span("work", {"long": text}))
    cut(request, LIMIT)
    kept = request.resource_spans[0].scope_spans[0].spans[0].attributes[0].value.string_value
    assert kept.startswith(text[:LIMIT] + f"… [cut after 100 of {len(text)} bytes, sha256 ")
