"""What goes wrong, as RFC 9457 says it: `application/problem+json`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

import orjson
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from collector.errors import CollectorError, Forbidden, Unauthenticated
from collector.query.clickhouse_http.query_error import QueryError
from collector.query.reader import AskedTooMuchError, AwayError

MEDIA: Final = "application/problem+json"
_RETRY_SECONDS: Final = 5
_CHARACTERS: Final = 300  # of a value that is shown again
# A value that its ClickHouse type does not take, as a time beyond the years it knows.
_BAD_VALUE: Final = frozenset({6, 38, 41, 53, 69, 70, 72, 321, 407, 457, 691})

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Problem(BaseModel):
    """Why there is no answer."""

    type: str = "about:blank"
    title: str = Field(description="What the status means.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong, and what to do.")


class NotAnsweredError(CollectorError):
    """A request that is not answered, and the HTTP status that says why."""

    def __init__(self, status: int, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


_TITLES: Final = {
    400: "Bad request",
    401: "No valid key or token",
    403: "Not allowed",
    404: "Not found",
    413: "Too much asked",
    422: "Bad parameter",
    501: "Not here",
    503: "Not now",
}
_PROBLEM: Final = {MEDIA: {"schema": Problem.model_json_schema()}}
RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    "4XX": {"description": "It is not answered; `detail` says why.", "content": _PROBLEM},
    503: {"description": "ClickHouse does not answer now.", "content": _PROBLEM},
}


def response(status: int, detail: str) -> Response:
    """Return a problem as a response."""
    problem = Problem(title=_TITLES.get(status, "Error"), status=status, detail=detail)
    headers = {"retry-after": str(_RETRY_SECONDS)} if status == 503 else {}  # noqa: PLR2004 - not now
    if status == 401:  # noqa: PLR2004 - RFC 9110 wants it
        headers["www-authenticate"] = "Bearer"
    return Response(orjson.dumps(problem.model_dump()), status, headers, MEDIA)


class Route(APIRoute):
    """A path whose failures are problems."""

    def get_route_handler(self) -> Handler:
        """Return what answers a request."""
        answer = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await answer(request)
            except RequestValidationError as error:
                return response(422, _invalid(error))
            except CollectorError as error:
                return told(error)

        return answered


def told(error: CollectorError) -> Response:
    """Return what a failure is to who asked.

    Raises:
        CollectorError: it is none of theirs, but a fault of ours.
    """
    detail = str(error)
    match error:
        case NotAnsweredError():
            return response(error.status, detail)
        case Unauthenticated():
            return response(401, detail)
        case Forbidden():
            return response(403, detail)
        case AskedTooMuchError():
            return response(413, detail)
        case AwayError():
            return response(503, detail)
        case QueryError() if error.code in _BAD_VALUE:
            return response(422, error.message[:_CHARACTERS])
    raise error


def _invalid(error: RequestValidationError) -> str:
    found = [f"{'.'.join(str(part) for part in each['loc'][1:])}: {each['msg']}" for each in error.errors()]
    return "; ".join(found)[: 4 * _CHARACTERS]
