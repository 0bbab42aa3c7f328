"""docker-compose.yml names what is there. No engine is needed; Compose's client, where there is one, reads it."""

from __future__ import annotations

import copy
import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from compose_file import PROFILES, Compose, image, problems, read

ROOT = Path(__file__).parents[2]
Breaking = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def compose() -> Compose:
    """The file as it is."""
    return read(ROOT)


def client() -> list[str]:
    """Return the command of a Compose client, or skip."""
    own = Path(sys.executable).with_name("docker-compose")
    if found := own if own.exists() else shutil.which("docker-compose"):
        return [str(found)]
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0:
        return [docker, "compose"]
    pytest.skip("there is no Docker Compose client to read the file with")


def configured(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Have the real client read a copy of the file."""
    shutil.copy(ROOT / "docker-compose.yml", folder)
    command = [*client(), "--project-directory", str(folder), "-f", str(folder / "docker-compose.yml"), *flags]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    return subprocess.run(
        [*command, "config", "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=60,
    )


def test_nothing_is_wrong(compose: Compose) -> None:
    """Paths, volumes, ports, variables, health checks, images and dependencies: each is somebody's."""
    assert list(problems(compose)) == []


@pytest.mark.parametrize("profile", ["", *PROFILES])
def test_the_client_takes_it(compose: Compose, tmp_path: Path, profile: str) -> None:
    """The real client takes the file in each profile, runs the services we mean, and leaves no variable empty."""
    shutil.copy(ROOT / ".env.example", tmp_path / ".env")
    done = configured(tmp_path, *(["--profile", profile] if profile else []))
    assert (done.returncode, done.stderr) == (0, "")
    services = json.loads(done.stdout)["services"]
    assert services.keys() == compose.of(profile or "server").keys()
    for name, service in services.items():
        assert service["image"].rpartition(":")[0] == image(compose.services[name])
        assert {mount["target"] for mount in service.get("volumes", ())} == {
            mount.split(":")[1] for mount in compose.services[name].get("volumes", ())
        }


def test_without_env(tmp_path: Path) -> None:
    """Without .env nothing starts, and the client says which command to run."""
    done = configured(tmp_path)
    assert done.returncode != 0
    assert "run make env first" in done.stderr


def test_what_the_keys_service_runs(compose: Compose, tmp_path: Path) -> None:
    """Its very lines, run twice in a shell, leave two keys: one that sends for TENANT, one that opens everything."""
    lines = compose.services["keys"]["command"][0].replace("$$", "$")
    program = tmp_path / "otel-interactions"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m collector "$@"\n')
    program.chmod(0o755)
    keys = {"INGEST_KEY": f"oti_0123abcd_{'1' * 64}", "ADMIN_KEY": f"oti_4567abcd_{'2' * 64}", "TENANT": "acme"}
    data = tmp_path / "data"
    environment = keys | {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "OTEL_INTERACTIONS_DATA_DIR": str(data),
        "PYTHONPATH": str(ROOT),
    }
    for _ in range(2):
        subprocess.run(["sh", "-ec", lines], check=True, env=environment, timeout=60, capture_output=True)
    kept = {key["id"]: key for key in json.loads((data / "keys.json").read_text())["keys"]}
    assert {name: (key["tenant"], key["scopes"]) for name, key in kept.items()} == {
        "0123abcd": ("acme", ["ingest"]),
        "4567abcd": ("*", ["admin"]),
    }


def _set(*path: str, to: object) -> Breaking:
    def breaking(document: dict[str, Any]) -> None:
        place = document
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = to

    return breaking


@pytest.mark.parametrize(
    ("breaking", "found"),
    [
        (_set("services", "clickhouse", "image", to="clickhouse/clickhouse-server:latest"), "is not pinned"),
        (_set("services", "grafana", "image", to="grafana/grafana"), "is not pinned"),
        (
            _set("services", "clickhouse", "volumes", to=["./deploy/x.xml:/etc/clickhouse-server/users.d/x.xml:ro"]),
            "not exist",
        ),
        (
            _set("services", "grafana", "volumes", to=["./dashboards/provisioning:/etc/grafana/provisioning"]),
            "written to",
        ),
        (_set("services", "keeper", "volumes", to=["keeper:/var/lib/clickhouse"]), "declared nowhere"),
        (_set("services", "clickhouse", "volumes", to=["clickhouse-data:/data"]), "keeps its data"),
        (_set("services", "collector", "ports", to=["0.0.0.0:4317:4317"]), "open to others"),
        (_set("services", "collector", "ports", to=["${BIND_ADDRESS}:${OTLP_HTTP_PORT}:4319"]), "nobody listens"),
        (_set("services", "collector", "environment", "OTEL_INTERACTIONS_DRAIN_SECOND", to="3"), "means nothing"),
        (_set("services", "grafana", "environment", "CLICKHOUSE_PASSWORD", to="hunter2"), "stands in the file"),
        (
            _set(
                "services",
                "collector",
                "environment",
                "OTEL_INTERACTIONS_CLICKHOUSE_URL",
                to="http://a:b@clickhouse:8123",
            ),
            "a password stands in",
        ),
        (_set("services", "clickhouse", "environment", to={}), "asked for by its files"),
        (
            _set("services", "clickhouse", "healthcheck", "test", to=["CMD", "wget", "http://127.0.0.1:8124/ping"]),
            "asks nobody",
        ),
        (
            _set("services", "grafana", "healthcheck", "test", to=["CMD", "wget", "http://127.0.0.1:3000/"]),
            "asks for /",
        ),
        (_set("services", "collector", "healthcheck", "test", to=["CMD", "true"]), "not the Dockerfile's"),
        (_set("services", "keeper", "healthcheck", to={}), "asks nobody"),
        (
            _set("services", "collector", "depends_on", to={"clickhouse-1-1": {"condition": "service_healthy"}}),
            "does not run",
        ),
        (_set("services", "keys", "restart", to="always"), "does not end"),
        (_set("services", "clickhouse", "profiles", to=["server", "byo"]), "should not"),
        (_set("services", "clickhouse-1-1", "networks", to={}), "calls clickhouse, which does not run"),
        (_set("services", "collector", "read_only", to=False), "is not closed"),
        (_set("services", "collector", "stop_grace_period", to="20s"), "killed while it drains"),
        (_set("services", "clickhouse", "security_opt", to=[]), "may gain rights"),
    ],
)
def test_what_is_broken_is_found(compose: Compose, breaking: Breaking, found: str) -> None:
    """Each way to break the file is found, and nothing was before."""
    document = copy.deepcopy(compose.document)
    breaking(document)
    assert any(found in each for each in problems(dataclasses.replace(compose, document=document)))


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("${GRAFANA_PORT:?run make env first}", "${GRAFANA_PORT:-3000}", "does not say"),
        ("${GRAFANA_PORT:?run make env first}", "${GRAFANA_PROT:?run make env first}", "is not in .env"),
        ("${GRAFANA_PORT:?run make env first}", "3000", "GRAFANA_PORT of .env is used by nobody"),
        ("${CLICKHOUSE_CLUSTER?run make env first}", "${CLICKHOUSE_CLUSTER:?run make env first}", "has it empty"),
    ],
)
def test_variables_and_env_agree(compose: Compose, old: str, new: str, found: str) -> None:
    """A variable that .env lacks, one too many, a default beside it, an empty one: found."""
    assert old in compose.text
    broken = dataclasses.replace(compose, text=compose.text.replace(old, new))
    assert any(found in each for each in problems(broken))
