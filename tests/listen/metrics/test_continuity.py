"""Holes, stalls, natural pauses; level, clipping, identity."""

import numpy as np
import pytest
import soundfile

from harness.listen.measure import listen
from harness.model.measurement import Defect, Turn
from tests.listen.captures import (
    Call,
    Replied,
    Said,
    Samples,
    codec,
    designed_silence,
    hole,
    ms,
    silence,
    simple_call,
    speech,
    stretch,
)


def holes_of(turn: Turn) -> list[Defect]:
    """Holes that came in on the way; the made-up pauses of these replies have hard edges as they are published."""
    return [d for d in turn.defects if d.kind in ("gap", "dropout") and d.ring != "pre_rtc"]


REPLY_AT_MS = 2_150.0  # of simple_call
PROBE_LATER_MS = 30.0


@pytest.mark.parametrize("length_ms", [40, 60, 250])
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_a_hole_is_found_with_its_place_and_length(tmp_path, length_ms, seed):
    call = simple_call(450, sound=speech(1_600, seed), at_probe=lambda x: hole(x, 700, length_ms))
    turn = listen(call.write(tmp_path / "c")).turns[0]
    [defect] = holes_of(turn)
    assert (defect.kind, defect.ring) == ("dropout", "post_rtc")
    assert defect.start_ms == pytest.approx(REPLY_AT_MS + PROBE_LATER_MS + 700, abs=12)
    assert defect.duration_ms == pytest.approx(length_ms, abs=12)
    assert turn.metrics["max_gap_ms"].value == defect.duration_ms
    assert turn.metrics["dropout_count"].value == 1
    assert turn.metrics["max_gap_ear_ms"].value == 0


@pytest.mark.parametrize("length_ms", [60, 150])
def test_a_stall_that_delays_the_rest_is_a_hole_too(tmp_path, length_ms):
    def stalled(x: Samples) -> Samples:
        return np.concatenate([x[: ms(700)], silence(length_ms), x[ms(700) :]])

    turn = listen(simple_call(450, at_ear=stalled).write(tmp_path / "c")).turns[0]
    [defect] = holes_of(turn)
    assert defect.ring == "ear"
    assert defect.detail == "silence was put in"
    assert defect.duration_ms == pytest.approx(length_ms, abs=5)
    assert turn.metrics["dropout_count_ear"].value == 1
    assert turn.metrics["dropout_count"].value == 0


@pytest.mark.parametrize("seed", range(6))
def test_a_natural_pause_is_no_dropout(tmp_path, seed):
    call = simple_call(450, sound=speech(2_000, seed, pauses=((600, 850), (1_300, 1_380))))
    turn = listen(call.write(tmp_path / "c")).turns[0]
    assert holes_of(turn) == []
    assert turn.metrics["max_gap_ms"].value == 0


def test_a_pause_within_a_reply_begins_no_new_reply(tmp_path):
    call = simple_call(450, sound=speech(2_400, 3, pauses=((600, 1_150),)))
    measurement = listen(call.write(tmp_path / "c"))
    assert measurement.metrics["reply_count"].value == 1
    assert measurement.metrics["agent_onset_count"].value == 1
    assert measurement.turns[0].metrics["reply_ms"].value == pytest.approx(2_400, abs=3)


@pytest.mark.parametrize("seed", range(6))
def test_a_jitter_buffer_that_stretches_makes_no_hole(tmp_path, seed):
    def stretched(x: Samples) -> Samples:
        return stretch(stretch(stretch(x, 400, 12), 800, -10), 1_200, -15)

    turn = listen(simple_call(450, sound=speech(1_800, seed), at_ear=stretched).write(tmp_path / "c")).turns[0]
    assert holes_of(turn) == []
    assert [defect for defect in turn.defects if defect.kind == "repeat"] == []
    assert turn.metrics["identity"].value > 0.9


@pytest.mark.parametrize("taken_ms", [0, 8, 12])
@pytest.mark.parametrize("seed", [3, 5, 8])
def test_a_repeat_is_found_although_the_jitter_buffer_takes_time_away_beside_it(tmp_path, seed, taken_ms):
    def twice(x: Samples) -> Samples:
        heard = codec(stretch(x, 700, 80), 1)
        return stretch(heard, 790, -taken_ms) if taken_ms else heard

    turn = listen(simple_call(450, sound=speech(1_800, seed), at_ear=twice).write(tmp_path / "c")).turns[0]
    assert [(defect.kind, defect.ring) for defect in turn.defects] == [("repeat", "ear")]


def caught_up(x: Samples) -> Samples:
    """A jitter buffer that takes 105 ms away, 15 ms of every 123 ms: at 500, 623, 746, ... ms."""
    for step in range(7):
        x = stretch(x, 500 + 108 * step, -12)
    return x


def click(x: Samples, at_ms: float, over_db: float) -> Samples:
    """A pulse of 0.5 ms, so far above the loudest within 10 ms of it."""
    y, at = x.copy(), ms(at_ms)
    loudest = float(np.abs(x[at - ms(10) : at + ms(10)]).max())
    y[at : at + ms(0.5)] += loudest * 10 ** (over_db / 20)
    return y


