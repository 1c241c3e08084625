"""The spans of LiveKit Agents 1.x → replies.

Names and attributes are those of livekit-agents 1.8.9: `livekit/agents/telemetry/trace_types.py`, set in
`voice/agent_activity.py`, `voice/audio_recognition.py`, `voice/generation.py` and `voice/agent_session.py`:

- `agent_turn` is one speech of the agent, with `lk.e2e_latency` (s), `lk.end_of_turn_delay` and `lk.transcription_delay`;
- `agent_speaking` below it starts with the first frame that its audio output took, `lk.e2e_latency` counts to it;
- `llm_node`, `tts_node` and `function_tool` below it: `lk.response.ttft` (from the node's start), `lk.response.ttfb` (from the
  first text that synthesis got to its first frame);
- `user_turn`, beside it: it starts with the user's speech; `eou_wait` below it starts where the detector dates the end of
  speech back to, and ends with the decision. On `user_turn` a delay of 0 stands for one that is not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.listen.told.replies import AGREE_MS, ToldReply, ToldTool, Tree, children_of, known, named, plus_s, tree_of
from harness.model.spans import LIVEKIT_SCOPE, SpanLine

LIVEKIT = "LiveKit Agents"
CLAIM = "lk.e2e_latency"
END_OF_TURN, TRANSCRIPTION = "lk.end_of_turn_delay", "lk.transcription_delay"
TTFT, TTFB = "lk.response.ttft", "lk.response.ttfb"


@dataclass(frozen=True)
class _Session:
    """The spans of a call, by start."""

    tree: Tree
    user_turns: Sequence[SpanLine]
    user_speaking: Sequence[SpanLine]


def livekit_replies(spans: Sequence[SpanLine]) -> list[ToldReply]:
    """One for each `agent_turn`, by the time of its first sound."""
    ours = _ours(spans)
    session = _Session(tree_of(ours), named(ours, "user_turn"), named(ours, "user_speaking"))
    replies = [_reply(turn, session) for turn in named(ours, "agent_turn")]
    return sorted(replies, key=lambda reply: reply.anchor_ms)


def livekit_tools(spans: Sequence[SpanLine]) -> list[ToldTool]:
    """Every call of a tool, also of a turn whose own span has not come."""
    return [_tool(span) for span in named(_ours(spans), "function_tool")]


def _ours(spans: Sequence[SpanLine]) -> list[SpanLine]:
    """By start."""
    return sorted((span for span in spans if span.scope == LIVEKIT_SCOPE), key=lambda span: span.start_unix_ns)


def _reply(turn: SpanLine, session: _Session) -> ToldReply:
    below = children_of(session.tree, turn)
    speaking = named(below, "agent_speaking")
    sound_ms = speaking[0].start_ms if speaking else None
    claimed_s = turn.number(CLAIM)
    user = _user_turn(turn, session)
    eot_ms = _end_of_speech(user, session, sound_ms, claimed_s)
    decided_s, heard_s = (_delay(name, turn, user) for name in (END_OF_TURN, TRANSCRIPTION))
    tools = named(below, "function_tool")
    thought = [node for node in named(below, "llm_node") if sound_ms is None or node.start_ms <= sound_ms]
    last = thought[-1] if thought else None
    before = [tool.end_ms for tool in tools if last is not None and tool.end_ms <= last.start_ms]
    spoke = [node for node in named(below, "tts_node") if sound_ms is None or node.start_ms <= sound_ms]
    ttfb_s = spoke[-1].number(TTFB) if spoke else None
    claimed_ms = None if claimed_s is None else 1e3 * claimed_s
    begun_ms = None if sound_ms is None or claimed_ms is None else sound_ms - claimed_ms
    agrees = begun_ms is not None and eot_ms is not None and abs(begun_ms - eot_ms) <= AGREE_MS
    return ToldReply(
        framework=LIVEKIT,
        claim=CLAIM,
        began_ms=turn.start_ms,
        ended_ms=turn.end_ms,
        marks=known(
            user_eot=eot_ms,
            vad_end=None if eot_ms is None else plus_s(eot_ms, decided_s),
            stt_done=None if eot_ms is None else plus_s(eot_ms, heard_s),
            tools_done=max(before, default=None),
            llm_first_token=None if last is None else plus_s(last.start_ms, last.number(TTFT)),
            llm_first_segment=None if sound_ms is None or ttfb_s is None else sound_ms - 1e3 * max(0.0, ttfb_s),
            tts_first_pcm=sound_ms,
        ),
        claimed_ms=claimed_ms,
        counts_from_ms=begun_ms if agrees else None,
        counts_to_ms=sound_ms if agrees else None,
    )


def _user_turn(turn: SpanLine, session: _Session) -> SpanLine | None:
    """The last turn of the user that began before this reply was begun, in the same session: a later one may interrupt it."""
    before = [s for s in session.user_turns if s.trace_id == turn.trace_id and s.start_unix_ns <= turn.start_unix_ns]
    return before[-1] if before else None


def _end_of_speech(
    user: SpanLine | None, session: _Session, sound_ms: float | None, claimed_s: float | None
) -> float | None:
    """Where the agent dates the end of the user's speech."""
    waits = named(children_of(session.tree, user), "eou_wait") if user is not None else []
    committed = [wait for wait in waits if wait.text("lk.eou.outcome") in ("committed", "")]
    if committed:
        return committed[-1].start_ms
    if user is not None:  # releases before eou_wait
        voiced = [
            span for span in session.user_speaking
            if span.trace_id == user.trace_id and user.start_ms - AGREE_MS <= span.start_ms <= user.end_ms
            and (sound_ms is None or span.end_ms <= sound_ms)
        ]  # fmt: skip
        if voiced:
            return voiced[-1].end_ms
    return sound_ms - 1e3 * claimed_s if sound_ms is not None and claimed_s is not None and claimed_s > 0 else None


def _delay(name: str, turn: SpanLine, user: SpanLine | None) -> float | None:
    told = turn.number(name)
    if told is not None or user is None:
        return told
    return user.number(name) or None


def _tool(span: SpanLine) -> ToldTool:
    return ToldTool(
        name=span.text("lk.function_tool.name", "gen_ai.tool.name"),
        began_ms=span.start_ms,
        ended_ms=span.end_ms,
        arguments=span.text("lk.pii.function_tool.arguments", "lk.function_tool.arguments"),
        result=span.text("lk.pii.function_tool.output", "lk.function_tool.output"),
        failed=span.attributes.get("lk.function_tool.is_error") is True,
    )
