"""A few known delays through real WebRTC: the beacon does what it says, and every turn ends in an error or a reason.

How large the errors are is not asserted: a busy machine decides that. `earwitness calibrate` on a quiet one does.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.model import capture
from harness.model.status import CaptureStatus
from harness.prove.beacon_listening import BEACON_TRUTH, read_truth
from harness.prove.calibrate import RECORD, calibrate, make_calibration
from harness.prove.calibration_report import REPORT

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("no_process_left")]


@pytest.mark.parametrize(("user", "turns", "sessions"), [("bot", 2, 2), ("browser", 1, 1)])
async def test_known_delays_are_played_heard_and_reported(tmp_path: Path, user: str, turns: int, sessions: int) -> None:
    plan = make_calibration(tmp_path, turns=turns, user=user, sessions=str(sessions), seed=2)
    calibration, run_dir = await calibrate(plan), plan.run_dir
    (setting,) = calibration.settings
    assert (setting.lane, setting.sessions) == (user, sessions)
    assert len(setting.turns) == turns * sessions, "every session plays every turn"
    assert any(turn.error_ms is not None for turn in setting.turns) or all(turn.doubt for turn in setting.turns)
    for turn in setting.turns:
        assert turn.doubt or turn.error_ms is not None or turn in setting.missed
    (figures,) = calibration.figures
    counted = figures.steady + figures.stepped + figures.missed + sum(figures.doubted.values())
    assert counted == figures.planned == turns * sessions
    record = json.loads((run_dir / RECORD).read_text())
    assert len(record["turns"]) == turns * sessions
    assert (run_dir / REPORT).read_text().startswith("# Calibration: ")
    for folder in (run_dir / "captures").iterdir():
        check_truth(folder)


def check_truth(folder: Path) -> None:
    """The files are there, and two answers of a turn were published exactly as far apart as injected."""
    manifest = capture.read_manifest(folder)
    assert manifest.status is CaptureStatus.OK, manifest.detail
    assert {BEACON_TRUTH, capture.PRE_RTC, capture.AGENT_TRACE, capture.POST_RTC} <= set(manifest.files)
    answers = read_truth(folder)
    for first, second in zip(answers[::2], answers[1::2], strict=True):
        assert first.utterance == second.utterance
        published_ms = (second.published_sample - first.published_sample) / 48
        assert published_ms == pytest.approx(second.injected_ms - first.injected_ms, abs=0.03)
        assert second.published_mono_ms - first.published_mono_ms == pytest.approx(published_ms, abs=0.001)
