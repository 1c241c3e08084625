"""Whether the agent stops for what the user says into its reply: tables over time, and made sounds."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.call.barge_in import CONFIRM_MS, Act, BargeIn, UserFrame, only_backchannel
from runtime.call.prosody import FrameSound, FrameTrack
from runtime.engines.protocols import Heard

USUAL_DB = -20.0
VOWEL = FrameSound(-22.0, 120.0, True)
SOFT = FrameSound(-32.0, 120.0, True)  # 12 dB below this user's voice
HUM = FrameSound(-22.0, 120.0, False)
COUGH = FrameSound(-15.0, None, True)
BREATH = FrameSound(-45.0, None, True)


def acts(*parts: tuple[FrameSound, int], partial: str = "", near: bool = True) -> list[tuple[int, Act]]:
    """What is decided and when, ms from the first frame, for sounds of so many ms each."""
    barge_in, found, now_ms = BargeIn(USUAL_DB), [], 0
    for sound, length_ms in parts:
        for _ in range(length_ms // 10):
            now_ms += 10
            act = barge_in.feed(UserFrame(sound, now_ms, near, partial))
            if act is not Act.NOTHING:
                found.append((now_ms, act))
    return found


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([(VOWEL, 1500)], [Act.HOLD, Act.CANCEL]),
        ([(COUGH, 40), (VOWEL, 400)], [Act.HOLD]),
        ([(SOFT, 600)], []),
        ([(HUM, 600)], []),
        ([(COUGH, 600)], []),
        ([(BREATH, 2000)], []),
        ([(VOWEL, 50), (BREATH, 300)], []),
        ([(SOFT, 1200)], [Act.HOLD, Act.CANCEL]),
        ([(HUM, 1200)], [Act.HOLD, Act.CANCEL]),
    ],
    ids=["speech", "a word", "soft mm-hm", "hum", "cough", "breath", "blip", "long soft speech", "long hum"],
)
def test_what_stops_the_agent(parts: list[tuple[FrameSound, int]], expected: list[Act]) -> None:
    found = acts(*parts)
    assert [act for _, act in found][:2] == expected


def test_an_interruption_silences_the_reply_early_and_gives_it_up_later() -> None:
    (held_ms, _), (cancelled_ms, _) = acts((VOWEL, 1000))[:2]
    assert held_ms <= 150
    assert cancelled_ms == CONFIRM_MS


def test_words_decide_at_once_unless_they_are_a_backchannel() -> None:
    assert acts((SOFT, 20), partial="stop it")[0] == (10, Act.CANCEL)
    assert acts((SOFT, 400), partial="mm hm yeah") == []


def test_the_agents_own_echo_decides_nothing() -> None:
    assert acts((VOWEL, 2000), near=False) == []


@pytest.mark.parametrize(
    ("sound", "ms", "heard", "act"),
    [
        (VOWEL, 300, Heard("yeah okay"), Act.RESUME),
        (VOWEL, 300, Heard(""), Act.RESUME),
        (VOWEL, 300, Heard("stop"), Act.CANCEL),
        (VOWEL, 300, Heard("", ("wait a moment",)), Act.CANCEL),
        (SOFT, 500, Heard("the man"), Act.RESUME),
        (SOFT, 500, Heard("", ("wait a moment",)), Act.CANCEL),
    ],
    ids=["loud okay", "no words", "loud stop", "loud phrase", "soft noise", "soft phrase"],
)
def test_what_ends_undecided_is_decided_by_its_words(sound: FrameSound, ms: int, heard: Heard, act: Act) -> None:
    barge_in = BargeIn(USUAL_DB)
    for k in range(ms // 10):
        barge_in.feed(UserFrame(sound, 10 * (k + 1)))
    assert barge_in.end(ms) is Act.ASK
    assert barge_in.decide_by_words(heard) is act


def test_a_short_soft_sound_is_not_even_transcribed() -> None:
    barge_in = BargeIn(USUAL_DB)
    for k in range(30):
        barge_in.feed(UserFrame(SOFT, 10 * (k + 1)))
    assert barge_in.end(300) is Act.NOTHING
    assert barge_in.was_aside


def test_soft_is_measured_against_the_user_not_against_full_scale() -> None:
    loud_voice, soft_voice = BargeIn(-14.0), BargeIn(-40.0)
    sound = FrameSound(-26.0, 120.0, True)
    assert [loud_voice.feed(UserFrame(sound, 10 * k)) for k in range(1, 40)].count(Act.HOLD) == 0
    assert [soft_voice.feed(UserFrame(sound, 10 * k)) for k in range(1, 40)].count(Act.HOLD) == 1


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("Mm-hm.", True), ("uh huh", True), ("Okay, right!", True), ("", True), ("okay stop", False), ("停", False)],
)
def test_backchannels(text: str, is_one: bool) -> None:
    assert only_backchannel(text) is is_one


def sound_of(signal: np.ndarray) -> FrameSound:
    track = FrameTrack()
    for k in range(len(signal) // 160):
        track.add(signal[k * 160 : (k + 1) * 160].astype(np.int16))
    return track.sound()


@pytest.mark.parametrize("pitch_hz", [90.0, 130.0, 220.0, 330.0])
def test_a_hum_a_vowel_and_a_cough_are_told_apart_by_their_sound(pitch_hz: float) -> None:
    t = np.arange(3_200) / 16_000
    partials = [np.sin(2 * np.pi * pitch_hz * k * t) for k in range(1, 21)]
    vowel = 3_000 * sum(partial / k for k, partial in enumerate(partials, 1))
    hum = 3_000 * (partials[0] + 0.1 * partials[1])
    rush = 3_000 * np.random.default_rng(1).standard_normal(3_200)
    assert (sound_of(vowel).voiced, sound_of(vowel).open) == (True, True)
    assert (sound_of(hum).voiced, sound_of(hum).open) == (True, False)
    assert (sound_of(rush).voiced, sound_of(rush).open) == (False, True)
    assert sound_of(vowel).pitch_hz == pytest.approx(pitch_hz, rel=0.03)
    assert sound_of(np.zeros(3_200)).voiced is False
