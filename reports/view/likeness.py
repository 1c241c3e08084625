"""The known fault that a reply sounds most like, in words, for a reply that trips a gate of sound. How often the name is
right: docs/why/proof_figures.md.
"""

from __future__ import annotations

from harness.judge.nearest_fault import (
    faults_of,
    likeness_text,
    sound_firings,
    unlisted_firings,
)
from harness.model.measurement import Measurement, Turn
from harness.model.status import Status
from harness.model.verdict import AttemptVerdict
from reports.view.ledger import WHERE, ledger_words


def likeness_of(measurement: Measurement, turn: Turn) -> str:
    """ "most like the known fault low_pass (97 %); by bandwidth"; "" where no gate of sound fired.

    Where no known fault was ever seen to trip these gates: "unlike any known fault", with the ledger's words.
    """
    fired, unaccounted = sound_firings(turn, measurement), unlisted_firings(turn)
    if not fired and not unaccounted:
        return ""
    by = ", ".join(sorted(fired | unaccounted))
    found = likeness_text(faults_of(turn, measurement))
    said = ", ".join(filter(None, [no_voice_words(turn), ledger_words(turn)])) if unaccounted else ""
    if found:
        return "; ".join(filter(None, [f"most like the known fault {found}", said, f"by {by}"]))
    return "; ".join(filter(None, ["unlike any known fault", said, f"by {by}"]))


def no_voice_words(turn: Turn) -> str:
    """ "320 ms that no voice makes, as published (noise as loud as the words)"; the longest, "" where there is none."""
    found = [defect for defect in turn.defects if defect.kind in ("garbage", "steady_sound")]
    if not found:
        return ""
    longest = max(found, key=lambda defect: (defect.kind == "garbage", defect.duration_ms))
    return (
        f"{longest.duration_ms:.0f} ms that no voice makes {WHERE[longest.ring]} ({longest.detail.partition(': ')[2]})"
    )


def of_a_failing_reply(attempt: AttemptVerdict, measurement: Measurement, turn: Turn) -> str:
    """`likeness_of`, only if the attempt failed: what passed needs no name."""
    return likeness_of(measurement, turn) if attempt.status is Status.FAIL and measurement.validity.ok else ""


def likeness_lines(attempt: AttemptVerdict) -> tuple[str, ...]:
    """A line a failing reply."""
    measurement = attempt.measurement
    if measurement is None:
        return ()
    named = ((turn.reply_seq, of_a_failing_reply(attempt, measurement, turn)) for turn in measurement.turns)
    return tuple(f"reply {seq} is {text}" for seq, text in named if text)
