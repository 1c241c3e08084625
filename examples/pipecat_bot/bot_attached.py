"""The bot of bot.py, measured inside: its `main` has two lines more, marked below.

    bot-env/bin/pip install --no-deps earwitness
    earwitness run --limits field --agent-instrumented --agent-join-s 90 question_short --agent \
        "command: bot-env/bin/python examples/pipecat_bot/bot_attached.py"

Started by anybody else than Earwitness it is the bot of bot.py.
"""

from __future__ import annotations

import asyncio

from bot import RATE_HZ, LocalModel, livekit, local_pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.workers.runner import WorkerRunner

from earwitness.pipecat import attach  # the first line


async def main() -> None:
    transport = livekit()
    params = PipelineParams(enable_metrics=True, audio_out_sample_rate=RATE_HZ)
    worker = PipelineWorker(local_pipeline(transport, LocalModel()), params=params)
    attach(worker, transport)  # the second line
    runner = WorkerRunner()
    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    asyncio.run(main())
