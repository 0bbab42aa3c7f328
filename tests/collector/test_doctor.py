"""`otel-interactions doctor`: what it looks at, what it says of it, and that it disturbs nobody."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import trustme
from processes import CollectorProcess, add_key, running
from typer.testing import CliRunner

import otel_interactions
from collector import datadir, doctor, settings
from collector.access.keys import Scope
from collector.cli import app
from collector.datadir import DataDir
from collector.doctor import Finding
from collector.journal import segment
from collector.request import Request, Signal
from collector.schema import migrator

FREE = ("--grpc-port", "0", "--http-port", "0", "--sql-port", "0")


def run(folder: Path, *flags: str, **environment: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """Run it in a process of its own; return its exit code and its findings by check."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    command = [sys.executable, "-m", "collector", "doctor", "--json", "--data-dir", str(folder), *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=variables | environment)
    assert "Traceback" not in done.stderr, done.stderr
    findings: dict[str, list[dict[str, str]]] = {}
    for line in done.stdout.splitlines():
        found = json.loads(line)
        assert set(found) == {"check", "status", "found", "advice"}
        assert found["status"] == "ok" or found["advice"], f"it does not say what to do: {found}"
        findings.setdefault(found["check"], []).append(found)
    failed = any(each["status"] == "fail" for found in findings.values() for each in found)
    assert done.returncode == int(failed)
    return done.returncode, findings


