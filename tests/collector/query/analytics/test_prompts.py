"""The most common questions."""

from __future__ import annotations

import unicodedata
from collections import Counter
from itertools import groupby
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

COLUMNS = ("normalized", "asked", "sessions", "users")


def test_the_same_question(world: Any, make: Any) -> None:
    """Case, white space, digits and punctuation make no other question; letters of any script do."""
    world.happened(
        make(0, "user_message", "a", user="ann", says="What is 12 + 30?"),
        make(9, "user_message", "a", user="ann", says="  what IS 7 + 8\n"),
        make(1, "audio_input", "b", user="bob", says="What is 1+2"),
        make(2, "user_message", "b", says="Straße, bitte!"),
        make(3, "user_message", "b", says="नमस्ते"),
        make(3, "user_message", "b", says="???"),
        make(3, "user_message", "b", says=" "),
        make(3, "user_message", "b"),
        make(4, "assistant_response", "b", role="assistant", says="What is 12 + 30?"),
    )
    world.happened(make(0, "user_message", "a", says="What is 1 + 1?"), tenant=f"{world.tenant}-2")
    first, *others = world.ask("top_prompts")
    assert [first[name] for name in COLUMNS] == ["what is # #", 3, 2, 2]
    assert first["prompt"] in {"What is 12 + 30?", "  what IS 7 + 8\n"}
    assert (first["last_asked_at"].minute, first["last_asked_at"].second) == (0, 9)
    assert [row["normalized"] for row in others] == ["???", "straße bitte", "नमस्ते"]
    assert len(world.ask("top_prompts", limit=2)) == 2


def test_asked_once(world: Any, make: Any) -> None:
    """What is a message and is sent to a model was asked once; where only the call is recorded, that counts."""
    asked = {"gen_ai.operation.name": "chat", "interaction.type": ""}
    world.happened(
        make(0, "user_message", "a", says="hello"),
        make(1, "generation", "a", says="hello", attributes=asked),
        make(2, "generation", "b", says="Hello!", attributes=asked),
        make(3, "generation", "b", role="tool", says="hello", attributes=asked),
    )
    assert world.answers("top_prompts", *COLUMNS) == [("hello", 2, 2, 0)]


def test_long_questions(world: Any, make: Any) -> None:
    """They are compared by how they begin, and shown that far."""
    world.happened(*(make(n, "user_message", says="é" * 1000 + str(n) * 5000) for n in range(2)))
    assert world.answers("top_prompts", "asked", "prompt") == [(2, "é" * 1000)]


def normalized(text: str) -> str:
    """Return what ought to be compared, worked out letter by letter."""
    kinds = [(unicodedata.category(each)[0], each) for each in text.lower()]
    words = "".join(each if kind in "LMN" else " " for kind, each in kinds).split()
    told = " ".join(
        "".join(
            "#" if is_number else "".join(group)
            for is_number, group in groupby(word, lambda each: unicodedata.category(each)[0] == "N")
        )
        for word in words
    )
    return told or text.strip(" ")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.text(st.sampled_from("aAbBéÉßж123٣ .,?!-_\t'#👋\u0301"), min_size=1, max_size=8), min_size=1, max_size=30
    )
)
def test_any_questions(new_world: Any, make: Any, said: list[str]) -> None:
    """They are counted as normalizing them letter by letter does."""
    world = new_world()
    world.happened(*(make(n, "user_message", f"s{n}", says=text) for n, text in enumerate(said)))
    expected = Counter(filter(None, map(normalized, said)))
    assert dict(world.answers("top_prompts", "normalized", "asked", limit=1000)) == expected
