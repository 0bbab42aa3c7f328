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
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from compose_file import read
from configured_engine import OWN_LOGS
from prepared import put_engine
from warm import run

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
    folder: Path,
    *questions: str,
    users: str = BASE,
    laid: Sequence[str] = (),
    main: str = "<clickhouse></clickhouse>",
    rows: Any = (),
) -> Any:
    """Open an engine so, with files of ours laid where a server merges them with its users file, and ask it."""
    put_engine(folder / "engine")
    (folder / "engine" / "users.d").mkdir()
    for name in laid:
        (folder / "engine" / "users.d" / Path(name).name).write_text(text(*xml(f"clickhouse/{name}")))
    given = json.dumps({"users": users, "main": main, "rows": list(rows), "asked": questions})
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder / "engine")],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | ENVIRONMENT,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


ASKED_OF_A_NODE = {
    "access": "SHOW ACCESS",
    "profile": "SELECT setting_name, value FROM system.settings_profile_elements "
    "WHERE profile_name = 'reader' AND value > ''",
    "known settings": "SELECT name FROM system.settings",
    "dictionary": "SELECT dictGet('otel.session_by_trace', 'session_id', ('acme', 'none'))",
    "flushed": "SYSTEM FLUSH LOGS",
    "own logs": OWN_LOGS,
    "query_log": "SELECT engine_full FROM system.tables WHERE name = 'query_log'",
    "ratio": "SELECT value FROM system.server_settings WHERE name = 'max_server_memory_usage_to_ram_ratio'",
    "clusters": "SELECT shard_num, host_name, port, internal_replication FROM system.clusters WHERE cluster = 'main'",
    "macros": "SELECT macro, substitution FROM system.macros ORDER BY macro",
}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What an engine answers that has all files of a cluster's node: users, rows, logs, the cluster."""
    server = [each for each in xml("clickhouse/server.xml") if not each.get("remove")]
    folder = tmp_path_factory.mktemp("node")
    answers = asked(
        folder,
        *ASKED_OF_A_NODE.values(),
        laid=("users.xml", "rows.xml"),
        main=text(*server, *xml("clickhouse/cluster.xml")),
    )
    return dict(zip(ASKED_OF_A_NODE, answers, strict=True))


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


def test_users(node: dict[str, Any]) -> None:
    """A server gets four users, `default` from its own machine only; readers are read-only, with limits that exist."""
    access, profile, known = node["access"], node["profile"], node["known settings"]
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
    done = run(["schema", "row-policies", "--tenant", "acme", "--role", "r", *flags])
    assert done.returncode == 0, done.stderr
    sql = done.stdout
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


def test_default_is_whom_dictionaries_ask_as(node: dict[str, Any]) -> None:
    """With our users `default`, from its own machine only, still answers for the dictionaries behind the views."""
    assert node["dictionary"] == [[""]]


def test_logs_end(node: dict[str, Any]) -> None:
    """Every log that the image switches on has a TTL; the engine takes them and makes one so, and doctor is content."""
    named = [each for each in xml("clickhouse/server.xml") if each.tag.endswith("_log")]
    assert {each.tag for each in named if each.find("ttl") is not None} == set(LOGS)
    assert len({each.findtext("ttl") for each in named if each.find("ttl") is not None}) == 1  # of all: one is tried
    assert [each.tag for each in named if each.get("remove")] == ["opentelemetry_span_log"]
    assert node["own logs"] == [["ok", "none, or each with a TTL"]]
    assert node["ratio"] == [["0.8"]]
    [[engine_full]] = node["query_log"]
    assert "TTL event_date + toIntervalDay(14)" in engine_full


def test_a_log_without_our_ttl(tmp_path: Path) -> None:
    """Without our configuration the log has no end, and doctor complains: so the test above can fail."""
    bare = "<clickhouse><query_log><database>system</database><table>query_log</table></query_log></clickhouse>"
    questions = ("SYSTEM FLUSH LOGS", ASKED_OF_A_NODE["query_log"], OWN_LOGS)
    _, [[engine_full]], [[found, _]] = asked(tmp_path, *questions, main=bare)
    assert found == "warn"
    assert "TTL" not in engine_full


def test_cluster(node: dict[str, Any]) -> None:
    """The engine reads two shards of two replicas and this node's macros; hosts are services, ports Keeper's."""
    clusters, macros = node["clusters"], node["macros"]
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
