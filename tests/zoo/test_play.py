"""What the zoo takes for right: made results, no call."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.model.status import CaptureStatus, Status
from tests.zoo.play import Played
from tests.zoo.row import Latency, Row
from tests.zoo.table import disagreements, played_table

ROW = Row("made", "is made up", Status.PASS, says="heard after {} ms", latency=Latency(500.0, 50.0))
RIGHT = Played(
    row=ROW, lane="bot", status=Status.PASS, capture=CaptureStatus.OK, reason="", report="it was heard after 510 ms here",
    turns=1, heard_s=2.0, eot_to_first_audio_ms=510.0, user_kpi_ms=None, overloaded=False, host_cpu_ratio=0.6,
    wall_s=10.0, folder=Path(),
)  # fmt: skip


def test_what_is_as_the_row_says_is_right() -> None:
    assert RIGHT.wrong(latency=True) == []
    assert "1 of 1 right" in played_table([RIGHT], latency=True)


def test_each_thing_that_is_otherwise_is_named() -> None:
    other = replace(RIGHT, status=Status.WARN, report="nothing", turns=2, wall_s=99.0, left=["left behind: room x"])
    wrong = "; ".join(other.wrong(latency=True))
    for part in ("WARN, wanted PASS", "heard after {} ms", "2 turns, wanted 1", "99 s, limit 60 s", "room x"):
        assert part in wrong


def test_a_late_answer_is_wrong_only_where_latencies_are_asserted() -> None:
    late = replace(RIGHT, eot_to_first_audio_ms=700.0)
    assert late.wrong(latency=False) == []
    assert late.wrong(latency=True)
    assert replace(late, overloaded=True).wrong(latency=True) == []


def test_an_answer_that_comes_too_soon_is_another_sound_whatever_the_load() -> None:
    assert replace(RIGHT, eot_to_first_audio_ms=300.0, overloaded=True).wrong(latency=False)
    held_back = replace(RIGHT, eot_to_first_audio_ms=410.0, host_cpu_ratio=1.0)
    assert held_back.wrong(latency=False) == []
    assert held_back.wrong(latency=True)
    assert replace(held_back, host_cpu_ratio=0.6).wrong(latency=False)
    assert replace(held_back, eot_to_first_audio_ms=250.0).wrong(latency=False)


def test_what_was_not_measured_for_load_is_not_wrong_but_says_so() -> None:
    loaded = replace(RIGHT, status=Status.INVALID, overloaded=True)
    assert loaded.wrong(latency=False) == []
    assert "not measured" in played_table([loaded], latency=False)
    assert replace(loaded, overloaded=False).wrong(latency=False), "an INVALID that names no load is wrong"


def test_lanes_that_differ_are_named() -> None:
    browser = replace(RIGHT, lane="browser", status=Status.FAIL, eot_to_first_audio_ms=600.0)
    assert len(disagreements([RIGHT, browser])) == 2
    assert len(disagreements([RIGHT, browser], within_ms=None)) == 1
