"""Exceptions as attributes."""
# ruff: noqa: ANN202, ANN204  functions written as users write them

from otel_interactions import failures


def test_an_exception_that_cannot_print_itself():
    """Where str() of an exception raises, its type is still recorded."""

    class Broken(Exception):
        def __str__(self):
            raise RuntimeError

    failure = failures.of_exception(Broken())
    assert failure.type.endswith("Broken")
    assert failure.message


def test_a_long_stack_keeps_its_end():
    """Of a stack too long to send the innermost frames are kept."""

    def deeper(n):
        if n:
            deeper(n - 1)
        raise ValueError("bottom " + "x" * failures.MAX_STACK)

    try:
        deeper(5)
    except ValueError as error:
        failure = failures.of_exception(error)
    assert len(failure.stack) < failures.MAX_STACK + 100
    assert failure.stack.rstrip().endswith("xxx")


def test_causes_are_in_the_stack():
    """The exceptions that led to an exception are in its stack."""
    try:
        try:
            raise KeyError("inner")  # noqa: TRY301  the point of the test
        except KeyError as inner:
            raise ValueError("outer") from inner
    except ValueError as error:
        stack = failures.of_exception(error).stack
    assert "KeyError: 'inner'" in stack
    assert "direct cause" in stack
