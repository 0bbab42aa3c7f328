"""`dead-letters list`, `show` and `replay`, with a collector that runs and with one that is stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import Result
from otlp_builders import span, traces
from processes import CollectorProcess, running
from typer.testing import CliRunner

from collector.cli import app
from collector.journal import segment
from collector.load import envelope
from collector.load.dead_letters import DeadLetters, Letter
from collector.request import Request, Signal

BODY = traces(span("the lost one", {"note": "zwölf"}, trace_id=b"\xab" * 16)).SerializeToString()

RECEIVED = 1_790_000_000_000_000_000


def run(data_dir: Path, *arguments: str) -> Result:
    """Run `dead-letters …` to its end."""
    return CliRunner().invoke(app, ["dead-letters", *arguments, "--data-dir", str(data_dir)])


def letter(data_dir: Path, body: bytes = BODY, **fields: Any) -> str:
    """Set a request aside; return the letter's id."""
    made = segment.Segment(data_dir, Signal.TRACES)
    made.append([Request(Signal.TRACES, body, 1, "acme", RECEIVED, "10.0.0.1")])
    path = made.freeze()
    _, frames = segment.read(path)
    path.unlink()
    identity = f"{path.stem}-000000"
    told = Letter(identity, "Code: 36. DB::Exception: no", 36, "traces", "acme", "10.0.0.1", RECEIVED, **fields)
    DeadLetters(data_dir / "dead-letters").keep(told, envelope.segment_of(identity, frames))
    return identity


def test_list(tmp_path: Path) -> None:
    """The folder of a stopped collector is listed, as a table and as JSON; an empty one is no error."""
    assert "(nothing)" in run(tmp_path, "list").stdout
    identity = letter(tmp_path)
    table = run(tmp_path, "list").stdout
    for part in (identity, "traces", "acme", "10.0.0.1", "Code: 36. DB::Exception: no"):
        assert part in table
    (row,) = map(json.loads, run(tmp_path, "list", "--json").stdout.splitlines())
    assert (row["id"], row["tenant"], row["requests"]) == (identity, "acme", 1)


def test_one_that_does_not_read(tmp_path: Path) -> None:
    """A letter that does not read is said to be there, and hides no other."""
    identity = letter(tmp_path)
    (tmp_path / "dead-letters" / "broken.json").write_text("{")
    done = run(tmp_path, "list", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["id"] == identity
    assert "broken.json does not read" in done.stderr


def test_show(tmp_path: Path) -> None:
    """One letter is shown with its reason and its OTLP as JSON, ids in hex, no longer than asked; raw, as it came."""
    identity = letter(tmp_path)
    text = run(tmp_path, "show", identity).stdout
    for part in ("Code: 36. DB::Exception: no", "2026-09-21", "the lost one", "zwölf", "ab" * 16):
        assert part in text
    short = run(tmp_path, "show", identity, "--limit", "10")
    assert "the lost one" not in short.stdout
    assert "characters more" in short.stderr
    raw = run(tmp_path, "show", identity, "--raw", str(tmp_path / "raw"))
    assert raw.exit_code == 0
    assert (tmp_path / "raw").read_bytes() == BODY
    assert "does not parse as OTLP" in run(tmp_path, "show", letter(tmp_path, b"\x0a\x7fabc")).stdout


def test_refused_nicely(tmp_path: Path) -> None:
    """No such letter, nothing named, a damaged one, no place to write: a sentence each, exit code 1, no traceback."""
    damaged = letter(tmp_path, damaged=True)
    for arguments, part in (
        (("show", "nobody"), "there is no dead letter nobody; hint: `dead-letters list` shows all"),
        (("replay",), "nothing to send again"),
        (("replay", damaged), "its bytes are not those that were acknowledged"),
        (("show", damaged, "--raw", str(tmp_path / "no" / "where")), "cannot be written: No such file"),
    ):
        done = run(tmp_path, *arguments)
        assert done.exit_code == 1, arguments
        assert part in done.stderr
        assert "Traceback" not in done.stderr
    assert "(damaged: see --raw)" in run(tmp_path, "show", damaged).stdout


def test_replay_into_a_running_collector(collector: CollectorProcess) -> None:
    """The one that can be stored is stored, once, and gone; the other comes back with its reason: exit code 1."""
    good, bad = letter(collector.data_dir), letter(collector.data_dir, b"\x0a\x7fabc")
    done = run(collector.data_dir, "replay", good, bad)
    assert done.exit_code == 1
    assert f"{good} stored" in done.stdout
    assert f"{bad} refused again: Code: 32" in done.stderr
    rows = "SELECT Tenant AS t, Peer AS p, SpanName AS n FROM otel.otel_traces WHERE JournalSegment = {id:String}"
    assert collector.ask(rows, id=good) == [{"t": "acme", "p": "10.0.0.1", "n": "the lost one"}]
    assert [json.loads(line)["id"] for line in run(collector.data_dir, "list", "--json").stdout.splitlines()] == [bad]
    DeadLetters(collector.data_dir / "dead-letters").remove(bad)
    assert run(collector.data_dir, "replay", "--all").exit_code == 0


def test_replay_while_it_is_stopped(tmp_path: Path) -> None:
    """Asked for while the collector is stopped, all of them are stored when it starts."""
    data = tmp_path / "data"
    data.mkdir()
    identities = [letter(data), letter(data)]
    done = run(data, "replay", "--all")
    assert (done.exit_code, done.stdout) == (0, "2 will be sent again when the collector starts\n")
    with running(data) as process:
        done = run(data, "replay", "--all")
        assert done.exit_code == 0, done.stderr
        folder = DeadLetters(data / "dead-letters")
        assert folder.ids() == []
        assert folder.wanted() == []
        sql = "SELECT JournalSegment AS id, count() AS n FROM otel.otel_traces GROUP BY id ORDER BY id"
        assert process.ask(sql) == [{"id": each, "n": 1} for each in identities]
