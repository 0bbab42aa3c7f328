"""The command line as people meet it: a process, an exit code, a sentence."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest
import warm
from processes import CollectorProcess
from typer.main import get_command
from typer.testing import CliRunner, Result

from collector import settings
from collector.access import keyfile
from collector.access import keys as access_keys
from collector.cli import app
from collector.schema import migrator

ROOT = get_command(app)
VERBS = [[name] for name, verb in ROOT.commands.items() if not hasattr(verb, "commands")]
VERBS += [[group, name] for group in ("dead-letters", "schema", "keys") for name in ROOT.commands[group].commands]
FREE = ("--grpc-port", "0", "--http-port", "0", "--sql-port", "0")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    variables |= {"COLUMNS": "400", "NO_COLOR": "1", "TERM": "dumb"} | environment
    return warm.run(arguments, variables)


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line an operator reads when it cannot start."""
    assert done.returncode == 2, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("otel-interactions: ")
    assert done.stdout == ""
    return lines[0]


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_help(verb: list[str]) -> None:
    """Each verb explains itself and exits 0."""
    done = CliRunner().invoke(app, [*verb, "--help"])
    assert done.exit_code == 0
    assert "Usage" in done.stdout


def test_serve_help_lists_every_setting() -> None:
    """`serve --help` names every setting: flag, variable, default and sentence."""
    text = re.sub(r"[\s│]+", " ", run("serve", "--help").stdout)
    for row in settings.table().values():
        for part in (row.flag, row.variable, row.sentence, f"default {row.default}"):
            assert part in text


@pytest.mark.parametrize("flag", ["--grpc-port", "--http-port", "--sql-port"])
def test_a_taken_port(tmp_path: Path, flag: str) -> None:
    """A taken port: exit 2 with one sentence that names the port and the flag; the directory is free again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ports = [port if each == flag else "0" for each in FREE[::2]]
        flags = [part for pair in zip(FREE[::2], ports, strict=True) for part in pair]
        text = sentence(run("serve", "--data-dir", str(tmp_path / "data"), "--log-level", "warning", *flags))
    assert port in text
    assert flag in text
    assert not (tmp_path / "data" / "endpoints.json").exists()


@pytest.mark.parametrize(
    ("arguments", "environment", "part"),
    [
        (("--batch-items", "none"), {}, "--batch-items (OTEL_INTERACTIONS_BATCH_ITEMS) cannot be 'none'"),
        (("--host", "example.org"), {}, "--host (OTEL_INTERACTIONS_HOST) cannot be 'example.org'"),
        ((), {"OTEL_INTERACTIONS_GRPC_PORT": "70000"}, "--grpc-port (OTEL_INTERACTIONS_GRPC_PORT) cannot be '70000'"),
    ],
)
def test_a_bad_setting(arguments: tuple[str, ...], environment: dict[str, str], part: str) -> None:
    """A bad setting, by flag or by environment: exit 2 with one sentence."""
    assert part in sentence(run("serve", *arguments, **environment))


def test_other_machines_need_keys(tmp_path: Path) -> None:
    """An address others reach, and no keys: exit 2 with the command that makes one; nothing was created."""
    text = sentence(run("serve", "--host", "0.0.0.0", "--data-dir", str(tmp_path / "data"), *FREE))
    assert "0.0.0.0" in text
    assert "otel-interactions keys add" in text
    assert not (tmp_path / "data").exists()


def keys(*arguments: str, folder: Path) -> Result:
    """Run `keys …` in this process."""
    return CliRunner().invoke(app, ["keys", *arguments, "--data-dir", str(folder)])


def test_keys(tmp_path: Path) -> None:
    """`keys add` prints the secret this once, `list` shows everything else, `revoke` takes it back."""
    folder = tmp_path / "data"
    plain = keys("add", "--name", "my app", folder=folder)
    assert re.fullmatch(r"oti_[0-9a-f]{8}_[0-9a-f]{64}\n", plain.stdout)
    flags = ("--tenant", "acme", "--scope", "read", "--scope", "ingest", "--requests-per-second", "2.5")
    made = json.loads(keys("add", "--name", "b", *flags, "--bytes-per-second", "0", "--json", folder=folder).stdout)
    secrets = [plain.stdout.strip().split("_")[2], made.pop("key").split("_")[2]]
    listed = keys("list", "--json", folder=folder)
    first, second = map(json.loads, listed.stdout.splitlines())
    assert (first["name"], first["tenant"], first["scopes"]) == ("my app", "default", ["ingest"])
    assert first["requests_per_second"] is first["bytes_per_second"] is None
    assert second == made
    assert (second["scopes"], second["requests_per_second"], second["bytes_per_second"]) == (["ingest", "read"], 2.5, 0)
    table = keys("list", folder=folder)
    for part in ("my app", "acme", "ingest read", "2.5", "default"):
        assert part in table.stdout
    assert not any(secret in listed.output + table.output for secret in secrets)
    assert keys("revoke", first["id"], folder=folder).stdout == f"revoked {first['id']} (my app)\n"
    again = keys("revoke", first["id"], folder=folder)
    assert (again.exit_code, "keys list" in again.stderr) == (1, True)
    assert "No keys are left" in keys("revoke", second["id"], folder=folder).stderr
    assert keys("list", folder=folder).stdout == "(no keys)\n"


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (("--tenant", "*"), "belongs to one tenant"),
        (("--tenant", "a b"), "--tenant cannot be 'a b'"),
        (("--name", ""), "--name cannot be ''"),
        (("--requests-per-second", "-1"), "--requests-per-second cannot be -1"),
    ],
)
def test_what_is_no_key(tmp_path: Path, flags: tuple[str, ...], part: str) -> None:
    """A tenant, name or limit that is none: exit 2 with a sentence, and no key is made."""
    done = keys("add", "--name", "x", *flags, folder=tmp_path)
    assert (done.exit_code, done.stdout) == (2, "")
    assert part in done.stderr
    assert not (tmp_path / "keys.json").exists()


GIVEN = f"oti_0123abcd_{'5e' * 32}"


def test_a_key_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key made beforehand opens what it should; said again it changes nothing; its secret is not shown."""
    monkeypatch.setenv("SHOP_KEY", GIVEN)
    flags = ("add", "--from-env", "SHOP_KEY", "--name", "shop", "--tenant", "shop")
    first = keys(*flags, folder=tmp_path)
    kept = (tmp_path / "keys.json").read_text()
    again = keys(*flags, folder=tmp_path)
    assert (first.exit_code, again.exit_code, "kept already" in again.stderr) == (0, 0, True)
    assert (tmp_path / "keys.json").read_text() == kept
    found = access_keys.find(keyfile.read(tmp_path / "keys.json"), GIVEN)
    assert found
    assert (found.id, found.tenant, found.scopes) == ("0123abcd", "shop", {"ingest"})
    printed = json.loads(keys(*flags, "--json", folder=tmp_path).stdout)
    assert (printed["id"], "key" in printed) == ("0123abcd", False)
    assert not any("5e5e" in each for each in (first.output, again.output, kept, str(printed)))


