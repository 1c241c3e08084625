"""Signatures are counted from trials beyond the limit, and checked on calls they were not counted from."""

from __future__ import annotations

import json
from pathlib import Path

from harness.judge.nearest_fault import signatures_from
from harness.prove.signatures import SIGNATURES_JSON, count_signatures, label_each, label_lines, write_signatures
from tests.prove.test_proof import trial

HOLES = [trial(trace_id=f"hole-{n % 4}", fired=["audible_dropout"]) for n in range(20)]
DULL = [
    trial(trace_id=f"dull-{n % 4}", fault="low_pass", severity=5_000.0, fired=["bandwidth", "user_kpi"])
    for n in range(20)
]


def test_only_trials_from_the_limit_on_are_counted() -> None:
    below = [trial(severity=10.0, fired=[]) for _ in range(50)]
    inaudible = [trial(audible=False, fired=[]) for _ in range(50)]
    [hole, dull] = count_signatures([*HOLES, *below, *inaudible, *DULL])
    assert (hole.fault, hole.n, dict(hole.fired)) == ("hole", 20, {"audible_dropout": 20})
    assert dict(dull.fired) == {"bandwidth": 20}  # latency is not of the sound


def test_labels_are_given_without_the_replys_own_call() -> None:
    odd = [trial(trace_id="odd", fault="low_pass", severity=5_000.0, fired=["audible_dropout"]) for _ in range(2)]
    rows = {row.fault: row for row in label_each([*HOLES, *DULL, *odd])}
    assert (rows["hole"].n, rows["hole"].right) == (20, 20)
    assert (rows["low_pass"].right, rows["low_pass"].taken_for) == (20, (("hole", 2),))
    assert any("low_pass" in line and "hole 2" in line for line in label_lines(list(rows.values())))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    signatures = count_signatures([*HOLES, *DULL])
    write_signatures(tmp_path, signatures)
    assert list(signatures_from(json.loads((tmp_path / SIGNATURES_JSON).read_text()))) == signatures
