"""Every fault of the catalogue that needs no call, laid into a fixed recording: its gate fires, the blame is right, and
without it nothing does.
"""

import pytest

from harness.listen.measure import measure
from harness.listen.place.scene import Scene
from harness.listen.read.reading import read_capture
from harness.prove.catalogue import BORN, BY_ID, CATALOGUE, Words
from harness.prove.offline import with_fault
from harness.prove.proof_report import CONVERSATION_GATES, LATENCY_GATES
from harness.prove.stream import Plain
from harness.prove.trials import CLEAN, trials_of
from tests.listen.captures import Call, Replied, Said, speech

NEEDS_STATISTICS = ("late_on_the_way",)  # of a real call's jitter buffer
NO_SCALE = ("wrong_rate",)  # its severities are other rates, not worse ones
OFFLINE = [fault for fault in CATALOGUE if not fault.live_only and fault.id not in NEEDS_STATISTICS]
CELLS = [(fault.id, where) for fault in OFFLINE for where in fault.where]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Two turns in the browser lane."""
    said = [Said(500, speech(700, 1)), Said(5_000, speech(700, 3))]
    replies = [Replied(1_650, speech(2_300, 12, -28)), Replied(6_150, speech(2_300, 14, -28))]
    call = Call(said=said, replies=replies, total_ms=9_800, pre_gap_ms=2_158)
    return Scene(read_capture(call.write(tmp_path_factory.mktemp("capture") / "c")))


def hear(scene: Scene, fault: str, severity: float, where: str, seed: int = 5):
    capture = scene.capture
    words = Words(
        tuple(scene.rings["said"].audio.samples[u.start_sample : u.end_sample] for u in capture.truth.utterances),
        (speech(600, 77),),
    )
    effect = Plain() if fault == CLEAN else BY_ID[fault].make(severity, words)
    changed, applied = with_fault(scene, effect, seed, where)
    return trials_of(
        capture.case, measure(changed), form="offline", where=where, lane="browser", voice="",
        faults=((fault, severity),), applied=None if fault == CLEAN else applied, ears="test",
    )  # fmt: skip


def test_a_clean_reply_fires_nothing(scene: Scene) -> None:
    for trial in hear(scene, CLEAN, 0.0, "post"):
        assert set(trial.fired) - LATENCY_GATES - CONVERSATION_GATES == set(), trial


@pytest.mark.parametrize(("fault", "where"), CELLS)
def test_a_fault_beyond_its_limit_is_heard_and_blamed_rightly(scene: Scene, fault: str, where: str) -> None:
    severity = BY_ID[fault].limit if fault in NO_SCALE else BY_ID[fault].sure
    trials = [t for t in hear(scene, fault, severity, where) if t.audible]
    assert trials
    for trial in trials:
        assert trial.right_gate, (fault, where, trial.fired)
        assert trial.right_blame, (fault, where, trial.born, BORN[where])


@pytest.mark.parametrize(("fault", "severity"), [("boom", -6.0), ("noise_burst", 30.0)])
def test_a_sound_so_loud_that_it_clips_is_heard_all_the_same(scene: Scene, fault: str, severity: float) -> None:
    trials = [t for t in hear(scene, fault, severity, "post") if t.audible]
    assert trials
    for trial in trials:
        assert trial.right_gate, (fault, trial.fired)
