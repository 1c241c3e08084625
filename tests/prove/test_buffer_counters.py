"""WebRTC's counters over a span, in both of the shapes they come in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.model.capture import RTC_STATS
from harness.prove.buffer_counters import read_counters


def browser(delay_s: float, emitted: int, inserted: int) -> dict[str, Any]:
    return {
        "type": "inbound-rtp", "kind": "audio", "jitterBufferDelay": delay_s, "jitterBufferEmittedCount": emitted,
        "insertedSamplesForDeceleration": inserted, "removedSamplesForAcceleration": 0, "concealedSamples": 0,
    }  # fmt: skip


def probe(delay_s: float, emitted: int, inserted: int) -> dict[str, Any]:
    counters = {
        "jitter_buffer_delay": delay_s, "jitter_buffer_emitted_count": str(emitted),
        "inserted_samples_for_deceleration": str(inserted),
    }  # fmt: skip
    return {"inbound_rtp": {"inbound": counters}}


def write(folder: Path, shape: Any) -> Path:
    rows = [(1_000.0, (0.0, 0, 0)), (2_000.0, (1_920.0, 48_000, 0)), (3_000.0, (4_800.0, 96_000, 480))]
    lines = [json.dumps({"t_mono_ms": t, "reports": [{"type": "codec"}, shape(*values)]}) for t, values in rows]
    (folder / RTC_STATS).write_text("\n".join(lines) + '\n{"t_mono_ms": 40')
    return folder


def test_both_shapes_say_the_same(tmp_path: Path) -> None:
    for shape in (browser, probe):
        counters = read_counters(write(tmp_path, shape))
        assert counters.changed(1_100, 1_900) is False
        assert counters.changed(1_100, 2_500) is True
        assert counters.mean_delay_ms(1_100, 1_900) == 40.0
        assert counters.mean_delay_ms(2_100, 2_900) == 60.0


def test_the_way_to_the_server_is_read_in_both_shapes(tmp_path: Path) -> None:
    flat = {"type": "candidate-pair", "nominated": True, "currentRoundTripTime": 0.004}
    nested = {"candidate_pair": {"candidate_pair": {"nominated": True, "current_round_trip_time": 0.004}}}
    for shape, pair in ((browser, flat), (probe, nested)):
        rows = [{"t_mono_ms": t, "reports": [shape(0.0, 1, 0), pair]} for t in (0.0, 1_000.0)]
        (tmp_path / RTC_STATS).write_text("".join(json.dumps(row) + "\n" for row in rows))
        assert read_counters(tmp_path).round_trip_ms(100, 900) == 4.0


def test_a_span_that_is_not_covered_is_not_known(tmp_path: Path) -> None:
    counters = read_counters(write(tmp_path, browser))
    assert counters.changed(500, 1_500) is None
    assert counters.mean_delay_ms(2_500, 3_500) is None


def test_no_statistics_are_no_figures(tmp_path: Path) -> None:
    assert read_counters(tmp_path).lines == ()
