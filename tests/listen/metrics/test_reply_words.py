"""What a recogniser understood of a reply is held against the agent's text, and the ear against what was published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.judge.gates import evaluate, samples_of
from harness.judge.limits import of_case
from harness.judge.table import BY_ID
from harness.listen.measure import listen
from harness.listen.read.reading import read_capture
from harness.model import capture
from harness.model.case import Case
from harness.model.heard_words import HeardWords, UnderstoodSound
from harness.model.measurement import Measurement, Metric
from harness.model.status import Status
from harness.model.verdict import GateResult
from tests.listen.captures import T0_MONO_MS, Said, simple_call, speech

TEXT = "Your table for two is booked at half past seven."
WHOLE = 60 * 48_000  # a sound from the recording's beginning covers any reply


def publish(folder: Path, text: str) -> None:
    row = {"way": "stream", "speaker": "agent", "segment_id": "1", "text": text, "final": True,
           "t_first_mono_ms": T0_MONO_MS + 2_000, "t_last_mono_ms": T0_MONO_MS + 2_000}  # fmt: skip
    (folder / capture.TRANSCRIPT).write_text(json.dumps(row) + "\n")


def recognised(folder: Path, **more: Any) -> None:
    """`pre_rtc`, `post_rtc`, `ear`: what was understood there, in one sound as long as the recording."""
    texts = {name: more.pop(name) for name in ("pre_rtc", "post_rtc", "ear") if name in more}
    sounds = [UnderstoodSound(recording=name, start=0, end=WHOLE, text=text) for name, text in texts.items()]
    record = HeardWords(**{"model": "Whisper tiny.en", "language": "en", "sounds": sounds, **more})
    (folder / capture.HEARD_WORDS).write_text(record.model_dump_json())


def call(
    folder: Path, text: str = TEXT, *, expect: dict[str, Any] | None = None, lane: str = "browser", **heard: Any
) -> Path:
    made = simple_call(lane=lane, **({"case": {"expect": expect}} if expect else {})).write(folder / "c")
    if text:
        publish(made, text)
    if heard:
        recognised(made, **heard)
    return made


def metrics_of(folder: Path) -> dict[str, Metric]:
    return dict(listen(folder).turns[0].metrics)


def judged(gate_id: str, folder: Path, measurement: Measurement | None = None) -> GateResult:
    case = read_capture(folder).case
    assert isinstance(case, Case)
    gate = of_case(BY_ID[gate_id], case)
    return evaluate(gate, samples_of(gate, case, measurement or listen(folder)))


def test_a_call_that_is_understood_everywhere_passes(tmp_path: Path) -> None:
    folder = call(tmp_path, pre_rtc=TEXT, ear="Your table for 2 is booked at half past 7.")
    turn = listen(folder).turns[0]
    assert [turn.metrics[name].value for name in ("reply_wer_pre", "reply_wer_ear", "words_lost_count_ear")] == [
        0,
        0,
        0,
    ]
    assert turn.heard_as == {"pre_rtc": TEXT, "ear": "Your table for 2 is booked at half past 7."}
    assert judged("words_lost", folder).status is Status.PASS


@pytest.mark.parametrize(
    ("post", "where"),
    [
        ("Your table is booked at half past seven.", "lost in RTC (the second listener lacks it too)"),
        (TEXT, "lost at the ear (the second listener understood it)"),
        ("Your table two is booked at half past seven.", "lost in RTC in part"),
        (None, "lost on the way"),
    ],
)
def test_words_dropped_on_the_way_are_named_with_where(tmp_path: Path, post: str | None, where: str) -> None:
    heard = {"pre_rtc": TEXT, "ear": "Your table is booked at half past seven."}
    folder = call(tmp_path, **(heard | ({"post_rtc": post} if post is not None else {})))
    result = judged("words_lost", folder)
    assert (result.status, result.value) == (Status.WARN, 2)
    assert result.reason.startswith("'for', '2': ")
    assert where in result.reason
    found = metrics_of(folder)
    assert found["reply_wer_pre"].value == 0
    assert found["reply_wer_ear"].value == pytest.approx(0.2)
    assert "for 2 → nothing (on the way: 'for', '2' understood in pre_rtc.wav)" in found["reply_wer_ear"].reason


@pytest.mark.parametrize(
    ("text", "spoken", "wrong"),
    [
        ("It is half past nine.", "It is half past five.", "9 → 5"),
        ("Your code is 4721.", "Your code is four two seven one.", "4721 → 4271"),
    ],
)
def test_a_text_that_the_agent_does_not_speak_is_no_loss_and_its_words_are_named(
    tmp_path: Path, text: str, spoken: str, wrong: str
) -> None:
    folder = call(tmp_path, text, expect={"reply_wer_max": 0.0}, pre_rtc=spoken, ear=spoken)
    assert judged("words_lost", folder).status is Status.PASS
    result = judged("reply_words", folder)
    assert result.status is Status.FAIL
    assert wrong in result.reason
    assert "before RTC: pre_rtc.wav is understood in the same way" in result.reason


def test_words_that_are_misunderstood_on_both_sides_are_not_blamed_on_the_way(tmp_path: Path) -> None:
    folder = call(tmp_path, "It is half past nine.", pre_rtc="It is half past the item.", ear="It is half past iron.")
    said = metrics_of(folder)["reply_wer_ear"].reason
    assert (
        "9 → iron (no word is surely lost on the way: pre_rtc.wav is understood as 'It is half past the item.')" in said
    )


def test_the_absolute_figure_is_information_unless_the_case_asks(tmp_path: Path) -> None:
    other = "Your cable is booked at half past seven."
    folder = call(tmp_path, pre_rtc=other, ear=other)
    assert metrics_of(folder)["reply_wer_ear"].value == pytest.approx(0.3)
    case = read_capture(folder).case
    assert case is not None
    assert not BY_ID["reply_words"].scope(case)
    asked = call(tmp_path / "asked", expect={"reply_wer_max": 0.3}, pre_rtc=other, ear=other)
    assert judged("reply_words", asked).status is Status.PASS


def test_a_voice_that_is_not_understood_says_nothing_of_the_way(tmp_path: Path) -> None:
    folder = call(tmp_path, pre_rtc="Ye able fort is hooked half as heaven", ear="oh no")
    result = judged("words_lost", folder)
    assert result.status is Status.NOT_APPLICABLE
    assert "the recogniser does not understand this voice" in result.reason


def test_without_the_agents_text_the_published_sound_is_what_can_be_lost(tmp_path: Path) -> None:
    folder = call(tmp_path, "", pre_rtc=TEXT, ear="Your table for two is booked at past seven.")
    assert judged("words_lost", folder).status is Status.WARN
    assert "published no words" in metrics_of(folder)["reply_wer_ear"].reason


def test_in_the_bot_lane_the_second_listener_is_the_users_own(tmp_path: Path) -> None:
    folder = call(
        tmp_path,
        expect={"reply_wer_max": 0.0},
        lane="bot",
        pre_rtc=TEXT,
        post_rtc="Your table for two is booked at seven.",
    )
    found = metrics_of(folder)
    assert found["reply_wer"].value == pytest.approx(0.2)
    assert "lost in RTC (understood in pre_rtc.wav)" in found["words_lost_count"].reason
    assert "reply_wer_ear" not in found
    assert judged("words_lost", folder).status is Status.WARN
    assert judged("reply_words", folder).status is Status.FAIL


def test_a_reply_that_the_user_interrupts_is_not_held_to_its_text(tmp_path: Path) -> None:
    call_ = simple_call()
    reply = call_.replies[0]
    call_.said.append(Said(reply.at_ms + 500, speech(600, 77)))
    folder = call_.write(tmp_path / "c")
    publish(folder, TEXT)
    recognised(folder, pre_rtc=TEXT, ear="Your table")
    found = metrics_of(folder)
    assert found["reply_wer_ear"].value is None
    assert "interrupted" in found["words_lost_count_ear"].reason


@pytest.mark.parametrize(
    ("heard", "status", "says"),
    [
        ({}, Status.NO_DATA, "pip install 'earwitness[asr]'"),
        ({"skipped": "CTranslate2 is not installed"}, Status.NO_DATA, "CTranslate2 is not installed"),
        ({"skipped": "tiny.en understands English alone", "excluded": True}, Status.NOT_APPLICABLE, "English alone"),
        ({"pre_rtc": "", "post_rtc": ""}, Status.NO_DATA, "no reply was recognised in ear.wav"),
    ],
    ids=["never run", "skipped", "another language", "another recording"],
)
def test_where_nothing_was_recognised_the_reason_says_why(
    tmp_path: Path, heard: dict[str, Any], status: Status, says: str
) -> None:
    folder = call(tmp_path, expect={"reply_wer_max": 0.1}, **heard)
    result = judged("reply_words", folder)
    assert result.status is status
    assert says in result.reason
    assert judged("words_lost", folder).status in (Status.NOT_APPLICABLE, Status.NO_DATA)


def test_a_text_in_another_script_is_not_held_to_an_english_ear(tmp_path: Path) -> None:
    folder = call(tmp_path, "今天天气怎么样", expect={"reply_wer_max": 0.1}, pre_rtc="Jing Tian", ear="Jing Tian")
    result = judged("reply_words", folder)
    assert result.status is Status.NOT_APPLICABLE
    assert "another script" in result.reason


def test_nobody_asks_and_nothing_was_recognised(tmp_path: Path) -> None:
    assert not [name for name in metrics_of(call(tmp_path)) if name.startswith(("reply_wer", "words_lost"))]


@pytest.mark.parametrize(("heard", "statuses"), [(TEXT, ("PASS", "PASS")), ("I am sorry", ("FAIL", "FAIL"))])
def test_phrases_are_looked_for_in_what_was_understood_where_the_agent_gives_no_text(
    tmp_path: Path, heard: str, statuses: tuple[str, str]
) -> None:
    expect = {"says": ["table for two"], "never_says": ["I am sorry"]}
    folder = call(tmp_path, "", expect=expect, pre_rtc=TEXT, ear=heard)
    assert (judged("says", folder).status.value, judged("never_says", folder).status.value) == statuses
    assert "in what a recogniser understood in ear.wav" in metrics_of(folder)["phrases_missing_count"].reason


def test_the_agents_own_text_comes_first(tmp_path: Path) -> None:
    folder = call(tmp_path, expect={"says": ["table for two"]}, pre_rtc="Hello.", ear="Hello.")
    assert judged("says", folder).status is Status.PASS
    assert metrics_of(folder)["phrases_missing_count"].reason == "looked for in the agent's own text"


def test_without_either_there_is_no_data_and_both_are_named(tmp_path: Path) -> None:
    result = judged("says", call(tmp_path, "", expect={"says": ["table"]}))
    assert result.status is Status.NO_DATA
    assert "published no words" in result.reason
    assert "no recogniser heard this call" in result.reason


def test_a_record_of_another_version_is_named_and_costs_only_the_words(tmp_path: Path) -> None:
    folder = call(tmp_path, pre_rtc=TEXT, ear=TEXT)
    (folder / capture.HEARD_WORDS).write_text('{"v": 2}')
    assert capture.HEARD_WORDS in read_capture(folder).missing
    assert "reply_wer_ear" not in metrics_of(folder)


def test_one_figure_is_allowed_for_all_turns_of_a_case() -> None:
    with pytest.raises(ValueError, match="reply_wer_max is one figure"):
        Case.model_validate(
            {"id": "x", "title": "x", "tier": "P0", "expect": [{"reply_wer_max": 0.1}, {"reply_wer_max": 0.2}],
             "speech": {"utterances": [{"parts": [{"say": "x"}]}]}}
        )  # fmt: skip
