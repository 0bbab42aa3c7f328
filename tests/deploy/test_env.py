"""`make env` writes .env once: secrets of its own, for nobody else to read, and all that Compose takes."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from compose_file import env_file

from collector.access import keys
from collector.access.keys import Scope

ROOT = Path(__file__).parents[2]
_SECRETS = re.compile(r"(PASSWORD|SECRET|_KEY)$")


def made(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run it where nothing but the two files is, and no Python is called."""
    for name in ("Makefile", ".env.example"):
        shutil.copy(ROOT / name, folder)
    command = ["make", "env", "PYTHON=/nowhere/python"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=30)


def test_written_once(tmp_path: Path) -> None:
    """Its mode is 600, its variables are those of .env.example; run again, it stays byte for byte, and this is said."""
    assert "docker compose up --wait" in made(tmp_path).stdout
    env = tmp_path / ".env"
    before = env.read_bytes()
    assert env.stat().st_mode & 0o777 == 0o600
    assert "stays as it is" in made(tmp_path).stdout
    assert env.read_bytes() == before
    assert env_file(env).keys() == env_file(ROOT / ".env.example").keys()
    assert sorted(each.name for each in tmp_path.iterdir()) == [".env", ".env.example", "Makefile"]


def test_secrets(tmp_path: Path) -> None:
    """Passwords and keys are random: none is another's or the same in two files; keys are keys."""
    found: list[str] = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made(tmp_path / name)
        values = env_file(tmp_path / name / ".env")
        secrets = {key: value for key, value in values.items() if _SECRETS.search(key) and key != "CLICKHOUSE_PASSWORD"}
        assert len(secrets) == 7
        found += secrets.values()
        for key in ("INGEST_KEY", "ADMIN_KEY"):
            kept = keys.of_token(values[key], "app", "acme", frozenset({Scope.INGEST}))
            assert keys.find({kept.id: kept}, values[key]) is kept
        others = [value for key, value in secrets.items() if not key.endswith("_KEY")]
        assert all(re.fullmatch(r"[0-9a-f]{48}", each) for each in others)
        assert "<" not in (tmp_path / name / ".env").read_text()
    assert len(set(found)) == 14


def test_every_variable_has_a_comment() -> None:
    """In .env a comment stands above each variable, or above the group it is in; git leaves .env alone."""
    groups = (ROOT / ".env.example").read_text().strip().split("\n\n")
    assert all(group.startswith("# ") for group in groups)
    assert ".env" in (ROOT / ".gitignore").read_text().split()
