"""ear.webm beside ear.wav: decoded, laid on the tap's recording, and heard like it. The WebM is made here, of real Opus."""

from __future__ import annotations

import io
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from harness.listen.read.webm import WebmError, read_webm
from harness.listen.recorder import WEBM_MEASUREMENT, WebmHeard, hear_webm
from harness.model import capture
from tests.listen.captures import RATE_HZ, Change, Samples, hole, identity, ms, silence, simple_call

UNKNOWN = b"\x01" + b"\xff" * 7  # a length that a live recorder does not know yet


def element(ident: int, body: bytes) -> bytes:
    return ident.to_bytes((ident.bit_length() + 7) // 8, "big") + struct.pack("!Q", len(body) | 1 << 56) + body


def opus_packets(samples: Samples) -> list[bytes]:
    """What libsndfile's Opus makes of it: 20 ms packets, out of their Ogg pages."""
    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, format="OGG", subtype="OPUS")
    data, at, packets, part = file.getvalue(), 0, [], b""
    while at < len(data):
        count = data[at + 26]
        lacing, body = data[at + 27 : at + 27 + count], at + 27 + count
        for size in lacing:
            part += data[body : body + size]
            body += size
            if size < 255:
                packets.append(part)
                part = b""
        at = body
    return [packet for packet in packets if not packet.startswith((b"OpusHead", b"OpusTags"))]


def webm(samples: Samples, *, codec: bytes = b"A_OPUS", flags: int = 0x80) -> bytes:
    """As Chromium writes it: clusters of a second, lengths of segment and clusters unknown."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, RATE_HZ, 0, 0)
    track = element(0xAE, element(0xD7, b"\x01") + element(0x86, codec) + element(0x63A2, head))
    out = element(0x1A45DFA3, element(0x4282, b"webm")) + b"\x18\x53\x80\x67" + UNKNOWN + element(0x1654AE6B, track)
    for number, packet in enumerate(opus_packets(samples)):
        second, within = divmod(20 * number, 1_000)
        if within == 0:
            out += b"\x1f\x43\xb6\x75" + UNKNOWN + element(0xE7, (1_000 * second).to_bytes(3, "big"))
        out += element(0xA3, b"\x81" + struct.pack("!hB", within, flags) + packet)
    return out


def recorded(folder: Path, change: Change = identity, late_ms: float = 0.0, **call: object) -> Path:
    """A capture whose ear.webm began `late_ms` after ear.wav (before it, if negative) and heard `change` of it."""
    folder = simple_call(450, **call).write(folder)
    ear, _ = soundfile.read(folder / capture.EAR, dtype="float32")
    heard = change(ear)
    begun = heard[ms(late_ms) :] if late_ms >= 0 else np.concatenate([silence(-late_ms), heard])
    (folder / capture.EAR_WEBM).write_bytes(webm(begun))
    return folder


def of(heard: WebmHeard, metric: str) -> tuple[float | None, float | None]:
    return next((row.ear, row.webm) for row in heard.replies if row.metric == metric)


@pytest.mark.parametrize("late_ms", [0.0, 100.0, -40.0])
def test_the_recording_is_laid_on_the_taps_by_what_is_heard(tmp_path: Path, late_ms: float) -> None:
    codec_ms = hear_webm(recorded(tmp_path / "at-once")).lag_ms  # what this encoder puts ahead by itself
    heard = hear_webm(recorded(tmp_path / "c", late_ms=late_ms))
    assert heard.reason == ""
    assert heard.lag_ms is not None
    assert codec_ms is not None
    assert heard.lag_ms - codec_ms == pytest.approx(late_ms, abs=0.5)
    assert heard.drift_ms == pytest.approx(0.0, abs=0.5)
    assert heard.level_db == pytest.approx(0.0, abs=0.5)
    assert heard.identity is not None
    assert heard.identity > 0.9
    ear_ms, webm_ms = of(heard, "user_kpi_raw_ms")
    assert webm_ms == pytest.approx(ear_ms, abs=5.0)


def test_a_hole_that_only_the_recorder_made_shows_in_its_numbers_alone(tmp_path: Path) -> None:
    heard = hear_webm(recorded(tmp_path / "c", lambda x: hole(x, 2_700.0, 200.0)))
    ear_ms, webm_ms = of(heard, "max_gap_ear_ms")
    assert ear_ms == 0
    assert webm_ms == pytest.approx(200.0, abs=25.0)


def test_a_recorder_that_is_quieter_shows_its_level(tmp_path: Path) -> None:
    heard = hear_webm(recorded(tmp_path / "c", lambda x: 0.5 * x))
    assert heard.level_db == pytest.approx(-6.0, abs=0.5)


def test_the_sound_is_what_was_encoded(tmp_path: Path) -> None:
    tone = (0.3 * np.sin(2 * np.pi * 440 * np.arange(RATE_HZ) / RATE_HZ)).astype(np.float32)
    path = tmp_path / "x.webm"
    path.write_bytes(webm(tone))
    found = read_webm(path)
    settled = found.audio.samples[ms(200) : ms(800)]
    assert float(np.sqrt(np.mean(settled**2))) == pytest.approx(0.3 / np.sqrt(2), rel=0.03)
    assert found.packets == pytest.approx(50, abs=2)
    assert found.gap_ms == 0
    assert found.span_ms == pytest.approx(found.audio.duration_ms, abs=0.1)


def test_a_recording_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "x.webm"
    whole = webm(silence(2_000) + 0.1)
    path.write_bytes(whole)
    all_ms = read_webm(path).audio.duration_ms
    path.write_bytes(whole[: len(whole) * 2 // 3])
    assert 0 < read_webm(path).audio.duration_ms < all_ms


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"RIFF" + b"\0" * 100, "is no WebM"),
        (webm(silence(500), codec=b"A_VORBIS"), "its codec is A_VORBIS, not Opus"),
        (webm(silence(500), flags=0x86), "its blocks are laced"),
        (webm(silence(500))[:120], "holds no packet of sound"),
    ],
)
def test_what_is_no_such_recording_says_why(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "x.webm"
    path.write_bytes(content)
    with pytest.raises(WebmError, match=said):
        read_webm(path)


def test_a_capture_without_one_says_so(tmp_path: Path) -> None:
    assert hear_webm(simple_call(450).write(tmp_path / "browser")).reason == "ear.webm is missing"
    bot = hear_webm(simple_call(450, lane="bot").write(tmp_path / "bot"))
    assert bot.reason == "the bot lane has no browser that records"


def test_other_sound_is_not_compared(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "c", lambda x: np.random.default_rng(1).normal(0, 0.1, len(x)).astype(np.float32))
    assert hear_webm(folder).reason == "ear.webm: no reply of ear.wav is found in it"


Run = Callable[..., subprocess.CompletedProcess[str]]


def test_the_command_prints_it_and_writes_it_into_the_capture(earwitness: Run, tmp_path: Path) -> None:
    folder = recorded(tmp_path / "c")
    done = earwitness("listen", "--webm", str(folder))
    assert done.returncode == 0, done.stderr
    assert "what differs is the recorder's own codec" in done.stdout
    assert WebmHeard.model_validate_json((folder / WEBM_MEASUREMENT).read_bytes()) == hear_webm(folder)
    (folder / capture.EAR_WEBM).unlink()
    done = earwitness("listen", "--webm", str(folder))
    assert done.returncode == 3
    assert "ear.webm is missing" in done.stdout
