"""What GitHub shows beside a job: a line for each case that did not pass, and nothing in it that ends the line early."""

from __future__ import annotations

from reports.render.annotations import annotations_of
from tests.judge.canned import case, measurement, metric, summary, verdict


def late(name: str) -> tuple:
    definition = case(name)
    latency = metric(5_000.0)
    return definition, verdict(definition, measurement(name, eot_to_first_audio_ms=latency, user_kpi_ms=latency))


def good(name: str) -> tuple:
    definition = case(name)
    latency = metric(440.0)
    return definition, verdict(definition, measurement(name, eot_to_first_audio_ms=latency, user_kpi_ms=latency))


def test_a_case_that_failed_is_an_error_with_its_gates() -> None:
    (line,) = annotations_of(summary([good("fine"), late("slow")]))
    assert line.startswith("::error title=Earwitness%3A slow FAIL::eot_to_first_audio: ")
    assert "5000 ms" in line


def test_a_run_in_which_all_passed_says_nothing() -> None:
    assert annotations_of(summary([good("fine")])) == []


def test_an_error_of_the_harness_comes_first_and_stays_one_line() -> None:
    lines = annotations_of(summary([late("slow")], errors=("the media server ended:\n100 % of it",)))
    assert lines[0].endswith("::the media server ended:%0A100 %25 of it")
    assert len(lines) == 2
