"""Recipes: what holds whatever is asked for, and what cannot be spoken is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import CaseError
from harness.model.case import Case, Noise, Pause, Recipe, Say, StartAt, Tier, Utterance
from harness.speech.build import build_case, build_speech
from harness.speech.case_file import load_case
from harness.speech.espeak_worker import EspeakWorker


def recipe(folder: Path, speech: str) -> tuple[Case, Path]:
    path = folder / "r.yaml"
    path.write_text(f"id: r\ntitle: r\ntier: P0\nspeech: {speech}\n")
    return load_case(path), path


@settings(max_examples=25, deadline=None)
@given(
    level=st.floats(-50, -20),
    pause=st.floats(1, 900),
    at=st.floats(0, 2000),
    tail=st.floats(300, 1500),
    noise=st.none() | st.integers(0, 30),
)
def test_whatever_the_recipe_its_truth_holds(
    espeak: EspeakWorker, level: float, pause: float, at: float, tail: float, noise: int | None
) -> None:
    parts = [Say(say="good morning"), Pause(pause_ms=pause), Say(say="everybody")]
    utterance = Utterance(parts=parts, level_dbfs=level, start=StartAt(at_ms=at))
    made = Recipe(utterances=[utterance], tail_ms=tail, noise=None if noise is None else Noise(snr_db=noise))
    case = Case(id="p", title="p", tier=Tier.P0, speech=made)
    samples, truth = build_speech(case, Path("p.yaml"), espeak)
    (spoken,) = truth.utterances
    ((start, end),) = spoken.pauses
    assert spoken.start_sample == round(at * 48)
    assert end - start == round(pause * 48)
    assert not samples[-300 * 48 :].any()
    assert len(samples) - spoken.end_sample >= round(tail * 48)
    if noise is None:
        words = np.concatenate([samples[spoken.start_sample : start], samples[end : spoken.end_sample]]) / 32768
        assert abs(10 * np.log10(np.mean(words**2)) - level) < 0.1
        assert not samples[start:end].any()


@pytest.mark.parametrize(
    ("speech", "says"),
    [
        (
            "{utterances: [{parts: [{say: hello}], level_dbfs: -6}]}",
            r"utterances\.0\.level_dbfs: clips at -6; at most -",
        ),
        ("{utterances: [{parts: [{pause_ms: 30}]}]}", r"utterances\.0\.parts: nothing is said"),
        ("{utterances: [{parts: [{say: '...'}]}]}", r"utterances\.0: espeak-ng says nothing for '\.\.\.'"),
        ("{utterances: [{parts: [{say: hi}], voice: xx}]}", r"utterances\.0: espeak-ng has no voice 'xx'"),
        ("{utterances: [{parts: [{say: hi}]}, {parts: [{say: hi}]}]}", r"utterances\.1\.start: starts at 500 ms, but"),
    ],
)
def test_a_recipe_that_cannot_be_spoken_is_refused(
    tmp_path: Path, espeak: EspeakWorker, speech: str, says: str
) -> None:
    case, path = recipe(tmp_path, speech)
    with pytest.raises(CaseError, match=says):
        build_case(case, path, tmp_path / "cache", espeak)
