"""The collector's copy of the attribute names."""

from __future__ import annotations

import re
from pathlib import Path

from collector.receive.json_api import conventions as ours
from otel_interactions import conventions as theirs

SQL = Path(ours.__file__).parents[2] / "schema" / "sql"
ONLY_OURS = {"SERVICE_NAME", "ID", "METADATA", "EXTRA", "PROPS", "PROMPT_LENGTH", "TOKENS", "RESOLVED"}


def named(module: object) -> dict[str, str]:
    return {name: value for name, value in vars(module).items() if name.isupper()}


def test_names_are_those_of_the_sdk() -> None:
    """Each name is the SDK's, save those that only JSON clients say; these clash with none of the SDK's."""
    mine, sdk = named(ours), named(theirs)
    assert set(mine) - set(sdk) == ONLY_OURS
    assert {name: value for name, value in mine.items() if name in sdk} == {
        name: value for name, value in sdk.items() if name in mine
    }
    assert not {mine[name] for name in ONLY_OURS} & set(sdk.values())


def test_names_are_those_that_sql_reads() -> None:
    """Every attribute of the SDK with a column is one JSON clients can fill, save those of calls and heartbeats."""
    sql = "".join(file.read_text() for file in SQL.glob("*.sql"))
    words = set(re.split(r"[\s',]+", sql))
    read = {value for value in named(theirs).values() if "." in value and value in words}
    assert len(read) > 30
    assert read - set(named(ours).values()) == {
        *("gen_ai.conversation.id", "gen_ai.response.model", "gen_ai.agent.name", "gen_ai.system_instructions"),
        *("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.reasoning.output_tokens"),
        "interaction.session.heartbeat",
    }
