"""The pictures of the boards: each draws, and what cannot be shown is said."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from matplotlib import rc_context
from PIL import Image

from dashboards import build, model
from dashboards.pictures import __main__ as command
from dashboards.pictures import answers, look, page, units
from dashboards.pictures.board import DRAWINGS, drawn
from dashboards.validate.asks import time_of
from dashboards.validate.looks import panels_of
from dashboards.validate.shapes import Answer

ROOT = build.FOLDER.parents[1]
Json = dict[str, Any]


def texts(board: Json, shown: list[answers.Shown], context: Any) -> list[str]:
    """Draw a board; return the texts on it."""
    with rc_context(page.SETTINGS):
        sheet = drawn(board, shown, context)
    return [each.get_text() for axes in sheet.figure.axes for each in axes.texts]


def named(boards: list[Json], title: str) -> Json:
    return next(each for each in boards if each["title"] == title)


def test_every_board(world: Any, provisioned_boards: list[Json]) -> None:
    """Each board draws, with the title of every panel; none is empty."""
    for board in provisioned_boards:
        context, shown = answers.asked(board, world.ask, time_of(board, world.until), world.until)
        assert [each.panel["title"] for each in shown if each.is_empty] == []
        assert {each["title"] for each in panels_of(board)} <= set(texts(board, shown, context))


def test_command(world: Any, tmp_path: Path) -> None:
    """A board of a running collector is written as a picture, and the command says so."""
    where = ("--url", f"http://{world.collector.endpoints['sql']}", "--key", world.collector.key)
    done = run("--out", str(tmp_path), "--board", "Session", *where)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"wrote session-detail\.png, \d+ kB\n", done.stdout)
    with Image.open(tmp_path / "session-detail.png") as picture:
        assert picture.width == look.WIDTH
        assert len(picture.convert("RGB").getcolors(1 << 24) or ()) > 20


def test_numbers(world: Any, provisioned_boards: list[Json]) -> None:
    """A board has the numbers that its queries answer, in their units."""
    board = named(provisioned_boards, "Conversations")
    context, shown = answers.asked(board, world.ask, time_of(board, world.until), world.until)
    written = texts(board, shown, context)
    [totals] = next(each.answers["A"].rows for each in shown if each.panel["title"] == "Sessions in this time")
    assert units.shown(totals[0], "short") in written
    assert units.shown(totals[2], "percentunit") in written


def test_session(world: Any, provisioned_boards: list[Json]) -> None:
    """Session detail is about one session and its time: the transcript, the calls and every span are on it."""
    board = named(provisioned_boards, "Session detail")
    context, shown = answers.asked(board, world.ask, time_of(board, world.until), world.until)
    assert context.until - context.since < 3600
    written = texts(board, shown, context)
    of = {each.panel["title"]: each.answers for each in shown}
    assert of["Transcript"]["A"].column("Text")[0].split()[0] in " ".join(written)
    assert set(of["Agents, models and tools"]["nodes"].column("mainstat")) <= set(written)
    assert set(of["Trace"]["A"].column("operationName")[:5]) <= set(written)


def test_every_kind_of_panel(provisioned_boards: list[Json]) -> None:
    """Each kind of panel that a board may have has a drawing."""
    used = {panel["type"] for board in provisioned_boards for panel in panels_of(board)}
    assert used - DRAWINGS.keys() == set()
    assert set(get_args(model.Kind)) == set(DRAWINGS)


def emptied(ask: Callable[[str], Answer]) -> Callable[[str], Answer]:
    """Answer with the same columns, without rows."""

    def answer(sql: str) -> Answer:
        told = ask(sql)
        return Answer(told.names, told.types, [])

    return answer


def test_no_data(world: Any, provisioned_boards: list[Json]) -> None:
    """A panel without rows says what its hint in the JSON says."""
    board = named(provisioned_boards, "Voice")
    context, shown = answers.asked(board, emptied(world.ask), time_of(board, world.until), world.until)
    assert all(each.is_empty for each in shown)
    written = " ".join(texts(board, shown, context))
    hint = panels_of(board)[0]["fieldConfig"]["defaults"]["noValue"]
    assert hint.startswith("No sound in this time")
    assert written.count(hint) == len(shown)


def test_refused_query(
    world: Any, boards: list[Json], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A query that ClickHouse refuses ends it with 1 and the names of board and panel."""
    broken = named(boards, "Voice")
    panel = next(each for each in panels_of(broken) if each["title"] == "By model")
    panel["targets"][0]["rawSql"] = "SELECT no_such_column FROM otel.sessions"
    monkeypatch.setattr(command.provisioned, "boards", lambda: [broken])
    where = ["--url", f"http://{world.collector.endpoints['sql']}", "--key", world.collector.key]
    monkeypatch.setattr(sys, "argv", ["pictures", "--out", str(tmp_path), *where])
    assert command.main() == 1
    told = capsys.readouterr().err
    assert told.startswith("Voice / By model / A: ")
    assert "no_such_column" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--url", "http://127.0.0.1:1"), 1, "nobody answers at http://127.0.0.1:1"),
        (("--url", "localhost:8123"), 2, "localhost:8123 is no address; say http://host:port"),
        (("--board", "Vocie"), 2, "no board begins with 'Vocie'; there are ['Conversations'"),
        (("--url", "http://127.0.0.1:1", "--out", "/dev/null/x"), 1, "Not a directory"),
    ],
)
def test_sentences(
    arguments: tuple[str, ...], code: int, says: str, monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path
) -> None:
    """What cannot be done is said in a sentence, without a traceback."""
    monkeypatch.setattr(sys, "argv", ["pictures", "--out", str(tmp_path), *arguments])
    assert command.main() == code
    assert says in capsys.readouterr().err


