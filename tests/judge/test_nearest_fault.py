"""A reply is named after the known fault that trips the same gates."""

from __future__ import annotations

from harness.judge.nearest_fault import SOUND_GATES, Signature, known_signatures, likeness_text, nearest_faults

DULL = Signature("low_pass", 40, {"bandwidth": 40, "high_frequencies": 22, "level_drop": 8})
LOUD = Signature("soft_clip", 40, {"compression": 40, "overdriven": 39, "level_change": 40, "high_frequencies": 3})
HOLED = Signature("hole", 40, {"audible_dropout": 40, "max_gap": 2})


def test_the_gates_that_fired_name_the_fault() -> None:
    found = nearest_faults({"bandwidth", "high_frequencies"}, [DULL, LOUD, HOLED])
    assert found[0].fault == "low_pass"
    assert found[0].probability > 0.95
    assert "low_pass (" in likeness_text(found)


def test_what_fits_two_faults_names_both() -> None:
    twin = Signature("telephone", 40, dict(DULL.fired))
    assert {likeness.fault for likeness in nearest_faults({"bandwidth"}, [DULL, twin, HOLED])} == {
        "low_pass",
        "telephone",
    }


def test_latency_alone_is_like_no_fault_of_sound() -> None:
    assert nearest_faults({"user_kpi", "eot_to_first_audio"}, [DULL, LOUD, HOLED]) == []
    assert nearest_faults(set(), [DULL]) == []
    assert likeness_text([]) == ""


def test_every_fault_whose_signature_came_with_this_version_is_in_the_catalogue() -> None:
    from harness.prove.catalogue import BY_ID, called

    assert {signature.fault for signature in known_signatures()} <= {called(fault) for fault in BY_ID}


def test_every_gate_that_is_taken_for_evidence_of_a_fault_was_seen_to_fire_by_the_proof() -> None:
    seen = {gate for signature in known_signatures() for gate in signature.fired}
    assert {gate.id for gate in SOUND_GATES} <= seen
