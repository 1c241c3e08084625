"""The ear is what the page plays: elements muted, paused, replaced, never attached, loud and soft, graphs of the page's own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.signal import correlate

from harness.browser.driver import RATE_HZ, PageSession
from harness.browser.records import Unplayed
from tests.browser.conftest import stood_still, with_late

pytestmark = pytest.mark.live

SILENT = 10 ** (-90 / 20)
LEVEL_FRAME_SAMPLES = RATE_HZ // 50
LOUD_FRAMES = 9  # of the chirp's 20
BUFFER_FRAMES = 480
LINE_FRAMES = 2 * RATE_HZ  # by so much before it, what a context plays is put in its place
NEAR_PAIRS = 12  # a second


def level_db(heard: npt.NDArray[np.float64]) -> float:
    rms = np.sort(np.sqrt(np.mean(heard.reshape(-1, LEVEL_FRAME_SAMPLES) ** 2, axis=1)))
    return 20 * float(np.log10(max(1e-6, np.median(rms[-LOUD_FRAMES:]) * np.sqrt(2))))


class Call:
    """A page in a call with itself: chirps are spoken, and how loud each is heard is measured."""

    def __init__(self, session, recording, chirp, tmp_path):
        self.session, self.recording, self.chirp, self.script = session, recording, chirp, tmp_path / "step.js"
        self.spoken_at: list[int] = []

    async def does(self, script: str) -> None:
        self.script.write_text(script)
        await self.session.run_script(self.script)

    async def level_db(self) -> float:
        """Of the chirp at the ear, from full scale; what the page was told before it was spoken holds.

        The median of its LOUD_FRAMES loudest frames: a jitter buffer that stretches or conceals on a busy host overlays
        some 20 ms of the chirp with a copy of itself, which moved its peak by up to 3 dB.
        """
        self.last_level_db = level_db(await self._heard())
        return self.last_level_db

    async def lag(self) -> int:
        """Samples from when the chirp was spoken to when it was heard."""
        heard = await self._heard()
        self.last_level_db = level_db(heard)
        return int(np.argmax(correlate(heard, self.chirp.astype(np.float64), mode="valid", method="fft")))

    async def is_silent(self) -> bool:
        """Not one sample of the chirp is at the ear."""
        return bool(np.abs(await self._heard()).max() < SILENT)

    async def _heard(self) -> npt.NDArray[np.float64]:
        frame = await self.session.speak(self.chirp, await self.session.current_frame() + RATE_HZ // 4)
        self.spoken_at.append(frame)
        await self.recording.reach(frame + RATE_HZ)
        await self.session.stats()  # looked at once a second in a call, packets with it
        return self.recording.ear(frame, frame + RATE_HZ).astype(np.float64)


@pytest.fixture
async def in_call(browser, site, record, wait_for, chirp, tmp_path):
    """Opens a page of the site, waits for its call, gives the Call; a first chirp settles the jitter buffer."""
    sessions = []

    async def opened(page: str, **options) -> Call:
        context = browser.session(**options)
        session = await context.__aenter__()
        sessions.append(context)
        recording = record(session)
        await session.open(site(page), timeout_s=20)
        await wait_for(session.agent_track_seen)
        await wait_for(session.tap_started)
        call = Call(session, recording, chirp, tmp_path)
        await call.level_db()
        return call

    yield opened
    for context in sessions:
        await context.__aexit__(None, None, None)


async def test_an_element_is_heard_as_loud_as_it_plays(in_call):
    call = await in_call("talks")
    full = await call.level_db()
    assert full > -20
    await call.does("player.volume = 0.25;")
    assert await call.level_db() == pytest.approx(full - 12, abs=1)
    await call.does("player.muted = true;")
    assert await call.is_silent()
    await call.does("player.muted = false; player.volume = 1; player.pause();")
    assert await call.is_silent()
    await call.does("await player.play();")
    assert await call.level_db() == pytest.approx(full, abs=1)
    await call.does("player.remove();")  # taken out of the document it is paused
    await call.does("await player.play();")  # and plays on without one
    assert await call.level_db() == pytest.approx(full, abs=1)
    await call.does("player.srcObject = null;")
    assert await call.is_silent()


async def test_elements_that_come_and_go_are_followed(in_call):
    call = await in_call("talks")
    full = await call.level_db()
    await call.does("""
        player.srcObject = new MediaStream();
        window.other = new Audio();
        other.srcObject = agentStream;""")
    assert await call.is_silent()  # `other` was never played
    await call.does("other.autoplay = true; await other.play();")
    assert await call.level_db() == pytest.approx(full, abs=1)
    await call.does("""
        window.track = agentStream.getAudioTracks()[0];
        other.srcObject = null;
        player.srcObject = new MediaStream([track]);""")
    assert await call.level_db() == pytest.approx(full, abs=1)
    await call.does("player.srcObject.removeTrack(track);")
    assert await call.is_silent()
    await call.does("player.srcObject.addTrack(track);")
    assert await call.level_db() == pytest.approx(full, abs=1)


async def test_a_track_that_was_muted_from_the_first_is_known_to_have_spoken(in_call):
    call = await in_call("talks_muted")
    await call.level_db()
    assert await call.session.unplayed() == Unplayed(("the element is muted",), undecoded=False)


async def test_what_arrives_and_is_not_played_is_known_with_its_reason(in_call):
    call = await in_call("talks")
    await call.does("player.muted = true;")
    await call.level_db()
    assert (await call.session.unplayed()).reasons == ("the element is muted",)
    await call.does("player.muted = false; player.pause();")
    assert (await call.session.unplayed()).reasons == ("the element is paused",)
    assert not (await call.session.unplayed()).undecoded


async def test_a_track_that_no_element_holds_is_known_to_have_spoken(in_call):
    call = await in_call("plays_nothing")
    await call.level_db()
    told = await call.session.unplayed()
    assert told.reasons == ("it was never given to an element",)
    assert told.undecoded


async def test_ear_hears_every_track_where_that_is_asked_for(in_call):
    call = await in_call("talks", ear="received")
    full = await call.level_db()
    await call.does("player.muted = true;")
    assert await call.level_db() == pytest.approx(full, abs=1)


GRAPH = """
    window.silent = new Audio();
    silent.srcObject = agentStream;
    silent.muted = true;
    await silent.play();
    window.context = new AudioContext({ sampleRate: %d });
    window.gain = new GainNode(context, { gain: 0.25 });
    context.createMediaStreamSource(agentStream).connect(gain).connect(context.destination);