@pytest.mark.parametrize(
    ("given", "flags", "part"),
    [
        (f"oti_0123abcd_{'5f' * 32}", (), "there is a key 0123abcd already, and its secret is another"),
        (GIVEN, ("--scope", "admin"), "the key 0123abcd is kept already, with another name, tenant, scope or limit"),
        (GIVEN.upper(), (), "what SHOP_KEY holds is no key"),
        (GIVEN[:-1], (), "what SHOP_KEY holds is no key"),
        (GIVEN + "\n", (), "what SHOP_KEY holds is no key"),
        ("", (), "the variable SHOP_KEY is not set, or empty"),
        (None, (), "the variable SHOP_KEY is not set, or empty"),
        (GIVEN, ("--tenant", "a b"), "--tenant cannot be 'a b'"),
    ],
)
def test_what_is_no_key_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, flags: tuple[str, ...], part: str
) -> None:
    """Another secret or other rights under a known id, and what is no key: exit 2, and the secret is not shown."""
    monkeypatch.setenv("SHOP_KEY", GIVEN)
    flags_before = ("add", "--from-env", "SHOP_KEY", "--name", "shop")
    keys(*flags_before, folder=tmp_path)
    before = (tmp_path / "keys.json").read_text()
    monkeypatch.setenv("SHOP_KEY", given) if given is not None else monkeypatch.delenv("SHOP_KEY")
    done = keys(*flags_before, *flags, folder=tmp_path)
    assert (done.exit_code, done.stdout) == (2, "")
    assert part in done.stderr
    assert "5e5e" not in done.stderr.lower()
    assert "5f5f" not in done.stderr
    assert (tmp_path / "keys.json").read_text() == before


