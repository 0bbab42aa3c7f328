"""`--clickhouse-url`: the same SQL files and the same inserts go to a ClickHouse server over HTTP."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import warm
from balance import assert_balanced
from otlp_builders import POINTS, log_record, logs, metric, metrics, point, span, traces
from processes import CollectorProcess, add_key, plain_client
from server_process import ClickHouseServer

from collector.access.keys import Scope

JSON = {"content-type": "application/json"}


def test_migrates_loads_and_answers(bare: ClickHouseServer, tmp_path: Path) -> None:
    """Schema, spans, logs, metrics and sessions arrive on the server; no SQL port; the command line asks the server."""
    collector = CollectorProcess(tmp_path / "data", "--clickhouse-url", bare.url, "--batch-seconds", "0.2").start()
    assert "sql" not in collector.endpoints
    attributes = {"interaction.type": "event", "session.id": "remote", "list": ["a", 1, None], "nan": float("nan")}
    collector.send(traces(span("work", attributes)))
    collector.send(logs(log_record({"nested": {"deep": [1]}})))
    kinds = {kind: metric(kind, point(kind, {"list": [1, "a"]}, flags=1), name="remote") for kind in POINTS}
    collector.send(metrics(*kinds.values()))
    collector.wait_until_stored()
    assert_balanced(collector.health())
    found = bare.ask("SELECT SpanAttributes['list'] AS list, SpanAttributes['nan'] AS nan FROM otel.otel_traces")
    assert found == [{"list": '["a",1,null]', "nan": "NaN"}]
    assert bare.ask("SELECT Body AS body FROM otel.otel_logs") == [{"body": '{"nested":{"deep":[1]}}'}]
    for kind in kinds:
        found = bare.ask(f"SELECT MetricName AS m, Flags AS f, Attributes['list'] AS l FROM otel.otel_metrics_{kind}")
        assert found == [{"m": "remote", "f": 1, "l": '[1,"a"]'}], kind
    of_server = {"OTEL_INTERACTIONS_CLICKHOUSE_URL": bare.url}
    answer = warm.run(["sessions", "--json"], **of_server)
    assert answer.returncode == 0, answer.stderr
    assert [json.loads(line)["session_id"] for line in answer.stdout.splitlines()] == ["remote"]
    doctor = warm.run(["doctor", "--json", "--data-dir", str(collector.data_dir)], **of_server)
    assert doctor.returncode == 0, doctor.stderr
    findings = {each["check"]: each for each in map(json.loads, doctor.stdout.splitlines())}
    assert {"collector", "ClickHouse", "schema", "decoding", "ClickHouse's logs", "server clock"} <= set(findings)
    assert "runs at" in findings["collector"]["found"]
    assert findings["ClickHouse"]["found"].startswith("server, version")
    assert [each for each in findings.values() if each["status"] == "fail"] == []
    assert collector.stop() == 0


def test_server_away_for_a_while(server: ClickHouseServer, tmp_path: Path) -> None:
    """While the server is gone everything is still acknowledged; once it is back all of it is stored once."""
    collector = CollectorProcess(tmp_path / "data", "--clickhouse-url", server.url, "--batch-seconds", "0.2").start()
    collector.send(traces(span("before")))
    collector.wait_until_stored()
    server.kill()
    for number in range(5):
        collector.send(traces(span(f"meanwhile-{number}")))
        time.sleep(0.25)  # several segments
    health = collector.health()
    assert (health["queue_depth"], health["items_pending"]) == (5, 5)
    assert health["last_error"]
    assert health["save_success_rate"] < 1
    assert_balanced(health)
    server.start()
    collector.wait_until_stored(seconds=60)
    health = collector.health()
    assert health["last_error"] == ""
    assert_balanced(health)
    found = server.ask("SELECT count() AS n, uniqExact(SpanName) AS names FROM otel.otel_traces")
    assert found == [{"n": 6, "names": 6}]
    assert collector.stop() == 0


def test_started_while_the_server_is_away(server: ClickHouseServer, tmp_path: Path) -> None:
    """A collector whose server was there before starts without it, twice: what it takes is stored once in the end."""
    collector = CollectorProcess(tmp_path / "data", "--clickhouse-url", server.url, "--batch-seconds", "0.2").start()
    collector.send(traces(span("before")))
    collector.wait_until_stored()
    server.kill()
    collector.send(traces(span("in-doubt")))
    collector.kill()
    for start in range(2):
        collector.start()
        collector.send(traces(span(f"meanwhile-{start}")))
        health = collector.health()
        assert health["status"] == "degraded"
        assert health["last_error"]
        assert health["items_pending"] == start + 2
        collector.kill()
    collector.start()
    server.start()
    collector.wait_until_stored()
    health = collector.health()
    assert health["last_error"] == ""
    assert_balanced(health)
    found = server.ask("SELECT SpanName AS name, count() AS n FROM otel.otel_traces GROUP BY name ORDER BY name")
    assert found == [{"name": name, "n": 1} for name in ("before", "in-doubt", "meanwhile-0", "meanwhile-1")]
    assert collector.stop() == 0


def test_a_server_that_comes_back_newer(server: ClickHouseServer, tmp_path: Path) -> None:
    """A server that is back with a schema we do not know is left alone; what was taken waits, and health says why."""
    collector = CollectorProcess(tmp_path / "data", "--clickhouse-url", server.url, "--batch-seconds", "0.2").start()
    newer = "INSERT INTO otel.schema_migrations (number, name, checksum) VALUES (9999, 'later', '')"
    httpx.post(server.url, content=newer).raise_for_status()
    collector.stop()
    server.kill()
    collector.start()
    collector.send(traces(span("waits")))
    server.start()
    deadline = time.monotonic() + 30
    while "the database has schema 9999" not in collector.health()["last_error"]:
        assert time.monotonic() < deadline, collector.health()
        time.sleep(0.1)
    assert collector.health()["items_pending"] == 1
    assert server.ask("SELECT count() AS n FROM otel.otel_traces") == [{"n": 0}]
    collector.kill()
    done = warm.run(["serve", "--data-dir", str(collector.data_dir), *collector.flags])
    assert done.returncode == 2
    assert "the database has schema 9999" in done.stderr


def test_server_that_does_not_answer(tmp_path: Path) -> None:
    """A wrong address is one sentence and exit code 2."""
    ports = ("--grpc-port", "0", "--http-port", "0")
    done = warm.run(["serve", "--data-dir", str(tmp_path), *ports, "--clickhouse-url", "http://127.0.0.1:1"])
    assert done.returncode == 2
    assert "the ClickHouse server does not answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_api_asks_the_server(server: ClickHouseServer, tmp_path: Path) -> None:
    """What /api answers comes from the server, each tenant's key sees its own, and an error is settled there."""
    folder = tmp_path / "data"
    keys = {tenant: add_key(folder, *Scope, tenant=tenant) for tenant in ("acme", "beta")}
    collector = CollectorProcess(folder, "--clickhouse-url", server.url, "--batch-seconds", "0.2")
    collector.key = keys["acme"]
    collector.start()
    for tenant, key in keys.items():
        item = {"session_id": "same", "interaction_type": "error", "content": {"error": f"of {tenant}"}}
        collector.post("/api/interactions/log", json.dumps(item).encode(), JSON | {"authorization": f"Bearer {key}"})
    collector.wait_until_stored()
    with plain_client() as client:
        client.base_url = httpx.URL(f"http://{collector.endpoints['http']}")
        for tenant, key in keys.items():
            client.headers["authorization"] = f"Bearer {key}"
            for path in ("/api/interactions/log", "/api/sessions", "/api/sessions/same", "/api/analytics/overview"):
                assert client.get(path).status_code == 200, path
            [error] = client.get("/api/errors").json()["errors"]
            assert error["content"]["error"] == f"of {tenant}"
            assert client.post(f"/api/errors/{error['id']}/resolve").status_code == 200
            assert client.get("/api/errors", params={"resolved": "false"}).json()["errors"] == []
        assert client.get("/api/analytics/top_prompts", params={"limit": "x"}).status_code == 422
        server.kill()
        reply = client.get("/api/sessions")
        assert (reply.status_code, reply.headers["content-type"]) == (503, "application/problem+json")
    collector.kill()


def test_dictionaries_that_do_not_answer(bare: ClickHouseServer, tmp_path: Path) -> None:
    """As a user whom the server does not know: what comes is stored, and the log says what cannot be read, and why."""
    named = ("--clickhouse-url", bare.url, "--clickhouse-dictionary-user", "nobody:secret", "--batch-seconds", "0.2")
    collector = CollectorProcess(tmp_path / "data", *named).start()
    collector.send(traces(span()))
    collector.wait_until_stored()
    assert collector.stop() == 0
    log = collector.log.read_text()
    assert "WARNING collector: sessions and transcripts cannot be read: " in log
    assert "nobody: Authentication failed" in log
    assert "--clickhouse-dictionary-user" in log
    assert "secret" not in log
