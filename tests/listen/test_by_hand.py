"""The KPI is what somebody would read off the waveforms, within 5 ms, in both lanes and for agents that tell nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.listen.measure import listen, write_measurement
from tests.listen.by_hand import by_hand
from tests.listen.captures import Call, Replied, Said, simple_call, speech
from tests.listen.place.test_turns import call

WITHIN_MS = 5.0


@pytest.mark.parametrize("lane", ["browser", "bot"])
@pytest.mark.parametrize("stranger", [False, True])
def test_the_kpi_is_what_the_waveforms_show(tmp_path: Path, lane: str, stranger: bool) -> None:
    turns = 0
    for number, kpi_ms in enumerate((180.0, 431.0, 833.0, 1_290.0, 2_000.0)):
        made = _stranger(kpi_ms) if stranger else simple_call(kpi_ms=kpi_ms)
        made.lane = lane
        folder = made.write(tmp_path / f"c{number}")
        write_measurement(folder, listen(folder))
        for turn in by_hand(folder):
            assert turn.hand_ms == pytest.approx(kpi_ms, abs=WITHIN_MS)
            assert turn.apart_ms <= WITHIN_MS
            turns += 1
    assert turns == 5


def _stranger(kpi_ms: float) -> Call:
    """It greets, answers with a filler, and says the rest 2.5 s later."""
    said = Said(4_000.0, speech(1_200, 1))
    filler = Replied(said.end_ms + kpi_ms, speech(600, 5))
    return call(Replied(300, speech(1_500, 3)), filler, Replied(filler.at_ms + 3_100, speech(1_000, 6)), said=[said])