@pytest.mark.parametrize("verb", [["list"], ["add", "--name", "x"], ["revoke", "0"]])
def test_a_broken_key_file(tmp_path: Path, verb: list[str]) -> None:
    """A key file that does not read: exit 2 with a sentence, and it stays as it is."""
    (tmp_path / "keys.json").write_text("{")
    done = keys(*verb, folder=tmp_path)
    assert done.exit_code == 2
    assert "keys.json does not read" in done.stderr
    assert (tmp_path / "keys.json").read_text() == "{"


def test_an_unknown_flag() -> None:
    """A flag nobody knows: exit 2, no traceback."""
    done = run("serve", "--no-such-flag", "1")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_no_arguments() -> None:
    """Without a verb the help is printed."""
    assert "serve" in run().stdout


def test_a_newer_data_directory(tmp_path: Path) -> None:
    """A directory a newer version wrote: exit 2, and not one byte of it changes."""
    (tmp_path / "format.json").write_text(json.dumps({"version": "9.9", "schema": migrator.newest() + 1}))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*")}
    text = sentence(run("serve", "--data-dir", str(tmp_path), *FREE))
    assert "9.9" in text
    assert {path: path.read_bytes() for path in tmp_path.rglob("*")} == before


def test_a_second_collector(collector: CollectorProcess) -> None:
    """A second collector on the same directory: exit 2, and the first one goes on."""
    for verb in (["serve", *FREE], ["schema", "migrate"]):
        assert "in use by another collector" in sentence(run(*verb, "--data-dir", str(collector.data_dir)))
    assert collector.health()["status"] == "healthy"
    assert collector.data_dir.joinpath("endpoints.json").exists()


def test_an_unreachable_server(tmp_path: Path) -> None:
    """A ClickHouse that does not answer: exit 2 with one sentence that does not show the password."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    url = f"http://me:hunter2@127.0.0.1:{port}"
    for verb in (["serve", *FREE], ["schema", "migrate"]):
        done = run(*verb, "--data-dir", str(tmp_path / "data"), "--clickhouse-url", url)
        assert "--clickhouse-url" in sentence(done)
        assert "hunter2" not in done.stderr


def test_schema_print() -> None:
    """`schema print` writes the script the migrator runs, one statement after the other."""
    done = run("schema", "print")
    assert done.returncode == 0
    statements = [each.strip() for each in done.stdout.split(";\n")]
    assert statements == [each.strip().removesuffix(";") for each in migrator.as_script()] + [""]


def test_schema_migrate(tmp_path: Path) -> None:
    """`schema migrate` brings a stopped collector's database to the newest schema; again it has nothing to do."""
    first, second = (run("schema", "migrate", "--data-dir", str(tmp_path / "data")) for _ in range(2))
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert first.stdout.count("applied 0") == len(migrator.migrations())
    assert second.stdout == f"0 applied, schema {migrator.newest()}\n"


def test_asking_when_nobody_runs(tmp_path: Path) -> None:
    """Asking without a collector: exit 1 with a sentence, no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = str(gone.getsockname()[1])
    done = run("sql", "SELECT 1", "--data-dir", str(tmp_path), "--sql-port", port)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("otel-interactions: ")


def test_asking(collector: CollectorProcess) -> None:
    """`sql` asks the collector of the data directory and prints in the format asked for."""
    done = run("sql", "SELECT 1 AS one", "--format", "JSONEachRow", "--data-dir", str(collector.data_dir))
    assert (done.returncode, json.loads(done.stdout)) == (0, {"one": 1})
    wrong = run("sql", "SELEKT", "--data-dir", str(collector.data_dir))
    assert wrong.returncode == 1
    assert "Traceback" not in wrong.stderr


def test_prices_are_read_before_anything_is_asked(tmp_path: Path) -> None:
    """A bad file of prices is said at the start, also where the ClickHouse server is away."""
    (prices := tmp_path / "prices.csv").write_text("model,price\nx,1\n")
    away = ("--clickhouse-url", "http://127.0.0.1:1", "--model-prices", str(prices))
    done = run("serve", "--data-dir", str(tmp_path / "data"), *FREE, *away)
    assert f"--model-prices {prices}, line 2: there is no column 'price'" in sentence(done)
