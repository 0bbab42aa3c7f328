"""What cannot be stored is kept with its reason, and can be sent again: then it is stored once, or back."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from otlp_builders import span, traces

from collector.journal import segment
from collector.load import envelope
from collector.load.dead_letters import DeadLetters, Letter, LetterError
from collector.request import Request

Make = Callable[..., Request]


def letter_of(engine: Any, folder: Path, request: Request, **fields: Any) -> tuple[Letter, bytes]:
    """Make a letter as the loader does, and its bytes."""
    path = engine.freeze(folder, request)
    _, frames = segment.read(path)
    path.unlink()
    identity = f"{path.stem}-000000"
    letter = Letter(identity, "Code: 36. DB::Exception: so it was", 36, "traces", **fields)
    return letter, envelope.segment_of(identity, frames)


def interaction(session: str) -> bytes:
    """Return a traces body of one interaction."""
    return traces(span("again", {"interaction.type": "event", "session.id": session})).SerializeToString()


def new_session() -> str:
    """Name a session that nobody else uses."""
    return f"s-{secrets.token_hex(4)}"


def test_kept_whole(engine: Any, tmp_path: Path, request_of: Make) -> None:
    """A letter reads back as it was set aside: reason, owner, bytes; setting it aside again is no second letter."""
    folder = DeadLetters(tmp_path / "dead-letters")
    assert folder.ids() == []
    request = request_of(interaction("x"), tenant="acme", peer="10.0.0.1")
    letter, data = letter_of(engine, tmp_path, request, tenant="acme", peer="10.0.0.1", stored_in=("otel.a", "otel.b"))
    folder.keep(letter, data)
    folder.keep(letter, data)
    assert folder.ids() == [letter.id]
    kept = folder.get(letter.id)
    assert (kept.reason, kept.tenant, kept.peer, kept.stored_in) == (
        letter.reason,
        "acme",
        "10.0.0.1",
        letter.stored_in,
    )
    assert (kept.size, folder.data(kept)) == (len(data), data)
    (told,) = folder.requests(kept)
    assert (told.tenant, told.peer, told.body) == ("acme", "10.0.0.1", request.body)
    assert told.received_unix_nano == request.received_unix_nano


def test_damage_is_noticed(engine: Any, tmp_path: Path, request_of: Make) -> None:
    """Bytes that changed on the disk are not sent, and one is told so."""
    folder = DeadLetters(tmp_path / "dead-letters")
    letter, data = letter_of(engine, tmp_path, request_of(interaction("x")))
    folder.keep(letter, data)
    folder.bytes_of(letter.id).write_bytes(data[:-1] + b"?")
    with pytest.raises(LetterError, match="not those that were set aside"):
        folder.data(folder.get(letter.id))
    with pytest.raises(LetterError, match="there is no dead letter"):
        folder.get("../journal/x")
    (tmp_path / "dead-letters" / f"{letter.id}.json").write_text("{")
    with pytest.raises(LetterError, match="does not read"):
        folder.get(letter.id)


@pytest.mark.parametrize("fields", [{"damaged": True}, {"stored_in": ("otel.otel_traces",)}])
def test_what_would_be_wrong_is_refused(engine: Any, tmp_path: Path, request_of: Make, fields: dict[str, Any]) -> None:
    """Neither damaged bytes nor what a table has already can be sent again; the sentence says what to do instead."""
    folder = DeadLetters(tmp_path / "dead-letters")
    letter, data = letter_of(engine, tmp_path, request_of(interaction("x")), **fields)
    folder.keep(letter, data)
    with pytest.raises(LetterError, match="cannot be sent again") as caught:
        folder.ask_replay(folder.get(letter.id))
    assert caught.value.hint
    assert folder.wanted() == []


def test_sent_again_and_stored(engine: Any, loading: Any, request_of: Make, stored: Any) -> None:
    """A letter that is sent again is stored, with everything behind, and gone; the running loader finds it itself."""
    session = new_session()
    letter, data = letter_of(engine, loading.journal, request_of(interaction(session)))
    loading.letters.keep(letter, data)
    loading.letters.ask_replay(letter)
    assert loading.letters.is_wanted(letter.id)
    loading.wait_until(lambda: not loading.letters.is_wanted(letter.id))
    assert loading.letters.ids() == []
    assert not loading.letters.bytes_of(letter.id).exists()
    assert stored(letter.id) == 1
    assert stored.behind(session) == (1, 1)
    assert loading.counters.snapshot() == {"requests_replayed": 1}


def test_a_crash_before_the_letter_is_removed(engine: Any, loading: Any, request_of: Make, stored: Any) -> None:
    """Stored but still a letter, as a crash leaves it: sent again, and stored once."""
    session = new_session()
    letter, data = letter_of(engine, loading.journal, request_of(interaction(session)))
    for _ in range(2):
        loading.letters.keep(letter, data)
        loading.letters.ask_replay(letter)
        loading.wait_until(lambda: not loading.letters.is_wanted(letter.id))
        assert loading.letters.ids() == []
    assert stored(letter.id) == 1
    assert stored.behind(session) == (1, 1)


def test_refused_again(engine: Any, loading: Any, request_of: Make, stored: Any) -> None:
    """A letter that is refused again stays, with the new reason, and is not tried any more."""
    letter, data = letter_of(engine, loading.journal, request_of(b"\x0a\x7fabc", tenant="acme"), tenant="acme")
    loading.letters.keep(letter, data)
    before = loading.letters.get(letter.id)
    for replays in (1, 2):
        loading.letters.ask_replay(letter)
        loading.wait_until(lambda: not loading.letters.is_wanted(letter.id))
        again = loading.letters.get(letter.id)
        assert again.replays == replays
        assert "ProtobufRowInputFormat" in again.reason
        assert again.code != before.code
        assert again.set_aside_unix_nano > before.set_aside_unix_nano
        assert (again.tenant, again.checksum, again.size) == (before.tenant, before.checksum, before.size)
        assert loading.letters.data(again) == data
    assert stored(letter.id) == 0


def test_a_replay_waits_for_clickhouse(engine: Any, troubled: Any, request_of: Make, stored: Any) -> None:
    """While ClickHouse is away a replay waits, counts not as waiting to be stored, and keeps no stop from ending."""
    running, trouble = troubled()
    trouble.unreachable.set()
    letter, data = letter_of(engine, running.journal, request_of(interaction("x")))
    running.letters.keep(letter, data)
    running.letters.ask_replay(letter)
    running.wait_until(lambda: trouble.tries >= 2)
    assert running.loader.waiting() == []
    assert running.letters.is_wanted(letter.id)
    assert running.loader.stop(20) is True
    assert stored(letter.id) == 0
    assert running.letters.is_wanted(letter.id), "the next start goes on"


def test_asked_while_nothing_runs(engine: Any, tmp_path: Path, new_loading: Any, request_of: Make, stored: Any) -> None:
    """What is asked for while the collector is stopped happens when it starts; a request for nothing is forgotten."""
    running = new_loading(engine.database, tmp_path)
    letter, data = letter_of(engine, tmp_path, request_of(interaction("x")))
    running.letters.keep(letter, data)
    running.letters.ask_replay(letter)
    lost = f"{time.time_ns():020d}-00000000-traces-000000"
    (running.dead_letters / "replay" / lost).touch()
    running.loader.start()
    running.wait_until(lambda: running.letters.wanted() == [])
    assert running.loader.stop(20)
    assert stored(letter.id) == 1


def test_letters_of_other_versions(tmp_path: Path) -> None:
    """A letter of a later version, with more in it, is said not to read, and its bytes are pointed at."""
    folder = DeadLetters(tmp_path)
    (tmp_path / "x.json").write_text(json.dumps({"id": "x", "stored_in": [], "new": 1}))
    with pytest.raises(LetterError, match="file beside it"):
        folder.get("x")


def test_settled_when_replays_are_done(
    engine: Any, tmp_path: Path, new_loading: Any, request_of: Make, stored: Any
) -> None:
    """A replay an earlier process may have sent is not stored twice, and nothing is settled before it is done."""
    running, still_wanted = new_loading(engine.database, tmp_path, tokens_lost=True), list[bool]()
    letter, data = letter_of(engine, tmp_path, request_of(interaction("x")))
    running.letters.keep(letter, data)
    running.letters.ask_replay(letter)
    engine.insert(running.letters.bytes_of(letter.id), f"{letter.id}-forgotten")
    running.loader.start(when_settled=lambda: still_wanted.append(running.letters.is_wanted(letter.id)))
    running.wait_until(lambda: still_wanted)
    assert running.loader.stop(20)
    assert still_wanted == [False]
    assert stored(letter.id) == 1
