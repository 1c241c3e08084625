"""Each kind of change in the open world changes a reply, by chance that repeats, and says in data what a right judgement is."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.changes.all_kinds import ALL, BY_ID
from benchmarks.changes.kind import PLACES, SEVERITIES, Kind, Material
from harness.judge.table import BY_ID as GATES
from harness.prove.catalogue import BY_ID as KNOWN
from harness.prove.catalogue import called
from tests.listen.captures import speech

REPLY = speech(2_400, 21, pauses=((700, 900), (1_500, 1_620)))
MATERIAL = Material(other=speech(1_900, 22), user=speech(1_100, 23))
AUDIBLE_DB = -35.0  # of the change against the reply, where it must be noticed: below it nobody could be blamed

kinds = pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.id)


def changed(kind: Kind, severity: str, seed: str = "call:0") -> np.ndarray:
    return kind.apply(REPLY, severity, seed, MATERIAL)


def size_of(heard: np.ndarray) -> float:
    """How large the difference is, in dB of the reply; what is longer or shorter differs there by all of it."""
    n = max(len(heard), len(REPLY))
    both = np.stack([np.pad(heard, (0, n - len(heard))), np.pad(REPLY, (0, n - len(REPLY)))])
    return float(20 * np.log10(np.linalg.norm(both[0] - both[1]) / np.linalg.norm(REPLY) + 1e-9))


def test_there_are_more_than_forty_and_none_has_the_name_of_a_known_fault() -> None:
    assert len(BY_ID) == len(ALL) >= 40
    assert not set(BY_ID) & set(KNOWN)


@kinds
def test_a_change_is_finite_16_bit_sound_of_the_length_that_is_stated(kind: Kind) -> None:
    for severity in SEVERITIES:
        heard = changed(kind, severity)
        assert heard.dtype == np.float32
        assert np.isfinite(heard).all()
        assert np.abs(heard).max() <= 1.0
        assert np.array_equal(np.rint(heard * 32_768) / 32_768, heard)
        longer = len(heard) - len(REPLY)
        assert {"same": longer == 0, "longer": longer > 0, "shorter": longer < 0, "other": True}[kind.length], longer


@kinds
def test_a_change_that_must_be_noticed_can_be_heard(kind: Kind) -> None:
    for severity in SEVERITIES:
        limit_db = AUDIBLE_DB if any(kind.due(place, severity) for place in PLACES) else -60.0
        assert size_of(changed(kind, severity)) > limit_db, severity


@kinds
def test_the_two_severities_differ_and_the_same_seed_repeats_both(kind: Kind) -> None:
    mild, severe = (changed(kind, severity) for severity in SEVERITIES)
    assert not np.array_equal(mild, severe)
    assert np.array_equal(mild, changed(kind, "mild"))
    assert np.array_equal(severe, changed(kind, "severe"))


@kinds
def test_the_reply_that_is_given_stays_as_it_is(kind: Kind) -> None:
    before = REPLY.copy()
    changed(kind, "severe")
    assert np.array_equal(before, REPLY)


@kinds
def test_a_kind_says_what_is_due_and_why_where_it_is_not(kind: Kind) -> None:
    everywhere = all(kind.due(place, severity) for place in PLACES for severity in SEVERITIES)
    assert everywhere or kind.reason
    assert set(kind.alike) <= {name for fault in KNOWN for name in (fault, called(fault))}
    assert set(kind.never) <= set(GATES)
    for place in PLACES:
        assert kind.due(place, "severe") or not kind.due(place, "mild")


def test_another_reply_is_struck_elsewhere() -> None:
    tone = BY_ID["tone_instead"]
    assert not np.array_equal(changed(tone, "mild", "call:0"), changed(tone, "mild", "call:1"))


def test_a_tone_takes_the_place_of_as_many_milliseconds_as_it_says() -> None:
    heard = changed(BY_ID["tone_instead"], "severe")
    differs = np.flatnonzero(heard != np.float32(np.rint(REPLY * 32_768) / 32_768))
    assert (differs[-1] - differs[0]) / 48 == pytest.approx(800, abs=2)


def test_tempo_keeps_the_pitch_and_speed_does_not() -> None:
    tone = np.sin(2 * np.pi * 220 * np.arange(96_000) / 48_000).astype(np.float32) * np.float32(0.3)

    def pitch_hz(sound: np.ndarray) -> float:
        middle = sound[len(sound) // 2 - 12_000 : len(sound) // 2 + 12_000]
        return float(np.argmax(np.abs(np.fft.rfft(middle * np.hanning(24_000)))) * 2)

    assert pitch_hz(BY_ID["tempo_up"].apply(tone, "severe", "s", MATERIAL)) == pytest.approx(220, abs=4)
    assert pitch_hz(BY_ID["a_third_too_fast"].apply(tone, "severe", "s", MATERIAL)) == pytest.approx(220 * 1.84, abs=4)
