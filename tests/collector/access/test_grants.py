"""What a DBA runs: the engine parses it, and its conditions, put to the engine as policies, show one tenant's rows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from warm import run

from collector.access import grants, row_policies
from collector.access.grants import Readers
from collector.errors import StartError
from collector.schema import migrator

# The engine takes no CREATE ROW POLICY: the printed conditions go into its file of users, and those of a role hold for
# its only user.
SCRIPT = """
import json, os, sys
from pathlib import Path
from xml.sax.saxutils import escape
from collector.clickhouse import ClickHouse
from collector.schema import migrator
folder = Path(sys.argv[1])
given = json.load(sys.stdin)
database = ClickHouse(folder, None)
migrator.migrate(database)
for table, rows in given["rows"].items():
    database.insert("otel." + table, rows)
answers = []
for number, conditions in enumerate(given["conditions"]):
    policies = "".join(f"<{table}><filter>{escape(each)}</filter></{table}>" for table, each in conditions.items())
    users, config = folder / f"users-{number}.xml", folder / f"config-{number}.xml"
    users.write_text(f'''<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users>
<default><password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
<databases><otel>{policies}</otel></databases></default></users></clickhouse>''')
    config.write_text(f"<clickhouse><users_config>{users}</users_config></clickhouse>")
    database.reopen(folder, config)
    answers.append([database.rows(each) for each in given["asked"]])
print(json.dumps(answers, default=str), flush=True)
os._exit(0)
"""
TRACE = "0af7651916cd43dd8448eb211c80319c"


def written(engine: Any, readers: Readers) -> list[str]:
    """Return the statements for the schema as it is."""
    return list(
        grants.statements(row_policies.tables(engine.database), row_policies.dictionaries(engine.database), readers)
    )


def granted(statements: list[str], what: str = "SELECT") -> set[str]:
    """Return what is granted."""
    return {match[1] for each in statements if (match := re.match(rf"GRANT.* {what} ON otel\.(\w+) TO `r`$", each))}


def conditions(statements: list[str]) -> dict[str, str]:
    """Return the condition of each policy by its table."""
    found = (re.search(r"REPLACE `.+` ON otel\.(\w+).*\nFOR SELECT USING (.+) TO `r`$", each) for each in statements)
    return {match[1]: match[2] for match in found if match}


READERS = [
    Readers("r", "acme"),
    Readers("r", "acme", user="it's \\ me"),
    Readers("r", "a.b-c", cluster="main", sharded=migrator.sharded("main")),
]


@pytest.mark.parametrize("readers", READERS, ids=["tenant", "user", "cluster"])
def test_every_statement_parses(engine: Any, readers: Readers) -> None:
    """The engine's parser takes each, one statement each, and what it writes of it is the same when it reads that."""
    for each in written(engine, readers):
        once = engine.ask("SELECT formatQuery({q:String})", q=each)[0][0]
        assert engine.ask("SELECT formatQuery({q:String})", q=once)[0][0] == once
        assert once.startswith(("CREATE ROLE", "GRANT", "CREATE ROW POLICY"))
        assert ("ON CLUSTER" in once) == bool(readers.cluster)


def test_exactly_the_tables_of_tenants(engine: Any) -> None:
    """What is granted is what the embedded engine opens to tenants, and each table of it has a policy."""
    statements = written(engine, Readers("r", "acme"))
    known = row_policies.tables(engine.database)
    assert granted(statements) == {each.name for each in known}
    assert set(conditions(statements)) == {each.name for each in known if not each.is_view}
    assert granted(statements, "dictGet") == set(row_policies.dictionaries(engine.database))


def test_on_a_cluster(engine: Any) -> None:
    """Policies are on local tables: the engine takes none on Distributed ones. Both can be read."""
    sharded = migrator.sharded("main")
    plain = written(engine, Readers("r", "acme"))
    statements = written(engine, Readers("r", "acme", cluster="main", sharded=sharded))
    named = {name: f"{name}_local" if name in sharded else name for name in conditions(plain)}
    assert conditions(statements) == {named[name]: each for name, each in conditions(plain).items()}
    assert granted(statements) == granted(plain) | set(named.values())
    assert {"otel_traces", "otel_traces_local", "sessions", "model_prices"} <= granted(statements)
    assert "THESE POLICIES DO NOT HOLD" in statements[0]


def span(tenant: str, user: str, number: int) -> dict[str, Any]:
    """Return the row of what somebody said."""
    attributes = {"interaction.type": "user_message", "interaction.message": f"{user} of {tenant}", "user.id": user}
    attributes["session.id"] = f"{tenant}-{user}"
    ids = {"Timestamp": 1790000000 + number, "TraceId": TRACE, "SpanId": f"{tenant}{user}{number}"}
    return ids | {"Tenant": tenant, "SpanName": "said", "SpanAttributes": attributes}


