"""Pages of a long list, the newest first: looked for in the last day, then in the last eight, and so on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from collector.query.api.asking import SECOND, Api, Row
from collector.query.api.cursors import Place
from collector.query.reader import Span
from collector.query.viewer import Viewer

_DAY: Final = 86_400 * SECOND
_REACHES: Final = (_DAY, 8 * _DAY, 64 * _DAY)  # nanoseconds; where a page is not full then, all there is
_REACHES_INDEXED: Final = (_DAY,)  # who is there every day is found in the last of them, others by the index
_LATEST: Final = (1 << 63) - 1


async def newest(
    api: Api, question: str, viewer: Viewer, asked: Mapping[str, Any], *, place: Place, indexed: bool, **more: Any
) -> list[Row]:
    """Return the rows of a page, `limit` of them if there are so many.

    Args:
        api: who asks.
        question: one with the parameters `since` and `limit`.
        viewer: whose rows are seen.
        asked: its parameters, whatever page it is.
        place: where the page before ended.
        indexed: whether what is asked about has an index: then time need hardly bound the search.
        more: the other parameters.
    """
    latest = place.nano or asked["until"] or time.time_ns()
    for reach in _REACHES_INDEXED if indexed else _REACHES:
        since = latest - reach
        if since <= asked["since"]:
            break
        rows = await api.rows(question, viewer, Span(since, _LATEST), **{**asked, "since": since}, **more)
        if len(rows) >= more["limit"]:
            return rows
    within = Span(asked["since"], _LATEST) if asked["since"] else None
    return await api.rows(question, viewer, within, **asked, **more)


async def interactions_of(api: Api, viewer: Viewer, keys: list[Row]) -> list[Row]:
    """Return the interactions that stand at these keys (`nano`, `trace_id`, `span_id`), in their order."""
    if not keys:
        return []
    times = [key["nano"] for key in keys]
    within = Span(min(times), max(times) + 1)
    ids = {"traces": sorted({key["trace_id"] for key in keys}), "spans": [key["span_id"] for key in keys]}
    return await api.rows("interactions_of", viewer, within, **ids)
