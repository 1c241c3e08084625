"""One recording of a conversation with known truth: waits, talk-over, interruptions, dead air, defects; in ms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from harness.listen.check.heard import hear_call
from harness.model.call_heard import CallHeard
from harness.speech.find import find_speech
from tests.listen.check.calls import (
    ASKED,
    BARGE_IN_AFTER_MS,
    PER_MS,
    RATE_HZ,
    TOLD,
    UNANSWERED_MS,
    WAITS_MS,
    Conversation,
    Laid,
    conversation,
    side,
    spoken,
    write,
)

WITHIN_MS = 3.0  # of clean recordings, whose edges are hard


def heard(call: Path, user: str | None = "left") -> CallHeard:
    return hear_call(call, user, find_speech).record


def recorded(tmp_path: Path, made: Conversation | None = None) -> Path:
    return write(tmp_path / "call.wav", *(made or conversation()).channels(user_noise_dbfs=-75))


@pytest.mark.parametrize("voices", [("en-us", "en-gb"), ("en-gb", "en-us+f2"), ("en-us+m3", "en-us+f4")])
def test_every_figure_of_a_call_is_that_of_its_making(tmp_path: Path, voices: tuple[str, str]) -> None:
    made = conversation(*voices)
    record = heard(recorded(tmp_path, made))
    assert [turn.start_ms for turn in record.turns] == pytest.approx([said.at_ms for said in made.user], abs=WITHIN_MS)
    assert [turn.end_ms for turn in record.turns] == pytest.approx([said.end_ms for said in made.user], abs=WITHIN_MS)
    assert [turn.ended for turn in record.turns] == ["answered"] * 4 + ["unanswered"]
    waits = [turn.first_speech_ms for turn in record.turns[:4]]
    assert waits == pytest.approx(made.waits_ms, abs=WITHIN_MS)
    silences = [record.turns[index].dead_air_ms for index in (0, 1, 4)]
    assert silences == pytest.approx([WAITS_MS[0], WAITS_MS[1], UNANSWERED_MS], abs=WITHIN_MS)
    interruption, talk_over = record.overlaps
    assert (interruption.began, interruption.utterance, interruption.yielded) == (
        "user",
        2,
        made.agent[1].end_ms < made.user[2].end_ms,
    )
    assert interruption.talked_on_ms == pytest.approx(made.agent[1].end_ms - made.user[2].at_ms, abs=WITHIN_MS)
    assert interruption.start_ms == pytest.approx(made.agent[1].at_ms + BARGE_IN_AFTER_MS, abs=WITHIN_MS)
    assert (talk_over.began, talk_over.utterance) == ("agent", 3)
    assert talk_over.end_ms - talk_over.start_ms == pytest.approx(-WAITS_MS[3], abs=2 * WITHIN_MS)
    assert record.defects == []
    assert record.timed


@pytest.mark.parametrize(("leak_db", "lag_ms"), [(-30, 0), (-30, 80), (-20, 25), (-15, 0)])
def test_what_leaks_from_one_side_to_the_other_is_no_talk_over(tmp_path: Path, leak_db: float, lag_ms: int) -> None:
    made = conversation()
    user, agent = made.channels(user_noise_dbfs=-75)
    gain, lag = 10 ** (leak_db / 20), lag_ms * PER_MS
    path = write(tmp_path / "call.wav", user + gain * np.roll(agent, lag), agent + gain * np.roll(user, lag))
    record = heard(path)
    assert [turn.first_speech_ms for turn in record.turns[:4]] == pytest.approx(WAITS_MS, abs=30)
    assert [both.began for both in record.overlaps] == ["user", "agent"]
    assert len(record.turns) == len(made.user)
    assert sum(f"{-leak_db} dB softer" in line for line in record.read_as) == 2


def test_a_mix_with_the_users_own_file_beside_it_tells_waits_but_no_talk_over(tmp_path: Path) -> None:
    user, agent = conversation().channels(user_noise_dbfs=-75)
    first = write(tmp_path / "first.wav", user)
    record = heard(write(tmp_path / "call.wav", user + agent), str(first))
    assert [turn.first_speech_ms for turn in record.turns[:3]] == pytest.approx(WAITS_MS[:3], abs=WITHIN_MS)
    assert record.overlaps == []
    assert "talk-over" in record.overlaps_unknown
    assert record.overlaps_unknown in record.not_known


def test_the_agents_side_alone_with_the_users_file_is_like_two_channels(tmp_path: Path) -> None:
    user, agent = conversation().channels(user_noise_dbfs=-75)
    first = write(tmp_path / "first.wav", user)
    apart = heard(write(tmp_path / "agent.wav", agent), str(first))
    together = heard(write(tmp_path / "call.wav", user, agent))
    assert apart.turns == together.turns
    assert apart.overlaps == together.overlaps


@pytest.mark.parametrize(
    ("name", "rate_hz", "subtype", "within_ms"),
    [
        ("call.flac", 48_000, "PCM_16", 3),
        ("call.ogg", 48_000, "VORBIS", 25),
        (
            "call.opus.ogg",
            48_000,
            "OPUS",
            70,
        ),  # words end up to 65 ms late
        ("call.mp3", 44_100, "MPEG_LAYER_III", 40),
        ("phone.wav", 8_000, "ULAW", 25),
    ],
)
def test_other_formats_are_read_as_they_are(
    tmp_path: Path, name: str, rate_hz: int, subtype: str, within_ms: float
) -> None:
    from math import gcd

    from scipy.signal import resample_poly

    both = np.stack(conversation().channels(user_noise_dbfs=-75), axis=1)
    divisor = gcd(rate_hz, RATE_HZ)
    soundfile.write(
        tmp_path / name, resample_poly(both, rate_hz // divisor, RATE_HZ // divisor, axis=0), rate_hz, subtype=subtype
    )
    record = heard(tmp_path / name)
    assert [turn.first_speech_ms for turn in record.turns[:4]] == pytest.approx(WAITS_MS, abs=within_ms)
    lossy = subtype in ("VORBIS", "OPUS", "MPEG_LAYER_III")
    assert any("a lossy codec" in line for line in record.not_known) == lossy


@pytest.mark.parametrize(("user_db", "agent_db"), [(-14, 0), (-30, 0), (0, -30), (-40, -40)])
def test_a_recorders_gain_moves_no_figure(tmp_path: Path, user_db: float, agent_db: float) -> None:
    user, agent = conversation().channels()
    path = write(tmp_path / "call.wav", user * 10 ** (user_db / 20), agent * 10 ** (agent_db / 20), subtype="PCM_24")
    record = heard(path)
    assert [turn.first_speech_ms for turn in record.turns[:4]] == pytest.approx(WAITS_MS, abs=WITHIN_MS)
    assert [both.began for both in record.overlaps] == ["user", "agent"]
    assert sum("dB louder than it is" in line for line in record.read_as) == (user_db < 0) + (agent_db < 0)


def test_a_soft_mix_tells_the_same_silences(tmp_path: Path) -> None:
    user, agent = conversation().channels()
    loud, soft = (
        heard(write(tmp_path / "mono.wav", (user + agent) * gain, subtype="PCM_24"), None) for gain in (1.0, 0.02)
    )
    for one, other in zip(loud.agent_speaks, soft.agent_speaks, strict=True):
        assert (other.start_ms, other.end_ms) == pytest.approx((one.start_ms, one.end_ms), abs=WITHIN_MS)


@pytest.mark.parametrize("offset", [0.005, 0.05, -0.2])
def test_a_constant_offset_of_the_recorder_is_no_sound(tmp_path: Path, offset: float) -> None:
    user, agent = conversation().channels(user_noise_dbfs=-75)
    record = heard(write(tmp_path / "call.wav", user + offset, agent + offset))
    assert [turn.first_speech_ms for turn in record.turns[:4]] == pytest.approx(WAITS_MS, abs=WITHIN_MS)
    assert sum("constant offset" in line for line in record.read_as) == 2


@pytest.mark.parametrize("noise_dbfs", [-66, -64, -62, -60, -58, -56, -50, -40])
def test_a_microphones_noise_of_any_level_leaves_the_waits_told(tmp_path: Path, noise_dbfs: float) -> None:
    user, agent = conversation().channels(user_noise_dbfs=noise_dbfs)
    record = heard(write(tmp_path / "call.wav", user, agent))
    assert [turn.first_speech_ms for turn in record.turns[:4]] == pytest.approx(WAITS_MS, abs=8)


def test_dead_air_after_a_filler_is_the_longest_silence_and_not_the_wait(tmp_path: Path) -> None:
    asked = Laid(1_000, spoken(ASKED[0]))
    filler = Laid(asked.end_ms + 600, spoken("Let me check that", "en-gb"))
    answer = Laid(filler.end_ms + 4_000, spoken(TOLD[0], "en-gb"))
    made = Conversation((asked,), (filler, answer), answer.end_ms + 1_000)
    [turn] = heard(recorded(tmp_path, made)).turns
    assert turn.first_speech_ms == pytest.approx(600, abs=WITHIN_MS)
    assert turn.dead_air_ms == pytest.approx(4_000, abs=WITHIN_MS)
    assert turn.dead_air_at_ms == pytest.approx(filler.end_ms, abs=WITHIN_MS)


def test_a_word_over_an_agent_that_goes_on_is_not_called_unanswered(tmp_path: Path) -> None:
    asked = Laid(1_000, spoken(ASKED[0]))
    told = Laid(asked.end_ms + 600, spoken(f"{TOLD[0]} {TOLD[1]}", "en-gb"))
    hm = Laid(told.at_ms + 1_500, spoken("Yes"))
    record = heard(recorded(tmp_path, Conversation((asked, hm), (told,), told.end_ms + 4_000)))
    assert [turn.ended for turn in record.turns] == ["answered", "agent_went_on"]
    [both] = record.overlaps
    assert (both.began, both.yielded) == ("user", False)


def test_an_interrupted_agent_that_pauses_for_breath_may_have_talked_on(tmp_path: Path) -> None:
    asked = Laid(1_000, spoken(ASKED[0]))
    told = Laid(asked.end_ms + 600, spoken(TOLD[0], "en-gb"))
    stop = Laid(told.end_ms - 900, spoken("Stop"))
    rest = Laid(told.end_ms + 400, spoken(TOLD[1], "en-gb"))
    first, second = heard(recorded(tmp_path, Conversation((asked, stop), (told, rest), rest.end_ms + 1_000))).turns
    assert first.reason == ""
    assert "it may be the rest of that, and no answer" in second.reason


def test_a_goodbye_at_the_end_of_the_recording_is_not_called_unanswered(tmp_path: Path) -> None:
    made = conversation()
    record = heard(recorded(tmp_path, Conversation(made.user, made.agent, made.user[-1].end_ms + 700)))
    assert record.turns[-1].ended == "recording_ends"
    assert record.turns[-1].reason == "the recording ends 700 ms after these words"


def test_holes_and_garbage_in_the_agents_voice_are_told(tmp_path: Path) -> None:
    made = conversation()
    torn = made.agent[0].samples.copy()
    for at_ms in (400, 900, 1_400):
        torn[at_ms * PER_MS : (at_ms + 60) * PER_MS] = 0
    bytes_ = np.random.default_rng(1).uniform(-0.3, 0.3, 600 * PER_MS)
    garbage = Laid(made.agent[3].at_ms, np.concatenate([made.agent[3].samples, bytes_]))
    agent = side([Laid(made.agent[0].at_ms, torn), *made.agent[1:3], garbage], made.total_ms)
    record = heard(write(tmp_path / "call.wav", made.channels(user_noise_dbfs=-75)[0], agent))
    kinds = {defect.kind for defect in record.defects}
    assert {"dropout", "garbage"} <= kinds
    worst = max((d for d in record.defects if d.kind == "garbage"), key=lambda defect: defect.duration_ms)
    assert worst.start_ms == pytest.approx(made.agent[3].end_ms, abs=60)
    assert worst.duration_ms == pytest.approx(600, abs=80)


def test_a_mix_of_both_voices_tells_its_silences_and_says_what_it_cannot(tmp_path: Path) -> None:
    user, agent = conversation().channels()
    record = heard(write(tmp_path / "mono.wav", user + agent), None)
    assert record.reading == "one_mix"
    assert record.turns == []
    assert record.overlaps_unknown
    assert not record.timed
