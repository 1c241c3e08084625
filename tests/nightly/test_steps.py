"""A night's steps: what the short proof says, and where a step that is done anew goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.nightly.steps import new_place, proof_verdict

PROVEN = (0, "PROVEN: 2 live trials of 2 faults")


def summary(**trials: int) -> dict[str, Any]:
    return {"faults": [{"id": name, "cells": [{"form": "live", "n": n}]} for name, n in trials.items()]}


def test_a_proof_in_which_every_fault_was_tried_is_what_it_is() -> None:
    assert proof_verdict(PROVEN, summary(gap=1, click=2), ["gap", "click"]) == PROVEN


def test_a_proof_in_which_a_fault_was_not_tried_is_no_proof() -> None:
    code, text = proof_verdict(PROVEN, summary(gap=1, click=0), ["gap", "click", "hum"])
    assert code == 3
    assert text.endswith("without a trial that counts: click, hum")


def test_a_fault_that_was_missed_is_the_stronger_statement() -> None:
    assert proof_verdict((1, "NOT PROVEN: x"), summary(gap=1), ["gap", "hum"])[0] == 1


def test_a_step_that_is_done_anew_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    assert [new_place(tmp_path / "proof").name for _ in range(2)] == ["1", "2"]
