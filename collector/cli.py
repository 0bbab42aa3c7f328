"""The verbs of `otel-interactions`: each a thin wrapper that reads settings, calls one thing and prints."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Annotated, Any

import typer

from collector import datadir, demo, settings, telemetry
from collector.errors import CollectorError, StartError
from collector.query import questions, show
from collector.schema import migrator

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Receive OpenTelemetry, keep every interaction exactly once in ClickHouse, and ask what happened.",
)
schema_app = typer.Typer(no_args_is_help=True, help="The tables in ClickHouse.")
app.add_typer(schema_app, name="schema")

_USAGE, _FAILED = 2, 1  # exit codes: wrong settings or arguments; it ran and failed

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


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


def _errors_as_sentences(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn our errors into one sentence on standard error and an exit code."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except CollectorError as error:
            typer.echo(f"otel-interactions: {error}", err=True)
            raise typer.Exit(_USAGE if isinstance(error, StartError) else _FAILED) from error

    return wrapped


def _option(name: str) -> inspect.Parameter:
    """Make the option of one setting: name and help come from the settings table."""
    row = settings.table()[name]
    option = typer.Option(
        row.flag,
        help=f"{row.sentence} (env {row.variable}, default {row.default})",
        metavar=row.kind,
        show_default=False,
    )
    annotation = Annotated[str | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _with_settings(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command an option for each named setting; it gets the finished settings as its first argument."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def wrapped(**given: Any) -> Any:
            chosen = settings.load(**{name: given.pop(name) for name in names})
            return command(chosen, **given)

        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        keyword_only = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
        wrapped.__signature__ = inspect.Signature([*keyword_only, *map(_option, names)])  # type: ignore[attr-defined]
        return wrapped

    return decorate


_asking = _with_settings("data_dir", "host", "sql_port", "clickhouse_url")


@app.command()
@_errors_as_sentences
@_with_settings(*settings.Settings.model_fields)
def serve(chosen: settings.Settings) -> None:
    """Run the collector until Ctrl-C or SIGTERM, then load what waits and exit."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what matters of its log reaches the operator as our own sentence
    import uvloop  # noqa: PLC0415 - only serving needs an event loop

    from collector.app import Collector  # noqa: PLC0415 - loads ClickHouse, half a second the other verbs need not wait

    telemetry.configure_logging(chosen.log_level)
    collector = Collector(chosen)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(collector.run())


@contextlib.contextmanager
def _asker(chosen: settings.Settings) -> Iterator[questions.Asker]:
    """Find the collector to ask: an address given, else where the one of this data directory says it listens."""
    if chosen.clickhouse_url:
        address = chosen.clickhouse_url.get_secret_value()
    else:
        named = {"host", "sql_port"} & chosen.model_fields_set
        running = {} if named else datadir.endpoints(chosen.data_dir)
        address = "http://" + running.get("sql", f"{chosen.host}:{chosen.sql_port}")
    asker = questions.Asker(address)
    try:
        yield asker
    finally:
        asker.close()


@app.command()
@_errors_as_sentences
@_asking
def sql(
    chosen: settings.Settings,
    query: Annotated[str, typer.Argument(help='For instance "SELECT * FROM otel.sessions".')],
    output_format: Annotated[
        str | None,
        typer.Option("--format", help="A ClickHouse format: Pretty, JSON, CSV, … Default: a table, TSV when piped."),
    ] = None,
) -> None:
    """Run a query on the running collector and print the answer."""
    rendering = output_format or ("PrettyCompactMonoBlock" if sys.stdout.isatty() else "TabSeparatedWithNames")
    with _asker(chosen) as asker:
        sys.stdout.buffer.write(asker.raw(query, rendering))


@app.command()
@_errors_as_sentences
@_asking
def sessions(
    chosen: settings.Settings,
    status: Annotated[str, typer.Option(help="Only these: active, ended or abandoned.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List sessions, the newest first."""
    with _asker(chosen) as asker:
        found = asker.ask("sessions", status=status, limit=limit)
    if as_json:
        _print_json(found)
    else:
        show.sessions(show.console(), found)


@app.command()
@_errors_as_sentences
@_asking
def transcript(
    chosen: settings.Settings,
    session: Annotated[str, typer.Argument(help="The session's id.")],
    as_json: AsJson = False,
) -> None:
    """Print what was said in one session."""
    with _asker(chosen) as asker:
        messages = asker.ask("transcript", session=session)
    if not messages:
        raise questions.QueryFailedError(
            f"session {session!r} has no messages", hint="`otel-interactions sessions` lists what there is"
        )
    if as_json:
        _print_json(messages)
    else:
        show.transcript(show.console(), messages)


@app.command()
@_errors_as_sentences
@_asking
def tail(
    chosen: settings.Settings,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Begin with so many of the last ones.")] = 10,
    follow: Annotated[bool, typer.Option(help="Keep printing what arrives, until Ctrl-C.")] = True,
    as_json: AsJson = False,
) -> None:
    """Print interactions as they arrive."""
    console = show.console()
    with _asker(chosen) as asker, contextlib.suppress(KeyboardInterrupt):
        for interaction in _arriving(asker, limit, follow=follow):
            if as_json:
                _print_json([interaction])
            else:
                show.interaction(console, interaction)


def _arriving(asker: questions.Asker, limit: int, *, follow: bool) -> Iterator[dict[str, Any]]:
    """Yield the last interactions, then new ones.

    A batch becomes visible some time after it was received, so each look goes back a while and skips what was shown.
    """
    overlap, pause, many = 60 * 10**9, 1.0, 10_000
    since, shown = 0, set[tuple[str, str]]()
    while True:
        batch = asker.ask("tail", since=since, limit=limit if since == 0 else many)
        fresh = [each for each in reversed(batch) if (each["session_id"], each["span_id"]) not in shown]
        shown = {(each["session_id"], each["span_id"]) for each in batch}
        yield from fresh
        if not follow:
            return
        since = time.time_ns() - overlap if since else time.time_ns() - 10**9
        time.sleep(pause)


def _print_json(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        typer.echo(json.dumps(row, ensure_ascii=False))


@schema_app.command("print")
def schema_print() -> None:
    """Print the whole schema as SQL a DBA can run, the ledger of the migrator included."""
    for statement in migrator.as_script():
        typer.echo(statement, nl=False)


@schema_app.command("migrate")
@_errors_as_sentences
@_with_settings("clickhouse_url", "data_dir")
def schema_migrate(chosen: settings.Settings) -> None:
    """Bring a ClickHouse server, or the embedded one of a stopped collector, to the newest schema."""
    telemetry.configure_logging("warning")
    from collector.clickhouse import ClickHouse  # noqa: PLC0415 - as above

    url = chosen.clickhouse_url.get_secret_value() if chosen.clickhouse_url else None
    with contextlib.ExitStack() as undo:
        directory = datadir.DataDir(chosen.data_dir, migrator.newest())
        undo.callback(directory.close)
        database = undo.enter_context(contextlib.closing(ClickHouse(directory.path, url)))
        count = migrator.migrate(database, lambda done: typer.echo(f"applied {done.number:04d}_{done.name}"))
    typer.echo(f"{count} applied, schema {migrator.newest()}")


@app.command(name="demo")
@_errors_as_sentences
def demonstrate(
    keep: Annotated[bool, typer.Option(help="Keep the data directory and say where it is.")] = False,
) -> None:
    """Record real sessions into a collector of its own, read them back from ClickHouse, check every one."""
    if not demo.run(show.console(), keep=keep):
        raise typer.Exit(_FAILED)
