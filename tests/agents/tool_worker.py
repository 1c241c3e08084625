"""A LiveKit Agents worker with a tool, and `attach`: it books a table, then says so with the voice of worker.py.

`WORKER_BOOKS`: `yes`, `fails`, or `hangs`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

from livekit.agents import AgentServer, AgentSession, JobContext, ModelSettings, ToolError, cli, function_tool, llm
from livekit.plugins import silero
from worker import HeardSomething, LocalAgent, NoLLM, NoTTS

from earwitness.livekit import attach

BOOKS = os.environ.get("WORKER_BOOKS", "yes")


class Waiter(LocalAgent):
    @function_tool
    async def book_table(self, people: int) -> str:
        """Book a table."""
        if BOOKS == "fails":
            raise ToolError("no table is free")
        await asyncio.sleep(0.2 if BOOKS == "yes" else 3_600)
        return f"a table for {people}"

    async def llm_node(
        self, chat_ctx: llm.ChatContext, tools: list[Any], model_settings: ModelSettings
    ) -> AsyncIterator[Any]:
        if any(item.type == "function_call_output" for item in chat_ctx.items):
            yield "Your table is booked."
            return
        call = llm.FunctionToolCall(name="book_table", arguments='{"people": 2}', call_id="call-1")
        yield llm.ChatChunk(id="c", delta=llm.ChoiceDelta(role="assistant", tool_calls=[call]))


server = AgentServer(load_fnc=lambda: 0.0, load_threshold=float("inf"), host="127.0.0.1", port=0, num_idle_processes=1)


@server.rtc_session(agent_name="tool-worker")
async def entrypoint(context: JobContext) -> None:
    session: AgentSession = AgentSession(
        vad=silero.VAD.load(min_silence_duration=0.25),
        stt=HeardSomething(),
        llm=NoLLM(),
        tts=NoTTS(),
        min_endpointing_delay=0.2,
    )
    attach(session, context)
    await session.start(agent=Waiter(), room=context.room)


if __name__ == "__main__":
    cli.run_app(server)
