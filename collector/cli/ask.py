"""The verbs that ask the running collector: sql, ask, sessions, transcript, tail, missing."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from collector import datadir, settings, tls
from collector.cli.options import FAILED, AsJson, AsKey, errors_as_sentences, print_json, with_settings
from collector.errors import StartError
from collector.query import questions, show

_asking = with_settings("data_dir", "host", "sql_port", "clickhouse_url", "tls_ca", "tls_cert", "tls_key")


@contextlib.contextmanager
def _asker(chosen: settings.Settings, key: str) -> Iterator[questions.Asker]:
    """Find the collector to ask: an address given, else where the one of this data directory says it listens."""
    named = {"host", "sql_port"} & chosen.model_fields_set
    running = {} if named or chosen.clickhouse_url else datadir.endpoints(chosen.data_dir)
    context = tls.of_client(chosen, running.get("certificate"))
    scheme = "https" if context else "http"
    address = chosen.server_url or f"{scheme}://" + running.get("sql", datadir.address(chosen.host, chosen.sql_port))
    asker = questions.Asker(address, key, context, on_server=chosen.server_url is not None)
    try:
        yield asker
    finally:
        asker.close()


@errors_as_sentences
@_asking
def sql(
    chosen: settings.Settings,
    query: Annotated[str, typer.Argument(help='For instance "SELECT * FROM otel.sessions".')],
    output_format: Annotated[
        str | None,
        typer.Option("--format", help="A ClickHouse format: Pretty, JSON, CSV, … Default: a table, TSV when piped."),
    ] = None,
    key: AsKey = "",
) -> None:
    """Run a query on the running collector and print the answer."""
    rendering = output_format or ("PrettyCompactMonoBlock" if sys.stdout.isatty() else "TabSeparatedWithNames")
    with _asker(chosen, key) as asker:
        sys.stdout.buffer.write(asker.raw(query, rendering))


@errors_as_sentences
@_asking
def question(
    chosen: settings.Settings,
    *,
    name: Annotated[str, typer.Argument(metavar="[QUESTION]", help="Which one. Without it they are listed.")] = "",
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            metavar="name=value",
            help="What a question needs to know: session=…, steps=look,buy,pay, tenant=…, limit=…; since=… and until=… "
            "for a time of your own, as `2026-03-10 12:00:00` (UTC) or in seconds since 1970.",
        ),
    ] = None,
    days: Annotated[
        float, typer.Option(min=0, help="The last so many days, where the question is about a time.")
    ] = 7.0,
    output_format: Annotated[
        str | None, typer.Option("--format", help="A ClickHouse format: JSON, CSV, Parquet, … Default: a table.")
    ] = None,
    as_json: AsJson = False,
    key: AsKey = "",
) -> None:
    """Ask one of the questions that are known by name: active_users, response_times, tokens_and_cost and others."""
    if not name:
        show.table(show.console(), [{"question": each, "": questions.title(each)} for each in questions.names()])
        return
    wanted = _wanted(name, given or [], days)
    with _asker(chosen, key) as asker:
        if output_format:
            sys.stdout.buffer.write(asker.raw(questions.text(name), output_format, **wanted))
        elif as_json:
            print_json(asker.ask(name, **wanted))
        else:
            show.table(show.console(), asker.ask(name, **wanted))


def _wanted(name: str, given: list[str], days: float) -> dict[str, Any]:
    """Return the parameters of a question: what was given, else the last days, else what is usual."""
    if name not in questions.names():
        raise StartError(f"there is no question {name!r}", hint=f"ask one of {', '.join(questions.names())}")
    told = {key: value for key, _, value in (each.partition("=") for each in given)}
    kinds, now = questions.parameters(name), time.time()
    if unknown := sorted(told.keys() - kinds.keys()):
        raise StartError(f"{name} knows no parameter {unknown[0]!r}", hint=f"it knows {', '.join(kinds)}")
    values = {**questions.DEFAULTS, "since": f"{now - days * 86_400:.3f}", "until": f"{now:.3f}", **told}
    if missing := [each for each in kinds if each not in values]:
        raise StartError(f"{name} has to know: {', '.join(missing)}", hint=f"--param {missing[0]}=…")
    return {each: _as_list(values[each]) if kind.startswith("Array") else values[each] for each, kind in kinds.items()}


def _as_list(value: Any) -> Any:
    """Return `a,b` as a list."""
    return [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value


@errors_as_sentences
@_asking
def sessions(
    chosen: settings.Settings,
    status: Annotated[str, typer.Option(help="Only these: active, ended or abandoned.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    as_json: AsJson = False,
    key: AsKey = "",
) -> None:
    """List sessions, the newest first."""
    with _asker(chosen, key) as asker:
        found = asker.ask("sessions", status=status, limit=limit)
    if as_json:
        print_json(found)
    else:
        show.sessions(show.console(), found)


@errors_as_sentences
@_asking
def transcript(
    chosen: settings.Settings,
    session: Annotated[str, typer.Argument(help="The session's id.")],
    as_json: AsJson = False,
    key: AsKey = "",
) -> None:
    """Print what was said in one session."""
    with _asker(chosen, key) as asker:
        messages = asker.ask("transcript", session=session)
    if not messages:
        raise questions.QueryFailedError(
            f"session {session!r} has no messages", hint="`otel-interactions sessions` lists what there is"
        )
    if as_json:
        print_json(messages)
    else:
        show.transcript(show.console(), messages)


@errors_as_sentences
@_asking
def tail(
    chosen: settings.Settings,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Begin with so many of the last ones.")] = 10,
    follow: Annotated[bool, typer.Option(help="Keep printing what arrives, until Ctrl-C.")] = True,
    as_json: AsJson = False,
    key: AsKey = "",
) -> None:
    """Print interactions as they arrive."""
    console = show.console()
    with _asker(chosen, key) as asker, contextlib.suppress(KeyboardInterrupt):
        for interaction in _arriving(asker, limit, follow=follow):
            if as_json:
                print_json([interaction])
            else:
                show.interaction(console, interaction)


@errors_as_sentences
@_asking
def missing(
    chosen: settings.Settings,
    *,
    hours: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Only what ended in the last so many hours; of a process that began before, from its first number "
            "then on. Where old rows are deleted, name fewer hours than are kept.",
        ),
    ] = None,
    grace_seconds: Annotated[
        float, typer.Option(min=0, help="What came in the last so many seconds closes gaps and opens none.")
    ] = 60.0,
    gaps: Annotated[int, typer.Option(min=0, help="Name at most so many gaps of each process.")] = 10,
    complete: Annotated[
        bool, typer.Option("--complete", help="List the processes too of which none is missing.")
    ] = False,
    as_json: AsJson = False,
    key: AsKey = "",
) -> None:
    """List by process which interactions were recorded and are not here; exit code 1 if any are missing.

    Each process of an application (service.instance.id; a forked child is one of its own) numbers its interactions
    from 1, in the order they end. A number below the highest one that is not here is an interaction that is missing:
    it waits in the spool of the application's machine (`otel-interactions spool list` there) or in this collector
    (`otel-interactions doctor`), or it was given up, which the application's log says and `status()` there counts.

    What a process recorded last leaves no gap when it is lost, nor does a process of which nothing came. What was
    deleted on purpose leaves one.
    """
    since = 0 if hours is None else time.time_ns() - int(hours * 3600e9)
    with _asker(chosen, key) as asker:
        found = asker.ask(
            "missing_sequence_numbers", since=since, grace_seconds=grace_seconds, gaps=gaps, complete=complete
        )
    if as_json:
        print_json(found)
    else:
        show.missing(show.console(), found)
    if any(row["missing"] for row in found):
        raise typer.Exit(FAILED)


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
