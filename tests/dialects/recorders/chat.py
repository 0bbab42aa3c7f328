"""The conversation through OpenAI's own client."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import openai
from model_server import FOLLOW_UP, MODEL, QUESTION, SYSTEM, TOOL

from recorders.common import Run, get_weather

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": TOOL, "description": "The weather.", "parameters": PARAMETERS}}]


def openai_client(run: Run) -> openai.OpenAI:
    """Return a client for the model of the test."""
    return openai.OpenAI(base_url=f"{run.model_url}/v1", api_key="none")


def calling(function: Callable[..., str]) -> Callable[[Any], str]:
    """Return what calls a function as a tool call of OpenAI's asks for."""
    return lambda call: function(**json.loads(call.function.arguments))


def converse(client: Any, use: Callable[[Any], str] | None = None) -> None:
    """Hold the conversation through a client of OpenAI's library; `use` answers a call of the tool."""
    use = use or calling(get_weather)
    messages: list[dict[str, Any]] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
    told = client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS).choices[0].message
    call = told.tool_calls[0]
    messages.append({"role": "assistant", "content": None, "tool_calls": [call.model_dump()]})
    messages.append({"role": "tool", "tool_call_id": call.id, "content": use(call)})
    answer = client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS).choices[0].message
    messages += [{"role": "assistant", "content": answer.content}, {"role": "user", "content": FOLLOW_UP}]
    options = {"stream": True, "stream_options": {"include_usage": True}}
    for _ in client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS, **options):
        pass
