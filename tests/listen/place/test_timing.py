"""When the agent answered, and what came before the answer."""

import json

import numpy as np
import pytest

from harness.listen.measure import listen
from harness.model.events import ReplyCause
from harness.model.status import CaptureStatus
from tests.listen.captures import PER_MS, Call, Replied, Said, identity, ms, silence, simple_call, speech, stretch


def metrics_of(call, folder, turn=0):
    return listen(call.write(folder)).turns[turn].metrics


@pytest.mark.parametrize("kpi_ms", [210, 333.3, 450, 901, 2_500])
def test_a_known_delay_is_measured_within_two_milliseconds(tmp_path, kpi_ms):
    metrics = metrics_of(simple_call(kpi_ms), tmp_path / "c")
    for name in ("user_kpi_raw_ms", "user_kpi_ms", "eot_to_first_audio_ms"):
        assert metrics[name].value == pytest.approx(kpi_ms, abs=2)
        assert metrics[name].uncertainty < 5
    assert metrics["ear_vs_probe_kpi_delta_ms"].value == pytest.approx(0, abs=1)
    assert metrics["kpi_plausible"].value == 1


def test_the_bot_lane_measures_at_the_probe_alone(tmp_path):
    metrics = metrics_of(simple_call(450, lane="bot"), tmp_path / "c")
    assert metrics["eot_to_first_audio_ms"].value == pytest.approx(450, abs=2)
    for name in ("user_kpi_raw_ms", "user_kpi_ms", "max_gap_ear_ms", "clipping_ratio_ear"):
        assert metrics[name].not_applicable
        assert "browser lane" in metrics[name].reason


def test_talk_over_is_raw_negative_clamped_to_zero_and_counted(tmp_path):
    measurement = listen(simple_call(-300).write(tmp_path / "c"))
    metrics = measurement.turns[0].metrics
    assert metrics["user_kpi_raw_ms"].value == pytest.approx(-300, abs=2)
    assert metrics["user_kpi_ms"].value == 0
    assert metrics["talk_over_ms"].value == pytest.approx(300, abs=2)
    assert measurement.metrics["talk_over_count"].value == 1


def test_without_talk_over_there_is_no_number_but_a_reason(tmp_path):
    talk_over = metrics_of(simple_call(450), tmp_path / "c")["talk_over_ms"]
    assert talk_over.value is None
    assert talk_over.reason


def test_no_reply_has_a_turn_without_a_kpi(tmp_path):
    call = Call(said=[Said(500, speech(1_200, 1))], status=CaptureStatus.REPLY_TIMEOUT)
    measurement = listen(call.write(tmp_path / "c"))
    [turn] = measurement.turns
    assert turn.utterance == 0
    assert turn.metrics["user_kpi_raw_ms"].value is None
    assert "no sound of the agent" in turn.metrics["user_kpi_raw_ms"].reason
    assert measurement.metrics["reply_count"].value == 0
    assert measurement.metrics["expected_reply_count"].value == 1


def test_sound_where_no_reply_is_due_is_unexpected(tmp_path):
    call = Call(
        replies=[Replied(1_500, speech(900, 3))],
        case={"expect_reply": False},
        status=CaptureStatus.NO_REPLY_EXPECTED,
    )
    measurement = listen(call.write(tmp_path / "c"))
    assert measurement.metrics["unexpected_onset_count"].value == 1
    assert measurement.metrics["expected_reply_count"].value == 0
    assert measurement.turns[0].utterance is None
    assert measurement.capture_status == CaptureStatus.NO_REPLY_EXPECTED


def test_silence_where_no_reply_is_due_is_in_order(tmp_path):
    call = Call(case={"expect_reply": False}, status=CaptureStatus.NO_REPLY_EXPECTED)
    measurement = listen(call.write(tmp_path / "c"))
    assert measurement.metrics["unexpected_onset_count"].value == 0
    assert measurement.turns == []
    assert measurement.validity.ok


def test_sound_before_the_user_spoke_is_unexpected(tmp_path):
    call = Call(
        said=[Said(3_000, speech(900, 1))], replies=[Replied(500, speech(900, 3)), Replied(4_400, speech(900, 4))]
    )
    measurement = listen(call.write(tmp_path / "c"))
    assert measurement.metrics["unexpected_onset_count"].value == 1
    assert [(turn.reply_seq, turn.utterance) for turn in measurement.turns] == [(1, 0), (0, None)]


