"""A kind of change: what is done to one reply, how much, and what a right judgement of it is. Written before the ears heard any.

A change is a pure function of (reply, severity, generator, material) and gives the changed reply. Arrays are float32 at
48 kHz, full scale ±1, mono. A reply begins with its first audible sample. None of these kinds is in the product's own catalogue
of faults; nothing here is to be looked at while the ears are tuned.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

RATE_HZ = 48_000
PER_MS = RATE_HZ // 1_000
PACKET = 20 * PER_MS
WHOLE_MS = 60_000  # longer than any reply: all of it

Sound = npt.NDArray[np.float32]
Severity = Literal["mild", "severe"]
SEVERITIES: tuple[Severity, ...] = ("mild", "severe")
Place = Literal["pre", "post", "ear"]
PLACES: tuple[Place, ...] = ("pre", "post", "ear")
BORN: Mapping[Place, str] = {"pre": "before_rtc", "post": "in_rtc", "ear": "at_ear"}
#: Whether it must be noticed: at both severities, at the severe one, or at none (then a reason says why it is tolerated).
Due = Literal["always", "severe", "tolerated"]

OTHER_WORDS = (
    "what is published is the reference: other words, or sounds that an agent may mean, are no defect of sound"
)
NO_REFERENCE = (
    "nothing tells it from a voice, or a studio, that is so; only what no voice does is due without a reference"
)
TOO_LITTLE = "the mild form is near what a codec or a jitter buffer does"
NOT_HEARD = "nobody hears it"


@dataclass(frozen=True)
class Material:
    """Sounds that some changes need: another reply, and the user's words."""

    other: Sound
    user: Sound


Change = Callable[[Sound, float, np.random.Generator, Material], Sound]


@dataclass(frozen=True)
class Kind:
    """One kind. `heard`: what is due at the ear and on the way; `published`: in what the agent published.

    `reason`: why it need not be noticed where it need not. `alike`: known faults whose names are right too. `never`: gates
    that would name it wrongly. `length`: of the changed reply against the old one.
    """

    id: str
    about: str
    unit: str
    mild: float
    severe: float
    change: Change
    heard: Due = "always"
    published: Due = "tolerated"
    reason: str = OTHER_WORDS
    alike: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    length: Literal["same", "longer", "shorter", "other"] = "same"

    def amount(self, severity: Severity) -> float:
        return self.mild if severity == "mild" else self.severe

    def shown(self, severity: Severity) -> str:
        amount = self.amount(severity)
        return "all of it" if amount == WHOLE_MS else f"{amount:g} {self.unit}".strip()

    def due(self, place: Place, severity: Severity) -> bool:
        """Whether it must be noticed there."""
        due = self.published if place == "pre" else self.heard
        return due == "always" or (due == "severe" and severity == "severe")

    def apply(self, reply: Sound, severity: Severity, seed: str, material: Material) -> Sound:
        """The changed reply, as 16-bit sound can hold it. The same seed gives the same change, whatever the place."""
        rng = np.random.default_rng(zlib.crc32(f"{self.id}:{severity}:{seed}".encode()))
        changed = np.asarray(self.change(reply, self.amount(severity), rng, material), np.float64)
        return (np.clip(np.rint(changed * 32_768), -32_768, 32_767) / 32_768).astype(np.float32)
