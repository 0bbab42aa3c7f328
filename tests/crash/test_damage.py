"""A disk that damages the journal: the requests it hits are set aside with a reason, all others are stored once."""

from __future__ import annotations

import json
from pathlib import Path

from balance import assert_balanced
from otlp_builders import span, traces
from processes import CollectorProcess

LOADS_NOTHING = ("--batch-seconds", "3600", "--batch-items", "1000000000")
LOADS_AT_ONCE = ("--batch-seconds", "0.1")


def test_damage_and_strange_files(tmp_path: Path) -> None:
    """A flipped bit, a hole, a torn tail, garbage and strange files: one start gets over all of it.

    Senders that send all again lose nothing either: only what was damaged is stored by that.
    """
    collector = CollectorProcess(tmp_path / "data", *LOADS_NOTHING).start()
    names = [f"request-{number}" for number in range(12)]
    sent = {name: traces(span(name, {"filling": name * 20})).SerializeToString() for name in names}
    for body in sent.values():
        assert collector.post("/v1/traces", body).status_code == 200
    collector.kill()

    journal = tmp_path / "data" / "journal"
    (segment,) = journal.glob("*.open")
    data = bytearray(segment.read_bytes())
    data[data.index(b"request-2" * 20) + 40] ^= 1
    begin, end = (data.index(name * 20) for name in (b"request-5", b"request-7"))
    data[begin:end] = bytes(end - begin)  # a hole over the ends of two and the beginnings of two
    segment.write_bytes(data + b"\x7a\xff\x07torn")
    name = segment.name.removesuffix(".open")
    garbage = "01795254808000000000-00c0ffee-traces.ready"
    (journal / garbage).write_bytes(b"garbage" * 1000)
    (journal / "01795254808000000001-00c0ffee-traces.ready").touch()
    (journal / "01795254808000000002-00c0ffee-logs.ready").mkdir()
    (journal / "01795254808000000003-00c0ffee-profiles.ready").write_bytes(b"of another version")
    (journal / "notes.ready").write_bytes(b"strange")
    (journal / "lost+found").mkdir()

    collector.flags = LOADS_AT_ONCE
    collector.start()
    collector.wait_until_stored()
    damaged = {"request-2", "request-5", "request-6", "request-7"}
    assert stored(collector) == dict.fromkeys(set(names) - damaged, 1)
    letters = {
        path.name: json.loads(path.read_text())["reason"] for path in (tmp_path / "data").glob("dead-letters/*.json")
    }
    assert sorted("damaged from byte" in reason for reason in letters.values()) == [False, False, True, True]
    assert all("reads" in reason for letter, reason in letters.items() if letter.startswith("0179525480800000000"))
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data" / "dead-letters").iterdir())
    assert b"request-2" in kept
    assert b"garbage" * 1000 in kept
    assert (journal / f"{name}.torn").read_bytes() == b"\x7a\xff\x07torn"
    log = collector.log.read_text()
    assert "7 bytes at its end are torn" in log
    assert "4 files here are not the journal's and are left alone" in log
    assert collector.health()["last_error"] == ""
    assert_balanced(collector.health())

    for body in sent.values():
        assert collector.post("/v1/traces", body).status_code == 200
    collector.wait_until_stored()
    assert stored(collector) == dict.fromkeys(names, 1)
    assert collector.stop() == 0


def stored(collector: CollectorProcess) -> dict[str, int]:
    """Return how many spans of each name there are."""
    found = collector.ask("SELECT SpanName AS name, count() AS n FROM otel.otel_traces GROUP BY name")
    return {row["name"]: row["n"] for row in found}
