"""Pipecat: a pipeline of text around its OpenAI service, with its tracing on; ids are the worker's."""

from __future__ import annotations

import asyncio
from typing import Any

from model_server import FOLLOW_UP, MODEL, QUESTION, SYSTEM
from pipecat.frames.frames import EndFrame, Frame, LLMFullResponseEndFrame, LLMMessagesAppendFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import FunctionCallParams
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.workers.runner import WorkerRunner

from recorders import common
from recorders.common import Flush, Run, provider


async def get_weather(params: FunctionCallParams, city: str) -> None:
    """Return the weather in a city."""
    await params.result_callback(common.get_weather(city))


def _asking(text: str) -> LLMMessagesAppendFrame:
    return LLMMessagesAppendFrame(messages=[{"role": "user", "content": text}], run_llm=True)


class _Asker(FrameProcessor):
    """Asks the second question once the first is answered, and ends when that is: the first answer is a tool call."""

    def __init__(self) -> None:
        super().__init__()
        self._following: list[Frame | None] = [None, _asking(FOLLOW_UP), EndFrame()]
        self.worker: Any = None

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, LLMFullResponseEndFrame) and (following := self._following.pop(0)):
            await self.worker.queue_frame(following)


def pipecat(run: Run) -> Flush:
    """Record in Pipecat's dialect."""
    made = provider(run)

    async def talk() -> None:
        settings = OpenAILLMService.Settings(model=MODEL, system_instruction=SYSTEM)
        model = OpenAILLMService(base_url=f"{run.model_url}/v1", api_key="none", settings=settings)
        pair = LLMContextAggregatorPair(LLMContext(tools=[get_weather]))
        asker = _Asker()
        asker.worker = PipelineWorker(
            Pipeline([pair.user(), model, asker, pair.assistant()]),
            params=PipelineParams(enable_metrics=True, enable_usage_metrics=True),
            enable_tracing=True,
            conversation_id=run.session,
            additional_span_attributes={"session.id": run.session, "user.id": run.user},
        )
        await asker.worker.queue_frame(_asking(QUESTION))
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(asker.worker)
        await runner.run()

    asyncio.run(talk())
    return made.shutdown
