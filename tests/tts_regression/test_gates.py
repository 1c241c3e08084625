"""From syntheses to verdicts: each fault fails its own gate, and what cannot be told is no pass."""

from __future__ import annotations

import numpy as np

from harness.model.status import Status
from harness.model.tts import SentenceResult
from harness.tts_regression.gates import exit_code, judge, status_of
from harness.tts_regression.measure import measure_sentence
from harness.tts_regression.sentences import Sentence
from harness.tts_regression.spoken import Arrival, Int16Array, Spoken

RATE_HZ = 24_000
LONG = Sentence(id="long_01", text="x", long=True)
SOUND = np.random.default_rng(5).normal(0, 4_000, 2 * RATE_HZ).astype(np.int16)


def spoken(samples: Int16Array = SOUND, first_s: float = 0.1, whole_s: float = 0.9) -> Spoken:
    """Quick, in two halves."""
    return Spoken(samples, RATE_HZ, (Arrival(first_s, len(samples) // 2), Arrival(whole_s, len(samples))), whole_s)


def statuses(*results: SentenceResult) -> dict[str, Status]:
    return {gate.gate_id: gate.status for gate in judge(results)}


def bad(found: dict[str, Status]) -> dict[str, Status]:
    return {name: status for name, status in found.items() if status is not Status.PASS}


def test_an_engine_that_says_what_it_said_in_time_passes_every_gate() -> None:
    found = judge([measure_sentence(LONG, [spoken()] * 3, SOUND)])
    assert bad({gate.gate_id: gate.status for gate in found}) == {}
    assert exit_code(status_of(found), strict=True) == 0


def test_each_fault_fails_its_own_gate() -> None:
    noisy = np.asarray(SOUND + np.random.default_rng(6).normal(0, 400, len(SOUND)), np.int16)  # 20 dB
    noisier = np.asarray(SOUND + np.random.default_rng(6).normal(0, 2_000, len(SOUND)), np.int16)  # 6 dB
    longer = np.concatenate([SOUND, np.zeros(round(0.06 * RATE_HZ), np.int16)])
    twice = np.concatenate([SOUND[:24_000], SOUND[22_080:]])
    loud = np.clip(SOUND.astype(int) * 12, -32_768, 32_767).astype(np.int16)

    def run(one: Spoken, golden: Int16Array) -> dict[str, Status]:
        return bad(statuses(measure_sentence(LONG, [one] * 3, golden)))

    assert run(spoken(noisy), SOUND) == {"tts_snr_expected": Status.WARN}
    assert run(spoken(noisier), SOUND) == {"tts_snr": Status.FAIL, "tts_snr_expected": Status.WARN}
    assert run(spoken(longer), SOUND) == {"tts_duration": Status.FAIL}
    assert run(spoken(twice), twice) == {"tts_repeats": Status.FAIL}
    assert run(spoken(loud), loud) == {"tts_clipping": Status.FAIL}
    assert run(spoken(first_s=0.4), SOUND) == {"tts_ttfa": Status.FAIL}
    assert run(spoken(whole_s=1.6), SOUND) == {"tts_rtf_goal": Status.WARN, "tts_underruns": Status.FAIL}
    assert run(spoken(first_s=0.34, whole_s=0.4), SOUND) == {"tts_streams": Status.FAIL}
    mixed = measure_sentence(LONG, [spoken(), spoken(), spoken(noisy)], SOUND)
    assert bad(statuses(mixed)) == {"tts_determinism": Status.FAIL, "tts_snr_expected": Status.WARN}


def test_silence_and_a_request_that_breaks_off_are_the_engines_fault() -> None:
    silent = measure_sentence(LONG, [spoken(np.zeros_like(SOUND))] * 3, SOUND)
    assert statuses(silent)["tts_spoken"] is Status.FAIL
    broken = judge([measure_sentence(LONG, [spoken(), spoken(), "the stream was cut"], SOUND)])
    (row,) = [gate for gate in broken if gate.gate_id == "tts_spoken"]
    assert (row.status, row.reason, row.worst_reply_seq) == (Status.FAIL, "the stream was cut", 2)
    assert exit_code(status_of(broken), strict=False) == 1


def test_without_a_golden_baseline_nothing_is_passed_against_it() -> None:
    gates = judge([measure_sentence(LONG, [spoken()] * 3, None)])
    found = {gate.gate_id: gate.status for gate in gates}
    assert found["tts_snr"] is found["tts_duration"] is Status.NO_DATA
    assert exit_code(status_of(gates), strict=False) == 3


def test_an_engine_declared_to_sample_is_not_held_to_its_waveform() -> None:
    other = np.random.default_rng(7).normal(0, 4_000, len(SOUND)).astype(np.int16)
    gates = judge([measure_sentence(LONG, [spoken(), spoken(other)], SOUND, deterministic=False)])
    found = {gate.gate_id: gate.status for gate in gates}
    assert found["tts_determinism"] is found["tts_snr"] is Status.NOT_APPLICABLE
    assert found["tts_duration"] is Status.PASS
    assert exit_code(status_of(gates), strict=False) == 0


def test_one_run_says_nothing_of_determinism() -> None:
    assert statuses(measure_sentence(LONG, [spoken()], SOUND))["tts_determinism"] is Status.NO_DATA
