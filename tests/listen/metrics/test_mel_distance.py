"""The mel distance of a reply whose lag a jitter buffer moved is that of its sound; what did change reads as before."""

from collections.abc import Callable

import numpy as np
import pytest
import soundfile

from harness.listen.metrics.fingerprint import Fingerprint, take_fingerprint
from harness.listen.place.delay import track_delay
from harness.listen.place.pair import make_pair
from harness.listen.place.ring import DECIMATION, Ring
from harness.model.audio import Audio
from harness.prove.effects import LowPass, SoftClip
from harness.prove.offline import through, through_opus
from harness.prove.stream import Effect
from tests.listen.captures import RATE_HZ, Samples, hole, ms, silence, stretch

CLEAN_DB = 3.0
FAR_DB = 6.0
WAY_MS = 80.0


@pytest.fixture(scope="module", params=["endpoint_long_sentence", "question_short"])
def voice(request: pytest.FixtureRequest, built: Callable) -> Samples:
    """1.8 s of what a case says, between silences."""
    said = built(request.param)
    samples, _ = soundfile.read(said.wav, dtype="float32")
    start = said.truth.utterances[0].start_sample
    return np.concatenate([silence(300), samples[start : start + ms(1_800)], silence(300)])


def compare(published: Samples, arrived: Samples, *, cut: bool = False) -> Fingerprint:
    """`arrived` through Opus and WAY_MS later."""
    pre = Ring("pre_rtc", Audio(published, RATE_HZ))
    ring = Ring("post_rtc", Audio(np.concatenate([silence(WAY_MS), through_opus(arrived), silence(400)]), RATE_HZ))
    span = (ms(300), ms(2_100))
    track = track_delay(
        pre.band, (span[0] // DECIMATION, span[1] // DECIMATION), ring.band, WAY_MS * RATE_HZ / 1e3 / DECIMATION
    )
    found = take_fingerprint(make_pair(pre, span, ring, track), cut=cut)
    assert found is not None
    return found


def moved(x: Samples, *steps: tuple[float, float]) -> Samples:
    """(at, by), ms in the reply."""
    for at_ms, by_ms in steps:
        x = stretch(x, 300 + at_ms, by_ms)
    return x


def damaged(effect: Effect) -> Callable[[Samples], Samples]:
    return lambda x: through(x, effect, 1)[0]


BACK_AND_FORTH = ((400, 40), (500, -40), (700, 30), (800, -30), (1_100, -25), (1_200, 25), (1_400, 40), (1_500, -40))
AT_THE_HEAD = ((30, 40),)
ONCE = ((900, -30),)


@pytest.mark.parametrize("steps", [(), ONCE, AT_THE_HEAD, BACK_AND_FORTH], ids=["none", "once", "head", "to and fro"])
def test_a_lag_that_moves_is_no_distance(voice: Samples, steps: tuple[tuple[float, float], ...]) -> None:
    found = compare(voice, moved(voice, *steps))
    assert found.mel_p95_db is not None
    assert found.mel_p95_db < CLEAN_DB


LOW_PASS, SOFT_CLIP = damaged(LowPass(cutoff_hz=3_400)), damaged(SoftClip(drive_db=18))


def holes(x: Samples) -> Samples:
    return hole(hole(x, 860, 100), 1_560, 100)


@pytest.mark.parametrize(
    ("damage", "steps"),
    [*((damage, steps) for damage in (LOW_PASS, SOFT_CLIP) for steps in ((), ONCE, BACK_AND_FORTH)), (holes, ONCE)],
)
def test_what_changed_the_sound_is_far_whether_the_lag_moves_or_not(
    voice: Samples, damage: Callable[[Samples], Samples], steps: tuple[tuple[float, float], ...]
) -> None:
    found = compare(voice, moved(damage(voice), *steps))
    assert found.mel_p95_db is not None
    assert found.mel_p95_db > FAR_DB


def test_what_an_interrupted_reply_did_not_send_any_more_is_no_distance(voice: Samples) -> None:
    """Its publisher still held 100 ms; of the rest, what is far off counts as ever."""
    last = ms(2_100) - np.argmax(
        np.abs(voice[: ms(2_100)][::-1]) > 0.05
    )  # in the middle of a word, for all that follows
    held = voice.copy()
    held[last - ms(100) :] = 0
    whole, cut = compare(voice, held), compare(voice, held, cut=True)
    assert whole.mel_p95_db is not None
    assert cut.mel_p95_db is not None
    assert cut.mel_p95_db < CLEAN_DB < FAR_DB < whole.mel_p95_db
    dull = compare(voice, LOW_PASS(held), cut=True)
    assert dull.mel_p95_db is not None
    assert dull.mel_p95_db > FAR_DB
