"""How far turns came: end of turn → words understood → words found → voice made → published → heard, every loss labelled.

Pure, over AgentTurnTrace records. A turn that stopped early has a label why: the user went on or cut it off
(`cancelled`), there was nothing to answer or to say (`empty`), an engine failed (`error`); a loss with none of these
is `unexplained`, the one label that nobody should see (R-05). Only a listener can say whether a reply was heard: without
one the stage is not counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from harness.model.events import AgentTurnTrace, ReplyCause

# (stage, the time whose presence says that it was reached)
STAGES: tuple[tuple[str, str], ...] = (
    ("end of turn", "vad_end"),
    ("understood", "stt_done"),
    ("words found", "llm_first_segment"),
    ("voice made", "tts_first_pcm"),
    ("published", "first_publish"),
)
HEARD = "heard"
CANCELLED, EMPTY, ERROR, UNEXPLAINED = "cancelled", "empty", "error", "unexplained"
NO_REPLY_CAUSE = "no_reply"  # of the state machine: nothing to say


@dataclass(frozen=True)
class Loss:
    """A turn that got no further than `after`."""

    trace_id: str
    after: str
    why: str


@dataclass(frozen=True)
class Funnel:
    """`reached`: turns by stage, in order. `losses`: one a turn that did not get through."""

    reached: dict[str, int]
    losses: tuple[Loss, ...] = field(default=())

    @property
    def by_label(self) -> Counter[tuple[str, str]]:
        """(after which stage, why) → turns."""
        return Counter((loss.after, loss.why) for loss in self.losses)

    @property
    def unexplained(self) -> int:
        return sum(loss.why == UNEXPLAINED for loss in self.losses)


def count(turns: Iterable[AgentTurnTrace], heard: Collection[tuple[str, int]] | None = None) -> Funnel:
    """`heard`: (trace_id, reply_seq) of the replies that a listener heard; None: there was no listener."""
    reached = {name: 0 for name, _ in STAGES}
    if heard is not None:
        reached[HEARD] = 0
    losses = []
    for turn in turns:
        stages = _stages_of(turn)
        if heard is not None and len(stages) == len(STAGES) and (turn.trace_id, turn.reply_seq) in heard:
            stages.append(HEARD)
        for stage in stages:
            reached[stage] += 1
        if len(stages) < len(reached):
            losses.append(Loss(turn.trace_id, stages[-1] if stages else "", _why(turn)))
    return Funnel(reached, tuple(losses))


def _stages_of(turn: AgentTurnTrace) -> list[str]:
    """The stages reached without a gap: a later time does not count where an earlier one is missing."""
    stages: list[str] = []
    for name, time in STAGES:
        if getattr(turn.t, time) is None:
            break
        stages.append(name)
    return stages


def _why(turn: AgentTurnTrace) -> str:
    if turn.cause is ReplyCause.ERROR:
        return ERROR
    if turn.t.cancel is not None:
        return CANCELLED
    causes = {cause for _, _, cause in turn.transitions}
    if turn.cause is ReplyCause.EMPTY or NO_REPLY_CAUSE in causes:
        return EMPTY
    return UNEXPLAINED


def table(funnel: Funnel) -> list[tuple[str, int, str]]:
    """Rows (stage, turns, what was lost after it)."""
    rows = []
    for stage, turns in funnel.reached.items():
        lost = [f"{number} {why}" for (after, why), number in sorted(funnel.by_label.items()) if after == stage]
        rows.append((stage, turns, ", ".join(lost)))
    return rows
