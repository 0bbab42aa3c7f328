"""Pydantic AI: an agent with a tool, instrumented by its own settings, below the request's span of the application."""

from __future__ import annotations

import asyncio

from model_server import FOLLOW_UP, MODEL, QUESTION, SYSTEM
from pydantic_ai import Agent
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from recorders.common import Flush, Run, get_weather, provider


def pydantic_ai(run: Run) -> Flush:
    """Record in Pydantic AI's dialect."""
    made = provider(run, {"user.id": run.user})
    model = OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=f"{run.model_url}/v1", api_key="none"))
    agent = Agent(model, name="helper", instructions=SYSTEM, tools=[get_weather])
    agent.instrument = InstrumentationSettings(tracer_provider=made)

    async def talk() -> None:
        first = await agent.run(QUESTION, conversation_id=run.session)
        async with agent.run_stream(FOLLOW_UP, message_history=first.all_messages()) as second:
            async for _ in second.stream_text():
                pass

    with made.get_tracer("app").start_as_current_span("request"):
        asyncio.run(talk())
    return made.shutdown
