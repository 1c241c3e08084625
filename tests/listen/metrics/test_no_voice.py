"""Sound that no voice makes: found without a reference, blamed on the agent, and never in speech."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from scipy.signal import resample_poly

from harness.listen.measure import listen
from harness.listen.metrics.no_voice import find_no_voice
from harness.model.capture import AgentUnderTest
from harness.model.plan import BuiltCase
from reports.view.likeness import likeness_of
from tests.listen.captures import Samples, codec, ms, simple_call, speech

STRANGER = AgentUnderTest(kind="dispatch", instrumented=False)
PIECE = slice(ms(600), ms(900))
TEXT = b'{"type":"response.audio.delta","event_id":"event_00A1","delta":"UklGRiQAAABXQVZF"}\r\n'


def ints(x: Samples) -> npt.NDArray[np.int16]:
    return np.clip(np.rint(x * 32_768), -32_768, 32_767).astype("<i2")


def floats(x: npt.NDArray[np.int16]) -> Samples:
    return (x / 32_768).astype(np.float32)


def shifted(x: Samples) -> Samples:
    """One byte is lost."""
    return floats(np.frombuffer(ints(x).tobytes()[1:] + b"\0", "<i2"))


def swapped(x: Samples) -> Samples:
    return floats(ints(x).byteswap())


def wrapped(x: Samples) -> Samples:
    """12 dB too loud, and what does not fit wraps round."""
    wide = np.rint(x / np.max(np.abs(x)) * 4 * 32_768).astype(np.int64)
    return floats((wide + 32_768) % 65_536 - 32_768)


def text(x: Samples) -> Samples:
    return floats(np.frombuffer((TEXT * (2 * len(x) // len(TEXT) + 1))[: 2 * len(x)], "<i2"))


def tone(x: Samples) -> Samples:
    return (0.1 * np.sin(2 * np.pi * 1_000 * np.arange(len(x)) / 48_000)).astype(np.float32)


def loop(x: Samples) -> Samples:
    return np.resize(x[:480], len(x))


def in_a_piece(x: Samples, change: Callable[[Samples], Samples], per_sample: int = 1) -> Samples:
    """300 ms are changed, at a rate of 48 kHz / `per_sample`, as an engine's stream has it."""
    if per_sample > 1:
        x = resample_poly(x.astype(np.float64), 1, per_sample).astype(np.float32)
    y = x.copy()
    piece = slice(PIECE.start // per_sample, PIECE.stop // per_sample)
    y[piece] = change(x[piece])
    if per_sample > 1:
        y = np.clip(resample_poly(y.astype(np.float64), per_sample, 1), -1, 1).astype(np.float32)
    return y


@pytest.mark.parametrize("per_sample", [1, 2, 3])
@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        (shifted, {"noise"}), (swapped, {"noise"}), (wrapped, {"jumps", "noise"}), (text, {"one_sided", "steady"}),
        (tone, {"tone", "steady"}), (loop, {"steady"}),
    ],
)  # fmt: skip
def test_it_is_found_at_the_rate_at_which_it_was_born(
    change: Callable[[Samples], Samples], kinds: set[str], per_sample: int
) -> None:
    found = find_no_voice(in_a_piece(speech(1_800, 3), change, per_sample))
    assert found
    assert {piece.kind for piece in found} <= kinds
    assert all(PIECE.start - ms(60) <= piece.start < piece.end <= PIECE.stop + ms(60) for piece in found)
    assert max(piece.duration_ms for piece in found) >= 80


@pytest.mark.parametrize("name", ["question_short", "distortion_sibilant", "numbers_and_units", "mixed_zh_en"])
def test_a_voice_makes_none_of_it(built: Callable[[str], BuiltCase], name: str) -> None:
    samples, _ = soundfile.read(built(name).wav, dtype="float32")
    assert find_no_voice(samples) == []
    assert find_no_voice(codec(samples)) == []


def test_a_loud_sibilant_up_to_20_khz_is_a_sibilant() -> None:
    x = speech(1_800, 3)
    spectrum = np.fft.rfft(np.random.default_rng(1).standard_normal(ms(200)))
    hz = np.fft.rfftfreq(ms(200), 1 / 48_000)
    hiss = np.fft.irfft(np.where((hz > 4_000) & (hz < 20_000), spectrum, 0))
    x[ms(800) : ms(1_000)] = 0.3 * hiss / np.max(np.abs(hiss))
    assert find_no_voice(x) == []


def test_what_is_shorter_than_a_window_is_nothing() -> None:
    assert find_no_voice(np.zeros(10, np.float32)) == []
    assert find_no_voice(np.zeros(ms(500), np.float32)) == []


def test_published_garbage_fails_and_is_the_agents_also_where_a_codec_made_more_of_it(tmp_path: Path) -> None:
    folder = simple_call(450, sound=in_a_piece(speech(1_800, 3), shifted), at_probe=codec, at_ear=codec).write(
        tmp_path / "c"
    )
    measured = listen(folder)
    (turn,) = measured.turns
    published = [defect for defect in turn.defects if defect.kind == "garbage"]
    assert [defect.ring for defect in published] == ["pre_rtc"]
    assert turn.metrics["garbage_longest_pre_ms"].value == pytest.approx(300, abs=40)
    assert {defect.born for defect in turn.defects} == {"before_rtc"}
    assert "ms that no voice makes as published (noise as loud as the words)" in likeness_of(measured, turn)


def test_an_agent_without_pcm_is_examined_where_it_is_heard(tmp_path: Path) -> None:
    call = simple_call(450, sound=in_a_piece(speech(1_800, 3), tone), at_probe=codec, at_ear=codec, told=False)
    call = replace(call, agent=STRANGER, pre=False, trace=False, total_ms=14_000.0)
    (turn,) = listen(call.write(tmp_path / "c")).turns
    assert "garbage_longest_pre_ms" not in turn.metrics
    for suffix in ("", "_ear"):
        assert turn.metrics[f"steady_longest{suffix}_ms"].value == pytest.approx(300, abs=40)
        assert turn.metrics[f"garbage_longest{suffix}_ms"].value == 0
    assert {defect.born for defect in turn.defects if defect.kind == "steady_sound"} == {"unknown"}
