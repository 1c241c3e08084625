"""After an outage: ms until the reply goes on at the listener, from made calls whose silence ends at a known sample."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from harness.listen.measure import listen
from harness.listen.metrics.recovery import RESOLUTION_MS
from harness.model import capture
from harness.model.capture import read_manifest, write_manifest
from harness.model.measurement import Measurement
from harness.network.log import HEADER, Row
from harness.network.profile import Profile
from harness.network.record import Done, LinkRecord
from tests.listen.captures import (
    PER_MS,
    T0_MONO_MS,
    Call,
    Change,
    Replied,
    Said,
    Samples,
    hole,
    identity,
    ms,
    silence,
    speech,
    stretch,
)

QUESTION = Said(500.0, speech(1_200, 1))
REPLY_AT_MS = 2_200.0  # at the listener


@dataclass(frozen=True)
class Cut:
    """An outage in the host clock's ms since sample 0 of the recordings."""

    at_ms: float
    for_ms: float
    ways: tuple[str, ...] = ("up", "down")

    def done(self) -> Done:
        return Done(at_ms=T0_MONO_MS + self.at_ms, for_ms=self.for_ms, ways=self.ways)


def heard(
    folder: Path, cuts: list[Cut], at_ear: Change = identity, sound: Samples | None = None, lane: str = "browser"
) -> Measurement:
    """A call whose reply of 3 s begins at REPLY_AT_MS; `at_ear` is what the listener gets of it."""
    reply = Replied(REPLY_AT_MS, sound if sound is not None else speech(3_000, 2), at_ear=at_ear, at_probe=at_ear)
    call = Call(said=[QUESTION], replies=[reply], lane=lane, probe_lag_ms=0.0, total_ms=8_000.0)
    folder = call.write(folder)
    write_manifest(folder, read_manifest(folder).model_copy(update={"link": "made"}))
    record = LinkRecord(
        kind="user",
        profile=Profile(name="made"),
        seed=1,
        behind=["user"],
        opened_ms=T0_MONO_MS,
        done=[cut.done() for cut in cuts],
    )
    (folder / capture.LINK).write_text(record.model_dump_json())
    rows = []
    for n in range(400):
        at = T0_MONO_MS + 20.0 * n
        lost = any("down" in cut.ways and 0 <= at - T0_MONO_MS - cut.at_ms < cut.for_ms for cut in cuts)
        left = None if lost else at
        rows.append(
            Row("down", n, 0, "rtp", 100, "b", n, 960 * n, at, 0.0, left, left, "outage" if lost else "ok").line()
        )
    (folder / capture.LINK_LOG).write_text(HEADER + "\n" + "".join(rows))
    return listen(folder)


def made_up(x: Samples, at_ms: float, duration_ms: float) -> Samples:
    """What a jitter buffer puts in: the last pitch periods again and again, softer and softer, then nothing."""
    y = hole(x, at_ms, duration_ms)
    period = x[ms(at_ms) - ms(9) : ms(at_ms)]
    filled = np.resize(period, ms(min(duration_ms, 120.0)))
    y[ms(at_ms) : ms(at_ms) + len(filled)] = filled * np.linspace(1, 0, len(filled), dtype=np.float32)
    return y


@pytest.mark.parametrize("lane", ["browser", "bot"])
@pytest.mark.parametrize("lasting_ms", [300.0, 800.0])
@pytest.mark.parametrize("behind_ms", [0.0, 90.0, 250.0])
def test_recovery_is_from_the_outages_end_to_the_first_sound_of_the_reply(
    tmp_path: Path, lane: str, lasting_ms: float, behind_ms: float
) -> None:
    cut = Cut(REPLY_AT_MS + 1_000.0, lasting_ms)
    found = heard(tmp_path / "c", [cut], lambda x: hole(x, 1_040.0, lasting_ms - 40.0 + behind_ms), lane=lane)
    recovery = found.turns[0].metrics["recovery_ms"]
    assert recovery.value == pytest.approx(behind_ms, abs=RESOLUTION_MS)
    assert recovery.uncertainty == RESOLUTION_MS
    assert found.metrics["recovery_ms"].value == recovery.value
    assert found.metrics["outage_count"].value == 1


def test_sound_that_a_jitter_buffer_made_up_is_no_recovery(tmp_path: Path) -> None:
    """Concealment goes on 100 ms beyond the end of a short outage; the reply itself only 100 ms behind it."""
    cut = Cut(REPLY_AT_MS + 1_000.0, 60.0)
    found = heard(tmp_path / "c", [cut], lambda x: made_up(x, 1_040.0, 120.0))
    assert found.turns[0].metrics["recovery_ms"].value == pytest.approx(100.0, abs=RESOLUTION_MS)


