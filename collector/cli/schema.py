"""`otel-interactions schema …`: the tables in ClickHouse."""

from __future__ import annotations

import contextlib

import typer

from collector import datadir, settings, telemetry
from collector.cli.options import errors_as_sentences, with_settings
from collector.schema import migrator

app = typer.Typer(no_args_is_help=True, help="The tables in ClickHouse.")


@app.command("print")
def schema_print() -> None:
    """Print the whole schema as SQL a DBA can run, the ledger of the migrator included."""
    for statement in migrator.as_script():
        typer.echo(statement, nl=False)


@app.command("migrate")
@errors_as_sentences
@with_settings("clickhouse_url", "data_dir")
def schema_migrate(chosen: settings.Settings) -> None:
    """Bring a ClickHouse server, or the embedded one of a stopped collector, to the newest schema."""
    telemetry.configure_logging("warning")
    from collector.clickhouse import ClickHouse  # noqa: PLC0415 - loads ClickHouse, half a second `print` need not wait

    with contextlib.ExitStack() as undo:
        directory = datadir.DataDir(chosen.data_dir, migrator.newest())
        undo.callback(directory.close)
        database = undo.enter_context(contextlib.closing(ClickHouse(directory.path, chosen.server_url)))
        count = migrator.migrate(database, lambda done: typer.echo(f"applied {done.number:04d}_{done.name}"))
    typer.echo(f"{count} applied, schema {migrator.newest()}")
