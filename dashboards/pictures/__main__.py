"""`python -m dashboards.pictures` draws what the boards show over demo data, for README; Grafana looks different."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from dashboards import provisioned
from dashboards.clickhouse import Asker, is_address
from dashboards.pictures import own
from dashboards.pictures.answers import PanelError, asked
from dashboards.pictures.board import picture
from dashboards.pictures.own import OwnError, Source
from dashboards.validate.asks import AskError, time_of

FOLDER: Final = Path(__file__).parent
_FAILED, _BAD_INPUT = 1, 2


def main() -> int:
    """Draw the boards; return the exit code."""
    chosen = _parser().parse_args()
    boards = [each for each in provisioned.boards() if each["title"].startswith(chosen.board)]
    if not boards:
        titles = [each["title"] for each in provisioned.boards()]
        print(f"no board begins with {chosen.board!r}; there are {titles}", file=sys.stderr)
        return _BAD_INPUT
    if chosen.url and not is_address(chosen.url):
        print(f"{chosen.url} is no address; say http://host:port", file=sys.stderr)
        return _BAD_INPUT
    try:
        chosen.out.mkdir(parents=True, exist_ok=True)
        with _source(chosen) as source, contextlib.closing(Asker(source.url, source.key)) as asker:
            for board in boards:
                _draw(board, source, asker, chosen.out)
    except (OwnError, PanelError, AskError, OSError) as error:
        print(error, file=sys.stderr)
        return _FAILED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dashboards.pictures", description=__doc__)
    parser.add_argument("--url", default="", help="of a running collector's SQL port; else one is started and filled")
    parser.add_argument("--key", default="", help="of the scope read, where that collector asks for one")
    parser.add_argument(
        "--until", type=datetime.fromisoformat, help="when the time on the boards ends; now unless given"
    )
    parser.add_argument("--board", default="", help="only those whose title begins so")
    parser.add_argument("--out", type=Path, default=FOLDER, help="the folder for the pictures; dashboards/pictures")
    return parser


@contextlib.contextmanager
def _source(chosen: argparse.Namespace) -> Iterator[Source]:
    if chosen.url:
        yield Source(chosen.url, chosen.key, chosen.until.timestamp() if chosen.until else time.time(), {})
        return
    print("starting a collector with something to show; this takes some three minutes", flush=True)
    with own.started() as source:
        yield source


def _draw(board: dict[str, Any], source: Source, asker: Asker, folder: Path) -> None:
    until, seconds = source.times.get(board["uid"], (source.until, None))
    context, shown = asked(board, asker.ask, time_of(board, until, seconds), until)
    path = folder / file_name(board)
    path.write_bytes(picture(board, shown, context))
    print(f"wrote {path.name}, {path.stat().st_size // 1000} kB", flush=True)
    for each in shown:
        if each.is_empty:
            print(f"  nothing to show: {each.panel['title']}", flush=True)


def file_name(board: dict[str, Any]) -> str:
    """Return the name of a board's picture."""
    return str(board["title"]).lower().replace(" ", "-") + ".png"


if __name__ == "__main__":
    sys.exit(main())
