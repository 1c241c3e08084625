"""Measure a beacon's call: from a capture folder to one record a turn, with the truth beside it. Pure.

Two measurements of one onset stand side by side and share nothing but the recording: the product's own
(`harness.listen`), and that of a matched filter at 48 kHz, which finds the chirp published at a known sample. The word
after the chirp begins a known time later; if the jitter buffer stretched in between, the word itself, aligned with
pre_rtc.wav, gives its place. Times in ms; positions in samples of the ring's recording.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfft

from harness.errors import UsageError
from harness.listen.measure import listen
from harness.listen.place.scene import PAIRS, Scene
from harness.listen.read.reading import read_capture
from harness.model.measurement import Measurement, Turn
from harness.prove.beacon_case import SAMPLES_PER_MS, SPEECH_MS, chirp
from harness.prove.buffer_counters import BufferCounters, mean_buffer_ms, read_counters

BEACON_TRUTH = "beacon_truth.json"  # what bots.beacon writes into the capture's folder
TRUTH_VERSION = 1
CHIRP_CONFIDENCE = 0.5
SEARCH_MS = (-50.0, 700.0)  # around the time the chirp was handed to WebRTC
HEAD_MS = 100.0  # of the word, which is aligned
SPEECH_REACH_MS = 25.0  # two steps of a jitter buffer
SPEECH_CONFIDENCE = 0.6
TORN_CONFIDENCE = (
    0.3  # of the whole word; a codec and a stretching jitter buffer leave 0.7 and more, other sound below 0.2
)
SPEECH_GAIN = 0.05  # a shifted word must fit better by this much, else a voice's period could pull it away
STEP_MS = 1.5  # of the path: beyond it the jitter buffer has stretched or cut (see harness.listen.place.delay)
ONSET_REACH_MS = (-60.0, 100.0)  # where the detector's onset of a word is looked for
SPARE_MS = 15.0  # of the beacon's lead: a native tick and a half

Float = npt.NDArray[np.float64]


@dataclass(frozen=True)
class AnswerTruth:
    """One answer as the beacon played it (positions in pre_rtc.wav)."""

    reply_seq: int
    utterance: int
    injected_ms: float
    published_sample: int
    speech_sample: int
    word: str
    rising: bool
    published_mono_ms: float
    heard_end_mono_ms: float
    late_ms: float
    lead_ms: float


@dataclass(frozen=True)
class HeardAnswer:
    """One answer in the ring where the user listens. Errors: the product's detector minus the truth."""

    word: str
    kpi_ms: float | None  # as the product measures it
    chirp_ms: float | None  # true onset, on the ring's clock
    chirp_error_ms: float | None = None
    speech_ms: float | None = None  # true onset of the word
    speech_error_ms: float | None = None
    stretched_ms: float = 0.0  # between chirp and word, where the word had to be aligned
    torn: bool = False  # the word is not where it belongs: the stream broke off between chirp and word
    probe_kpi_ms: float | None = None


