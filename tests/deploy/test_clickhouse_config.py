"""What ClickHouse is started with by Compose, read by the engine itself: users, rights, rows, logs, the cluster.

The engine reads one file of users and one of configuration, so ours are put together with what the image brings. It
takes no `changeable_in_readonly` (its server setting is another), which is left out here, and it has one user, to whom
another's profile, rights and row policies are given in turn.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from compose_file import read
from configured_engine import OWN_LOGS

from collector.query.viewer import Viewer

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "collector" / "deploy"
SCRIPT = ROOT / "tests" / "support" / "configured_engine.py"
ENVIRONMENT = {
    "CLICKHOUSE_COLLECTOR_PASSWORD": "1",
    "CLICKHOUSE_GRAFANA_PASSWORD": "2",
    "CLICKHOUSE_ANALYST_PASSWORD": "3",
    "CLICKHOUSE_CLUSTER_SECRET": "4",
    "ANALYST_TENANT": "acme",
    "SHARD": "2",
    "REPLICA": "clickhouse-2-1",
}
# As the image's users.xml has it.
BASE = """<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users><default><password></password>
<networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota></default></users></clickhouse>"""
# The logs that the image's config.xml switches on, as its 25.4 has them, and those that came since.
LOGS = [
    "query_log",
    "query_thread_log",
    "query_views_log",
    "query_metric_log",
    "part_log",
    "trace_log",
    "text_log",
    "metric_log",
    "latency_log",
    "asynchronous_metric_log",
    "error_log",
    "crash_log",
    "backup_log",
    "processors_profile_log",
    "asynchronous_insert_log",
    "blob_storage_log",
    "s3queue_log",
    "background_schedule_pool_log",
    "zookeeper_connection_log",
    "aggregated_zookeeper_log",
]


def xml(name: str) -> ET.Element:
    """Read one of our files; it is well formed."""
    return ET.fromstring((DEPLOY / name).read_text())  # noqa: S314 - our own


def text(*elements: ET.Element) -> str:
    """Write elements as one configuration, without what the engine would not take."""
    inside = "".join(ET.tostring(each, encoding="unicode") for each in elements)
    return f"<clickhouse>{inside.replace('<changeable_in_readonly />', '')}</clickhouse>"


def asked(
    folder: Path, *questions: str, users: str = BASE, main: str = "<clickhouse></clickhouse>", rows: Any = ()
) -> Any:
    """Open an engine so and ask it."""
    given = json.dumps({"users": users, "main": main, "rows": list(rows), "asked": questions})
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder)],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | ENVIRONMENT,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def of_users(folder: Path, *names: str) -> None:
    """Lay our files where the engine merges them with its users file, as a server does."""
    (folder / "users.d").mkdir()
    for name in names:
        (folder / "users.d" / Path(name).name).write_text(text(*xml(f"clickhouse/{name}")))


def as_user(name: str) -> str:
    """Return a users file in which the only user is one of ours: profile, rights and row policies."""
    users = xml("clickhouse/users.xml")
    found = users.find(f"users/{name}")
    policies = xml("clickhouse/rows.xml").find(f"users/{name}/databases")
    assert found is not None
    kept = [each for each in found if each.tag in {"profile", "quota", "grants"}]
    kept += [policies] if policies is not None else []
    inside = "".join(ET.tostring(each, encoding="unicode") for each in kept)
    one = f"<users><default><password></password><networks><ip>::/0</ip></networks>{inside}</default></users>"
    profiles, quotas = users.find("profiles"), users.find("quotas")
    assert profiles is not None
    assert quotas is not None
    profiles.append(ET.Element("default"))
    quotas.append(ET.Element("default"))
    return text(profiles, quotas).replace("</clickhouse>", f"{one}</clickhouse>")


def span(tenant: str) -> tuple[str, dict[str, Any]]:
    """Return the row of what somebody said."""
    attributes = {"interaction.type": "user_message", "interaction.message": f"of {tenant}", "session.id": tenant}
    ids = {"Timestamp": 1790000000, "TraceId": f"{'0' * 30}{len(tenant):02x}", "SpanId": f"{tenant:0>16}"}
    return "otel_traces", ids | {"Tenant": tenant, "SpanName": "said", "SpanAttributes": attributes}


def test_users(tmp_path: Path) -> None:
    """A server gets four users, `default` from its own machine only; readers are read-only, with limits that exist."""
    of_users(tmp_path, "users.xml", "rows.xml")
    access, profile, known = asked(
        tmp_path,
        "SHOW ACCESS",
        "SELECT setting_name, value FROM system.settings_profile_elements WHERE profile_name = 'reader' AND value > ''",
        "SELECT name FROM system.settings",
    )
    lines = [line for (line,) in access]
    users = {line.split()[2]: line for line in lines if line.startswith("CREATE USER")}
    assert users.keys() == {"default", "collector", "grafana", "analyst"}
    assert "HOST LOCAL" in users["default"]
    assert "SETTINGS PROFILE `reader`" in users["grafana"]
    assert dict(profile)["readonly"] == "1"
    assert {name for name, _ in profile} <= {name for (name,) in known}
    assert len(profile) == 8
    assert any(line.startswith("CREATE QUOTA reader KEYED BY user_name") and "analyst" in line for line in lines)
    granted = {line for line in lines if line.startswith("GRANT") and re.search(r" TO (grafana|analyst)$", line)}
    assert granted
    assert all(re.match(r"GRANT (SELECT|dictGet|SELECT, dictGet) ON (otel|system)\.", line) for line in granted)
    assert not any("system" in line for line in granted if line.endswith("analyst"))


def printed(*flags: str) -> tuple[set[str], dict[str, str]]:
    """Return the rights and the policies, by table, that `schema row-policies` has for a tenant's role."""
    command = [sys.executable, "-m", "collector", "schema", "row-policies", "--tenant", "acme", "--role", "r", *flags]
    sql = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    rights = re.findall(r"^GRANT.* (SELECT|dictGet) ON (otel\.\w+) TO", sql, re.MULTILINE)
    policies = re.findall(r"^CREATE ROW POLICY .* ON otel\.(\w+).*\nFOR SELECT USING (.+) TO", sql, re.MULTILINE)
    return {f"GRANT {right} ON {name}" for right, name in rights}, dict(policies)


