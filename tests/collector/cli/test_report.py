"""`otel-interactions report`: the PDF says what SQL says, whatever people wrote, and looks the same each time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from click.testing import Result
from otlp_builders import span, traces
from processes import CollectorProcess, add_key, running
from typer.testing import CliRunner

from collector.access.keys import Scope
from collector.cli import app
from collector.report.fonts import _FOLDER as FOLDER
from collector.report.fonts import MISSING

UNTIL = "2026-05-01T00:00:00"
ROWS = 6_000  # of the collector that is `full`
SINCE = "2026-04-24"
NOTHING = ("--since", "2020-01-01", "--until", "2020-02-01")  # happened then
MADE = str(int(datetime(2026, 5, 2, 8, 30, tzinfo=UTC).timestamp()))
STRANGE = {
    "umlauts": "Größe ändern für Łódź, Çeşme und Đặng?",
    "greek": "Καλημέρα κόσμε, привет мир",
    "hebrew": "שלום עולם",
    "arabic": "مرحبا بالعالم",
    "chinese": "東京の天気はどうですか",
    "emoji": "thanks 👩‍👩‍👧 ❤️ 😀",
    "long": "word" * 400,
    "lines": "one\ntwo\r\n\tthree \x07 four $\\alpha$ **bold** __under__",
    "markup": "<b>not bold</b> {nb} %s \\N",
}


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A collector of two tenants, one of which writes in many scripts."""
    data = tmp_path_factory.mktemp("strange") / "data"
    data.mkdir()
    key, other = (add_key(data, Scope.INGEST, Scope.READ, tenant=tenant) for tenant in ("acme", "other"))
    now = time.time_ns() - 3600 * 10**9
    with running(data, "--batch-seconds", "0.1") as started:
        started.key = key
        started.send(traces(*(each for name, text in STRANGE.items() for each in said(name, text, now))))
        started.wait_until_stored()
        (data / "other.key").write_text(other)
        yield started


def said(name: str, text: str, now: int) -> list[Any]:
    """Return what one person did who writes like this: a message, an answer of a model of that name, an error."""
    told: list[dict[str, Any]] = [
        {"interaction.type": "user_message", "interaction.message": text},
        {
            "interaction.type": "assistant_response",
            "gen_ai.request.model": text[:60],
            "gen_ai.usage.input_tokens": 10,
            "interaction.response_time_ms": 5.0,
        },
        {
            "interaction.type": "error",
            "error.type": text[:50],
            "interaction.message": text,
            "interaction.action": text[:40],
        },
        {"interaction.type": "ui_event", "interaction.action": text[:40]},
    ]
    return [
        span(
            name,
            {"session.id": name, "user.id": name} | each,
            start_time_unix_nano=now + number * 10**6,
            end_time_unix_nano=now + number * 10**6,
        )
        for number, each in enumerate(told)
    ]


def report(collector: CollectorProcess, output: Path | str, *arguments: str, **variables: str) -> Result:
    """Run it in this process, which loads the libraries once; whatever is warned of is an error here."""
    return CliRunner().invoke(app, _of(collector, output, arguments), env=_variables(collector, variables))


