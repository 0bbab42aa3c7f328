"""`otel-interactions erase` and `DELETE /api/users/{id}`: one user is forgotten, nobody else."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from otlp_builders import traces
from processes import CollectorProcess, add_key, plain_client, running
from visits import ROWS, counts, erase, erased, interaction, proof, send, together, totals, visit

from collector.access.keys import Scope
from collector.query.questions import QueryFailedError

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
IN_ONE = "".join(each for each in STRANGE if len(each) < 900).ljust(900, "x")  # what is strange wherever it stands
ALONE = ["\\N"]  # what is another value when nothing else is there; a number: test_whose
ANN, BOB = "ann-with-a-name-nobody-else-has", "bob"


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """One for all that show no key: each test has users and sessions of its own."""
    with running(tmp_path_factory.mktemp("erase") / "data", "--batch-seconds", "0.1") as started:
        yield started


class Seen(NamedTuple):
    """What is there."""

    rows: dict[str, int]
    totals: dict[str, int]
    users: int

    @classmethod
    def by(cls, collector: CollectorProcess) -> Seen:
        """Look."""
        users = "SELECT sum(users) AS n FROM otel.daily_stats WHERE type = 'user_message'"
        return cls(counts(collector), totals(collector), int(collector.ask(users)[0]["n"]))


class Forgotten(NamedTuple):
    """How it went with somebody."""

    before: Seen
    told: Mapping[str, Any]
    after: Seen


@pytest.fixture(scope="module")
def forgotten(collector: CollectorProcess) -> Forgotten:
    """Let two users visit, and forget one."""
    there = counts(collector)
    send(collector, together([visit(ANN, "s-ann", "a1" * 16), visit(BOB, "s-bob", "b2" * 16)]))
    before = Seen.by(collector)
    assert before.rows == {table: there[table] + 2 * rows for table, rows in ROWS.items()}
    return Forgotten(before, proof(collector, "--user", ANN), Seen.by(collector))


def test_everywhere_and_nobody_else(collector: CollectorProcess, forgotten: Forgotten) -> None:
    """Rows by name and rows of the user's own session go from every table; another user's stay, in sums, too."""
    before, told, after = forgotten
    assert told["state"] == "done"
    assert told["removed"] == ROWS
    assert not any(told["left"].values())
    assert {"sessions_state", "daily_stats_state", "error_resolutions", "journal", "dead-letters", "archive"} <= set(
        told["left"]
    )
    assert after.rows == {table: before.rows[table] - rows for table, rows in ROWS.items()}
    assert after.totals == {name: n - 3 for name, n in before.totals.items()}
    assert after.users == before.users - 1
    sessions = "SELECT session_id, user_id FROM otel.sessions WHERE session_id IN ('s-ann', 's-bob')"
    assert collector.ask(sessions) == [{"session_id": "s-bob", "user_id": BOB}]
    of_traces = (
        "SELECT DISTINCT TraceId AS t FROM otel.otel_traces_trace_id_ts WHERE TraceId IN ({ann:String}, {bob:String})"
    )
    assert collector.ask(of_traces, ann="a1" * 16, bob="b2" * 16) == [{"t": "b2" * 16}]
    assert collector.ask("SELECT count() AS n FROM otel.removal_scope") == [{"n": 0}]


def test_the_audit(collector: CollectorProcess, forgotten: Forgotten) -> None:
    """Who asked, and the proof, are on record; who was forgotten is not, nor in what ClickHouse keeps of deletions."""
    told = forgotten.told
    lines = map(json.loads, (collector.data_dir / "audit.jsonl").read_text().splitlines())
    asked, ended = (line for line in lines if line["erasure"] == told["id"])
    assert (asked["event"], ended["event"]) == ("asked", "ended")
    assert ended["removed"] == ROWS
    assert ended["digest"] == told["digest"]
    for path in [collector.data_dir / "audit.jsonl", *(collector.data_dir / "erasures").iterdir()]:
        assert ANN not in path.read_text()
    mutations = list((collector.data_dir / "clickhouse").rglob("mutation_*.txt"))
    assert mutations
    for path in mutations:
        assert ANN not in path.read_text()
    assert ANN not in collector.log.read_text()
    listed = erase(collector, "--list")
    assert told["id"] in listed.stdout
    assert "done" in listed.stdout


def test_a_shared_session(collector: CollectorProcess) -> None:
    """Where others take part, only what names the user goes; the session is counted anew and is not theirs."""
    spans = [
        interaction("user_message", "shared", "ben", trace="cc" * 16),
        interaction("assistant_response", "shared", trace="cc" * 16),
        interaction("user_message", "shared", "amy", trace="cc" * 16),
    ]
    send(collector, [traces(*spans)])
    before = totals(collector)
    assert erased(collector, "amy")[0]["removed"] == {"otel_traces": 1}
    shared = "SELECT user_id, interactions, user_messages FROM otel.sessions WHERE session_id = 'shared'"
    assert collector.ask(shared) == [{"user_id": "ben", "interactions": 2, "user_messages": 1}]
    assert totals(collector) == {name: n - 1 for name, n in before.items()}


def test_strange_ids(collector: CollectorProcess) -> None:
    """An id is compared letter by letter, whatever it is made of; `make chaos` tries each by itself."""
    strange = STRANGE if "CHAOS_ROUNDS" in os.environ else [IN_ONE, *ALONE]
    beside = [f"{each}x" for each in strange]
    before = counts(collector)
    send(collector, together([visit(user, f"s-{user}", secrets.token_hex(16)) for user in (*strange, *beside)]))
    assert counts(collector) == {table: before[table] + rows * 2 * len(strange) for table, rows in ROWS.items()}
    for user, told in zip(strange, erased(collector, *strange), strict=True):
        assert (told["state"], told["removed"]) == ("done", ROWS), user
    assert counts(collector) == {table: before[table] + rows * len(strange) for table, rows in ROWS.items()}
    left = {each["u"] for each in collector.ask("SELECT DISTINCT UserId AS u FROM otel.otel_traces")}
    assert left >= set(beside)
    assert not left & set(strange)
    assert len(set(totals(collector).values())) == 1


@pytest.mark.usefixtures("forgotten")
def test_nobody_of_that_name(collector: CollectorProcess) -> None:
    """It says so, and fails; who is called nearly like that stays."""
    before = counts(collector)
    done = erase(collector, "--user", BOB[:-1])
    assert done.returncode == 1
    assert "nothing here names user 'bo' of the tenant default; hint: ids are compared letter by letter" in done.stderr
    assert counts(collector) == before


def test_two_tenants(tmp_path) -> None:
    """The same id in another tenant is another user; a key of that tenant sees and erases nothing here.

    Nor can a tenant's key read whom and which sessions an erasure is about.
    """
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
        with pytest.raises(QueryFailedError, match="Not enough privileges"):
            collector.ask("SELECT * FROM otel.removal_scope")
        refused = erase(collector, "--user", "ann", "--tenant", "acme", "--key", keys["beta"])
        assert refused.returncode == 1
        assert "this key is for the tenant beta, not for acme" in refused.stderr
        assert "a key is asked for here" in erase(collector, "--user", "ann").stderr
        assert json.loads(erase(collector, "--list", "--json", "--key", keys["beta"]).stdout or "{}") == {}
        assert told["asked_by"]


def test_what_others_say(collector: CollectorProcess) -> None:
    """A value that is the id in a row of nobody knows whom is told, and goes when asked for."""
    before = totals(collector)
    named = interaction("user_message", "s-eve", "eve", trace="e1" * 16)
    about = interaction("event", "s-guy", "guy", trace="e2" * 16, customer="eve")
    send(collector, [traces(named, about)])
    first = erase(collector, "--user", "eve")
    assert first.returncode == 1
    assert "otel_traces.SpanAttributes (1); hint: if these are the user's, too, erase with --everywhere" in first.stderr
    assert totals(collector) == {name: n + 1 for name, n in before.items()}
    assert proof(collector, "--user", "eve", "--everywhere")["removed"] == {"otel_traces": 1}
    assert totals(collector) == before


def test_http(collector: CollectorProcess) -> None:
    """The path answers at once with a job, and tells of it afterwards."""
    send(collector, [traces(interaction("user_message", "s-smith", "ann smith"))])
    base = f"http://{collector.endpoints['http']}/api"
    with plain_client() as client:
        asked = client.delete(f"{base}/users/ann%20smith")
        assert asked.status_code == 202
        while (told := client.get(f"{base}/erasures/{asked.json()['id']}").json())["state"] == "running":
            assert "user" not in told
            time.sleep(0.05)
        assert (told["state"], told["removed"]) == ("done", {"otel_traces": 1})
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