def test_analyst_is_whom_a_dba_would_make() -> None:
    """Rights and policies of analyst are those of `schema row-policies`, for one server and for a cluster."""
    granted = {each.text for each in xml("clickhouse/users.xml").findall("users/analyst/grants/query")}
    rights, of_server = printed()
    more, of_cluster = printed("--cluster", "main")
    assert granted == rights | more
    for name, policies in (("rows.xml", of_server), ("rows-cluster.xml", of_cluster)):
        wanted = {table: each.replace("'acme'", "getSetting('query_cache_tag')") for table, each in policies.items()}
        found = xml(f"clickhouse/{name}").findall("users/analyst/databases/otel/*")
        assert {each.tag: each.findtext("filter") for each in found} == wanted, name
    assert of_server.keys() == Viewer("acme").conditions().keys()


def test_analyst(tmp_path: Path) -> None:
    """Reads the rows of its tenant through views and tables, nothing else, and can neither change that nor write."""
    rows = [span(tenant) for tenant in ("acme", "beta")]
    answers = asked(
        tmp_path,
        "SELECT DISTINCT tenant FROM otel.interactions",
        "SELECT DISTINCT Tenant FROM otel.otel_traces",
        "SELECT tenant FROM otel.sessions",
        "SELECT tenant, text FROM otel.transcript",
        "SELECT count() FROM otel.otel_traces SETTINGS query_cache_tag = 'beta'",
        "INSERT INTO otel.tenant_settings (tenant) VALUES ('acme')",
        "SELECT count() FROM otel.schema_migrations",
        "SELECT * FROM url('http://127.0.0.1:1', CSV, 'a String')",
        users=as_user("analyst"),
        rows=rows,
    )
    assert answers[:4] == [[["acme"]], [["acme"]], [["acme"]], [["acme", "of acme"]]]
    assert "READONLY" in answers[4]
    assert "READONLY" in answers[5] or "ACCESS_DENIED" in answers[5]
    assert all("ACCESS_DENIED" in each or "READONLY" in each for each in answers[6:])


def test_grafana(tmp_path: Path) -> None:
    """Reads all tenants, and has a right to each table of `system` that the boards ask; writes and changes nothing."""
    asking = (ROOT / "dashboards" / "provisioning").rglob("*.*")
    system = sorted({name for path in asking for name in re.findall(r"\bsystem\.[a-z_]+", path.read_text())})
    granted = {each.text for each in xml("clickhouse/users.xml").findall("users/grafana/grants/query")}
    assert {f"GRANT SELECT ON {name}" for name in system} == {each for each in granted if "system" in str(each)}
    answers = asked(
        tmp_path,
        "SELECT DISTINCT tenant FROM otel.interactions ORDER BY tenant",
        "INSERT INTO otel.tenant_settings (tenant) VALUES ('acme')",
        "SELECT 1 SETTINGS max_memory_usage = 0",
        *(f"SELECT * FROM {name} LIMIT 0" for name in system),
        users=as_user("grafana"),
        rows=[span(tenant) for tenant in ("acme", "beta")],
    )
    assert answers[0] == [["acme"], ["beta"]]
    assert "ACCESS_DENIED" in answers[1]
    assert "READONLY" in answers[2]
    assert answers[3:] == [[]] * len(system)


