"""What every verb shares: options made from the settings table, errors as sentences, JSON lines."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from collector import settings
from collector.errors import CollectorError, StartError

USAGE, FAILED = 2, 1  # exit codes: wrong settings or arguments; it ran and failed

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


def key_option(scope: str) -> Any:
    """Make the option of the key to show; `scope` is what it has to allow."""
    variable = settings.ENVIRONMENT_PREFIX + "KEY"
    return typer.Option(
        "--key",
        envvar=variable,
        metavar="text",
        show_default=False,
        show_envvar=False,
        help=f"Key with the scope {scope}, where the collector asks for one (env {variable}).",
    )


AsKey = Annotated[str, key_option("read")]


def errors_as_sentences(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn our errors into one sentence on standard error and an exit code."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except CollectorError as error:
            typer.echo(f"otel-interactions: {error}", err=True)
            raise typer.Exit(USAGE if isinstance(error, StartError) else FAILED) from error

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


def with_settings(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command an option for each named setting; it gets the finished settings as its first argument."""
    return _with_options(names, lambda flags: settings.load(**flags))


def with_flags(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command an option for each named setting; it gets what was given, by name, as its first argument."""
    return _with_options(names, lambda flags: flags)


def _with_options(
    names: Sequence[str], prepare: Callable[[dict[str, str | None]], Any]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def wrapped(**given: Any) -> Any:
            return command(prepare({name: given.pop(name) for name in names}), **given)

        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        keyword_only = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
        wrapped.__signature__ = inspect.Signature([*keyword_only, *map(_option, names)])  # type: ignore[attr-defined]
        return wrapped

    return decorate


def print_json(rows: list[dict[str, Any]]) -> None:
    """Print one object a line."""
    for row in rows:
        typer.echo(json.dumps(row, ensure_ascii=False))
