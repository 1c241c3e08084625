"""A stock LiveKit Agents worker for `benchmarks/agent_cost.py`: AgentSession takes turns, the engines are the reference agent's.

Run in an environment of its own (requirements.txt) with the repository on PYTHONPATH. LIVEKIT_URL, LIVEKIT_API_KEY and
LIVEKIT_API_SECRET come from the environment, as do COST_SESSIONS (how many job processes are prepared with warm engines) and
COST_SLOTS (an empty folder in which those processes are counted). Everything that is left at LiveKit's default is said here;
what is not is set in the session's favour, or so that several workers fit on a small machine.
"""

from __future__ import annotations

import os
from pathlib import Path

from livekit import local_inference
from livekit.agents import Agent, AgentServer, AgentSession, JobContext, JobProcess, cli, inference

from benchmarks.stock_agent.adapters import DialogueLlm, Engines, EspeakTts, SphinxStt

AGENT_NAME = "stock-agent"
HANGOVER_S = 0.2  # the reference agent's VAD_SILENCE_MS
SESSIONS = int(os.environ.get("COST_SESSIONS", "1"))
PREPARE_TIMEOUT_S = 60.0  # models load on a core that is shared


def is_needed() -> bool:
    """Whether this process is one of the first SESSIONS. A pool keeps its number of idle processes: those that follow are a
    reserve that no call of this benchmark comes to, and loading models for it would disturb the calls.
    """
    folder = Path(os.environ["COST_SLOTS"])
    for slot in range(SESSIONS):
        try:
            (folder / str(slot)).touch(exist_ok=False)
        except FileExistsError:
            continue
        return True
    return False


def prepare(process: JobProcess) -> None:
    local_inference.init_vad()
    engines = Engines()
    if is_needed():
        engines.warm_up()
    process.userdata["engines"] = engines


server = AgentServer(
    setup_fnc=prepare,
    load_fnc=lambda: 0.0,  # measured load 1.0 is refused by the media server itself, whatever the threshold
    load_threshold=float("inf"),
    host="127.0.0.1",
    port=0,
    num_idle_processes=SESSIONS,  # so that every session of this benchmark finds a process that is ready
    initialize_process_timeout=PREPARE_TIMEOUT_S,
)


@server.rtc_session(agent_name=AGENT_NAME)
async def entrypoint(context: JobContext) -> None:
    engines: Engines = context.proc.userdata["engines"]
    context.add_shutdown_callback(engines.aclose)
    ears = inference.VAD(model="silero", min_silence_duration=HANGOVER_S)  # the VAD a session has by default
    session: AgentSession = AgentSession(
        vad=ears,
        stt=SphinxStt(engines, ears),
        llm=DialogueLlm(engines),
        tts=EspeakTts(engines),
        turn_handling={
            "turn_detection": "vad",  # as the reference agent's default; LiveKit's own is a model for the end of turns
            "endpointing": {"mode": "fixed", "min_delay": HANGOVER_S},  # since the last speech, not on top of the VAD's
            "interruption": {"mode": "vad"},  # the adaptive one asks LiveKit's cloud
            "preemptive_generation": {"enabled": True, "preemptive_tts": True},  # the reference agent prepares both
        },
    )
    await session.start(agent=Agent(instructions=""), room=context.room)


if __name__ == "__main__":
    cli.run_app(server)
