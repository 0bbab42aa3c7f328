"""The conversation through Gemini's own client."""

from __future__ import annotations

from google import genai
from google.genai import types
from model_server import FOLLOW_UP, GEMINI, QUESTION, SYSTEM

from recorders.common import Run, get_weather


def converse(run: Run) -> None:
    """Hold the conversation; the client calls the tool itself, the function being given it."""
    client = genai.Client(api_key="none", http_options=types.HttpOptions(base_url=run.model_url))
    config = types.GenerateContentConfig(system_instruction=SYSTEM, tools=[get_weather])
    chat = client.chats.create(model=GEMINI, config=config)
    chat.send_message(QUESTION)
    for _ in chat.send_message_stream(FOLLOW_UP):
        pass
