"""The turns of an agent that tells nothing of itself: which sound is which reply, at every listener."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.listen.measure import listen
from harness.model.capture import AgentUnderTest
from harness.model.measurement import Measurement, Turn
from tests.listen.captures import T0_MONO_MS, Call, Replied, Said, Samples, hole, ms, silence, speech

STRANGER = AgentUnderTest(kind="command")
QUESTION = Said(4_000.0, speech(1_200, 1))
ANSWER = Replied(QUESTION.end_ms + 600, speech(1_600, 2), told=False)


def call(*replies: Replied, **changes: Any) -> Call:
    told_nothing = [replace(reply, told=False) for reply in replies]
    made = Call(said=[QUESTION], replies=told_nothing, agent=STRANGER, pre=False, trace=False, total_ms=14_000.0)
    return replace(made, **changes)


def heard(folder: Path, made: Call) -> Measurement:
    return listen(made.write(folder / "capture"))


def value(turn: Turn, metric: str) -> float | None:
    return turn.metrics[metric].value


def counts(measurement: Measurement) -> dict[str, float | None]:
    names = ("reply_count", "unanswered_turn_count", "replies_complete_after_final_eot", "talk_over_count")
    return {name: measurement.metrics[name].value for name in names}


ONE_ANSWER = {
    "unanswered_turn_count": 0.0, "replies_complete_after_final_eot": 1.0, "talk_over_count": 0.0,
}  # fmt: skip


@pytest.mark.parametrize("at_ms", [200.0, 1_000.0])
def test_a_greeting_is_heard_at_both_listeners(tmp_path: Path, at_ms: float) -> None:
    measurement = heard(tmp_path, call(Replied(at_ms, speech(1_500, 3)), ANSWER))
    answer, greeting = measurement.turns
    assert (answer.utterance, greeting.utterance) == (0, None)
    assert {"ear", "post_rtc"} <= greeting.spans.keys()
    assert value(greeting, "audio_valid") == value(answer, "audio_valid") == 1
    assert value(answer, "user_kpi_ms") == pytest.approx(600, abs=5)
    assert value(answer, "eot_to_first_audio_ms") == pytest.approx(600, abs=5)
    assert counts(measurement) == ONE_ANSWER | {"reply_count": 2.0}


def test_a_greeting_with_an_inner_pause_is_one_reply(tmp_path: Path) -> None:
    measurement = heard(tmp_path, call(Replied(300, speech(900, 3)), Replied(2_500, speech(700, 4)), ANSWER))
    _answer, greeting = measurement.turns
    assert greeting.utterance is None
    assert value(greeting, "reply_ms") == pytest.approx(1_600, abs=10)
    assert counts(measurement) == ONE_ANSWER | {"reply_count": 2.0}


@pytest.mark.parametrize("pause_ms", [940.0, 1_060.0, 1_300.0])
def test_a_pause_that_the_listeners_group_differently_is_paired_all_the_same(tmp_path: Path, pause_ms: float) -> None:
    """At the ear the jitter buffer has made the pause 100 ms longer than at the second listener."""
    first, second = speech(900, 3), speech(800, 4)
    whole = np.concatenate([first, silence(pause_ms), second])

    def stretched(sound: Samples) -> Samples:
        middle = ms(900 + pause_ms / 2)
        return np.concatenate([sound[:middle], silence(100), sound[middle:]])

    reply = Replied(ANSWER.at_ms, whole, at_ear=stretched)
    measurement = heard(tmp_path, call(reply))
    (turn,) = measurement.turns
    assert counts(measurement) == ONE_ANSWER | {"reply_count": 1.0}
    for ring in ("ear", "post_rtc"):
        longer = 100 if ring == "ear" else 0
        length_ms = (turn.spans[ring].end - turn.spans[ring].start) / 48
        assert length_ms == pytest.approx(1_700 + pause_ms + longer, abs=10)


def test_a_filler_a_tool_call_and_the_answer_are_one_reply_dated_by_its_first_sound(tmp_path: Path) -> None:
    filler = Replied(QUESTION.end_ms + 500, speech(1_200, 5))
    answer = Replied(filler.at_ms + 1_200 + 4_000, speech(2_000, 6))
    measurement = heard(tmp_path, call(filler, answer, total_ms=16_000.0))
    (turn,) = measurement.turns
    assert value(turn, "user_kpi_ms") == pytest.approx(500, abs=5)
    assert value(turn, "reply_ms") == pytest.approx(3_200, abs=20)
    assert measurement.happenings == ["reply 0 came in 2 parts, with 4.0 s of silence between them"]
    assert counts(measurement) == ONE_ANSWER | {"reply_count": 1.0}


def test_a_second_turn_has_its_own_answer_after_a_filler_in_the_first(tmp_path: Path) -> None:
    filler = Replied(QUESTION.end_ms + 500, speech(600, 5))
    answer = Replied(filler.at_ms + 2_500, speech(1_000, 6))
    again = Said(answer.at_ms + 1_800, speech(900, 7))
    last = Replied(again.end_ms + 700, speech(1_000, 8))
    measurement = heard(tmp_path, call(filler, answer, last, said=[QUESTION, again], total_ms=18_000.0))
    assert [value(turn, "user_kpi_ms") for turn in measurement.turns] == [
        pytest.approx(500, abs=5),
        pytest.approx(700, abs=5),
    ]
    assert counts(measurement) == ONE_ANSWER | {"reply_count": 2.0}


def test_a_second_listener_that_joined_in_mid_greeting_has_its_end(tmp_path: Path) -> None:
    def late(sound: Samples) -> Samples:
        return np.concatenate([silence(700), sound[ms(700) :]])

    measurement = heard(tmp_path, call(Replied(300, speech(1_500, 3), at_probe=late), ANSWER))
    greeting = measurement.turns[1]
    assert value(greeting, "audio_valid") == 1
    assert (greeting.spans["post_rtc"].end - greeting.spans["post_rtc"].start) / 48 == pytest.approx(800, abs=10)


def test_a_second_listener_that_joined_after_the_greeting_is_no_fault_of_the_agent(tmp_path: Path) -> None:
    made = call(Replied(300, speech(900, 3), at_probe=np.zeros_like), ANSWER)
    folder = made.write(tmp_path / "capture")
    arrivals = np.load(folder / "arrivals.npy")
    np.save(folder / "arrivals.npy", arrivals[arrivals[:, 1] > ms(1_800)])
    measurement = listen(folder)
    greeting = measurement.turns[1]
    assert value(greeting, "audio_valid") == 1
    assert "clipping_ratio" not in greeting.metrics


@pytest.mark.parametrize("lost", ["greeting", "answer"])
def test_what_one_listener_lacks_though_it_was_there_is_a_defect(tmp_path: Path, lost: str) -> None:
    nothing: Callable[[Samples], Samples] = np.zeros_like
    greeting = Replied(500, speech(1_500, 3))
    replies = {"greeting": greeting, "answer": ANSWER}
    replies[lost] = replace(replies[lost], at_probe=nothing)
    measurement = heard(tmp_path, call(*replies.values()))
    answer, hello = measurement.turns
    without, whole = (hello, answer) if lost == "greeting" else (answer, hello)
    assert value(without, "audio_valid") == 0
    assert without.metrics["audio_valid"].reason == "the reply is not heard in post_rtc.wav"
    assert value(whole, "audio_valid") == 1


def test_a_hole_at_one_listener_leaves_the_reply_one(tmp_path: Path) -> None:
    reply = replace(ANSWER, sound=speech(4_000, 2), at_ear=lambda sound: hole(sound, 1_000, 1_500))
    measurement = heard(tmp_path, call(reply))
    (turn,) = measurement.turns
    assert (turn.spans["post_rtc"].end - turn.spans["post_rtc"].start) / 48 == pytest.approx(4_000, abs=10)
    assert value(turn, "reply_ms") == pytest.approx(2_500, abs=20)


def test_what_only_the_second_listener_has_is_a_turn_that_the_ear_lacks(tmp_path: Path) -> None:
    folder = call(Replied(500, speech(1_500, 3), at_ear=np.zeros_like), ANSWER).write(tmp_path / "capture")
    receiving = {"type": "inbound-rtp", "kind": "audio", "packetsReceived": 5}
    (folder / "rtc_stats.jsonl").write_text(json.dumps({"t_mono_ms": T0_MONO_MS, "reports": [receiving]}) + "\n")
    answer, hello = listen(folder).turns
    assert (answer.utterance, hello.utterance) == (0, None)
    assert hello.spans.keys() == {"post_rtc"}
    assert hello.metrics["reply_ms"].reason == "the reply is not heard in ear.wav"


def test_a_start_that_hangs_on_the_end_of_a_reply_in_parts_counts_from_its_last_part(tmp_path: Path) -> None:
    filler = Replied(QUESTION.end_ms + 500, speech(600, 5))
    answer = Replied(filler.at_ms + 2_500, speech(1_000, 6))
    again = Said(answer.at_ms + 1_800, speech(900, 7), after="reply_end", window_ms=(500, 1_200))
    last = Replied(again.end_ms + 700, speech(1_000, 8))
    made = call(filler, answer, last, said=[QUESTION, again], total_ms=18_000.0, mic_mode="device")
    assert heard(tmp_path, made).validity.ok


STRANGERS = {
    "answers": call(ANSWER),
    "greets": call(Replied(200, speech(1_500, 3)), ANSWER),
    "greets with a pause": call(Replied(300, speech(900, 3)), Replied(2_500, speech(700, 4)), ANSWER),
    "fills, waits, answers": call(
        Replied(QUESTION.end_ms + 500, speech(1_200, 5)), Replied(QUESTION.end_ms + 5_700, speech(1_500, 6))
    ),
    "speaks into the turn": call(Replied(QUESTION.at_ms + 400, speech(500, 7)), ANSWER),
    "says nothing": call(),
    "answers at once": call(Replied(QUESTION.end_ms + 60, speech(900, 8))),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_both_lanes_count_alike(tmp_path: Path, name: str) -> None:
    browser, bot = (heard(tmp_path / lane, replace(STRANGERS[name], lane=lane)) for lane in ("browser", "bot"))
    assert counts(browser) == counts(bot)
    assert browser.metrics["unexpected_onset_count"] == bot.metrics["unexpected_onset_count"]
    assert [(turn.utterance, turn.greeting) for turn in browser.turns] == [
        (turn.utterance, turn.greeting) for turn in bot.turns
    ]
    for ours, theirs in zip(browser.turns, bot.turns, strict=True):
        assert value(ours, "audio_valid") == value(theirs, "audio_valid")
        for metric in ("eot_to_first_audio_ms", "reply_ms"):
            if metric in ours.metrics and value(ours, metric) is not None:
                assert value(ours, metric) == pytest.approx(value(theirs, metric), abs=5)
                assert ours.metrics[metric].invalid == theirs.metrics[metric].invalid
