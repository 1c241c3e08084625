"""The report of a TTS regression run: `report.md`, from its record alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.judge.numbers import show, show_limit
from harness.model.capture import write_atomic
from harness.model.status import Status
from harness.model.tts import Pin, SentenceResult, TtsRun
from harness.model.verdict import GateResult
from reports.render.run_report import REPORT
from reports.view.markdown import code, plain, render_template
from reports.view.view import MARKS

DISTRIBUTIONS = (("ttfa_ms", "request → first PCM", "ms"), ("rtf", "real-time factor", ""))
SHA_CHARS = 12
NOT_THERE = "–"


@dataclass(frozen=True)
class SentenceRow:
    sentence_id: str
    text: str
    sound: str
    length: str
    ttfa: str
    rtf: str
    snr: str
    first_share: str
    hashes: str
    underruns: str


def write_tts_report(run: TtsRun, folder: Path) -> None:
    """Raises OSError."""
    text = render_template(
        "tts.md.j2",
        run=run,
        mark=MARKS[run.status],
        pin=_pin_line(run.pin),
        gates=[_gate_row(gate) for gate in run.gates if gate.blocking],
        warn_gates=[_gate_row(gate) for gate in run.gates if not gate.blocking],
        distributions=[_distribution(run, *row) for row in DISTRIBUTIONS],
        sentences=[_sentence_row(sentence) for sentence in run.sentences],
    )
    write_atomic(folder / REPORT, text.encode())


def _pin_line(pin: Pin) -> str:
    parts = [pin.engine, pin.version or "version not known", pin.model or "", f"voice {pin.voice}", f"{pin.rate_hz} Hz"]
    parts += [f"{name} {value}" for name, value in pin.parameters.items()]
    return plain(" · ".join(part for part in parts if part))


def _gate_row(gate: GateResult) -> tuple[str, ...]:
    where = gate.worst_trace_id or ""
    if gate.worst_reply_seq is not None:
        where += f", run {gate.worst_reply_seq + 1}"
    note = "; ".join(filter(None, (gate.reason, where))) if gate.status is not Status.PASS else ""
    status = f"{MARKS[gate.status]} {gate.status}"
    limit = show_limit(gate.op, gate.threshold, gate.unit)
    return f"`{gate.gate_id}` {plain(gate.title)}", plain(gate.shown), limit, status, plain(note)


def _values(sentences: list[SentenceResult], name: str) -> list[float]:
    found = [run.metrics[name].value for sentence in sentences for run in sentence.runs if name in run.metrics]
    return [value for value in found if value is not None]


def _distribution(run: TtsRun, name: str, title: str, unit: str) -> tuple[str, ...]:
    values = _values(run.sentences, name)
    if not values:
        return title, *[NOT_THERE] * 4, "0"
    p50, p95 = np.percentile(values, [50, 95])
    shown = [show(round(float(value), 3), unit) for value in (p50, p95, min(values), max(values))]
    return title, *shown, str(len(values))


def _sentence_row(sentence: SentenceResult) -> SentenceRow:
    one = [sentence]
    first = sentence.metrics["first_chunk_share"].value
    kept = _values(one, "snr_db")
    underruns = _values(one, "underrun_count")
    hashes = list(dict.fromkeys(run.sha256[:SHA_CHARS] for run in sentence.runs if run.sha256 is not None))
    lengths = [run.duration_ms for run in sentence.runs if run.duration_ms is not None]
    same = bool(hashes) and hashes == [(sentence.golden_sha256 or "")[:SHA_CHARS]]
    return SentenceRow(
        sentence_id=sentence.sentence_id,
        text=plain(sentence.text),
        sound=f"[wav]({sentence.wav})" if sentence.wav else NOT_THERE,
        length=show(max(lengths), "ms") if lengths else NOT_THERE,
        ttfa=_median(_values(one, "ttfa_ms"), "ms"),
        rtf=_median(_values(one, "rtf"), ""),
        snr=("identical" if same else show(min(kept), "dB")) if kept else NOT_THERE,
        first_share=show(first, "share") if first is not None else NOT_THERE,
        hashes=", ".join(code(value) for value in hashes) or NOT_THERE,
        underruns=show(sum(underruns)) if underruns else NOT_THERE,
    )


def _median(values: list[float], unit: str) -> str:
    return show(round(float(np.median(values)), 3), unit) if values else NOT_THERE
