"""What an operator would look at one after the other: is everything as a collector needs it, and if not, what to do?

Works beside a running collector of the same data directory, whose embedded ClickHouse it then leaves alone and whose
health it asks for instead, and without one. It reads; the only thing it writes is a small file, removed at once, to see
how long the disk takes.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import platform
import re
import shutil
import socket
import ssl
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import httpx
from clickhouse_connect.driver.exceptions import ClickHouseError
from google.protobuf.internal import api_implementation
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector import datadir, settings, tls
from collector.clickhouse import EMBEDDED_FOLDER, ClickHouse, settings_clause
from collector.datadir import DataDir
from collector.errors import CollectorError, SegmentDamaged, first_line
from collector.journal import names, segment
from collector.load.sql_settings import insert_settings
from collector.request import Request, Signal
from collector.schema import dictionaries, migrator
from collector.settings import ENVIRONMENT_PREFIX, Settings

DISTRIBUTION = "otel-interactions"
# The SDK's own variables have the prefix too; the collector does not import the SDK, a test compares the two.
SDK_VARIABLES = frozenset(
    f"OTEL_INTERACTIONS_{name}"
    for name in (
        "ENABLED",
        "CAPTURE_CONTENT",
        "MAX_FIELD_BYTES",  # the collector has it, too
        "FALLBACK_ENDPOINT",
        "SPOOL_DIR",
        "SPOOL_MAX_MIB",
        "SPOOL_MAX_HOURS",
        "SPOOL_WHEN_FULL",
        "MIN_SEVERITY",
        "DISABLED_SOURCES",
        "SAMPLE_RATES",
        "RATE_LIMITS",
        "ANONYMOUS",
        "REQUIRE_CONSENT",
        "HASH_KEY",
        "REDACT",
        "HEARTBEAT_SECONDS",
        "PROPAGATE",
    )
)
# ClickHouse: everything is tested with the embedded engine, 26.9. The engines of 26.7, 26.5 and 26.3 were tried: the
# first does all of it, the others refuse inserts, or take 5 to 20 s for any, because of what they make of the columns'
# expressions. 26.8 is an LTS.
FLOOR, RECOMMENDED = (26, 7), (26, 8)
VOLATILE = {"tmpfs", "ramfs"}
REMOTE = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs"}
_SLOW_SYNC_SECONDS = 0.02
_SYNCS = 8
_LOW_DISK_BYTES = 1 << 30
_CLOCK_SECONDS = 1.0
_READ_BYTES = 512 << 20  # of the journal; reading more would take long
_PATIENCE_SECONDS = 10  # with ClickHouse
_HEALTH_SECONDS = 3  # for a collector to tell its health
# Logs of its own that ClickHouse keeps; those it put aside when their definition changed have a number.
_ENDLESS_LOGS = """
SELECT name FROM system.tables
WHERE database = 'system' AND match(name, '_log(_[0-9]+)?$') AND engine LIKE '%MergeTree'
  AND engine_full NOT LIKE '% TTL %'
ORDER BY name
"""
_SEGMENT = re.compile(r"^\d{20}-")  # what a segment's name begins with, its birth in nanoseconds
_REQUIREMENT = re.compile(r"^([\w.-]+)>=([\d.]+)[^;]*(?:;(.*))?$")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: which, how it is, what was found, what to do about it (empty if nothing)."""

    check: str
    status: Literal["ok", "warn", "fail"]
    found: str
    advice: str = ""


def examine(flags: dict[str, str | None], key: str = "") -> Iterator[Finding]:
    """Yield a finding for each check, in the order in which a start needs them.

    `key` is shown to a running collector, which tells its health in full only to those it knows.
    """
    yield from packages()
    yield from environment(dict(os.environ))
    try:
        chosen = settings.load(**flags)
    except CollectorError as error:
        yield _failed("settings", error)
        return  # everything below depends on them
    yield Finding("settings", "ok", f"all {len(Settings.model_fields)} resolve, data in {chosen.data_dir}")
    folder = chosen.data_dir.absolute()
    yield from data_directory(folder, chosen.disk_reserve_bytes)
    in_use = datadir.is_in_use(folder)
    yield from collector(folder, chosen, key) if in_use else ports(chosen)
    yield from clickhouse(chosen, folder, in_use=in_use)
    yield from clock(folder)
    yield from journal(folder / "journal")
    yield from dead_letters(folder / "dead-letters")


