"""The Dockerfile's own RUN lines, run in a folder, and a collector from what they make: no Docker is needed.

Installing 500 MB takes half a minute. Unless IMAGE_STEPS=all (`make image`) dependencies are left out of the new
environment, and the collector finds those of the one the tests run in.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from compose_file import read
from otlp_builders import span, traces
from processes import CollectorProcess, add_key

from collector import settings
from collector.access.keys import Scope

ROOT = Path(__file__).parents[2]
ALL = os.environ.get("IMAGE_STEPS") == "all"
DEVELOPMENT = {"pytest", "mypy", "ruff", "hypothesis", "matplotlib", "schemathesis"}


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions with what follows each, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines if line.strip())]


def of(name: str) -> list[str]:
    """Return what follows each instruction of this name."""
    return [rest for found, rest in instructions() if found == name]


def variables() -> dict[str, str]:
    """Return the image's variables."""
    return dict(pair.split("=", 1) for line in of("ENV") for pair in shlex.split(line))


@dataclass(frozen=True)
class Image:
    """What stands for the image's file system."""

    root: Path

    def moved(self, line: str) -> str:
        """Return a line with the image's paths replaced by ours, and its user by us."""
        for path in ("/opt/venv", "/var/lib/otel-interactions"):
            line = line.replace(path, str(self.root / path[1:]))
        return line.replace("10001", str(os.getuid()))

    def run(self, line: str, folder: Path) -> None:
        """Run a line as Docker does, in a shell, with the tests' Python in place of the image's."""
        environment = {"PATH": f"{self.root}/bin:/usr/bin:/bin", "EXTRAS": "collector", "HOME": str(self.root)}
        environment |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        if not ALL and "wanted.txt" in line:
            environment["PIP_DRY_RUN"] = environment["PIP_NO_DEPS"] = "1"  # the lock has them all, with hashes that fit
        done = subprocess.run(
            ["/bin/sh", "-c", self.moved(line)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """Do what the Dockerfile says."""
    made = Image(tmp_path_factory.mktemp("image"))
    build = made.root / "build"
    for folder in (build, made.root / "bin", made.root / "var" / "lib", made.root / "opt"):
        folder.mkdir(parents=True)
    (made.root / "bin" / "python").symlink_to(sys.executable)
    for name, rest in instructions():
        if name == "COPY" and not rest.startswith("--from"):
            *sources, target = rest.split()
            for source in sources:
                copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
                copy(ROOT / source, build / (target if target != "./" else source))
        elif name == "RUN":
            made.run(rest, build)
    yield made
    shutil.rmtree(made.root)


def test_it_is_pinned_and_closed() -> None:
    """Base images have a version, the user is not root, the data folder is that user's, ports are ours."""
    (python,) = {found for line in of("ARG") if (found := line.partition("PYTHON_VERSION=")[2])}
    assert re.fullmatch(r"3\.\d+", python)
    assert {line.split()[0] for line in of("FROM")} == {"python:${PYTHON_VERSION}-slim"}
    (user,) = of("USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    uid, gid = user.split(":")
    assert any(f"-o {uid} -g {gid} {variables()['OTEL_INTERACTIONS_DATA_DIR']}" in line for line in of("RUN"))
    assert of("VOLUME") == of("WORKDIR")[-1:] == [variables()["OTEL_INTERACTIONS_DATA_DIR"]]
    defaults = settings.table()
    assert of("EXPOSE") == [" ".join(defaults[name].default for name in ("grpc_port", "http_port", "sql_port"))]
    assert {name for name in variables() if name.startswith(settings.ENVIRONMENT_PREFIX)} <= {
        row.variable for row in defaults.values()
    }
    assert of("STOPSIGNAL") == ["SIGTERM"]
    assert all("--no-cache-dir" in part for line in of("RUN") for part in line.split("&&") if " pip install" in part)


def test_what_is_copied_is_let_in() -> None:
    """.dockerignore lets in what COPY names, and of the repository nothing else."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    copied = {source for line in of("COPY") if not line.startswith("--") for source in line.split()[:-1]}
    assert {line[1:] for line in lines if line.startswith("!")} == copied


def test_nothing_of_development_is_in_it(image: Image) -> None:
    """The environment holds what the collector needs, and not what tests and reports do."""
    command = [str(image.root / "opt/venv/bin/python"), "-m", "pip", "list", "--format=json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    names = {each["name"].lower() for each in json.loads(done.stdout)}
    assert "otel-interactions" in names
    assert not names & DEVELOPMENT
    if ALL:
        assert {"chdb", "uvloop", "orjson"} <= names
    wanted = (image.root / "build" / "wanted.txt").read_text().splitlines()
    assert any(line.startswith("chdb") for line in wanted)
    assert not any(line.startswith(("pytest", "matplotlib")) for line in wanted)


def started(image: Image) -> CollectorProcess:
    """Start a collector from the image, as ENTRYPOINT, CMD and ENV say, but on free ports."""
    process = CollectorProcess(image.root / "var/lib/otel-interactions")
    (entry,), (command,) = of("ENTRYPOINT"), of("CMD")
    assert json.loads(command) == ["serve"]
    (name,) = json.loads(entry)
    process.program = [str(image.root / "opt/venv/bin" / name)]
    return process


@pytest.fixture
def environment(image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give processes the image's variables, and in the short variant the tests' dependencies."""
    for name, value in variables().items():
        monkeypatch.setenv(name, image.moved(value).replace("$PATH", os.environ["PATH"]))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    if not ALL:
        monkeypatch.setenv("PYTHONPATH", sysconfig.get_path("purelib"))


@pytest.mark.usefixtures("environment")
def test_a_collector_from_it(image: Image) -> None:
    """It serves with a key and stores an interaction; its health check finds it healthy, and tells when it is gone."""
    data = image.root / "var/lib/otel-interactions"
    key = add_key(data, Scope.ADMIN)
    collector = started(image)
    collector.key = key
    collector.start()
    try:
        assert collector.process
        maps = Path(f"/proc/{collector.process.pid}/cmdline").read_text()
        assert str(image.root) in maps
        collector.send(traces(span("work")))
        collector.wait_until_stored()
        assert collector.ask("SELECT count() AS n FROM otel.otel_traces")[0]["n"] > 0
        assert healthy(image, collector.endpoints["http"]) == 0
        collector.process.send_signal(signal.Signals[of("STOPSIGNAL")[0]])
        assert collector.process.wait(timeout=60) == 0
        assert healthy(image, collector.endpoints["http"]) != 0
    finally:
        collector.kill()


def healthy(image: Image, endpoint: str) -> int:
    """Run the Dockerfile's health check against this address; return its exit code."""
    (check,) = of("HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])
    assert f", {settings.table()['http_port'].default}," in command[-1]
    port = endpoint.rpartition(":")[2]
    command = [part.replace(settings.table()["http_port"].default, port) for part in command]
    command[0] = str(image.root / "opt/venv/bin" / command[0])
    return subprocess.run(command, check=False, capture_output=True, timeout=30).returncode


def test_the_grace_is_the_drain_s() -> None:
    """What the file of Compose says of the data folder and of draining is what the image has."""
    service = read(ROOT).services["collector"]
    assert service["volumes"] == [f"collector-data:{variables()['OTEL_INTERACTIONS_DATA_DIR']}"]
    assert not {name for name in service["environment"] if name in variables()}
