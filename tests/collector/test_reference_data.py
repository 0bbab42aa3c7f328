"""What the operator says of tenants and prices is what views and questions go by."""

from __future__ import annotations

import datetime as dt
import secrets
import time
from pathlib import Path
from typing import Any

import pytest

from collector.errors import StartError
from collector.reference_data import read_prices, write_idle_seconds, write_prices
from collector.settings import load


def test_idle_time_of_a_tenant(engine: Any) -> None:
    """A session is abandoned after its tenant's time; a tenant that is named no more has the time of all."""
    tenants = {"quick": secrets.token_hex(4), "slow's": secrets.token_hex(4), "other": secrets.token_hex(4)}
    ago = (time.time_ns() - 100 * 10**9) / 1e9
    for tenant, session in tenants.items():
        engine.database.insert(
            "otel.otel_traces",
            [
                {
                    "Timestamp": dt.datetime.fromtimestamp(ago, dt.UTC),
                    "Tenant": tenant,
                    "SpanAttributes": {"session.id": session, "interaction.type": "event"},
                }
            ],
        )

    def statuses() -> dict[str, str]:
        sql = "SELECT tenant, status FROM otel.sessions WHERE session_id IN {sessions:Array(String)}"
        return dict(engine.ask(sql, sessions=list(tenants.values())))

    try:
        named = load(tenant_idle_seconds="quick=60, slow's=86400").idle_seconds_of_tenant
        write_idle_seconds(engine.database, 90, named)
        assert statuses() == {"quick": "abandoned", "slow's": "active", "other": "abandoned"}
        write_idle_seconds(engine.database, 1800, {"other": 30})
        assert statuses() == {"quick": "active", "slow's": "active", "other": "abandoned"}
    finally:
        write_idle_seconds(engine.database, 1800, {})
    assert set(statuses().values()) == {"active"}


def test_prices_of_a_file(engine: Any, tmp_path: Path) -> None:
    """Prices are added; columns come in any order, those with a default may be left out; twice is once."""
    file = tmp_path / "prices.csv"
    file.write_text(
        'model,valid_from,output_usd,input_usd,cached_input_usd\n"mine-*",2026-01-01,6,1.5,\nyours,2026-02-01,2,1,0.5\n'
    )
    write_prices(engine.database, read_prices(file))
    write_prices(engine.database, read_prices(file))
    sql = """SELECT tenant, provider, model, toString(valid_from), input_usd, cached_input_usd, output_usd
        FROM otel.model_prices FINAL WHERE model IN ('mine-*', 'yours') ORDER BY model"""
    assert engine.ask(sql) == [
        ("", "", "mine-*", "2026-01-01", 1.5, None, 6.0),
        ("", "", "yours", "2026-02-01", 1.0, 0.5, 2.0),
    ]


HEAD = "provider,model,valid_from,input_usd,output_usd\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (HEAD + "openai,x,yesterday,1,2", "line 2: valid_from cannot be 'yesterday'"),
        (HEAD + "openai,y,2026-01-01,1,2\nopenai,x,2026-01-01,-1,2", "line 3: input_usd cannot be '-1'"),
        (HEAD + "openai,x,2026-01-01,nan,2", "line 2: input_usd cannot be 'nan'"),
        (HEAD + "openai,x,2026-01-01,1,", "line 2: output_usd cannot be ''"),
        (HEAD + "openai,,2026-01-01,1,2", "line 2: model cannot be ''"),
        (HEAD + "openai,x,2026-01-01,1", "line 2: output_usd is missing"),
        (HEAD + "openai,x,2026-01-01,1,2,3", "line 2: there are more values than columns"),
        ("provider,model\nopenai,x", "line 2: valid_from is missing"),
        ("model,price\nx,1", "line 2: there is no column 'price'"),
        (HEAD + 'openai,"x,2026-01-01,1,2', "cannot be read"),
        (HEAD + "openai,\udcff,2026-01-01,1,2", "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_bad_prices(engine: Any, tmp_path: Path, text: str | None, reason: str) -> None:
    """What is no price is said with its line, and nothing of the file is added."""
    file = tmp_path / "prices.csv"
    if text is not None:
        file.write_text(text, errors="surrogateescape")
    before = engine.ask("SELECT count() FROM otel.model_prices")
    with pytest.raises(StartError) as refused:
        write_prices(engine.database, read_prices(file))
    assert reason in str(refused.value)
    assert f"--model-prices {file}" in str(refused.value)
    assert engine.ask("SELECT count() FROM otel.model_prices") == before
