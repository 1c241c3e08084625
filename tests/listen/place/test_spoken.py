"""The user's words, found in the recording."""

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from harness.listen.measure import listen
from tests.listen.captures import PER_MS, RATE_HZ, Call, Replied, Said, Samples, ms, silence, simple_call, speech


def processed(x: Samples) -> Samples:
    """What a browser's microphone processing does: no bass, no highs, gain that wanders, its own noise."""
    y = sosfilt(butter(2, [150, 7_000], "bandpass", fs=RATE_HZ, output="sos"), x)
    gain = 1.7 * (1 + 0.3 * np.sin(np.arange(len(x)) / RATE_HZ * 2))
    return (y * gain + 1e-4 * np.random.default_rng(2).standard_normal(len(x))).astype(np.float32)


@pytest.mark.parametrize("hints", [True, False])
def test_the_end_of_turn_is_found_to_a_millisecond(tmp_path, hints):
    call = simple_call(450, hints=hints)
    turn = listen(call.write(tmp_path / "c")).turns[0]
    assert turn.mic_end_sample == pytest.approx(ms(call.said[0].end_ms), abs=PER_MS)


def test_the_browsers_processing_does_not_hide_it(tmp_path):
    call = simple_call(450, mic_change=processed, mic_mode="device", hints=False)
    measurement = listen(call.write(tmp_path / "c"))
    assert measurement.validity.ok
    assert measurement.turns[0].metrics["user_kpi_raw_ms"].value == pytest.approx(450, abs=2)


def test_quiet_speech_is_found(tmp_path):
    question = Said(500, speech(1_200, 1, level_dbfs=-30))
    call = Call(said=[question], replies=[Replied(question.end_ms + 450, speech(900, 2))])
    assert listen(call.write(tmp_path / "c")).turns[0].metrics["user_kpi_raw_ms"].value == pytest.approx(450, abs=2)


def test_speech_in_noise_is_found(tmp_path):
    words = speech(1_200, 1)
    noise = np.random.default_rng(5).standard_normal(len(words)) * np.sqrt(np.mean(words**2) / 10)
    question = Said(500, (words + noise).astype(np.float32))
    call = Call(said=[question], replies=[Replied(question.end_ms + 450, speech(900, 2))])
    assert listen(call.write(tmp_path / "c")).turns[0].metrics["user_kpi_raw_ms"].value == pytest.approx(450, abs=2)


def test_a_shift_within_the_utterance_is_followed_to_its_end(tmp_path):
    late = lambda x: np.concatenate([x[: ms(900)], x[ms(900) - ms(10) : -ms(10)]])  # noqa: E731
    call = simple_call(450, mic_change=late, hints=False)
    turn = listen(call.write(tmp_path / "c")).turns[0]
    assert turn.mic_end_sample == pytest.approx(ms(call.said[0].end_ms + 10), abs=PER_MS)


def test_an_utterance_whose_pause_was_stretched_is_found_by_its_ends(tmp_path):
    paused = ((600.0, 1_000.0),)
    question = Said(500, speech(1_800, 8, pauses=paused), pauses=paused)
    late = lambda x: np.concatenate([x[: ms(1_300)], silence(90), x[ms(1_300) : -ms(90)]])  # noqa: E731
    call = Call(said=[question], replies=[Replied(2_900, speech(900, 2))], mic_change=late, hints=False)
    turn = listen(call.write(tmp_path / "c")).turns[0]
    assert turn.mic_end_sample == pytest.approx(ms(question.end_ms + 90), abs=PER_MS)


