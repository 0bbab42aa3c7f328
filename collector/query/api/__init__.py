"""The questions of applications and people, over HTTP: `/api`."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.routing import APIRoute

from collector.query.api import analytics, exports, failures, interactions, sessions
from collector.query.api.asking import Api
from collector.query.api.door import Door

__all__ = ["Api", "Door", "routes", "table"]

_PREFIX = "/api"
_MODULES = (interactions, sessions, failures, analytics, exports)

routes = APIRouter(prefix=_PREFIX)
for _each in _MODULES:
    routes.include_router(_each.routes)


def table() -> str:
    """Return the paths as a table in Markdown."""
    rows = [
        f"| `{verb} {_PREFIX}{each.path}` | {(each.description or '').partition(chr(10))[0]} |"
        for module in _MODULES
        for each in module.routes.routes
        if isinstance(each, APIRoute)
        for verb in sorted(each.methods or ())
    ]
    return "\n".join(("| request | |", "|---|---|", *rows))
