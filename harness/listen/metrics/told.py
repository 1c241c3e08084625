"""What the agent told by OpenTelemetry, turn by turn: which of its replies answers which turn, and where the time went by it.

A reply belongs to the turn of the user that had begun last when its first sound was made, on the agent's clock as far as
that is tied to ours. The waterfall of an agent that speaks no events is made of it; its last step ends with what was heard, so
its steps add up to the KPI, and there is no `unexplained`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.listen.metrics.waterfall import AGENT_STEPS, HEARD_STEP
from harness.listen.metrics.words import turn_starts_ms
from harness.listen.place.scene import PAIRS, Scene
from harness.listen.place.turns import TurnHeard
from harness.listen.told.agent_clock import AgentClock, Exchange, agent_clock
from harness.listen.told.livekit import LIVEKIT, livekit_replies, livekit_tools
from harness.listen.told.pipecat import pipecat_replies
from harness.listen.told.replies import MARKS, ToldReply, ToldTool
from harness.model.measurement import ToolCall, WaterfallStep
from harness.model.spans import SpanLine

STEP_OF = {"user_eot": HEARD_STEP, "tools_done": "tools", **{end: name for name, _, end in AGENT_STEPS}}
OPTIONAL = ("tools_done", "first_publish")  # no step of every turn, or of every framework
LAST_STEP = "sent, received → audible"
NOT_TOLD = "the agent's spans do not tell it"
NOT_PLACED = "none of the agent's spans is placed in this turn"
TELLS_TOOLS = (LIVEKIT,)  # Pipecat has no span of a tool
SESSION = "agent_session"  # LiveKit's: whatever ended before it was sent before


@dataclass(frozen=True)
class Told:
    """`by_utterance`: the reply that answers it, of `replies` in all. `tools`: in order, times on the host's clock.

    `whole_until_ms`: what ended before this time of the host's clock has come, as far as spans come in the order of their ends.
    """

    framework: str
    clock: AgentClock
    replies: int = 0
    by_utterance: Mapping[int, ToldReply] = field(default_factory=dict)
    tools: tuple[ToolCall, ...] = ()
    whole_until_ms: float = -math.inf

    def of(self, turn: TurnHeard) -> ToldReply | None:
        return self.by_utterance.get(turn.utterance) if turn.utterance is not None else None


def told_of(scene: Scene, turns: Sequence[TurnHeard]) -> Told | None:
    """None where no span came."""
    spans = scene.capture.spans
    if not spans:
        return None
    replies = [*livekit_replies(spans), *pipecat_replies(spans)]
    clock = agent_clock(spans, replies, _exchanges(scene, turns))
    framework = replies[0].framework if replies else "no framework that is known"
    return Told(
        framework,
        clock,
        len(replies),
        _assigned(replies, clock, turn_starts_ms(scene)),
        _tools(livekit_tools(spans), clock),
        _whole_until_ms(spans, clock),
    )


def _exchanges(scene: Scene, turns: Sequence[TurnHeard]) -> list[Exchange]:
    found = [places for turn in turns if (places := _ends(scene, turn)) is not None]
    return [Exchange(*places) for places in sorted(found)]


def _ends(scene: Scene, turn: TurnHeard) -> tuple[float, float] | None:
    """(the user's true end of turn, the answer's first audible sample), ms of the host's clock."""
    answer = turn.answers.get(scene.primary)
    if answer is None or answer.raw_ms is None or not turn.is_answer:
        return None
    ended_ms = scene.clocks.mono_ms(PAIRS[scene.primary], answer.turn.end)
    return None if ended_ms is None else (ended_ms, ended_ms + answer.raw_ms)


def _assigned(
    replies: Sequence[ToldReply], clock: AgentClock, starts: Sequence[tuple[int, float]] | None
) -> dict[int, ToldReply]:
    """The reply with a claim goes before one without, then the earlier one: a filler comes ahead of the answer."""
    found: dict[int, ToldReply] = {}
    if starts is None:
        return found
    for reply in replies:
        at_ms = clock.mono_ms(reply.anchor_ms)
        begun = [utterance for utterance, start_ms in starts if at_ms is not None and start_ms <= at_ms]
        if not begun:
            continue
        earlier = found.get(begun[-1])
        if earlier is None or (earlier.claimed_ms is None and reply.claimed_ms is not None):
            found[begun[-1]] = reply
    return found


def told_waterfall(scene: Scene, turn: TurnHeard, told: Told | None) -> list[WaterfallStep]:
    """Empty for an agent that gives its own trace, and where the spans tell nothing of this turn."""
    reply, ends = (told.of(turn) if told is not None else None), _ends(scene, turn)
    if told is None or reply is None or ends is None or scene.capture.traces:
        return []
    if scene.capture.manifest.agent.instrumented or not reply.marks:
        return []
    ended_ms, audible_ms = ends
    steps: list[WaterfallStep] = []
    at_ms, decided = ended_ms, False
    for mark in MARKS:
        wall_ms = reply.marks.get(mark)
        told_ms = None if wall_ms is None else told.clock.mono_ms(wall_ms)
        if told_ms is None:
            if mark not in OPTIONAL:
                steps.append(WaterfallStep(name=STEP_OF[mark], ms=None, reason=NOT_TOLD))
            continue
        until_ms = max(told_ms, at_ms) if decided else told_ms  # what was done ahead of the decision cost nothing
        steps.append(WaterfallStep(name=STEP_OF[mark], ms=round(until_ms - at_ms, 3)))
        at_ms, decided = until_ms, decided or mark == "vad_end"
    return [*steps, WaterfallStep(name=LAST_STEP, ms=round(audible_ms - at_ms, 3))]


def _tools(told: Sequence[ToldTool], clock: AgentClock) -> tuple[ToolCall, ...]:
    return tuple(
        ToolCall(
            name=tool.name,
            arguments=tool.arguments,
            result="" if tool.failed else tool.result,
            error=(tool.result or "it failed") if tool.failed else "",
            started_ms=clock.mono_ms(tool.began_ms),
            ended_ms=clock.mono_ms(tool.ended_ms),
            ended=True,
        )
        for tool in told
    )


def _whole_until_ms(spans: Sequence[SpanLine], clock: AgentClock) -> float:
    if any(span.name == SESSION for span in spans):
        return math.inf
    last_ms = clock.mono_ms(max(span.end_ms for span in spans))
    return -math.inf if last_ms is None else last_ms


def told_in_words(told: Told | None) -> list[str]:
    """One sentence on what the spans tell, and on the clock that they are placed by."""
    if told is None:
        return []
    replies = f"{told.replies} {'reply' if told.replies == 1 else 'replies'}"
    placed = f"{replies} told by the spans of {told.framework}, {len(told.by_utterance)} placed in turns"
    return [f"{placed}; the agent's clock is {told.clock.how}"]
