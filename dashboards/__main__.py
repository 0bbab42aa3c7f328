"""`python -m dashboards build` writes the files, `check` tries every query of them on a running collector."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator
from datetime import datetime

from dashboards import build, provisioned
from dashboards.clickhouse import Asker, is_address
from dashboards.validate import asked, looked_at
from dashboards.validate.asks import AskError

_SLOW_SECONDS = 1.0
_FAILED, _BAD_INPUT = 1, 2


def main() -> int:
    """Run one of the two; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dashboards", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("build", help="write provisioning/ anew from the code")
    check = verbs.add_parser("check", help="look at provisioning/ and ask every query")
    check.add_argument("--url", default="http://127.0.0.1:8123", help="of the SQL port, or of a ClickHouse server")
    check.add_argument("--key", default="", help="of the scope read, where the collector asks for one")
    check.add_argument(
        "--until", type=datetime.fromisoformat, help="when the time on the boards ends; now unless given"
    )
    check.add_argument("--days", type=float, help="how long that time is; each board's own unless given")
    check.add_argument("--full", action="store_true", help="the data is such that no panel may be empty")
    check.add_argument("--board", default="", help="only those whose title begins so; the rules then stay out")
    check.add_argument("--times", action="store_true", help="tell what each query took")
    chosen = parser.parse_args()
    if chosen.verb == "build":
        for name in build.write():
            print(f"wrote provisioning/{name}")
        return 0
    return _check(chosen)


def _check(chosen: argparse.Namespace) -> int:
    if not is_address(chosen.url):
        print(f"{chosen.url} is no address; say http://host:port", file=sys.stderr)
        return _BAD_INPUT
    boards, rules, sources = provisioned.boards(), provisioned.rules(), provisioned.sources()
    those = [each for each in boards if each["title"].startswith(chosen.board)]
    if not those:
        print(f"no board begins with {chosen.board!r}; there are {[each['title'] for each in boards]}", file=sys.stderr)
        return _BAD_INPUT
    until = chosen.until.timestamp() if chosen.until else time.time()
    findings = looked_at(boards, rules, sources)
    with contextlib.closing(Asker(chosen.url, chosen.key)) as asker, _a_sentence_at_the_end():
        told = asked(
            those,
            {"groups": []} if chosen.board else rules,
            asker.ask,
            until=until,
            seconds={board["uid"]: chosen.days * 86_400 for board in those} if chosen.days else None,
            shows_content=provisioned.shows_content(),
            may_be_empty=not chosen.full,
        )
    for where, seconds in sorted(told.seconds.items(), key=lambda each: -each[1]):
        if chosen.times or seconds > _SLOW_SECONDS:
            print(f"{seconds:6.2f} s  {where}")
    findings += told.findings
    for finding in findings:
        print(finding)
    print(f"{len(told.seconds)} queries of {len(those)} boards asked, {len(findings)} findings")
    return _FAILED if findings else 0


@contextlib.contextmanager
def _a_sentence_at_the_end() -> Iterator[None]:
    """Say why nothing could be asked at all."""
    try:
        yield
    except AskError as error:
        hint = "start a collector with `otel-interactions serve`, or name its SQL port with --url"
        print(f"{error}; {hint}", file=sys.stderr)
        sys.exit(_FAILED)


if __name__ == "__main__":
    sys.exit(main())