def barge_in(cut_ms: float = 1_700, second_reply_at_ms: float = 4_700) -> Call:
    return Call(
        said=[Said(500, speech(1_200, 1)), Said(3_500, speech(700, 4))],
        replies=[Replied(2_200, speech(4_000, 5), cut_ms=cut_ms), Replied(second_reply_at_ms, speech(900, 6))],
        case={"interrupts": True},
    )


def test_barge_in_is_measured_from_the_users_first_sample_to_the_agents_last(tmp_path):
    measurement = listen(barge_in().write(tmp_path / "c"))
    first, second = measurement.turns
    assert "barge_in_to_silence_ms" not in first.metrics
    assert second.metrics["barge_in_to_silence_ms"].value == pytest.approx(400, abs=3)
    assert second.metrics["user_kpi_raw_ms"].value == pytest.approx(500, abs=2)
    assert measurement.metrics["talk_over_count"].value == 0
    assert measurement.metrics["reply_count"].value == 2


def test_an_interrupted_reply_is_not_full_of_holes(tmp_path):
    first = listen(barge_in().write(tmp_path / "c")).turns[0]
    assert first.metrics["reply_ms"].value == pytest.approx(1_700, abs=3)
    assert first.metrics["dropout_count"].value == 0
    assert first.metrics["audio_valid"].value == 1


def test_an_answer_right_after_the_cut_is_a_reply_of_its_own(tmp_path):
    second = listen(barge_in(cut_ms=2_450, second_reply_at_ms=4_750).write(tmp_path / "c")).turns[1]
    assert second.metrics["barge_in_to_silence_ms"].value == pytest.approx(1_150, abs=3)
    assert second.metrics["user_kpi_raw_ms"].value == pytest.approx(550, abs=2)


def test_an_agent_that_does_not_stop_is_heard_to_its_end(tmp_path):
    call = Call(
        said=[Said(500, speech(1_200, 1)), Said(3_500, speech(700, 4))],
        replies=[Replied(2_200, speech(3_000, 5))],
        case={"interrupts": True},
    )
    last = listen(call.write(tmp_path / "c")).turns[1]
    assert last.metrics["barge_in_to_silence_ms"].value == pytest.approx(1_700, abs=3)
    assert last.metrics["user_kpi_raw_ms"].value is None


PAUSED = ((600.0, 900.0),)


def mid_pause(*replies: Replied) -> Call:
    question = Said(500, speech(1_500, 8, pauses=PAUSED), pauses=PAUSED)
    return Call(said=[question], replies=list(replies), case={"talk_over_allowed": True})


def test_after_a_pause_the_answer_to_the_whole_counts(tmp_path):
    measurement = listen(mid_pause(Replied(2_500, speech(900, 6))).write(tmp_path / "c"))
    assert measurement.turns[0].metrics["user_kpi_raw_ms"].value == pytest.approx(500, abs=2)
    assert measurement.metrics["talk_over_count"].value == 0
    assert measurement.metrics["replies_complete_after_final_eot"].value == 1


def test_an_onset_in_the_pause_is_talk_over_and_not_hidden(tmp_path):
    call = mid_pause(Replied(1_450, speech(2_900, 9), cut_ms=200), Replied(2_500, speech(900, 6)))
    measurement = listen(call.write(tmp_path / "c"))
    answer, other = measurement.turns
    assert answer.reply_seq == 1
    assert answer.metrics["user_kpi_raw_ms"].value == pytest.approx(500, abs=2)
    assert answer.metrics["talk_over_ms"].value == pytest.approx(550, abs=3)
    assert (other.reply_seq, other.utterance) == (0, None)
    assert "user_kpi_raw_ms" not in other.metrics
    assert measurement.metrics["talk_over_count"].value == 1
    assert measurement.metrics["replies_complete_after_final_eot"].value == 1


def test_a_reply_that_is_said_anew_right_after_it_was_cut_is_two_replies(tmp_path):
    words = speech(1_900, 9)

    def rough(x):  # so that the syllable fits the beginning of the second reply better than where it is
        return (x + 0.02 * np.random.default_rng(3).standard_normal(len(x))).astype(np.float32)

    syllable = Replied(1_450, words[: ms(110)], cause=ReplyCause.INTERRUPTED, at_ear=rough, at_probe=rough)
    call = mid_pause(syllable, Replied(2_450, words))
    measurement = listen(call.write(tmp_path / "c"))
    assert measurement.metrics["foreign_sound_count"].value == 0
    assert {turn.reply_seq: turn.spans["ear"].start for turn in measurement.turns} == {
        0: pytest.approx(ms(1_450), abs=5 * PER_MS),
        1: pytest.approx(ms(2_450), abs=5 * PER_MS),
    }


