"""`otel-interactions spool` and `python -m otel_interactions spool`: what waits on disk for a collector."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

from otel_interactions import settings
from otel_interactions.errors import ConfigurationError
from otel_interactions.export.left import send_left
from otel_interactions.export.sender import REQUEST_BYTES, Pace
from otel_interactions.export.spool import Folder, Waiting, waiting
from otel_interactions.export.tally import Tally
from otel_interactions.export.transport import connect

OK, SOME_LEFT, WRONG = 0, 1, 2
_HOUR: Final = 3600.0


def spool(arguments: Sequence[str], program: str = "otel-interactions spool") -> int:
    """Run the verb `spool`; return the exit code: 0 nothing is left, 1 something is, 2 wrong usage or settings."""
    parser = _parser(program)
    chosen = parser.parse_args(arguments)
    root = settings.spool_dir(chosen.dir)
    if root is None:
        print("the spool is switched off by OTEL_INTERACTIONS_SPOOL_DIR: name its folder with --dir", file=sys.stderr)
        return WRONG
    try:
        return _list(root, as_json=chosen.json) if chosen.verb == "list" else _ship(root, chosen)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return WRONG


class _Help(argparse.HelpFormatter):
    """Says `Usage:` as the other verbs do."""

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        super().add_usage(usage, actions, groups, prefix or "Usage: ")


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        formatter_class=_Help,
        description="What applications on this machine recorded and no collector has yet. Any process that records to "
        "the same collector sends it by itself; `ship` does so where none runs any more.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="list | ship")
    listing = verbs.add_parser("list", formatter_class=_Help, help="say how much waits, by collector")
    shipping = verbs.add_parser(
        "ship",
        formatter_class=_Help,
        help="send what processes left that have ended",
        description="Send what processes left that have ended; those that live send their own. Keys for the collector "
        "come from OTEL_EXPORTER_OTLP_HEADERS, certificates from OTEL_EXPORTER_OTLP_CERTIFICATE, as in configure().",
    )
    for verb in (listing, shipping):
        verb.add_argument("--dir", help=f"the spool's folder (OTEL_INTERACTIONS_SPOOL_DIR, {_default()})")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    shipping.add_argument("--endpoint", help="the collector (OTEL_EXPORTER_OTLP_ENDPOINT, http://localhost:4317)")
    shipping.add_argument("--protocol", choices=settings.PROTOCOLS, help="OTEL_EXPORTER_OTLP_PROTOCOL, grpc")
    shipping.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="give up after so long (60)")
    return parser


def _default() -> str:
    return next(row.default for row in settings.SETTINGS if row.name == "spool_dir")


def _list(root: Path, *, as_json: bool) -> int:
    found = waiting(root)
    for each in found:
        print(json.dumps(asdict(each), default=str) if as_json else _line(each))
    if not found and not as_json:
        print(f"nothing waits in {root}")
    return SOME_LEFT if found else OK


def _line(each: Waiting) -> str:
    hours = max(0.0, time.time() - each.oldest) / _HOUR
    files = "1 file" if each.files == 1 else f"{each.files} files"
    return f"{each.endpoint}: {files}, {each.size / 1e6:.1f} MB, the oldest from {hours:.1f} h ago"


def _ship(root: Path, chosen: argparse.Namespace) -> int:
    target = settings.target(settings.protocol(chosen.protocol), chosen.endpoint, None)
    other, pace = (
        settings.fallback(target, None),
        Pace(settings.batch("MAX_EXPORT_BATCH_SIZE"), REQUEST_BYTES, 0.0),
    )
    folder, tally, left = Folder(root, target.endpoint, target.headers), Tally(target.endpoint, f"in {root}"), 0
    deadline = time.monotonic() + chosen.timeout
    for counts, left in send_left(folder, partial(connect, target, other), tally, pace, deadline):
        print(f"{counts.delivered} spans sent to {target.endpoint}, {left} left", flush=True)
    counts = tally.counts()
    for reason, spans in {**counts.refused, **counts.lost}.items():
        print(f"{spans} spans given up: {reason}", file=sys.stderr)
    if left:
        print(f"not sent: {tally.last_error}; they stay in {root}", file=sys.stderr)
    elif not counts.given:
        print(f"nothing is left for {target.endpoint}")
    for each in waiting(root):
        if each.endpoint != target.endpoint:
            print(f"some waits for another collector: spool ship --endpoint {each.endpoint}", file=sys.stderr)
        elif each.folder != folder.path:
            print(f"some waits for {each.endpoint} with other headers: OTEL_EXPORTER_OTLP_HEADERS", file=sys.stderr)
    return SOME_LEFT if left else OK


def main() -> None:
    """Run `python -m otel_interactions`."""
    if sys.argv[1:2] != ["spool"]:
        sys.exit("usage: python -m otel_interactions spool list | ship")
    sys.exit(spool(sys.argv[2:], "python -m otel_interactions spool"))


if __name__ == "__main__":
    main()
