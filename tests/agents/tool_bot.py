"""A Pipecat bot with a tool, and `attach`: it books a table, then says so with the voice of examples/pipecat_bot/bot.py.

`BOT_BOOKS`: `yes`, `fails`, or `never`: it tells a long story instead, until it is interrupted.
"""

from __future__ import annotations

import asyncio
import os

from bot import RATE_HZ, LocalModel, livekit, local_pipeline
from pipecat.frames.frames import FunctionCallFromLLM
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.services.llm_service import FunctionCallParams
from pipecat.workers.runner import WorkerRunner

from earwitness.pipecat import attach

BOOKS = os.environ.get("BOT_BOOKS", "yes")
STORY = "Once there was a bot. It spoke. It spoke more. Nobody stopped it. It went on. It did not end."


async def book_table(params: FunctionCallParams) -> None:
    await asyncio.sleep(0.2)
    if BOOKS == "fails":
        raise ValueError("no table is free")
    await params.result_callback(f"a table for {params.arguments['people']}")


class Waiter(LocalModel):
    def __init__(self) -> None:
        super().__init__()
        self.register_function("book_table", book_table)
        self._booked = False

    async def answer(self, context: LLMContext) -> None:
        if BOOKS == "never":
            await self.say(STORY)
            return
        if self._booked:
            await self.say("Your table is booked.")
            return
        self._booked = True
        call = FunctionCallFromLLM("book_table", "call-1", {"people": 2}, context)
        await self.stop_ttfb_metrics()
        await self.run_function_calls([call])


async def main() -> None:
    transport = livekit()
    params = PipelineParams(enable_metrics=True, audio_out_sample_rate=RATE_HZ)
    worker = PipelineWorker(local_pipeline(transport, Waiter()), params=params)
    attach(worker, transport)
    runner = WorkerRunner()
    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    asyncio.run(main())
