"""Its answer sounds otherwise: `shaped.py SHAPE`, a name of SHAPES. 48 kHz mono int16 in, the same out."""

import numpy as np
from scipy.linalg import solve_toeplitz
from scipy.signal import lfilter, resample_poly
from sounds import pink_noise
from stranger import RATE_HZ, Stranger, run_stranger, silence, voice

FULL_SCALE = 32_767
ORDER, FRAME = 32, RATE_HZ // 50  # of the whisper's filter, and how long one stands


def _int16(wave: np.ndarray) -> np.ndarray:
    return np.clip(wave, -FULL_SCALE - 1, FULL_SCALE).astype(np.int16)


def whispered(sound: np.ndarray) -> np.ndarray:
    """Breath in place of the pitch, through the same mouth (linear prediction)."""
    wave, out, rng = sound.astype(float), np.zeros(len(sound)), np.random.default_rng(2)
    state = np.zeros(ORDER)
    for at in range(0, len(wave) - FRAME, FRAME):
        part = wave[at : at + FRAME] * np.hanning(FRAME)
        likeness = np.correlate(part, part, "full")[FRAME - 1 : FRAME + ORDER] + 1e-3
        likeness[0] *= 1.001
        shape = np.concatenate([[1.0], -solve_toeplitz(likeness[:-1], likeness[1:])])
        left = lfilter(shape, [1.0], wave[at : at + FRAME]).std()
        breath = rng.standard_normal(FRAME) * left
        out[at : at + FRAME], state = lfilter([1.0], shape, breath, zi=state)
    return _int16(out * 0.5)


def at_pitch(up: int, down: int) -> object:
    """Another pitch, and another tempo with it."""
    return lambda sound: _int16(resample_poly(sound.astype(float), up, down))


def room_tone(sound: np.ndarray) -> np.ndarray:
    """Noise of −48 dBFS from 300 ms ahead of the words to 400 ms after them, as a gated microphone gives."""
    whole = np.concatenate([silence(0.3), sound, silence(0.4)])
    return _int16(whole.astype(float) + np.resize(pink_noise(-48.0), len(whole)))


def fading_in(sound: np.ndarray) -> np.ndarray:
    rise = np.minimum(1.0, np.arange(len(sound)) / (0.4 * RATE_HZ))
    return _int16(sound * rise)


SHAPES = {
    "whispered": whispered,
    "low": at_pitch(8, 5),
    "high": at_pitch(4, 7),
    "loud": lambda sound: _int16(sound / np.abs(sound.astype(float)).max() * FULL_SCALE),
    "room_tone": room_tone,
    "fading_in": fading_in,
    "two_parts": lambda sound: np.concatenate([voice("filler"), silence(0.7), sound]),
    "neural": lambda _: voice("neural"),
    "long": lambda _: np.concatenate([voice("story"), silence(0.3), voice("story")]),
}


class Shaped(Stranger):
    async def answer(self) -> None:
        await self.mouth.say(SHAPES[self.arguments[0]](voice("answer")))


if __name__ == "__main__":
    run_stranger(Shaped)
