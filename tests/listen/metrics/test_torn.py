"""Holes that a listener hears without a reference: found behind a codec, and not in a voice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from harness.judge.gates import holds
from harness.judge.table import BY_ID
from harness.listen.measure import listen
from harness.listen.metrics.torn import find_torn
from harness.model.capture import AgentUnderTest
from harness.model.plan import BuiltCase
from harness.prove.offline import through_opus
from harness.speech.voices import RATE_HZ as SPOKEN_HZ
from harness.speech.voices import Voices
from tests.listen.captures import RATE_HZ, Samples, hole, ms, simple_call, speech


@pytest.fixture(scope="module")
def voice(built: Callable[[str], BuiltCase]) -> Samples:
    said = built("endpoint_long_sentence")
    samples, _ = soundfile.read(said.wav, dtype="float32")
    words = said.truth.utterances[0]
    return np.asarray(samples[words.start_sample : words.end_sample])


def loud_places_ms(x: Samples, length_ms: float) -> list[int]:
    """Where sound as loud as the loudest stands on both sides of such a length, 300 ms apart at least."""
    level = np.sqrt(np.convolve(np.square(x, dtype=np.float64), np.ones(ms(10)) / ms(10), "same"))
    loud = level > 0.5 * np.percentile(level, 90)
    places: list[int] = []
    for at_ms in range(100, round(len(x) / 48 - length_ms - 100), 5):
        beside = [at_ms - 10, at_ms - 5, at_ms + length_ms + 5, at_ms + length_ms + 10]
        if all(loud[ms(place)] for place in beside) and at_ms - (places or [-300])[-1] >= 300 + length_ms:
            places.append(at_ms)
    return places


def torn(x: Samples, length_ms: float) -> tuple[Samples, list[int]]:
    places = loud_places_ms(x, length_ms)
    assert len(places) >= 3
    for at_ms in places:
        x = hole(x, at_ms, length_ms)
    return x, places


@pytest.mark.parametrize("length_ms", [20, 40, 100])
def test_holes_are_found_with_their_places_behind_a_codec(voice: Samples, length_ms: float) -> None:
    sound, places = torn(voice, length_ms)
    found = find_torn(through_opus(sound))
    assert len(found) >= 2
    for piece in found:
        assert min(abs(piece.start - ms(at_ms)) for at_ms in places) < ms(12)
        assert piece.end - piece.start == pytest.approx(ms(length_ms), abs=ms(15))


@pytest.mark.parametrize("length_ms", [80, 100, 150])
def test_long_holes_count_whatever_sound_they_cut(voice: Samples, length_ms: float) -> None:
    sound = voice
    for at_ms in range(500, round(len(voice) / 48) - 500, 500):
        sound = hole(sound, at_ms, length_ms)
    assert len(find_torn(through_opus(sound))) >= 2


@pytest.mark.parametrize(
    "name", ["question_short", "endpoint_long_sentence", "numbers_and_units", "stutter_long_pause"]
)
def test_a_voice_has_none(built: Callable[[str], BuiltCase], name: str) -> None:
    samples, _ = soundfile.read(built(name).wav, dtype="float32")
    assert len(find_torn(through_opus(samples))) < 2


@pytest.mark.parametrize("voice", ["de", "de+m3"])
@pytest.mark.parametrize(
    "words",
    ["Bitte drücken Sie jetzt die Taste acht oder bleiben Sie am Apparat.",
     "Die Rechnung wurde am achten Oktober bezahlt, es ist also alles erledigt."],
)  # fmt: skip
def test_a_stranger_whose_voice_closes_its_plosives_hard_is_not_torn(voice: str, words: str, tmp_path: Path) -> None:
    with Voices() as voices:
        said = resample_poly(voices.speak(words, voice, 175).samples, RATE_HZ, SPOKEN_HZ).astype(np.float32)
    call = replace(
        simple_call(450, sound=said, at_probe=through_opus, at_ear=through_opus, told=False),
        agent=AgentUnderTest(kind="command"), pre=False, trace=False, total_ms=9_000.0,
    )  # fmt: skip
    (turn,) = listen(call.write(tmp_path / "c")).turns
    assert turn.metrics["torn_count"].value == turn.metrics["torn_count_ear"].value == 0
    assert not [defect for defect in turn.defects if defect.kind == "dropout"]


def test_silence_and_what_is_too_short_have_none() -> None:
    assert find_torn(np.zeros(0, np.float32)) == find_torn(np.zeros(ms(500), np.float32)) == []


def test_a_stranger_that_tears_its_speech_is_warned_of_and_one_hole_is_no_proof(voice: Samples, tmp_path: Path) -> None:
    (first, *_) = loud_places_ms(voice, 60)
    stranger = {"agent": AgentUnderTest(kind="command"), "pre": False, "trace": False, "total_ms": 14_000.0}
    for name, sound, warns in (("torn", torn(voice, 60)[0], True), ("once", hole(voice, first, 60), False)):
        call = replace(
            simple_call(450, sound=sound, at_probe=through_opus, at_ear=through_opus, told=False), **stranger
        )
        (turn,) = listen(call.write(tmp_path / name)).turns
        for metric in ("torn_count", "torn_count_ear"):
            value = turn.metrics[metric].value
            assert value is not None
            assert holds(BY_ID["torn"], value, BY_ID["torn"].threshold) is not warns
        holes = [defect for defect in turn.defects if defect.kind == "dropout"]
        assert {defect.ring for defect in holes} == ({"post_rtc", "ear"} if warns else set())
        assert {defect.born for defect in holes} <= {"unknown"}


def test_where_the_agent_gives_its_pcm_holes_are_held_against_it(tmp_path: Path) -> None:
    (turn,) = listen(simple_call(450, sound=speech(1_800, 3)).write(tmp_path / "c")).turns
    assert "torn_count" not in turn.metrics
