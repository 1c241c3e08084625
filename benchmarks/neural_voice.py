"""The neural voice in packets: packet × context → first audio, real-time factor, and how far from the whole synthesis.

    python benchmarks/neural_voice.py [--repeats 5]

Times are of one thread: by the clock, and in CPU time, which a busy host spoils less. The second table is the engine as it ships,
from the text of a first segment to its first packet, phonemes and threads included. The host's load stands below.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

import numpy as np

from runtime.engines.piper import PiperTextToSpeech
from runtime.voice.packets import PACKING, Packing, packets
from runtime.voice.piper import MODEL_FILE, RATE_HZ, Ids, PiperVoice, id_map, phoneme_ids, voice_folder
from runtime.voice.piper_stages import Interrupt, PiperStages

SENTENCES = (
    "ɪɾ ɪz hˈæf pˈæst nˈaɪn.",
    "wˈʌns əpˌɑːn ɐ tˈaɪm, ɐ lˈaɪthaʊs kˈiːpɚ fˈaʊnd ɐ bˈɑːɾəl ɔnðə bˈiːtʃ.",
    "ɪnsˈaɪd ɪt wʌzɐ mˈæp ʌvðɪ ˈaɪlənd wˌɛɹ hiː lˈɪvd.",
)
FIRST_SEGMENTS = (
    "Hello!", "Okay, I stopped.", "It is half past", "Once upon a time,", "That is ninety", "Please wait a moment",
    "$1,234,567,890.12 is", "999,999,999,999,999,", "https://www.example.com/a/page/that/goes/on?and=on#here",
)  # fmt: skip
GRID = [
    *(Packing(size, size, context) for size in (4, 8, 16, 32, 48) for context in (4, 8, 12)),
    *(Packing(16, 16, context) for context in (2, 10, 16, 24)),
    PACKING,
]


@dataclass(frozen=True)
class Spoken:
    """One synthesis; times in ms."""

    samples: np.ndarray
    first_ms: float
    first_cpu_ms: float
    whole_ms: float
    whole_cpu_ms: float


def speak(stages: PiperStages, ids: Ids, packing: Packing) -> Spoken:
    began_s, began_cpu_s = time.perf_counter(), time.thread_time()
    said = packets(stages, ids, Interrupt(), packing)
    pieces = [next(said)]
    first_s, first_cpu_s = time.perf_counter(), time.thread_time()
    pieces += said
    ended = 1e3 * (time.perf_counter() - began_s), 1e3 * (time.thread_time() - began_cpu_s)
    return Spoken(np.concatenate(pieces), 1e3 * (first_s - began_s), 1e3 * (first_cpu_s - began_cpu_s), *ended)


@dataclass(frozen=True)
class Row:
    """`snr_db`, `difference`: the worst of the sentences; the rest their medians, but `first_ms` of the longest sentence."""

    packing: Packing
    first_ms: float
    first_cpu_ms: float
    rtf: float
    cpu_rtf: float
    difference: float
    snr_db: float

    def line(self) -> str:
        size = (
            f"{self.packing.first}, then {self.packing.later}" if self.packing == PACKING else f"{self.packing.first}"
        )
        return (
            f"| {size} | {self.packing.context} | {self.first_ms:.0f} | {self.first_cpu_ms:.0f} | {self.rtf:.3f} "
            f"| {self.cpu_rtf:.3f} | {self.difference:.1g} | {self.snr_db:.0f} |"
        )


def row(packing: Packing, runs: Sequence[Sequence[Spoken]], wholes: Sequence[np.ndarray]) -> Row:
    """`runs`: of each sentence."""
    errors = [(whole - said[0].samples).astype(np.float64) for whole, said in zip(wholes, runs, strict=True)]
    snrs = [
        10 * np.log10(np.sum(whole.astype(np.float64) ** 2) / max(np.sum(error**2), 1e-30))
        for whole, error in zip(wholes, errors, strict=True)
    ]
    one = [spoken for said in runs for spoken in said]
    length_ms = 1e3 / RATE_HZ
    return Row(
        packing,
        first_ms=max(float(np.median([spoken.first_ms for spoken in said])) for said in runs),
        first_cpu_ms=max(float(np.median([spoken.first_cpu_ms for spoken in said])) for said in runs),
        rtf=float(np.median([spoken.whole_ms / (len(spoken.samples) * length_ms) for spoken in one])),
        cpu_rtf=float(np.median([spoken.whole_cpu_ms / (len(spoken.samples) * length_ms) for spoken in one])),
        difference=max(float(np.max(np.abs(error))) for error in errors),
        snr_db=float(min(snrs)),
    )


def of_packets(repeats: int) -> list[Row]:
    stages, voice = PiperStages((voice_folder() / MODEL_FILE).read_bytes()), PiperVoice()
    sentences = [phoneme_ids(sentence, id_map()) for sentence in SENTENCES]
    wholes = [voice.say(sentence).samples for sentence in SENTENCES]
    for ids in sentences:
        speak(stages, ids, PACKING)  # the first of a shape is slower
    return [
        row(packing, [[speak(stages, ids, packing) for _ in range(repeats)] for ids in sentences], wholes)
        for packing in GRID
    ]


async def of_first_segments(repeats: int) -> dict[str, list[float]]:
    """Text → first packet, ms."""
    tts = PiperTextToSpeech()
    found: dict[str, list[float]] = {text: [] for text in FIRST_SEGMENTS}
    try:
        await tts.warm_up()
        for _ in range(repeats):
            for text, times in found.items():
                began_s = time.perf_counter()
                async with aclosing(tts.speak(text)) as chunks:
                    await anext(chunks)
                    times.append(1e3 * (time.perf_counter() - began_s))
                await asyncio.sleep(0.02)  # the interrupted packet ends
    finally:
        await tts.aclose()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    before = os.getloadavg()[0]
    print("| packet | context | first audio, ms | of it CPU, ms | RTF | CPU RTF | largest difference | SNR, dB |")
    print("|---|---|---|---|---|---|---|---|")
    for found in of_packets(asked.repeats):
        print(found.line())
    print("\n| first segment | first audio, ms: fastest | median | slowest |")
    print("|---|---|---|---|")
    for text, times in asyncio.run(of_first_segments(4 * asked.repeats)).items():
        print(f"| {text} | {min(times):.0f} | {np.median(times):.0f} | {max(times):.0f} |")
    print(f"\nload {before:.1f} before, {os.getloadavg()[0]:.1f} after, {os.cpu_count()} cores")
    return 0


if __name__ == "__main__":
    sys.exit(main())
