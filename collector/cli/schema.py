"""`otel-interactions schema …`: the tables in ClickHouse."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from collector import datadir, settings, telemetry
from collector.cli.options import errors_as_sentences, with_settings
from collector.schema import migrator

if TYPE_CHECKING:
    from collector.access.row_policies import Table

app = typer.Typer(no_args_is_help=True, help="The tables in ClickHouse.")


@app.command("print")
@errors_as_sentences
def schema_print(
    cluster: Annotated[
        str, typer.Option(metavar="NAME", show_default=False, help="For this cluster: replicated, sharded.")
    ] = "",
) -> None:
    """Print the whole schema as SQL a DBA can run, the ledger of the migrator included."""
    for statement in migrator.as_script(cluster):
        typer.echo(statement, nl=False)


@app.command("row-policies")
@errors_as_sentences
def row_policies(
    *,
    tenant: Annotated[str, typer.Option(metavar="NAME", help="Whose rows.")],
    role: Annotated[str, typer.Option(metavar="NAME", help="The role that reads them; it is made.")],
    user: Annotated[
        str, typer.Option(metavar="ID", show_default=False, help="Only what this user of the tenant did.")
    ] = "",
    cluster: Annotated[str, typer.Option(metavar="NAME", show_default=False, help="On this cluster.")] = "",
) -> None:
    """Print the SQL by which a DBA lets a role of a ClickHouse server read one tenant's rows, by row policies."""
    from collector.access import grants  # noqa: PLC0415 - as below

    sharded = migrator.sharded(cluster) if cluster else frozenset[str]()
    readers = grants.Readers(role, tenant, user, cluster, sharded)
    with _newest_schema() as (found, asked):
        for statement in grants.statements(found, asked, readers):
            typer.echo(f"{statement};")


@contextlib.contextmanager
def _newest_schema() -> Iterator[tuple[list[Table], list[str]]]:
    """Give the tables of tenants, and the dictionaries, as this version makes them: in an engine of its own."""
    from collector.access import row_policies as policies  # noqa: PLC0415 - as below
    from collector.clickhouse import ClickHouse  # noqa: PLC0415 - as below

    telemetry.configure_logging("warning")
    with (
        tempfile.TemporaryDirectory(prefix="otel-interactions-") as folder,
        contextlib.closing(ClickHouse(Path(folder), None)) as database,
    ):
        migrator.migrate(database)
        yield policies.tables(database), policies.dictionaries(database)


@app.command("migrate")
@errors_as_sentences
@with_settings("clickhouse_url", "clickhouse_cluster", "data_dir")
def schema_migrate(chosen: settings.Settings) -> None:
    """Bring a ClickHouse server, or the embedded one of a stopped collector, to the newest schema."""
    telemetry.configure_logging("warning")
    cluster = chosen.cluster
    from collector.clickhouse import ClickHouse  # noqa: PLC0415 - loads ClickHouse, half a second `print` need not wait

    with contextlib.ExitStack() as undo:
        directory = datadir.DataDir(chosen.data_dir, migrator.newest())
        undo.callback(directory.close)
        database = undo.enter_context(contextlib.closing(ClickHouse(directory.path, chosen.server_url)))
        shown = lambda done: typer.echo(f"applied {done.number:04d}_{done.name}")  # noqa: E731
        count = migrator.migrate(database, shown, cluster)
    typer.echo(f"{count} applied, schema {migrator.newest()}")
