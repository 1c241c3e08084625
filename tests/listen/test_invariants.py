"""What must hold whatever the sound: gain, delay and padding change no number they should not change."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.listen.measure import listen
from tests.listen.captures import Call, Replied, Said, hole, speech

EXAMPLES = settings(max_examples=12, deadline=None, derandomize=True)


def measured(call: Call) -> dict[str, float | None]:
    with tempfile.TemporaryDirectory() as folder:
        turn = listen(call.write(Path(folder) / "c")).turns[0]
    return {name: metric.value for name, metric in turn.metrics.items()}


def call_with(kpi_ms: float = 450, **reply: object) -> Call:
    question = Said(500, speech(800, 1))
    return Call(said=[question], replies=[Replied(question.end_ms + kpi_ms, speech(1_200, 2), **reply)], total_ms=4_500)


@EXAMPLES
@given(kpi_ms=st.floats(-500, 1_200))
def test_a_later_reply_is_later_by_as_much(kpi_ms):
    assert measured(call_with(kpi_ms))["user_kpi_raw_ms"] == pytest.approx(kpi_ms, abs=2)


@EXAMPLES
@given(gain_db=st.floats(-10, 6))
def test_gain_at_the_ear_changes_neither_timing_nor_holes(gain_db):
    gain = 10 ** (gain_db / 20)
    metrics = measured(call_with(at_ear=lambda x: hole(x, 500, 80) * gain))
    assert metrics["user_kpi_raw_ms"] == pytest.approx(450, abs=3)
    assert metrics["dropout_count_ear"] == 1
    assert metrics["max_gap_ear_ms"] == pytest.approx(80, abs=12)


@EXAMPLES
@given(padding_ms=st.integers(0, 3_000), earlier_ms=st.floats(0, 400))
def test_silence_before_and_after_changes_nothing(padding_ms, earlier_ms):
    reference = measured(call_with())
    call = call_with()
    moved = Call(
        said=[Said(call.said[0].at_ms + earlier_ms, call.said[0].sound)],
        replies=[Replied(call.replies[0].at_ms + earlier_ms, call.replies[0].sound)],
        total_ms=call.total_ms + 500 + padding_ms,
    )
    metrics = measured(moved)
    assert metrics.keys() == reference.keys()
    for name in ("user_kpi_raw_ms", "eot_to_first_audio_ms", "reply_ms", "max_gap_ms", "identity"):
        assert metrics[name] == pytest.approx(reference[name], abs=1)


@EXAMPLES
@given(at_ms=st.floats(100, 900), length_ms=st.floats(60, 200))
def test_a_hole_is_never_read_much_longer_than_it_is(at_ms, length_ms):
    metrics = measured(call_with(at_probe=lambda x: hole(x, at_ms, length_ms)))
    assert metrics["max_gap_ms"] <= length_ms + 12
    assert metrics["max_gap_ear_ms"] == 0