def _failed(check: str, error: CollectorError) -> Finding:
    return Finding(check, "fail", error.args[0], error.hint)


def packages() -> Iterator[Finding]:
    """Look at Python and at what is installed."""
    versions = f"Python {platform.python_version()}, {DISTRIBUTION} {metadata.version(DISTRIBUTION)}"
    old = list(_outdated(metadata.requires(DISTRIBUTION) or []))
    if old:
        yield Finding(
            "packages", "fail", f"{versions}; {'; '.join(old)}", f"pip install --upgrade '{DISTRIBUTION}[collector]'"
        )
    elif (kind := api_implementation.Type()) != "upb":
        yield Finding(
            "packages",
            "fail",
            f"protobuf runs on its {kind} implementation, validation needs upb",
            "unset PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION, or install a wheel of protobuf for this platform",
        )
    else:
        yield Finding("packages", "ok", f"{versions}, chdb {metadata.version('chdb')}")


def _outdated(requirements: list[str]) -> Iterator[str]:
    """Yield a sentence for each requirement of the collector that what is installed does not meet."""
    for requirement in requirements:
        match = _REQUIREMENT.match(requirement)
        if not match or (match[3] and match[3].strip() != "extra == 'collector'"):
            continue
        try:
            found = metadata.version(match[1])
        except metadata.PackageNotFoundError:
            yield f"{match[1]} is not installed"
            continue
        if _numbers(found) < _numbers(match[2]):
            yield f"{match[1]} is {found}, at least {match[2]} is needed"


