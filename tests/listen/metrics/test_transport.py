"""WebRTC's own counters over a reply, as a browser and as livekit writes them, and whether they agree with the sound."""

import json
from pathlib import Path

import pytest

from harness.listen.measure import listen
from harness.listen.metrics.transport import UNITS
from harness.model import capture
from tests.listen.captures import T0_MONO_MS, simple_call, stretch

REPLY_MS = (2_150.0, 3_750.0)  # of simple_call, at the ear
STEP_MS = 1_000.0


def browser(**counters: float) -> list[dict]:
    stream = {"id": "IT01A1", "type": "inbound-rtp", "kind": "audio", "ssrc": 1, "pc": 0, "jitter": 0.004}
    pair = {"id": "CP", "type": "candidate-pair", "nominated": True, "currentRoundTripTime": 0.03, "pc": 0}
    other = {"id": "CP2", "type": "candidate-pair", "nominated": True, "currentRoundTripTime": 9.0, "pc": 1}
    video = {"id": "IT01V", "type": "inbound-rtp", "kind": "video", "ssrc": 9, "pc": 0, "packetsLost": 99}
    return [stream | counters, pair, other, video, {"type": "codec", "id": "C"}]


def livekit(**counters: float) -> list[dict]:
    snake = {"".join(f"_{c.lower()}" if c.isupper() else c for c in key): str(value) for key, value in counters.items()}
    received = {"packets_lost": snake.pop("packets_lost", "0"), "jitter": 0.004}
    inbound = {"rtc": {"id": "IT01"}, "stream": {"ssrc": 1, "kind": "audio"}, "received": received, "inbound": snake}
    pair = {"candidate_pair": {"nominated": True, "current_round_trip_time": 0.03}}
    return [{"inbound_rtp": inbound}, {"candidate_pair": pair}, {"codec": {}}]


def call_with_stats(folder: Path, rows: list[tuple[float, list[dict]]], **changes: object) -> dict:
    folder = simple_call(450, **changes).write(folder)
    lines = [{"t_mono_ms": T0_MONO_MS + at_ms, "reports": reports} for at_ms, reports in rows]
    (folder / capture.RTC_STATS).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return listen(folder).turns[0].metrics


def counted(played_ms: float, **more: float) -> dict[str, float]:
    """A quiet stream after so long: 40 ms of jitter buffer, and what every call puts in at its start."""
    quiet = {
        "packetsLost": 3,
        "concealedSamples": 480,
        "silentConcealedSamples": 480,
        "concealmentEvents": 1,
        "insertedSamplesForDeceleration": 1_080,
        "removedSamplesForAcceleration": 0,
        "jitterBufferDelay": played_ms * 48 * 0.04,
        "jitterBufferEmittedCount": played_ms * 48,
        "totalSamplesReceived": played_ms * 48,
    }
    return {key: value + more.get(key, 0) for key, value in quiet.items()}


@pytest.mark.parametrize(("shape", "lane"), [(browser, "browser"), (livekit, "bot")])
def test_what_happened_before_the_reply_is_not_counted(tmp_path, shape, lane):
    rows = [(at_ms, shape(**counted(at_ms))) for at_ms in range(1_000, 6_000, 1_000)]
    metrics = call_with_stats(tmp_path / "c", rows, lane=lane)
    for name in ("packets_lost", "concealed_ratio", "silent_concealed_ratio", "decelerated_ms", "accelerated_ms"):
        assert metrics[name].value == 0
    assert metrics["jitter_buffer_delay_ms"].value == pytest.approx(40)
    assert metrics["rtp_jitter_ms"].value == 4
    assert metrics["rtt_ms"].value == 30
    assert metrics["packets_lost"].reason == "read from 150 ms before the reply to 250 ms after it"


