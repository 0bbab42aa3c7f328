"""`spool list` and `spool ship`, as people call them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

LEAVING = """
import os, sys
import otel_interactions as oi
oi.configure(endpoint=sys.argv[1], fallback_endpoint="off", set_global=False)
for number in range(int(sys.argv[2])):
    oi.event("system", attributes={"number": number})
os.kill(os.getpid(), 9)
"""
NOBODY = "http://127.0.0.1:9"


def leave(spans: int, endpoint: str = NOBODY) -> None:
    """Record so much for a collector, and be killed before it is sent."""
    environment = os.environ | {"OTEL_BSP_SCHEDULE_DELAY": "600000"}
    subprocess.run([sys.executable, "-c", LEAVING, endpoint, str(spans)], env=environment, check=False, timeout=60)


def spool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Call it."""
    command = [sys.executable, "-m", "otel_interactions", "spool", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)


def test_ship(grpc_receiver: Any) -> None:
    """What two killed processes left is sent once; then nothing is left."""
    leave(10, grpc_receiver.endpoint)
    leave(5, grpc_receiver.endpoint)
    done = spool("ship", "--endpoint", grpc_receiver.endpoint)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == f"15 spans sent to {grpc_receiver.endpoint}, 0 left"
    assert sorted(span.attributes["number"] for span in grpc_receiver.spans) == sorted([*range(10), *range(5)])
    again = spool("ship", "--endpoint", grpc_receiver.endpoint)
    assert (again.returncode, again.stdout) == (0, f"nothing is left for {grpc_receiver.endpoint}\n")


def test_more_files_than_are_taken_at_a_time(grpc_receiver: Any) -> None:
    """Forty files are sent in rounds, with a line each."""
    leave(1, grpc_receiver.endpoint)
    folder = next(Path(os.environ["OTEL_INTERACTIONS_SPOOL_DIR"]).iterdir())
    (file,) = folder.glob("*.spool")
    for number in range(39):
        (folder / f"{file.stem}-{number}.spool").write_bytes(file.read_bytes())
    done = spool("ship", "--endpoint", grpc_receiver.endpoint)
    assert done.stdout.splitlines()[-1] == f"40 spans sent to {grpc_receiver.endpoint}, 0 left"
    assert len(done.stdout.splitlines()) == 3
    assert list(folder.glob("*.spool")) == []


def test_nobody_answers() -> None:
    """Without a collector everything stays, the exit code says so, and why."""
    leave(3)
    done = spool("ship", "--endpoint", NOBODY, "--timeout", "5")
    assert done.returncode == 1
    assert "0 spans sent to http://127.0.0.1:9, 3 left" in done.stdout
    assert "not sent: UNAVAILABLE" in done.stderr
    assert spool("list").returncode == 1


def test_list(grpc_receiver: Any) -> None:
    """Each collector has a line, or a JSON object; the one that is not asked for is named by `ship`."""
    assert spool("list").stdout.startswith("nothing waits in ")
    leave(3)
    leave(2, grpc_receiver.endpoint)
    told = {line.partition(": ")[0]: line for line in spool("list").stdout.splitlines()}
    assert told.keys() == {NOBODY, grpc_receiver.endpoint}
    assert "1 file," in told[NOBODY]
    found = [json.loads(line) for line in spool("list", "--json").stdout.splitlines()]
    assert {each["endpoint"]: each["files"] for each in found} == dict.fromkeys(told, 1)
    shipped = spool("ship", "--endpoint", grpc_receiver.endpoint)
    assert shipped.returncode == 0
    assert f"spool ship --endpoint {NOBODY}" in shipped.stderr


LIGHT = """
import sys
sys.modules["typer"] = None  # as where the collector's extra is not installed
from collector.__main__ import main
sys.argv[0] = "otel-interactions"
main()
"""


@pytest.mark.parametrize(("verb", "code", "said"), [("spool", 0, "nothing waits in"), ("serve", 1, "[collector]")])
def test_where_only_the_sdk_is_installed(verb: str, code: int, said: str) -> None:
    """The script has the SDK's own verb without the collector's libraries; of others it says what to install."""
    command = [sys.executable, "-c", LIGHT, verb, *(["list"] if verb == "spool" else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)
    assert done.returncode == code
    assert said in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "list | ship"),
        (("ship", "--protocol", "pigeon"), "invalid choice"),
        (("ship", "--endpoint", "localhost"), "endpoint"),
        (("list", "--dir", "off"), "--dir"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], said: str) -> None:
    """What is wrong is named, with exit code 2."""
    done = spool(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
