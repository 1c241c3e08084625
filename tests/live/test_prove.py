"""The fast form of the proof: each fault once, at about twice its limit, through real WebRTC.

A stall of a busy machine can cover a fine fault (a jitter buffer at work hides 1 % of speed): what must be heard here is
what is plain, in each reply that the call's own statistics show undamaged. The others are asserted on fixed recordings
(tests/prove/test_known_faults.py).
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.prove.catalogue import CATALOGUE

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("no_process_left")]
PLAIN_TO_HEAR = {"no_reply", "endless", "periodic_holes", "lost_head", "low_pass", "quiet", "soft_clip", "stall"}


def test_every_fault_is_played_live_and_the_plain_ones_are_heard(tmp_path: Path, earwitness: Callable) -> None:
    out = tmp_path / "proof"
    done = earwitness("prove", "--fast", "--user", "bot", "--out", str(out), timeout_s=420)
    assert done.returncode in (0, 1), done.stderr
    summary = json.loads((out / "proof.json").read_text())
    live = {f["id"]: c for f in summary["faults"] for c in f["cells"]}
    assert set(live) <= {fault.id for fault in CATALOGUE}
    for fault in PLAIN_TO_HEAR & set(live):
        missed_for_nothing = (
            live[fault]["missed_while"].count("") if fault != "stall" else len(live[fault]["missed_while"])
        )
        assert missed_for_nothing == 0, (fault, live[fault], done.stdout)
    assert "## Known faults" in (out / "proof.md").read_text()
