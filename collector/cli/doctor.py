"""`otel-interactions doctor`: is everything as a collector needs it?"""

from __future__ import annotations

import dataclasses

import typer

from collector import settings
from collector.cli.options import FAILED, AsJson, AsKey, print_json, with_flags
from collector.query import show


@with_flags(*settings.Settings.model_fields)
def examine(flags: dict[str, str | None], as_json: AsJson = False, key: AsKey = "") -> None:
    """Check settings, disk, ports, ClickHouse, clock and journal, with a collector running or not; say what to do."""
    from collector import doctor  # noqa: PLC0415 - loads ClickHouse, half a second the other verbs need not wait

    findings = list(doctor.examine(flags, key))
    if as_json:
        print_json([dataclasses.asdict(finding) for finding in findings])
    else:
        show.findings(show.console(), [dataclasses.asdict(finding) for finding in findings])
    if any(finding.status == "fail" for finding in findings):
        raise typer.Exit(FAILED)
