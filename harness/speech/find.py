"""Where somebody speaks in a recording of the user's own: by level where it is clean, by a speech detector in noise.

In a clean recording the level is exact, and what it found stays as it is. Noise is what sounds steadily while the detector
hears nobody; where it comes near the level at which words end, the level is no help, and the detector's stretches with
their edges refined (`in_noise`) take its place, their error beside them. What cannot be told is not guessed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.model.case import CASE_RATE_HZ, SpokenUtterance
from harness.model.found_speech import FoundSpeech, Spans
from harness.speech.detector import NoDetectorError, speech_probabilities
from harness.speech.in_noise import LEAST_NOISE_MS, Edges, Stretch, nobody_speaks, stretches
from harness.speech.voiced import BELOW_PEAK_DB, FLOOR_DBFS

JOIN_MS = 700.0  # parts closer than this are one utterance
FRAME_MS = 5.0
SAMPLES_PER_MS = CASE_RATE_HZ / 1e3
NEAR_DB = 6.0  # noise whose louder frames come so near to the level of a word's end makes that level useless
FLOOR_NEAR_DB = 12.0  # a pause is quiet if its quieter frames are so far below that level
WITHIN_MS, GOES_ON_SHARE, LOUD_PERCENTILE = 200.0, 0.9, 95.0
UNDER = (
    (18.0, 400.0),
    (10.0, 900.0),
)  # (dB below the loud words, ms): nobody speaks so softly for so long without a pause
LEAST_ALONE_MS, LEAST_QUIET_SHARE = 1_000.0, 0.1  # a sound so long with so few pauses is noise, if nobody speaks in it
STEADY_DB = 22.0  # between the quiet and the loud frames of noise: pink and white 5, a murmur of voices 15; words 30
QUIETER_DB = 20.0  # than the loudest words: perhaps somebody else's
DISAGREES_MS = 300.0  # of sound at the end of an utterance that the detector takes for no speech
DETECTOR_LATE_MS = 100.0  # after the last word of a clean recording: measured 0 to 80
EDGE_MS = 200.0
SILENCE_DBFS = -100.0  # digital silence, with a converter's last bit
BLOCK = 12_000  # frames at once: a minute

Levels = npt.NDArray[np.float64]


@dataclass(frozen=True)
class NoiseLevel:
    """dB below the loudest 5 ms of the recording; `loud_db` is what its louder frames reach."""

    below_peak_db: float
    loud_db: float


def find_speech(samples: npt.NDArray[np.floating], by_level: Spans) -> FoundSpeech:
    """`by_level`: the utterances as the level has them, which stand where no noise contradicts."""
    levels = frame_levels(samples)
    try:
        probabilities = speech_probabilities(samples)
    except NoDetectorError as error:
        return _without_detector(levels, by_level, str(error))
    spoken = stretches(probabilities)
    if not spoken:
        return _nobody(levels, by_level)
    noise = _noise(levels, probabilities)
    if noise is not None and levels.max() - noise.loud_db >= _word_end_dbfs(levels) - NEAR_DB:
        return _in_noise(samples, levels, probabilities, noise)
    below_db = _lies_under(levels, -np.inf if noise is None else float(levels.max()) - noise.loud_db)
    if below_db is not None:
        return FoundSpeech(
            cannot_tell=f"other voices, or noise like them, {below_db:.0f} dB below the words go on where these pause, so where "
            "the user stops cannot be told"
        )
    return _checked(by_level, spoken)


def frame_levels(samples: npt.NDArray[np.floating]) -> Levels:
    """dBFS of each 5 ms."""
    size = round(FRAME_MS * SAMPLES_PER_MS)
    count = max(1, len(samples) // size)
    found = np.full(count, -200.0)
    for first in range(0, len(samples) // size, BLOCK):
        part = np.asarray(samples[first * size : min(count, first + BLOCK) * size], np.float64).reshape(-1, size)
        found[first : first + len(part)] = 10 * np.log10(np.mean(part**2, axis=1) + 1e-20)
    return found


def _word_end_dbfs(levels: Levels) -> float:
    return max(float(levels.max()) - BELOW_PEAK_DB, FLOOR_DBFS)


def _noise(levels: Levels, probabilities: Levels) -> NoiseLevel | None:
    """The steady noise under the recording, however soft."""
    alone = np.zeros(len(levels), bool)
    for start_ms, end_ms in nobody_speaks(probabilities):
        alone[round(start_ms / FRAME_MS) : round(end_ms / FRAME_MS)] = True
    found = levels[alone & (levels > SILENCE_DBFS)]
    if len(found) * FRAME_MS < LEAST_NOISE_MS:
        return None
    quiet, middle, loud = (float(value) for value in np.percentile(found, [10, 50, 90]))
    if loud - quiet > STEADY_DB:
        return None
    return NoiseLevel(float(levels.max()) - middle, float(levels.max()) - loud)


def _nobody(levels: Levels, by_level: Spans) -> FoundSpeech:
    """Sounds with silence between them stay what their level says: a whisper, or no words at all."""
    if not by_level:
        return FoundSpeech()
    sounding = levels > _word_end_dbfs(levels) - FLOOR_NEAR_DB
    if np.sum(sounding) * FRAME_MS >= LEAST_ALONE_MS and np.mean(sounding) > 1 - LEAST_QUIET_SHARE:
        return FoundSpeech(cannot_tell="nobody is heard to speak in it, only a sound that goes on without a pause")
    return FoundSpeech(
        _utterances(by_level), ["the speech detector hears nobody in it: its sounds were found by their level"]
    )


def _lies_under(levels: Levels, noise_dbfs: float = -np.inf) -> float | None:
    """How far below the loud words a sound lies that goes on where they pause; None where pauses are quiet, or there are none.

    `noise_dbfs`: what the louder frames of a steady noise reach, which hides nothing and is no such sound.
    """
    sounding = levels[levels > SILENCE_DBFS]
    window = round(WITHIN_MS / FRAME_MS)
    if len(sounding) == 0 or len(levels) <= window:
        return None
    loud = float(np.percentile(sounding, LOUD_PERCENTILE))
    above_dbfs = max(_word_end_dbfs(levels) - FLOOR_NEAR_DB, noise_dbfs)
    count = np.cumsum(np.concatenate([[0], levels > above_dbfs]))
    goes_on = count[window:] - count[:-window] >= GOES_ON_SHARE * window
    power = np.cumsum(np.concatenate([[0.0], 10 ** (levels / 10)]))
    mean = 10 * np.log10(np.maximum(power[window:] - power[:-window], 1e-20) / window)
    for below_db, least_ms in UNDER:
        edges = np.flatnonzero(
            np.diff(np.concatenate([[0], (goes_on & (mean < loud - below_db)).astype(np.int8), [0]]))
        )
        for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            if (end - first) * FRAME_MS >= least_ms - WITHIN_MS:
                return loud - float(np.median(levels[first : end + window]))
    return None


def _without_detector(levels: Levels, by_level: Spans, why: str) -> FoundSpeech:
    below_db = _lies_under(levels)
    if below_db is None:
        return FoundSpeech(_utterances(by_level))
    return FoundSpeech(
        cannot_tell=f"a sound {below_db:.0f} dB below the words goes on where they pause and hides where they end, and the "
        f"speech detector that would tell is not here ({why})"
    )


def _in_noise(
    samples: npt.NDArray[np.floating], levels: Levels, probabilities: Levels, noise: NoiseLevel
) -> FoundSpeech:
    under = f"noise {noise.below_peak_db:.0f} dB below the loudest sound"
    spoken = stretches(probabilities)
    edges = Edges(samples, probabilities)
    found = [edges.of(start_ms, end_ms) for start_ms, end_ms in spoken]
    loudest = [_loudest(levels, stretch.start_ms, stretch.end_ms) for stretch in found]
    quieter_db = max(max(loudest) - _quietest_part(levels, s, loud) for s, loud in zip(found, loudest, strict=True))
    if quieter_db > QUIETER_DB:
        return FoundSpeech(
            cannot_tell=f"somebody speaks {quieter_db:.0f} dB below the loudest words, so the user's words cannot be told "
            f"from other voices in the {under}"
        )
    if any(stretch.error_ms is None for stretch in found):
        return FoundSpeech(cannot_tell=f"{under} hides where words begin or end by more than 0.1 s")
    utterances = _joined(found)
    error_ms = max(utterance.error_ms or 0.0 for utterance in utterances)
    return FoundSpeech(
        utterances, [f"{under}: the words were found by a speech detector, their edges to ±{error_ms:.0f} ms"]
    )


def _loudest(levels: Levels, start_ms: float, end_ms: float) -> float:
    return float(
        levels[round(start_ms / FRAME_MS) : max(round(start_ms / FRAME_MS) + 1, round(end_ms / FRAME_MS))].max()
    )


def _quietest_part(levels: Levels, stretch: Stretch, loudest: float) -> float:
    """The loudest frame of a stretch or, if that is less, of its first or last 200 ms."""
    edge_ms = min(EDGE_MS, stretch.end_ms - stretch.start_ms)
    first = _loudest(levels, stretch.start_ms, stretch.start_ms + edge_ms)
    return min(loudest, first, _loudest(levels, stretch.end_ms - edge_ms, stretch.end_ms))


def _joined(found: list[Stretch]) -> list[SpokenUtterance]:
    groups: list[list[Stretch]] = []
    for stretch in found:
        if groups and stretch.start_ms - groups[-1][-1].end_ms <= JOIN_MS:
            groups[-1].append(stretch)
        else:
            groups.append([stretch])
    return [
        SpokenUtterance(
            start_sample=round(group[0].start_ms * SAMPLES_PER_MS),
            end_sample=round(group[-1].end_ms * SAMPLES_PER_MS),
            error_ms=max(group[0].error_ms or 0.0, group[-1].error_ms or 0.0),
        )
        for group in groups
    ]


def _utterances(spans: Spans) -> list[SpokenUtterance]:
    return [SpokenUtterance(start_sample=start, end_sample=end) for start, end in spans]


def _checked(by_level: Spans, spoken: list[tuple[float, float]]) -> FoundSpeech:
    """As the level has it. What the detector takes for no words (a cough, a door) is named, and its length is the error."""
    utterances, notes = _utterances(by_level), []
    for index, (start, end) in enumerate(by_level):
        inside = [b for a, b in spoken if a * SAMPLES_PER_MS < end and b * SAMPLES_PER_MS > start]
        if not inside:
            notes.append(f"utterance {index} was found by its level, where the speech detector hears nobody")
            continue
        later_ms = end / SAMPLES_PER_MS - max(inside)
        if later_ms > DISAGREES_MS:
            utterances[index] = utterances[index].model_copy(update={"error_ms": round(later_ms + DETECTOR_LATE_MS)})
            notes.append(
                f"the last {later_ms:.0f} ms of utterance {index} were found by their level, "
                "where the speech detector hears no words"
            )
    return FoundSpeech(utterances, notes)
