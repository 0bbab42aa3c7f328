"""What is wrong with docker-compose.yml: each thing it names is looked up where it should be.

`docker compose config` knows the format; it does not know whether a path is there, or a port or variable somebody's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from collector import settings

PROFILES = ("server", "byo", "cluster")
_VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)([^}]*)\}")
_ASKED = re.compile(r":?\?run make env first")
_FROM_ENV = re.compile(r'from_env="(\w+)"')
_SECRET = re.compile(r"PASSWORD|SECRET|_KEY$")
_OURS = {row.variable for row in settings.table().values()}
_SERVER, _KEEPER, _GRAFANA, _COLLECTOR = (
    "clickhouse/clickhouse-server",
    "clickhouse/clickhouse-keeper",
    "grafana/grafana",
    "otel-interactions",
)
# What each image listens on, and where it keeps its data.
_PORTS = {_SERVER: {8123, 9000}, _GRAFANA: {3000}, _KEEPER: {9181, 9182}, _COLLECTOR: {4317, 4318}}
_DATA = {
    _SERVER: "/var/lib/clickhouse",
    _KEEPER: "/var/lib/clickhouse",
    _GRAFANA: "/var/lib/grafana",
    _COLLECTOR: "/var/lib/otel-interactions",
}
_FOLDERS = {
    _SERVER: ("/etc/clickhouse-server/config.d/", "/etc/clickhouse-server/users.d/"),
    _KEEPER: ("/etc/clickhouse-keeper/keeper_config.xml",),
    _GRAFANA: ("/etc/grafana/provisioning",),
    _COLLECTOR: (),
}
# Variables that the images document: ClickHouse's entrypoint, and Grafana's GF_<section>_<key>.
_OF_IMAGE = {_SERVER: {"CLICKHOUSE_SKIP_USER_SETUP"}}
_OF_GRAFANA = re.compile(r"GF_(PLUGINS|SECURITY|AUTH_ANONYMOUS|USERS|ANALYTICS)_[A-Z_]+")


@dataclass(frozen=True)
class Compose:
    """The file, what stands beside it, and .env as `make env` writes it."""

    document: dict[str, Any]
    text: str
    root: Path
    env: dict[str, str]

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        """The services, all profiles."""
        found: dict[str, dict[str, Any]] = self.document["services"]
        return found

    def of(self, profile: str) -> dict[str, dict[str, Any]]:
        """Return the services that run in a profile."""
        return {name: each for name, each in self.services.items() if profile in each.get("profiles", PROFILES)}


def read(root: Path) -> Compose:
    """Read what is in the repository."""
    text = (root / "docker-compose.yml").read_text()
    return Compose(yaml.safe_load(text), text, root, env_file(root / ".env.example"))


def env_file(path: Path) -> dict[str, str]:
    """Return the variables of a .env file."""
    lines = (line for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def image(service: dict[str, Any]) -> str:
    """Return a service's image without its tag."""
    return str(service["image"]).partition(":")[0]


def host_path(mount: str, root: Path) -> Path | None:
    """Return what a mount shows of this machine; None for a volume."""
    source = mount.partition(":")[0]
    return root / source if source.startswith(".") else None


def problems(compose: Compose) -> Iterator[str]:
    """Yield what is wrong, a sentence each."""
    yield from _variables(compose)
    for name, service in compose.services.items():
        for check in (_image, _mounts, _ports, _environment, _health, _hardening):
            yield from (f"{name}: {each}" for each in check(compose, service))
    for profile in PROFILES:
        yield from (f"profile {profile}: {each}" for each in _profile(compose, profile))


def _variables(compose: Compose) -> Iterator[str]:
    used = _VARIABLE.findall(_without_comments(compose.text))
    names = {name for name, _ in used}
    for name, rest in used:
        if not _ASKED.match(rest):
            yield f"${{{name}}} does not say `run make env first`"
        if rest.startswith(":") and not compose.env.get(name, ""):
            yield f"${{{name}}} must not be empty, and .env has it empty"
    yield from (f"${{{name}}} is not in .env" for name in sorted(names - compose.env.keys()))
    unused = compose.env.keys() - names - {"COMPOSE_PROFILES"}
    yield from (f"{name} of .env is used by nobody" for name in sorted(unused))


def _without_comments(text: str) -> str:
    return "\n".join(re.sub(r"(^|\s)#.*", "", line) for line in text.splitlines())


def _image(compose: Compose, service: dict[str, Any]) -> Iterator[str]:
    repository, colon, tag = str(service["image"]).partition(":")
    if repository not in _PORTS:
        yield f"nobody knows the image {repository}"
    variable = _VARIABLE.match(tag)
    if variable:
        tag = compose.env.get(variable[1], "")
    if not colon or (repository != _COLLECTOR and not re.fullmatch(r"\d+\.\d+[\d.]*", tag)):
        yield f"the image {service['image']} is not pinned"
    if repository == _COLLECTOR and (tag != "local" or not (compose.root / service["build"] / "Dockerfile").is_file()):
        yield "the collector is not built here"


def _mounts(compose: Compose, service: dict[str, Any]) -> Iterator[str]:
    repository = image(service)
    for mount in service.get("volumes", ()):
        source, target, *mode = mount.split(":")
        path = host_path(mount, compose.root)
        if path is None:
            if source not in compose.document["volumes"]:
                yield f"the volume {source} is declared nowhere"
            if target != _DATA.get(repository):
                yield f"{target} is not where {repository} keeps its data"
        else:
            if not path.exists():
                yield f"{source} does not exist"
            if mode != ["ro"]:
                yield f"{source} can be written to"
            if not target.startswith(_FOLDERS.get(repository, ())):
                yield f"{repository} reads nothing at {target}"


