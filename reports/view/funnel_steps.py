"""The funnel of a run as report.html draws it: a bar a stage, what the stage means, what was lost after it and why.

Bars are percent of the turns that came to the first stage, as CSS wants them. Text is raw.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.judge.numbers import show
from harness.model.funnel import CANCELLED, EMPTY, ERROR, HEARD, UNEXPLAINED
from reports.view.funnel import FunnelView

MEANINGS = {
    "end of turn": "the agent decided that the user had finished",
    "understood": "it had the user's words",
    "words found": "it had the first words of its answer",
    "voice made": "it had the first sound of them",
    "published": "the sound left the agent",
    HEARD: "the user heard it",
}
LABELS = {
    CANCELLED: "the user went on, or cut it off",
    EMPTY: "there was nothing to answer or to say",
    ERROR: "an engine failed",
    UNEXPLAINED: "nothing accounts for it",
}


@dataclass(frozen=True)
class FunnelStep:
    """`width`: of the bar. `wrong`: turns were lost here that should not have been."""

    stage: str
    meaning: str
    turns: str
    share: str
    width: str
    lost: str
    wrong: bool


@dataclass(frozen=True)
class FunnelPicture:
    """`through`: the result, in one sentence; `labels`: those that occur, with their meaning."""

    through: str
    steps: tuple[FunnelStep, ...]
    labels: tuple[tuple[str, str], ...]
    unexplained: tuple[str, ...]
    left_out: str


def funnel_picture(view: FunnelView | None, *, bot: bool) -> FunnelPicture | None:
    """`bot`: the second listener is the only one. None where there is no funnel."""
    if view is None:
        return None
    first = view.rows[0][1]
    heard = {HEARD: "the second listener heard it"} if bot else {}
    steps = tuple(
        FunnelStep(
            stage=stage,
            meaning=({**MEANINGS, **heard}).get(stage, ""),
            turns=str(turns),
            share=show(turns / first, "share") if first else "–",
            width=f"{100 * min(turns, first) / first:.3f}" if first else "0",
            lost=lost,
            wrong=ERROR in lost or UNEXPLAINED in lost,
        )
        for stage, turns, lost in view.rows
    )
    every = " ".join(step.lost for step in steps)
    last, turns = view.rows[-1][0], view.rows[-1][1]
    attempts = view.attempts + view.left_out
    return FunnelPicture(
        through=f"{turns} of {first} {'turn' if first == 1 else 'turns'} came to “{last}”.",
        steps=steps,
        labels=tuple((label, said) for label, said in LABELS.items() if label in every),
        unexplained=view.unexplained,
        left_out=f"Not counted: {view.left_out} of {attempts} attempts (no agent trace, or no measurement)."
        if view.left_out
        else "",
    )
