"""Recipes: what holds whatever is asked for, and what cannot be spoken is told."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
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


def test_recorded_words_stand_in_a_recipe_from_their_first_to_their_last_voiced_sample(
    tmp_path: Path, voices: Voices
) -> None:
    t = np.arange(28_800) / 48_000
    wav = np.concatenate([np.zeros(9_600), 0.2 * np.sin(2 * np.pi * 300 * t), np.zeros(4_800)])
    soundfile.write(tmp_path / "one.wav", wav, 48_000, subtype="PCM_24")
    path = tmp_path / "mine.yaml"
    path.write_text(
        "id: mine\ntitle: mine\ntier: P1\nspeech:\n  utterances:\n"
        "    - parts: [{wav: one.wav, text: hm}, {pause_ms: 250}, {wav: one.wav, start_ms: 300, end_ms: 700, error_ms: 20}]\n"
        "      start: {at_ms: 500}\n"
        "    - parts: [{wav: one.wav}]\n"
        "      start: {after: reply_end, delay_ms: 400, nominal_ms: 4000}\n"
    )
    built = build_case(load_case(path), path, tmp_path / "cache", voices)
    first, second = built.truth.utterances
    assert abs(first.start_sample - 24_000) <= 5
    assert first.end_sample - first.start_sample == pytest.approx(28_800 + 12_000 + 19_200, abs=10)
    assert (first.text, first.error_ms, first.pauses[0][1] - first.pauses[0][0]) == ("hm", 20, 12_000)
    assert (second.start_sample, second.after, second.error_ms) == (192_000, "reply_end", None)
    soundfile.write(tmp_path / "one.wav", 0.5 * wav[9_600:], 48_000, subtype="PCM_24")  # other words, the same name
    again = build_case(load_case(path), path, tmp_path / "cache", voices)
    assert again.wav != built.wav


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("{wav: none.wav}", "speech.utterances.0.parts.0.wav: none.wav: no such file"),
        ("{wav: one.wav, start_ms: 0, end_ms: 9000}", "end_ms: 9000 ms lies behind the end of one.wav (100 ms)"),
        ("{wav: one.wav}", "one.wav: is silent (below −65 dBFS throughout)"),
        ("{wav: one.wav, start_ms: 0, end_ms: 50}", "one.wav: is silent from start_ms to end_ms"),
        ("{wav: one.wav, start_ms: 5}", "start_ms and end_ms are given together, or neither"),
        ("{wav: one.wav, start_ms: 5, end_ms: 4}", "end_ms must be after start_ms"),
    ],
)
def test_recorded_words_that_cannot_be_played_are_one_clear_line(
    tmp_path: Path, voices: Voices, part: str, said: str
) -> None:
    soundfile.write(tmp_path / "one.wav", np.zeros(4_800), 48_000)
    path = tmp_path / "mine.yaml"
    path.write_text(f"id: mine\ntitle: mine\ntier: P1\nspeech:\n  utterances:\n    - parts: [{part}]\n")
    with pytest.raises(CaseError, match=re.escape(said)):
        build_case(load_case(path), path, tmp_path / "cache", voices)