def _ports(compose: Compose, service: dict[str, Any]) -> Iterator[str]:
    for each in service.get("ports", ()):
        plain = _VARIABLE.sub(lambda found: compose.env.get(found[1], "?"), each)
        address, _, rest = plain.partition(":")
        published, _, inside = rest.partition(":")
        if not each.startswith("${BIND_ADDRESS") or address != "127.0.0.1":
            yield f"the port {each} is open to others by default"
        if not (published.isdigit() and inside.isdigit() and int(inside) in _PORTS.get(image(service), ())):
            yield f"nobody listens at the port {inside}"


def _environment(compose: Compose, service: dict[str, Any]) -> Iterator[str]:
    repository = image(service)
    configs = [path for path in (host_path(each, compose.root) for each in service.get("volumes", ())) if path]
    asked = set().union(*(_asked_by(path) for path in configs if path.exists()))
    command = " ".join(service.get("command", ()))
    for name, value in service.get("environment", {}).items():
        known = name in asked or name in _OF_IMAGE.get(repository, ()) or (repository == _COLLECTOR and name in _OURS)
        known |= repository == _GRAFANA and bool(_OF_GRAFANA.fullmatch(name))
        if not known and not re.search(rf"\b{name}\b", command):
            yield f"the variable {name} means nothing to it"
        if _SECRET.search(name) and not _VARIABLE.fullmatch(str(value)):
            yield f"{name} stands in the file"
        if re.search(r"://[^/@]*:[^/@$]+@", _VARIABLE.sub("$", str(value))):
            yield f"a password stands in {name}"
    yield from (
        f"{name} is asked for by its files, and not set" for name in asked - service.get("environment", {}).keys()
    )


def _asked_by(path: Path) -> set[str]:
    """Return the variables that a mounted file, or folder of provisioning, asks for."""
    if path.suffix == ".xml":
        return set(_FROM_ENV.findall(path.read_text()))
    sources = path.glob("datasources/*.yaml")
    return {name for each in sources for name in re.findall(r": \$(\w+)$", each.read_text(), re.MULTILINE)}


def _health(compose: Compose, service: dict[str, Any]) -> Iterator[str]:
    repository = image(service)
    if "healthcheck" not in service:
        if service.get("restart") != "no":  # what ends has no health
            yield "nobody asks for its health"
        return
    test = service["healthcheck"].get("test")
    if repository == _COLLECTOR:
        if test or "HEALTHCHECK" not in (compose.root / "Dockerfile").read_text():
            yield "its health check is not the Dockerfile's"
        return
    url = urlsplit(next((part for part in test or () if "://" in part), ""))
    if (test or [""])[0] != "CMD" or url.hostname != "127.0.0.1" or url.port not in _PORTS.get(repository, ()):
        yield "its health check asks nobody"
    expected = {_SERVER: "/ping", _GRAFANA: "/api/health", _KEEPER: "/ready"}.get(repository)
    if url.path != expected:
        yield f"its health check asks for {url.path}"


def _hardening(_: Compose, service: dict[str, Any]) -> Iterator[str]:
    if "no-new-privileges:true" not in service.get("security_opt", ()):
        yield "its processes may gain rights"
    if image(service) == _COLLECTOR:
        if not service.get("read_only") or service.get("cap_drop") != ["ALL"] or not service.get("tmpfs"):
            yield "its container is not closed: read_only, cap_drop, tmpfs"
        drain = service.get("environment", {}).get("OTEL_INTERACTIONS_DRAIN_SECONDS")
        if drain and int(str(service.get("stop_grace_period", "10s")).rstrip("s")) < int(drain) + 10:
            yield "it is killed while it drains"


def _profile(compose: Compose, profile: str) -> Iterator[str]:
    running = compose.of(profile)
    names = _names(running)
    for name, service in running.items():
        for needed, how in service.get("depends_on", {}).items():
            if needed not in running:
                yield f"{name} waits for {needed}, which does not run"
            elif how["condition"] == "service_healthy" and "healthcheck" not in running[needed]:
                yield f"{name} waits for the health of {needed}, for which nobody asks"
            elif how["condition"] == "service_completed_successfully" and running[needed].get("restart") != "no":
                yield f"{name} waits for the end of {needed}, which does not end"
        yield from (f"{name} calls {host}, which does not run" for host in sorted(_hosts(service) - names))
    published = [port for service in running.values() for port in service.get("ports", ())]
    if len(published) != len(set(published)):
        yield "two open the same port"
    images = {image(service) for service in running.values()}
    if wanted := {"server": {_SERVER}, "byo": set(), "cluster": {_SERVER, _KEEPER}}[profile] ^ (
        images - {_COLLECTOR, _GRAFANA}
    ):
        yield f"what runs should not, or the other way round: {sorted(wanted)}"
    if not {_COLLECTOR, _GRAFANA} <= images:
        yield "collector or Grafana does not run"


def _names(running: dict[str, dict[str, Any]]) -> set[str]:
    networks = (service.get("networks", {}).get("default") or {} for service in running.values())
    return running.keys() | {alias for each in networks for alias in each.get("aliases", ())}


def _hosts(service: dict[str, Any]) -> set[str]:
    """Return whom a service calls on the network, of what the file itself says."""
    given = service.get("environment", {})
    called = [str(given[name]) for name in ("CLICKHOUSE_HOST", "REPLICA") if name in given]
    url = str(given.get("OTEL_INTERACTIONS_CLICKHOUSE_URL", ""))
    called += [url.rpartition("@")[2].partition(":")[0]] if "@" in url else []
    return {host for host in called if not host.startswith("${")}
