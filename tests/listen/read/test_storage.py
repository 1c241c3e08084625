"""Long recordings stay on disk and are gone through in blocks: not one number is another for it."""

import gc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import butter, resample_poly, sosfilt

from harness.listen.measure import listen
from harness.listen.place import spoken
from harness.listen.place.align import find_best
from harness.listen.place.onset import level_db
from harness.listen.place.ring import Ring, voice_band
from harness.listen.read import storage
from harness.listen.read.storage import StoredAudio, resampled, spill
from harness.listen.read.wav import read_wav
from harness.model.audio import Audio
from tests.listen.captures import Call, Replied, Said, hole, simple_call, speech


@pytest.fixture
def everything_is_long(monkeypatch):
    """Recordings from half a second on stay on disk; blocks of a third of a second."""
    monkeypatch.setattr(storage, "LONG_MS", 500.0)
    monkeypatch.setattr(storage, "BLOCK", 16_000)
    monkeypatch.setattr("harness.listen.read.wav.BLOCK", 16_000)
    monkeypatch.setattr("harness.listen.place.onset.BLOCK_HOPS", 700)


def sound(seconds: float, rate_hz: int = 48_000) -> np.ndarray:
    return (0.1 * np.random.default_rng(3).standard_normal(round(seconds * rate_hz) + 17)).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 44_100, 96_000])
def test_resampling_in_blocks_is_resampling_at_once(everything_is_long, rate_hz):
    x = sound(2.5, rate_hz)
    blocks = list(resampled(lambda start, end: x[start:end], len(x), rate_hz, 48_000))
    assert len(blocks) > 1
    assert np.array_equal(np.concatenate(blocks), resample_poly(x, 48_000, rate_hz).astype(np.float32))


def test_the_band_and_the_level_in_blocks_are_those_of_the_whole(everything_is_long, monkeypatch):
    audio = Audio(sound(2.5), 48_000)
    band = voice_band(audio)
    slow = resample_poly(audio.samples, 1, 6).astype(np.float64)
    whole = sosfilt(butter(4, (300.0, 3_400.0), "bandpass", fs=8_000, output="sos"), slow)
    assert np.array_equal(band, whole)
    levels = level_db(audio)
    monkeypatch.setattr("harness.listen.place.onset.BLOCK_HOPS", 1_000_000)
    assert np.array_equal(levels, level_db(audio))


@pytest.mark.parametrize(("subtype", "rate_hz", "channels"), [("FLOAT", 48_000, 1), ("PCM_16", 44_100, 2)])
def test_a_recording_on_disk_is_the_recording_in_memory(tmp_path, monkeypatch, subtype, rate_hz, channels):
    x = sound(2.5, rate_hz)
    soundfile.write(tmp_path / "x.wav", np.stack([x] * channels, axis=1), rate_hz, subtype=subtype)
    short = read_wav(tmp_path / "x.wav")
    monkeypatch.setattr(storage, "LONG_MS", 500.0)
    long = read_wav(tmp_path / "x.wav")
    assert isinstance(short, Audio)
    assert not isinstance(short, StoredAudio)
    assert isinstance(long, StoredAudio)
    assert len(long) == len(short)
    assert long.duration_ms == short.duration_ms
    assert np.array_equal(long.samples, short.samples)
    assert np.array_equal(long.slice_ms(100, 900).samples, short.slice_ms(100, 900).samples)
    assert np.array_equal(Ring("x", long).band, Ring("x", short).band)


def test_the_file_goes_with_its_last_user():
    stored = spill(iter([sound(1), sound(1)]), np.float32)
    file, view = stored._file, stored.array()
    del stored
    gc.collect()
    assert file.closed
    assert np.array_equal(view[: len(sound(1))], sound(1))  # who still looks at it still sees it


@pytest.mark.parametrize("length", [0, 1, 100])
def test_a_recording_of_hardly_anything_can_be_stored(length):
    assert len(spill(iter([np.zeros(length, np.float32)]), np.float32).array()) == length


def conversation(tmp_path: Path) -> Path:
    said = [Said(500 + 4_000 * n, speech(900 + 50 * n, n + 1)) for n in range(4)]
    replies = [
        Replied(item.end_ms + 400, speech(1_300, 50 + n), at_ear=lambda x, n=n: hole(x, 300 + 50 * n, 70))
        for n, item in enumerate(said)
    ]
    return Call(said=said, replies=replies, total_ms=17_000).write(tmp_path / "c")


