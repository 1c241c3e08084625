"""The sound of a media element's `src` at the ear: as loud as it plays, once, and only where it is asked for.

The element plays one second of a tone that the page makes, and rises from 300 to 1,300 Hz: its pitch says which part of the
file is heard. Levels are of full scale.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import hilbert

from harness.browser.driver import RATE_HZ
from tests.browser.conftest import with_late

pytestmark = pytest.mark.live

PEAK = 0.25
TONE_JS = f"""
  const rate = 24000;
  const rising = (s) => {PEAK * 32767} * Math.sin(2 * Math.PI * (300 + 500 * s) * s);
  const samples = Int16Array.from({{ length: rate }}, (_, n) => rising(n / rate));
  const head = new DataView(new ArrayBuffer(44));
  const words = (at, text) => [...text].forEach((letter, n) => head.setUint8(at + n, letter.charCodeAt(0)));
  words(0, "RIFF"); words(8, "WAVEfmt "); words(36, "data");
  head.setUint32(4, 36 + samples.byteLength, true); head.setUint32(16, 16, true); head.setUint16(20, 1, true);
  head.setUint16(22, 1, true); head.setUint32(24, rate, true); head.setUint32(28, 2 * rate, true);
  head.setUint16(32, 2, true); head.setUint16(34, 16, true); head.setUint32(40, samples.byteLength, true);
  const player = new Audio(URL.createObjectURL(new Blob([head, samples], {{ type: "audio/wav" }})));
  const over = new Promise((resolve) => player.addEventListener("ended", resolve));
"""


@pytest.fixture
async def heard(browser, site, record, wait_for, tmp_path):
    """Plays a script behind TONE_JS in a page with a microphone, until `over`; gives the ear meanwhile."""

    async def play(script: str, *, files: bool = True) -> np.ndarray:
        async with browser.session(files=files) as session:
            recording = record(session)
            await session.open(site("talks_muted"), timeout_s=20)
            await wait_for(session.tap_started)
            begin = await session.current_frame()
            path = tmp_path / "step.js"
            path.write_text(TONE_JS + script + "\nawait over;")
            await session.run_script(path)
            end = await session.current_frame() + RATE_HZ // 2
            await recording.reach(end)
            return with_late(recording.ear(begin, end), begin, session.last_audio())

    return play


def wave(ear: np.ndarray) -> np.ndarray:
    """The analytic signal of what sounds, up to where it sounds last."""
    loud = np.flatnonzero(np.abs(ear) > 0.02)
    assert len(loud) > RATE_HZ // 2
    return np.asarray(hilbert(ear[loud[0] : loud[-1]]))


def level(ear: np.ndarray) -> float:
    """The tone's peak. A median: where a busy host loses a block, the tone has an edge, and a resampler rings there."""
    return float(np.median(np.abs(wave(ear))))


def heard_ms(ear: np.ndarray) -> tuple[float, float]:
    """From where to where in the file, by the pitch of the first and of the last hundredth of a second."""
    hz = np.diff(np.unwrap(np.angle(wave(ear)))) * RATE_HZ / (2 * np.pi)
    hundredth = RATE_HZ // 100
    first, last = (float(np.median(part)) - 300 for part in (hz[hundredth : 2 * hundredth], hz[-hundredth:]))
    return first - 15, last + 5


async def test_a_file_is_heard_whole_and_as_loud_as_it_plays(heard) -> None:
    ear = await heard("await player.play();")
    assert level(ear) == pytest.approx(PEAK, rel=0.05)
    begin_ms, end_ms = heard_ms(ear)
    assert begin_ms < 150, "Chromium loses 21 ms of a file's beginning, and 65 ms were seen on a busy host"
    assert end_ms > 970
    softer = await heard("player.volume = 0.5; await player.play();")
    assert level(softer) == pytest.approx(PEAK / 2, rel=0.05)
    assert np.abs(await heard("player.muted = true; await player.play();")).max() < 1e-4


IN_A_SHADOW = """
  const root = document.body.appendChild(document.createElement("div")).attachShadow({ mode: "closed" });
  root.innerHTML = `<audio autoplay src="${player.src}"></audio>`;
  root.firstChild.addEventListener("ended", () => player.dispatchEvent(new Event("ended")));
"""


@pytest.mark.parametrize(
    "script",
    [
        "player.autoplay = true; document.body.append(player);",
        "player.autoplay = true;",
        "player.setAttribute('autoplay', '');",
        IN_A_SHADOW,
    ],
    ids=["in the document", "attached nowhere", "attached nowhere, as an attribute", "in a shadow root"],
)
async def test_a_file_that_plays_by_its_attribute_is_heard(heard, script: str) -> None:
    assert level(await heard(script)) == pytest.approx(PEAK, rel=0.05)


@pytest.mark.parametrize(
    "node",
    ["context.createMediaElementSource(player)", "new MediaElementAudioSourceNode(context, { mediaElement: player })"],
)
async def test_a_file_that_plays_into_a_graph_is_heard_once(heard, node: str) -> None:
    ear = await heard(f"const context = new AudioContext(); {node}.connect(context.destination); await player.play();")
    assert level(ear) == pytest.approx(PEAK, rel=0.05)


async def test_a_graph_that_is_made_when_it_sounds_is_heard(heard) -> None:
    ear = await heard("""
        const context = new AudioContext();
        const buffer = context.createBuffer(1, rate, rate);
        buffer.getChannelData(0).set(Float32Array.from(samples, (sample) => sample / 32768));
        const source = new AudioBufferSourceNode(context, { buffer });
        source.connect(context.destination);
        source.addEventListener("ended", () => player.dispatchEvent(new Event("ended")));
        source.start();""")
    assert level(ear) == pytest.approx(PEAK, rel=0.05)


async def test_without_being_asked_for_a_file_is_not_heard(heard) -> None:
    assert np.abs(await heard("await player.play();", files=False)).max() < 1e-4


@pytest.mark.parametrize("ends", ["close", "suspend"])
async def test_a_context_for_each_sentence_that_ends_behind_it_is_heard_to_its_end(heard, ends: str) -> None:
    """Made ahead, so that its beginning is heard. A quarter of a second each, at a rate whose blocks are a third of that."""
    ear = await heard(
        """
        const contexts = Array.from({ length: 4 }, () => new AudioContext({ sampleRate: rate }));
        for (const context of contexts) new GainNode(context).connect(context.destination);
        await new Promise((resolve) => setTimeout(resolve, 1500));  // nothing tells the page that they can be heard
        for (const context of contexts) {
          const buffer = context.createBuffer(1, rate / 4, rate);
          buffer.getChannelData(0).set(Float32Array.from(samples.slice(0, rate / 4), (sample) => sample / 32768));
          const source = new AudioBufferSourceNode(context, { buffer });
          source.connect(context.destination);
          source.start();
          await new Promise((resolve) => source.addEventListener("ended", resolve));
          await context.ENDS();
          await new Promise((resolve) => setTimeout(resolve, 200));
        }
        player.dispatchEvent(new Event("ended"));""".replace("ENDS", ends)
    )
    assert np.sum(ear**2) == pytest.approx(RATE_HZ * PEAK**2 / 2, rel=0.03)
