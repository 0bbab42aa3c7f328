"""`python -m dashboards`: what somebody who changes a board runs."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from dashboards import __main__, build


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "dashboards", *arguments], capture_output=True, text=True, check=False)


def test_check(world: Any) -> None:
    """A board's queries are asked of a running collector; nothing is wrong, and the times are told."""
    where = ("--url", f"http://{world.collector.endpoints['sql']}", "--key", world.collector.key)
    done = command("check", "--full", "--times", "--board", "Voice", *where)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "queries of 1 boards asked, 0 findings" in done.stdout
    assert " s  Voice / Seconds of sound / A" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--url", "http://127.0.0.1:1"), 1, "nobody answers at http://127.0.0.1:1"),
        (("--url", "localhost:8123"), 2, "localhost:8123 is no address; say http://host:port"),
        (("--url", "http://a:b:c"), 2, "is no address"),
        (("--board", "Vocie"), 2, "no board begins with 'Vocie'; there are ['Conversations'"),
        (("--until", "yesterday"), 2, "invalid fromisoformat value"),
    ],
)
def test_sentences(
    arguments: tuple[str, ...],
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What cannot be done is said in a sentence, without a traceback."""
    monkeypatch.setattr(sys, "argv", ["dashboards", "check", *arguments])
    with pytest.raises(SystemExit) as ended:
        sys.exit(__main__.main())
    assert ended.value.code == code
    assert says in capsys.readouterr().err


def test_build_again(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Building writes what is missing or differs, takes away what no code makes, and then has nothing to do."""
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    everything = set(build.files())
    assert set(build.write()) == everything
    assert build.write() == []
    [first, second, *_] = sorted(everything)
    (tmp_path / first).write_text("changed by hand")
    (tmp_path / second).unlink()
    stray = tmp_path / build.BOARDS / "left.json"
    stray.write_text("{}")
    assert build.differing() == sorted([first, second, f"{build.BOARDS}/left.json"])
    build.write()
    assert build.differing() == []
    assert not stray.exists()
