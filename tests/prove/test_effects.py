"""Known faults do what they say, frame by frame, and nothing else."""

import numpy as np
import pytest

from harness.prove import effects, effects_timing
from harness.prove.catalogue import CATALOGUE, Words, seed_of
from harness.prove.offline import through, through_opus
from harness.prove.stream import PER_MS, REPLY_OVER, Plain
from tests.listen.captures import ms, silence, speech

REPLY = np.concatenate([speech(1_800, 5)])
CALL = np.concatenate([silence(240), REPLY, silence(900), REPLY, silence(900)])
FIRST = slice(ms(240), ms(240) + len(REPLY))


def test_nothing_is_done_by_an_effect_that_does_nothing() -> None:
    out, done = through(CALL, Plain(), 1)
    assert np.max(np.abs(out - CALL)) <= 1 / 32768
    assert done == []


def test_a_hole_is_as_long_as_it_says_in_every_reply() -> None:
    out, done = through(CALL, effects.Hole(hole_ms=60), 1)
    assert [d.reply for d in done] == [0, 1]
    silent = np.count_nonzero((out == 0) & (np.abs(CALL) > 1e-3))
    assert silent / PER_MS == pytest.approx(2 * 60, abs=8)


def test_the_same_seed_strikes_in_the_same_place_and_another_does_not() -> None:
    places = [[d.at_ms for d in through(CALL, effects.Click(over_db=9), seed)[1]] for seed in (1, 1, 2)]
    assert places[0] == places[1]
    assert places[0] != places[2]


@pytest.mark.parametrize(("percent", "ratio"), [(2.0, 1 / 1.02), (-2.0, 1.02)])
def test_another_speed_changes_the_length_by_as_much(percent: float, ratio: float) -> None:
    out, _ = through(CALL, effects_timing.Speed(speed_percent=percent), 1)
    loud = np.flatnonzero(np.abs(out[: FIRST.stop + ms(700)]) > 0.003)
    assert (loud[-1] - loud[0]) / len(REPLY) == pytest.approx(ratio, abs=0.004)


def test_clipping_reaches_its_share() -> None:
    _, done = through(CALL, effects.HardClip(share_percent=0.5), 1)
    assert float(done[-1].detail.split()[0]) == pytest.approx(0.5, abs=0.2)


def test_what_is_said_after_a_reply_is_said_in_the_silence() -> None:
    words = speech(400, 9)
    out, done = through(CALL, effects.Voice(words=[words], level_dbfs=-40), 1)
    assert len(done) == 2
    between = out[FIRST.stop : FIRST.stop + ms(900)]
    assert np.max(np.abs(between)) > 0.005
    assert np.array_equal(out[FIRST] != 0, CALL[FIRST] != 0) or np.max(np.abs(out[FIRST] - CALL[FIRST])) < 1e-3


def test_two_pieces_of_sound_with_a_short_pause_are_one_reply() -> None:
    pause = silence(1e3 * REPLY_OVER / 48_000 - 60)
    _, done = through(np.concatenate([REPLY, pause, REPLY, silence(900)]), effects.Level(drop_db=6), 1)
    assert len(done) == 1


def test_opus_keeps_the_place() -> None:
    decoded = through_opus(CALL)
    correlation = np.dot(decoded[FIRST], CALL[FIRST]) / np.sqrt(
        np.dot(decoded[FIRST], decoded[FIRST]) * np.dot(REPLY, REPLY)
    )
    assert correlation > 0.97


def test_the_catalogue_is_in_order() -> None:
    assert len({fault.id for fault in CATALOGUE}) == len(CATALOGUE) >= 16
    for fault in CATALOGUE:
        assert fault.limit in fault.ladder, fault.id
        assert fault.gates, fault.id
        assert fault.make(fault.limit, Words((REPLY,), (REPLY,))) is not None
        assert seed_of(fault, fault.limit, "post") != seed_of(fault, fault.limit, "pre")
