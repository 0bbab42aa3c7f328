"""Text and attribute values of anything."""

import datetime as dt
import decimal
import enum
import hashlib
import json
import pathlib
import uuid
from collections import UserDict, deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common._internal import _encode_value

from otel_interactions import values

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.binary()
    | st.datetimes()
    | st.builds(object),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.frozensets(st.integers()),
)


@settings(deadline=None)
@given(ANYTHING)
def test_json_of_anything_parses_and_can_be_sent(value):
    """Whatever the value, its JSON is valid JSON in valid UTF-8."""
    text = values.as_json(value)
    text.encode()
    json.loads(text, parse_constant=pytest.fail)


@settings(deadline=None)
@given(ANYTHING)
def test_an_attribute_of_anything_can_be_sent(value):
    """Whatever the value, OpenTelemetry's encoder takes what becomes of it."""
    attribute = values.as_attribute(value)
    if attribute is not None:
        _encode_value(attribute).SerializeToString()


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.text(st.characters(exclude_categories=()), max_size=5), st.integers(), max_size=100))
def test_attributes_are_bounded(given_attributes):
    """The application's own attributes are never so many that they push ours off the span."""
    attributes = values.as_attributes(given_attributes)
    assert len(attributes) <= values.MAX_ATTRIBUTES
    for name in attributes:
        assert name.encode()


class Colour(enum.Enum):
    RED = "red"


class Model:
    def model_dump(self):
        return {"a": 1}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        (None, "null"),
        (True, "true"),
        ({"a": (1, 2)}, '{"a":[1,2]}'),
        (dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC), "2026-01-02T03:04:00+00:00"),
        (decimal.Decimal("1.10"), "1.10"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (Colour.RED, "red"),
        (Model(), '{"a":1}'),
        (UserDict(a=1), '{"a":1}'),
        (deque([1, 2]), "[1,2]"),
        ([Colour.RED, Model()], '["red",{"a":1}]'),
        (b"\x00\xff", r"b'\x00\xff'"),
        ([float("inf")], '["inf"]'),
    ],
)
def test_text_of_common_values(value, text):
    """Common kinds of values have the text one expects."""
    assert values.as_text(value) == text


def test_surrogates():
    """A surrogate pair becomes its character, a lone surrogate the replacement character."""
    assert values.clean("a\ud83d\ude00b\ud800") == "a😀b\ufffd"


def marked(text, kept, size):
    """Return a text as it is when cut: how much is kept, how long it was, and the hash of all of it."""
    return (
        f"{kept}… [cut after {size} of {len(text.encode())} bytes, sha256 {hashlib.sha256(text.encode()).hexdigest()}]"
    )


def test_a_cut_is_marked():
    """Text beyond the limit is cut, says how long it was and has its hash; JSON beyond the limit is still JSON."""
    assert values.clean("x" * 30, limit=10) == marked("x" * 30, "x" * 10, 10)
    assert values.clean("ü" * 10, limit=5) == marked("ü" * 10, "üü", 5)
    assert values.clean("ü" * 10, limit=20) == "ü" * 10
    text = json.dumps(["x" * 2 * values.MAX_TEXT])
    assert json.loads(values.as_json(["x" * 2 * values.MAX_TEXT])) == marked(
        text, text[: values.MAX_TEXT], values.MAX_TEXT
    )


def test_a_cut_text_is_cut_once():
    """What has been cut and marked stays as it is; what only ends like that is cut."""
    cut = values.clean("x" * 300, limit=100)
    assert values.clean(cut, limit=100) == cut
    forged = "y" * 1000 + cut[-110:]
    assert values.clean(forged, limit=100) == marked(forged, "y" * 100, 100)


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=()), max_size=20), max_size=20), st.integers(1, 200))
def test_a_text_in_parts(parts, limit):
    """A text that comes in parts is what it would be in one, surrogates and all."""
    values.limit_texts(limit)
    try:
        gathered = values.Gathered()
        for part in parts:
            gathered.append(part)
        text = "".join(parts)
        assert gathered.length == len(text)
        found = values.clean(gathered.text())
        if len(text.encode("utf-8", "surrogatepass")) <= limit:
            assert found == values.clean(text)
        else:
            assert f" of {len(text.encode('utf-8', 'surrogatepass'))} bytes" in found
            assert len(found.encode()) < limit + 200
    finally:
        values.limit_texts(values.MAX_TEXT)


def test_deep_nesting_ends():
    """Nesting beyond what Python's json takes ends in a repr, not in an exception."""
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert values.as_json(deep)
    while deep:
        deep = deep.pop()


def test_lists_of_one_kind_stay_lists():
    """A list OTLP can carry stays one; others become JSON."""
    assert values.as_attribute(["a", "b"]) == ["a", "b"]
    assert values.as_attribute((1, 2)) == [1, 2]
    assert values.as_attribute([1, "a"]) == '[1,"a"]'
    assert values.as_attribute([1 << 70]) == f"[{1 << 70}]"
    assert values.as_attribute([]) == "[]"


def test_a_str_subclass_cannot_lie():
    """Of a subclass of str the real characters are taken."""

    class Lie(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "lie"

    assert values.clean(Lie("truth")) == "truth"
    assert type(values.clean(Lie("truth"))) is str
