"""Values of attributes without what may not leave."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_interactions.privacy.patterns import FINDERS
from otel_interactions.privacy.redactor import FAILED, Redactor
from otel_interactions.process import PROCESS
from otel_interactions.values import clean

ALL = Redactor(FINDERS)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Count from zero."""
    PROCESS.renew()
    yield
    PROCESS.renew()


def test_json_stays_json() -> None:
    """Within JSON each text is looked at for itself, and what was escaped in it, too."""
    given_ = {"a": ["line\nbob@example.com", {"b": '"x@example.com"'}], "n": 7, "t": True, "none": None}
    found = json.loads(ALL.value("gen_ai.input.messages", json.dumps(given_)))
    assert found == {"a": ["line\n[email]", {"b": '"[email]"'}], "n": 7, "t": True, "none": None}
    escaped = '["bob\\u0040example.com"]'
    assert json.loads(ALL.value("a", escaped)) == ["[email]"]


def test_json_in_json() -> None:
    """Arguments of a tool are JSON text in JSON text."""
    inner = json.dumps({"to": "bob@example.com", "password": "x"})
    found = json.loads(ALL.value("a", json.dumps([{"arguments": inner}])))
    assert json.loads(found[0]["arguments"]) == {"to": "[email]", "password": "[token]"}


def test_what_is_not_changed_stays_as_it_is_written() -> None:
    """JSON without anything to take out keeps its very spelling."""
    text = '{ "a" :  [1.50, "b\\u00fc"] }'
    assert ALL.value("a", text) == text


@pytest.mark.parametrize(
    "text", ["[not json bob@example.com", '{"a": bob@example.com', "[" * 100_000 + "bob@example.com"]
)
def test_what_only_looks_like_json(text: str) -> None:
    """It is a text like any other."""
    assert ALL.value("a", text).endswith("[email]")


def test_json_that_is_too_deep() -> None:
    """What is nested deeper than anybody looks is not sent."""
    deep = "[" * 60 + '"bob@example.com"' + "]" * 60
    assert "bob" not in ALL.value("a", deep)
    assert FAILED in ALL.value("a", deep)


@given(JSON)
def test_any_json(value: Any) -> None:
    """Whatever is taken out, what is left is JSON of the same shape."""
    text = json.dumps([value])
    found = json.loads(ALL.value("a", text))
    assert isinstance(found, list)


def test_secrets_by_name() -> None:
    """The value of a field whose name says that it is a secret goes, whatever it looks like."""
    found = json.loads(
        ALL.value("a", json.dumps({"password": "abc", "db_password": "d", "user": {"apiKey": "e"}, "pin": 1234}))
    )
    assert found == {"password": "[token]", "db_password": "[token]", "user": {"apiKey": "[token]"}, "pin": "[token]"}
    assert ALL.value("http.request.header.authorization", "anything") == "[token]"
    assert ALL.value("gen_ai.usage.input_tokens", 7) == 7
    assert ALL.value("app.tokenizer", "bpe") == "bpe"


@pytest.mark.parametrize("name", ["newPassword", "password2", "password_confirmation", "pw", "Set-Cookie", "x-api-key"])
def test_names_of_secrets(name: str) -> None:
    """However it is written."""
    assert json.loads(ALL.value("a", json.dumps({name: "abc"}))) == {name: "[token]"}


@pytest.mark.parametrize(
    ("value", "left"),
    [
        (b"bob@example.com", "[email]"),
        ({"to": "bob@example.com"}, '{"to":"[email]"}'),
        ([["bob@example.com"]], '[["[email]"]]'),
        (['{"to": "bob\\u0040example.com"}'], ['{"to":"[email]"}']),
        (4111111111111111, "[card]"),
        ([4111111111111111, 7], ["[card]", "7"]),
        (' {"to": "bob\\u0040example.com"}', '{"to":"[email]"}'),
        ('{"to": "bob@example.com", "to": "x"}', '{"to": "[email]", "to": "x"}'),
        ('{"a@example.com": 1, "b@example.com": 2}', '{"[email]":1,"[email] 2":2}'),
    ],
)
def test_wherever_it_is(value: Any, left: Any) -> None:
    """In bytes, in numbers, nested, in JSON in lists, behind a space, under a name that is there twice."""
    assert ALL.value("a", value) == left


def test_numbers() -> None:
    """A card's number may be a number."""
    assert json.loads(ALL.value("a", '{"card": 4111111111111111, "n": 12}')) == {"card": "[card]", "n": 12}


@pytest.mark.parametrize("secret", ["jane.doe@example.com", "4111 1111 1111 1111", "+49 (0)221 123-4567"])
def test_texts_that_were_cut(secret: str) -> None:
    """Whatever of it was left at the end goes; the mark stays, and so does the rest."""
    text = f"the answer is {secret} as ever"
    for length in range(20, 14 + len(secret)):
        cut = clean(text, length)
        for given_ in (cut, json.dumps([{"content": cut}], ensure_ascii=False)):
            found = ALL.value("a", given_)
            assert "the answer is … [cut after" in found
            assert found.count(cut[-64:]) == 1


def test_lists() -> None:
    """Each member of a list is a text."""
    assert ALL.value("a", ["x", "bob@example.com"]) == ["x", "[email]"]
    assert ALL.value("a", (1, 2)) == [1, 2]
    for value in (1, 2.5, True, None):
        assert ALL.value("a", value) is value


def test_own_patterns_and_functions() -> None:
    """The application's own come with the rest; a function gets what is left, and the attribute's name."""
    seen = []

    def shout(name: str, text: str) -> str:
        seen.append((name, text))
        return text.upper()

    redactor = Redactor(["emails"], {"employee": re.compile(r"E-\d{4}")}, [shout])
    assert redactor.value("a.b", "E-1234 bob@example.com") == "[EMPLOYEE] [EMAIL]"
    assert seen == [("a.b", "[employee] [email]")]


@pytest.mark.parametrize("broken", [lambda *_: 1 / 0, lambda *_: None, lambda text: text])
def test_failing_closed(broken: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Where a function raises, or does not return a text, nothing of the value leaves; it is counted, and said once."""
    redactor = Redactor([], {}, [broken])
    assert redactor.value("app.note", "the secret") == FAILED
    assert redactor.value("app.note", '["the secret"]') == FAILED
    assert redactor.value("app.note", ["the secret"]) == FAILED
    assert PROCESS.counts()[3] == 3
    assert "the secret" not in caplog.text
    assert len([each for each in caplog.records if "app.note" in each.getMessage()]) <= 1
