"""`otel-interactions keys …`: who may send and read. All of it works whether a collector runs or not."""

from __future__ import annotations

import json
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
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, this once: what is kept of it is a hash."""
    try:
        key, token = keys.make(
            name,
            tenant,
            frozenset(scope or [Scope.INGEST]),
            requests_per_second=requests_per_second,
            bytes_per_second=bytes_per_second,
        )
    except ValidationError as error:
        raise _not_a_key(error) from error
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