def _numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version; what follows them (rc, dev, +local) is left out."""
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, match[0].split("."))) if match else ()


def environment(variables: dict[str, str]) -> Iterator[Finding]:
    """Look for variables with our prefix that nobody reads."""
    known = {row.variable for row in settings.table().values()} | SDK_VARIABLES
    unknown = sorted(name for name in variables if name.startswith(ENVIRONMENT_PREFIX) and name not in known)
    for name in unknown:
        near = difflib.get_close_matches(name, known, n=1)
        advice = f"did you mean {near[0]}?" if near else "otel-interactions serve --help lists those there are"
        yield Finding("environment", "warn", f"{name} is set, but no setting has that name", advice)
    if not unknown:
        given = sorted(known.intersection(variables))
        yield Finding("environment", "ok", ", ".join(given) or f"no {ENVIRONMENT_PREFIX}… variable is set")


def data_directory(folder: Path, reserve: int) -> Iterator[Finding]:
    """Look at the directory, its disk, of which `reserve` bytes stay free, and its file system."""
    try:
        datadir.refuse_newer(folder, migrator.newest())
        took = _sync_seconds(folder)
    except CollectorError as error:
        yield _failed("data directory", error)
        return
    except OSError as error:
        yield Finding(
            "data directory",
            "fail",
            f"{folder} cannot be written: {error.strerror}",
            "make it writable for this user, or choose another with --data-dir",
        )
        return
    state = "" if folder.is_dir() else " (does not exist yet, serve makes it)"
    yield Finding("data directory", "ok", f"{folder}{state}")
    yield disk_speed(took)
    yield disk_space(shutil.disk_usage(_existing(folder)).free, reserve)
    yield from file_system(folder)


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _sync_seconds(folder: Path) -> float:
    """Return the median time of a small write with its sync. Raises OSError if the folder cannot be written."""
    took = []
    with tempfile.TemporaryFile(dir=_existing(folder)) as file:
        for _ in range(_SYNCS):
            began = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
    return statistics.median(took)


def disk_speed(seconds: float) -> Finding:
    """Judge how long a sync takes."""
    found = f"a sync takes {1000 * seconds:.1f} ms (median of {_SYNCS})"
    if seconds > _SLOW_SYNC_SECONDS:
        return Finding(
            "disk speed", "warn", found, "every acknowledgement waits for one; keep --data-dir on a local SSD"
        )
    return Finding("disk speed", "ok", found)


def disk_space(free: int, reserve: int) -> Finding:
    """Judge how much is free, where requests are refused below `reserve`."""
    found = f"{free / (1 << 30):.1f} GiB free, of which {reserve / (1 << 30):.1f} stay free"
    if free <= reserve:
        return Finding("disk space", "fail", found, "make space, or lower --disk-reserve-bytes: requests are refused")
    if free < reserve + _LOW_DISK_BYTES:
        return Finding("disk space", "warn", found, "make space: requests are refused when the rest is used up")
    return Finding("disk space", "ok", found)


def file_system(folder: Path, mounts: str | None = None) -> Iterator[Finding]:
    """Look at the kind of file system, where the system tells (Linux)."""
    if mounts is None:
        source = Path("/proc/self/mounts")
        if not source.exists():
            return
        mounts = source.read_text()
    kind = _kind_of(folder, mounts)
    if kind in VOLATILE:
        yield Finding("file system", "warn", f"{kind}: memory, gone after a restart", "choose a disk with --data-dir")
    elif kind in REMOTE:
        yield Finding(
            "file system",
            "warn",
            f"{kind}: on another machine",
            "its syncs are slow and its locks may not hold; choose a local disk with --data-dir",
        )
    elif kind == "overlay":
        yield Finding(
            "file system", "warn", "overlay: part of the container, gone with it", "mount a volume for --data-dir"
        )
    else:
        yield Finding("file system", "ok", kind)


def _kind_of(folder: Path, mounts: str) -> str:
    """Return the kind of the mount the folder lies in; a later mount on the same point hides the earlier."""
    best, kind = -1, "unknown"
    for line in mounts.splitlines():
        _, point, found, *_ = line.split(" ")
        path = Path(point.encode().decode("unicode_escape"))  # spaces are written as \040
        if (folder == path or path in folder.parents) and len(path.parts) >= best:
            best, kind = len(path.parts), found
    return kind


def collector(folder: Path, chosen: Settings, key: str = "") -> Iterator[Finding]:
    """Ask the collector that uses the directory how it is."""
    running = datadir.endpoints(folder)
    if "http" not in running:
        yield Finding(
            "collector", "warn", "a process uses the directory and does not serve", "it may be starting; ask again"
        )
        return
    try:
        context = tls.of_client(chosen, running.get("certificate"))
    except CollectorError as error:
        yield _failed("collector", error)
        return
    address = f"{'https' if context else 'http'}://{running['http']}"
    told = _health(address, key, context)
    if told is None:
        yield Finding(
            "collector",
            "fail",
            f"a collector uses the directory, but does not answer at {address}/health",
            "look at its log; if it hangs, end it and start it again: what it acknowledged is in the journal",
        )
        return
    verdict: dict[str, Literal["ok", "warn", "fail"]] = {"healthy": "ok", "degraded": "warn"}
    if "version" in told:
        what = f"version {told['version']} runs at {address}: {told['status']}, {told['queue_depth']} requests wait"
        advice = "; ".join(told["reasons"])
    else:
        what = f"one runs at {address}: {told['status']}"
        advice = "" if told["status"] == "healthy" else "it says why to a key with the scope read; give one with --key"
    yield Finding("collector", verdict.get(told["status"], "fail"), what, advice)


def _health(address: str, key: str = "", context: ssl.SSLContext | None = None) -> dict[str, Any] | None:
    """Ask a collector for its health; None if nobody answers, or something else than a collector.

    Without a key that it knows, the status is all it tells.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    verify = context or False  # plain HTTP has nothing to verify
    try:
        told = httpx.get(
            f"{address}/health", headers=headers, timeout=_HEALTH_SECONDS, trust_env=False, verify=verify
        ).json()
    except (httpx.HTTPError, ValueError):
        return None
    return told if isinstance(told, dict) and "status" in told else None


def ports(chosen: Settings) -> Iterator[Finding]:
    """Look whether the ports a collector would open are free."""
    wanted = {"--grpc-port": chosen.grpc_port, "--http-port": chosen.http_port}
    if chosen.clickhouse_url is None:
        wanted["--sql-port"] = chosen.sql_port
    for flag, port in wanted.items():
        if reason := _taken(chosen.host, port):
            other = _health(f"http://{chosen.host}:{port}") if flag == "--http-port" else None
            known = other and f"version {other.get('version', 'not told')}"
            holder = f"; a collector of another data directory holds it, {known}" if known else ""
            yield Finding(
                "ports",
                "fail",
                f"port {port} on {chosen.host} cannot be opened: {reason}{holder}",
                f"stop the program that holds it, or choose another with {flag} (0 picks a free one)",
            )
            break
    else:
        shown = ", ".join(f"{port or 'any'} ({flag})" for flag, port in wanted.items())
        yield Finding("ports", "ok", f"free on {chosen.host}: {shown}")


