"""What a power cut or a full disk leaves of the engine's files of tokens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from otlp_builders import span, traces

from collector.clickhouse import EMBEDDED_FOLDER
from collector.load import token_logs
from collector.request import Request

RECORDS = [b"1\tall_1_1_1\tall_14237_8228\n", b"1\t20261122_2_2_0\tsegment-1_7\n", b"2\tall_1_1_1\tall_14237_8228\n"]
WHOLE = b"".join(RECORDS)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Name a file of tokens as the engine does."""
    path = tmp_path / "store/543/5432e195/deduplication_logs/deduplication_log_1.txt"
    path.parent.mkdir(parents=True)
    return path


@pytest.mark.parametrize("sound", [WHOLE, b""], ids=["some", "none"])
def test_what_reads_is_left_alone(tmp_path: Path, log: Path, sound: bytes) -> None:
    """Whole records are no reason to doubt anything."""
    log.write_bytes(sound)
    assert token_logs.torn(tmp_path) == {}


@pytest.mark.parametrize("end", [*range(1, len(RECORDS[2]))])
@pytest.mark.parametrize("after", [b"", bytes(9), RECORDS[1], bytes(3) + RECORDS[0]], ids=["", "0", "more", "0 more"])
def test_a_torn_record(tmp_path: Path, log: Path, end: int, after: bytes) -> None:
    """Wherever the last record is torn, and whatever was appended to it: what is left reads whole."""
    log.write_bytes(WHOLE + RECORDS[2][:end] + after)
    found = token_logs.torn(tmp_path)
    assert list(found) == [log]
    token_logs.mend(found)
    assert log.read_bytes() == WHOLE
    assert token_logs.torn(tmp_path) == {}


def test_the_engine_writes_such_files(engine: Any, tmp_path: Path, request_of: Callable[..., Request]) -> None:
    """The real engine's records are what is taken for whole, and are found where it has them."""
    engine.store(tmp_path, request_of(traces(span()).SerializeToString()))
    folder = engine.folder / EMBEDDED_FOLDER
    assert any(path.stat().st_size for path in folder.glob(token_logs.FILES))
    assert token_logs.torn(folder) == {}
