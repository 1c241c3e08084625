"""The browser's own recording of each case, once a night: what stands in the night's report, and what is not done twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.listen.recorder import WEBM_MEASUREMENT, WebmHeard
from harness.model.night import NightResult
from harness.model.status import CaptureStatus, Status
from harness.nightly.folder import read_night, write_night
from tests.nightly.made import World, good_webm

ROW = "browser's own recording (webm) measured, once a case"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch, "one", "two")


def played(world: World) -> NightResult:
    night = world.go()
    assert night is not None
    assert night.result is not None
    return night.result


def row_of(result: NightResult) -> tuple[Status, str]:
    return next((row.status, row.shown) for row in result.acceptance if row.name == ROW)


def missing(capture: Path) -> WebmHeard:
    return WebmHeard(trace_id=capture.name, lane="browser", reason="ear.webm is missing")


def test_each_case_is_measured_once_and_stands_in_the_report(world: World) -> None:
    result = played(world)
    assert world.webms_heard == ["run-one-a-a1", "run-one-b-a1"]
    assert row_of(result) == (Status.PASS, "2 of 2 cases")
    assert (world.folder / "parts/one/run-one/captures/run-one-a-a1" / WEBM_MEASUREMENT).is_file()
    text = (world.folder / "night.md").read_text()
    assert "## The browser's own recording" in text
    assert "| a | **PASS** | -80.0 ms | 0.0 ms | +0.02 dB | 0.0 ms | – | – | 0.960 | `run-one-a-a1` |" in text


def test_a_night_that_is_resumed_takes_what_was_measured(world: World) -> None:
    played(world)
    assert row_of(played(world)) == (Status.PASS, "2 of 2 cases")
    assert len(world.webms_heard) == 2


def test_a_case_whose_first_recording_is_missing_is_told_by_another_call(world: World) -> None:
    world.webm = lambda capture: missing(capture) if capture.name == "run-one-a-a1" else good_webm(capture)
    assert row_of(played(world)) == (Status.PASS, "2 of 2 cases")
    assert world.webms_heard == ["run-one-a-a1", "run-one-a-a2", "run-one-b-a1"]


def test_a_case_without_a_recording_in_any_part_is_no_pass_and_says_why(world: World) -> None:
    world.webm = lambda capture: missing(capture) if "-a-a" in capture.name else good_webm(capture)
    result = played(world)
    assert row_of(result) == (Status.NO_DATA, "1 of 2 cases")
    assert (result.status, result.exit_code) == (Status.NO_DATA, 3)
    assert "`run-one-a-a1`: ear.webm is missing |" in (world.folder / "night.md").read_text()


def test_calls_that_broke_off_are_not_measured(world: World) -> None:
    world.status = lambda trace: CaptureStatus.REPLY_TIMEOUT if "-a-a" in trace else CaptureStatus.OK
    result = played(world)
    assert [name for name in world.webms_heard if "-a-a" in name] == []
    assert row_of(result)[0] is Status.NO_DATA
    assert "no call came to its end: REPLY_TIMEOUT" in (world.folder / "night.md").read_text()


def test_in_the_bot_lane_there_is_nothing_to_measure_and_the_night_passes(world: World) -> None:
    night = read_night(world.folder)
    bot = [part.model_copy(update={"lane": "bot", "mic": "bot"}) for part in night.parts]
    write_night(world.folder, night.model_copy(update={"parts": bot}))
    result = played(world)
    assert row_of(result) == (Status.NOT_APPLICABLE, "no part of this plan has a browser that records")
    assert world.webms_heard == []
    assert result.exit_code == 0


def test_turns_by_an_engines_reserve_stand_in_the_nights_first_line_and_by_engine(world: World) -> None:
    def fall_back(trace: str) -> None:
        run = "run-one" if "run-one" in trace else "run-two"
        capture = world.folder / "parts" / run.removeprefix("run-") / run / "captures" / trace
        clock = '"clock": {"id": "t", "kind": "monotonic"}, "t": {}, "vad_hangover_ms": 200'
        line = f'{{"trace_id": "{trace}", "reply_seq": 0, {clock}, "degraded": ["tts: refused; the reserve spoke"]}}'
        (capture / "agent_trace.jsonl").write_text(line + "\n")

    world.after_folder = fall_back
    result = played(world)
    assert result.exit_code == 0
    assert result.headline == "PASS: 8 of 8 attempts passed; 8 turns DEGRADED"
    text = (world.folder / "night.md").read_text()
    assert "## DEGRADED turns" in text
    assert "| tts | refused; the reserve spoke | 8 | `run-one-a-a1`, `run-one-a-a2`, `run-one-b-a1` |" in text
    assert "| DEGRADED turns | 4 | 4 |" in text