@dataclass(frozen=True)
class BeaconTurn:
    """One turn of a calibration. `doubt`: why it does not count, known without looking at the error; "" if it counts."""

    trace_id: str
    turn: int
    d0_ms: float
    d_ms: float
    first: HeardAnswer | None = None
    second: HeardAnswer | None = None
    step_ms: float | None = None  # how much the path changed between the two chirps
    counters_changed: bool | None = None  # whether WebRTC's own counters say that the buffer stretched or cut
    up_ms: float | None = None  # user's last voiced sample → received by the beacon
    down_ms: float | None = None  # chirp published → at the ring
    jitter_buffer_ms: float | None = None  # the listener's, between the answers
    own_buffer_ms: float | None = None  # the beacon's, mean over the call
    round_trip_ms: float | None = None  # listener to media server and back
    doubt: str = ""

    @property
    def stepped(self) -> bool:
        """Whether the path changed between the two chirps, or so far within an answer that its word moved."""
        torn = any(answer is not None and answer.torn for answer in (self.first, self.second))
        return torn or (self.step_ms is not None and abs(self.step_ms) > STEP_MS)

    @property
    def injected_ms(self) -> float:
        return self.d_ms - self.d0_ms

    @property
    def measured_ms(self) -> float | None:
        if self.first is None or self.second is None or self.first.kpi_ms is None or self.second.kpi_ms is None:
            return None
        return self.second.kpi_ms - self.first.kpi_ms

    @property
    def error_ms(self) -> float | None:
        return None if self.measured_ms is None else self.measured_ms - self.injected_ms

    @property
    def speech_error_ms(self) -> float | None:
        """`error_ms`, had each answer begun with its word."""
        first, second = self.first, self.second
        if first is None or second is None or self.step_ms is None:
            return None
        if first.speech_error_ms is None or second.speech_error_ms is None:
            return None
        assert first.speech_ms is not None
        assert second.speech_ms is not None
        onsets = second.speech_ms + second.speech_error_ms - first.speech_ms - first.speech_error_ms
        return onsets - self.injected_ms

    @property
    def floor_ms(self) -> float | None:
        """KPI of the first answer minus D0: what the path adds."""
        return None if self.first is None or self.first.kpi_ms is None else self.first.kpi_ms - self.d0_ms


def matched(template: Float, recording: Float) -> tuple[float, float] | None:
    """(position of the template's sample 0, to a fraction of a sample; normalised correlation); None if too short."""
    n = len(template)
    if n == 0 or len(recording) < n:
        return None
    size = next_fast_len(len(recording) + n, real=True)
    product = irfft(rfft(recording, size) * np.conj(rfft(template, size)), size)[: len(recording) - n + 1]
    energy = np.concatenate([[0.0], np.cumsum(recording**2)])
    window = np.maximum(energy[n:] - energy[:-n], n * 1e-9)
    score = product / np.sqrt(window * max(float(np.sum(template**2)), 1e-12))
    peak = int(np.argmax(score))
    at = float(peak)
    if 0 < peak < len(score) - 1:
        left, middle, right = score[peak - 1 : peak + 2]
        bend = left - 2 * middle + right
        at += float(0.5 * (left - right) / bend) if bend < 0 else 0.0
    return at, float(score[peak])


def matched_within(template: Float, recording: Float, first: float, last: float) -> tuple[float, float] | None:
    """`matched`, with sample 0 within [first, last] of `recording`."""
    lo, hi = max(0, int(first)), max(0, int(last) + 1)
    found = matched(template, recording[lo : hi + len(template)])
    return None if found is None else (found[0] + lo, found[1])


def read_truth(folder: Path) -> list[AnswerTruth]:
    """The beacon's answers. Raises UsageError if it left nothing readable."""
    return _read_truth(folder)[0]


def _read_truth(folder: Path) -> tuple[list[AnswerTruth], float | None]:
    """(the answers, mean delay of the beacon's own jitter buffer)."""
    path = folder / BEACON_TRUTH
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["version"] != TRUTH_VERSION:
            raise UsageError(f"{path}: version {raw['version']}, this version reads {TRUTH_VERSION}")
        rows = [{**row, "lead_ms": raw["lead_ms"]} for row in raw["answers"]]
        answers = [AnswerTruth(**{name: row[name] for name in AnswerTruth.__dataclass_fields__}) for row in rows]
        return answers, mean_buffer_ms(raw.get("inbound", []))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path}: not what a beacon writes ({error}); play the call again") from error


def hear_call(folder: Path, d_ms: Sequence[float], d0_ms: float) -> list[BeaconTurn]:
    """One record for each of `d_ms`. Raises UsageError if `folder` is no capture of this schema."""
    scene = Scene(read_capture(folder))
    measurement = listen(folder)
    trace_id = scene.capture.manifest.trace_id
    try:
        truth, own_buffer_ms = _read_truth(folder)
    except UsageError as error:
        return [BeaconTurn(trace_id, turn, d0_ms, d, doubt=str(error)) for turn, d in enumerate(d_ms)]
    counters = read_counters(folder)
    call = _Call(scene, measurement, {t.reply_seq: t for t in truth}, counters, own_buffer_ms)
    return [call.turn(turn, d0_ms, d) for turn, d in enumerate(d_ms)]