def only(found: Any) -> Finding:
    """Return the one finding."""
    (finding,) = found
    return finding


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make the data directory of a stopped collector, with something wrong in each part of the journal."""
    with_data = DataDir(tmp_path, migrator.newest())
    with_data.record_format("0.1.0", migrator.newest(), "embedded")
    with_data.close()
    for name in ("journal", "dead-letters"):
        (tmp_path / name).mkdir()
    return tmp_path


def freeze(journal: Path) -> Path:
    """Leave a segment of one request."""
    written = segment.Segment(journal, Signal.TRACES)
    written.append([Request(Signal.TRACES, b"body", 1, "default", 0, "")])
    return written.freeze()


def test_a_fresh_machine(tmp_path: Path) -> None:
    """Where nothing was ever started everything is looked at, nothing fails, and nothing is left behind."""
    code, findings = run(tmp_path / "data", *FREE)
    assert code == 0
    assert set(findings) >= {
        *("packages", "environment", "settings", "data directory", "disk speed", "disk space", "ports", "ClickHouse"),
        *("schema", "decoding", "clock", "journal", "dead letters"),
    }
    assert "embedded, version" in findings["ClickHouse"][0]["found"]
    assert "does not exist yet" in findings["data directory"][0]["found"]
    assert list(tmp_path.iterdir()) == []


def test_beside_a_running_collector(collector: CollectorProcess) -> None:
    """It asks the running collector for its health, and neither opens its ClickHouse nor takes its directory."""
    code, findings = run(collector.data_dir)
    assert code == 0
    assert "healthy" in findings["collector"][0]["found"]
    assert collector.endpoints["http"] in findings["collector"][0]["found"]
    assert "in use by the running collector" in findings["ClickHouse"][0]["found"]
    assert "ports" not in findings
    assert datadir.endpoints(collector.data_dir) == collector.endpoints
    assert datadir.is_in_use(collector.data_dir)
    assert collector.health()["status"] == "healthy"


def test_a_stopped_collector_with_troubles(folder: Path) -> None:
    """Damage, torn bytes and dead letters are told with their files; ClickHouse is opened and closed again."""
    journal = folder / "journal"
    freeze(journal)
    damaged = freeze(journal)
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    (journal / "x.torn").write_bytes(b"?")
    (folder / "dead-letters" / "x.000001.json").write_text("{}")
    code, findings = run(folder, *FREE, OTEL_INTERACTIONS_GRPC_PROT="1")
    assert code == 0, "all of it is worth a look, none of it keeps a collector from starting"
    assert damaged.name in findings["journal"][0]["found"]
    assert "x.torn" in findings["journal"][1]["found"]
    assert findings["dead letters"][0]["status"] == "warn"
    assert "OTEL_INTERACTIONS_GRPC_PORT" in findings["environment"][0]["advice"]
    assert "OTEL_INTERACTIONS_GRPC_PROT" in findings["environment"][0]["found"]
    DataDir(folder, migrator.newest()).close()


def test_a_table_for_people(folder: Path) -> None:
    """Without --json it prints a table, without colours when piped, and exits 1 if something fails."""
    (folder / "format.json").write_text(json.dumps({"version": "9.9", "schema": migrator.newest() + 1}))
    (folder / "clickhouse").mkdir()
    done = CliRunner().invoke(app, ["doctor", "--data-dir", str(folder), *FREE])
    assert done.exit_code == 1
    assert "\x1b" not in done.stdout
    assert "fail" in done.stdout
    assert "written by version 9.9" in done.stdout
    assert "-> run that version or a newer one" in done.stdout
    assert done.stderr == ""
    assert list((folder / "clickhouse").iterdir()) == [], "nothing of a newer version is opened"


def test_a_bad_setting(tmp_path: Path) -> None:
    """A setting that does not resolve is a finding; what depends on it is not looked at."""
    findings = {each.check: each for each in doctor.examine({"data_dir": str(tmp_path), "batch_items": "none"})}
    assert findings["settings"].status == "fail"
    assert "--batch-items (OTEL_INTERACTIONS_BATCH_ITEMS) cannot be 'none'" in findings["settings"].found
    assert set(findings) == {"packages", "environment", "settings"}


def test_a_server_that_does_not_answer(folder: Path) -> None:
    """A ClickHouse server that is away fails, and its password is not shown."""
    chosen = settings.load(data_dir=str(folder), clickhouse_url="http://me:hunter2@127.0.0.1:1")
    finding = only(doctor.clickhouse(chosen, folder, in_use=False))
    assert (finding.check, finding.status) == ("ClickHouse", "fail")
    assert "hunter2" not in str(finding)
    assert "--clickhouse-url" in finding.advice


@pytest.mark.parametrize("flag", ["grpc_port", "http_port", "sql_port"])
def test_a_taken_port(flag: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port somebody else holds, and be it one that never answers, fails with the flag that chooses another."""
    monkeypatch.setattr(doctor, "_HEALTH_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = {"grpc_port": 0, "http_port": 0, "sql_port": 0} | {flag: taken.getsockname()[1]}
        finding = only(doctor.ports(settings.load(**ports)))
    assert finding.status == "fail"
    assert str(ports[flag]) in finding.found
    assert f"--{flag.replace('_', '-')}" in finding.advice


def test_a_port_of_another_collector(collector: CollectorProcess) -> None:
    """If it is another collector that holds the port, that is said."""
    port = int(collector.endpoints["http"].rpartition(":")[2])
    finding = only(doctor.ports(settings.load(grpc_port=0, http_port=port, sql_port=0)))
    assert finding.status == "fail"
    assert "a collector of another data directory holds it" in finding.found


def test_ports_of_server_mode() -> None:
    """With a ClickHouse server the SQL port is not opened, so it need not be free."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        chosen = settings.load(grpc_port=0, http_port=0, sql_port=port, clickhouse_url="http://db:8123")
        assert only(doctor.ports(chosen)).status == "ok"


def test_a_locked_directory_nobody_serves(folder: Path) -> None:
    """A directory in use whose collector does not answer fails; one that is only starting is worth a second look."""
    held = DataDir(folder, migrator.newest())
    assert only(doctor.collector(folder, settings.load())).status == "warn"
    held.record_endpoints({"http": "127.0.0.1:1"})
    finding = only(doctor.collector(folder, settings.load()))
    assert (finding.status, "127.0.0.1:1" in finding.found) == ("fail", True)
    held.close()


@pytest.mark.parametrize(("told", "status"), [("healthy", "ok"), ("degraded", "warn"), ("unhealthy", "fail")])
def test_the_health_of_a_running_one(folder: Path, monkeypatch: pytest.MonkeyPatch, told: str, status: str) -> None:
    """Degraded is worth a look, unhealthy fails; the reasons are what to look at."""
    datadir._write(folder / "endpoints.json", {"http": "127.0.0.1:1"})
    answer = {"status": told, "version": "1", "queue_depth": 7, "reasons": ["the disk is full"]}
    monkeypatch.setattr(doctor, "_health", lambda *_: answer)
    finding = only(doctor.collector(folder, settings.load()))
    assert (finding.status, finding.advice) == (status, "the disk is full")
    assert "7 requests wait" in finding.found


def test_a_collector_with_keys_and_tls(tmp_path: Path) -> None:
    """Over TLS by the certificate the data directory names; without a key the status is all it is told."""
    ca = trustme.CA()
    leaf, cert, private = ca.issue_cert("127.0.0.1"), tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    leaf.private_key_pem.write_to_path(private)
    folder = tmp_path / "data"
    folder.mkdir()
    key = add_key(folder, Scope.READ)
    with running(folder, "--tls-cert", str(cert), "--tls-key", str(private)):
        _, without = run(folder)
        _, with_key = run(folder, "--key", key)
    assert without["collector"][0]["status"] == with_key["collector"][0]["status"] == "ok"
    assert "version" not in without["collector"][0]["found"]
    assert "version" in with_key["collector"][0]["found"]
    assert "https://" in with_key["collector"][0]["found"]


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    """A data directory below a file, or in a place where nobody may write, fails."""
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file" / "data", Path("/proc/otel-interactions")):
        finding = only(doctor.data_directory(folder, 0))
        assert (finding.status, str(folder) in finding.found) == ("fail", True)
        assert "--data-dir" in finding.advice


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": "x"}'])
def test_a_format_that_does_not_read(folder: Path, content: str) -> None:
    """A directory whose version cannot be read fails."""
    (folder / "format.json").write_text(content)
    assert only(doctor.data_directory(folder, 0)).status == "fail"


MOUNTS = r"""
/dev/vda / ext4 rw 0 0
proc /proc proc rw 0 0
tmpfs /run tmpfs rw 0 0
fs:/exports /mnt/net nfs4 rw 0 0
overlay /box overlay rw 0 0
/dev/vdb /mnt/with\040space xfs rw 0 0
/dev/vdc /run/disk ext4 rw 0 0
/dev/vdd /later ext4 rw 0 0
tmpfs /later tmpfs rw 0 0
""".strip()


@pytest.mark.parametrize(
    ("path", "kind", "status"),
    [
        ("/var/lib/x", "ext4", "ok"),
        ("/running/x", "ext4", "ok"),
        ("/run/x", "tmpfs", "warn"),
        ("/run/disk/x", "ext4", "ok"),
        ("/mnt/net", "nfs4", "warn"),
        ("/box/a/b", "overlay", "warn"),
        ("/mnt/with space/x", "xfs", "ok"),
        ("/later/x", "tmpfs", "warn"),
    ],
)
def test_file_systems(path: str, kind: str, status: str) -> None:
    """The deepest mount counts, and of those the last; memory, network and container are warned of."""
    finding = only(doctor.file_system(Path(path), MOUNTS))
    assert (finding.status, finding.found.partition(":")[0]) == (status, kind)


@pytest.mark.parametrize(
    ("finding", "status"),
    [
        (doctor.disk_speed(0.002), "ok"),
        (doctor.disk_speed(0.05), "warn"),
        (doctor.disk_space(10 << 30, 1 << 29), "ok"),
        (doctor.disk_space(1 << 30, 1 << 29), "warn"),
        (doctor.disk_space(1 << 29, 1 << 29), "fail"),
        (doctor.disk_space(10 << 20, 0), "warn"),
        (doctor.server_version("26.9.2.1", embedded=True), "ok"),
        (doctor.server_version("26.8.1.1-testing", embedded=False), "ok"),
        (doctor.server_version("26.7.2.1", embedded=False), "warn"),
        (doctor.server_version("26.5.9.1", embedded=False), "fail"),
        (doctor.server_version("9.9", embedded=False), "fail"),
        (doctor.server_clock(0.2), "ok"),
        (doctor.server_clock(-30.0), "warn"),
        (doctor.server_clock(30.0), "warn"),
    ],
)
def test_judgements(finding: Finding, status: str) -> None:
    """What was measured is judged, and what is not well comes with advice."""
    assert (finding.status, bool(finding.advice)) == (status, status != "ok")


def test_a_clock_set_back(folder: Path) -> None:
    """A segment or file from the future says that the clock was set back."""
    assert only(doctor.clock(folder)).status == "ok"
    later = time.time() + 3600
    os.utime(folder / "format.json", (later, later))
    assert only(doctor.clock(folder)).status == "warn"
    os.utime(folder / "format.json")
    path = freeze(folder / "journal")
    path.rename(path.with_name(f"{int(later * 1e9):020d}-00000000-traces.ready"))
    assert "3600 s before" in only(doctor.clock(folder)).found


def test_packages() -> None:
    """What is installed is compared with what the collector asks for."""
    assert only(doctor.packages()).status == "ok"
    assert list(doctor._outdated(["chdb>=4.4; extra == 'collector'", "chdb>=99; extra == 'other'"])) == []
    (old,) = doctor._outdated(["chdb>=99.1; extra == 'collector'"])
    assert old.startswith("chdb is ")
    assert old.endswith("at least 99.1 is needed")
    (missing,) = doctor._outdated(["no-such-package>=1"])
    assert missing == "no-such-package is not installed"


def test_a_parser_that_is_not_upb(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validation needs the C parser of protobuf."""
    monkeypatch.setattr(doctor.api_implementation, "Type", lambda: "python")
    assert only(doctor.packages()).status == "fail"


def test_the_sdks_variables_are_known() -> None:
    """The SDK's variables have the same prefix and are no mistakes."""
    sdk = {name for row in otel_interactions.SETTINGS for name in row.env if name.startswith("OTEL_INTERACTIONS_")}
    assert sdk == doctor.SDK_VARIABLES
    assert only(doctor.environment(dict.fromkeys(sdk, "1"))).status == "ok"


def test_a_journal_too_long_to_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long journal only a part is read, and that is said."""
    size = sum(freeze(folder / "journal").stat().st_size for _ in range(3))
    monkeypatch.setattr(doctor, "_READ_BYTES", size // 2)
    finding = only(doctor.journal(folder / "journal"))
    assert finding.found == f"3 segments wait, {size} bytes, {size * 2 // 3} bytes of them not read"


def test_clickhouse_that_cannot_decode(engine: Any) -> None:
    """A ClickHouse that does not decode OTLP protobuf fails, with what it said."""

    class Cloud:
        """The engine, as one that has no such format."""

        embedded = True

        def rows(self, sql: str) -> Any:
            return engine.database.rows(sql.replace("ProtobufSingle", "Protobuffalo"))

    assert doctor.decoding(engine.database).status == "ok"
    finding = doctor.decoding(Cloud())
    assert finding.status == "fail"
    assert "Protobuffalo" in finding.found


def test_logs_without_an_end(engine: Any) -> None:
    """A log of ClickHouse's own without a TTL is warned of, one put aside too; with a TTL it is well."""
    assert doctor.own_logs(engine.database).status == "ok", "the embedded engine keeps none"
    for name in ("text_log", "text_log_0"):
        engine.database.command(f"CREATE TABLE system.{name} (event_date Date) ENGINE = MergeTree ORDER BY event_date")
    try:
        finding = doctor.own_logs(engine.database)
        assert (finding.status, finding.found) == ("warn", "system.text_log, system.text_log_0: kept for ever")
        engine.database.command("ALTER TABLE system.text_log MODIFY TTL event_date + INTERVAL 14 DAY DELETE")
        assert doctor.own_logs(engine.database).found == "system.text_log_0: kept for ever"
    finally:
        for name in ("text_log", "text_log_0"):
            engine.database.command(f"DROP TABLE system.{name} SYNC")


def test_a_dictionary_that_may_not_ask(engine: Any) -> None:
    """A server that does not let `default` in without a password answers nothing about sessions; doctor says so."""
    assert doctor.answering(engine.database).status == "ok"
    [(made,)] = engine.ask("SELECT create_table_query FROM system.tables WHERE name = 'session_by_trace'")
    engine.database.command(made.replace("CREATE", "CREATE OR REPLACE", 1).replace("(QUERY", "(USER 'nobody' QUERY", 1))
    try:
        finding = doctor.answering(engine.database)
        assert finding.status == "fail"
        assert "nobody" in finding.found
        assert "`default`" in finding.advice
    finally:
        engine.database.command(made.replace("CREATE", "CREATE OR REPLACE", 1))
    assert doctor.answering(engine.database).status == "ok"


def test_schemas(engine: Any) -> None:
    """The newest schema is well; one that a newer version wrote fails before anything is touched."""
    found = {each.check: each for each in doctor._database(engine.database, decodes=True)}
    assert {each.status for each in found.values()} == {"ok"}
    assert found["schema"].found.startswith(str(migrator.newest()))