def _taken(host: str, port: int) -> str:
    """Return why a port cannot be opened, or nothing."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return (error.strerror or str(error)).lower()
    return ""


def clickhouse(chosen: Settings, folder: Path, *, in_use: bool) -> Iterator[Finding]:
    """Look whether ClickHouse answers, which it is, what schema it has, and whether it decodes our segments."""
    url = chosen.server_url
    if url is None and in_use:
        yield Finding("ClickHouse", "ok", "embedded, in use by the running collector; its health says how it is")
        return
    with contextlib.ExitStack() as undo:
        try:
            where = folder
            if url is None:
                where = undo.enter_context(_directory(folder))
            opened = ClickHouse(where, url, patience_seconds=_PATIENCE_SECONDS)
            database = undo.enter_context(contextlib.closing(opened))
            yield from _database(database, chosen.cluster, decodes=chosen.decode == "clickhouse")
        except CollectorError as error:
            yield _failed("ClickHouse", error)
        except (ClickHouseError, OSError) as error:
            yield Finding("ClickHouse", "fail", first_line(error), "look at ClickHouse's own log")


@contextlib.contextmanager
def _directory(folder: Path) -> Iterator[Path]:
    """Hold the directory as a collector does while its ClickHouse is open; a new one lends a temporary folder."""
    if (folder / EMBEDDED_FOLDER).is_dir():
        with contextlib.closing(DataDir(folder, migrator.newest())) as held:
            yield held.path
    else:
        with tempfile.TemporaryDirectory() as temporary:
            yield Path(temporary)


def _database(database: ClickHouse, cluster: str = "", *, decodes: bool) -> Iterator[Finding]:
    version, nanoseconds = database.rows("SELECT version(), toUnixTimestamp64Nano(now64(9))")[0]
    off = nanoseconds / 1e9 - time.time()
    yield server_version(version, embedded=database.embedded)
    pending = migrator.pending(database, cluster)
    if pending:
        applied = migrator.newest() - len(pending)
        yield Finding("schema", "ok", f"{applied} of {migrator.newest()}; serve applies the rest when it starts")
    else:
        yield Finding("schema", "ok", f"{migrator.newest()}, the newest this version knows")
        yield answering(database)
    yield decoding(database) if decodes or database.embedded else Finding("decoding", "ok", "done by the collector")
    yield own_logs(database)
    if not database.embedded:
        yield server_clock(off)


def server_version(version: str, *, embedded: bool) -> Finding:
    """Judge the version of ClickHouse."""
    found = f"{'embedded' if embedded else 'server'}, version {version}"
    advice = "upgrade to {}.{} LTS or newer".format(*RECOMMENDED)
    if _numbers(version) < FLOOR:
        return Finding("ClickHouse", "fail", found, advice)
    if _numbers(version) < RECOMMENDED:
        return Finding("ClickHouse", "warn", found, advice)
    return Finding("ClickHouse", "ok", found)


def answering(database: ClickHouse) -> Finding:
    """Look something up in a dictionary."""
    if trouble := dictionaries.trouble(database):
        return Finding("dictionaries", "fail", trouble, dictionaries.ADVICE)
    return Finding("dictionaries", "ok", "answer")


def decoding(database: ClickHouse) -> Finding:
    """Have ClickHouse decode a segment of one span, under the very settings the loader inserts with."""
    body = ExportTraceServiceRequest()
    body.resource_spans.add().scope_spans.add().spans.add(name="doctor")
    with tempfile.TemporaryDirectory() as folder:
        written = segment.Segment(Path(folder), Signal.TRACES)
        written.append([Request(Signal.TRACES, body.SerializeToString(), 1, "doctor", 0, "")])
        path = written.freeze()
        data = path.read_bytes()
    clause = settings_clause(insert_settings(path.stem, embedded=database.embedded))
    structure = "segment String, requests Array(Tuple(tenant String, peer String))"
    source = f"format(ProtobufSingle, '{structure}', unhex('{data.hex()}'))"
    sql = f"SELECT segment, requests.tenant FROM {source} {clause}"  # noqa: S608 - all of it ours
    try:
        rows = [tuple(row) for row in database.rows(sql)]
    except ClickHouseError as error:
        rows, said = [], first_line(error)
    else:
        said = f"it read {rows}"
    if rows == [(path.stem, ["doctor"])]:
        return Finding("decoding", "ok", "ClickHouse decodes OTLP protobuf")
    return Finding(
        "decoding",
        "fail",
        f"ClickHouse does not decode OTLP protobuf: {said}",
        "ClickHouse Cloud and old servers cannot; choose --decode collector, and the collector does it for them",
    )


def own_logs(database: ClickHouse) -> Finding:
    """Look whether ClickHouse's logs of its own end somewhere; without a TTL they grow until the disk is full."""
    endless = [f"system.{name}" for (name,) in database.rows(_ENDLESS_LOGS)]
    if endless:
        advice = "give each a <ttl> in the server's configuration, as the README shows; drop those that end in a number"
        return Finding("ClickHouse's logs", "warn", f"{', '.join(endless)}: kept for ever", advice)
    return Finding("ClickHouse's logs", "ok", "none, or each with a TTL")


