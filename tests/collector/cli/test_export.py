"""`otel-interactions export`, as a person or a script runs it."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import warm
from certificates import Files
from otlp_builders import span, traces
from processes import CollectorProcess, add_key, running
from pyarrow import parquet

from collector.access.keys import Scope
from collector.cli.export import Counted

TEXT = 'one "two"\nthree, vier Äpfel'
UNTIL = "2026-05-01T00:00:00"
ROWS = 40_000  # of the collector that is `full`


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A collector that asks for keys and knows of three messages and an error."""
    data = tmp_path_factory.mktemp("export") / "data"
    data.mkdir()
    key = add_key(data, Scope.INGEST, Scope.READ)
    now = time.time_ns() - 60 * 10**9
    with running(data, "--batch-seconds", "0.1") as started:
        started.key = key
        said = {"interaction.type": "user_message", "interaction.message": TEXT, "session.id": "s", "user.id": "ann"}
        spans = [
            span("said", said, start_time_unix_nano=now + each, end_time_unix_nano=now + each) for each in range(3)
        ]
        failed = {"interaction.type": "error", "session.id": "t", "error.type": "Broken"}
        started.send(traces(*spans, span("failed", failed, start_time_unix_nano=now, end_time_unix_nano=now + 1)))
        started.wait_until_stored()
        yield started


def command(collector: CollectorProcess, *arguments: str) -> list[str]:
    """Return how it is run by a shell."""
    return [sys.executable, "-m", "collector", "export", "--data-dir", str(collector.data_dir), *arguments]


