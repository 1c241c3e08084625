"""A capture with a link's record and log: proven or NOT_APPLIED, and a turn in which the link was late is not believed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.judge.verdict import judge_attempt
from harness.listen.measure import listen
from harness.listen.metrics.network import APPLIED, LATENESS
from harness.model import capture
from harness.model.capture import read_manifest, write_manifest
from harness.model.measurement import Measurement
from harness.model.status import Status
from harness.network.log import HEADER
from harness.network.profile import load_profile
from tests.judge.canned import case
from tests.listen.captures import T0_MONO_MS, simple_call
from tests.network import calls

SHIFT_MS = T0_MONO_MS - calls.T0_MS


def heard(folder: Path, call: calls.Call, late_ms: float = 0.0) -> Measurement:
    folder = simple_call(450).write(folder)
    write_manifest(folder, read_manifest(folder).model_copy(update={"link": call.profile.name}))
    (folder / capture.LINK).write_text(call.record().model_dump_json())
    lines = []
    for row in call.rows:
        moved = {
            name: value + SHIFT_MS for name in ("arrived_ms", "planned_ms") if (value := getattr(row, name)) is not None
        }
        departed = None if row.departed_ms is None else row.departed_ms + SHIFT_MS + late_ms
        lines.append(replace(row, **moved, departed_ms=departed).line())
    (folder / capture.LINK_LOG).write_text(HEADER + "\n" + "".join(lines))
    stats = []
    for r in call.readings:
        pair = {"type": "candidate-pair", "nominated": True, "currentRoundTripTime": (r.rtt_ms or 0) / 1e3, "pc": 0}
        inbound = {
            "id": "I",
            "type": "inbound-rtp",
            "kind": "audio",
            "ssrc": 0xBBBB,
            "pc": 0,
            "jitter": (r.jitter_ms or 0) / 1e3,
        }
        counts = {"packetsReceived": r.received, "packetsLost": r.lost}
        stats.append({"t_mono_ms": r.t_mono_ms + SHIFT_MS, "reports": [pair, inbound | counts]})
    (folder / capture.RTC_STATS).write_text("".join(json.dumps(line) + "\n" for line in stats))
    return listen(folder)


def status(measurement: Measurement, folder: Path) -> Status:
    return judge_attempt(case(), read_manifest(folder), measurement, "captures/x").status


def test_an_applied_profile_is_a_measured_fact_with_its_three_figures(tmp_path: Path) -> None:
    metrics = heard(tmp_path / "c", calls.Call(load_profile("bad_wifi"), seconds=40)).metrics
    assert metrics[APPLIED].value == 1, metrics[APPLIED].reason
    for part in ("the relay's log agrees", "the echo agrees", "WebRTC agrees"):
        assert part in metrics[APPLIED].reason
    assert metrics["network_rtt_webrtc_ms"].value == pytest.approx(100, abs=40)
    assert metrics["network_delay_up_ms"].value == pytest.approx(50, abs=4)
    assert metrics["network_allowance_ms"].value == 180


def test_a_profile_that_was_not_applied_is_no_pass(tmp_path: Path) -> None:
    call = calls.Call(load_profile("4g_ok"))
    call.profile = load_profile("bad_wifi")
    measurement = heard(tmp_path / "c", call)
    assert measurement.metrics[APPLIED].value == 0
    verdict = judge_attempt(case(), read_manifest(tmp_path / "c"), measurement, "captures/x")
    assert verdict.status not in (Status.PASS, Status.WARN)
    assert verdict.detail.startswith(
        "the network profile was not proven to have been applied: the relay's log DOES NOT"
    )


def test_a_capture_whose_log_is_gone_is_not_proven(tmp_path: Path) -> None:
    heard(tmp_path / "c", calls.Call(load_profile("wifi_good")))
    (tmp_path / "c" / capture.LINK_LOG).unlink()
    metrics = listen(tmp_path / "c").metrics
    assert metrics[APPLIED].value == 0
    assert "link.csv is missing" in metrics[APPLIED].reason


def test_a_turn_in_which_the_link_itself_was_late_is_not_believed(tmp_path: Path) -> None:
    call = calls.Call(load_profile("wifi_good"), seconds=10)
    believed = heard(tmp_path / "a", call).turns[0].metrics
    assert believed[LATENESS].value == 0
    assert not believed["user_kpi_ms"].invalid
    late = heard(tmp_path / "b", call, late_ms=6.0).turns[0].metrics
    assert late[LATENESS].value == 6
    assert late["user_kpi_ms"].invalid
    assert "the link itself was 6.0 ms late" in late["user_kpi_ms"].reason


def test_without_a_link_nothing_is_said_of_one(tmp_path: Path) -> None:
    measurement = listen(simple_call(450).write(tmp_path / "c"))
    assert not any(name.startswith(("network", "netem")) for name in measurement.metrics)
