"""Sounds ahead of an answer are no answer: the latency goes to its first word, however loud they are."""

import numpy as np
import pytest
from scipy.signal import resample_poly

from harness.listen.measure import listen
from harness.model.capture import AgentUnderTest
from harness.model.measurement import Measurement
from tests.listen.captures import Call, Replied, Said, Samples, ms, silence, speech

WORD_MS = 1_400.0  # the true end of turn → the first word
STRANGER = AgentUnderTest(kind="room", instrumented=False)


def keys(duration_ms: float, level_dbfs: float) -> Samples:
    """A stroke every 150 ms, each a burst that dies away over 100 ms."""
    rng, sound = np.random.default_rng(3), silence(duration_ms)
    for at in range(0, len(sound) - ms(100), ms(150)):
        burst = rng.standard_normal(ms(100)) * np.exp(-np.arange(ms(100)) / ms(40))
        sound[at : at + ms(100)] += burst.astype(np.float32)
    return np.asarray(sound * 10 ** (level_dbfs / 20) / np.max(np.abs(sound)), np.float32)


def breath(duration_ms: float, level_dbfs: float) -> Samples:
    sound = np.random.default_rng(4).standard_normal(ms(duration_ms)) * np.hanning(ms(duration_ms))
    return (sound * 10 ** (level_dbfs / 20) / np.sqrt(np.mean(sound**2))).astype(np.float32)


def noise(duration_ms: float, level_dbfs: float) -> Samples:
    sound = np.random.default_rng(6).standard_normal(ms(duration_ms))
    return (sound * 10 ** (level_dbfs / 20)).astype(np.float32)


def heard(tmp_path, ahead: Samples, gap_ms: float) -> Measurement:
    """An agent that announces nothing, and makes a sound before it answers."""
    said = Said(500, speech(1_200, 1))
    at_ms = said.end_ms + WORD_MS - gap_ms - len(ahead) / 48
    sound = np.concatenate([ahead, silence(gap_ms), speech(1_600, 2)])
    call = Call([said], [Replied(at_ms, sound, told=False)], agent=STRANGER, pre=False, trace=False, total_ms=8_000)
    return listen(call.write(tmp_path / "c"))


@pytest.mark.parametrize("level_dbfs", [-30, -20, -10])
@pytest.mark.parametrize("gap_ms", [100, 400, 1_150])
def test_typing_before_the_answer_does_not_move_it(tmp_path, level_dbfs, gap_ms):
    turn = heard(tmp_path, keys(800 if gap_ms < 1_000 else 200, level_dbfs), gap_ms).turns[0]
    kpi = turn.metrics["user_kpi_ms"]
    assert kpi.value == pytest.approx(WORD_MS, abs=5)
    if level_dbfs > -30:  # softer keys are no sound at all
        assert "a sound without a voice (keys, a breath) came" in kpi.reason
        assert turn.metrics["first_sound_ms"].value < WORD_MS - 100


@pytest.mark.parametrize("gap_ms", [100, 300])
def test_a_breath_before_the_answer_does_not_move_it(tmp_path, gap_ms):
    turn = heard(tmp_path, breath(350, -35), gap_ms).turns[0]
    assert turn.metrics["user_kpi_ms"].value == pytest.approx(WORD_MS, abs=5)


@pytest.mark.parametrize("level_dbfs", [-44, -38])
@pytest.mark.parametrize("lead_ms", [320, 600, 1_100])
def test_a_noise_that_goes_on_into_the_words_does_not_move_them(tmp_path, lead_ms, level_dbfs):
    turn = heard(tmp_path, noise(lead_ms, level_dbfs), 0).turns[0]
    assert turn.metrics["user_kpi_ms"].value == pytest.approx(WORD_MS, abs=15)
    assert turn.metrics["first_sound_ms"].value == pytest.approx(WORD_MS - lead_ms, abs=10)


def in_a_room(sound: Samples, lead_ms: float, level_dbfs: float) -> Samples:
    whole = np.concatenate([silence(lead_ms), sound, silence(400)])
    return whole + noise(len(whole) / 48, level_dbfs)


@pytest.mark.parametrize("level_dbfs", [-54, -50, -46, -42])
@pytest.mark.parametrize("lead_ms", [150, 200, 300])
def test_a_gate_that_opens_ahead_of_the_words_does_not_move_them(tmp_path, lead_ms, level_dbfs):
    said = Said(500, speech(1_200, 1))
    sound = in_a_room(speech(1_600, 2), lead_ms, level_dbfs)
    reply = Replied(said.end_ms + WORD_MS - lead_ms, sound, told=False)
    call = Call([said], [reply], agent=STRANGER, pre=False, trace=False, total_ms=8_000)
    turn = listen(call.write(tmp_path / "c")).turns[0]
    assert turn.metrics["user_kpi_ms"].value == pytest.approx(WORD_MS, abs=15)
    if level_dbfs > -48:  # softer ones nobody hears
        assert turn.metrics["first_sound_ms"].value == pytest.approx(WORD_MS - lead_ms, abs=10)


@pytest.mark.parametrize("lead_ms", [130, 200, 280])
def test_a_soft_voiceless_consonant_is_no_room(tmp_path, lead_ms):
    """However steady it is: between the words it is gone."""
    turn = heard(tmp_path, noise(lead_ms, -42), 0).turns[0]
    assert turn.metrics["user_kpi_ms"].value == pytest.approx(WORD_MS - lead_ms, abs=10)
    assert "first_sound_ms" not in turn.metrics


def test_the_first_word_of_a_very_low_voice_is_one(tmp_path):
    said = Said(500, speech(1_200, 1))
    low = resample_poly(speech(1_600, 2), 9, 5).astype(np.float32)  # 60 Hz
    call = Call([said], [Replied(said.end_ms + 700, low, told=False)], agent=STRANGER, pre=False, trace=False)
    turn = listen(call.write(tmp_path / "c")).turns[0]
    assert turn.metrics["user_kpi_ms"].value == pytest.approx(700, abs=5)
    assert "first_sound_ms" not in turn.metrics


def test_an_answer_without_anything_ahead_has_one_time(tmp_path):
    turn = heard(tmp_path, silence(0), 0).turns[0]
    assert turn.metrics["user_kpi_ms"].value == pytest.approx(WORD_MS, abs=2)
    assert turn.metrics["user_kpi_ms"].reason == ""
    assert "first_sound_ms" not in turn.metrics


def test_a_voiceless_first_consonant_belongs_to_the_word(tmp_path):
    turn = heard(tmp_path, breath(180, -28), 0).turns[0]
    assert "first_sound_ms" not in turn.metrics
    assert turn.metrics["user_kpi_ms"].value < WORD_MS - 100


def test_an_agent_that_only_beeps_is_timed_by_its_beep(tmp_path):
    said = Said(500, speech(1_200, 1))
    call = Call(
        [said], [Replied(said.end_ms + 700, breath(400, -25), told=False)], agent=STRANGER, pre=False, trace=False
    )
    turn = listen(call.write(tmp_path / "c")).turns[0]
    assert turn.metrics["user_kpi_ms"].value == pytest.approx(700, abs=40)
