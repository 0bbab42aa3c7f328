"""Days are those of UTC on every machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ASK = """
import contextlib, json, sys
from pathlib import Path
from collector.clickhouse import ClickHouse
from collector.query import questions
from collector.schema import migrator

def row(ts, kind, **more):
    known = {"interaction.type": kind, "session.id": "s", "user.id": "ann", "gen_ai.request.model": "m"}
    return json.dumps({"Timestamp": ts, "ReceivedAt": ts, "SpanAttributes": known | more})

with contextlib.closing(ClickHouse(Path(sys.argv[1]), None)) as database:
    migrator.migrate(database)
    tokens = {"gen_ai.usage.input_tokens": "1000000", "gen_ai.response.time_to_first_chunk": "1"}
    database.command(
        "INSERT INTO otel.model_prices (model, valid_from, input_usd, output_usd) VALUES ('m', '2026-03-10', 1, 0)"
    )
    rows = [row("1773100799", "audio_input"), row("1773100799.5", "assistant_response", **tokens),
            row("1773100800", "audio_input"), row("1773100800.5", "assistant_response", **tokens)]
    database._client.raw_insert(
        "otel.otel_traces", ["Timestamp", "ReceivedAt", "SpanAttributes"], "\\n".join(rows).encode(), fmt="JSONEachRow"
    )
    found = {"zone": database.rows("SELECT timezone()")[0][0]}
    given = {**questions.DEFAULTS, "by": ["day"], "since": "2026-03-09", "until": "2026-03-10 00:00:00.75"}
    for name in sys.argv[2].split(","):
        wanted = {key: given[key] for key in questions.parameters(name)}
        found[name] = [list(map(str, answer)) for answer in database.rows(questions.text(name), wanted)]
print(json.dumps(found))
"""
BY_DAY = ["active_users", "barge_ins", "error_rate", "generations", "ingestion_lag", "tokens_and_cost", "turn_latency"]


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
def test_on_a_machine_elsewhere(tmp_path: Path, zone: str) -> None:
    """A second before midnight UTC is yesterday, at yesterday's price, and midnight is today; times are read as UTC."""
    command = [sys.executable, "-c", ASK, str(tmp_path / "data"), ",".join([*BY_DAY, "stats", "overview"])]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, env=os.environ | {"TZ": zone}
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["zone"] == zone
    for name in BY_DAY:
        assert sorted({row[0] for row in found[name]}) == ["2026-03-09", "2026-03-10"], name
    assert {row[0]: row[-2:] for row in found["tokens_and_cost"]} == {
        "2026-03-09": ["None", "1"],
        "2026-03-10": ["1.0", "0"],
    }
    assert found["stats"][0][-1].count("'total': 2") == 2
    assert found["overview"][0][0] == "4"
