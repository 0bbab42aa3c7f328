"""`otel-interactions migrate-data`: from the embedded ClickHouse to a server."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from collector import datadir, settings, telemetry
from collector.cli.options import errors_as_sentences, with_settings
from collector.erasure.jobs import Jobs
from collector.errors import CollectorError, StartError, first_line
from collector.journal import names
from collector.schema import migrator

if TYPE_CHECKING:
    from collector.clickhouse import ClickHouse
    from collector.transfer import Checked, Copied, Transfer


@errors_as_sentences
@with_settings("data_dir")
def migrate_data(
    chosen: settings.Settings,
    *,
    to: Annotated[str, typer.Option(metavar="url", help="The server: http(s)://user:password@host:8123.")],
    cluster: Annotated[str, typer.Option(metavar="NAME", show_default=False, help="The cluster it is a node of.")] = "",
    tables: Annotated[
        str, typer.Option(metavar="text", show_default=False, help="Only these, with commas between them.")
    ] = "",
    append: Annotated[bool, typer.Option("--append", help="Add to what the server has already.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be copied, and write nothing.")] = False,
) -> None:
    """Copy what a stopped collector stored to a ClickHouse server; run it again where it was interrupted."""
    telemetry.configure_logging("warning")
    target = settings.load(data_dir=chosen.data_dir, clickhouse_url=to, clickhouse_cluster=cluster)
    wanted = [name.strip() for name in tables.split(",") if name.strip()]
    with _transfer(target, writes=not dry_run) as transfer:
        copied = transfer.tables(wanted)
        if dry_run:
            _foretell(transfer, copied)
            return
        transfer.require_room(copied, append=append)
        _copy(transfer, copied)
        wrong = _tell(transfer.check(copied))
    if wrong:
        raise CollectorError(
            f"{wrong} of these differ from the source",
            hint="if somebody else writes to the target, stop that and run it again; what stood only in aggregates, "
            "because its rows were deleted, is not copied",
        )


@contextlib.contextmanager
def _transfer(target: settings.Settings, *, writes: bool) -> Iterator[Transfer]:
    """Open both sides, and bring the target to the newest schema.

    Raises:
        StartError: a collector uses the directory, or its journal has what is not stored yet; or there is no such one.
    """
    from clickhouse_connect.driver.exceptions import ClickHouseError  # noqa: PLC0415 - takes half a second

    from collector.clickhouse import EMBEDDED_FOLDER, ClickHouse  # noqa: PLC0415 - as above
    from collector.transfer import Transfer  # noqa: PLC0415 - as above

    with contextlib.ExitStack() as undo:
        if not (target.data_dir / EMBEDDED_FOLDER).is_dir():
            raise StartError(
                f"there is no embedded ClickHouse in {target.data_dir}", hint="name the data directory with --data-dir"
            )
        directory = datadir.DataDir(target.data_dir, migrator.newest())
        undo.callback(directory.close)
        if waiting := [*directory.journal.glob(f"*{names.READY}"), *directory.journal.glob(f"*{names.OPEN}")]:
            raise StartError(
                f"{len(waiting)} segments of the journal are not in ClickHouse yet",
                hint="start the collector and stop it again, without --clickhouse-url: it loads them before it ends",
            )
        _refuse_unfinished(directory)
        source = undo.enter_context(contextlib.closing(ClickHouse(directory.path, None)))
        server = undo.enter_context(contextlib.closing(ClickHouse(directory.path, target.server_url)))
        try:
            migrator.migrate(source)
            _prepare(server, target.cluster, writes=writes)
            yield Transfer(source, server, directory.path, directory.secret(), target.database)
        except (ClickHouseError, OSError) as error:
            raise CollectorError(
                f"it ended early: {first_line(error)}", hint="run it again: what is there is not sent twice"
            ) from error


def _refuse_unfinished(directory: datadir.DataDir) -> None:
    """Check that nothing is half removed: what is gone already tells which other rows have to go, or are archived.

    Raises:
        StartError: something is.
    """
    from collector.retention.archive import NOTE  # noqa: PLC0415 - takes half a second

    if running := len(Jobs(directory.erasures, directory.audit).running()):
        raise StartError(
            f"{running} users are not erased yet",
            hint="start the collector, and wait for `otel-interactions erase --list`",
        )
    if (directory.archive / NOTE).exists():
        raise StartError(
            "a day is in the archive and not yet deleted", hint="start the collector: it goes on within a minute"
        )


def _prepare(server: ClickHouse, cluster: str, *, writes: bool) -> None:
    if writes:
        migrator.migrate(server, cluster=cluster)
    elif migrator.pending(server, cluster):
        raise StartError(
            "the target's schema is not the newest, and --dry-run writes nothing",
            hint="run `otel-interactions schema migrate --clickhouse-url …` first",
        )


def _foretell(transfer: Transfer, tables: Sequence[Copied]) -> None:
    for table in tables:
        pieces = transfer.pieces(table)
        days = {piece.day for piece, _ in pieces}
        typer.echo(f"{table.name} -> {table.target}: {sum(rows for _, rows in pieces)} rows of {len(days)} days")


def _copy(transfer: Transfer, tables: Sequence[Copied]) -> None:
    """Copy, with a bar on standard error where somebody looks."""
    total = sum(rows for table in tables for _, rows in transfer.pieces(table))
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task("copying", total=total)
        sent = transfer.send(tables, lambda rows: bar.advance(task, rows))
    typer.echo(f"{sent} inserts sent")


def _tell(checked: Sequence[Checked]) -> int:
    """Print how each table compares; return how many differ."""
    for each in checked:
        word = "ok" if each.is_right else f"DIFFERS, there should be {each.expected[0]}"
        typer.echo(f"{' '.join(filter(None, (each.what, each.day)))}: {each.found[0]} rows, {word}")
    return sum(not each.is_right for each in checked)
