"""`otel-interactions erase`: forget a user, and print the proof."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from collector import settings
from collector.cli.api_client import ApiClient, api_client, with_api
from collector.cli.options import AsJson, errors_as_sentences, key_option, print_json
from collector.errors import CollectorError, StartError
from collector.query import show

_POLL_SECONDS = 0.2
_ERASURES = "/api/erasures"


class NotErasedError(CollectorError):
    """Not everything of the user's is gone, or nothing is."""


@errors_as_sentences
@with_api
def erase(  # noqa: PLR0917 - typer names them all
    chosen: settings.Settings,
    user: Annotated[str, typer.Option("--user", metavar="ID", help="The user's id.")] = "",
    tenant: Annotated[str, typer.Option("--tenant", help="Whose user; by default the key's, or `default`.")] = "",
    everywhere: Annotated[
        bool,
        typer.Option(
            "--everywhere", help="Delete rows, too, in which any other value is the id: not for ids such as `1`."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether that is meant.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="List what was or is to be erased, instead.")] = False,
    as_json: AsJson = False,
    key: Annotated[str, key_option("admin")] = "",
) -> None:
    """Erase a user everywhere, for good, and print the proof that nothing is left.

    The running collector does it, and goes on after a restart; Ctrl-C only ends the waiting. Exit code 1 if nothing
    names the user, or if rows are left whose value is the id and of which nobody knows whose they are.
    """
    with api_client(chosen, key) as client:
        if listed:
            _show_all(client.ask(_ERASURES)["erasures"], as_json=as_json)
            return
        if not user:
            raise StartError("nobody is named", hint="--user ID, or --list")
        if not yes and not typer.confirm(f"Erase everything of user {user!r} for good?"):
            raise NotErasedError("nothing was erased")
        wanted = {"user_id": user, "tenant": tenant, "everywhere": everywhere}
        _end(_followed(client, client.ask(_ERASURES, method="POST", body=wanted)), user, as_json=as_json)


def _followed(client: ApiClient, job: dict[str, Any]) -> dict[str, Any]:
    """Wait until it ended, and say meanwhile what it waits for."""
    typer.echo(f"erasure {job['id']}", err=True)
    said = ""
    while job["state"] == "running":
        if job["note"] not in {"", said}:
            typer.echo(f"{job['step']}: {job['note']}", err=True)
            said = job["note"]
        time.sleep(_POLL_SECONDS)
        job = client.ask(f"{_ERASURES}/{job['id']}")
    return job


def _end(job: dict[str, Any], user: str, *, as_json: bool) -> None:
    """Print the proof, and fail unless nothing is left."""
    if job["state"] == "unknown":
        raise NotErasedError(
            f"nothing here names user {user!r} of the tenant {job['tenant']}",
            hint="ids are compared letter by letter; --tenant names another tenant",
        )
    if as_json:
        print_json([job])
    else:
        _print_proof(job)
    if job["state"] != "done":
        places = ", ".join(f"{place} ({count})" for place, count in job["mentions"].items())
        raise NotErasedError(
            f"all that names user {user!r} is gone, but other rows have a value that is this id: {places}",
            hint="if these are the user's, too, erase with --everywhere",
        )


def _print_proof(job: dict[str, Any]) -> None:
    places = sorted(job["left"].keys() | job["removed"].keys())
    rows = [
        {"place": each, "removed": job["removed"].get(each, 0), "left": job["left"].get(each, 0)} for each in places
    ]
    show.table(show.console(), rows)
    ended = datetime.fromtimestamp(job["finished_at"], UTC).strftime("%Y-%m-%d %H:%M:%S")
    typer.echo(f"{ended} UTC, tenant {job['tenant']}, asked by {job['asked_by'] or 'nobody in particular'}")
    if job["kept_counts"]:
        typer.echo(f"{job['kept_counts']} daily counts stay as they were: the rows they count were gone before")
    typer.echo("nothing is left" if job["state"] == "done" else "")


def _show_all(found: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    columns = ("id", "tenant", "state", "step", "note")
    show.table(
        show.console(),
        [{name: each[name] for name in columns} | {"removed": json.dumps(each["removed"])} for each in found],
    )