def export(collector: CollectorProcess, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it."""
    shown = {"OTEL_INTERACTIONS_KEY": collector.key} if collector.key else {}
    return warm.run(command(collector, *arguments)[3:], **shown | variables)


def test_to_standard_output(collector: CollectorProcess) -> None:
    """CSV unless told; the summary goes beside it, and nothing else where no person looks."""
    done = export(collector)
    assert done.returncode == 0, done.stderr
    found = list(csv.DictReader(done.stdout.splitlines(keepends=True)))
    assert [each["input_text"] for each in found if each["type"] == "user_message"] == [TEXT] * 3
    assert done.stderr.startswith("interactions: 4 rows, ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_into_a_file(collector: CollectorProcess, tmp_path: Path, ending: str) -> None:
    """The ending of a file says the format; the summary as JSON says what was written; rights are as usual."""
    target = tmp_path / f"out.{ending}"
    target.write_text("older")
    done = export(collector, "--output", str(target), "--user", "ann", "--json")
    assert (done.returncode, done.stdout) == (0, "")
    told = json.loads(done.stderr)
    assert (told["what"], told["format"], told["rows"]) == ("interactions", ending, 3)
    assert told["bytes"] == target.stat().st_size
    assert told["output"] == str(target)
    match ending:
        case "csv":
            texts = [
                each["input_text"] for each in csv.DictReader(io.StringIO(target.read_bytes().decode(), newline=""))
            ]
        case "jsonl":
            texts = [json.loads(line)["input_text"] for line in target.read_text().splitlines()]
        case _:
            texts = parquet.read_table(target)["input_text"].to_pylist()
    assert texts == [TEXT] * 3
    (tmp_path / "usual").touch()
    assert target.stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert {each.name for each in tmp_path.iterdir()} == {target.name, "usual"}


def test_filters(collector: CollectorProcess) -> None:
    """What, session, type and time reach the collector."""
    said = export(collector, "--what", "transcript", "--session", "s", "--format", "jsonl")
    assert [json.loads(line)["role"] for line in said.stdout.splitlines()] == ["user"] * 3
    failed = export(collector, "--what", "errors", "--format", "jsonl", "--type", "error", "--days", "1")
    assert [json.loads(line)["error_type"] for line in failed.stdout.splitlines()] == ["Broken"]
    assert export(collector, "--until", "2020-01-01", "--since", "2019-01-01", "--format", "jsonl").stdout == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["--what", "everything"],
            "--what 'everything' is not known; hint: use interactions, sessions, transcript, errors",
        ),
        (["--format", "xlsx"], "--format 'xlsx' is not known; hint: use csv, jsonl, parquet"),
        (["--since", "yesterday"], "--since 'yesterday' is no time; hint: write it as 2026-03-10 or "),
        (["--since", "2026-02-30"], "--since '2026-02-30' is no time"),
        (["--since", "0001-01-01T00:00+14:00"], "--since '0001-01-01T00:00+14:00' is no time"),
        (["--since", "1066-10-14"], "since: "),
        (["--since", "2026-03-11", "--until", "2026-03-10"], "the time ends (2026-03-10 00:00) before it begins"),
        (["--since", "2026-03-11", "--days", "7"], "--days and --since say two things"),
        (["--days", "0"], "--days 0 is not between 0 and 3660"),
        (["--days", "nan"], "--days nan is not between 0 and 3660"),
        (["--days", "1e99"], "--days 1e+99 is not between 0 and 3660"),
        (["--what", "sessions", "--type", "error"], "what=sessions takes no interaction_type"),
        (["--output", "/nowhere/at/all.csv"], "/nowhere/at/all.csv cannot be written: no such file or directory"),
        (["--output", "/"], "/ is a folder; hint: --output takes a file"),
        (["--output", "/proc/out.csv"], "/proc/out.csv cannot be written"),
        (["--tenant", "t" * 100], "tenant: "),
    ],
)
def test_bad_input(collector: CollectorProcess, arguments: list[str], told: str) -> None:
    """It is one sentence that says what is wrong and what to do; exit code 2."""
    done = export(collector, *arguments)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_nobody_there(tmp_path: Path) -> None:
    """Without a collector it says how to start one; no file is left."""
    done = export(CollectorProcess(tmp_path), "--http-port", "1", "--output", str(tmp_path / "out.csv"))
    assert done.returncode == 1
    assert "nobody answers at http://127.0.0.1:1" in done.stderr
    assert "otel-interactions serve" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_wrong_key(collector: CollectorProcess, tmp_path: Path) -> None:
    """It says which key to give; what was in the file before is still there."""
    target = tmp_path / "out.csv"
    target.write_text("older")
    for key in ("", "nonsense"):
        done = export(collector, "--output", str(target), OTEL_INTERACTIONS_KEY=key)
        assert done.returncode == 1
        assert "hint: give a key that may read this with --key or OTEL_INTERACTIONS_KEY" in done.stderr
    assert export(collector, "--tenant", "other").returncode == 1
    assert target.read_text() == "older"


def test_over_tls(tmp_path: Path) -> None:
    """The data directory names the certificate that the collector has to show."""
    files = Files.made(tmp_path)
    with running(tmp_path / "data", "--tls-cert", str(files.cert), "--tls-key", str(files.key)) as secure:
        assert export(secure, "--what", "sessions").stdout.startswith('"tenant","session_id"')
        assert export(secure, "--tls-ca", str(files.ca), "--format", "jsonl").returncode == 0
        wrong = export(secure, "--tls-ca", str(files.other_ca))
        assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)
        assert "CERTIFICATE_VERIFY_FAILED" in wrong.stderr


def test_collector_dies(full: CollectorProcess, tmp_path: Path) -> None:
    """An export that breaks off leaves no file, and the exit code says so."""
    target = tmp_path / "out.jsonl"
    arguments = ("--since", "2026-01-01", "--until", UNTIL, "--output", str(target))
    assert full.process
    process = subprocess.Popen(command(full, *arguments), stderr=subprocess.PIPE, text=True)
    while not any(each.stat().st_size for each in tmp_path.iterdir()):
        time.sleep(0.001)
    full.process.send_signal(signal.SIGKILL)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1, told
    assert "the collector broke off" in told
    assert list(tmp_path.iterdir()) == []
    full.process.wait()
    full.start()


def test_full_disk(collector: CollectorProcess) -> None:
    """A device that is full is named."""
    done = export(collector, "--output", "/dev/full")
    assert done.returncode == 1
    assert "/dev/full cannot be written: no space left on device" in done.stderr
    assert Path("/dev/full").is_char_device()


def test_reader_leaves(full: CollectorProcess) -> None:
    """`… | head` ends without a traceback."""
    with subprocess.Popen(
        command(full, "--since", "2026-01-01", "--until", UNTIL, "--format", "jsonl"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_progress(full: CollectorProcess, tmp_path: Path) -> None:
    """A person at a terminal sees rows, percent and rate; then the summary."""
    ours, theirs = pty.openpty()
    arguments = ("--since", "2026-01-01", "--until", UNTIL, "--output", str(tmp_path / "out.jsonl"))
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "160"}
    process = subprocess.Popen(command(full, *arguments), stderr=theirs, env=environment)
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):
        while piece := os.read(ours, 65_536):
            seen += piece
    os.close(ours)
    assert process.wait() == 0
    assert b"100%" in seen
    assert b"rows, " in seen
    assert b"/s" in seen
    assert b"interactions: 3" in seen.splitlines()[-1]


def test_rows_are_counted_as_they_come() -> None:
    """Lines within a value of CSV are no rows, wherever the pieces are torn."""
    written = b'"a","b"\n"1","x\ny ""z""\n"\n"2",""\n'
    for at in range(len(written) + 1):
        counted = Counted("csv")
        counted.add(written[:at])
        counted.add(written[at:])
        assert (counted.rows, counted.size) == (2, len(written)), at