@pytest.mark.parametrize("skipped_ms", [10, 36, 90, 160])
@pytest.mark.parametrize(("length_ms", "at_ms"), [(400, 230), (1_200, 750), (1_200, 950)])
def test_a_skip_of_the_jitter_buffer_moves_the_end_by_what_was_skipped(tmp_path, length_ms, at_ms, skipped_ms):
    question = Said(500, speech(length_ms, 8))
    gone = slice(ms(500 + at_ms - min(skipped_ms, at_ms // 2)), ms(500 + at_ms))
    skipped = (gone.stop - gone.start) / PER_MS
    call = Call(
        said=[question],
        replies=[Replied(2_400, speech(900, 2))],
        mic_change=lambda x: np.concatenate([x[: gone.start], x[gone.stop :], silence(skipped)]),
        hints=False,
    )
    turn = listen(call.write(tmp_path / "c")).turns[0]
    assert turn.mic_end_sample == pytest.approx(ms(question.end_ms - skipped), abs=PER_MS)


@pytest.mark.parametrize("starved_ms", [60, 240, 400])
def test_the_last_word_of_an_utterance_that_was_held_up_before_it_is_its_end(tmp_path, starved_ms):
    question = Said(500, speech(2_400, 8))
    at = ms(question.end_ms - 300)
    call = Call(
        said=[question],
        replies=[Replied(4_400, speech(900, 2))],
        mic_change=lambda x: np.concatenate([x[:at], silence(starved_ms), x[at : -ms(starved_ms)]]),
        hints=False,
    )
    turn = listen(call.write(tmp_path / "c")).turns[0]
    assert turn.mic_end_sample == pytest.approx(ms(question.end_ms + starved_ms), abs=PER_MS)


def shortened(x: Samples, start_ms: float, end_ms: float, by_ms: float, every_ms: float) -> Samples:
    """As a jitter buffer does that lets its delay shrink: `by_ms` are left out every `every_ms`."""
    kept = np.ones(len(x), np.bool_)
    for at in np.arange(start_ms, end_ms, every_ms):
        kept[ms(at) : ms(at + by_ms)] = False
    return np.concatenate([x[kept], np.zeros(np.count_nonzero(~kept), np.float32)])


def test_an_utterance_that_was_shortened_all_along_is_followed_piece_by_piece(tmp_path):
    question = Said(500, speech(1_000, 8))
    call = Call(
        said=[question],
        replies=[Replied(2_400, speech(900, 2))],
        mic_change=lambda x: shortened(x, 620, 1_400, 12, 160),
        hints=False,
    )
    measurement = listen(call.write(tmp_path / "c"))
    assert measurement.validity.ok
    assert measurement.turns[0].mic_end_sample == pytest.approx(ms(question.end_ms - 5 * 12), abs=15 * PER_MS)


@pytest.mark.parametrize(("cpu_percent", "named"), [(40.0, False), (100.0, True)])
def test_other_words_are_not_taken_for_a_stretched_utterance(tmp_path, cpu_percent, named):
    """And a full processor, which tears speech, is named beside it."""
    call = Call(
        cpu_percent=cpu_percent,
        said=[Said(500, speech(1_000, 8))],
        replies=[Replied(2_400, speech(900, 2))],
        mic_change=lambda x: np.concatenate([x[: ms(400)], speech(1_100, 77), x[ms(1_500) :]]),
        hints=False,
    )
    measurement = listen(call.write(tmp_path / "c"))
    assert not measurement.validity.ok
    assert "not found" in measurement.validity.reasons[0]
    assert ("the processor was full at times (CPU 100 %)" in measurement.validity.reasons[0]) == named


def test_the_same_words_twice_are_two_turns(tmp_path):
    words, answer = speech(900, 1), speech(800, 5)
    call = Call(
        said=[Said(500, words), Said(3_500, words)],
        replies=[Replied(1_900, answer), Replied(5_000, answer)],
        total_ms=7_000,
    )
    measurement = listen(call.write(tmp_path / "c"))
    assert [turn.reply_seq for turn in measurement.turns] == [0, 1]
    assert [turn.metrics["user_kpi_raw_ms"].value for turn in measurement.turns] == pytest.approx([500, 600], abs=2)
    assert measurement.metrics["user_heard_count"].value == 1
    assert measurement.validity.ok


def test_words_that_come_twice_make_the_measurement_invalid(tmp_path):
    measurement = listen(simple_call(mic_again_at_ms=3_700.0).write(tmp_path / "c"))
    assert measurement.metrics["user_heard_count"].value == 2
    assert not measurement.validity.ok
    assert "heard 2 times in mic.wav" in measurement.validity.reasons[0]


def test_a_microphone_without_the_words_gives_no_end_of_turn(tmp_path):
    other = speech(1_200, 77)
    call = simple_call(mic_change=lambda mic: np.concatenate([mic[: ms(500)] * 0, other, mic[ms(1_700) :] * 0]))
    measurement = listen(call.write(tmp_path / "c"))
    kpi = measurement.turns[0].metrics["user_kpi_raw_ms"]
    assert kpi.value is None
    assert "not found in mic.wav" in kpi.reason
    assert measurement.metrics["user_heard_count"].value == 0
    assert not measurement.validity.ok


def test_a_silent_microphone_is_named(tmp_path):
    measurement = listen(simple_call(mic_change=lambda mic: mic * 0).write(tmp_path / "c"))
    assert "mic.wav is silent from beginning to end" in measurement.turns[0].metrics["user_kpi_raw_ms"].reason


def test_a_word_said_again_is_told_from_a_loop_by_its_order(tmp_path):
    """ "What … what … what time is it": the first word is spoilt, so it is likest to itself where it comes again."""
    what, time = speech(450, 3), speech(900, 4)
    rest = np.concatenate([what, silence(60), time])
    said = [Said(500, what, is_turn=False), Said(1_550, what, is_turn=False), Said(2_600, rest)]

    def spoil_the_first(mic):
        rng = np.random.default_rng(1)
        part = slice(ms(500), ms(950))
        mic[part] += 0.9 * np.sqrt(np.mean(mic[part] ** 2)) * rng.standard_normal(ms(450)).astype(np.float32)
        return mic

    call = Call(said=said, replies=[Replied(4_500, speech(900, 9))], mic_change=spoil_the_first, hints=False)
    found = listen(call.write(tmp_path / "call"))
    assert found.validity.reasons == []
    assert found.metrics["user_heard_count"].value == 1
    assert found.turns[0].metrics["user_kpi_ms"].value == pytest.approx(4_500 - 2_600 - len(rest) / 48, abs=3)


def test_a_word_said_again_once_too_often_is_still_a_loop(tmp_path):
    what = speech(450, 3)
    said = [Said(500, what, is_turn=False), Said(1_550, what)]
    call = Call(said=said, replies=[Replied(4_500, speech(900, 9))], mic_again_at_ms=3_000, hints=False)
    assert "heard 2 times" in " ".join(listen(call.write(tmp_path / "call")).validity.reasons)
