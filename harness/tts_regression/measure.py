"""Turn a sentence's syntheses, and its golden one, into the metrics that the gates of ring 0 judge. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.listen.metrics.level import AUDIBLE_RMS, active_rms, clipping_ratio
from harness.listen.read.records import no_number, not_applicable, number
from harness.model.measurement import Metric
from harness.model.tts import RunOfSentence, SentenceResult
from harness.tts_regression.measures import (
    first_chunk_share,
    play,
    real_time_factor,
    repeats,
    snr_db,
    ttfa_ms,
)
from harness.tts_regression.sentences import Sentence
from harness.tts_regression.spoken import Int16Array, Spoken

SILENT = "nothing was said"
NOT_DETERMINISTIC = "declared not to be deterministic (--not-deterministic)"
NO_GOLDEN = "there is no golden baseline; --set-golden makes one"
SHORT = "too short to tell streaming from waiting"
UNITS = {
    "ttfa_ms": "ms",
    "rtf": "ratio",
    "underrun_count": "count",
    "underrun_ms": "ms",
    "repeat_count": "count",
    "clipping_ratio": "ratio",
    "snr_db": "dB",
    "duration_diff_ms": "ms",
}


def measure_sentence(
    sentence: Sentence, said: Sequence[Spoken | str], golden: Int16Array | None, *, deterministic: bool = True
) -> SentenceResult:
    """`said`: each run's synthesis, or why none exists."""
    runs = [_failed(one) if isinstance(one, str) else _run(one, golden, deterministic) for one in said]
    whole = [one for one in said if isinstance(one, Spoken)]
    golden_sha256 = None if golden is None else Spoken(golden, 1, (), 0.0).sha256
    return SentenceResult(
        sentence_id=sentence.id,
        text=sentence.text,
        runs=runs,
        metrics={
            "hash_unique": _hashes(whole, len(said), deterministic),
            "first_chunk_share": _first_share(sentence, whole),
        },
        golden_sha256=golden_sha256,
    )


def _failed(why: str) -> RunOfSentence:
    metrics = {name: no_number(unit, f"not spoken: {why}") for name, unit in UNITS.items()}
    spoken = number(0, "bool", reason=why)
    return RunOfSentence(sha256=None, duration_ms=None, metrics={"spoken": spoken, **metrics})


def _run(spoken: Spoken, golden: Int16Array | None, deterministic: bool) -> RunOfSentence:
    audio = spoken.audio()
    loud = active_rms(audio) >= AUDIBLE_RMS
    playout = play(spoken)
    twice = repeats(spoken.samples, spoken.rate_hz)
    where = ", ".join(f"{duration:.0f} ms at {start:.0f} ms" for start, duration in twice[:3])
    metrics = {
        "spoken": number(loud, "bool", reason="" if loud else "it is not audible"),
        "ttfa_ms": _known(ttfa_ms(spoken), "ms"),
        "rtf": _known(real_time_factor(spoken), "ratio"),
        "underrun_count": number(playout.underruns, "count"),
        "underrun_ms": number(playout.underrun_ms, "ms"),
        "repeat_count": number(len(twice), "count", reason=where),
        "clipping_ratio": _known(clipping_ratio(audio), "ratio"),
        **_against(spoken, golden, deterministic),
    }
    return RunOfSentence(sha256=spoken.sha256, duration_ms=round(spoken.duration_ms, 3), metrics=metrics)


def _known(value: float | None, unit: str) -> Metric:
    return no_number(unit, SILENT) if value is None else number(value, unit)


def _against(spoken: Spoken, golden: Int16Array | None, deterministic: bool) -> dict[str, Metric]:
    if golden is None:
        return {name: no_number(UNITS[name], NO_GOLDEN) for name in ("snr_db", "duration_diff_ms")}
    longer_ms = 1e3 * (len(spoken.samples) - len(golden)) / spoken.rate_hz
    snr = number(snr_db(golden, spoken.samples, spoken.rate_hz), "dB")
    return {
        "snr_db": snr if deterministic else not_applicable("dB", NOT_DETERMINISTIC),
        "duration_diff_ms": number(longer_ms, "ms"),
    }


def _hashes(whole: Sequence[Spoken], n_asked: int, deterministic: bool) -> Metric:
    if not deterministic:
        return not_applicable("count", NOT_DETERMINISTIC)
    if len(whole) < 2:
        return no_number("count", f"{len(whole)} of {n_asked} runs were spoken, 2 are needed")
    return number(len({spoken.sha256 for spoken in whole}), "count")


def _first_share(sentence: Sentence, whole: Sequence[Spoken]) -> Metric:
    """The median of its runs: one late reading is the machine, not the engine."""
    if not sentence.long:
        return not_applicable("ratio", SHORT)
    shares = [share for share in map(first_chunk_share, whole) if share is not None]
    return number(float(np.median(shares)), "ratio") if shares else no_number("ratio", SILENT)
