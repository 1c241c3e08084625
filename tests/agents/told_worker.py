"""The example worker, as one with many customers is made: a job whose metadata does not say whom it is for is not taken up."""

from __future__ import annotations

import json

import worker
from livekit.agents import AgentServer, AgentSession, JobContext, cli
from livekit.plugins import silero

server = AgentServer(load_fnc=lambda: 0.0, load_threshold=float("inf"), host="127.0.0.1", port=0, num_idle_processes=1)


@server.rtc_session(agent_name="told-worker")
async def entrypoint(context: JobContext) -> None:
    if json.loads(context.job.metadata or "{}").get("customer") != "acme":
        return
    session: AgentSession = AgentSession(
        vad=silero.VAD.load(min_silence_duration=0.25),
        stt=worker.HeardSomething(),
        llm=worker.NoLLM(),
        tts=worker.NoTTS(),
        min_endpointing_delay=0.2,
    )
    await session.start(agent=worker.LocalAgent(), room=context.room)


if __name__ == "__main__":
    cli.run_app(server)
