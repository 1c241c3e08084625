"""The lines of a dialogue: every one is checked ahead of the call, and is spoken in it with the same samples."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
import soundfile

from harness.errors import CaseError, HarnessError
from harness.history.environment import case_hash
from harness.model.case import Case
from harness.speech import warm_voice
from harness.speech.build import build_case
from harness.speech.case_file import load_case
from harness.speech.voices import Voices
from harness.speech.warm_voice import WarmVoice, built_lines

STEPS = "steps: [{say: good morning}, {if: {agent_says: hi}, say: how are you, else_say: good morning}]"


def dialogue(folder: Path, keys: str) -> tuple[Case, Path]:
    path = folder / "d.yaml"
    path.write_text(f"id: d\ntitle: d\ntier: P0\ndialogue: {{{keys}}}\n")
    return load_case(path), path


async def test_a_line_sounds_in_the_call_as_it_was_built(tmp_path: Path, voices: Voices) -> None:
    case, path = dialogue(tmp_path, STEPS)
    built = build_case(case, path, tmp_path / "cache", voices)
    samples, _ = soundfile.read(built.wav, dtype="int16")
    assert [u.text for u in built.truth.utterances] == ["good morning", "how are you"]
    assert case.dialogue is not None
    ready = built_lines(built)
    async with WarmVoice(case.dialogue, path) as voice, WarmVoice(case.dialogue, path, ready) as with_lines:
        for utterance in built.truth.utterances:
            there = samples[utterance.start_sample : utterance.end_sample]
            for line in (await voice.say(utterance.text), await with_lines.say(utterance.text)):
                start, end = line.voiced
                assert np.array_equal(line.samples[start:end], there)
                assert (start, end) == (0, len(line.samples))
        other = await with_lines.say("and who are you")
        assert len(other.samples) > 24_000, "a text that nobody knew is made in the call"


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


@pytest.mark.parametrize("pause_s", [0.0, 0.001, 0.003, 0.01, 0.1])
async def test_a_voice_that_takes_too_long_is_told_and_ends_with_the_call(
    pause_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_process_left: None
) -> None:
    monkeypatch.setattr(warm_voice, "LINE_TIMEOUT_S", 0.0)
    case, path = dialogue(tmp_path, STEPS)
    assert case.dialogue is not None
    async with asyncio.timeout(30), WarmVoice(case.dialogue, path) as voice:
        for line in ("good morning", "how are you"):
            with pytest.raises(HarnessError, match=f"did not make '{line}' within 0 s"):
                await voice.say(line)
        await asyncio.sleep(pause_s)  # the process starts, or makes a line


async def test_a_line_that_came_too_late_is_not_taken_for_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, path = dialogue(tmp_path, STEPS)
    assert case.dialogue is not None
    async with WarmVoice(case.dialogue, path) as voice:
        wanted = await voice.say("how are you")
        monkeypatch.setattr(warm_voice, "LINE_TIMEOUT_S", 0.0)
        with pytest.raises(HarnessError, match="did not make"):
            await voice.say("good morning")
        monkeypatch.undo()
        assert np.array_equal((await voice.say("how are you")).samples, wanted.samples)
