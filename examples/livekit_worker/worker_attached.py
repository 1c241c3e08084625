"""The worker of worker.py, measured inside: its `entrypoint` has two lines more, marked below.

    worker-env/bin/pip install --no-deps earwitness
    earwitness run --limits field --agent-instrumented --agent-join-s 90 question_short --agent \
        "command: worker-env/bin/python examples/livekit_worker/worker_attached.py connect --room {room}"

Started by anybody else than Earwitness it is the worker of worker.py.
"""

from __future__ import annotations

from livekit.agents import AgentServer, AgentSession, JobContext, cli
from livekit.plugins import silero
from worker import HeardSomething, LocalAgent, NoLLM, NoTTS

from earwitness.livekit import attach  # the first line

server = AgentServer(load_fnc=lambda: 0.0, load_threshold=float("inf"), host="127.0.0.1", port=0, num_idle_processes=1)


@server.rtc_session(agent_name="attached-worker")
async def entrypoint(context: JobContext) -> None:
    session: AgentSession = AgentSession(
        vad=silero.VAD.load(min_silence_duration=0.25),
        stt=HeardSomething(),
        llm=NoLLM(),
        tts=NoTTS(),
        min_endpointing_delay=0.2,
    )
    attach(session, context)  # the second line
    await session.start(agent=LocalAgent(), room=context.room)


if __name__ == "__main__":
    cli.run_app(server)
