"""The agent's own voice out of a loudspeaker, with delays, a room, noise, and with a second voice over it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import fftconvolve, lfilter, resample_poly

from runtime.call.echo import EchoGuard, phase_correlation
from runtime.engines.espeak import EspeakTextToSpeech

RATE = 16_000
EPOCH_MS = 7_000_000.0


def voice(seconds: float, seed: int, pitch_hz: float, formant_shift: float = 1.0) -> np.ndarray:
    """Syllables of a gliding pitch through moving formants, −20 dBFS while voiced."""
    rng, parts = np.random.default_rng(seed), []
    while sum(map(len, parts)) < seconds * RATE:
        n = int(rng.uniform(0.10, 0.28) * RATE)
        pitch = pitch_hz * np.geomspace(rng.uniform(0.85, 1.2), rng.uniform(0.85, 1.2), n)
        phase = np.cumsum(pitch) / RATE
        source = np.diff(np.floor(phase), prepend=0.0) + 0.02 * rng.standard_normal(n)
        for formant, width in zip(rng.uniform((300, 900, 2200), (800, 2100, 3000)), (80, 110, 160), strict=True):
            angle, radius = 2 * np.pi * formant * formant_shift / RATE, np.exp(-np.pi * width / RATE)
            source = lfilter([1.0], [1.0, -2 * radius * np.cos(angle), radius**2], source)
        parts += [
            source * np.hanning(n) ** 0.5 / np.sqrt(np.mean(source**2)),
            np.zeros(int(rng.uniform(0, 0.12) * RATE)),
        ]
    return np.concatenate(parts)[: int(seconds * RATE)] * 10 ** (-20 / 20)


def room(seed: int) -> np.ndarray:
    """A direct path and 250 ms of reverberation, 8 dB below it."""
    rng = np.random.default_rng(seed)
    tail = rng.standard_normal(4_000) * np.exp(-6.9 * np.arange(4_000) / 4_000)
    response = tail * 10 ** (-8 / 20) / np.sqrt(np.sum(tail**2))
    response[0] += 1.0
    return response


def decisions(
    agent: np.ndarray, microphone: np.ndarray, late_ms: np.ndarray | None = None
) -> tuple[np.ndarray, EchoGuard]:
    """`near` of every 10 ms of the microphone while the agent's voice is published 60 ms ahead in frames of 20 ms.
    `late_ms`: how long each frame waited before it was looked at.
    """
    guard = EchoGuard()
    published = (resample_poly(agent, 3, 1) * 32_767).clip(-32_768, 32_767).astype(np.int16)
    heard = (microphone * 32_767).clip(-32_768, 32_767).astype(np.int16)
    found = []
    for k in range(len(heard) // 160):
        first = (k + 6) * 480
        if k % 2 == 0 and first + 960 <= len(published):
            guard.published(published[first : first + 960], EPOCH_MS + (k + 6) * 10.0)
        found.append(
            guard.near(
                heard[k * 160 : (k + 1) * 160], EPOCH_MS + k * 10.0 + (late_ms[k] if late_ms is not None else 0.0)
            )
        )
    return np.array(found), guard


def microphone(
    agent: np.ndarray, gain_db: float | None, delay_ms: float, user: np.ndarray | None = None, at_s: float = 2.0
) -> np.ndarray:
    heard = 1e-4 * np.random.default_rng(9).standard_normal(len(agent))
    if gain_db is not None:
        echo = fftconvolve(agent, room(3))[: len(agent)]
        delay = int(delay_ms * RATE / 1e3)
        heard[delay:] += 10 ** (gain_db / 20) * echo[: len(agent) - delay]
    if user is not None:
        heard[int(at_s * RATE) :][: len(user)] += user[: len(heard) - int(at_s * RATE)]
    return heard


def loud(signal: np.ndarray, above_db: float) -> np.ndarray:
    frames = signal[: len(signal) // 160 * 160].reshape(-1, 160)
    return np.sqrt(np.mean(frames**2, axis=1)) > 10 ** (above_db / 20)


AGENT = voice(5.0, seed=1, pitch_hz=120.0)
USER = voice(0.8, seed=2, pitch_hz=190.0, formant_shift=1.15) * 10 ** (-3 / 20)


@pytest.mark.parametrize("gain_db", [-10.0, -20.0, -30.0])
@pytest.mark.parametrize("delay_ms", [40.0, 150.0, 290.0, 470.0])
def test_an_echo_is_not_taken_for_the_user(gain_db: float, delay_ms: float) -> None:
    heard = microphone(AGENT, gain_db, delay_ms)
    near, guard = decisions(AGENT, heard)
    sounding = loud(heard, -50.0)
    assert np.mean(near[sounding]) < 0.05
    longest = max((len(run) for run in "".join("x" if n else " " for n in near & sounding).split()), default=0)
    assert longest * 10 < 80, "no run long enough to hold the reply"
    assert guard.delay_frames == pytest.approx(delay_ms / 10, abs=2)


@pytest.mark.parametrize(("gain_db", "least"), [(-10.0, 0.3), (-20.0, 0.6), (-30.0, 0.8)])
@pytest.mark.parametrize("delay_ms", [40.0, 150.0, 290.0, 470.0])
def test_a_real_voice_over_the_echo_is_heard(gain_db: float, least: float, delay_ms: float) -> None:
    near, _ = decisions(AGENT, microphone(AGENT, gain_db, delay_ms, USER))
    speaking = np.zeros(len(near), bool)
    speaking[200:280] = loud(USER, -35.0)[:80]
    assert np.mean(near[speaking]) >= least
    assert np.sum(near[200:230] & speaking[200:230]) >= 8, "enough in its first 300 ms to hold the reply"


@pytest.mark.parametrize("at_s", [0.3, 1.1, 2.0, 3.3])
def test_a_user_with_headphones_is_never_taken_for_an_echo(at_s: float) -> None:
    near, guard = decisions(AGENT, microphone(AGENT, None, 0.0, USER, at_s))
    first = int(at_s * 100)
    speaking = np.flatnonzero(loud(USER, -35.0)) + first
    assert guard.gain is None
    assert np.mean(near[speaking[speaking >= first + 20]]) == 1.0
    if at_s > 1.0:
        assert np.all(near[speaking]), "nothing came back before, so there is no first look"


async def spoken(tts: EspeakTextToSpeech, text: str) -> np.ndarray:
    chunks = [chunk async for chunk in tts.speak(text)]
    return resample_poly(np.concatenate(chunks) / 32768.0, RATE, tts.rate_hz)


async def test_a_user_who_speaks_with_the_agents_own_synthesiser_is_not_taken_for_an_echo() -> None:
    """As in the shipped cases: alike in voice and pitch, and now and then in phase."""
    tts = EspeakTextToSpeech()
    try:
        agent = await spoken(tts, "I heard you. Please go on.")
        user = await spoken(tts, "what time is it")
    finally:
        await tts.aclose()
    agent = np.concatenate([agent, np.zeros(2 * RATE)])
    for at_s in np.arange(0.2, 1.2, 0.1):
        near, guard = decisions(agent, microphone(agent, None, 0.0, user, at_s))
        speaking = np.flatnonzero(loud(user, -40.0)) + round(at_s * 100)
        assert guard.gain is None, f"at {at_s:.1f} s"
        assert np.mean(near[speaking[45:]]) == 1.0, f"at {at_s:.1f} s"


def test_after_the_reply_its_reverberation_is_still_the_agents_and_a_user_is_not() -> None:
    agent = np.concatenate([AGENT, np.zeros(2 * RATE)])
    near, _ = decisions(agent, microphone(agent, -15.0, 250.0, USER, at_s=6.0))
    tail = slice(500, 530)
    assert not np.any(near[tail] & loud(microphone(agent, -15.0, 250.0), -50.0)[tail])
    speaking = np.flatnonzero(loud(USER, -35.0)) + 600
    assert np.all(near[speaking])


def test_a_loudspeaker_switched_on_in_mid_call_is_noticed() -> None:
    quiet_agent, guard = decisions(AGENT, microphone(AGENT, None, 0.0))
    assert guard.no_loudspeaker
    assert quiet_agent.all()
    heard = np.concatenate([microphone(AGENT, None, 0.0), microphone(AGENT, -15.0, 100.0)])
    near, guard = decisions(np.concatenate([AGENT, AGENT]), heard)
    assert not guard.no_loudspeaker
    assert guard.gain is not None
    assert np.mean(near[600:][loud(heard, -50.0)[600:]]) < 0.1


def test_an_agent_that_is_late_to_listen_still_knows_its_echo() -> None:
    heard = microphone(AGENT, -20.0, 150.0)
    late_ms = np.zeros(len(heard) // 160)
    for stall in (120, 250, 390):
        late_ms[stall : stall + 30] = np.arange(300, 0, -10)
    near, _ = decisions(AGENT, heard, late_ms)
    assert np.mean(near[loud(heard, -50.0)]) < 0.05


def test_an_echo_whose_way_grows_longer_is_soon_known_again() -> None:
    agent = voice(8.0, seed=1, pitch_hz=120.0)
    before, after = microphone(agent, -20.0, 150.0), microphone(agent, -20.0, 230.0)
    heard = np.concatenate([before[: 4 * RATE], after[4 * RATE :]])
    near, _ = decisions(agent, heard)
    taken = (near & loud(heard, -50.0))[400:]
    assert np.sum(taken) <= 15
    longest = max((len(run) for run in "".join("x" if n else " " for n in taken).split()), default=0)
    assert longest <= 6, "not long enough to hold the reply"


def test_the_phase_correlation_finds_the_delay_to_the_sample() -> None:
    rng = np.random.default_rng(0)
    sent = rng.standard_normal(6_000)
    for delay in (0, 7, 333, 3_900):
        heard = sent[len(sent) - delay - 2_000 : len(sent) - delay] + 0.5 * rng.standard_normal(2_000)
        found, sigmas = phase_correlation(heard, sent)
        assert found == delay
        assert sigmas > 12
    assert phase_correlation(rng.standard_normal(2_000), sent)[1] < 6
