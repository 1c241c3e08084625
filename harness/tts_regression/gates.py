"""The gates of ring 0, in the form of the table of gates, and their verdict (R-81 to R-88, R-93).

Per "turn": each synthesis; per "call": each sentence over its runs. Below 20 values a P95 gate judges the maximum and says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.judge.gates import Sample, evaluate
from harness.judge.table import Gate
from harness.model.measurement import Metric
from harness.model.status import Status, worst
from harness.model.tts import SentenceResult
from harness.model.verdict import GateResult

TABLE: tuple[Gate, ...] = (
    Gate("tts_spoken", "requests that were spoken to their end, audibly", "spoken", "0", "share", "==", 1.0, "share", True),
    Gate("tts_ttfa", "request → first PCM", "ttfa_ms", "0", "p95", "<=", 350, "ms", True),
    Gate("tts_snr", "SNR against the golden baseline", "snr_db", "0", "min", ">=", 15, "dB", True),
    Gate("tts_determinism", "different sounds of one sentence, over its runs", "hash_unique", "0",
         "max", "==", 1, "", True, per="call"),
    Gate("tts_duration", "length against the golden baseline", "duration_diff_ms", "0", "p95_abs", "<=", 50, "ms", True),
    Gate("tts_repeats", "pieces that are said twice", "repeat_count", "0", "sum", "==", 0, "", True),
    Gate("tts_rtf", "real-time factor", "rtf", "0", "p95", "<", 1.0, "", True),
    Gate("tts_underruns", "underruns of a player at 1×", "underrun_count", "0", "sum", "==", 0, "", True),
    Gate("tts_streams", "first audible piece, as a share of the whole synthesis (long sentences)", "first_chunk_share", "0",
         "max", "<=", 0.5, "share", True, per="call"),
    Gate("tts_clipping", "samples at full scale", "clipping_ratio", "0", "max", "<", 0.001, "share", True),
    # warnings
    Gate("tts_snr_expected", "SNR of a bit-exact build", "snr_db", "0", "min", ">=", 60, "dB", False),
    Gate("tts_rtf_goal", "real-time factor, goal", "rtf", "0", "p95", "<", 0.7, "", False),
)  # fmt: skip

EXIT = {Status.FAIL: 1, Status.NO_DATA: 3, Status.INVALID: 3, Status.NOT_APPLICABLE: 3}


def judge(sentences: Sequence[SentenceResult]) -> list[GateResult]:
    """Each row over all sentences."""
    return [evaluate(gate, _samples(gate, sentences)) for gate in TABLE]


def _samples(gate: Gate, sentences: Sequence[SentenceResult]) -> list[Sample]:
    missing = Metric(value=None, reason=f"{gate.metric} was not measured")
    found = []
    for sentence in sentences:
        if gate.per == "call":
            found.append(Sample(sentence.metrics.get(gate.metric, missing), sentence.sentence_id, gate.threshold))
            continue
        for index, run in enumerate(sentence.runs):
            found.append(Sample(run.metrics.get(gate.metric, missing), sentence.sentence_id, gate.threshold, index))
    return found or [Sample(missing, "", gate.threshold)]


def status_of(gates: Sequence[GateResult]) -> Status:
    """A warning row without data does not count: its blocking counterpart reports that."""
    counted = [gate.status for gate in gates if gate.blocking or gate.status is Status.WARN]
    return worst([status for status in counted if status is not Status.NOT_APPLICABLE])


def exit_code(status: Status, *, strict: bool) -> int:
    """0 pass; 1 a blocking FAIL (with `strict` also WARN); 3 not measured."""
    if status is Status.WARN:
        return 1 if strict else 0
    return EXIT.get(status, 0)


def headline(gates: Sequence[GateResult], status: Status, n_sentences: int) -> str:
    """The verdict in one sentence."""
    bad = [gate for gate in gates if gate.status not in (Status.PASS, Status.NOT_APPLICABLE)]
    bad = [gate for gate in bad if gate.blocking] or [gate for gate in bad if gate.status is Status.WARN]
    said = f"{status}: {n_sentences} sentences"
    for gate in bad[:4]:
        said += f"; {gate.gate_id} {gate.status}: {gate.shown}" + (f" ({gate.reason})" if gate.reason else "")
    return said + (f"; and {len(bad) - 4} more" if len(bad) > 4 else "")
