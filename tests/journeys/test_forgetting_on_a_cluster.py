"""Erasure and retention with `--clickhouse-cluster`: refused and off, in so many words, and what a DBA runs instead."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from otlp_builders import traces
from processes import CollectorProcess, plain_client, running
from server_process import ClickHouseServer
from visits import DAY, ROWS, erase, interaction, send, together, visit

from collector.erasure.jobs import Jobs
from collector.query.questions import Asker

README = Path(__file__).parents[2] / "collector" / "README.md"
ANN, BOB = "a1" * 16, "b2" * 16
BEHIND = {"sessions_state": "session_id", "otel_traces_trace_id_ts": "TraceId"}


class Clustered(NamedTuple):
    """A collector and the cluster it stores to."""

    collector: CollectorProcess
    server: ClickHouseServer

    def run(self, sql: str) -> None:
        """Run a statement as a DBA does."""
        with contextlib.closing(Asker(self.server.url)) as asker:
            asker.raw(sql, "Null")

    def counts(self) -> dict[str, int]:
        """Count rows by table, of all shards."""
        return {
            table: int(str(self.server.ask(f"SELECT count() AS n FROM otel.{table}")[0]["n"]))
            for table in (*ROWS, *BEHIND)
        }


@pytest.fixture(scope="module")
def clustered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clustered]:
    """Two users, and something old, on two shards that one engine plays; for all tests, in their order."""
    folder = tmp_path_factory.mktemp("clustered")
    server = ClickHouseServer(folder / "server", shards=2)
    server.start()
    on_cluster = ("--clickhouse-url", server.url, "--clickhouse-cluster", "main")
    flags = ("--batch-seconds", "0.1", "--retention-days", "90")
    with running(folder / "data", *on_cluster, *flags) as collector:
        old = traces(interaction("event", "s-old", "bob", at=time.time_ns() - 200 * DAY, trace=BOB))
        send(collector, [old, *together([visit("ann", "s-ann", ANN), visit("bob", "s-bob", BOB)])])
        yield Clustered(collector, server)
    server.kill()


def statements(block: int, **words: str) -> list[str]:
    """Return the statements of a block of SQL in the README, with these words put in."""
    text = README.read_text().partition("**Forgetting on a cluster.**")[2]
    sql = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)[block]
    for word, value in words.items():
        sql = sql.replace(word, value)
    return [each.strip() for each in sql.split(";") if each.strip()]


def test_refused_and_off(clustered: Clustered) -> None:
    """Whoever asks is told what to do; nothing goes, not for its age either, and health has nothing to say."""
    collector = clustered.collector
    before = clustered.counts()
    done = erase(collector, "--user", "ann")
    assert done.returncode == 1
    assert "nobody on a cluster" in done.stderr
    assert 'a DBA runs the statements in collector/README.md, "Forgetting on a cluster"' in done.stderr
    with plain_client() as client:
        refused = client.delete(f"http://{collector.endpoints['http']}/api/users/ann")
        assert refused.status_code == 501
        assert refused.json()["title"] == "Not here"
    assert clustered.counts() == before
    assert before["otel_traces"] == 2 * ROWS["otel_traces"] + 1
    assert collector.health()["reasons"] == []
    assert collector.log.read_text().count("on a cluster nothing is removed for its age") == 1


def test_what_a_dba_runs(clustered: Clustered) -> None:
    """The statements in the README leave nothing of the user's on any shard, and all of another's; so does the TTL."""
    words = {"TENANT": "default", "USER": "ann", "'SESSIONS'": "", "'TRACES'": ""}
    [sessions] = clustered.server.ask(statements(0, **words)[0])
    assert sessions == {"sessions": ["s-ann"]}
    words["'SESSIONS'"] = "'s-ann'"
    [found] = clustered.server.ask(statements(0, **words)[1])
    assert found == {"traces": [ANN]}
    words["'TRACES'"] = f"'{ANN}'"
    before = clustered.counts()
    for each in statements(1, **words):
        clustered.run(f"{each} SETTINGS mutations_sync = 2")
    left = clustered.counts()
    assert left == {table: before[table] - ROWS.get(table, 1) for table in before}
    assert clustered.server.ask(statements(0, **words)[0]) == [{"sessions": []}]
    assert clustered.server.ask("SELECT DISTINCT user_id AS u FROM otel.sessions") == [{"u": "bob"}]
    [of_age] = statements(2)
    clustered.run(of_age)
    clustered.run("OPTIMIZE TABLE otel.otel_traces_local FINAL")
    assert clustered.counts()["otel_traces"] == ROWS["otel_traces"]


def test_begun_elsewhere(clustered: Clustered) -> None:
    """An erasure asked for before there was a cluster waits, deletes nothing of one shard, and health says so."""
    collector, before = clustered.collector, clustered.counts()
    assert collector.stop() == 0
    jobs = Jobs(collector.data_dir / "erasures", collector.data_dir / "audit.jsonl")
    jobs.ask("default", "ann", "", "", everywhere=False)
    collector.start()
    deadline = time.monotonic() + 30
    while not (reasons := collector.health()["reasons"]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert reasons[0].startswith("an erasure waits: the collector erases nobody on a cluster")
    assert clustered.counts() == before