def real_voice(built, case: str) -> Samples:
    """1.8 s of what a case says: a jitter buffer's steps are found again in a voice that never repeats itself exactly."""
    said = built(case)
    samples, _ = soundfile.read(said.wav, dtype="float32")
    start = said.truth.utterances[0].start_sample
    return samples[start : start + ms(1_800)]


@pytest.mark.parametrize("at_ms", [692, 815, 938, 1_061])
@pytest.mark.parametrize("case", ["endpoint_long_sentence", "question_short"])
def test_a_click_is_found_while_the_jitter_buffer_catches_up(tmp_path, built, case, at_ms):
    """By both listeners, so that the way is blamed and not the ear, though only one of the two buffers moves."""

    def clicked(x: Samples) -> Samples:
        return codec(click(x, at_ms, 6.0), 1)

    voice = real_voice(built, case)
    call = simple_call(450, sound=voice, at_probe=clicked, at_ear=lambda x: caught_up(clicked(x)))
    turn = listen(call.write(tmp_path / "c")).turns[0]
    found = [(defect.ring, defect.born) for defect in turn.defects if defect.kind == "click"]
    assert found == [("ear", "in_rtc"), ("post_rtc", "in_rtc")]


@pytest.mark.parametrize("case", ["endpoint_long_sentence", "question_short", "numbers_and_units"])
def test_a_jitter_buffer_that_catches_up_makes_no_click(tmp_path, built, case):
    call = simple_call(450, sound=real_voice(built, case), at_ear=lambda x: caught_up(codec(x, 1)))
    turn = listen(call.write(tmp_path / "c")).turns[0]
    assert [defect for defect in turn.defects if defect.kind == "click"] == []


def test_no_click_is_told_of_a_short_reply_whose_lag_moves_all_along(tmp_path, built):
    """What is a few ms off looks like clicks: too little of it can be compared, for them as for its level."""
    short = real_voice(built, "endpoint_long_sentence")[ms(300) : ms(580)]

    def moved(x: Samples) -> Samples:
        return stretch(stretch(codec(x, 1), 60, -10), 140, -7.5)

    turn = listen(simple_call(450, sound=short, at_probe=moved).write(tmp_path / "c")).turns[0]
    for name in ("level_change_db", "click_count"):
        metric = turn.metrics[name]
        assert (metric.value, metric.reason) == (None, "too little of the reply can be compared"), name
    assert turn.metrics["click_count_ear"].value == 0


def test_a_designed_pause_of_the_reply_is_skipped(tmp_path):
    call = simple_call(450, at_probe=lambda x: hole(x, 700, 120), case=designed_silence(680, 840))
    assert listen(call.write(tmp_path / "c")).turns[0].metrics["dropout_count"].value == 0


def test_a_lost_head_is_no_hole_but_a_lost_head(tmp_path):
    turn = listen(simple_call(450, at_ear=lambda x: hole(x, 0, 100)).write(tmp_path / "c")).turns[0]
    assert turn.metrics["dropout_count_ear"].value == 0
    assert turn.metrics["head_loss_ear_ms"].value == pytest.approx(100, abs=8)
    assert turn.metrics["head_loss_ms"].value == 0
    assert turn.metrics["user_kpi_raw_ms"].value == pytest.approx(550, abs=12)


def test_clipping_is_counted_where_it_is(tmp_path):
    call = simple_call(450, at_ear=lambda x: np.clip(x * 8, -1, 1).astype(np.float32))
    turn = listen(call.write(tmp_path / "c")).turns[0]
    assert turn.metrics["clipping_ratio_ear"].value > 0.01
    assert turn.metrics["clipping_ratio"].value == 0
    assert {defect.ring for defect in turn.defects if defect.kind == "clipping"} == {"ear"}


def test_a_quiet_copy_is_the_same_sound_without_holes(tmp_path):
    call = simple_call(
        450, sound=speech(1_600, 2, level_dbfs=-15), at_probe=lambda x: x * 0.1, at_ear=lambda x: x * 0.1
    )
    turn = listen(call.write(tmp_path / "c")).turns[0]
    assert turn.metrics["audio_valid"].value == 1
    assert turn.metrics["dropout_count"].value == 0
    assert turn.metrics["user_kpi_raw_ms"].value == pytest.approx(450, abs=8)


def test_somebody_elses_audio_is_not_valid(tmp_path):
    turn = listen(simple_call(450, heard_as=speech(1_500, 99)).write(tmp_path / "c")).turns[0]
    assert turn.metrics["audio_valid"].value == 0
    assert turn.metrics["identity"].value < 0.5
    assert "not what the agent published" in turn.metrics["audio_valid"].reason
    assert turn.metrics["max_gap_ms"].value is None
    assert turn.metrics["user_kpi_raw_ms"].invalid


def test_a_long_reply_is_followed_through_a_slow_drift_of_lag(tmp_path):
    def drifting(x: Samples) -> Samples:
        for k in range(8):
            x = stretch(x, 500 + 700 * k, 12)
        return x

    question = Said(300, speech(600, 1))
    reply = Replied(1_400, speech(6_500, 4), at_ear=drifting)
    turn = listen(Call(said=[question], replies=[reply], total_ms=9_500).write(tmp_path / "c")).turns[0]
    assert holes_of(turn) == []
