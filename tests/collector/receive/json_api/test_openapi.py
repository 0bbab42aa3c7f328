"""The OpenAPI document says what the endpoints do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic.alias_generators import to_camel, to_snake

INTERACTIONS, EVENTS = "/api/interactions/log", "/api/log-interaction"
SHAPES = {
    INTERACTIONS: {
        *("UserMessage", "AssistantResponse", "AudioInput", "AudioOutput", "ToolCall", "ToolResponse"),
        *("SessionStart", "SessionEnd", "ErrorInteraction", "Exchange"),
    },
    EVENTS: {"UiEvent", "GenerationResult", "StateTransition", "PerformanceMetric", "ErrorEvent", "CategorisedEvent"},
}
Examples = dict[str, list[tuple[str, dict[str, Any]]]]


@pytest.fixture(scope="module")
def document(client: Any) -> dict[str, Any]:
    """The document as the collector serves it."""
    found: dict[str, Any] = client.openapi()
    return found


@pytest.mark.parametrize("path", SHAPES)
def test_every_shape_is_in_it(document: dict[str, Any], examples: Examples, path: str) -> None:
    """Each shape is there, with an example, and each of its fields has a description or a schema of its own."""
    assert {name for name, _ in examples[path]} == SHAPES[path]
    for name in SHAPES[path]:
        shape = document["components"]["schemas"][name]
        assert shape["description"]
        for field, schema in shape["properties"].items():
            says = "description" in schema or "const" in schema or "$ref" in str(schema)
            assert says, f"{name}.{field}"


@pytest.mark.parametrize("path", SHAPES)
def test_what_comes_and_goes(document: dict[str, Any], path: str) -> None:
    """Both content types, the parameters, and every status are in it; the answer has one shape whatever the status."""
    operation = document["paths"][path]["post"]
    assert set(operation["requestBody"]["content"]) == {"application/json", "text/plain"}
    parameters = [(each["name"], each["in"], each["required"]) for each in operation["parameters"]]
    assert parameters == [("partial", "query", False), ("Idempotency-Key", "header", False)]
    assert set(operation["responses"]) == {"200", "400", "413", "415", "422", "503", "4XX"}
    for response in operation["responses"].values():
        assert response["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/LogAnswer"}
        assert "tored" in response["description"]
    assert set(document["components"]["schemas"]["Rejected"]["properties"]) == {"index", "field", "reason"}


def test_interactions_are_told_apart_by_their_type(document: dict[str, Any]) -> None:
    """Generators of clients find the discriminator."""
    body = document["paths"][INTERACTIONS]["post"]["requestBody"]["content"]["application/json"]["schema"]
    discriminator = body["anyOf"][0]["discriminator"]
    assert discriminator["propertyName"] == "interaction_type"
    assert len(discriminator["mapping"]) == 9


@pytest.mark.parametrize("path", SHAPES)
def test_examples_are_accepted(client: Any, examples: Examples, path: str) -> None:
    """Every example is accepted as it stands, alone and in a batch of all."""
    for _, example in examples[path]:
        client.accept(path, example)
    client.accept(path, [example for _, example in examples[path]], len(examples[path]))


def spelled(value: Any, spell: Callable[[str], str]) -> Any:
    """Spell the names of fields anew, those inside of any JSON excepted."""
    if not isinstance(value, dict):
        return value
    free = {"arguments", "result", "details", "context", "props"}
    return {spell(name): inner if name in free else spelled(inner, spell) for name, inner in value.items()}


@pytest.mark.parametrize("path", SHAPES)
def test_camel_case_and_snake_case_are_the_same(client: Any, examples: Examples, path: str, session: str) -> None:
    """Every example gives the same rows in either spelling."""
    sessions, items = {}, []
    for spell in (to_camel, to_snake):
        for name, example in examples[path]:
            sessions[spell, name] = f"{session} {name} {spell.__name__}"
            given = {key: value for key, value in example.items() if to_snake(key) != "session_id"}
            given["metadata"] = {
                key: value for key, value in (given.get("metadata") or {}).items() if key != "appVersion"
            }
            items.append(spelled(given | {"session_id": sessions[spell, name]}, spell))
    client.accept(path, items, len(items))
    found = client.rows(sessions.values())
    for name, _ in examples[path]:
        camel, snake = (
            [
                {key: value for key, value in row.items() if not key.endswith("_id") and key != "received_at"}
                for row in found[sessions[spell, name]]
            ]
            for spell in (to_camel, to_snake)
        )
        assert len(camel) == (2 if name == "Exchange" else 1)
        for row in camel + snake:
            row["attributes"].pop("session.id")
        assert camel == snake, name
