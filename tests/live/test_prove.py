"""The fast form of the proof, of what is plain to hear: each fault once, at about twice its limit, through real WebRTC.

The whole catalogue is played live by the night, in its part `proof`.
A stall of a busy machine can cover a fine fault (a jitter buffer at work hides 1 % of speed): what must be heard here is
what is plain, in each reply that the call's own statistics show undamaged. The others are asserted on fixed recordings
(tests/prove/test_known_faults.py).
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("no_process_left")]
PLAIN_TO_HEAR = {"no_reply", "endless", "periodic_holes", "lost_head", "low_pass", "quiet", "soft_clip", "stall"}


def test_the_plain_faults_are_played_live_and_heard(tmp_path: Path, earwitness: Callable) -> None:
    out = tmp_path / "proof"
    done = earwitness("prove", "--fast", *sorted(PLAIN_TO_HEAR), "--user", "bot", "--out", str(out), timeout_s=800)
    assert done.returncode in (0, 1), done.stderr
    summary = json.loads((out / "proof.json").read_text())
    live = {f["id"]: c for f in summary["faults"] for c in f["cells"]}
    assert set(live) <= PLAIN_TO_HEAR
    for fault in set(live):
        missed_for_nothing = (
            live[fault]["missed_while"].count("") if fault != "stall" else len(live[fault]["missed_while"])
        )
        assert missed_for_nothing == 0, (fault, live[fault], done.stdout)
    assert "## Known faults" in (out / "proof.md").read_text()
