"""The lines of a dialogue: every one is checked ahead of the call, and is spoken in it with the same samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from harness.errors import CaseError
from harness.history.environment import case_hash
from harness.model.case import Case
from harness.speech.build import build_case
from harness.speech.case_file import load_case
from harness.speech.spoken_lines import spoken_lines
from harness.speech.voices import Voices

STEPS = "steps: [{say: good morning}, {if: {agent_says: hi}, say: how are you, else_say: good morning}]"


def dialogue(folder: Path, keys: str) -> tuple[Case, Path]:
    path = folder / "d.yaml"
    path.write_text(f"id: d\ntitle: d\ntier: P0\ndialogue: {{{keys}}}\n")
    return load_case(path), path


def test_a_line_sounds_in_the_call_as_it_was_built(tmp_path: Path, voices: Voices) -> None:
    case, path = dialogue(tmp_path, STEPS)
    built = build_case(case, path, tmp_path / "cache", voices)
    samples, _ = soundfile.read(built.wav, dtype="int16")
    assert case.dialogue is not None
    lines = spoken_lines(case.dialogue, built)
    assert list(lines) == case.dialogue.lines
    for line, utterance in zip(lines.values(), built.truth.utterances, strict=True):
        assert np.array_equal(line.samples, samples[utterance.start_sample : utterance.end_sample])
        assert line.text == utterance.text
        assert [word.text for word in line.words] == [word.text for word in utterance.words]


def test_what_may_be_said_is_the_identity_of_a_case_and_what_it_hangs_on_is_not(tmp_path: Path, voices: Voices) -> None:
    def hashed(keys: str) -> str:
        return case_hash(build_case(*dialogue(tmp_path, keys), tmp_path / "cache", voices).truth)

    assert hashed(STEPS) == hashed(STEPS.replace("agent_says: hi", "agent_asks: true"))
    assert hashed(STEPS) != hashed(STEPS.replace("how are you", "who are you"))
    assert hashed(STEPS) != hashed("voice: en-gb, " + STEPS)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ("voice: nobody, " + STEPS, "dialogue: espeak-ng has no voice 'nobody'"),
        ("level_dbfs: -6, " + STEPS, "clips at -6"),
        ("steps: [{say: hello}, {say: '...'}]", "says nothing for '...'"),
    ],
)
def test_a_line_that_cannot_be_spoken_is_told_ahead_of_the_call(
    tmp_path: Path, voices: Voices, keys: str, says: str
) -> None:
    with pytest.raises(CaseError, match=rf"d\.yaml: dialogue.*{says.removeprefix('dialogue')}"):
        build_case(*dialogue(tmp_path, keys), tmp_path / "cache", voices)
