"""A body, in whichever encoding, becomes what the journal takes; and what of it had to be refused."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from collector.errors import Malformed
from collector.receive import otlp_json, oversize, replies
from collector.receive.refusals import Refusals
from collector.receive.salvage import salvage
from collector.receive.validate import VALIDATORS, Accepted
from collector.receive.wire import WIRE
from collector.request import Receipt, Signal

_AT_ONCE = 64 << 10  # bytes walked in Python between two other requests, some 5 ms
# More goes to one thread: a walk holds the interpreter anyway, and what it unfolds in memory is there once, not
# once a request.
_Found = TypeVar("_Found")
_ASIDE = ThreadPoolExecutor(1, "decode")


async def decode(signal: Signal, body: bytes, media: str) -> tuple[Accepted, Receipt]:
    """Return a body as it may be journaled, and how many of its records are refused and why.

    Raises:
        Malformed: it is not a request of this signal in that encoding, or none of its records is usable.
    """
    if media == replies.JSON:
        return await _walk(_json, signal, body)
    try:
        return VALIDATORS[signal](body), Receipt()
    except Malformed as error:
        malformed = error
    found = await _walk(_salvaged, signal, body)
    if found is None:
        raise malformed
    return found


async def shorten(signal: Signal, accepted: Accepted, limit: int) -> Accepted:
    """Cut the texts of more than `limit` bytes. A body smaller than that cannot hold one."""
    if len(accepted.body) <= limit:
        return accepted
    return await _walk(functools.partial(_shortened, limit), signal, accepted.body)


def _shortened(limit: int, signal: Signal, body: bytes) -> Accepted:
    message = WIRE[signal].request.FromString(body)
    oversize.cut(message, limit)
    return VALIDATORS[signal](message.SerializeToString())


async def _walk(walk: Callable[[Signal, bytes], _Found], signal: Signal, body: bytes) -> _Found:
    if len(body) <= _AT_ONCE:
        return walk(signal, body)
    return await asyncio.get_running_loop().run_in_executor(_ASIDE, walk, signal, body)


def _json(signal: Signal, body: bytes) -> tuple[Accepted, Receipt]:
    refusals = Refusals(WIRE[signal].noun)
    message = otlp_json.read(body, WIRE[signal].request, refusals)
    return _kept(signal, message.SerializeToString(), refusals)


def _salvaged(signal: Signal, body: bytes) -> tuple[Accepted, Receipt] | None:
    refusals = Refusals(WIRE[signal].noun)
    kept = salvage(body, WIRE[signal].request, refusals)
    return None if kept is None or not refusals else _kept(signal, kept, refusals)


def _kept(signal: Signal, body: bytes, refusals: Refusals) -> tuple[Accepted, Receipt]:
    accepted = VALIDATORS[signal](body)
    if refusals and not accepted.items:
        raise refusals.malformed()
    return accepted, refusals.receipt
