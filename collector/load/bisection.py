"""The requests of a segment that are refused alone are found by halves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that is refused alone, by its number in the segment, and with what error."""

    number: int
    error: Exception


Attempt = Callable[[int, int], Exception | None]
"""Tries the requests from one number up to, but not including, another; returns the error if they are refused."""


def isolate(first: int, end: int, attempt: Attempt) -> list[Refusal]:
    """Return what is refused alone of the requests from `first` up to `end`: the whole is tried first, then its halves.

    What is refused together while each part of it passes is none of these.
    """
    error = attempt(first, end) if first < end else None
    if error is None:
        return []
    if end - first == 1:
        return [Refusal(first, error)]
    return halves(first, end, attempt)


def halves(first: int, end: int, attempt: Attempt) -> list[Refusal]:
    """Do the same where the whole is known to be refused; a lone request is tried again."""
    if end - first == 1:
        return isolate(first, end, attempt)
    middle = (first + end) // 2
    return isolate(first, middle, attempt) + isolate(middle, end, attempt)