def test_a_call_measures_the_same_from_disk(tmp_path, monkeypatch):
    folder = conversation(tmp_path)
    from_memory = listen(folder).model_dump_json()
    monkeypatch.setattr(storage, "LONG_MS", 500.0)
    monkeypatch.setattr(storage, "BLOCK", 60_000)
    assert listen(folder).model_dump_json() == from_memory


def test_utterances_are_found_group_by_group(tmp_path, monkeypatch):
    folder = conversation(tmp_path)
    whole = listen(folder)
    monkeypatch.setattr(spoken, "WHOLE_MS", 1_000.0)
    monkeypatch.setattr(spoken, "GROUP_MS", 3_500.0)
    monkeypatch.setattr(spoken, "AHEAD_MS", (4_000.0, 9_000.0))
    grouped = listen(folder)
    assert grouped.validity == whole.validity
    assert [turn.mic_end_sample for turn in grouped.turns] == [turn.mic_end_sample for turn in whole.turns]


def test_an_utterance_that_was_not_said_does_not_lose_the_next(tmp_path, monkeypatch):
    folder = conversation(tmp_path)
    mic, rate_hz = soundfile.read(folder / "mic.wav", dtype="float32")
    mic[4_200 * 48 : 6_000 * 48] = 0
    soundfile.write(folder / "mic.wav", mic, rate_hz, subtype="FLOAT")
    monkeypatch.setattr(spoken, "WHOLE_MS", 1_000.0)
    monkeypatch.setattr(spoken, "GROUP_MS", 1_500.0)
    monkeypatch.setattr(spoken, "AHEAD_MS", (9_000.0, 9_000.0))
    ends = [turn.mic_end_sample for turn in listen(folder).turns]
    assert ends[1] is None
    assert None not in (ends[0], ends[2], ends[3])


def test_a_search_in_parts_finds_the_same_place(monkeypatch):
    band = voice_band(Audio(np.concatenate([speech(2_000, n) for n in range(4)]), 48_000))
    piece = band[30_000:36_000]
    whole = find_best(piece, band)
    monkeypatch.setattr("harness.listen.place.align.MOST_AT_ONCE", 7_000)
    parts = find_best(piece, band)
    assert whole is not None
    assert parts is not None
    assert parts.at == pytest.approx(whole.at, abs=1e-6)
    assert parts.confidence == pytest.approx(whole.confidence, abs=1e-9)


def test_replies_without_times_are_followed_by_their_lag(tmp_path):
    call = simple_call()
    second = Said(call.replies[0].at_ms + 2_400, speech(800, 7))
    call.said.append(second)
    call.replies.append(Replied(second.end_ms + 500, speech(1_500, 8), lead_ms=1_500.0, lag_ms=-1_400))
    call.total_ms = 9_000
    folder = call.write(tmp_path / "c")
    told = listen(folder)
    for name in ("agent_trace.jsonl", "events.jsonl"):
        (folder / name).unlink()
    untold = listen(folder)
    assert [turn.onset_sample for turn in untold.turns] == [turn.onset_sample for turn in told.turns]
    assert all(turn.metrics["identity"].value > 0.9 for turn in untold.turns)


def test_words_that_come_again_are_heard_the_first_time_first(tmp_path):
    call = simple_call()
    again = Said(call.replies[0].at_ms + 2_400, speech(800, 7))
    call.said.append(again)
    call.replies.append(Replied(again.end_ms + 500, call.replies[0].sound, lead_ms=1_500.0, lag_ms=-1_400))
    call.total_ms = 9_000
    folder = call.write(tmp_path / "c")
    told = listen(folder)
    for name in ("agent_trace.jsonl", "events.jsonl"):
        (folder / name).unlink()
    untold = listen(folder)
    assert [turn.onset_sample for turn in untold.turns] == [turn.onset_sample for turn in told.turns]
    assert [turn.reply_seq for turn in untold.turns] == [0, 1]
    assert all(turn.metrics["identity"].value > 0.9 for turn in untold.turns)
