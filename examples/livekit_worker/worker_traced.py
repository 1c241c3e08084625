"""The worker of worker.py with OpenTelemetry switched on, as for any backend that takes traces: it knows nothing of Earwitness.

    earwitness run --limits field --agent-join-s 90 question_short --agent \
        "command: worker-env/bin/python examples/livekit_worker/worker_traced.py connect --room {room}"

Where the spans go comes from the environment (OTEL_EXPORTER_OTLP_ENDPOINT), which Earwitness sets for a program that it starts.
"""

from __future__ import annotations

from livekit.agents import AgentServer, AgentSession, JobContext, cli
from livekit.agents.telemetry import set_tracer_provider
from livekit.plugins import silero
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from worker import HeardSomething, LocalAgent, NoLLM, NoTTS

server = AgentServer(load_fnc=lambda: 0.0, load_threshold=float("inf"), host="127.0.0.1", port=0, num_idle_processes=1)


@server.rtc_session(agent_name="traced-worker")
async def entrypoint(context: JobContext) -> None:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    set_tracer_provider(provider)
    session: AgentSession = AgentSession(
        vad=silero.VAD.load(min_silence_duration=0.25),
        stt=HeardSomething(),
        llm=NoLLM(),
        tts=NoTTS(),
        min_endpointing_delay=0.2,
    )
    await session.start(agent=LocalAgent(), room=context.room)


if __name__ == "__main__":
    cli.run_app(server)
