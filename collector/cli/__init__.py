"""The verbs of `otel-interactions`: each a thin wrapper that reads settings, calls one thing and prints."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from collector.brought import brought
from collector.cli import ask, dead_letters, demo, doctor, erase, export, keys, migrate_data, report, schema, serve

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Receive OpenTelemetry, keep every interaction exactly once in ClickHouse, and ask what happened.",
)
app.command()(serve.serve)
app.command()(ask.sql)
app.command(name="ask")(ask.question)
app.command()(ask.sessions)
app.command()(ask.transcript)
app.command()(ask.tail)
app.command()(ask.missing)
app.command(name="export")(export.export)
app.command(name="report")(report.report)
app.add_typer(dead_letters.app, name="dead-letters")
app.command()(erase.erase)
app.command(name="doctor")(doctor.examine)
app.add_typer(schema.app, name="schema")
app.command(name="migrate-data")(migrate_data.migrate_data)
app.add_typer(keys.app, name="keys")
app.command(name="demo")(demo.demonstrate)


@app.command(
    name="spool",
    help="What applications on this machine recorded and nobody has yet: list it, send it (`spool --help`).",
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def _spool(context: typer.Context) -> None:
    verb = brought("spool")
    raise typer.Exit(verb(context.args) if verb else _NO_SUCH_VERB)


_NO_SUCH_VERB = 2


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("otel-interactions"))
        raise typer.Exit


@app.callback()
def _every_verb(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Take the options that stand before a verb."""


__all__ = ["app"]
