"""What the agent's voice is on the wire, from a packet log whose packets are made to known sizes and times."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.listen.measure import listen
from harness.model import capture
from harness.model.capture import read_manifest, write_manifest
from harness.model.measurement import Metric
from harness.network.log import HEADER, Row
from harness.network.profile import Profile
from harness.network.record import LinkRecord
from tests.listen.captures import T0_MONO_MS, simple_call

REPLY = (2_150.0, 3_750.0)  # of simple_call(450): where the agent is heard
OVERHEAD = 28
VOICE, USER = 0xBBBB, 0xAAAA


def speaking(at_ms: float) -> bool:
    return REPLY[0] <= at_ms < REPLY[1]


Size = Callable[[float], int | None]  # payload bytes of the packet at this time; None: none is sent


def plain(at_ms: float) -> int | None:
    return 160 if speaking(at_ms) else 3


def with_dtx(at_ms: float) -> int | None:
    return 160 if speaking(at_ms) else (3 if at_ms % 400 == 0 else None)


def heard(
    folder: Path, size: Size, *, lane: str = "browser", lost: int | None = None, counted: bool = True
) -> dict[str, Metric]:
    """Packets for 6 s; the n-th is lost by the link where `lost` says so; WebRTC counts what came."""
    folder = simple_call(450, lane=lane, probe_lag_ms=0.0).write(folder)
    write_manifest(folder, read_manifest(folder).model_copy(update={"link": "made"}))
    record = LinkRecord(kind="user", profile=Profile(name="made"), seed=1, behind=["user"], opened_ms=T0_MONO_MS)
    (folder / capture.LINK).write_text(record.model_dump_json())
    rows, came = [], []
    for tick in range(300):
        at = 20.0 * tick
        for ident, payload in (
            (VOICE, size(at)),
            (USER, 200),
        ):  # the user's own words are on the way back in the bot lane
            if payload is None:
                continue
            gone = lost is not None and tick % lost == 0
            left = None if gone else T0_MONO_MS + at
            fate = "loss" if gone else "ok"
            row = Row(
                "down", tick, 0, "rtp", payload + OVERHEAD, f"{ident:08x}", tick, 960 * tick, T0_MONO_MS + at, 0.0,
                left, left, fate,
            )  # fmt: skip
            rows.append(row.line())
            came += [payload] if ident == VOICE and not gone else []
    (folder / capture.LINK_LOG).write_text(HEADER + "\n" + "".join(rows))
    inbound = {"id": "I", "type": "inbound-rtp", "kind": "audio", "ssrc": VOICE, "pc": 0}
    counts = {"packetsReceived": len(came), "bytesReceived": sum(came) if counted else 0}
    line = {"t_mono_ms": T0_MONO_MS + 7_000, "reports": [inbound | counts]}
    (folder / capture.RTC_STATS).write_text(json.dumps(line) + "\n")
    return listen(folder).metrics


@pytest.mark.parametrize("lane", ["browser", "bot"])
def test_the_bit_rate_is_that_of_the_payload_while_the_agent_speaks(tmp_path: Path, lane: str) -> None:
    found = heard(tmp_path / "c", plain, lane=lane)
    assert found["voice_kbps"].value == pytest.approx(64.0, rel=0.03)
    assert "28 bytes of headers" in found["voice_kbps"].reason
    assert found["voice_packets_per_s"].value == pytest.approx(50.0, rel=0.03)
    assert found["silent_packets_per_s"].value == pytest.approx(50.0, rel=0.03)


def test_what_the_link_loses_was_on_the_wire(tmp_path: Path) -> None:
    found = heard(tmp_path / "c", plain, lost=5)
    assert found["voice_kbps"].value == pytest.approx(64.0, rel=0.03)
    assert found["voice_packets_per_s"].value == pytest.approx(50.0, rel=0.03)


def test_an_encoder_that_rests_in_silence_sends_few_packets_there(tmp_path: Path) -> None:
    found = heard(tmp_path / "c", with_dtx)
    assert (found["silent_packets_per_s"].value or 0) < 5
    assert found["voice_packets_per_s"].value == pytest.approx(50.0, rel=0.03)


def test_pauses_within_a_reply_do_not_lower_its_bit_rate(tmp_path: Path) -> None:
    def paused(at_ms: float) -> int | None:
        return 3 if 2_500 <= at_ms < 2_900 else plain(at_ms)

    assert heard(tmp_path / "c", paused)["voice_kbps"].value == pytest.approx(64.0, rel=0.03)


def test_without_a_count_of_payload_bytes_there_is_no_bit_rate(tmp_path: Path) -> None:
    found = heard(tmp_path / "c", plain, counted=False)
    assert found["voice_kbps"].value is None
    assert "WebRTC's statistics do not say" in found["voice_kbps"].reason
    assert found["voice_packets_per_s"].value is not None


def test_without_a_link_nothing_is_seen_of_the_wire(tmp_path: Path) -> None:
    metrics = listen(simple_call(450).write(tmp_path / "c")).metrics
    assert not {"voice_kbps", "voice_packets_per_s", "silent_packets_per_s"} & set(metrics)


def test_without_a_packet_log_it_is_said_that_it_is_missing(tmp_path: Path) -> None:
    heard(tmp_path / "c", plain)
    (tmp_path / "c" / capture.LINK_LOG).unlink()
    metric = listen(tmp_path / "c").metrics["voice_kbps"]
    assert metric.value is None
    assert "link.csv is missing" in metric.reason
