"""Recipes: what holds whatever is asked for, and what cannot be spoken is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import CaseError, HarnessError
from harness.history.environment import case_hash
from harness.model.case import Case, Noise, Pause, Recipe, Say, StartAt, Tier, Utterance
from harness.speech.build import build_case, build_speech
from harness.speech.case_file import load_case
from harness.speech.voices import Voices
from runtime.voice.piper import id_map


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
    voices: Voices, level: float, pause: float, at: float, tail: float, noise: int | None
) -> None:
    parts = [Say(say="good morning"), Pause(pause_ms=pause), Say(say="everybody")]
    utterance = Utterance(parts=parts, level_dbfs=level, start=StartAt(at_ms=at))
    made = Recipe(utterances=[utterance], tail_ms=tail, noise=None if noise is None else Noise(snr_db=noise))
    case = Case(id="p", title="p", tier=Tier.P0, speech=made)
    samples, truth = build_speech(case, Path("p.yaml"), voices)
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
        ("{utterances: [{parts: [{say: '...'}]}]}", r"utterances\.0: the voice 'en-us' says nothing for '\.\.\.'"),
        ("{utterances: [{parts: [{say: hi}], voice: xx}]}", r"utterances\.0: espeak-ng has no voice 'xx'"),
        ("{utterances: [{parts: [{say: hi}]}, {parts: [{say: hi}]}]}", r"utterances\.1\.start: starts at 500 ms, but"),
    ],
)
def test_a_recipe_that_cannot_be_spoken_is_refused(tmp_path: Path, voices: Voices, speech: str, says: str) -> None:
    case, path = recipe(tmp_path, speech)
    with pytest.raises(CaseError, match=says):
        build_case(case, path, tmp_path / "cache", voices)


def test_a_neural_recipe_has_its_words_in_place_and_names_its_voice(tmp_path: Path, voices: Voices) -> None:
    said = "{parts: [{say: 'What time is it'}, {pause_ms: 300}, {say: 'in London'}], voice: joe, start: {at_ms: 400}}"
    case, path = recipe(tmp_path, f"{{utterances: [{said}]}}")
    samples, truth = build_speech(case, path, voices)
    (spoken,) = truth.utterances
    assert [word.text for word in spoken.words] == ["What", "time", "is", "it", "in", "London"]
    (pause,) = spoken.pauses
    assert spoken.start_sample == 400 * 48
    assert spoken.words[3].end_sample <= pause[0] < pause[1] <= spoken.words[4].start_sample
    assert spoken.words[-1].end_sample <= spoken.end_sample
    assert not samples[pause[0] : pause[1]].any()
    assert truth.voices == ["Piper en_US-joe-medium 1.0.0"]


def test_the_same_neural_recipe_is_the_same_to_the_byte_and_other_voices_are_other_speech(
    tmp_path: Path, voices: Voices
) -> None:
    hashes = []
    for voice in ("joe", "joe", "en-us"):
        case, path = recipe(tmp_path, f"{{utterances: [{{parts: [{{say: 'Good morning'}}], voice: {voice}}}]}}")
        with Voices() as fresh:
            hashes.append(case_hash(build_speech(case, path, fresh)[1]))
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_neural_voice_that_was_never_fetched_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path))
    id_map.cache_clear()
    with Voices() as voices, pytest.raises(HarnessError, match=r"en_US-joe-medium is not at .*run `earwitness setup`"):
        voices.speak("hello", "joe", 185)
