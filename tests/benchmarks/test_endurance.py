"""The benchmark of endurance: what is the agent's own, when it decided to be silent, and whether it grows."""

from __future__ import annotations

import pytest

from benchmarks.endurance_figures import Latencies, Sample, add_turns, decided_ms, growth, rows
from harness.model.measurement import Validity
from tests.judge.canned import measurement, metric


def test_the_agents_own_share_is_what_hangover_and_floor_leave() -> None:
    found = Latencies()
    measured = measurement("a", user_kpi_raw_ms=metric(390.0), effective_hangover_ms=metric(205.0))
    add_turns(found, measured, 125.0, "user_kpi_raw_ms")
    assert found.own_share == [pytest.approx(60.0)]
    assert found.invalid == 0


def test_a_turn_that_is_not_believed_has_no_share() -> None:
    measured = measurement("a", user_kpi_raw_ms=metric(390.0), effective_hangover_ms=metric(205.0))
    found = Latencies()
    add_turns(
        found,
        measured.model_copy(update={"validity": Validity(ok=False, reasons=["overloaded"])}),
        125.0,
        "user_kpi_raw_ms",
    )
    assert (found.user_kpi, found.own_share, found.invalid) == ([], [], 1)


def test_without_a_beacon_there_is_a_latency_but_no_share() -> None:
    found = Latencies()
    add_turns(
        found,
        measurement("a", user_kpi_raw_ms=metric(390.0), effective_hangover_ms=metric(205.0)),
        None,
        "user_kpi_raw_ms",
    )
    assert (found.user_kpi, found.own_share) == ([390.0], [])


def test_a_held_reply_was_silenced_when_the_hold_began_and_not_at_the_cancel() -> None:
    course = [
        (100.0, "SPEAKING", "first_publish"),
        (300.0, "INTERRUPTING", "possible_barge_in"),
        (340.0, "SPEAKING", "resumed"),
        (700.0, "INTERRUPTING", "possible_barge_in"),
        (900.0, "INTERRUPTING", "barge_in"),
        (901.0, "LISTENING", "cascade_cancelled"),
    ]
    assert decided_ms(course, 899.9) == 700.0


def test_a_reply_that_was_never_held_was_silenced_at_the_cancel() -> None:
    assert decided_ms([(100.0, "SPEAKING", "first_publish"), (900.1, "INTERRUPTING", "barge_in")], 900.0) == 900.0


def samples(per_turn_mib: float) -> list[Sample]:
    return [Sample(n, 300 + per_turn_mib * n + (n % 3), 5, 40, 12) for n in range(1, 60)]


def test_growth_of_memory_is_told_a_hundred_turns_and_steadiness_is_told_as_none() -> None:
    grown, steady = growth(samples(0.5), "memory_mib"), growth(samples(0.0), "memory_mib")
    assert grown is not None
    assert steady is not None
    assert grown.low <= 50 <= grown.high
    assert grown.last > grown.first
    assert steady.low <= 0 <= steady.high


def test_a_handful_of_samples_shows_no_growth() -> None:
    assert growth(samples(1.0)[:8], "memory_mib") is None


def test_what_was_not_measured_stands_in_the_table_as_none() -> None:
    told = dict(rows(Latencies(), [], {"turns played": 0}))
    assert told["the agent's own share"] == "– (none)"
    assert told["turns played"] == "0"
