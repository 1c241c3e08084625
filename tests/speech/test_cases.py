"""Cases: what is shipped, that the same recipe gives the same bytes, and that the truth is true."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from harness.model.case import Case, Truth
from harness.model.plan import BuiltCase
from harness.speech.build import build_case, device_wav
from harness.speech.catalogue import export_case, list_rows
from harness.speech.voices import Voices

ROOT = Path(__file__).parents[2]
WITH_NOISE = {"noise_only", "noisy_snr10", "endpoint_trailing_silence"}
CASES = sorted(path.stem for path in (ROOT / "cases").glob("*.yaml"))
BUILD = """
from pathlib import Path
from harness.speech.build import build_case
from harness.speech.case_file import load_cases
from harness.speech.catalogue import export_case, list_rows
from harness.speech.voices import Voices
with Voices() as voices:
    for path, case in load_cases(Path({cases!r})):
        build_case(case, path, Path({folder!r}), voices)
"""
CLEAN = [name for name in CASES if name not in WITH_NOISE | {"silence_only"}]


def test_the_fast_suite_is_twelve_p0_and_four_p1(shipped_cases: list[tuple[Path, Case]]) -> None:
    fast = [case for _, case in shipped_cases if "fast" in case.suite]
    assert sum(case.tier == "P0" for case in fast) == 12
    assert sum(case.tier == "P1" for case in fast) == 4
    mini = {case.id for _, case in shipped_cases if "mini" in case.suite}
    assert mini == {"endpoint_short_hello", "long_reply_story", "barge_in_mid_reply", "stutter_long_pause"}
    assert {c.id for _, c in shipped_cases if not c.expect_reply} == {"silence_only", "noise_only"}


@pytest.mark.parametrize("name", CASES)
def test_every_shipped_case_builds_and_ends_in_silence(built: Callable[[str], BuiltCase], name: str) -> None:
    case = built(name)
    info = soundfile.info(case.wav)
    assert (info.samplerate, info.channels, info.subtype) == (48_000, 1, "PCM_16")
    samples, _ = soundfile.read(case.wav, dtype="int16")
    assert not samples[-300 * 48 :].any()
    assert len(samples) == case.truth.n_samples
    ends = [0, *(u.end_sample for u in case.truth.utterances)]
    assert all(before <= u.start_sample < u.end_sample for before, u in zip(ends, case.truth.utterances, strict=False))


def test_the_same_recipe_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        folder = tmp_path / name
        subprocess.run(
            [sys.executable, "-c", BUILD.format(cases="cases", folder=str(folder))], cwd=ROOT, check=True, timeout=120
        )
        digests.append({p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())})
    assert digests[0] == digests[1]
    assert len(digests[0]) == 2 * len(CASES)


def metric_e_end(samples: np.ndarray, limit_dbfs: float) -> int:
    """metrics.md (e), sample by sample: the end of the last 5 ms whose RMS is above the limit."""
    windows = np.convolve(samples**2, np.ones(240) / 240)  # windows[i] ends with sample i
    return int(np.flatnonzero(windows > 10 ** (limit_dbfs / 10))[-1]) + 1 - 240  # where the last such 5 ms begins


@pytest.mark.parametrize("name", CLEAN)
def test_the_truth_agrees_with_the_samples_to_the_millisecond(built: Callable[[str], BuiltCase], name: str) -> None:
    case = built(name)
    samples, _ = soundfile.read(case.wav)
    first, last = case.truth.utterances[0], case.truth.utterances[-1]
    loud = np.flatnonzero(samples)  # clean speech stands in digital silence: no detector is needed
    assert abs(loud[0] - first.start_sample) <= 48
    assert abs(loud[-1] + 1 - last.end_sample) <= 48


@pytest.mark.parametrize("name", ["question_short", "numbers_and_units", "endpoint_short_hello", "mixed_zh_en"])
def test_the_truth_agrees_with_the_level_definition_within_its_frame(
    built: Callable[[str], BuiltCase], name: str
) -> None:
    case = built(name)
    samples, _ = soundfile.read(case.wav)
    (utterance,) = case.truth.utterances
    assert 0 <= utterance.end_sample - metric_e_end(samples, -45.0) <= 15 * 48


def test_the_truth_does_not_depend_on_the_level(built: Callable[[str], BuiltCase]) -> None:
    loud, quiet = built("question_short").truth.utterances[0], built("quiet_speech_-30dBFS").truth.utterances[0]
    assert loud.text == quiet.text
    assert (loud.start_sample, loud.end_sample) == (quiet.start_sample, quiet.end_sample)


def test_a_designed_pause_is_silent_and_as_long_as_it_says(built: Callable[[str], BuiltCase]) -> None:
    case = built("endpoint_mid_pause_300ms")
    samples, _ = soundfile.read(case.wav)
    ((start, end),) = case.truth.utterances[0].pauses
    assert end - start == 300 * 48
    assert not samples[start + 1 : end - 1].any()


def test_noise_is_as_far_below_the_speech_as_it_says(built: Callable[[str], BuiltCase]) -> None:
    case = built("noisy_snr10")
    samples, _ = soundfile.read(case.wav)
    (utterance,) = case.truth.utterances
    noise = np.sqrt(np.mean(samples[: utterance.start_sample - 480] ** 2))
    both = np.sqrt(np.mean(samples[utterance.start_sample : utterance.end_sample] ** 2))
    snr_db = 10 * np.log10((both**2 - noise**2) / noise**2)
    assert abs(snr_db - 10) < 1.0


def test_a_truncated_cache_file_is_built_again(tmp_path: Path, shipped_cases: list[tuple[Path, Case]]) -> None:
    path, case = next((p, c) for p, c in shipped_cases if c.id == "question_short")
    with Voices() as voices:
        first = build_case(case, path, tmp_path, voices)
        whole = first.wav.read_bytes()
        first.wav.write_bytes(whole[: len(whole) // 3])
        assert build_case(case, path, tmp_path, voices).wav.read_bytes() == whole


def test_the_device_wav_has_its_long_pads(built: Callable[[str], BuiltCase], tmp_path: Path) -> None:
    case = built("question_short")
    device_wav(case, tmp_path / "d.wav", lead_s=3.0)
    samples, _ = soundfile.read(tmp_path / "d.wav", dtype="int16")
    assert len(samples) == case.truth.n_samples + 13 * 48_000
    assert not samples[: 3 * 48_000].any()
    assert not samples[-10 * 48_000 :].any()


def test_the_spike_is_where_the_truth_says_and_of_full_scale(built: Callable[[str], BuiltCase]) -> None:
    case = built("boom_trigger")
    samples, _ = soundfile.read(case.wav, dtype="int16")
    (at,) = case.truth.impulses
    assert samples[at] == 32767
    assert np.abs(samples[at + 96 :].astype(int)).max() < 24_000


def test_designed_silence_is_annotated_where_it_is(built: Callable[[str], BuiltCase]) -> None:
    case = built("stutter_long_pause")
    (annotated,) = case.case.expected_silence
    start, end = max(case.truth.utterances[0].pauses, key=lambda pause: pause[1] - pause[0])
    assert annotated.start_ms == pytest.approx(start / 48, abs=2)
    assert annotated.end_ms == pytest.approx(end / 48, abs=2)


def test_a_long_sentence_has_no_pause_that_could_end_a_turn(built: Callable[[str], BuiltCase]) -> None:
    case = built("endpoint_long_sentence")
    samples, _ = soundfile.read(case.wav)
    (utterance,) = case.truth.utterances
    assert 6.0 <= (utterance.end_sample - utterance.start_sample) / 48_000 <= 8.0
    loud = np.flatnonzero(np.abs(samples) > 10 ** (-45 / 20))
    assert np.diff(loud).max() <= 150 * 48


def test_two_runs_may_build_the_same_case_at_once(tmp_path: Path, shipped_cases: list[tuple[Path, Case]]) -> None:
    path, case = next((p, c) for p, c in shipped_cases if c.id == "question_short")

    script = BUILD.format(cases=str(path), folder=str(tmp_path))
    builders = [subprocess.Popen([sys.executable, "-c", script], cwd=ROOT) for _ in range(3)]
    assert [builder.wait(timeout=120) for builder in builders] == [0, 0, 0]
    with Voices() as voices:
        assert build_case(case, path, tmp_path, voices).truth.case_id == "question_short"
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json", ".wav"]


def test_the_list_and_the_export_show_a_case_as_it_is(built: Callable[[str], BuiltCase], tmp_path: Path) -> None:
    case = built("stutter_long_pause")
    (row,) = list_rows([case])
    assert (row.id, row.tier, row.suites) == ("stutter_long_pause", "P1", ("fast", "mini"))
    assert row.duration_s == pytest.approx(case.truth.n_samples / 48_000)
    wav, truth, png = export_case(case, tmp_path / "out")
    assert wav.read_bytes() == case.wav.read_bytes()
    assert Truth.model_validate_json(truth.read_bytes()) == case.truth
    with Image.open(png) as picture:
        assert picture.width > 800
        assert len(picture.convert("RGB").getcolors(1 << 20) or []) > 100  # a spectrogram, not an empty frame
