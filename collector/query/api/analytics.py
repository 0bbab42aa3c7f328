"""`/api/analytics…`: the questions that are known by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request

from collector.query import questions
from collector.query.api import answers
from collector.query.api.asking import Asking, Days, OfTeam, Since, Until
from collector.query.api.parameters import Text, instant
from collector.query.api.problems import RESPONSES, NotAnsweredError, Route

routes = APIRouter(route_class=Route, responses=RESPONSES, tags=["analytics"], prefix="/analytics")
_MOST_ROWS: Final = 10_000
_OWN: Final = {"tenant", "since", "until", "days"}


@routes.get("")
async def asked_by_name() -> list[answers.Asked]:
    """List the questions that are known by name."""
    return [
        answers.Asked(name=name, question=questions.title(name), parameters=questions.parameters(name))
        for name in questions.names()
    ]


@routes.get("/{question}")
async def answer(
    request: Request,
    *,
    api: Asking,
    viewer: OfTeam,
    question: Annotated[Text, Path(description="Its name.")],
    days: Days = 7.0,
    since: Since = None,
    until: Until = None,
) -> answers.Answer:
    """Ask a question by its name; its other parameters stand beside (`limit=5`, `steps=look,buy,pay`, `session=…`)."""
    if question not in questions.names():
        raise NotAnsweredError(404, "there is no such question", hint=f"ask {', '.join(questions.names())}")
    end = until or datetime.now(UTC)
    begin = since or end - timedelta(days=days)
    values = {**_told(request, question), "tenant": viewer.tenant, "since": instant(begin), "until": instant(end)}
    kinds = questions.parameters(question)
    if missing := [name for name in kinds if name not in values]:
        raise NotAnsweredError(422, f"{question} has to know {', '.join(missing)}", hint=f"add {missing[0]}=…")
    rows = await api.rows(question, viewer, **{name: values[name] for name in kinds})
    return answers.Answer(question=question, since=begin.isoformat(), until=end.isoformat(), rows=rows)


def _told(request: Request, question: str) -> dict[str, Any]:
    kinds = questions.parameters(question)
    told = {name: text for name, text in request.query_params.items() if name not in _OWN}
    if unknown := sorted(told.keys() - kinds.keys()):
        raise NotAnsweredError(
            422, f"{question} knows no parameter {unknown[0][:50]!r}", hint=f"it knows {', '.join(kinds)}"
        )
    if any("\0" in text for text in told.values()):
        raise NotAnsweredError(422, "a parameter holds a NUL")
    if told.get("limit", "").isdecimal() and int(told["limit"]) > _MOST_ROWS:
        raise NotAnsweredError(422, f"limit is {_MOST_ROWS} at most")
    lists = {name: text.split(",") for name, text in told.items() if kinds[name].startswith("Array")}
    return {**questions.DEFAULTS, **told, **lists}
