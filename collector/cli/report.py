"""`otel-interactions report`: how a time went, as a PDF."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from collector import settings
from collector.cli.api_client import ApiClient, api_client, with_api
from collector.cli.options import AsKey, errors_as_sentences
from collector.cli.times import Since, Until, times
from collector.cli.whole_file import STDOUT, whole_file
from collector.errors import StartError
from collector.report import figures
from collector.report.figures import Row

_USUAL_DAYS = 7


@errors_as_sentences
@with_api
def report(
    chosen: settings.Settings,
    *,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE|-", help="Appears when it is whole; - is standard output.")
    ] = "report.pdf",
    days: Annotated[
        int | None, typer.Option(min=1, max=366, help="The last so many days, today with them. Default: 7.")
    ] = None,
    since: Since = "",
    until: Until = "",
    tenant: Annotated[str, typer.Option(metavar="text", help="Of this tenant, where the key sees all.")] = "",
    title: Annotated[str, typer.Option(metavar="text", help="What stands on top.")] = "Interaction report",
    font: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A font for characters that DejaVu Sans does not have; any number of times."),
    ] = None,
    key: AsKey = "",
) -> None:
    """Write a report of a time as a PDF: key figures and what changed, charts, top prompts, paths, open errors.

    The time is compared with as much time before it. With the same data and SOURCE_DATE_EPOCH set to the time at which
    it is said to be made, the file is the same to the byte.
    """
    now = _now()
    meant = times(days, since, until, now)
    begin = meant.since if since else figures.last_days(days or _USUAL_DAYS, meant.until)
    make, fonts = _printer(font or [])
    with whole_file(output) as file, api_client(chosen, key) as client:
        found = figures.gathered(_ask(client, tenant), begin, meant.until, tenant)
        written = make(found, fonts, now, title)
        file.write(written)
    if output != STDOUT:
        typer.echo(f"{output}: {found.period.interactions:,} interactions, {len(written) / 1024:,.0f} kB", err=True)


def _printer(added: list[Path]) -> Any:
    """Return what makes the PDF, and its fonts; both are of an extra, and take a second to load."""
    try:
        from collector.report.fonts import Fonts  # noqa: PLC0415 - see above
        from collector.report.pages import pdf  # noqa: PLC0415 - likewise
    except ModuleNotFoundError as error:
        raise StartError(
            f"{error.name} is not installed", hint="reports need: pip install 'otel-interactions[collector,report]'"
        ) from error
    return pdf, Fonts(added)


def _ask(client: ApiClient, tenant: str) -> figures.Ask:
    def asked(question: str, parameters: dict[str, Any]) -> list[Row]:
        whose = {"tenant": tenant} if tenant else {}
        rows: list[Row] = client.ask(f"/api/analytics/{question}", {**parameters, **whose})["rows"]
        return rows

    return asked


def _now() -> datetime:
    """Return the time; what SOURCE_DATE_EPOCH says where it is set (https://reproducible-builds.org)."""
    told = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not told:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        return datetime.fromtimestamp(int(told), UTC)
    except (ValueError, OverflowError, OSError):
        raise StartError(f"SOURCE_DATE_EPOCH is {told[:50]!r}", hint="it takes whole seconds since 1970") from None