@dataclass(frozen=True, eq=False)
class _Call:
    scene: Scene
    measurement: Measurement
    truth: dict[int, AnswerTruth]
    counters: BufferCounters
    own_buffer_ms: float | None

    def turn(self, turn: int, d0_ms: float, d_ms: float) -> BeaconTurn:
        trace_id = self.measurement.trace_id
        given = [self.truth.get(2 * turn), self.truth.get(2 * turn + 1)]
        if given[0] is None or given[1] is None:
            why = f"the beacon did not recognise the user's words ({self.measurement.capture_status})"
            return BeaconTurn(trace_id, turn, d0_ms, d_ms, doubt=why)
        first, second = given[0], given[1]
        asked = next((t for t in self.measurement.turns if t.utterance == turn), None)
        heard = [self._heard(first, asked), self._heard(second, asked)]
        step_ms = None
        if heard[0].chirp_ms is not None and heard[1].chirp_ms is not None:
            published_ms = second.published_mono_ms - first.published_mono_ms
            step_ms = heard[1].chirp_ms - heard[0].chirp_ms - published_ms
        between = (first.published_mono_ms, second.published_mono_ms + 500.0)
        return BeaconTurn(
            trace_id=trace_id,
            turn=turn,
            d0_ms=first.injected_ms,
            d_ms=second.injected_ms,
            first=heard[0],
            second=heard[1],
            step_ms=step_ms,
            counters_changed=self.counters.changed(*between),
            up_ms=self._up_ms(first, asked),
            down_ms=self._down_ms(first, heard[0]),
            jitter_buffer_ms=self.counters.mean_delay_ms(*between),
            own_buffer_ms=self.own_buffer_ms,
            round_trip_ms=self.counters.round_trip_ms(*between),
            doubt=self._doubt(first, second, asked, heard),
        )

    def _doubt(self, first: AnswerTruth, second: AnswerTruth, asked: Turn | None, heard: list[HeardAnswer]) -> str:
        if not self.measurement.validity.ok:
            return "INVALID: " + "; ".join(self.measurement.validity.reasons)
        if second.late_ms > second.lead_ms - SPARE_MS:
            return f"the beacon's own stream came later than its lead of {second.lead_ms:.0f} ms"
        if heard[0].chirp_ms is None or heard[1].chirp_ms is None:
            return "a chirp was not found in the recording"
        name = "user_kpi_raw_ms" if self.scene.primary == "ear" else "eot_to_first_audio_ms"
        kpi = asked.metrics.get(name) if asked is not None else None
        if kpi is not None and kpi.invalid:
            return f"INVALID: {kpi.reason}"
        return ""

    def _heard(self, given: AnswerTruth, asked: Turn | None) -> HeardAnswer:
        ring = self.scene.primary
        onset = self._onset(given, ring)
        kpi_ms = self._kpi_ms(onset, asked, ring)
        probe = self._kpi_ms(self._onset(given, "post_rtc"), asked, "post_rtc") if ring == "ear" else None
        chirp_at = self._chirp_at(given, ring)
        if chirp_at is None:
            return HeardAnswer(given.word, kpi_ms, None, probe_kpi_ms=probe)
        speech_at, stretched, torn = self._speech_at(given, ring, chirp_at)
        detected = self._detected_near(ring, speech_at)
        return HeardAnswer(
            word=given.word,
            kpi_ms=kpi_ms,
            chirp_ms=chirp_at / SAMPLES_PER_MS,
            chirp_error_ms=None if onset is None else (onset - chirp_at) / SAMPLES_PER_MS,
            speech_ms=None if torn else speech_at / SAMPLES_PER_MS,
            speech_error_ms=None if torn or detected is None else (detected - speech_at) / SAMPLES_PER_MS,
            stretched_ms=stretched,
            torn=torn,
            probe_kpi_ms=probe,
        )

    def _onset(self, given: AnswerTruth, ring: str) -> int | None:
        """The product's onset of this reply."""
        record = next((t for t in self.measurement.turns if t.reply_seq == given.reply_seq), None)
        span = record.spans.get(ring) if record is not None else None
        return None if span is None else span.start

    def _kpi_ms(self, onset: int | None, asked: Turn | None, ring: str) -> float | None:
        span = asked.spans.get(PAIRS[ring]) if asked is not None else None
        return None if onset is None or span is None else (onset - span.end) / SAMPLES_PER_MS

    def _samples(self, ring: str) -> Float | None:
        found = self.scene.rings.get(ring)
        return None if found is None else found.audio.samples.astype(np.float64)

    def _chirp_at(self, given: AnswerTruth, ring: str) -> float | None:
        samples = self._samples(ring)
        published = self.scene.clocks.sample_at(ring, given.published_mono_ms)
        if samples is None or published is None:
            return None
        first, last = (published + reach * SAMPLES_PER_MS for reach in SEARCH_MS)
        found = matched_within(chirp(given.rising), samples, first, last)
        return None if found is None or found[1] < CHIRP_CONFIDENCE else found[0]

    def _speech_at(self, given: AnswerTruth, ring: str, chirp_at: float) -> tuple[float, float, bool]:
        """(true onset of the word, its shift against the chirp in ms, whether it is missing)."""
        expected = chirp_at + given.speech_sample - given.published_sample
        pre, samples = self._samples("pre_rtc"), self._samples(ring)
        if pre is None or samples is None:
            return expected, 0.0, False
        word = pre[given.speech_sample : given.speech_sample + round(SPEECH_MS * SAMPLES_PER_MS)]
        head = word[: round(HEAD_MS * SAMPLES_PER_MS)]
        near = (expected - SPEECH_REACH_MS * SAMPLES_PER_MS, expected + SPEECH_REACH_MS * SAMPLES_PER_MS)
        whole, best = matched_within(word, samples, *near), matched_within(head, samples, *near)
        here = matched_within(head, samples, expected - SAMPLES_PER_MS, expected + SAMPLES_PER_MS)
        if whole is None or best is None or here is None or whole[1] < TORN_CONFIDENCE:
            return expected, 0.0, True
        moved_ms = (best[0] - expected) / SAMPLES_PER_MS
        surely = best[1] >= max(SPEECH_CONFIDENCE, here[1] + SPEECH_GAIN) and abs(moved_ms) > STEP_MS
        return (best[0], moved_ms, False) if surely else (expected, 0.0, False)

    def _detected_near(self, ring: str, speech_at: float) -> int | None:
        """The detector's onset of the word, as a sound of its own."""
        first, last = (speech_at + reach * SAMPLES_PER_MS for reach in ONSET_REACH_MS)
        starts = [sound.start for sound in self.scene.rings[ring].sounds if first <= sound.start <= last]
        return min(starts, key=lambda start: abs(start - speech_at)) if starts else None

    def _up_ms(self, given: AnswerTruth, asked: Turn | None) -> float | None:
        user = PAIRS[self.scene.primary]
        span = asked.spans.get(user) if asked is not None else None
        ended = self.scene.clocks.mono_ms(user, span.end) if span is not None else None
        return None if ended is None else given.heard_end_mono_ms - ended

    def _down_ms(self, given: AnswerTruth, heard: HeardAnswer) -> float | None:
        if heard.chirp_ms is None:
            return None
        arrived = self.scene.clocks.mono_ms(self.scene.primary, heard.chirp_ms * SAMPLES_PER_MS)
        return None if arrived is None else arrived - given.published_mono_ms
