"""A reply of one word through a jitter buffer that takes one or two steps in it: nothing is wrong with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.listen.measure import listen
from harness.listen.read.reading import read_capture
from harness.model.measurement import Measurement
from harness.prove.trials import gates_fired
from tests.listen.captures import Call, Replied, Said, Samples, ms, speech, stretch

STEP_MS = 9.0  # one pitch period
OF_SOUND = {
    "audio_valid",
    "replies",
    "foreign_sound",
    "speed",
    "pitch",
    "compression",
    "level_change",
    "lost_head",
    "lost_tail",
}


def twice(x: Samples) -> Samples:
    return stretch(stretch(x, 230, STEP_MS), 110, STEP_MS)


def once(x: Samples) -> Samples:
    return stretch(x, 115, STEP_MS)


def words(length_ms: float, folder: Path, **changes: object) -> tuple[Measurement, set[str]]:
    """Ten replies of one word each, and the gates that fire."""
    said, replies, at_ms = [], [], 500.0
    for seed in range(1, 11):
        said.append(Said(at_ms, speech(700, 100 + seed)))
        sound = speech(length_ms, seed)
        replies.append(Replied(said[-1].end_ms + 450, sound, **changes))  # type: ignore[arg-type]
        at_ms = said[-1].end_ms + 450 + length_ms + 1_300
    call = Call(said, replies, total_ms=at_ms + 1_000, lane="bot", case={"min_reply_ms": 100})
    measured = listen(call.write(folder / "c"))
    fired, _ = gates_fired(read_capture(folder / "c").case, measured)  # type: ignore[arg-type]
    return measured, {gate for gates in fired.values() for gate in gates}


@pytest.mark.parametrize(("length_ms", "steps"), [(230, once), (340, twice), (430, twice)])
def test_steps_of_a_jitter_buffer_in_one_word_are_no_fault(length_ms: float, steps: object, tmp_path: Path) -> None:
    measured, fired = words(length_ms, tmp_path, at_probe=steps)
    assert not fired & OF_SOUND
    assert len(measured.turns) == 10
    for turn in measured.turns:
        assert "post_rtc" in turn.spans
        assert not [
            defect for defect in turn.defects if defect.kind in ("speed", "pitch", "foreign_sound", "compression")
        ]


def test_what_cannot_be_followed_is_not_examined_and_says_so(tmp_path: Path) -> None:
    measured, _ = words(340, tmp_path, at_probe=twice)
    unfollowed = [turn for turn in measured.turns if turn.metrics["identity"].value is None]
    assert unfollowed
    for turn in unfollowed:
        assert turn.metrics["identity"].reason == "the reply is not aligned"
        assert "by level alone" in turn.metrics["audio_valid"].reason
        assert turn.metrics["level_change_db"].reason == "the reply could not be aligned with pre_rtc.wav"


def test_noise_in_the_place_of_a_word_is_told(tmp_path: Path) -> None:
    hiss = np.random.default_rng(1).normal(0, 0.05, ms(340)).astype(np.float32)
    measured, fired = words(340, tmp_path, heard_as=hiss)
    assert "audio_valid" in fired
    assert all(turn.metrics["audio_valid"].value == 0 for turn in measured.turns)
