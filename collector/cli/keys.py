"""`otel-interactions keys …`: who may send and read. All of it works whether a collector runs or not."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.table import Table

from collector import settings
from collector.access import keyfile, keys
from collector.access.keys import Key, Scope
from collector.cli.options import AsJson, errors_as_sentences, print_json, with_settings
from collector.errors import StartError
from collector.query import show

app = typer.Typer(no_args_is_help=True, help="API keys: who may send and read. A running collector notices at once.")

_where = with_settings("data_dir", "keys_file")


@app.command("add")
@errors_as_sentences
@_where
def add(
    chosen: settings.Settings,
    *,
    name: Annotated[str, typer.Option(help="What people call it, for instance the application that gets it.")],
    tenant: Annotated[str, typer.Option(help="Whose data it writes and reads; * reads everybody's.")] = "default",
    scope: Annotated[
        list[Scope] | None, typer.Option(help="What it opens, once or more; admin opens everything.")
    ] = None,
    requests_per_second: Annotated[
        float | None, typer.Option(help="Its own limit instead of the collector's; 0 for none.")
    ] = None,
    bytes_per_second: Annotated[
        float | None, typer.Option(help="Its own limit instead of the collector's; 0 for none.")
    ] = None,
    from_env: Annotated[
        str | None,
        typer.Option(
            metavar="VARIABLE",
            help="Take a key made beforehand from this variable: oti_, 8 hex digits, _ and 64 hex digits. "
            "Said again it does nothing.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, this once: what is kept of it is a hash."""
    limits = {"requests_per_second": requests_per_second, "bytes_per_second": bytes_per_second}
    make = keys.make if from_env is None else _taken_from(from_env)
    try:
        key, token = make(name, tenant, frozenset(scope or [Scope.INGEST]), **limits)
    except ValidationError as error:
        raise _not_a_key(error) from error
    if from_env is not None:
        _keep(chosen, key, as_json=as_json)
        return
    keyfile.add(chosen.key_file, key)
    if as_json:
        typer.echo(json.dumps(_shown(key) | {"key": token}))
        return
    typer.echo(f"key {key.id} for tenant {key.tenant}, scope {', '.join(sorted(key.scopes))}:", err=True)
    typer.echo(token)
    typer.echo("It is not shown again. Send it as `Authorization: Bearer KEY` or `x-api-key: KEY`.", err=True)


@app.command("list")
@errors_as_sentences
@_where
def list_keys(chosen: settings.Settings, as_json: AsJson = False) -> None:
    """List the keys, the oldest first, without their secrets."""
    found = list(keyfile.read(chosen.key_file).values())
    if as_json:
        print_json([_shown(key) for key in found])
        return
    grid = Table(box=None, pad_edge=False)
    for name in ("id", "name", "tenant", "scopes", "created", "requests/s", "bytes/s"):
        grid.add_column(name, overflow="fold")
    for key in found:
        row = _shown(key)
        limits = ("default" if row[name] is None else f"{row[name]:g}" for name in _LIMITS)
        grid.add_row(key.id, key.name, key.tenant, " ".join(row["scopes"]), key.created, *limits)
    show.console().print(grid if found else "(no keys)")


@app.command("revoke")
@errors_as_sentences
@_where
def revoke(
    chosen: settings.Settings, identity: Annotated[str, typer.Argument(metavar="ID", help="As `keys list` names it.")]
) -> None:
    """Take a key back: a running collector refuses it within a second."""
    gone = keyfile.revoke(chosen.key_file, identity)
    typer.echo(f"revoked {gone.id} ({gone.name})")
    if not keyfile.read(chosen.key_file):
        typer.echo(
            "No keys are left: a collector on loopback asks for none now, any other refuses everything.", err=True
        )


def _taken_from(variable: str) -> Callable[..., tuple[Key, str]]:
    """Return what makes the key whose secret is in this variable. The secret stands in no message."""
    token = os.environ.get(variable, "")

    def of_token(*args: Any, **limits: Any) -> tuple[Key, str]:
        try:
            return keys.of_token(token, *args, **limits), token
        except ValidationError:
            raise
        except ValueError as error:
            what = f"what {variable} holds is no key" if token else f"the variable {variable} is not set, or empty"
            raise StartError(what, hint=str(error)) from error

    return of_token


def _keep(chosen: settings.Settings, key: Key, *, as_json: bool) -> None:
    new = keyfile.ensure(chosen.key_file, key)
    if as_json:
        typer.echo(json.dumps(_shown(key)))
        return
    about = f"key {key.id} for tenant {key.tenant}, scope {', '.join(sorted(key.scopes))}"
    typer.echo(about if new else f"{about}: kept already", err=True)


_LIMITS = ("requests_per_second", "bytes_per_second")


def _shown(key: Key) -> dict[str, Any]:
    return key.model_dump(mode="json", exclude={"sha256"}) | {"scopes": sorted(key.scopes)}


def _not_a_key(error: ValidationError) -> StartError:
    first = error.errors()[0]
    reason = first["msg"].removeprefix("Value error, ")
    allowed = {
        "name": "1 to 100 characters, no control characters",
        "tenant": "letters, digits, . _ and -, at most 64, or * for all",
    }
    field = str(first["loc"][0]) if first["loc"] else ""
    if field:
        flag = "--" + field.replace("_", "-")
        return StartError(f"{flag} cannot be {first['input']!r}: {allowed.get(field, reason)}")
    return StartError(reason)
