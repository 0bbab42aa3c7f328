"""The questions of applications and people, over HTTP: `/api`."""

from __future__ import annotations

from fastapi import APIRouter

from collector.query.api import analytics, exports, failures, interactions, sessions
from collector.query.api.asking import Api
from collector.query.api.door import Door

__all__ = ["Api", "Door", "routes"]

routes = APIRouter(prefix="/api")
for _each in (interactions, sessions, failures, analytics, exports):
    routes.include_router(_each.routes)