def server_clock(off: float) -> Finding:
    """Judge how far the ClickHouse server's clock is from ours."""
    found = f"the ClickHouse server's clock is {abs(off):.1f} s {'ahead of' if off > 0 else 'behind'} this one"
    if abs(off) > _CLOCK_SECONDS:
        return Finding(
            "server clock", "warn", found, "synchronise both (NTP): its clock decides which sessions are active"
        )
    return Finding("server clock", "ok", found)


def clock(folder: Path) -> Iterator[Finding]:
    """Look whether the clock stands where it was, or earlier than what was written already."""
    now = time.time()
    written = [Path(__file__).stat().st_mtime]
    written += [path.stat().st_mtime for path in folder.glob("*.json")]
    written += [int(path.name.split("-", 1)[0]) / 1e9 for path in _waiting(folder / "journal")]
    ahead = max(written) - now
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if ahead > _CLOCK_SECONDS:
        yield Finding(
            "clock",
            "warn",
            f"{shown}, {ahead:.0f} s before the newest file of this program",
            "it was set back, or is wrong: synchronise it (NTP); the order of segments follows it",
        )
    else:
        yield Finding("clock", "ok", shown)


def _waiting(journal: Path) -> list[Path]:
    """Return the frozen segments, oldest first; other files are none of the journal's."""
    return sorted(path for path in journal.glob(f"*{names.READY}") if _SEGMENT.match(path.name))


def journal(folder: Path) -> Iterator[Finding]:
    """Look at what waits in the journal, and read it through as the loader will."""
    waiting = _waiting(folder)
    damaged, read, size = [], 0, 0
    for path in waiting:
        with contextlib.suppress(FileNotFoundError):  # loaded meanwhile
            size += (length := path.stat().st_size)
            if read + length <= _READ_BYTES:
                read += length
                try:
                    segment.read(path)
                except SegmentDamaged as damage:
                    damaged.append(damage.args[0])
    for sentence in damaged:
        yield Finding("journal", "warn", sentence, "the loader sets it aside in dead-letters/")
    for path in sorted(folder.glob("*.torn")):
        yield Finding(
            "journal",
            "warn",
            f"{path} holds bytes behind the last intact frame of a crash",
            "they were not acknowledged; delete it once you have looked at it",
        )
    if not damaged:
        unread = f", {size - read} bytes of them not read" if read < size else ""
        yield Finding("journal", "ok", f"{len(waiting)} segments wait, {size} bytes{unread}")


def dead_letters(folder: Path) -> Iterator[Finding]:
    """Look at what could not be stored."""
    count = sum(1 for _ in folder.glob("*.json"))
    if count:
        yield Finding(
            "dead letters",
            "warn",
            f"{count} in {folder}",
            "`otel-interactions dead-letters list` says why",
        )
    else:
        yield Finding("dead letters", "ok", "none")
