"""`calibration_report.md`: the verdict first, then the targets, then each setting. Renders a Calibration, computes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from harness.model.capture import write_atomic
from harness.prove.beacon_case import D_RANGE_MS
from harness.prove.beacon_listening import STEP_MS
from harness.prove.calibration import (
    DETECTOR_BIAS_MS,
    DETECTOR_P95_MS,
    LEAST_CORRELATION,
    PATH_BIAS_MS,
    PATH_P95_MS,
    PROBE_BIAS_RANGE_MS,
    RESOLUTION_MS,
    SLOPE_TOLERANCE,
    Agreement,
)
from harness.prove.calibration_plots import draw
from harness.prove.calibration_record import Calibration, Distribution, Figures
from harness.prove.calibration_shifts import shift_of

REPORT = "calibration_report.md"
NONE = "–"


def write_report(calibration: Calibration, folder: Path) -> None:
    """The report and its pictures, into the run's folder. Raises OSError."""
    pictures = draw(calibration, folder)
    write_atomic(folder / REPORT, render(calibration, pictures).encode())


def render(calibration: Calibration, pictures: dict[str, str]) -> str:
    """Markdown."""
    parts = [
        f"# Calibration: {calibration.verdict}",
        _about(calibration),
        "\n".join(_verdicts(calibration)),
        f"CALIBRATED: within every limit below. UNCORRELATED: correlation below {LEAST_CORRELATION:g}. BIASED: anything "
        "else. NO_DATA: too few turns. Taken from the fewest sessions at once in each lane.",
        "## Targets",
        _targets(calibration.deciding()),
        "## Path: measured against injected",
        "error = (KPI_D − KPI_D0) − (D − D0). Steady turns: the path changed by at most "
        f"{STEP_MS:g} ms between the two answers, by matched filter.",
        _path(calibration.figures),
        "Apart from them: turns in which the jitter buffer stretched or cut between the two answers, and all together.",
        _steps(calibration.figures),
        "## Detector: the onset against the truth to the sample",
        _detector(calibration.figures),
        "## Floor: what the path adds to a known delay",
        "KPI of the first answer − D0, and its parts (median, P5 to P95). In the bot lane both ends are heard by the second "
        "listener, so what the way to it adds to either cancels.",
        _floors(calibration.figures),
        *_probe(calibration.figures),
        "## Every turn accounted for",
        _counts(calibration.figures),
        *_problems(calibration.figures),
        *(f"![{title}]({name})" for title, name in pictures.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _about(calibration: Calibration) -> str:
    low, high = D_RANGE_MS
    cut = " **Interrupted: this is what was played until then.**" if calibration.interrupted else ""
    loads = ", ".join(f"{f.lane} × {f.sessions}: {f.load[0]:.1f} → {f.load[1]:.1f}" for f in calibration.figures)
    return (
        f"Run {calibration.run_id}, {calibration.started_at}, seed {calibration.seed}, "
        f"D0 = {calibration.d0_ms:g} ms, D from {low:g} to {high:g} ms; "
        f"{calibration.host.get('cpu_count', '?')} cores, load average before → after: {loads or NONE}.{cut}"
    )


def _verdicts(calibration: Calibration) -> Iterable[str]:
    for f in calibration.deciding():
        findings = [("path", f.path_finding), ("detector", f.speech_finding)]
        if f.probe_finding is not None:
            findings.append(("browser against probe", f.probe_finding))
        for what, finding in findings:
            why = f": {'; '.join(finding.reasons)}" if finding.reasons else ""
            yield f"- {f.lane} lane, {what}: **{finding.verdict}**{why}"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def number(value: float | None, digits: int = 2) -> str:
    return NONE if value is None else f"{value:.{digits}f}"


def _targets(deciding: list[Figures]) -> str:
    rows = []
    for f in deciding:
        path, speech, line = f.path, f.speech, f.line
        rows += [
            _target(f.lane, "resolution", f.resolution_ms, RESOLUTION_MS),
            _target(f.lane, "path, \\|bias\\|", None if path is None else abs(path.bias_ms), PATH_BIAS_MS),
            _target(f.lane, "path, P95 of \\|error\\|", None if path is None else path.p95_abs_ms, PATH_P95_MS),
            _target(
                f.lane, "slope, distance from 1", None if line is None else abs(line.slope - 1), SLOPE_TOLERANCE, 5
            ),
            _target(f.lane, "detector, \\|bias\\|", None if speech is None else abs(speech.bias_ms), DETECTOR_BIAS_MS),
            _target(
                f.lane, "detector, P95 of \\|error\\|", None if speech is None else speech.p95_abs_ms, DETECTOR_P95_MS
            ),
        ]
    return table(("lane", "figure", "measured", "limit", ""), rows)


def _target(lane: str, name: str, value: float | None, limit: float, digits: int = 2) -> list[str]:
    met = "no data" if value is None else "met" if value <= limit else "**missed**"
    unit = "" if name.startswith("slope") else " ms"
    return [lane, name, number(value, digits) + (unit if value is not None else ""), f"≤ {limit:g}{unit}", met]


def _agreement(found: Agreement | None) -> list[str]:
    if found is None:
        return ["0"] + [NONE] * 5
    return [
        str(found.n),
        f"{found.bias_ms:+.2f} ± {found.bias_ci_ms:.2f}",
        number(found.sd_ms),
        number(found.p95_abs_ms),
        number(found.max_abs_ms),
        f"{found.low_ms:+.2f} … {found.high_ms:+.2f}",
    ]


AGREEMENT = ("n", "bias ± 95 %", "SD", "P95 of \\|error\\|", "max", "limits of agreement")


def _path(all_figures: list[Figures]) -> str:
    rows = []
    for f in all_figures:
        slope = NONE if f.line is None else f"{f.line.slope:.5f} ± {f.line.slope_ci:.5f}"
        where = [f.lane, str(f.sessions)]
        rows.append([*where, "as measured", *_agreement(f.path), slope, number(f.resolution_ms)])
        rows.append([*where, "on the words", *_agreement(f.path_speech), "", ""])
    return table(("lane", "at once", "onset", *AGREEMENT, "slope ± 95 %", "resolution"), rows)


def _steps(all_figures: list[Figures]) -> str:
    rows = []
    for f in all_figures:
        confirmed = f"{f.steps_confirmed[0]} of {f.steps_confirmed[1]}"
        rows.append([f.lane, str(f.sessions), "stepped", *_agreement(f.path_stepped), confirmed])
        rows.append([f.lane, str(f.sessions), "all", *_agreement(f.path_all), ""])
    return table(("lane", "at once", "turns", *AGREEMENT, "WebRTC's counters changed too"), rows)


def _detector(all_figures: list[Figures]) -> str:
    rows = []
    for f in all_figures:
        rows.append(
            [f.lane, str(f.sessions), "speech", *_agreement(f.speech), str(f.speech_stretched), str(f.speech_missed)]
        )
        rows.append([f.lane, str(f.sessions), "chirp", *_agreement(f.chirp), "", ""])
    return table(("lane", "at once", "onset of", *AGREEMENT, "stretched", "not heard apart"), rows)


def _spread(found: Distribution | None) -> str:
    return NONE if found is None else f"{found.median_ms:.1f} ({found.p5_ms:.1f} … {found.p95_ms:.1f})"


def _floors(all_figures: list[Figures]) -> str:
    names = list(dict.fromkeys(name for f in all_figures for name in f.floor_parts))
    rows = [["**floor**", *(f"**{_spread(f.floor)}**" for f in all_figures)]]
    rows.append(
        ["shift of the median against the fewest at once", *(_shift(f, all_figures, "p50_ms") for f in all_figures)]
    )
    rows.append(["shift of P95 against the fewest at once", *(_shift(f, all_figures, "p95_ms") for f in all_figures)])
    rows += [[name, *(_spread(f.floor_parts.get(name)) for f in all_figures)] for name in names]
    return table(("ms", *(f"{f.lane} × {f.sessions}" for f in all_figures)), rows)


def _shift(f: Figures, all_figures: list[Figures], at: Literal["p50_ms", "p95_ms"]) -> str:
    alone = min((other for other in all_figures if other.lane == f.lane), key=lambda other: other.sessions)
    shift = shift_of(alone, f) if f is not alone else None
    return NONE if shift is None else f"{getattr(shift, at):+.1f}"


def _probe(all_figures: list[Figures]) -> Iterable[str]:
    rows = []
    for f in all_figures:
        if f.probe_finding is not None:
            rows.append(
                [str(f.sessions), *_agreement(f.probe_delta), number(f.probe_correlation, 5), f.probe_finding.verdict]
            )
    if rows:
        low, high = PROBE_BIAS_RANGE_MS
        yield "## Browser against probe"
        yield (
            "KPI at the ear − KPI at the second listener, same answers (H-150). Expected: one way's jitter buffer and "
            f"playout, {low:g} to {high:g} ms. Each listener has a jitter buffer of its own, so the difference moves with both."
        )
        yield table(("at once", *AGREEMENT, "correlation", "verdict"), rows)


def _counts(all_figures: list[Figures]) -> str:
    rows = []
    for f in all_figures:
        doubted = sum(f.doubted.values())
        row = (f.planned, f.steady, f.stepped, f.missed, doubted)
        rows.append([f.lane, str(f.sessions), *(str(n) for n in row)])
    return table(("lane", "at once", "planned", "steady", "stepped", "no onset by the product", "not counted"), rows)


def _problems(all_figures: list[Figures]) -> Iterable[str]:
    lines = []
    for f in all_figures:
        lines += [f"- {f.lane} × {f.sessions}: {count} turns not counted: {why}" for why, count in f.doubted.items()]
        lines += [f"- {f.lane} × {f.sessions}: {problem}" for problem in f.problems]
    if lines:
        yield "\n".join(lines)
