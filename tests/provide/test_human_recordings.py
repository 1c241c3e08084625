"""Debian's recordings as data: G.722 decoded in a process of its own, a package unpacked, and what is said elsewhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from harness.errors import ProvisionError
from harness.provide import human_recordings
from harness.provide.human_recordings import can_fetch, decode_prompts, ensure_human_recordings
from harness.provide.tools import install_wheel

ENCODE = """
import sys
from array import array
from pathlib import Path
from G722 import G722
pcm = array("h", Path(sys.argv[1]).read_bytes())
Path(sys.argv[2]).write_bytes(G722(16000, 64000).encode(pcm))
"""


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the decoder's wheel in it."""
    folder = tmp_path_factory.mktemp("scratch")
    try:
        install_wheel(human_recordings.DECODER_WHEEL, folder / "decoder", alone=True)
    except ProvisionError as error:
        pytest.skip(f"the decoder's wheel is not to be had: {error}")
    return folder


def test_prompts_are_decoded_and_named_by_their_folders(scratch: Path, tmp_path: Path) -> None:
    n = np.arange(16_000)
    tone = (8_000 * np.sin(2 * np.pi * 440 * n / 16_000)).astype("<i2")
    (tmp_path / "tone.pcm").write_bytes(tone.tobytes())
    voice = tmp_path / "package" / "usr/share/asterisk/sounds/en_US_f_Somebody" / "digits"
    voice.mkdir(parents=True)
    subprocess.run(
        [sys.executable, "-c", ENCODE, tmp_path / "tone.pcm", voice / "1.g722"],
        check=True,
        env={"PYTHONPATH": str(scratch / "decoder")},
    )
    decode_prompts(tmp_path / "package", tmp_path / "en", scratch)
    samples, rate_hz = soundfile.read(tmp_path / "en" / "digits-1.flac", dtype="int16")
    assert rate_hz == 16_000
    assert len(samples) == pytest.approx(16_000, abs=200)
    spectrum = np.abs(np.fft.rfft(samples[2_000:14_000] * np.hanning(12_000)))
    assert np.argmax(spectrum) * 16_000 / 12_000 == pytest.approx(440, abs=2)


def test_a_package_without_one_voice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "usr/share/asterisk/sounds").mkdir(parents=True)
    with pytest.raises(ProvisionError, match="0 voices are in it, expected 1"):
        decode_prompts(tmp_path, tmp_path / "en", tmp_path)


def test_where_there_is_no_apt_one_sentence_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProvisionError, match="earwitness setup --human-folder FOLDER"):
        ensure_human_recordings()
    assert not (tmp_path / "cache" / human_recordings.RECORDINGS).exists()


@pytest.mark.skipif(not can_fetch(), reason="no apt-get or dpkg-deb on this machine")
def test_a_package_is_unpacked_as_data_with_its_licence(tmp_path: Path) -> None:
    try:
        unpacked = human_recordings._unpacked("alsa-utils", tmp_path, tmp_path / "licences")
    except ProvisionError as error:
        pytest.skip(f"apt-get has no alsa-utils here: {error}")
    human_recordings._take_loudspeakers(unpacked, tmp_path / "alsa")
    names = {path.name for path in (tmp_path / "alsa").iterdir()}
    assert "front-center.wav" in names
    assert "noise.wav" not in names
    assert "GPL" in (tmp_path / "licences" / "alsa-utils.txt").read_text()
    assert shutil.which("dpkg-deb") is not None
