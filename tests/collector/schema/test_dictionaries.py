"""As whom our dictionaries ask ClickHouse: an engine with another user, asked with its password and a wrong one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import configured_engine

from collector.schema import dictionaries, migrator

PASSWORD = 'it\'s "hard" \\ to quote'  # noqa: S105 - of this test
USERS = f"""<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users>
<default><password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota></default>
<reader><password>{PASSWORD}</password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
<grants><query>GRANT SELECT ON otel.*</query></grants></reader></users></clickhouse>"""
ROW = ["session_of_trace", {"tenant": "acme", "trace_id": "t", "session_id": "s"}]
ASK = "SELECT dictGet('otel.session_by_trace', 'session_id', ('acme', 't'))"
MADE = "SELECT create_table_query FROM system.tables WHERE engine = 'Dictionary' AND database = 'otel' ORDER BY name"


def test_another_user(tmp_path: Path) -> None:
    """With its password they answer, with a wrong one they do not; nobody is shown it."""
    right, wrong = (list(dictionaries.asking_as("reader", password)) for password in (PASSWORD, "wrong"))
    asked = [ASK, *right, ASK, MADE, *wrong, ASK]
    given = {"main": "<clickhouse></clickhouse>", "users": USERS, "rows": [ROW], "asked": asked}
    command = [sys.executable, configured_engine.__file__, str(tmp_path / "engine")]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=True)
    answers = json.loads(done.stdout)
    before, with_right, made, with_wrong = (answers[at] for at in (0, len(right) + 1, len(right) + 2, -1))
    assert before == with_right == [["s"]]
    assert len(made) == len(right) == len(wrong)
    assert all("USER 'reader' PASSWORD '[HIDDEN]'" in sql for (sql,) in made)
    assert "reader: Authentication failed" in with_wrong


def test_on_a_cluster() -> None:
    """Each dictionary of the schema, on every node, in place of the one that is there."""
    plain, on_all = (list(dictionaries.asking_as("a", "b", cluster)) for cluster in ("", "main"))
    names = {line for each in migrator.migrations() for line in each.sql.splitlines() if "DICTIONARY" in line}
    assert len(plain) == len(on_all) == len(names) > 0
    assert all("CREATE OR REPLACE DICTIONARY otel." in sql and "USER 'a' PASSWORD 'b' QUERY" in sql for sql in plain)
    assert [sql.replace(" ON CLUSTER 'main'", "") for sql in on_all] == plain
    assert all(" ON CLUSTER 'main'" in sql for sql in on_all)
