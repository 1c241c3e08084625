"""A known fault is named only where its signs were really seen."""

from __future__ import annotations

from harness.judge.nearest_fault import Signature, nearest_faults

DULL = Signature("low_pass", 40, {"bandwidth": 40, "high_frequencies": 22})
HOLED = Signature("hole", 40, {"audible_dropout": 40, "max_gap": 2})


def test_gates_that_no_fault_ever_tripped_together_name_none() -> None:
    assert nearest_faults({"bandwidth", "audible_dropout"}, [DULL, HOLED]) == []


def test_a_gate_that_hardly_ever_fired_with_a_fault_is_none_of_its_signs() -> None:
    rare = Signature("hole", 400, {"audible_dropout": 400, "clicks": 3})
    assert nearest_faults({"clicks"}, [rare, DULL]) == []


def test_a_fault_whose_own_sign_is_missing_is_not_named() -> None:
    higher = Signature("pitch", 50, {"audio_valid": 48, "pitch": 48, "compression": 39})
    assert nearest_faults({"audio_valid"}, [higher, HOLED]) == []
    assert [found.fault for found in nearest_faults({"audio_valid", "pitch"}, [higher, HOLED])] == ["pitch"]
