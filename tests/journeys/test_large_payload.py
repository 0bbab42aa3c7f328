"""Megabytes of prompt pass whole, and neither they nor a greedy query hurt anything else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from json_mutants import written
from otlp_builders import span, traces
from processes import CollectorProcess, running

PROMPT, DETAIL = 20_000_000, 10_000_000  # characters
WAYS = ("grpc", "http", "json")  # each is the session of what came that way
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A collector as it would run on a machine of 2 GB, which took one request of 30 MB over each way in."""
    folder: Path = tmp_path_factory.mktemp("large") / "data"
    with running(folder, "--clickhouse-memory-mib", "1024") as started:
        for session in WAYS:
            prompt = json.dumps([{"role": "user", "parts": [{"type": "text", "content": session[0] * PROMPT}]}])
            said = span(
                "ask",
                {
                    "interaction.type": "user_message",
                    "session.id": session,
                    "gen_ai.input.messages": prompt,
                    "interaction.details": "d" * DETAIL,
                },
            )
            if session == "grpc":
                started.send(traces(said))
            elif session == "http":
                assert started.post("/v1/traces", traces(said).SerializeToString()).status_code == 200
            else:
                assert started.post("/v1/traces", json.dumps(written(traces(said))).encode(), JSON).status_code == 200
        started.wait_until_stored()
        yield started


@pytest.mark.parametrize("session", WAYS)
def test_a_prompt_of_20_mb_is_stored_whole(collector: CollectorProcess, session: str) -> None:
    found = collector.ask(
        """SELECT length(input_text) AS said, length(attributes['interaction.details']) AS detail,
             replaceAll(input_text, left({session:String}, 1), '') AS foreign
           FROM otel.interactions WHERE session_id = {session:String}""",
        session=session,
    )
    assert found == [{"said": PROMPT, "detail": DETAIL, "foreign": ""}]
    assert collector.ask("SELECT length(text) AS n FROM otel.transcript WHERE session_id = {s:String}", s=session) == [
        {"n": PROMPT}
    ]
    assert collector.health()["dead_letters"] == 0


def test_a_chart_reads_no_content(collector: CollectorProcess) -> None:
    """Counts, latencies, tokens and models come from columns of their own: kilobytes, beside 90 MB of content."""
    chart = """SELECT type, model, count(), avg(duration_ms), sum(input_tokens), countIf(status = 'error')
      FROM otel.interactions WHERE ts > now() - INTERVAL 1 DAY GROUP BY type, model FORMAT JSON"""
    answer = httpx.post(f"http://{collector.endpoints['sql']}/", content=chart, timeout=30).json()
    assert answer["rows"] == 1
    assert answer["statistics"]["bytes_read"] < 10_000


def test_a_query_beyond_the_cap_fails_alone(collector: CollectorProcess) -> None:
    """It is told so in ClickHouse's words; the collector goes on storing and answering."""
    greedy = "SELECT count() FROM (SELECT number, toString(number) FROM numbers(100000000) GROUP BY 1, 2)"
    answer = httpx.post(f"http://{collector.endpoints['sql']}/", content=greedy, timeout=60)
    assert answer.headers["X-ClickHouse-Exception-Code"] == "241"
    collector.send(traces(span("after", {"interaction.type": "event", "session.id": "after"})))
    collector.wait_until_stored()
    assert collector.ask("SELECT count() AS n FROM otel.interactions WHERE session_id = 'after'") == [{"n": 1}]


def test_where_it_is_asked_for_long_texts_are_cut(tmp_path: Path) -> None:
    """`--max-field-bytes`: the transcript has the beginning, the length and a hash, over every way in."""
    with running(tmp_path / "data", "--max-field-bytes", "100", "--batch-seconds", "0.2") as started:
        prompt = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "y" * 5000}]}])
        for number, send in enumerate(
            (started.send, lambda sent: started.post("/v1/traces", sent.SerializeToString()))
        ):
            given = {"interaction.type": "user_message", "session.id": f"cut-{number}", "gen_ai.input.messages": prompt}
            send(traces(span("ask", given)))
        item = {"interaction_type": "user_message", "session_id": "cut-2", "content": {"text": "y" * 5000}}
        assert started.post("/api/interactions/log", json.dumps(item).encode(), JSON).is_success
        started.wait_until_stored()
        found = started.ask(
            "SELECT session_id AS id, text FROM otel.transcript WHERE session_id LIKE 'cut-%' ORDER BY id"
        )
    assert [row["id"] for row in found] == ["cut-0", "cut-1", "cut-2"]
    for row in found:
        assert row["text"].startswith("y" * 100 + "… [cut after 100 of 5000 bytes, sha256 ")
