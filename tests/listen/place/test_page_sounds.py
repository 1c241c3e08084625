"""A chime of the page's own is no reply and no greeting, and a reply is never taken for one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from harness.listen.measure import listen
from harness.listen.place.onset import Sound
from harness.listen.place.page_sounds import AUDIBLE, BLOCK_SAMPLES, page_sounds
from harness.listen.read.wav import read_wav
from harness.model import capture
from harness.model.audio import Audio
from harness.model.capture import AgentUnderTest
from tests.listen.captures import Samples, ms, simple_call

FOREIGN = AgentUnderTest(kind="command", instrumented=False)
CHIME_MS = 150.0


def received(total_ms: float, *heard_ms: tuple[float, float], level: float = 0.1) -> np.ndarray:
    """A row a block; something came during `heard_ms`."""
    starts = np.arange(0, ms(total_ms), BLOCK_SAMPLES)
    came = [any(start < ms(b) and start + BLOCK_SAMPLES > ms(a) for a, b in heard_ms) for start in starts]
    return np.column_stack([starts, np.where(came, level, 0.0)]).astype(np.float64)


def sound(start_ms: float, duration_ms: float = CHIME_MS) -> Sound:
    return Sound(ms(start_ms), ms(start_ms + duration_ms))


@pytest.mark.parametrize(
    ("at_ms", "own"),
    [(100.0, True), (1_850.0, True), (2_050.0, False), (2_700.0, False), (3_300.0, False), (3_700.0, True)],
)
def test_a_sound_is_the_page_s_own_where_nothing_had_come(at_ms: float, own: bool) -> None:
    """The agent's voice comes from 2.1 s to 3.1 s; a page may play it half a second later."""
    beep = sound(at_ms)
    assert page_sounds([beep], received(6_000, (2_100, 3_100))) == ([beep] if own else [])


def test_a_page_to_which_nothing_ever_came_has_its_agent_s_voice_by_another_way() -> None:
    assert page_sounds([sound(500)], received(6_000)) == []
    assert page_sounds([sound(500)], received(6_000, (2_000, 3_000), level=AUDIBLE / 2)) == []


def test_where_the_page_told_nothing_nothing_is_said() -> None:
    assert page_sounds([sound(9_000)], received(6_000, (2_000, 3_000))) == []


def chime() -> Samples:
    t = np.arange(ms(CHIME_MS)) / 48_000
    return (0.1 * np.sin(2 * np.pi * 880 * t)).astype(np.float32)


@pytest.fixture
def chiming(tmp_path: Path) -> Path:
    """A question from 0.5 to 1.7 s, its answer at 2.15 s, and the page's chimes at 0.2 s and 1.85 s."""
    folder = simple_call(agent=FOREIGN, pre=False, trace=False, told=False).write(tmp_path / "c")
    ear = read_wav(folder / capture.EAR)
    assert isinstance(ear, Audio)
    samples = ear.samples.copy()
    for at_ms in (200.0, 1_850.0):
        samples[ms(at_ms) : ms(at_ms + CHIME_MS)] += chime()
    soundfile.write(folder / capture.EAR, samples, 48_000, subtype="FLOAT")
    return folder


def test_the_wait_ends_with_the_agent_s_voice_and_the_chimes_are_told(chiming: Path) -> None:
    np.save(chiming / capture.EAR_RECEIVED, received(6_000, (2_100, 3_800)))
    measurement = listen(chiming)
    assert measurement.metrics["page_sound_count"].value == 2
    assert measurement.metrics["greeting_count"].value == 0
    assert any("the page played 2 sounds of its own" in said for said in measurement.happenings)
    [turn] = measurement.turns
    assert turn.metrics["user_kpi_ms"].value == pytest.approx(450, abs=6)


def test_a_capture_without_the_page_s_word_is_heard_as_before(chiming: Path) -> None:
    measurement = listen(chiming)
    assert measurement.metrics["page_sound_count"].value == 0
    assert measurement.metrics["greeting_count"].value == 1


def test_a_torn_file_is_as_good_as_none(chiming: Path) -> None:
    (chiming / capture.EAR_RECEIVED).write_bytes(b"no array")
    assert listen(chiming).metrics["page_sound_count"].value == 0


def test_a_quiet_page_changes_nothing(tmp_path: Path) -> None:
    folder = simple_call(agent=FOREIGN, pre=False, trace=False, told=False).write(tmp_path / "c")
    before = listen(folder)
    np.save(folder / capture.EAR_RECEIVED, received(6_000, (2_100, 3_800)))
    assert listen(folder).turns == before.turns
