"""LiveKit Agents: an agent session in text, without a room; ids as metadata of its tracer provider."""

from __future__ import annotations

import asyncio

from livekit.agents import Agent, AgentSession, function_tool, telemetry
from livekit.plugins import openai
from model_server import FOLLOW_UP, MODEL, QUESTION, SYSTEM

from recorders.common import Flush, Run, get_weather, provider


def livekit(run: Run) -> Flush:
    """Record in LiveKit's dialect."""
    made = provider(run)
    telemetry.set_tracer_provider(made, metadata={"session.id": run.session, "user.id": run.user})

    async def weather(city: str) -> str:
        """Return the weather in a city."""
        return get_weather(city)

    async def talk() -> None:
        model = openai.LLM(model=MODEL, base_url=f"{run.model_url}/v1", api_key="none")
        async with model, AgentSession(llm=model) as session:
            await session.start(Agent(instructions=SYSTEM, tools=[function_tool(weather, name="get_weather")]))
            await session.run(user_input=QUESTION)
            await session.run(user_input=FOLLOW_UP)

    asyncio.run(talk())
    return made.shutdown