def test_help() -> None:
    """`--help` tells all flags."""
    done = run("--help")
    assert done.returncode == 0
    assert all(flag in done.stdout for flag in ("--url", "--key", "--until", "--board", "--out"))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    whole = [sys.executable, "-W", "error", "-m", "dashboards.pictures", *arguments]
    return subprocess.run(whole, capture_output=True, text=True, check=False)


def test_committed_pictures(provisioned_boards: list[Json]) -> None:
    """Each board has a picture that a README links, under 300 kB, as high as its grid is now."""
    linked = set(re.findall(r"\]\((?:dashboards/)?pictures/([\w-]+\.png)", _readmes()))
    assert linked == {command.file_name(board) for board in provisioned_boards}
    assert {path.name for path in command.FOLDER.glob("*.png")} == linked
    for board in provisioned_boards:
        path = command.FOLDER / command.file_name(board)
        assert path.stat().st_size < 300_000
        with Image.open(io.BytesIO(path.read_bytes())) as picture:
            assert picture.size == (look.WIDTH, drawn(board, [], _everything(board)).height), "run `make pictures`"


def _readmes() -> str:
    return "".join((ROOT / name).read_text() for name in ("README.md", "dashboards/README.md"))


def _everything(board: Json) -> Any:
    return answers.asks.everything_chosen(board, lambda _: Answer([], [], []), time_of(board, 0))


def test_pictures_have_alternative_texts() -> None:
    """Each picture in README says in words what is on it."""
    found = re.findall(r"!\[(.*?)\]\(dashboards/pictures/[\w-]+\.png\)", (ROOT / "README.md").read_text())
    assert len(found) >= 2
    assert all(len(each) > 40 for each in found)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "short", "-"),
        (0, "short", "0"),
        (1234, "short", "1.23 K"),
        (2_500_000, "short", "2.5 Mil"),
        (-1500, "ms", "-1.5 s"),
        (0.2, "ms", "200 µs"),
        (999.9, "ms", "1 s"),
        (90, "s", "1.5 min"),
        (0.031, "s", "31 ms"),
        (0, "ms", "0 ms"),
        (1536, "bytes", "1.5 KiB"),
        (0.0567, "percentunit", "5.67 %"),
        (0.00042, "currencyUSD", "$0.00042"),
        (12.5, "currencyUSD", "$12.50"),
        (0.3, "ops", "0.3 ops/s"),
        (5_000, "dateTimeFromNow", "1.58 hour ago"),
        (5_690_000, "dateTimeFromNow", "a few seconds ago"),
        (1_000_000, "none", "1,000,000"),
        (float("nan"), "ms", "-"),
    ],
)
def test_units(value: float | None, unit: str, text: str) -> None:
    """Numbers stand in the size of their unit that is read best."""
    assert units.shown(value, unit, now=5_700) == text


def test_texts_that_fit() -> None:
    """No line is wider than it may be; letters that the font has not are marked, and none is lost by wrapping."""
    long = "Where is my order? " * 20
    assert page.width(page.fitting(long, 200)) <= 200
    assert page.fitting(long, 200).endswith("…")
    lines = list(page.wrapped(long, 200))
    assert all(page.width(line) <= 200 for line in lines)
    assert " ".join(lines).split() == long.split()
    assert page.drawable("a\u0000b\n語 $x_1$") == "a▯b ▯ $x_1$"
