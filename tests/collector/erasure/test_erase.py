"""`otel-interactions erase` and `DELETE /api/users/{id}`: one user is forgotten, nobody else."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator

import pytest
from otlp_builders import traces
from processes import CollectorProcess, add_key, plain_client, running
from visits import ROWS, counts, erase, erased, interaction, proof, send, together, totals, visit

from collector.access.keys import Scope

STRANGE = [
    "it's",
    'say "hi"',
    "100%",
    "%25",
    "a\\b",
    "ünï·コード",
    ".*[a-z]+$",
    "a/b?c#d",
    "..",
    "x" * 900,
    " ",
    "{user:String}",
    "a\tb",
    "a\nb",
    "\\N",
    "-5",
]


@pytest.fixture
def collector(tmp_path) -> Iterator[CollectorProcess]:
    """An empty collector."""
    with running(tmp_path / "data", "--batch-seconds", "0.1") as started:
        yield started


def test_everywhere_and_nobody_else(collector: CollectorProcess) -> None:
    """Rows by name and rows of the user's own session go from every table; another user's stay, in sums, too."""
    send(collector, [*visit("ann", "s-ann", "a1" * 16), *visit("bob", "s-bob", "b2" * 16)])
    assert counts(collector) == {table: 2 * rows for table, rows in ROWS.items()}
    told = proof(collector, "--user", "ann")
    assert told["state"] == "done"
    assert told["removed"] == ROWS
    assert not any(told["left"].values())
    assert {"sessions_state", "daily_stats_state", "error_resolutions", "journal", "dead-letters", "archive"} <= set(
        told["left"]
    )
    assert counts(collector) == ROWS
    assert totals(collector) == {"rows": 3, "sessions": 3, "days": 3}
    assert collector.ask("SELECT session_id, user_id FROM otel.sessions") == [{"session_id": "s-bob", "user_id": "bob"}]
    assert collector.ask("SELECT DISTINCT TraceId AS t FROM otel.otel_traces_trace_id_ts") == [{"t": "b2" * 16}]
    assert collector.ask("SELECT sum(users) AS n FROM otel.daily_stats WHERE type = 'user_message'") == [{"n": 1}]
    assert collector.ask("SELECT count() AS n FROM otel.removal_scope") == [{"n": 0}]


def test_a_shared_session(collector: CollectorProcess) -> None:
    """Where others take part, only what names the user goes; the session is counted anew and is not theirs."""
    spans = [
        interaction("user_message", "s", "bob", trace="cc" * 16),
        interaction("assistant_response", "s", trace="cc" * 16),
        interaction("user_message", "s", "ann", trace="cc" * 16),
    ]
    send(collector, [traces(*spans)])
    assert erased(collector, "ann")[0]["removed"] == {"otel_traces": 1}
    [session] = collector.ask("SELECT user_id, interactions, user_messages FROM otel.sessions")
    assert session == {"user_id": "bob", "interactions": 2, "user_messages": 1}
    assert totals(collector) == {"rows": 2, "sessions": 2, "days": 2}


def test_strange_ids(collector: CollectorProcess) -> None:
    """An id is compared letter by letter, whatever it is made of; `make chaos` tries them all, this a third."""
    strange = STRANGE if "CHAOS_ROUNDS" in os.environ else STRANGE[::3]
    users = [*strange, *(f"{each}x" for each in strange)]
    send(collector, together([visit(user, f"s-{user}", secrets.token_hex(16)) for user in users]))
    assert counts(collector) == {table: rows * len(users) for table, rows in ROWS.items()}
    for user, told in zip(strange, erased(collector, *strange), strict=True):
        assert (told["state"], told["removed"]) == ("done", ROWS), user
    assert counts(collector) == {table: rows * len(strange) for table, rows in ROWS.items()}
    left = {each["u"] for each in collector.ask("SELECT DISTINCT UserId AS u FROM otel.otel_traces")}
    assert left - {""} == {f"{each}x" for each in strange}
    assert len(set(totals(collector).values())) == 1


def test_nobody_of_that_name(collector: CollectorProcess) -> None:
    """It says so, and fails."""
    send(collector, visit("bob", "s-bob", "b2" * 16))
    done = erase(collector, "--user", "bo")
    assert done.returncode == 1
    assert "nothing here names user 'bo' of the tenant default; hint: ids are compared letter by letter" in done.stderr
    assert counts(collector) == ROWS


def test_two_tenants(tmp_path) -> None:
    """The same id in another tenant is another user; a key of that tenant sees and erases nothing here."""
    data = tmp_path / "data"
    data.mkdir()
    keys = {t: add_key(data, Scope.INGEST, Scope.READ, Scope.ADMIN, tenant=t) for t in ("acme", "beta")}
    with running(data, "--batch-seconds", "0.1") as collector:
        for tenant, key in keys.items():
            collector.key = key
            send(collector, visit("ann", f"s-{tenant}", secrets.token_hex(16)))
        told = proof(collector, "--user", "ann", "--key", keys["acme"])
        assert (told["tenant"], told["removed"]) == ("acme", ROWS)
        assert counts(collector, "beta") == ROWS
        collector.key = keys["acme"]
        assert not any(counts(collector, "acme").values())
        refused = erase(collector, "--user", "ann", "--tenant", "acme", "--key", keys["beta"])
        assert refused.returncode == 1
        assert "this key is for the tenant beta, not for acme" in refused.stderr
        assert "a key is asked for here" in erase(collector, "--user", "ann").stderr
        assert json.loads(erase(collector, "--list", "--json", "--key", keys["beta"]).stdout or "{}") == {}
        assert told["asked_by"]


def test_what_others_say(collector: CollectorProcess) -> None:
    """A value that is the id in a row of nobody knows whom is told, and goes when asked for."""
    named = interaction("user_message", "s-ann", "ann", trace="a1" * 16)
    about = interaction("event", "s-bob", "bob", trace="b2" * 16, customer="ann")
    send(collector, [traces(named, about)])
    first = erase(collector, "--user", "ann")
    assert first.returncode == 1
    assert "otel_traces.SpanAttributes (1); hint: if these are the user's, too, erase with --everywhere" in first.stderr
    assert totals(collector) == {"rows": 1, "sessions": 1, "days": 1}
    assert proof(collector, "--user", "ann", "--everywhere")["removed"] == {"otel_traces": 1}
    assert totals(collector) == {"rows": 0, "sessions": 0, "days": 0}


def test_the_audit(collector: CollectorProcess) -> None:
    """Who asked, and the proof, are on record; who was forgotten is not, nor in what ClickHouse keeps of deletions."""
    name = "ann-with-a-name-nobody-else-has"
    send(collector, visit(name, "s", "a1" * 16))
    told = proof(collector, "--user", name)
    asked, ended = (json.loads(line) for line in (collector.data_dir / "audit.jsonl").read_text().splitlines())
    assert (asked["event"], ended["event"]) == ("asked", "ended")
    assert ended["removed"] == ROWS
    assert ended["digest"] == told["digest"]
    for path in [collector.data_dir / "audit.jsonl", *(collector.data_dir / "erasures").iterdir()]:
        assert name not in path.read_text()
    mutations = list((collector.data_dir / "clickhouse").rglob("mutation_*.txt"))
    assert mutations
    for path in mutations:
        assert name not in path.read_text()
    assert name not in collector.log.read_text()
    listed = erase(collector, "--list")
    assert told["id"] in listed.stdout
    assert "done" in listed.stdout


def test_http(collector: CollectorProcess) -> None:
    """The path answers at once with a job, and tells of it afterwards."""
    send(collector, visit("ann smith", "s", "a1" * 16))
    base = f"http://{collector.endpoints['http']}/api"
    with plain_client() as client:
        asked = client.delete(f"{base}/users/ann%20smith")
        assert asked.status_code == 202
        while (told := client.get(f"{base}/erasures/{asked.json()['id']}").json())["state"] == "running":
            assert "user" not in told
        assert (told["state"], told["removed"]) == ("done", ROWS)
        assert client.get(f"{base}/erasures/nonsense").status_code == 404
        assert client.delete(f"{base}/users/a%00b").status_code == 422


def test_bad_arguments(collector: CollectorProcess, tmp_path) -> None:
    """Who names nobody is told so; and where no collector runs, that one has to."""
    done = erase(collector)
    assert done.returncode == 2
    assert "nobody is named; hint: --user ID, or --list" in done.stderr
    elsewhere = CollectorProcess(tmp_path / "empty")
    elsewhere.data_dir.mkdir()
    done = erase(elsewhere, "--user", "ann", "--http-port", "1")
    assert done.returncode == 1
    assert "nobody answers at http://127.0.0.1:1: " in done.stderr
    assert "hint: start a collector with `otel-interactions serve`" in done.stderr
