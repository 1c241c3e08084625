"""Cut a case's WAV into what is spoken in one go: up to the next utterance whose start depends on the agent's reply.

Positions are samples at 48 kHz. A cut lies in the silence before that utterance, at most LEAD_IN_MS ahead of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.case import CASE_RATE_HZ, SpokenUtterance, Truth

LEAD_IN_MS = 100.0


@dataclass(frozen=True)
class Segment:
    """[start, end) of the WAV, and the utterances in it as (index, utterance)."""

    start: int
    end: int
    utterances: tuple[tuple[int, SpokenUtterance], ...]

    @property
    def trigger(self) -> SpokenUtterance | None:
        """The utterance whose start depends on the reply, if this segment begins with one."""
        first = self.utterances[0][1] if self.utterances else None
        return first if first is not None and first.after is not None else None


def cut_segments(truth: Truth) -> list[Segment]:
    cuts = [0]
    groups: list[list[tuple[int, SpokenUtterance]]] = [[]]
    previous_end = 0
    for index, utterance in enumerate(truth.utterances):
        if utterance.after is not None:
            lead_in = min(int(LEAD_IN_MS * CASE_RATE_HZ / 1e3), (utterance.start_sample - previous_end) // 2)
            cuts.append(utterance.start_sample - lead_in)
            groups.append([])
        groups[-1].append((index, utterance))
        previous_end = utterance.end_sample
    ends = [*cuts[1:], truth.n_samples]
    return [Segment(s, e, tuple(g)) for s, e, g in zip(cuts, ends, groups, strict=True)]