def test_an_outage_that_nobody_heard_has_recovered_at_once(tmp_path: Path) -> None:
    found = heard(tmp_path / "c", [Cut(REPLY_AT_MS + 1_000.0, 60.0)])
    assert found.turns[0].metrics["recovery_ms"].value == 0


def test_a_lag_that_jumped_in_the_outage_hides_nothing(tmp_path: Path) -> None:
    def later(x: Samples) -> Samples:
        return stretch(hole(x, 1_040.0, 500.0), 1_300.0, 120.0)

    found = heard(tmp_path / "c", [Cut(REPLY_AT_MS + 1_000.0, 500.0)], later)
    assert found.turns[0].metrics["recovery_ms"].value == pytest.approx(160.0, abs=RESOLUTION_MS)


def test_a_pause_of_the_reply_itself_is_no_slow_recovery(tmp_path: Path) -> None:
    said = np.concatenate([speech(1_400, 2), silence(500), speech(1_400, 3)])
    cut = Cut(REPLY_AT_MS + 1_100.0, 400.0)
    found = heard(tmp_path / "c", [cut], lambda x: hole(x, 1_140.0, 400.0), said)
    recovery = found.turns[0].metrics["recovery_ms"]
    assert recovery.value == pytest.approx(0.0, abs=RESOLUTION_MS)
    assert "the reply itself paused" in recovery.reason


def test_the_slowest_of_several_outages_counts(tmp_path: Path) -> None:
    cuts = [Cut(REPLY_AT_MS + 500.0, 100.0), Cut(REPLY_AT_MS + 1_800.0, 200.0)]
    found = heard(tmp_path / "c", cuts, lambda x: hole(hole(x, 540.0, 100.0), 1_840.0, 340.0))
    recovery = found.turns[0].metrics["recovery_ms"]
    assert recovery.value == pytest.approx(180.0, abs=RESOLUTION_MS)
    assert "the slowest of 2 outages" in recovery.reason
    assert found.metrics["outage_count"].value == 2


def test_the_first_packet_behind_an_outage_is_told_beside_it(tmp_path: Path) -> None:
    cut = Cut(REPLY_AT_MS + 1_005.0, 300.0)
    found = heard(tmp_path / "c", [cut], lambda x: hole(x, 1_040.0, 300.0))
    assert found.turns[0].metrics["recovery_first_packet_ms"].value == pytest.approx(15.0)


@pytest.mark.parametrize(
    ("cut", "at_ear", "why"),
    [
        (Cut(REPLY_AT_MS + 2_000.0, 3_000.0), lambda x: x[: ms(2_040)], "the reply was over before the outage was"),
        (Cut(REPLY_AT_MS + 1_000.0, 300.0), lambda x: x[: ms(1_040)], "the reply is not heard again"),
        (Cut(REPLY_AT_MS + 1_000.0, 60_000.0), lambda x: x[: ms(1_040)], "the recording ends before the outage did"),
    ],
)
def test_what_did_not_recover_has_its_reason_and_no_number(tmp_path: Path, cut: Cut, at_ear: Change, why: str) -> None:
    found = heard(tmp_path / "c", [cut], at_ear)
    for metric in (found.turns[0].metrics["recovery_ms"], found.metrics["recovery_ms"]):
        assert metric.value is None
        assert why in metric.reason


@pytest.mark.parametrize(
    ("cuts", "told"),
    [
        ([], None),
        ([Cut(REPLY_AT_MS + 1_000.0, 300.0, ("up",))], None),  # the agent's words were not touched
        ([Cut(100.0, 300.0)], "no outage fell into a reply"),
    ],
)
def test_a_reply_that_no_outage_fell_into_has_nothing_to_recover_from(
    tmp_path: Path, cuts: list[Cut], told: str | None
) -> None:
    found = heard(tmp_path / "c", cuts)
    assert "recovery_ms" not in found.turns[0].metrics
    assert ("recovery_ms" in found.metrics) is (told is not None)
    if told is not None:
        assert found.metrics["recovery_ms"].value is None
        assert found.metrics["recovery_ms"].reason == told


def test_without_the_agents_own_pcm_it_is_not_known(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    heard(folder, [Cut(REPLY_AT_MS + 1_000.0, 300.0)], lambda x: hole(x, 1_040.0, 300.0))
    (folder / capture.PRE_RTC).unlink()
    recovery = listen(folder).turns[0].metrics["recovery_ms"]
    assert recovery.value is None
    assert "pre_rtc.wav is missing" in recovery.reason


def test_times_are_those_of_the_listeners_own_clock(tmp_path: Path) -> None:
    """The recording begins at T0; an outage there ends where its sample stands."""
    assert PER_MS == 48
    found = heard(tmp_path / "c", [Cut(REPLY_AT_MS, 400.0)], lambda x: hole(x, 0.0, 470.0))
    assert found.turns[0].metrics["recovery_ms"].value == pytest.approx(70.0, abs=RESOLUTION_MS)
