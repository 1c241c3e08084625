"""The latency of a capture as somebody would read it off a waveform: 5 ms RMS of both recordings against −50 dBFS.

Shares nothing with the ears but the files. The user's end of turn is the end of the sound that ends nearest to the truth.

    python -m tests.listen.by_hand CAPTURE...
"""

from __future__ import annotations

import itertools
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

PER_MS = 48
WINDOW_MS = 5
THRESHOLD = 10 ** (-50 / 20)
SHORTEST_MS = 30  # a click is no onset
QUIET_MS = 300  # ahead of an onset; what comes sooner goes on with what was said
BRIDGED_MS = 12  # between two pitch pulses of a low voice


@dataclass(frozen=True)
class ByHand:
    """One answered turn: what the ears say and what the waveforms show, in ms."""

    reply_seq: int
    ears_ms: float
    hand_ms: float
    believed: bool  # False: the measurement says that it is INVALID

    @property
    def apart_ms(self) -> float:
        return abs(self.ears_ms - self.hand_ms)


def by_hand(capture: Path) -> list[ByHand]:
    """Every turn with a latency in the capture's measurement.json."""
    if not (capture / "measurement.json").is_file():  # the call broke off
        return []
    measured = json.loads((capture / "measurement.json").read_text())
    agent, user, metric = ("ear.wav", "mic.wav", "user_kpi_raw_ms")
    if measured["lane"] == "bot":
        agent, user, metric = ("post_rtc.wav", "post_user.wav", "eot_to_first_audio_ms")
    if not all((capture / name).is_file() for name in (agent, user)):
        return []
    heard, said = sounds_ms(_read(capture / agent)), sounds_ms(_read(capture / user))
    found = []
    for turn in measured["turns"]:
        ears_ms = turn["metrics"].get(metric, {}).get("value")
        if turn["utterance"] is None or ears_ms is None:
            continue
        truth_ms = turn["mic_end_sample"] / PER_MS
        end_ms = min((end for _, end in said), key=lambda end: abs(end - truth_ms))
        begins = (
            [heard[0][0], *(b for (_, a), (b, _) in itertools.pairwise(heard) if b - a >= QUIET_MS)] if heard else []
        )
        onset_ms = next((start for start in begins if start >= end_ms - WINDOW_MS), None)
        if onset_ms is None:  # a bed above the threshold: a person would set it higher
            continue
        found.append(
            ByHand(turn["reply_seq"], ears_ms, float(onset_ms - end_ms), not turn["metrics"][metric]["invalid"])
        )
    return found


def sounds_ms(samples: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
    """[start, end) of every stretch above the threshold."""
    count = len(samples) // PER_MS
    power = np.mean(samples[: count * PER_MS].reshape(count, PER_MS) ** 2, axis=1)
    rms = np.sqrt(np.convolve(power, np.ones(WINDOW_MS))[:count] / WINDOW_MS)  # of the 5 ms that end here
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (rms > THRESHOLD).astype(int), [0]])))
    joined: list[tuple[int, int]] = []
    for start, end in edges.reshape(-1, 2).tolist():
        if joined and start - joined[-1][1] <= BRIDGED_MS:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return [(start, end - WINDOW_MS + 1) for start, end in joined if end - start - WINDOW_MS >= SHORTEST_MS]


def _read(path: Path) -> npt.NDArray[np.float64]:
    samples: npt.NDArray[np.float64] = soundfile.read(path, dtype="float64")[0]
    return samples


def main() -> None:
    turns = [(name, turn) for name in sys.argv[1:] for turn in by_hand(Path(name))]
    for name, turn in turns:
        ears, hand = f"{turn.ears_ms:.1f}", f"{turn.hand_ms:.0f}"
        print(
            f"{Path(name).name} reply {turn.reply_seq}: ears {ears} ms, by hand {hand} ms, apart {turn.apart_ms:.1f} ms"
            f"{'' if turn.believed else ', INVALID'}"
        )
    apart = [turn.apart_ms for _, turn in turns if turn.believed]
    print(f"{len(apart)} turns, at most {max(apart, default=0.0):.1f} ms apart; {len(turns) - len(apart)} INVALID")


if __name__ == "__main__":
    main()
