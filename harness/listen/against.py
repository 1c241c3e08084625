"""A measurement held against a stored one of the same case: has the sound of its replies changed? (H-90)

Compares each reply's spectral fingerprint with that of the stored reply of the same number, in each recording that both
have. A distance above SPECTRUM_DB is a defect `spectrum`. Measured over real calls: the same words by the same voice
differ by 0.15 dB (median of 3,482 pairs of replies; 99 % below 0.57, in the browser at most 0.44), a 6 % pitch change makes
1.3 to 1.7 dB; a reply that a stall tore reaches 2.2 dB.
"""

from __future__ import annotations

from harness.errors import UsageError
from harness.listen.metrics.spectrum import distances_db
from harness.listen.place.pair import PER_MS
from harness.listen.read.records import no_number, number
from harness.model.measurement import Defect, Measurement, Metric, RingName, Spectrum, Turn

SPECTRUM_DB = 1.0
NAMES = {"pre_rtc": "spectral_distance_pre_db", "post_rtc": "spectral_distance_db", "ear": "spectral_distance_ear_db"}
RINGS: tuple[RingName, ...] = ("pre_rtc", "post_rtc", "ear")
TELLING = (
    ("centroid_hz", "centroid {:+.0f} Hz"),
    ("rolloff_hz", "rolloff {:+.0f} Hz"),
    ("hf_share_db", "4 to 8 kHz {:+.1f} dB"),
    ("flatness_db", "flatness {:+.1f} dB"),
    ("crest_db", "crest {:+.1f} dB"),
)


def held_against(now: Measurement, stored: Measurement) -> Measurement:
    """`now` with its spectral distances to `stored`. Raises UsageError if they are not of one case and lane."""
    for what, mine, other in (
        ("case", now.case_id, stored.case_id),
        ("lane", now.lane, stored.lane),
    ):
        if mine != other:
            raise UsageError(f"--against: {stored.trace_id} is of {what} {other}, {now.trace_id} of {mine}")
    before = {turn.reply_seq: turn for turn in stored.turns}
    turns = [_turn(turn, before.get(turn.reply_seq)) for turn in now.turns]
    return now.model_copy(update={"turns": turns})


def _turn(turn: Turn, before: Turn | None) -> Turn:
    distances = distances_db(turn.spectra, before.spectra) if before is not None else {}
    metrics: dict[str, Metric] = {}
    defects: list[Defect] = []
    for ring in RINGS:
        if ring not in turn.spectra:
            continue
        distance = distances.get(ring)
        if distance is None:
            metrics[NAMES[ring]] = no_number("dB", "the stored measurement has no such reply")
            continue
        metrics[NAMES[ring]] = number(distance, "dB")
        if distance > SPECTRUM_DB and before is not None and ring in turn.spans:
            span = turn.spans[ring]
            detail = (
                f"{distance:.1f} dB from the stored fingerprint: {_in_words(turn.spectra[ring], before.spectra[ring])}"
            )
            start_ms, length_ms = span.start / PER_MS, (span.end - span.start) / PER_MS
            defects.append(
                Defect(
                    kind="spectrum",
                    ring=ring,
                    start_ms=round(start_ms, 3),
                    duration_ms=round(length_ms, 3),
                    detail=detail,
                )
            )
    return turn.model_copy(
        update={"metrics": dict(sorted((turn.metrics | metrics).items())), "defects": [*turn.defects, *defects]}
    )


def _in_words(now: Spectrum, before: Spectrum) -> str:
    return ", ".join(text.format(getattr(now, name) - getattr(before, name)) for name, text in TELLING)
