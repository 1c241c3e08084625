"""The record and its report: every turn accounted for, the verdict first, no number where there is none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from harness.prove.beacon_listening import BeaconTurn, HeardAnswer
from harness.prove.calibrate import exit_code
from harness.prove.calibration import Calibrated
from harness.prove.calibration_record import Calibration, Setting, summarise
from harness.prove.calibration_report import REPORT, render, write_report

D0_MS = 400.0


def turns(n: int, bias_ms: float = 0.0, lane: str = "browser") -> list[BeaconTurn]:
    rng = np.random.default_rng(n)
    made = []
    for turn in range(n):
        d_ms = float(900 + 1_100 * turn / n)
        answers = []
        for delay_ms, off_ms in ((D0_MS, 0.0), (d_ms, bias_ms)):
            kpi_ms = delay_ms + 150 + off_ms + float(rng.normal(0, 0.5))
            answers.append(
                HeardAnswer(
                    word="apple", kpi_ms=kpi_ms, chirp_ms=5_000 * turn + kpi_ms, chirp_error_ms=-1.0,
                    speech_ms=5_000 * turn + kpi_ms + 120, speech_error_ms=float(rng.normal(0, 0.5)),
                    probe_kpi_ms=kpi_ms - 70 if lane == "browser" else None,
                )
            )  # fmt: skip
        made.append(
            BeaconTurn(
                trace_id="t", turn=turn, d0_ms=D0_MS, d_ms=d_ms, first=answers[0], second=answers[1], step_ms=0.0,
                counters_changed=False, up_ms=60.0, down_ms=91.0, jitter_buffer_ms=40.0,
            )
        )  # fmt: skip
    return made


def calibration(*settings: Setting) -> Calibration:
    return summarise("run", "2026-01-01T00:00:00+00:00", 1, D0_MS, settings, [])


def test_a_good_run_is_calibrated_and_says_so_first() -> None:
    made = calibration(Setting("browser", 1, turns(60)), Setting("bot", 1, turns(60, lane="bot")))
    assert made.verdict is Calibrated.CALIBRATED
    assert exit_code(made) == 0
    text = render(made, {})
    assert text.startswith("# Calibration: CALIBRATED")
    assert "**missed**" not in text


def test_a_bias_is_named_with_its_rule() -> None:
    made = calibration(Setting("browser", 1, turns(60, bias_ms=8.0)))
    assert made.verdict is Calibrated.BIASED
    assert exit_code(made) == 1
    assert "ms > 5 ms" in render(made, {})
    assert "**missed**" in render(made, {})


def test_more_sessions_at_once_show_but_do_not_decide() -> None:
    made = calibration(Setting("bot", 1, turns(60, lane="bot")), Setting("bot", 3, turns(60, bias_ms=30.0, lane="bot")))
    assert made.verdict is Calibrated.CALIBRATED
    assert [f.path_finding.verdict for f in made.figures] == [Calibrated.CALIBRATED, Calibrated.BIASED]


def test_nothing_measured_is_no_data() -> None:
    lost = [BeaconTurn("t", n, D0_MS, 1_000.0, doubt="no capture") for n in range(5)]
    for made in (calibration(Setting("bot", 1, lost)), calibration()):
        assert made.verdict is Calibrated.NO_DATA
        assert exit_code(made) == 3
        assert render(made, {})


def test_every_turn_is_accounted_for() -> None:
    all_turns = turns(20)
    doubted = BeaconTurn("t", 20, D0_MS, 1_000.0, doubt="the beacon's own stream was 200 ms late")
    silent = BeaconTurn("t", 21, D0_MS, 1_000.0, first=HeardAnswer("apple", None, 1.0), second=None, step_ms=None)
    (found,) = calibration(Setting("browser", 1, [*all_turns, doubted, silent])).figures
    assert found.planned == found.steady + found.stepped + found.missed + sum(found.doubted.values())
    assert (found.missed, sum(found.doubted.values())) == (1, 1)


def test_the_report_the_record_and_the_pictures_are_written(tmp_path: Path) -> None:
    made = calibration(Setting("browser", 1, turns(30)), Setting("browser", 2, turns(30)), Setting("bot", 1, []))
    write_report(made, tmp_path)
    text = (tmp_path / REPORT).read_text()
    pictures = {path.name for path in tmp_path.glob("*.png")}
    assert pictures == {"bland_altman_browser.png", "detector.png", "floor.png", "browser_against_probe.png"}
    assert all(f"({name})" in text for name in pictures)
    record = json.loads(made.to_json())
    assert record["verdict"] == made.verdict
    assert len(record["turns"]) == 60
    assert "NaN" not in made.to_json()


def test_the_tables_keep_their_columns() -> None:
    text = render(calibration(Setting("browser", 1, turns(30))), {})
    for block in text.split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        columns = {line.replace("\\|", "").count("|") for line in rows}
        assert len(columns) <= 1, block