def report_of_its_own_process(
    collector: CollectorProcess, output: Path | str, *arguments: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run it as people do."""
    return subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-m", "collector", *_of(collector, output, arguments)],
        env=os.environ | _variables(collector, variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def _of(collector: CollectorProcess, output: Path | str, arguments: Sequence[str]) -> list[str]:
    return ["report", "--data-dir", str(collector.data_dir), "--output", str(output), *arguments]


def _variables(collector: CollectorProcess, more: Mapping[str, str]) -> dict[str, str]:
    shown = {"OTEL_INTERACTIONS_KEY": collector.key} if collector.key else {}
    return shown | {"SOURCE_DATE_EPOCH": MADE} | dict(more)


def pages(path: Path) -> list[str]:
    """Return the text of each page, lines as they stand there."""
    with pypdfium2.PdfDocument(path) as document:
        return [page.get_textpage().get_text_bounded().replace("\r\n", "\n") for page in document]


@pytest.fixture(scope="module")
def week(full: CollectorProcess, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the last week of April, of a process of its own."""
    output = tmp_path_factory.mktemp("week") / "week.pdf"
    done = report_of_its_own_process(full, output, "--since", SINCE, "--until", UNTIL)
    assert done.returncode == 0, done.stderr
    assert "week.pdf: " in done.stderr
    return output


def test_says_what_sql_says(full: CollectorProcess, week: Path) -> None:
    """The key figures, the days and the tables are those that SQL of our own gives, to the digit."""
    text = "\n".join(pages(week))
    during = f"ts >= '{SINCE} 00:00:00' AND ts < '2026-05-01 00:00:00'"
    earlier = f"ts >= '2026-04-17 00:00:00' AND ts < '{SINCE} 00:00:00'"
    failed = "(type = 'error' OR (status = 'error' AND type != 'session_end'))"
    counts = (
        f"SELECT count() AS n, uniqExact(session_id) AS sessions, uniqExactIf(user_id, user_id != '') AS users, "
        f"countIf({failed}) AS errors FROM otel.interactions WHERE "
    )
    [now], [before] = full.ask(counts + during), full.ask(counts + earlier)
    assert now["n"] > 1_000
    assert f"Interactions\n{now['n']:,}\n{(now['n'] / before['n'] - 1) * 100:+.1f} %" in text
    assert f"Sessions\n{now['sessions']:,}\n" in text
    assert f"Users\n{now['users']:,}\n" in text
    moved = now["errors"] / now["n"] - before["errors"] / before["n"]
    told = f"{moved * 100:+.1f} points" if abs(moved) >= 0.0005 else "unchanged"
    assert f"Error rate\n{now['errors'] / now['n'] * 100:.1f} %\n{told}" in text
    days = full.ask(
        "SELECT toDate(ts) AS day, count() AS n, uniqExact(session_id) AS sessions, "
        f"uniqExactIf(user_id, user_id != '') AS users, countIf({failed}) AS errors "
        f"FROM otel.interactions WHERE {during} GROUP BY day ORDER BY day"
    )
    assert len(days) == 7
    for each in days:
        rate = f"{each['errors'] / each['n'] * 100:.1f} %"
        row = f"{each['day']} {each['n']:,} {each['sessions']:,} {each['users']:,} {each['errors']:,} {rate}"
        assert row in text.replace("\n", " "), row
    by_session = (  # an answer and the call of a model inside it tell the same tokens
        "SELECT session_id, if(response_model != '', response_model, model) AS name, type, count() AS n, "
        "sum(input_tokens) AS input, sum(output_tokens) AS output FROM otel.interactions "
        "WHERE type IN ('assistant_response', 'generation') AND otel.interactions.input_tokens + "
        f"otel.interactions.output_tokens > 0 AND {during} GROUP BY session_id, name, type"
    )
    models = full.ask(
        "SELECT name AS model, sum(best.1) AS calls, sum(best.2) AS input, sum(best.3) AS output FROM "
        "(SELECT name, argMax((n, input, output), (input + output, type)) AS best "
        f"FROM ({by_session}) GROUP BY session_id, name) GROUP BY model"
    )
    assert len(models) > 3
    for each in models:
        row = f"{each['model']} {each['calls']:,} {each['input']:,} {each['output']:,} $"
        assert row in text.replace("\n", " "), row
    assert f"Tokens read\n{sum(each['input'] for each in models):,}\n" in text
    assert f"Tokens written\n{sum(each['output'] for each in models):,}\n" in text
    ended = full.ask(
        "SELECT countIf(status = 'ended') / count() AS share FROM otel.sessions "
        f"WHERE started_at >= '{SINCE} 00:00:00' AND started_at < '2026-05-01 00:00:00'"
    )
    assert f"Sessions ended\n{ended[0]['share'] * 100:.1f} %" in text


def test_head_and_foot(week: Path) -> None:
    """Each page says what it is, when it was made and which it is of how many; sections are all there."""
    found = pages(week)
    for number, page in enumerate(found, 1):
        assert f"page {number} of {len(found)}" in page
        assert "made 2026-05-02 08:30 UTC" in page
        assert f"{SINCE} to 2026-05-01 UTC" in page
    text = "\n".join(found)
    assert "Compared with the time before it, as long: 2026-04-17 to 2026-04-24 UTC" in text
    for each in (
        "Interactions per day, by type",
        "Active users per day",
        "Errors per day",
        "Response time by model",
        "Tokens by model",
        "Cost by model",
        "Day by day",
        "What people ask most",
        "Common paths",
        "Unresolved errors",
        "About these figures",
    ):
        assert text.count(each) == 1, each


def test_the_same_each_time(full: CollectorProcess, week: Path, tmp_path: Path) -> None:
    """The same data, made at the same time, give the same bytes in any process; another time of making does not."""
    again, other = tmp_path / "again.pdf", tmp_path / "other.pdf"
    assert report(full, again, "--since", SINCE, "--until", UNTIL).exit_code == 0
    assert again.read_bytes() == week.read_bytes()
    for output, made in ((again, MADE), (other, "1800000000")):
        assert report(full, output, *NOTHING, SOURCE_DATE_EPOCH=made).exit_code == 0
    assert again.read_bytes() != other.read_bytes()


def test_days_are_whole(full: CollectorProcess, tmp_path: Path) -> None:
    """`--days 3` ends now and begins at a midnight: today and the two days before it."""
    made = str(int(datetime(2020, 4, 30, 12, tzinfo=UTC).timestamp()))  # without anything: one page
    assert report(full, tmp_path / "days.pdf", "--days", "3", SOURCE_DATE_EPOCH=made).exit_code == 0
    assert "2020-04-28 to 2020-04-30 12:00 UTC" in pages(tmp_path / "days.pdf")[0]
    assert report(full, tmp_path / "days.pdf", "--days", "3", "--until", "2020-04-30").exit_code == 0
    assert "2020-04-27 to 2020-04-30 UTC" in pages(tmp_path / "days.pdf")[0]


def test_nothing_happened(full: CollectorProcess, tmp_path: Path) -> None:
    """A time without anything is one page that says so."""
    assert report(full, tmp_path / "none.pdf", *NOTHING).exit_code == 0
    [page] = pages(tmp_path / "none.pdf")
    assert "No interactions were recorded in this time" in page
    assert "Interactions\n0\nunchanged" in page


def test_any_script(strange: CollectorProcess, tmp_path: Path) -> None:
    """Latin, Greek, Cyrillic, Hebrew and Arabic are drawn; what cannot be is marked, and the last page says so."""
    done = report(strange, tmp_path / "own.pdf", "--tenant", "acme", "--title", "Größe 東京", SOURCE_DATE_EPOCH=now())
    assert (done.exit_code, done.stderr.count("\n")) == (0, 1), done.stderr
    text = "\n".join(pages(tmp_path / "own.pdf"))
    assert "Tenant acme" in text
    for drawn in ("Größe ändern für Łódź, Çeşme und Đặng?", "Καλημέρα κόσμε, привет мир"):
        assert drawn in text
    assert "שלום" in text or "שלום"[::-1] in text
    assert "<b>not bold</b> {nb} %s \\N" in text
    assert "one two three four $\\alpha$ **bold** __under__" in text
    assert "東" not in text
    assert f"{MISSING * 2} stands for" not in text
    assert f"{MISSING} stands for a character that the fonts here do not have" in text
    assert f"thanks {MISSING * 3} ❤ 😀" in text  # DejaVu has these two; joiners and selectors are no characters


def test_a_font_of_ones_own(strange: CollectorProcess, tmp_path: Path) -> None:
    """A font that has a character is used for it; a file that is no font is said to be none."""
    font = FOLDER / "LastResortHE-Regular.ttf"  # has a picture for every character there is
    done = report(strange, tmp_path / "own.pdf", "--font", str(font), SOURCE_DATE_EPOCH=now())
    assert done.exit_code == 0, done.stderr
    text = "\n".join(pages(tmp_path / "own.pdf"))
    assert MISSING not in text
    assert "東京" in text
    (given := tmp_path / "text.ttf").write_text("no font")
    refused = report_of_its_own_process(strange, tmp_path / "none.pdf", "--font", str(given))
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert f"{given} is no font that can be used" in refused.stderr
    assert not (tmp_path / "none.pdf").exists()


def test_another_tenant(strange: CollectorProcess, tmp_path: Path) -> None:
    """A key of another tenant makes a report without any of these rows; it may not ask for this tenant."""
    other = (strange.data_dir / "other.key").read_text()
    done = report(strange, tmp_path / "own.pdf", OTEL_INTERACTIONS_KEY=other, SOURCE_DATE_EPOCH=now())
    assert done.exit_code == 0, done.stderr
    assert "No interactions were recorded" in pages(tmp_path / "own.pdf")[0]
    refused = report(strange, tmp_path / "none.pdf", "--tenant", "acme", OTEL_INTERACTIONS_KEY=other)
    assert (refused.exit_code, list(tmp_path.iterdir())) == (1, [tmp_path / "own.pdf"])
    assert "this is for the tenant other, not for acme" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "told", "code"),
    [
        (["--days", "0"], "--days", 2),
        (["--days", "a"], "--days", 2),
        (["--days", "7", "--since", "2026-01-01"], "--days and --since say two things", 2),
        (["--since", "soon"], "--since 'soon' is no time", 2),
        (["--since", "2026-02-01", "--until", "2026-01-01"], "before it begins", 2),
        (["--output", "/nowhere/report.pdf"], "/nowhere/report.pdf cannot be written", 2),
        (["--font", "/nowhere/absent.ttf"], "/nowhere/absent.ttf is no font that can be used", 2),
        (["--http-port", "1"], "nobody answers", 1),
        (["--key", "nonsense"], "give a key that may read this", 1),
    ],
)
def test_bad_input(strange: CollectorProcess, tmp_path: Path, arguments: list[str], told: str, code: int) -> None:
    """It is a sentence, and no file is left."""
    done = report(strange, tmp_path / "out.pdf", *arguments)
    assert (done.exit_code, list(tmp_path.iterdir())) == (code, [])
    assert told in done.stderr
    assert isinstance(done.exception, SystemExit)  # nothing that Python would have to tell of


def test_the_libraries_are_missing(strange: CollectorProcess, tmp_path: Path) -> None:
    """Where the extra is not installed it says what to install."""
    (tmp_path / "fpdf.py").write_text("raise ModuleNotFoundError('no fpdf', name='fpdf')")
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = report_of_its_own_process(strange, tmp_path / "out.pdf", PYTHONPATH=paths)
    assert done.returncode == 2
    assert "fpdf is not installed; hint: reports need: pip install 'otel-interactions[collector,report]'" in done.stderr


def now() -> str:
    """Return this second, as SOURCE_DATE_EPOCH has it."""
    return str(int(time.time()))
