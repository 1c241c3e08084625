"""Where somebody speaks in a recording, as it was found there: by level, or by a detector where noise lies under it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from harness.model.case import SpokenUtterance

Spans = Sequence[tuple[int, int]]  # [start, end) samples at 48 kHz


@dataclass(frozen=True)
class FoundSpeech:
    """`cannot_tell`: why nothing is said of where somebody speaks, "" where it is known. `notes`: what was assumed."""

    utterances: list[SpokenUtterance] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    cannot_tell: str = ""


#: A recording (48 kHz mono, full scale ±1) and what was found there by level → where somebody speaks.
FindSpeech = Callable[[npt.NDArray[np.floating], Spans], FoundSpeech]
