"""`DELETE /api/users/{id}` and `/api/erasures`: ask that a user be forgotten, and see the proof.

It is answered at once, with 202 and a job: everything acknowledged has to be loaded first, which may take as long as
ClickHouse is away, and no request should be held open for that.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field

from collector.erasure.jobs import Job, JobError, Jobs
from collector.erasure.person import Person
from collector.erasure.places import OnAClusterError
from collector.erasure.worker import Eraser
from collector.query.api.door import Door
from collector.query.api.parameters import Text
from collector.query.api.problems import RESPONSES, NotAnsweredError, Route
from collector.query.viewer import Viewer
from collector.request import Sender

_RESPONSES: Final = RESPONSES | {501: RESPONSES["4XX"] | {"description": "Nobody is erased here; `detail` says why."}}
routes = APIRouter(route_class=Route, responses=_RESPONSES, tags=["erasure"], prefix="/api")
_DEFAULT: Final = "default"


class Wanted(BaseModel):
    """Who is to be forgotten."""

    user_id: Annotated[Text, Field(min_length=1, description="The user's id.")]
    tenant: Annotated[Text, Field(max_length=64, description="Whose user; by default the key's, or `default`.")] = ""
    everywhere: bool = Field(default=False, description="Rows go, too, in which any other value is the id.")


class Erasure(BaseModel):
    """How far an erasure is; once it ended, the proof."""

    id: str
    tenant: str
    digest: str = Field(description="A keyed hash that stands for the user.")
    asked_by: str = Field(description="Id of the key that asked, empty where none is asked for.")
    asked_at: float = Field(description="Seconds since 1970.")
    everywhere: bool
    state: str = Field(
        description="running; done: nothing is left; mentions: nothing of the user's is left, but others have a value "
        "that is the id; unknown: nothing named the user."
    )
    step: str
    note: str = Field(description="What it waits for.")
    rounds: int
    found: dict[str, int] = Field(description="Rows that are about to go, by place.")
    removed: dict[str, int] = Field(description="Rows that are gone, by place.")
    left: dict[str, int] = Field(description="Rows of the user's that were found afterwards, by place.")
    mentions: dict[str, int] = Field(description="Rows of others with a value that is the id, by table and column.")
    kept_counts: int = Field(description="Groups of aggregates whose counts stay: their rows were gone before.")
    finished_at: float = Field(description="Seconds since 1970, 0 while it runs.")


class Erasures(BaseModel):
    """Erasures, the newest first."""

    erasures: list[Erasure]


class Office:
    """Takes requests to forget; lies in `app.state.erasure`."""

    def __init__(self, door: Door, jobs: Jobs, eraser: Eraser, secret: bytes, *, on_cluster: bool) -> None:
        """`door` says who may ask; `secret` makes the hash that stands for a user. Nobody is erased `on_cluster`."""
        self.door, self.on_cluster = door, on_cluster
        self.jobs, self._eraser, self._secret = jobs, eraser, secret

    def ask(self, person: Person, key: str, *, everywhere: bool) -> Job:
        """Put an erasure on record, and begin. Raises OSError."""
        job = self.jobs.ask(person.tenant, person.user, person.digest(self._secret), key, everywhere=everywhere)
        self._eraser.wake()
        return job


def _office(request: Request) -> Office:
    office: Office = request.app.state.erasure
    return office


def _admin(request: Request) -> tuple[Viewer, Sender]:
    return _office(request).door.admin(request)


_Asking = Annotated[Office, Depends(_office)]
_Admin = Annotated[tuple[Viewer, Sender], Depends(_admin)]


# Plain functions: they touch the disk, so the framework runs them beside the event loop.
@routes.delete("/users/{user_id:path}", status_code=202)
def erase(
    office: _Asking,
    admin: _Admin,
    *,
    user_id: Annotated[Text, Path(min_length=1, description="The user's id.")],
    tenant: Annotated[Text, Query(max_length=64, description="Whose user; by default the key's, or `default`.")] = "",
    everywhere: Annotated[
        bool, Query(description="Rows go, too, in which any other value is the id: not for ids such as `1`.")
    ] = False,
) -> Erasure:
    """Forget a user everywhere, beside all else and across restarts; `GET /api/erasures/{id}` tells how far it is."""
    return _asked(office, admin, Wanted(user_id=user_id, tenant=tenant, everywhere=everywhere))


@routes.post("/erasures", status_code=202)
def ask(office: _Asking, admin: _Admin, wanted: Wanted) -> Erasure:
    """Forget a user everywhere, whatever the id is made of: some, such as `..`, do not survive in a path."""
    return _asked(office, admin, wanted)


def _asked(office: Office, admin: tuple[Viewer, Sender], wanted: Wanted) -> Erasure:
    viewer, sender = admin
    if office.on_cluster:
        raise NotAnsweredError(501, str(OnAClusterError()))
    if wanted.tenant and viewer.tenant not in {"", wanted.tenant}:
        raise NotAnsweredError(403, f"this key is for the tenant {viewer.tenant}, not for {wanted.tenant}")
    person = Person(viewer.tenant or wanted.tenant or _DEFAULT, wanted.user_id)
    try:
        return _told(office.ask(person, sender.key, everywhere=wanted.everywhere))
    except OSError as error:
        raise NotAnsweredError(503, f"it cannot be put on record: {error.strerror}", hint="make space") from error


@routes.get("/erasures")
def erasures(office: _Asking, admin: _Admin) -> Erasures:
    """List what was or is to be forgotten, the newest first."""
    viewer, _ = admin
    found = [job for job in office.jobs.all() if viewer.tenant in {"", job.tenant}]
    return Erasures(erasures=[_told(job) for job in reversed(found)])


@routes.get("/erasures/{erasure_id}")
def erasure(
    office: _Asking, admin: _Admin, erasure_id: Annotated[Text, Path(description="`id` of the erasure.")]
) -> Erasure:
    """Tell how far an erasure is; once it ended, the proof."""
    viewer, _ = admin
    try:
        job = office.jobs.get(erasure_id)
    except JobError as error:
        raise NotAnsweredError(404, str(error)) from error
    if viewer.tenant not in {"", job.tenant}:
        raise NotAnsweredError(404, f"there is no erasure {erasure_id}")
    return _told(job)


def _told(job: Job) -> Erasure:
    shown: dict[str, Any] = job.shown()
    return Erasure(**shown)