def note(tenant: str) -> dict[str, Any]:
    """Return the row of an error that is settled."""
    ids = {"tenant": tenant, "trace_id": TRACE, "span_id": f"{tenant}ann1"}
    return ids | {"resolved": True, "said_at": 1790000000}


SHOWN = {
    Readers("r", "acme"): [["acme", "ann"], ["acme", "bob"]],
    Readers("r", "acme", user="ann"): [["acme", "ann"]],
    Readers("r", "nobody"): [],
}
ASKED = {
    "interactions": "SELECT DISTINCT tenant, user_id FROM otel.interactions ORDER BY ALL",
    "sessions": "SELECT tenant, user_id FROM otel.sessions ORDER BY ALL",
    "transcript": "SELECT DISTINCT session_id FROM otel.transcript ORDER BY ALL",
    "messages": "SELECT DISTINCT session_id FROM otel.messages ORDER BY ALL",
    "otel_traces": "SELECT DISTINCT Tenant, UserId FROM otel.otel_traces ORDER BY ALL",
    "sessions_state": "SELECT DISTINCT session_id FROM otel.sessions_state ORDER BY ALL",
    "error_resolutions": "SELECT tenant FROM otel.error_resolutions",
}


@pytest.fixture(scope="module")
def shown(engine: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[Readers, dict[str, Any]]:
    """What views and tables have under the conditions printed for each of these readers."""
    people = (("acme", "ann"), ("acme", "bob"), ("beta", "ann"))
    rows = {
        "otel_traces": [span(tenant, user, number) for tenant, user in people for number in (1, 2)],
        "error_resolutions": [note(tenant) for tenant in ("acme", "beta")],
    }
    printed = [conditions(written(engine, readers)) for readers in SHOWN]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path_factory.mktemp("shown"))],
        input=json.dumps({"conditions": printed, "rows": rows, "asked": list(ASKED.values())}),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {
        readers: dict(zip(ASKED, answers, strict=True))
        for readers, answers in zip(SHOWN, json.loads(done.stdout), strict=True)
    }


@pytest.mark.parametrize("readers", SHOWN, ids=["tenant", "user", "nobody"])
def test_what_they_show(shown: dict[Readers, dict[str, Any]], readers: Readers) -> None:
    """Under the printed conditions each view, and each table by itself, has rows of the tenant, or the user, alone."""
    own = SHOWN[readers]
    sessions = [[f"{tenant}-{user}"] for tenant, user in own]
    assert shown[readers] == {
        "interactions": own,
        "sessions": own,
        "transcript": sessions,
        "messages": sessions,
        "otel_traces": own,
        "sessions_state": sessions,
        "error_resolutions": [["acme"]] if own else [],
    }


def test_a_users_role_has_nothing_more(engine: Any) -> None:
    """Who reads one user's rows gets no table in which rows are nobody's own, and no view of such."""
    statements = written(engine, Readers("r", "acme", user="ann"))
    found = granted(statements)
    assert {"interactions", "sessions", "transcript", "otel_traces"} <= found
    assert not [name for name in found if name.startswith(("otel_logs", "otel_metrics", "daily_stats"))]
    assert (
        set(conditions(statements)) | {each.name for each in row_policies.tables(engine.database) if each.is_view}
        >= found
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"role": "a`b", "tenant": "t"}, "--role cannot be 'a`b'"),
        ({"role": "r", "tenant": "*"}, "--tenant cannot be '\\*'"),
        ({"role": "r", "tenant": "it's"}, "--tenant cannot be"),
        ({"role": "r", "tenant": "t", "user": "u", "cluster": "c"}, "--user and --cluster are given"),
    ],
)
def test_bad_names(given: dict[str, str], words: str) -> None:
    """What is no name is refused in a sentence."""
    with pytest.raises(StartError, match=words):
        Readers(**given)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`schema row-policies` prints it all, a semicolon behind each, and needs no server; bad names are exit 2."""
    monkeypatch.chdir(tmp_path)
    asked = ("schema", "row-policies", "--role", "analysts", "--tenant")
    done = run([*asked, "acme"])
    assert done.returncode == 0, done.stderr
    assert "GRANT SELECT ON otel.interactions TO `analysts`;\n" in done.stdout
    assert "ON otel.otel_traces\nFOR SELECT USING Tenant IN ('', 'acme') TO `analysts`;\n" in done.stdout
    done = run([*asked, "a'b"])
    assert (done.returncode, done.stdout) == (2, "")
    assert "--tenant cannot be" in done.stderr
    assert list(tmp_path.iterdir()) == []