def test_default_is_whom_dictionaries_ask_as(tmp_path: Path) -> None:
    """With our users `default`, from its own machine only, still answers for the dictionaries behind the views."""
    of_users(tmp_path, "users.xml", "rows.xml")
    question = "SELECT dictGet('otel.session_by_trace', 'session_id', ('acme', 'none'))"
    assert asked(tmp_path, question) == [[[""]]]


def test_logs_end(tmp_path: Path) -> None:
    """Every log that the image switches on has a TTL; the engine takes them, and doctor is content."""
    named = [each for each in xml("clickhouse/server.xml") if each.tag.endswith("_log")]
    assert {each.tag for each in named if each.find("ttl") is not None} == set(LOGS)
    assert len({each.findtext("ttl") for each in named if each.find("ttl") is not None}) == 1  # tried in the test below
    assert [each.tag for each in named if each.get("remove")] == ["opentelemetry_span_log"]
    main = text(*(each for each in xml("clickhouse/server.xml") if not each.get("remove")))
    _, found, ratio = asked(
        tmp_path,
        "SYSTEM FLUSH LOGS",
        OWN_LOGS,
        "SELECT value FROM system.server_settings WHERE name = 'max_server_memory_usage_to_ram_ratio'",
        main=main,
    )
    assert found == [["ok", "none, or each with a TTL"]]
    assert ratio == [["0.8"]]


def test_the_engine_makes_a_log_with_our_ttl(tmp_path: Path) -> None:
    """The engine puts our TTL into the table it makes; without it, doctor complains, so the test above can fail."""
    log = "query_log"
    ours = text(*(each for each in xml("clickhouse/server.xml") if each.tag == log))
    bare = f"<clickhouse><{log}><database>system</database><table>{log}</table></{log}></clickhouse>"
    questions = ("SYSTEM FLUSH LOGS", f"SELECT engine_full FROM system.tables WHERE name = '{log}'", OWN_LOGS)
    for name, main, status in (("ours", ours, "ok"), ("bare", bare, "warn")):
        (tmp_path / name).mkdir()
        _, ((engine_full,),), ((found, _),) = asked(tmp_path / name, *questions, main=main)
        assert found == status
        assert ("TTL event_date + toIntervalDay(14)" in engine_full) == (name == "ours")


def test_cluster(tmp_path: Path) -> None:
    """The engine reads two shards of two replicas and this node's macros; hosts are services, ports Keeper's."""
    main = text(*xml("clickhouse/cluster.xml"))
    clusters, macros = asked(
        tmp_path,
        "SELECT shard_num, host_name, port, internal_replication FROM system.clusters WHERE cluster = 'main'",
        "SELECT macro, substitution FROM system.macros ORDER BY macro",
        main=main,
    )
    hosts = [(shard, f"clickhouse-{shard}-{replica}") for shard in (1, 2) for replica in (1, 2)]
    assert sorted(clusters) == [[shard, host, 9000, 1] for shard, host in hosts]
    assert macros == [["cluster", "main"], ["replica", "clickhouse-2-1"], ["shard", "2"]]
    compose = read(ROOT)
    nodes = {name: each["environment"] for name, each in compose.services.items() if name.startswith("clickhouse-")}
    assert {name: (each["SHARD"], each["REPLICA"]) for name, each in nodes.items()} == {
        host: (str(shard), host) for shard, host in hosts
    }
    keeper, cluster = xml("keeper/keeper.xml"), xml("clickhouse/cluster.xml")
    assert cluster.findtext("zookeeper/node/host") in compose.services
    assert cluster.findtext("zookeeper/node/port") == keeper.findtext("keeper_server/tcp_port")
    assert compose.services["collector-cluster"]["environment"]["OTEL_INTERACTIONS_CLICKHOUSE_CLUSTER"] == "main"
    assert f":{keeper.findtext('keeper_server/http_control/port')}/ready" in str(
        compose.services["keeper"]["healthcheck"]
    )
