"""Silences while it is the agent's turn, and when the answer comes: with and without a filler, at the user's own listener."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.judge.gates import evaluate, samples_of
from harness.judge.table import BY_ID
from harness.listen.measure import listen
from harness.listen.metrics.dead_air import find_dead_air
from harness.listen.place.onset import Sound
from harness.listen.read.reading import read_capture
from harness.model.capture import AgentUnderTest
from harness.model.case import Case
from harness.model.measurement import Measurement
from harness.model.status import Status
from tests.listen.captures import Call, Replied, Said, speech

WITHIN_MS = 8.0
QUESTION = Said(500.0, speech(1_200, 1))


def sounds(*spans_ms: tuple[float, float]) -> list[Sound]:
    return [Sound(round(start * 48), round(end * 48)) for start, end in spans_ms]


def test_one_answer_is_its_own_wait() -> None:
    found = find_dead_air(0, sounds((600, 2_000), (2_300, 3_000)))
    assert found is not None
    assert (found.longest_ms, found.total_ms, found.answer_ms) == (600, 600, 600)


def test_behind_a_filler_the_answer_is_what_follows_the_last_long_silence() -> None:
    found = find_dead_air(0, sounds((300, 1_500), (5_500, 8_000), (8_600, 9_000)))
    assert found is not None
    assert (found.longest_ms, found.total_ms, found.answer_ms) == (4_000, 4_600, 5_500)


def test_a_click_at_the_end_is_no_answer() -> None:
    found = find_dead_air(0, sounds((300, 1_500), (5_500, 8_000), (12_000, 12_020)))
    assert found is not None
    assert found.answer_ms == 5_500
    assert found.longest_ms == 4_000


def test_the_answer_begins_with_its_first_word_where_that_is_known() -> None:
    found = find_dead_air(0, sounds((300, 2_500)), [(900 * 48)])
    assert found is not None
    assert (found.longest_ms, found.answer_ms) == (300, 900)
    assert find_dead_air(0, []) is None


def call(told: bool, lane: str, **case: object) -> Call:
    """A filler after 400 ms, and the answer 4 s after its end."""
    filler = Replied(QUESTION.end_ms + 400, speech(1_200, 5), told=told)
    answer = Replied(filler.at_ms + 1_200 + 4_000, speech(2_000, 6), told=told)
    made = Call(said=[QUESTION], replies=[filler, answer], lane=lane, total_ms=16_000.0, case=case)
    return made if told else replace(made, agent=AgentUnderTest(kind="command"), pre=False, trace=False)


def measured(folder: Path, made: Call) -> tuple[Measurement, Case]:
    path = made.write(folder / "c")
    case = read_capture(path).case
    assert case is not None
    return listen(path), case


@pytest.mark.parametrize("lane", ["browser", "bot"])
@pytest.mark.parametrize("told", [True, False])
def test_in_a_call_a_filler_ends_the_wait_and_is_no_answer(told: bool, lane: str, tmp_path: Path) -> None:
    measurement, _ = measured(tmp_path, call(told, lane))
    turn = next(turn for turn in measurement.turns if turn.utterance == 0)
    kpi = turn.metrics["user_kpi_raw_ms" if lane == "browser" else "eot_to_first_audio_ms"]
    assert kpi.value == pytest.approx(400, abs=WITHIN_MS)
    assert turn.metrics["time_to_answer_ms"].value == pytest.approx(5_600, abs=WITHIN_MS)
    assert turn.metrics["dead_air_longest_ms"].value == pytest.approx(4_000, abs=2 * WITHIN_MS)
    assert "answer_over_ms" not in turn.metrics


@pytest.mark.parametrize(
    ("allowed", "status"), [({"answer_within_ms": 6_000.0, "dead_air_max_ms": 4_500.0}, Status.PASS),
                            ({"answer_within_ms": 5_000.0, "dead_air_max_ms": 3_000.0}, Status.FAIL)],
)  # fmt: skip
def test_a_case_holds_them_to_its_limits(allowed: dict[str, float], status: Status, tmp_path: Path) -> None:
    measurement, case = measured(tmp_path, call(False, "browser", expect=allowed))
    for gate, said in (("answer_within", "the answer comes after "), ("dead_air", "the longest silence lasts ")):
        result = evaluate(BY_ID[gate], samples_of(BY_ID[gate], case, measurement))
        assert result.status is status
        assert status is Status.PASS or said in result.reason
