"""One reply as the agent's spans tell it, whatever the framework. Times are ms of the agent's wall clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.model.spans import SpanLine

# in their order; each is the end of a step of the waterfall
MARKS = (
    "user_eot",
    "vad_end",
    "stt_done",
    "tools_done",
    "llm_first_token",
    "llm_first_segment",
    "tts_first_pcm",
    "first_publish",
)
AGREE_MS = 20.0  # a claim and the two times that it should lie between


@dataclass(frozen=True)
class ToldTool:
    """A call of a tool."""

    name: str
    began_ms: float
    ended_ms: float
    arguments: str = ""
    result: str = ""
    failed: bool = False


@dataclass(frozen=True)
class ToldReply:
    """`marks`: those of MARKS that are known. `claimed_ms`: the latency that the agent reports for it, None if it reports none.

    `claim`: the name of that figure. `counts_from_ms`, `counts_to_ms`: between which times it was taken, where the spans tell.
    """

    framework: str
    claim: str
    began_ms: float
    ended_ms: float
    marks: Mapping[str, float] = field(default_factory=dict)
    claimed_ms: float | None = None
    counts_from_ms: float | None = None
    counts_to_ms: float | None = None

    @property
    def anchor_ms(self) -> float:
        """When it is surely an answer to what was said before: its first sound, else its last step."""
        for name in reversed(MARKS):
            if name in self.marks:
                return self.marks[name]
        return self.ended_ms


Tree = Mapping[tuple[str, str], Sequence[SpanLine]]  # (trace, parent) → its children


def tree_of(spans: Iterable[SpanLine]) -> Tree:
    tree: dict[tuple[str, str], list[SpanLine]] = {}
    for span in spans:
        if span.parent_span_id:
            tree.setdefault((span.trace_id, span.parent_span_id), []).append(span)
    return tree


def children_of(tree: Tree, root: SpanLine) -> list[SpanLine]:
    """All spans below `root`, by start."""
    found: list[SpanLine] = []
    waiting, seen = [root.span_id], {root.span_id}
    while waiting:
        for span in tree.get((root.trace_id, waiting.pop()), ()):
            if span.span_id not in seen:  # a made-up circle of parents ends here
                seen.add(span.span_id)
                found.append(span)
                waiting.append(span.span_id)
    return sorted(found, key=lambda span: span.start_unix_ns)


def named(spans: Sequence[SpanLine], name: str) -> list[SpanLine]:
    return [span for span in spans if span.name == name]


def plus_s(start_ms: float, seconds: float | None) -> float | None:
    """`start_ms` and a duration; None for none, or one that is no duration."""
    return None if seconds is None or seconds < 0 else start_ms + 1e3 * seconds


def known(**marks: float | None) -> dict[str, float]:
    return {name: value for name, value in marks.items() if value is not None}
