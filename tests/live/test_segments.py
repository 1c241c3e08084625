"""Cutting a case's WAV: every sample is spoken once, and an utterance that hangs on a reply starts its own segment."""

import itertools

from harness.live.segments import cut_segments
from harness.model.case import SpokenUtterance, Truth


def truth(*utterances: SpokenUtterance, n_samples: int = 480_000) -> Truth:
    return Truth(case_id="c", n_samples=n_samples, sha256="", source="recipe", utterances=list(utterances))


def spoken(start: int, end: int, after: str | None = None) -> SpokenUtterance:
    delay = 1500.0 if after is not None else None
    return SpokenUtterance(start_sample=start, end_sample=end, after=after, delay_ms=delay)  # type: ignore[arg-type]


def test_absolute_starts_stay_in_one_segment() -> None:
    segments = cut_segments(truth(spoken(24_000, 48_000), spoken(96_000, 120_000)))
    assert [(s.start, s.end) for s in segments] == [(0, 480_000)]
    assert segments[0].trigger is None


def test_a_barge_in_starts_a_segment_in_the_silence_before_it() -> None:
    segments = cut_segments(truth(spoken(24_000, 48_000), spoken(200_000, 240_000, after="reply_start")))
    assert [(s.start, s.end) for s in segments] == [(0, 195_200), (195_200, 480_000)]
    assert segments[1].trigger is not None


def test_segments_cover_the_wav_without_gap_or_overlap() -> None:
    segments = cut_segments(
        truth(spoken(24_000, 48_000), spoken(50_000, 60_000, "reply_end"), spoken(300_000, 310_000, "reply_start"))
    )
    assert segments[0].start == 0
    assert segments[-1].end == 480_000
    assert all(one.end == two.start for one, two in itertools.pairwise(segments))


def test_a_case_without_speech_is_one_segment() -> None:
    (segment,) = cut_segments(truth())
    assert (segment.start, segment.end, segment.utterances) == (0, 480_000, ())
