"""Whether a sound on the agent's side that no reply explains is the user's own voice coming back.

A sound is an echo if one of the user's utterances is found in it, by waveform (blind to level). Positions are samples at
48 kHz.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.listen.place.align import WAVEFORM_CONFIDENCE, find_best
from harness.listen.place.replies import HeardReply
from harness.listen.place.ring import DECIMATION, BandArray, Ring
from harness.model.case import Truth

LONGEST_PIECE = 8_000  # of the band: 1 s identifies an utterance
SHORTEST_PIECE = 1_200  # 150 ms


@dataclass(frozen=True)
class Echo:
    """`heard`: the sound; `utterance`: whose words it repeats; `confidence`: how well they agree, 0 to 1."""

    heard: HeardReply
    utterance: int
    confidence: float


def find_echoes(loose: list[HeardReply], said: BandArray, truth: Truth, ring: Ring) -> list[Echo]:
    """The `loose` sounds of `ring` that are the user's words."""
    echoes = []
    for sound in loose:
        best: Echo | None = None
        for index, utterance in enumerate(truth.utterances):
            first = utterance.start_sample // DECIMATION
            last = min(utterance.end_sample // DECIMATION, first + LONGEST_PIECE)
            piece = said[first:last]
            if len(piece) < SHORTEST_PIECE:
                continue
            window = (sound.start / DECIMATION - len(piece) / 2, sound.end / DECIMATION)
            match = find_best(piece, ring.band, window)
            if match is not None and match.confidence > (best.confidence if best else WAVEFORM_CONFIDENCE):
                best = Echo(sound, index, match.confidence)
        if best is not None:
            echoes.append(best)
    return echoes
