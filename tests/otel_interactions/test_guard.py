"""Faults of ours."""
# ruff: noqa: ANN002, ANN003, ANN202  functions written as users write them

import pytest

import otel_interactions as oi
from otel_interactions import recorder
from otel_interactions.guard import Guard, guard
from otel_interactions.log import forget_said
from otel_interactions.process import PROCESS


@pytest.fixture(autouse=True)
def as_in_production(monkeypatch):
    """Let faults be swallowed, as they are outside this test suite."""
    monkeypatch.setattr(Guard, "reraise", False)
    forget_said()


def test_a_fault_ends_the_block_and_is_told_once(lines):
    """A fault does not leave the block; the log has it once, with its stack; the count has each."""
    before = PROCESS.counts()[1].get("fault", 0)
    for _ in range(3):
        with guard:
            raise ZeroDivisionError("ours")
    told = [line for line in lines() if "your code runs on" in line]
    assert len(told) == 1
    assert 'raise ZeroDivisionError("ours")' in told[0]
    assert PROCESS.counts()[1]["fault"] == before + 3


def test_a_guarded_function_returns_none_after_a_fault():
    """As a decorator it keeps results and turns faults into None."""

    @guard
    def half(number):
        return number // 2 if number else 1 // number

    assert half(4) == 2
    assert half(0) is None


def test_what_is_no_fault_passes():
    """KeyboardInterrupt and its like pass."""
    with pytest.raises(KeyboardInterrupt), guard:
        raise KeyboardInterrupt


def test_our_tests_see_faults(monkeypatch):
    """With the flag of this test suite a fault passes."""
    monkeypatch.setattr(Guard, "reraise", True)
    with pytest.raises(ZeroDivisionError), guard:
        raise ZeroDivisionError


def test_a_fault_of_ours_does_not_reach_the_application(seen, monkeypatch):
    """Where our innermost part breaks, every function still returns and the application's code runs."""

    def broken(*_args, **_kwargs):
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(recorder.Recorder, "start", broken)

    @oi.tool_call
    def tool(x):
        return x

    with oi.session() as s, oi.assistant_response() as answer:
        assert list(answer.stream(["a"])) == ["a"]
        oi.user_message("Hello")
        oi.error(ValueError())
        assert tool(3) == 3
        with pytest.raises(KeyError), oi.tool_call("x"):
            raise KeyError
    assert s.id
    assert seen.interactions == []
