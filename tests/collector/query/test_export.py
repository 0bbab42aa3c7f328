"""`Export`: how a time is cut into slices, and what happens to those that are too much."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from collector.clickhouse import EMBEDDED_FOLDER
from collector.query import export, kinds, reader
from collector.query.clickhouse_http.query_settings import Caps
from collector.query.export import Export, Wanted
from collector.query.reader import AskedTooMuchError, EmbeddedReader
from collector.query.viewer import Viewer

NOON = int(datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp())


class Tenant:
    """A tenant of this test alone."""

    def __init__(self, engine: Any, asked: EmbeddedReader) -> None:
        """Nothing happened yet."""
        self.engine, self.asked, self.name = engine, asked, secrets.token_hex(8)

    def happened(self, *seconds: float, text: str = "") -> None:
        """Store a message at each of these times, in seconds from noon."""
        self.engine.database.insert(
            "otel.otel_traces",
            [
                {
                    "Tenant": self.name,
                    "Timestamp": f"{NOON + each:.9f}",
                    "SpanId": f"{number:016x}",
                    "TraceId": "1" * 32,
                    "SpanAttributes": {
                        "interaction.type": "user_message",
                        "session.id": "s",
                        "interaction.message": text,
                    },
                }
                for number, each in enumerate(seconds)
            ],
        )

    def exported(self, what: kinds.What = "interactions") -> list[str]:
        """Return the ids of what an export holds, in order."""
        made = Export(self.asked, Viewer(self.name), Wanted(what), "jsonl")
        return [orjson.loads(line)["span_id"] for piece in made.pieces() for line in piece.splitlines()]


@pytest.fixture
def tenant(engine: Any) -> Iterator[Tenant]:
    """A tenant whose rows are read as the API reads them."""
    asked = EmbeddedReader(str(engine.folder / EMBEDDED_FOLDER), Caps(20, 1 << 30))
    yield Tenant(engine, asked)
    asked.close()


def test_cut_at_seconds(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices have about as many rows as they should; a second is never torn; all rows are there, in order."""
    monkeypatch.setattr(export, "_AT_ONCE", 2)
    tenant.happened(0, 0.1, 0.2, 0.9, 1, 5, 5.5, 9, 20, 86_400)
    made = Export(tenant.asked, Viewer(tenant.name), Wanted("interactions"), "jsonl")
    assert made.rows == 10
    assert [piece.count(b"\n") for piece in made.pieces()] == [4, 3, 1, 2]
    assert tenant.exported() == [f"{number:016x}" for number in range(10)]


def test_too_large_is_halved(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slice whose answer is larger than one may be is asked for in parts, down to a millisecond."""
    tenant.happened(*(each / 100 for each in range(50)), text="long " * 1_000)
    whole = tenant.exported()
    assert whole == [f"{number:016x}" for number in range(50)]
    monkeypatch.setattr(reader, "LARGEST", 20_000)
    assert tenant.exported() == whole


def test_a_millisecond_too_large(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be cut any more fails, and says what to do."""
    tenant.happened(0.0, 0.0000001, text="long " * 10_000)
    monkeypatch.setattr(reader, "LARGEST", 20_000)
    with pytest.raises(AskedTooMuchError, match="ask about a shorter time"):
        tenant.exported()
