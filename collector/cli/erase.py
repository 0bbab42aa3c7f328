"""`otel-interactions erase`: forget a user, and print the proof."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import httpx
import typer

from collector import datadir, settings, tls
from collector.cli.options import AsJson, errors_as_sentences, print_json, with_settings
from collector.errors import CollectorError, StartError
from collector.query import show

_POLL_SECONDS = 0.2
_asking = with_settings("data_dir", "host", "http_port", "tls_ca", "tls_cert", "tls_key")

_Key = Annotated[
    str,
    typer.Option(
        "--key",
        envvar=settings.ENVIRONMENT_PREFIX + "KEY",
        metavar="text",
        show_default=False,
        show_envvar=False,
        help=f"Key with the scope admin, where the collector asks for one (env {settings.ENVIRONMENT_PREFIX}KEY).",
    ),
]


class NotErasedError(CollectorError):
    """The collector does not erase, or cannot be asked."""


@errors_as_sentences
@_asking
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
    key: _Key = "",
) -> None:
    """Erase a user everywhere, for good, and print the proof that nothing is left.

    The running collector does it, and goes on after a restart; Ctrl-C only ends the waiting. Exit code 1 if nothing
    names the user, or if rows are left whose value is the id and of which nobody knows whose they are.
    """
    with _office(chosen, key) as office:
        if listed:
            _show_all(office.erasures(), as_json=as_json)
            return
        if not user:
            raise StartError("nobody is named", hint="--user ID, or --list")
        if not yes and not typer.confirm(f"Erase everything of user {user!r} for good?"):
            raise NotErasedError("nothing was erased")
        _end(_followed(office, office.ask(user, tenant, everywhere=everywhere)), user, as_json=as_json)


class _Office:
    """The collector, as it is asked to erase."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def ask(self, user: str, tenant: str, *, everywhere: bool) -> dict[str, Any]:
        body = {"user_id": user, "tenant": tenant, "everywhere": everywhere}
        return self._answer("POST", "/api/erasures", body)

    def erasure(self, identity: str) -> dict[str, Any]:
        return self._answer("GET", f"/api/erasures/{identity}")

    def erasures(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._answer("GET", "/api/erasures")["erasures"]
        return found

    def _answer(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            reply = self._http.request(method, path, json=body)
            told: dict[str, Any] = reply.json()
        except httpx.TransportError as error:
            raise NotErasedError(
                f"no collector answers at {self._http.base_url}: {error}", hint="start it: it erases what it keeps"
            ) from error
        except ValueError as error:
            raise NotErasedError(f"{self._http.base_url} does not answer as a collector does") from error
        if reply.is_error:
            raise NotErasedError(str(told.get("detail", reply.status_code)))
        return told


@contextlib.contextmanager
def _office(chosen: settings.Settings, key: str) -> Iterator[_Office]:
    """Find the collector to ask: an address given, else where the one of this data directory says it listens."""
    running = {} if {"host", "http_port"} & chosen.model_fields_set else datadir.endpoints(chosen.data_dir)
    context = tls.of_client(chosen, running.get("certificate"))
    address = running.get("http", datadir.address(chosen.host, chosen.http_port))
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    url = f"{'https' if context else 'http'}://{address}"
    with httpx.Client(
        base_url=url,
        headers=headers,
        timeout=60,
        trust_env=False,
        verify=context or False,
    ) as http:
        yield _Office(http)


def _followed(office: _Office, job: dict[str, Any]) -> dict[str, Any]:
    """Wait until it ended, and say meanwhile what it waits for."""
    typer.echo(f"erasure {job['id']}", err=True)
    said = ""
    while job["state"] == "running":
        if job["note"] not in {"", said}:
            typer.echo(f"{job['step']}: {job['note']}", err=True)
            said = job["note"]
        time.sleep(_POLL_SECONDS)
        job = office.erasure(job["id"])
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
