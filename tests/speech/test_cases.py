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

from harness.errors import CaseError
from harness.model.case import Case
from harness.model.plan import BuiltCase
from harness.speech.build import build_case, device_wav
from harness.speech.case_file import load_case, load_cases
from harness.speech.espeak_worker import EspeakWorker, UnknownVoiceError

ROOT = Path(__file__).parents[2]
CASES = sorted(path.stem for path in (ROOT / "cases").glob("*.yaml"))


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
    script = (
        "import sys; from pathlib import Path\n"
        "from harness.speech.case_file import load_cases\n"
        "from harness.speech.build import build_case\n"
        "from harness.speech.espeak_worker import EspeakWorker\n"
        "with EspeakWorker() as w:\n"
        "    for p, c in load_cases(Path('cases')):\n"
        "        build_case(c, p, Path(sys.argv[1]), w)\n"
    )
    digests = []
    for name in ("one", "two"):
        folder = tmp_path / name
        subprocess.run([sys.executable, "-c", script, str(folder)], cwd=ROOT, check=True, timeout=120)
        digests.append({p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())})
    assert digests[0] == digests[1]
    assert len(digests[0]) == 2 * len(CASES)


@pytest.mark.parametrize("name", ["question_short", "quiet_speech_-30dBFS", "endpoint_short_hello"])
def test_the_truth_is_where_the_sound_is(built: Callable[[str], BuiltCase], name: str) -> None:
    case = built(name)
    samples, _ = soundfile.read(case.wav)
    loud = np.flatnonzero(np.abs(samples) > 10 ** (-60 / 20))
    (utterance,) = case.truth.utterances
    assert abs(loud[0] - utterance.start_sample) <= 5 * 48
    assert abs(loud[-1] + 1 - utterance.end_sample) <= 5 * 48


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


def write_case(folder: Path, wav: np.ndarray | None, rate_hz: int, subtype: str, extra: str = "") -> Path:
    if wav is not None:
        soundfile.write(folder / "mine.wav", wav, rate_hz, subtype=subtype)
    path = folder / "mine.yaml"
    path.write_text(f"id: mine\ntitle: mine\ntier: P0\nspeech:\n  wav: mine.wav\n{extra}")
    return path


def tone(seconds: float, rate_hz: int) -> np.ndarray:
    return 0.2 * np.sin(2 * np.pi * 300 * np.arange(int(seconds * rate_hz)) / rate_hz)


@pytest.mark.parametrize(
    ("rate_hz", "channels", "subtype"),
    [(44_100, 2, "PCM_24"), (8_000, 1, "PCM_U8"), (96_000, 1, "FLOAT"), (48_000, 1, "PCM_16"), (16_000, 2, "PCM_32")],
)
def test_a_recording_of_ones_own_is_converted_and_its_speech_found(
    tmp_path: Path, rate_hz: int, channels: int, subtype: str
) -> None:
    silence = np.zeros(int(0.5 * rate_hz))
    mono = np.concatenate([silence, tone(1.0, rate_hz), silence])
    wav = np.stack([mono] * channels, axis=1) if channels > 1 else mono
    path = write_case(tmp_path, wav, rate_hz, subtype)
    with EspeakWorker() as worker:
        case = build_case(load_case(path), path, tmp_path / "cache", worker)
    assert case.truth.source == "detected"
    (utterance,) = case.truth.utterances
    assert abs(utterance.start_sample - 24_000) <= 8 * 48
    assert abs(utterance.end_sample - 72_000) <= 8 * 48


def test_an_annotation_is_taken_as_it_is(tmp_path: Path) -> None:
    extra = "  truth:\n    - {start_ms: 100, end_ms: 900, text: hm}\n"
    path = write_case(tmp_path, tone(1.0, 48_000), 48_000, "PCM_16", extra)
    with EspeakWorker() as worker:
        case = build_case(load_case(path), path, tmp_path / "cache", worker)
    assert [(u.start_sample, u.end_sample) for u in case.truth.utterances] == [(4_800, 43_200)]


@pytest.mark.parametrize(
    ("wav", "says"),
    [
        (np.zeros(48_000), "is silent"),
        (np.full(48_000, np.nan), "no numbers"),
        (np.zeros(0), "no samples"),
    ],
)
def test_a_recording_that_says_nothing_is_refused(tmp_path: Path, wav: np.ndarray, says: str) -> None:
    path = write_case(tmp_path, wav, 48_000, "FLOAT")
    with EspeakWorker() as worker, pytest.raises(CaseError, match=says):
        build_case(load_case(path), path, tmp_path / "cache", worker)


def test_a_truncated_cache_file_is_built_again(tmp_path: Path, shipped_cases: list[tuple[Path, Case]]) -> None:
    path, case = next((p, c) for p, c in shipped_cases if c.id == "question_short")
    with EspeakWorker() as worker:
        first = build_case(case, path, tmp_path, worker)
        whole = first.wav.read_bytes()
        first.wav.write_bytes(whole[: len(whole) // 3])
        assert build_case(case, path, tmp_path, worker).wav.read_bytes() == whole


def test_the_device_wav_has_its_long_pads(built: Callable[[str], BuiltCase], tmp_path: Path) -> None:
    case = built("question_short")
    device_wav(case, tmp_path / "d.wav", lead_s=3.0)
    samples, _ = soundfile.read(tmp_path / "d.wav", dtype="int16")
    assert len(samples) == case.truth.n_samples + 13 * 48_000
    assert not samples[: 3 * 48_000].any()
    assert not samples[-10 * 48_000 :].any()


def test_a_voice_that_is_not_there_is_named() -> None:
    with EspeakWorker() as worker, pytest.raises(UnknownVoiceError, match="nosuchvoice"):
        worker.speak("hello", "nosuchvoice", 170)


def test_an_id_may_stand_once(tmp_path: Path) -> None:
    text = (ROOT / "cases" / "question_short.yaml").read_text()
    (tmp_path / "a.yaml").write_text(text)
    (tmp_path / "b.yaml").write_text(text)
    with pytest.raises(CaseError, match=r"b\.yaml.*already used in .*a\.yaml"):
        load_cases(tmp_path)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("tier: P9", "3: tier"),
        ("tier: P0\ntier: P0", "4: key 'tier' stands twice"),
        ("tier: P0\nsweet: [fast]", "4: unknown key 'sweet'"),
        ("tier: P0\nsuit: [fast]", "did you mean 'suite'"),
        ("tier: P0\nmin_reply_ms: soon", "4: min_reply_ms"),
        ("\ttier: P0", "not valid YAML"),
    ],
)
def test_an_error_names_line_and_key(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(f"id: x\ntitle: x\n{line}\nspeech: {{total_ms: 1000}}\n")
    with pytest.raises(CaseError) as caught:
        load_case(path)
    assert says in str(caught.value)
