"""What a report says of the wait behind a filler."""

from __future__ import annotations

from harness.model.measurement import Span, Turn
from reports.view.words import waited_text
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