"""


@pytest.mark.parametrize("rate_hz", [24_000, 44_100, 48_000])
async def test_a_graph_of_the_page_s_own_is_heard_as_it_sounds(in_call, rate_hz):
    call = await in_call("talks")
    full = await call.level_db()
    await call.does("player.srcObject = null;" + GRAPH % rate_hz)
    await call.level_db()
    assert await call.level_db() == pytest.approx(full - 12, abs=1.5)
    await call.does("gain.gain.value = 0.5;")
    assert await call.level_db() == pytest.approx(full - 6, abs=1.5)
    await call.does("await context.suspend();")
    assert await call.is_silent()
    assert (await call.session.unplayed()).reasons == ("the element is muted", "the page's AudioContext is suspended")
    await call.does("await context.resume();")
    await call.level_db()
    assert await call.level_db() == pytest.approx(full - 6, abs=1.5)
    await call.does("gain.disconnect(context.destination);")
    assert await call.is_silent()
    assert not call.session.fatal.is_set()


async def test_what_a_graph_plays_lies_on_the_ear_s_clock(in_call):
    """The microphone's own voice through a context of the page: heard soon, at one distance each time.

    On a busy host a stream loses or gains one of its buffers of 10 ms on its way into a context; those are left out.
    """
    call = await in_call("plays_nothing")
    await call.does("""
        window.context = new AudioContext();
        const voice = await navigator.mediaDevices.getUserMedia({ audio: true });
        context.createMediaStreamSource(voice).connect(context.destination);""")
    await call.level_db()
    lags = [await call.lag() for _ in range(5)]
    assert min(lags) >= 0
    spoken_at = call.spoken_at[-len(lags) :]
    steady = [
        lag
        for at, lag in zip(spoken_at, lags, strict=True)
        if not stood_still(call.session, at - LINE_FRAMES, at + RATE_HZ)
    ]
    assert max(map(abs, apart(steady)), default=0) <= RATE_HZ // 1000


async def test_a_graph_that_stood_still_between_two_replies_lies_on_the_ear_s_clock_at_once(in_call):
    """A page may suspend its context while the agent is silent. The page itself says when each of its clicks is to be heard."""
    call = await in_call("plays_nothing")
    await call.does("""
        window.context = new AudioContext({ sampleRate: 16000 });
        new GainNode(context).connect(context.destination);
        await new Promise((resolve) => setTimeout(resolve, 1500));""")
    plays = []
    for _ in range(3):
        begin = await call.session.current_frame()
        await call.does("""
            await context.resume();
            const buffer = context.createBuffer(1, 1600, context.sampleRate);
            buffer.getChannelData(0).fill(0.5);
            const source = new AudioBufferSourceNode(context, { buffer });
            source.connect(context.destination);
            const at = context.currentTime + 0.2;
            source.start(at);
            await new Promise((resolve) => source.addEventListener("ended", resolve));
            await new Promise((resolve) => setTimeout(resolve, 500));
            const zeros = [];
            for (let look = 0; look < 15; look++) {
              const { contextTime, performanceTime } = context.getOutputTimestamp();
              zeros.push(performanceTime - 1e3 * contextTime);
              await new Promise((resolve) => setTimeout(resolve, 10));
            }
            window.earwitness = { trace: { heard_ms: zeros.sort((a, b) => a - b)[7] + 1e3 * at } };
            await context.suspend();
            await new Promise((resolve) => setTimeout(resolve, 1500));""")
        plays.append((begin, await call.session.current_frame(), (await call.session.page_claims())["heard_ms"]))
    await call.recording.reach(plays[-1][1])
    apart_ms = []
    late = call.session.last_audio()
    for begin, end, heard_ms in plays:
        if stood_still(call.session, begin - LINE_FRAMES, end):
            continue
        ear = with_late(call.recording.ear(begin, end), begin, late)
        loud = np.flatnonzero(np.abs(ear) > 0.25)
        skipped = np.sum(~call.recording.told(begin + loud[0], begin + loud[-1]))
        assert len(loud) + skipped == pytest.approx(RATE_HZ // 10, rel=0.02)
        apart_ms.append(host_ms(call.session, begin + loud[0]) - heard_ms)
    assert max(apart_ms, default=0.0) - min(apart_ms, default=0.0) < 1.0, apart_ms


def host_ms(session: PageSession, frame: int) -> float:
    """performance.now() at the ear's `frame`, by the pairs around it."""
    pairs = np.array(session.instants)
    near = pairs[np.argsort(np.abs(pairs[:, 0] - frame))[:NEAR_PAIRS]]
    return float(np.median(near[:, 1] - 1e3 * near[:, 0] / RATE_HZ)) + 1e3 * frame / RATE_HZ


