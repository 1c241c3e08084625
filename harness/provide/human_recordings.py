"""Recordings of people, from Debian's packages as data: `apt-get download`, unpacked into the cache, nothing installed.

Prompts of Asterisk in five languages (16 kHz, G.722) and the loudspeaker test of alsa-utils (48 kHz). The G722 wheel
decodes them in a process of its own. Licences are kept beside the recordings; none of them is part of this product.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import soundfile

from harness.errors import ProvisionError
from harness.provide.cache import install
from harness.provide.tools import install_wheel, only_file, run_tool

RECORDINGS = "human-recordings"  # in the cache: one folder a language, FLAC or WAV
LICENCES = "licences"  # in it: each package's copyright file
DECODER_WHEEL = "G722==1.2.8"  # public domain, bit-exact by the ITU's vectors
PROMPTS = {language: f"asterisk-core-sounds-{language}-g722" for language in ("en", "es", "fr", "it", "ru")}
LOUDSPEAKERS = "alsa-utils"
NO_VOICE = ("Noise",)  # of alsa-utils
PROMPT_RATE_HZ = 16_000
DOWNLOAD_TIMEOUT_S = 300.0
UNPACK_TIMEOUT_S = 120.0
NOT_DEBIAN = (
    "recordings of people come from Debian's packages by apt-get and dpkg-deb, which are not here; "
    "give a folder of your own: earwitness setup --human-folder FOLDER"
)
DECODE = """
import sys
from array import array
from pathlib import Path
from G722 import G722
source, into = Path(sys.argv[1]), Path(sys.argv[2])
for path in sorted(source.rglob("*.g722")):
    name = into / (path.relative_to(source).with_suffix("").as_posix().replace("/", "-") + ".pcm")
    name.write_bytes(array("h", G722(16000, 64000).decode(path.read_bytes())).tobytes())
"""


def can_fetch() -> bool:
    return shutil.which("apt-get") is not None and shutil.which("dpkg-deb") is not None


def ensure_human_recordings(progress: Callable[[str], None] = lambda text: None) -> Path:
    """Raises ProvisionError."""

    def build(work: Path) -> None:
        if not can_fetch():
            raise ProvisionError(NOT_DEBIAN)
        scratch = work / "scratch"
        scratch.mkdir()
        progress(f"taking the decoder from the wheel {DECODER_WHEEL}")
        install_wheel(DECODER_WHEEL, scratch / "decoder", alone=True)
        for language, package in PROMPTS.items():
            progress(f"taking recordings from Debian's {package}")
            unpacked = _unpacked(package, scratch, work / LICENCES)
            decode_prompts(unpacked, work / language, scratch)
        progress(f"taking recordings from Debian's {LOUDSPEAKERS}")
        _take_loudspeakers(_unpacked(LOUDSPEAKERS, scratch, work / LICENCES), work / "alsa")
        shutil.rmtree(scratch)

    return install(RECORDINGS, build)


def _unpacked(package: str, scratch: Path, licences: Path) -> Path:
    folder = scratch / package
    folder.mkdir()
    run_tool(["apt-get", "download", package], timeout_s=DOWNLOAD_TIMEOUT_S, cwd=folder, env={"LC_ALL": "C"})
    archives = list(folder.glob("*.deb"))
    if len(archives) != 1:
        raise ProvisionError(f"apt-get download {package} brought {len(archives)} packages, expected 1")
    run_tool(["dpkg-deb", "-x", str(archives[0]), str(folder)], timeout_s=UNPACK_TIMEOUT_S)
    licences.mkdir(exist_ok=True)
    shutil.copy(only_file(folder, f"usr/share/doc/{package}/copyright"), licences / f"{package}.txt")
    return folder


def decode_prompts(unpacked: Path, into: Path, scratch: Path) -> None:
    """Each G.722 file of a package as FLAC, its folders in its name. `scratch` holds the decoder's wheel.

    Raises ProvisionError.
    """
    voices = [path for path in (unpacked / "usr/share/asterisk/sounds").glob("*") if path.is_dir()]
    if len(voices) != 1:
        raise ProvisionError(f"{unpacked.name}: {len(voices)} voices are in it, expected 1")
    raw = scratch / f"{into.name}-pcm"
    raw.mkdir()
    into.mkdir()
    environment = {"PYTHONPATH": str(scratch / "decoder")}
    decode = [sys.executable, "-c", DECODE, str(voices[0]), str(raw)]
    run_tool(decode, timeout_s=UNPACK_TIMEOUT_S, env=environment)
    for path in sorted(raw.glob("*.pcm")):
        samples, _ = soundfile.read(
            path, dtype="int16", format="RAW", subtype="PCM_16", samplerate=PROMPT_RATE_HZ, channels=1, endian="LITTLE"
        )
        soundfile.write(into / f"{path.stem}.flac", samples, PROMPT_RATE_HZ, subtype="PCM_16")


def _take_loudspeakers(unpacked: Path, into: Path) -> None:
    into.mkdir()
    for path in sorted((unpacked / "usr/share/sounds/alsa").glob("*.wav")):
        if path.stem not in NO_VOICE:
            shutil.copy(path, into / path.name.lower().replace("_", "-"))