@pytest.mark.parametrize(("shape", "lane"), [(browser, "browser"), (livekit, "bot")])
def test_what_happened_in_the_reply_is_counted(tmp_path, shape, lane):
    happened = {
        "packetsLost": 2,
        "concealedSamples": 960,
        "silentConcealedSamples": 240,
        "concealmentEvents": 1,
        "removedSamplesForAcceleration": 480,
    }
    rows = [(1_000, shape(**counted(1_000))), (2_000, shape(**counted(2_000)))]
    rows += [(at_ms, shape(**counted(at_ms, **happened))) for at_ms in (3_000, 4_000)]
    metrics = call_with_stats(tmp_path / "c", rows, lane=lane)
    assert metrics["packets_lost"].value == 2
    assert metrics["concealment_events"].value == 1
    assert metrics["concealed_ratio"].value == pytest.approx(960 / (2_000 * 48), abs=1e-6)
    assert metrics["silent_concealed_ratio"].value == pytest.approx(240 / (2_000 * 48), abs=1e-6)
    assert metrics["accelerated_ms"].value == 10


@pytest.mark.parametrize(("cut_ms", "by_ms"), [(10, 10), (-10, -13)])  # a cut costs the 3 ms of its cross-fade too
def test_the_sound_and_the_statistics_agree_on_a_jitter_buffers_step(tmp_path, cut_ms, by_ms):
    name = "insertedSamplesForDeceleration" if by_ms > 0 else "removedSamplesForAcceleration"
    rows = [(2_000, browser(**counted(2_000))), (4_000, browser(**counted(4_000, **{name: abs(by_ms) * 48})))]
    metrics = call_with_stats(tmp_path / "c", rows, at_ear=lambda x: stretch(x, 800, cut_ms))
    assert metrics["stats_vs_track_ms"].value == pytest.approx(0, abs=0.5)
    silent = [(2_000, browser(**counted(2_000))), (4_000, browser(**counted(4_000)))]
    metrics = call_with_stats(tmp_path / "d", silent, at_ear=lambda x: stretch(x, 800, cut_ms))
    assert metrics["stats_vs_track_ms"].value == pytest.approx(by_ms, abs=0.5)
    assert "by the statistics" in metrics["stats_vs_track_ms"].reason


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([], "rtc_stats.jsonl is missing"),
        ([(3_000, browser()), (4_000, browser())], "no statistics of the agent's track from before the reply"),
        ([(1_000, browser()), (2_000, browser())], "no statistics from after the reply began"),
        ([(1_000, []), (3_000, browser()), (4_000, browser())], "from before the reply"),
        ([(2_000, browser()), (4_000, [])], "the agent's track was replaced"),
    ],
)
def test_statistics_that_do_not_cover_the_reply_give_no_number(tmp_path, rows, why):
    folder = tmp_path / "c"
    metrics = call_with_stats(folder, rows) if rows else listen(simple_call().write(folder)).turns[0].metrics
    for name in UNITS:
        assert metrics[name].value is None
        assert not metrics[name].not_applicable
        assert why in metrics[name].reason


def test_statistics_that_end_within_the_reply_say_so(tmp_path):
    rows = [(2_000, browser(**counted(2_000))), (3_000, browser(**counted(3_000)))]
    metrics = call_with_stats(tmp_path / "c", rows)
    assert metrics["packets_lost"].value == 0
    assert metrics["packets_lost"].reason == "read from 150 ms before the reply to 750 ms before its end"


def test_a_track_that_nobody_played_has_no_concealment(tmp_path):
    rows = [(2_000, browser()), (4_000, browser())]
    metrics = call_with_stats(tmp_path / "c", rows)
    assert metrics["concealed_ratio"].value is None
    assert "nobody played" in metrics["concealed_ratio"].reason


def test_a_line_that_is_no_statistics_is_named_and_the_rest_is_read(tmp_path):
    folder = simple_call().write(tmp_path / "c")
    rows = [{"t_mono_ms": T0_MONO_MS + at, "reports": browser(**counted(at))} for at in (2_000, 4_000)]
    text = "".join(json.dumps(row) + "\n" for row in rows) + '{"t_mono_ms": 1}\n{"torn'
    (folder / capture.RTC_STATS).write_text(text)
    assert listen(folder).turns[0].metrics["rtt_ms"].value == 30