def apart(lags: list[int]) -> list[int]:
    """From the last one; whole buffers are left out."""
    return [(lag - lags[-1] + BUFFER_FRAMES // 2) % BUFFER_FRAMES - BUFFER_FRAMES // 2 for lag in lags]


async def test_a_loopback_is_heard_once(in_call):
    call = await in_call("talks")
    full = await call.level_db()
    await call.does("""
        player.muted = true;
        const [here, there] = [new RTCPeerConnection(), new RTCPeerConnection()];
        here.onicecandidate = ({ candidate }) => candidate && there.addIceCandidate(candidate);
        there.onicecandidate = ({ candidate }) => candidate && here.addIceCandidate(candidate);
        there.ontrack = ({ streams: [stream] }) => {
          window.looped = new Audio();
          looped.autoplay = true;
          looped.srcObject = stream;
        };
        here.addTrack(agentStream.getAudioTracks()[0], agentStream);
        await here.setLocalDescription();
        await there.setRemoteDescription(here.localDescription);
        await there.setLocalDescription();
        await here.setRemoteDescription(there.localDescription);""")
    await call.level_db()
    assert await call.level_db() == pytest.approx(full, abs=1.5)
    await call.does("looped.muted = true;")
    assert await call.is_silent()


async def test_a_context_that_was_closed_is_no_reason_while_another_can_play(in_call):
    """Pages open one to unlock the sound, and close it."""
    call = await in_call("plays_nothing")
    await call.does("""
        for (const name of ["unlocks", "plays"]) {
          window[name] = new AudioContext();
          new GainNode(window[name]).connect(window[name].destination);
        }
        await unlocks.close();""")
    assert (await call.session.unplayed()).graphs == ()
    await call.does("await plays.close();")
    assert (await call.session.unplayed()).graphs == ("the page's AudioContext is closed",)


async def test_an_element_that_plays_a_graph_is_heard(in_call):
    call = await in_call("talks")
    full = await call.level_db()
    await call.does("""
        player.muted = true;
        window.context = new AudioContext();
        const out = context.createMediaStreamDestination();
        context.createMediaStreamSource(agentStream).connect(new GainNode(context, { gain: 0.5 })).connect(out);
        window.other = new Audio();
        other.srcObject = out.stream;
        await other.play();""")
    await call.level_db()
    assert await call.level_db() == pytest.approx(full - 6, abs=1.5)


async def test_an_element_that_also_plays_into_a_graph_is_heard_once(in_call):
    call = await in_call("talks")
    full = await call.level_db()
    await call.does("""
        const context = new AudioContext();
        context.createMediaElementSource(player).connect(context.destination);""")
    assert await call.level_db() == pytest.approx(full, abs=1)
