"""What is refused alone is found by halves, exactly that, and with few tries."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collector.load.bisection import halves, isolate


class Tries:
    """Refuses every part that holds a poison, and counts."""

    def __init__(self, poison: set[int]) -> None:
        self.poison = poison
        self.parts: list[tuple[int, int]] = []

    def __call__(self, first: int, end: int) -> Exception | None:
        assert first < end
        self.parts.append((first, end))
        return ValueError(first) if any(first <= number < end for number in self.poison) else None


@given(st.integers(1, 300).flatmap(lambda count: st.tuples(st.just(count), st.sets(st.integers(0, count - 1)))))
def test_exactly_the_poison(case: tuple[int, set[int]]) -> None:
    """However many there are and wherever they stand: found are those, in order, each with its own error."""
    count, poison = case
    tries = Tries(poison)
    found = isolate(0, count, tries)
    assert [each.number for each in found] == sorted(poison)
    assert [each.error.args for each in found] == [(number,) for number in sorted(poison)]
    passed = [part for part in tries.parts if not any(part[0] <= number < part[1] for number in poison)]
    assert sum(end - first for first, end in passed) == count - len(poison), "the rest passed once, in parts"


def test_few_tries() -> None:
    """One in a thousand takes two tries a halving, and the same parts every time: after a crash they are the same."""
    first, second = Tries({617}), Tries({617})
    halves(0, 1000, first)
    halves(0, 1000, second)
    assert len(first.parts) <= 20
    assert first.parts == second.parts


def test_a_lone_request_is_tried_again() -> None:
    """Known to be refused with others or not: a lone one is refused only if it is refused alone."""
    tries = Tries(set())
    assert halves(3, 4, tries) == []
    assert tries.parts == [(3, 4)]
    assert isolate(0, 0, tries) == []


def test_too_much_at_once() -> None:
    """What is refused as a whole but passes in parts is nobody's fault."""
    assert isolate(0, 8, lambda first, end: ValueError() if end - first > 2 else None) == []