def test_a_short_reply_that_was_torn_is_not_taken_for_a_syllable_of_the_next(tmp_path):
    words = speech(1_900, 9)[: ms(390)]

    def torn(x):  # a jitter buffer that catches up in the first words, as a second listener's does early in a call
        for at_ms in (45, 95, 150):
            x = stretch(x, at_ms, -9)
        return x

    again = np.concatenate([speech(500, 6), silence(30), words[ms(20) : ms(150)], silence(30), speech(300, 7)])
    first = Replied(1_450, words, cause=ReplyCause.INTERRUPTED, at_probe=torn)
    measurement = listen(mid_pause(first, Replied(2_500, again)).write(tmp_path / "c"))
    places = {turn.reply_seq: turn.spans["post_rtc"].start for turn in measurement.turns}
    assert places[0] < places[1]
    assert places[1] - places[0] == pytest.approx(ms(2_500 - 1_450), abs=ms(30))
    assert all(turn.metrics["audio_valid"].value == 1 for turn in measurement.turns)


def test_the_same_words_said_again_and_again_are_each_found_in_their_own_place(tmp_path):
    """An agent that has one answer: what comes a turn later fits as well as the reply itself, by chance even better."""
    words = speech(1_000, 9)
    begins_ms = (500, 3_000, 5_500)

    def worn(x):
        return x + 0.004 * np.random.default_rng(1).standard_normal(len(x)).astype(np.float32)

    replies = [Replied(at + 1_100, words, at_probe=worn if at < 5_000 else identity) for at in begins_ms]
    call = Call(said=[Said(at, speech(700, at)) for at in begins_ms], replies=replies, lane="bot", total_ms=8_500)
    measurement = listen(call.write(tmp_path / "c"))
    assert [(turn.reply_seq, turn.utterance) for turn in measurement.turns] == [(0, 0), (1, 1), (2, 2)]
    for turn in measurement.turns:
        assert turn.metrics["eot_to_first_audio_ms"].value == pytest.approx(400, abs=3)
        assert turn.metrics["audio_valid"].value == 1
        assert turn.metrics["identity"].value > 0.9


def test_an_interrupted_answer_is_not_complete(tmp_path):
    call = mid_pause(Replied(2_500, speech(1_900, 6), cut_ms=600))
    assert listen(call.write(tmp_path / "c")).metrics["replies_complete_after_final_eot"].value == 0


def test_a_turn_without_a_reply_is_unanswered_however_many_replies_another_got(tmp_path):
    call = Call(
        said=[Said(500, speech(1_200, 1)), Said(5_000, speech(700, 4))],
        replies=[Replied(2_200, speech(600, 5)), Replied(4_000, speech(600, 6))],
        total_ms=8_000,
    )
    metrics = listen(call.write(tmp_path / "c")).metrics
    assert metrics["reply_count"].value == metrics["expected_reply_count"].value == 2
    assert metrics["unanswered_turn_count"].value == 1


@pytest.mark.parametrize(
    "call",
    [barge_in(), mid_pause(Replied(1_450, speech(2_900, 9), cut_ms=200), Replied(2_500, speech(900, 6)))],
    ids=["barge-in", "mid-pause"],
)
def test_an_interrupted_reply_is_a_reply(tmp_path, call):
    assert listen(call.write(tmp_path / "c")).metrics["unanswered_turn_count"].value == 0


def test_a_sound_that_the_agent_knows_nothing_of_answers_no_turn(tmp_path):
    call = Call(
        said=[Said(500, speech(1_200, 1)), Said(3_500, speech(700, 4))],
        replies=[Replied(2_200, speech(600, 5)), Replied(4_700, speech(600, 77), told=False)],
    )
    assert listen(call.write(tmp_path / "c")).metrics["unanswered_turn_count"].value == 1


def test_a_turn_that_is_not_found_leaves_it_open_whether_it_was_answered(tmp_path):
    call = simple_call(450, mic_change=lambda mic: mic * 0)
    unanswered = listen(call.write(tmp_path / "c")).metrics["unanswered_turn_count"]
    assert unanswered.value is None
    assert unanswered.reason


def test_a_backchannel_is_no_turn(tmp_path):
    call = Call(
        said=[Said(500, speech(1_200, 1)), Said(3_000, speech(300, 4), is_turn=False)],
        replies=[Replied(2_200, speech(2_500, 5))],
    )
    measurement = listen(call.write(tmp_path / "c"))
    assert len(measurement.turns) == 1
    assert measurement.metrics["expected_reply_count"].value == 1
    assert measurement.metrics["talk_over_count"].value == 0


