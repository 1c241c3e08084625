"""What a report says of the wait behind a filler."""

from __future__ import annotations

from harness.model.measurement import Span, Turn
from reports.view.words import heard_as_text, waited_text
from tests.judge.canned import measurement, metric


def turn(**values: float) -> Turn:
    (made,) = measurement().turns
    metrics = made.metrics | {name: metric(value) for name, value in values.items()}
    return made.model_copy(update={"metrics": metrics, "spans": {"ear": Span(start=0, end=48_000)}})


def test_the_wait_for_the_answer_is_told_where_a_filler_came_before_it() -> None:
    found = waited_text(turn(time_to_answer_ms=5_906, user_kpi_raw_ms=606, dead_air_longest_ms=4_001))
    assert found == "the answer came after 5.9 s, behind other sound; the longest silence lasted 4.0 s"


def test_where_the_first_sound_begins_the_answer_nothing_more_is_said() -> None:
    assert waited_text(turn(time_to_answer_ms=606, user_kpi_raw_ms=606, dead_air_longest_ms=606)) == ""
    assert waited_text(turn(user_kpi_raw_ms=606)) == ""


def heard(text: str, wer: float, lost: float, reason: str = "") -> Turn:
    metrics = {"reply_wer_ear": metric(wer), "words_lost_count_ear": metric(lost, reason=reason)}
    return turn().model_copy(update={"metrics": metrics, "heard_as": {"pre_rtc": "It is half past nine.", "ear": text}})


def test_what_a_listener_understands_is_told_where_it_differs() -> None:
    lost = "'half': lost at the ear (the second listener understood it)"
    assert heard_as_text(heard("It is past nine.", 0.2, 1, f"{lost}; understood: 'It is past nine.'")) == (
        "as it was published: It is half past nine.",
        "at the ear: It is past nine.",
        lost,
    )
    assert heard_as_text(heard("", 1.0, 0))[1] == "at the ear: nothing"


def test_where_everything_is_understood_nothing_is_told() -> None:
    assert heard_as_text(heard("It is half past 9.", 0.0, 0)) == ()
    assert heard_as_text(turn()) == ()
