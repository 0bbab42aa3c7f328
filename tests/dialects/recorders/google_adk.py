"""Google's Agent Development Kit: an agent with a tool on Gemini; session and user are the runner's."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from google.adk.agents import LlmAgent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.models import Gemini
from google.adk.runners import Runner
from google.adk.sessions import InMemorySessionService
from google.genai import types
from model_server import FOLLOW_UP, GEMINI, QUESTION, SYSTEM

from recorders.common import Flush, Run, get_weather, logger_provider, provider


def google_adk(run: Run) -> Flush:
    """Record in ADK's dialect."""
    os.environ |= {"GOOGLE_API_KEY": "none", "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_and_event"}
    spans, logs = provider(run), logger_provider(run)
    model = Gemini(model=GEMINI, base_url=run.model_url)
    agent = LlmAgent(name="helper", model=model, instruction=SYSTEM, tools=[get_weather])

    async def talk() -> None:
        sessions = InMemorySessionService()
        await sessions.create_session(app_name="app", user_id=run.user, session_id=run.session)
        runner = Runner(app_name="app", agent=agent, session_service=sessions)
        for text, mode in ((QUESTION, StreamingMode.NONE), (FOLLOW_UP, StreamingMode.SSE)):
            said: Any = types.Content(role="user", parts=[types.Part(text=text)])
            async for _ in runner.run_async(
                user_id=run.user, session_id=run.session, new_message=said, run_config=RunConfig(streaming_mode=mode)
            ):
                pass

    asyncio.run(talk())
    return lambda: (spans.shutdown(), logs.shutdown())