def test_a_sound_that_is_no_reply_is_not_taken_for_the_answer(tmp_path):
    call = Call(
        said=[Said(500, speech(1_200, 1))],
        replies=[Replied(2_000, speech(250, 77), told=False), Replied(2_600, speech(1_500, 6))],
    )
    measurement = listen(call.write(tmp_path / "c"))
    kpi = measurement.turns[0].metrics["user_kpi_raw_ms"]
    assert kpi.invalid
    assert "none of the agent's replies" in kpi.reason
    assert measurement.metrics["unexplained_onset_count"].value == 1


def test_the_waterfall_explains_the_kpi_step_by_step(tmp_path):
    turn = listen(simple_call(450).write(tmp_path / "c")).turns[0]
    steps = {step.name: step.ms for step in turn.waterfall}
    assert next(iter(steps)) == "speech end → agent heard it"
    assert list(steps)[-1] == "unexplained"
    assert steps["hangover → VAD decided"] == 200
    assert steps["received"] == pytest.approx(80, abs=1)
    assert steps["leading silence → audible"] == pytest.approx(12, abs=1)
    assert steps["unexplained"] == pytest.approx(0, abs=2)
    assert sum(steps.values()) == pytest.approx(turn.metrics["user_kpi_raw_ms"].value, abs=0.01)
    assert turn.metrics["unexplained_ms"].value == steps["unexplained"]


def test_the_agents_own_times_are_taken_from_its_trace(tmp_path):
    metrics = metrics_of(simple_call(450), tmp_path / "c")
    assert metrics["tts_first_to_publish_ms"].value == 1
    assert metrics["fast_ttft_ms"].value == 10
    assert metrics["effective_hangover_ms"].value == 200
    assert metrics["eot_error_ms"].value == pytest.approx(45, abs=1)
    assert metrics["reply_lag_ms"].value == pytest.approx(80, abs=1)


def test_work_that_was_done_ahead_costs_the_user_nothing_but_is_still_timed(tmp_path):
    folder = simple_call(450).write(tmp_path / "c")
    path = folder / "agent_trace.jsonl"
    line = json.loads(path.read_text())
    for name, back_ms in (
        ("stt_done", 130),
        ("llm_first_token", 120),
        ("llm_first_segment", 110),
        ("tts_first_pcm", 100),
    ):
        line["t"][name] = line["t"]["vad_end"] - back_ms
    path.write_text(json.dumps({**line, "prepared": True}) + "\n")
    turn = listen(folder).turns[0]
    steps = {step.name: step.ms for step in turn.waterfall}
    ahead = ("STT", "first token", "first segment", "TTS first PCM")
    assert [steps[name] for name in ahead] == [0, 0, 0, 0]
    assert steps["published"] == pytest.approx(line["t"]["first_publish"] - line["t"]["vad_end"])
    assert steps["unexplained"] == pytest.approx(0, abs=2)
    assert turn.metrics["fast_ttft_ms"].value == pytest.approx(10)
    assert turn.metrics["tts_first_to_publish_ms"].value == pytest.approx(steps["published"])


def test_times_of_another_clock_are_not_subtracted(tmp_path):
    call = simple_call(450, timeline={"clock_id": "mono:another-host"})
    turn = listen(call.write(tmp_path / "c")).turns[0]
    assert turn.metrics["unexplained_ms"].value is None
    assert "clock" in turn.metrics["unexplained_ms"].reason
    assert turn.metrics["user_kpi_raw_ms"].value == pytest.approx(450, abs=2)


@pytest.mark.parametrize(("seed", "gap_ms"), [(2, 10.7), (12, 10.7), (14, 10.7), (2, 20), (12, 20)])
def test_a_first_packet_that_is_heard_ahead_of_a_gap_is_received_when_it_is_heard(tmp_path, seed, gap_ms):
    """The first 20 ms come in time, then something faint, and what follows a little later, with all the windows of the lag."""

    def first_packet_alone(x):
        return np.concatenate([x[: ms(20)], 0.1 * x[ms(20 - gap_ms) : ms(20)], x[ms(20) :]])

    call = simple_call(450, sound=speech(1_600, seed), at_ear=first_packet_alone, at_probe=first_packet_alone)
    turn = listen(call.write(tmp_path / "c")).turns[0]
    assert turn.metrics["user_kpi_raw_ms"].value == pytest.approx(450, abs=3)
    assert turn.metrics["unexplained_ms"].value == pytest.approx(0, abs=2)
