"""What lies in a WAV, whatever its header claims: read whole with a note, or refused with the reason."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from harness.model.riff import CutError, Piece, Riff, RiffError, is_placeholder, parse_riff
from harness.model.wav_file import TrueWav, open_wav
from tests.model import wavs


def parsed(data: bytes) -> Riff:
    found = parse_riff(io.BytesIO(data), len(data))
    assert found is not None
    return found


def heard(path: Path, data: bytes) -> np.ndarray:
    path.write_bytes(data)
    with open_wav(path).source() as source:
        samples, rate_hz = soundfile.read(source, dtype="int16")
    assert rate_hz == wavs.RATE_HZ
    return samples


@pytest.mark.parametrize("kind", wavs.STREAMED)
def test_a_size_that_a_stream_leaves_is_read_to_the_end_with_a_note(tmp_path: Path, kind: str) -> None:
    data = wavs.STREAMED[kind]
    assert np.array_equal(heard(tmp_path / "x.wav", data), wavs.SAMPLES)
    (note,) = parsed(data).notes
    assert note.startswith("its header says ")
    assert note.endswith("read to the end (0.7 s)")


@pytest.mark.parametrize("kind", wavs.RIGHT)
def test_what_is_right_is_read_without_a_word(tmp_path: Path, kind: str) -> None:
    data = wavs.RIGHT[kind]
    assert np.array_equal(heard(tmp_path / "x.wav", data), wavs.SAMPLES)
    assert parsed(data).notes == ()


@pytest.mark.parametrize("kind", wavs.UNPADDED)
def test_a_pad_byte_that_was_forgotten_costs_a_note(tmp_path: Path, kind: str) -> None:
    data = wavs.UNPADDED[kind]
    assert np.array_equal(heard(tmp_path / "x.wav", data), wavs.SAMPLES)
    (note,) = parsed(data).notes
    assert note in ("the pad byte after its chunk 'LIST' is missing", "the pad byte after its chunk 'xyz1' is missing")


@pytest.mark.parametrize("kind", wavs.TWICE)
def test_wavs_one_after_the_other_are_read_as_one(tmp_path: Path, kind: str) -> None:
    data = wavs.TWICE[kind]
    assert np.array_equal(heard(tmp_path / "x.wav", data), np.concatenate([wavs.SAMPLES] * 2))
    assert parsed(data).notes[-1] == "2 WAVs one after the other, read as one"


def test_a_wav_of_odd_length_without_its_pad_byte_is_followed_by_the_next(tmp_path: Path) -> None:
    eight_bit = b"\x01\x00\x01\x00\x80\xbb\x00\x00\x80\xbb\x00\x00\x01\x00\x08\x00"
    one = wavs.wav(data=bytes(range(101)), fmt=eight_bit)[:-1]
    assert len(heard(tmp_path / "x.wav", one + one)) == 202


def test_bytes_that_no_header_announces_are_named_and_left_out(tmp_path: Path) -> None:
    (data,) = wavs.LEFT_OUT.values()
    assert np.array_equal(heard(tmp_path / "x.wav", data), wavs.SAMPLES)
    assert parsed(data).notes == ("100 bytes follow its sound that its header does not announce: left out",)


@pytest.mark.parametrize("kind", wavs.CUT)
def test_a_file_that_was_cut_stays_an_error(kind: str) -> None:
    with pytest.raises(CutError, match=r"^\d+ bytes of its samples are missing$"):
        parsed(wavs.CUT[kind])


@pytest.mark.parametrize("kind", wavs.REFUSED)
def test_what_cannot_be_read_says_why(kind: str) -> None:
    data, says = wavs.REFUSED[kind]
    with pytest.raises(RiffError) as told:
        parsed(data)
    assert says in str(told.value)


@pytest.mark.parametrize("kind", wavs.EMPTY)
def test_a_wav_without_sound_holds_no_samples(tmp_path: Path, kind: str) -> None:
    assert len(heard(tmp_path / "x.wav", wavs.EMPTY[kind])) == 0
    assert parsed(wavs.EMPTY[kind]).notes == ()


@pytest.mark.parametrize("n_bytes", [3 * 60 * 96_000, 600 * 96_000, 1_000_000_000, 0x7FFFFFFF - 1_000_000])
def test_a_size_that_a_recording_may_have_is_believed(n_bytes: int) -> None:
    assert not is_placeholder(n_bytes)


def test_sizes_beyond_32_bit_come_under_a_64_bit_header(tmp_path: Path) -> None:
    """Five sparse gigabytes of silence."""
    path = tmp_path / "x.wav"
    with path.open("wb") as file:
        file.truncate(5 * 2**30 + 44)
    with TrueWav(path, [Piece(b"RIFF", wavs.PCM_16, 44, 5 * 2**30 + 44)]) as source:
        assert soundfile.info(source).frames == 5 * 2**30 // 2


def test_more_sound_than_its_placeholder_says_is_read_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a stream of more than 4 GiB, whose header still says 0xFFFFFFFF."""
    monkeypatch.setattr("harness.model.riff.PLACEHOLDERS", ((1_000, 0),))
    (piece,) = parsed(wavs.wav(size=1_000)).pieces
    assert piece.end - piece.start == len(wavs.SAID)


def test_big_endian_wavs_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    soundfile.write(path, wavs.SAMPLES, wavs.RATE_HZ, subtype="PCM_16", endian="BIG", format="WAV")
    data = path.read_bytes()
    assert data[:4] == b"RIFX"
    assert np.array_equal(heard(path, data), wavs.SAMPLES)
    at = data.index(b"data") + 4
    assert np.array_equal(heard(path, data[:at] + b"\xff" * 4 + data[at + 4 :]), wavs.SAMPLES)


@pytest.mark.parametrize(
    "data", [b"", b"OggS" + bytes(40), b"fLaC", b"RIFF\0\0\0\0AVI "], ids=["empty", "ogg", "flac", "avi"]
)
def test_of_other_files_nothing_is_said(data: bytes) -> None:
    assert parse_riff(io.BytesIO(data), len(data)) is None
