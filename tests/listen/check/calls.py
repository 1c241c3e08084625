"""Recordings of a conversation made in a few lines, with their truth: the shipped cases' voices at known times.

Times are ms. A voice is trimmed to its voiced samples, so where it is laid is where it begins and ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from harness.speech.espeak_worker import EspeakWorker
from tests.speech.noises import words

RATE_HZ = 48_000
PER_MS = 48

Samples = npt.NDArray[np.float64]

ASKED = ("What time is it in Tokyo", "And how is the weather there", "Please read the story", "Stop, wait a moment")
TOLD = ("It is ten past nine in the evening over there", "It will rain all day, so take an umbrella with you")


@dataclass(frozen=True)
class Laid:
    """Some words of one side, [start, end) in ms."""

    at_ms: float
    samples: Samples

    @property
    def end_ms(self) -> float:
        return self.at_ms + len(self.samples) / PER_MS


@cache
def spoken(text: str, voice: str = "en-us") -> Samples:
    """From the first voiced sample to the last, at −23 dBFS."""
    with EspeakWorker() as worker:
        return words(worker, text, voice)


def side(laid: list[Laid], total_ms: float, noise_dbfs: float | None = None, seed: int = 1) -> Samples:
    out = np.zeros(round(total_ms * PER_MS))
    for words_ in laid:
        at = round(words_.at_ms * PER_MS)
        out[at : at + len(words_.samples)] += words_.samples
    if noise_dbfs is not None:
        out += np.random.default_rng(seed).standard_normal(len(out)) * 10 ** (noise_dbfs / 20)
    return out


def write(path: Path, *channels: Samples, rate_hz: int = RATE_HZ, subtype: str | None = "PCM_16") -> Path:
    soundfile.write(path, np.stack(channels, axis=1), rate_hz, subtype=subtype)
    return path


@dataclass(frozen=True)
class Conversation:
    """What was laid down: words of each side in order, and the length. The truth of every figure."""

    user: tuple[Laid, ...]
    agent: tuple[Laid, ...]
    total_ms: float

    @property
    def waits_ms(self) -> list[float]:
        """Of the turns that are answered."""
        return [told.at_ms - said.end_ms for said, told in zip(self.user, self.agent, strict=False)]

    def channels(self, *, user_noise_dbfs: float | None = None) -> tuple[Samples, Samples]:
        return side(list(self.user), self.total_ms, user_noise_dbfs), side(list(self.agent), self.total_ms)


WAITS_MS = (650.0, 3_200.0, 500.0, -400.0)
BARGE_IN_AFTER_MS = 1_200.0
UNANSWERED_MS = 4_000.0


def conversation(user: str = "en-us", agent: str = "en-gb") -> Conversation:
    """An answer, a slow one that is interrupted after 1.2 s, one into the user's words, and none."""
    asked, told = [spoken(text, user) for text in ASKED], [spoken(text, agent) for text in TOLD]
    says = [Laid(1_000, asked[0])]
    hears = [Laid(says[0].end_ms + WAITS_MS[0], told[0])]
    says.append(Laid(hears[0].end_ms + 900, asked[1]))
    hears.append(Laid(says[1].end_ms + WAITS_MS[1], told[1]))
    says.append(Laid(hears[1].at_ms + BARGE_IN_AFTER_MS, asked[3]))
    hears.append(Laid(max(hears[1].end_ms, says[2].end_ms) + WAITS_MS[2], told[0]))
    says.append(Laid(hears[2].end_ms + 1_000, asked[2]))
    hears.append(Laid(says[3].end_ms + WAITS_MS[3], told[1]))
    says.append(Laid(hears[3].end_ms + 1_000, asked[0]))
    return Conversation(tuple(says), tuple(hears), says[-1].end_ms + UNANSWERED_MS)
