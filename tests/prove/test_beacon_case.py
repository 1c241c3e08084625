"""The calls of a calibration: delays drawn by seed, answers to the sample, plans that fit the WAVs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bots.beacon import read_plan
from harness.prove.beacon_case import (
    ANSWER_MS,
    CHIRP_MS,
    D0_MS,
    D_RANGE_MS,
    SAMPLES_PER_MS,
    BeaconCall,
    build_calls,
    chirp,
    draw_delays,
)

TURNS = 14


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[BeaconCall]:
    return build_calls(TURNS, 3, tmp_path_factory.mktemp("beacon"))


def test_delays_cover_the_range_evenly_and_by_seed() -> None:
    drawn = draw_delays(20, np.random.default_rng(5))
    assert drawn == draw_delays(20, np.random.default_rng(5))
    assert drawn != draw_delays(20, np.random.default_rng(6))
    low, high = D_RANGE_MS
    parts = sorted(int((d - low) / (high - low) * 20) for d in drawn)
    assert parts == list(range(20)), "one in each twentieth"
    assert drawn != sorted(drawn)
    assert all(d * SAMPLES_PER_MS == round(d * SAMPLES_PER_MS) for d in drawn), "whole samples"


def test_the_second_answer_begins_after_the_first_has_ended() -> None:
    assert D_RANGE_MS[0] > D0_MS + ANSWER_MS


def test_the_calls_hold_all_turns_and_each_utterance_waits_for_the_answers_before(calls: list[BeaconCall]) -> None:
    assert sum(len(call.d_ms) for call in calls) == TURNS
    for call in calls:
        utterances = call.built.truth.utterances
        for d, this, following in zip(call.d_ms, utterances, utterances[1:], strict=False):
            gap_ms = (following.start_sample - this.end_sample) / SAMPLES_PER_MS
            assert gap_ms > d + ANSWER_MS + 300


def test_a_plan_gives_the_beacon_what_the_case_says(calls: list[BeaconCall]) -> None:
    for call in calls:
        path = call.built.wav.parent / f"{call.built.case.id}.json"
        plan = read_plan(path)
        said, _ = soundfile.read(call.built.wav, dtype="float32")
        for d, spoken, known, answers in zip(
            call.d_ms, call.built.truth.utterances, plan.said, plan.answers, strict=True
        ):
            assert np.array_equal(known, said[spoken.start_sample : spoken.end_sample])
            assert [a.delay_samples / SAMPLES_PER_MS for a in answers] == [D0_MS, pytest.approx(d)]
            assert answers[0].word != answers[1].word
            assert answers[0].rising != answers[1].rising
            for answer in answers:
                sound = plan.voice[answer.start : answer.end] / 32768
                sweep = chirp(answer.rising)
                assert np.allclose(sound[: len(sweep)], sweep, atol=1e-4)
                assert not sound[len(sweep) : answer.speech_start].any(), "silence between chirp and word"
                assert sound[answer.speech_start] != 0


def test_either_direction_comes_first_equally_often(calls: list[BeaconCall]) -> None:
    first = []
    for call in calls:
        plan = json.loads((call.built.wav.parent / f"{call.built.case.id}.json").read_text())
        first += [turn["answers"][0]["rising"] for turn in plan["turns"]]
    assert abs(2 * sum(first) - len(first)) <= len(calls)


def test_the_same_seed_gives_the_same_delays_whatever_the_calls_are_named(
    calls: list[BeaconCall], tmp_path: Path
) -> None:
    again = build_calls(TURNS, 3, tmp_path, "other")
    assert [call.d_ms for call in again] == [call.d_ms for call in calls]
    assert again[0].built.case.id == "other_1"


def test_a_falling_chirp_is_a_rising_one_played_backwards() -> None:
    assert np.array_equal(chirp(False), chirp(True)[::-1])
    assert len(chirp(True)) == CHIRP_MS * SAMPLES_PER_MS
