"""`otel-interactions ask`: each question, put to a running collector."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from otlp_builders import span, traces
from processes import CollectorProcess, running

from collector.query import questions

NEEDS = {"funnel": ["--param", r"steps=click it's\,user_message"], "journey": ["--param", r"session=a\b"]}


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A collector that knows of one session."""
    now = time.time_ns() - 10**9
    happened: list[tuple[str, dict[str, Any]]] = [
        ("ui_event", {"interaction.action": "click it's\\"}),
        ("user_message", {"interaction.message": "Hello 1"}),
        (
            "assistant_response",
            {
                "gen_ai.request.model": "gpt-4o-mini",
                "gen_ai.usage.input_tokens": 1_000_000,
                "interaction.response_time_ms": 1234.5678912,
            },
        ),
        ("audio_output", {}),
        ("error", {"interaction.message": "broke"}),
    ]
    spans = [
        span(
            kind,
            {"interaction.type": kind, "session.id": r"a\b", "user.id": "ann"} | values,
            start_time_unix_nano=now + number * 10**6,
            end_time_unix_nano=now + number * 10**6,
        )
        for number, (kind, values) in enumerate(happened)
    ]
    with running(tmp_path_factory.mktemp("ask") / "data", "--batch-seconds", "0.1") as started:
        started.send(traces(*spans))
        started.wait_until_stored()
        yield started


def ask(collector: CollectorProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    command = [sys.executable, "-m", "collector", "ask", "--data-dir", str(collector.data_dir), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("name", questions.names())
def test_each_question(collector: CollectorProcess, name: str) -> None:
    """Each is answered through the read-only interface, with nothing given but what it cannot guess."""
    done = ask(collector, name, "--json", *NEEDS.get(name, []))
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert rows or name == "turn_latency"
    if name == "funnel":
        assert [row["reached"] for row in rows] == [1, 1]
    if name == "journey":
        assert [row["what"] for row in rows if row["type"] == "error"] == ["broke"]
    if name == "tokens_and_cost":
        assert [(row["model"], row["cost_usd"]) for row in rows] == [("gpt-4o-mini", 0.15)]


def test_as_a_table_and_as_a_format(collector: CollectorProcess) -> None:
    """People read a table with rounded numbers, programs what ClickHouse writes."""
    table = ask(collector, "response_times")
    assert "1234.5679" in table.stdout, table.stderr
    assert "ttft_p99_ms" in table.stdout
    written = ask(collector, "error_rate", "--days", "1", "--format", "CSVWithNames")
    assert written.stdout.splitlines()[0] == '"day","service","interactions","errors","error_rate"'
    assert written.stdout.splitlines()[1].endswith('"tests",5,1,0.2')
    assert ask(collector, "error_rate", "--param", "until=2000-01-01", "--json").stdout == ""


def test_a_question_for_a_tenant(collector: CollectorProcess) -> None:
    """Another tenant's rows are not in the answer."""
    other = ask(collector, "stats", "--json", "--param", "tenant=other")
    assert json.loads(other.stdout)["total_interactions"] == 0


def test_the_list(collector: CollectorProcess) -> None:
    """Without a question they are listed, in their words."""
    done = ask(collector)
    assert done.returncode == 0
    for name in questions.names():
        assert name in done.stdout
    assert "What do people ask most?" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nonsense"], "there is no question 'nonsense'; hint: ask one of active_users, "),
        (["../../errors"], "there is no question"),
        (["tail"], "there is no question 'tail'"),
        (["stats", "--param", "user=ann"], "stats knows no parameter 'user'; hint: it knows since, until, tenant"),
        (["journey"], "journey has to know: session; hint: --param session=…"),
    ],
)
def test_what_cannot_be_asked(collector: CollectorProcess, arguments: list[str], told: str) -> None:
    """It says what there is instead."""
    done = ask(collector, *arguments)
    assert done.returncode == 2
    assert told in done.stderr


def test_what_clickhouse_refuses(collector: CollectorProcess) -> None:
    """Its reason is told."""
    done = ask(collector, "stats", "--param", "since=yesterday")
    assert done.returncode == 1
    assert "yesterday" in done.stderr
