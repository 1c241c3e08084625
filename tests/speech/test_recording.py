"""A user's own WAV: whatever its format, it becomes a case; what cannot become one is told in one line."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import CaseError
from harness.history.environment import case_hash
from harness.speech.build import build_case
from harness.speech.case_file import load_case
from harness.speech.espeak_worker import EspeakWorker
from harness.speech.voices import Voices
from tests.model import wavs
from tests.speech.noises import words


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
    with Voices() as voices:
        case = build_case(load_case(path), path, tmp_path / "cache", voices)
    assert case.truth.source == "detected"
    (utterance,) = case.truth.utterances
    assert abs(utterance.start_sample - 24_000) <= 8 * 48
    assert abs(utterance.end_sample - 72_000) <= 8 * 48


def test_an_annotation_is_taken_as_it_is(tmp_path: Path) -> None:
    extra = "  truth:\n    - {start_ms: 100, end_ms: 900, text: hm}\n"
    path = write_case(tmp_path, tone(1.0, 48_000), 48_000, "PCM_16", extra)
    with Voices() as voices:
        case = build_case(load_case(path), path, tmp_path / "cache", voices)
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
    with Voices() as voices, pytest.raises(CaseError, match=says):
        build_case(load_case(path), path, tmp_path / "cache", voices)


def refuse(path: Path, says: str) -> None:
    with Voices() as voices, pytest.raises(CaseError, match=says) as caught:
        build_case(load_case(path), path, path.parent / "cache", voices)
    assert str(caught.value).startswith(f"{path}: speech")


def test_a_wav_that_is_empty_is_told(tmp_path: Path) -> None:
    path = write_case(tmp_path, None, 48_000, "PCM_16")
    (tmp_path / "mine.wav").touch()
    refuse(path, r"mine\.wav: is empty \(0 bytes\)")


def test_a_wav_that_is_not_there_is_told(tmp_path: Path) -> None:
    refuse(write_case(tmp_path, None, 48_000, "PCM_16"), r"mine\.wav: no such file")


@pytest.mark.parametrize("content", [b"RIFF", b"not a sound at all, but words" * 50, bytes(4096)])
def test_a_file_that_is_no_wav_is_told(tmp_path: Path, content: bytes) -> None:
    path = write_case(tmp_path, None, 48_000, "PCM_16")
    (tmp_path / "mine.wav").write_bytes(content)
    refuse(path, r"mine\.wav: not a readable WAV")


@settings(max_examples=30, deadline=None)
@given(kept=st.floats(0.0, 0.999))
def test_a_truncated_wav_is_never_taken_for_a_whole_one(tmp_path_factory: pytest.TempPathFactory, kept: float) -> None:
    folder = tmp_path_factory.mktemp("cut")
    path = write_case(folder, tone(0.3, 48_000), 48_000, "PCM_16")
    whole = (folder / "mine.wav").read_bytes()
    (folder / "mine.wav").write_bytes(whole[: int(kept * len(whole))])
    refuse(path, "is truncated|is empty|not a readable WAV|no samples")


def test_a_stream_that_does_not_say_how_long_it_is_is_told(tmp_path: Path) -> None:
    path = write_case(tmp_path, None, 48_000, "PCM_16")
    soundfile.write(tmp_path / "mine.wav", tone(1.0, 48_000), 48_000, format="FLAC")
    content = bytearray((tmp_path / "mine.wav").read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    (tmp_path / "mine.wav").write_bytes(content)
    refuse(path, r"mine\.wav: its header does not say how long it is, as of a stream; convert it to a WAV")


def test_a_sound_that_is_damaged_within_is_told(tmp_path: Path) -> None:
    path = write_case(tmp_path, None, 48_000, "PCM_16")
    soundfile.write(tmp_path / "mine.wav", tone(3.0, 48_000), 48_000, format="MP3")
    content = (tmp_path / "mine.wav").read_bytes()
    (tmp_path / "mine.wav").write_bytes(content[: len(content) * 2 // 3])
    refuse(path, r"s of its sound are missing or damaged")


def test_a_wav_longer_than_ten_minutes_is_told(tmp_path: Path) -> None:
    refuse(write_case(tmp_path, np.zeros(601 * 8_000), 8_000, "PCM_U8"), "is longer than 600 s")


def test_an_annotation_outside_the_wav_is_told(tmp_path: Path) -> None:
    extra = "  truth:\n    - {start_ms: 100, end_ms: 90000}\n"
    refuse(write_case(tmp_path, tone(1.0, 48_000), 48_000, "PCM_16", extra), r"truth\.0: 100 to 90000 ms does not fit")


def test_the_level_of_a_recording_is_what_the_case_asks_for(tmp_path: Path) -> None:
    sound = np.concatenate([np.zeros(8_000), tone(1.0, 16_000)])
    path = write_case(tmp_path, sound, 16_000, "PCM_16", "  level_dbfs: -30\n")
    with Voices() as voices:
        case = build_case(load_case(path), path, tmp_path / "cache", voices)
    samples, _ = soundfile.read(case.wav)
    (utterance,) = case.truth.utterances
    rms = np.sqrt(np.mean(samples[utterance.start_sample : utterance.end_sample] ** 2))
    assert 20 * np.log10(rms) == pytest.approx(-30, abs=0.2)
    assert not samples[-48_000:].any()


def test_utterances_of_a_recording_are_told_apart_by_their_silence(tmp_path: Path) -> None:
    silence = np.zeros(48_000)
    wav = np.concatenate([silence, tone(0.5, 48_000), silence[:9_600], tone(0.5, 48_000), silence, tone(0.4, 48_000)])
    path = write_case(tmp_path, wav, 48_000, "PCM_16")
    with Voices() as voices:
        truth = build_case(load_case(path), path, tmp_path / "cache", voices).truth
    spans_ms = [(u.start_sample / 48, u.end_sample / 48) for u in truth.utterances]
    assert spans_ms == [pytest.approx((1000, 2200), abs=6), pytest.approx((3200, 3600), abs=6)]


@pytest.mark.parametrize("kind", [*wavs.STREAMED, *wavs.UNPADDED, *wavs.TWICE, *wavs.LEFT_OUT])
def test_a_wav_whose_header_cannot_be_true_becomes_a_case_with_a_note(tmp_path: Path, kind: str) -> None:
    path = write_case(tmp_path, None, 48_000, "PCM_16")
    data = (wavs.STREAMED | wavs.UNPADDED | wavs.TWICE | wavs.LEFT_OUT)[kind]
    (tmp_path / "mine.wav").write_bytes(data)
    with Voices() as voices:
        built = [build_case(load_case(path), path, tmp_path / "cache", voices) for _ in range(2)]
    said = np.concatenate([wavs.SAMPLES] * (2 if kind in wavs.TWICE else 1))
    samples, _ = soundfile.read(built[0].wav, dtype="int16")
    assert np.array_equal(samples[:-48_000], said)
    for case in built:  # the second one comes from the cache
        assert case.truth.notes
        assert all(note.startswith("mine.wav: ") for note in case.truth.notes)


@pytest.mark.parametrize("kind", [*wavs.CUT, *wavs.REFUSED])
def test_what_cannot_be_read_of_a_wav_is_told_with_its_reason(tmp_path: Path, kind: str) -> None:
    path = write_case(tmp_path, None, 48_000, "PCM_16")
    (tmp_path / "mine.wav").write_bytes(wavs.CUT[kind] if kind in wavs.CUT else wavs.REFUSED[kind][0])
    refuse(path, "is truncated: " if kind in wavs.CUT else re.escape(wavs.REFUSED[kind][1]))


def test_a_note_is_no_part_of_what_a_case_is_in_the_history(tmp_path: Path) -> None:
    path = write_case(tmp_path, np.concatenate([np.zeros(24_000), tone(1.0, 48_000)]), 48_000, "PCM_16")
    with Voices() as voices:
        truth = build_case(load_case(path), path, tmp_path / "cache", voices).truth
    assert case_hash(truth) == case_hash(truth.model_copy(update={"notes": ["mine.wav: read to the end"]}))


def test_of_two_people_on_two_channels_the_case_says_who_the_user_is(
    tmp_path: Path, espeak: EspeakWorker, voices: Voices
) -> None:
    hello, silence = words(espeak, "Hello there", "en-us"), np.zeros(48_000)
    left = np.concatenate([silence, hello, silence, 0 * hello, silence])
    right = np.concatenate([silence, 0 * hello, silence, hello, silence])
    both = np.stack([left, right], axis=1)
    path = write_case(tmp_path, both, 48_000, "PCM_16")
    with pytest.raises(CaseError, match=r"2 people speak in turn, .*speech.channel: left or right"):
        build_case(load_case(path), path, tmp_path / "cache", voices)
    path = write_case(tmp_path, both, 48_000, "PCM_16", "  channel: right\n")
    [utterance] = build_case(load_case(path), path, tmp_path / "cache", voices).truth.utterances
    assert utterance.start_sample == pytest.approx(len(silence) * 2 + len(hello), abs=300)
