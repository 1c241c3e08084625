"""DEGRADED turns are counted by engine and reason, stand in the run's first line, and change no status."""

from __future__ import annotations

from harness.judge.degraded import added_up, degraded_by, degraded_in_words
from harness.judge.verdict import judge_attempt, judge_case
from harness.model.degraded import DegradedTurn
from harness.model.status import Status
from harness.model.verdict import AttemptVerdict
from tests.judge.canned import case, manifest, measurement, summary

LATE = "tts: nothing within 800 ms; the reserve spoke"
RESTING = "tts: resting (nothing within 800 ms); the reserve spoke"
DEAF = "stt: refused; the reserve listened"


def attempt(number: int, *turns: tuple[int | None, list[str]]) -> AttemptVerdict:
    degraded = [DegradedTurn(reply_seq=seq, notes=notes) for seq, notes in turns]
    return judge_attempt(
        case(), manifest(attempt=number), measurement(attempt=number), f"captures/r-c-a{number}", degraded
    )


def test_turns_are_counted_by_engine_and_reason_the_most_frequent_first() -> None:
    attempts = [attempt(1, (0, [LATE]), (1, [RESTING])), attempt(2, (0, [DEAF, RESTING])), attempt(3)]
    found = [(row.engine, row.why, row.turns, row.examples) for row in degraded_by(attempts)]
    assert found == [
        ("tts", "resting (nothing within 800 ms); the reserve spoke", 2, ["r-c-a1", "r-c-a2"]),
        ("stt", "refused; the reserve listened", 1, ["r-c-a2"]),
        ("tts", "nothing within 800 ms; the reserve spoke", 1, ["r-c-a1"]),
    ]
    assert degraded_in_words(attempts) == "3 turns DEGRADED (tts 3, stt 1)"


def test_the_runs_first_line_says_so_and_its_status_stays() -> None:
    told = judge_case(case(), [attempt(1, (0, [LATE]))])
    run = summary([(case(), told)])
    assert told.status in (Status.PASS, Status.WARN)
    assert run.exit_code == 0
    assert run.headline == f"{run.status}: 1 of 1 cases passed; 1 turn DEGRADED (tts)"


def test_a_run_in_which_nothing_fell_back_says_nothing() -> None:
    assert "DEGRADED" not in summary([(case(), judge_case(case(), [attempt(1)]))]).headline
    assert degraded_in_words([attempt(1)]) == ""


def test_the_parts_of_a_night_add_up() -> None:
    one, two = degraded_by([attempt(1, (0, [LATE]))]), degraded_by([attempt(2, (0, [LATE]), (1, [DEAF]))])
    assert [(row.engine, row.turns) for row in added_up([*one, *two])] == [("tts", 2), ("stt", 1)]
