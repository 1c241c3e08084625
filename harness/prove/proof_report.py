"""`proof.json` and `proof.md`: how surely each fault is detected, from which severity on, and how often a clean turn fires.

Rates carry Clopper-Pearson 95 % intervals (scipy.stats.binomtest): 20 of 20 is "at least 83 %", not "always". Trials of
other listening code than today's are counted but excluded. The JSON holds all that the Markdown says.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from harness.judge.table import UNLISTED
from harness.model.capture import write_atomic
from harness.prove.catalogue import BY_ID, CATALOGUE, Fault
from harness.prove.roc import Roc, clean_of, rocs
from harness.prove.roc_report import ROC_PNG, draw_rocs, roc_lines, roc_records
from harness.prove.signatures import Labelled, count_signatures, label_each, label_lines, write_signatures
from harness.prove.trials import CLEAN, Trial, read_trials

LATENCY_GATES = {
    "eot_to_first_audio", "user_kpi", "eot_error", "fast_ttft", "tts_first_publish", "way", "unexplained", "inter_arrival",
}  # fmt: skip
CONVERSATION_GATES = {
    "talk_over",
    "replies",
    "complete_reply",
    "no_reply",
    "said_once",
    "reply_not_short",
    "reply_not_long",
}
PROOF_JSON, PROOF_MD = "proof.json", "proof.md"
PROOF_VERSION = 1


def interval(hits: int, n: int) -> tuple[float, float]:
    """Clopper-Pearson, 95 %."""
    found = binomtest(hits, n).proportion_ci(0.95, "exact")
    return float(found.low), float(found.high)


def rate_text(hits: int, n: int) -> str:
    if n == 0:
        return "–"
    low, high = interval(hits, n)
    bound = (
        f"≥ {100 * low:.0f} %"
        if hits == n
        else f"≤ {100 * high:.1f} %"
        if hits == 0
        else f"{100 * low:.0f} to {100 * high:.0f} %"
    )
    return f"{hits}/{n} ({bound})"


def counted(fault: Fault, trials: Sequence[Trial]) -> list[Trial]:
    """Trials that can be judged: the fault audible, the measurement valid, and a figure for one of its gates."""
    return [t for t in trials if t.audible and ((t.believed and _measured(fault, t)) or t.right_gate)]


def apart(fault: Fault, trials: Sequence[Trial]) -> tuple[list[Trial], list[Trial]]:
    """(trials that count, trials in replies torn without the fault), detected or not: two defects are no trial of one."""
    valid = counted(fault, trials)
    return [t for t in valid if not t.torn], [t for t in valid if t.torn]


def _measured(fault: Fault, trial: Trial) -> bool:
    return fault.gates == ("capture",) or any(gate in trial.readings for gate in fault.gates)


def cell(fault: Fault, trials: Sequence[Trial]) -> dict[str, Any]:
    """One fault at one severity in one place: rates of its gate and of its blame, and what else fired."""
    valid, torn = apart(fault, trials)
    gate, blame = sum(t.right_gate for t in valid), sum(t.right_blame for t in valid)
    expected, unexpected = Counter[str](), Counter[str]()
    for trial in valid:
        for other in trial.other_gates:
            # what a fault does to a reply is in the ledger too, in its own words
            (expected if other in fault.allowed or other in UNLISTED else unexpected)[other] += 1
    n = len(valid)
    return {
        "n": n,
        "not_audible": sum(not t.audible for t in trials),
        "invalid": sum(t.audible and not t.believed and not t.right_gate for t in trials),
        "not_measured": sum(t.audible and t.believed and not t.right_gate and not _measured(fault, t) for t in trials),
        "torn": len(torn),
        "torn_heard": sum(t.right_gate for t in torn),
        "missed_while": [t.shown_by_the_call for t in valid if not t.right_gate],
        "gate": gate,
        "gate_ci95": interval(gate, n) if n else None,
        "blame": blame if fault.kinds else None,
        "blame_ci95": interval(blame, n) if n and fault.kinds else None,
        "also_expected": dict(expected.most_common()),
        "also_unexpected": dict(unexpected.most_common()),
    }


def summarise(trials: Sequence[Trial], of_others: int, ears: str) -> dict[str, Any]:
    """Everything the report says, but for its ROC. `of_others`: how many trials of other listening code are excluded."""
    cells: dict[tuple, list[Trial]] = defaultdict(list)
    for trial in trials:
        if trial.fault != CLEAN:
            cells[(trial.fault, trial.form, trial.where, trial.severity)].append(trial)
    faults = []
    for fault in CATALOGUE:
        rows = [
            {"form": form, "where": where, "severity": severity, **cell(fault, cells[(name, form, where, severity)])}
            for name, form, where, severity in sorted(cells)
            if name == fault.id
        ]
        if rows:
            faults.append(
                {
                    "id": fault.id, "about": fault.about, "unit": fault.unit, "limit": fault.limit,
                    "gates": list(fault.gates), "cells": rows, "detection_limit": _detection_limits(fault, rows),
                }
            )  # fmt: skip
    return {
        "version": PROOF_VERSION,
        "ears": ears,
        "trials": len(trials),
        "trials_of_other_ears": of_others,
        "faults": faults,
        "clean": {
            lane: _clean([t for t in trials if t.fault == CLEAN and t.lane == lane]) for lane in ("bot", "browser")
        },
        "agreement": _agreement(faults),
    }


def _detection_limits(fault: Fault, rows: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """Where → the mildest severity from which on every trial fired, offline."""
    limits: dict[str, float | None] = {}
    for where in fault.where:
        mine = {r["severity"]: r for r in rows if r["form"] == "offline" and r["where"] == where and r["n"]}
        found = None
        for severity in reversed(fault.ladder):
            row = mine.get(severity)
            if row is None or row["gate"] < row["n"]:
                break
            found = severity
        if mine:
            limits[where] = found
    return limits


def _clean(trials: Sequence[Trial]) -> dict[str, Any]:
    """A firing is false unless the call itself shows a defect: WebRTC's statistics, or the publisher's own trace."""
    valid = [t for t in trials if t.believed and t.capture_status == "OK"]
    latency = LATENCY_GATES | CONVERSATION_GATES
    fired = [t for t in valid if set(t.fired) - latency]
    false = [t for t in fired if not t.shown_by_the_call]
    slow = [t for t in valid if set(t.fired) & latency]
    n = len(valid)
    return {
        "turns": n,
        "not_counted": len(trials) - n,
        "calls": len({t.trace_id for t in trials}),
        "fired": len(fired),
        "alarms": len(false),
        "alarms_ci95": interval(len(false), n) if n else None,
        "listed": [
            {
                "trace_id": t.trace_id, "reply": t.reply, "gates": sorted(set(t.fired) - latency),
                "shown_by_the_call": t.shown_by_the_call, "evidence": t.evidence,
            }
            for t in fired
        ],
        "latency_or_conversation": dict(Counter(g for t in slow for g in set(t.fired) & latency).most_common()),
    }  # fmt: skip


def _agreement(faults: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Live beside offline, where both were tried: the intervals must overlap."""
    rows = []
    for fault in faults:
        by = {(c["form"], c["where"], c["severity"]): c for c in fault["cells"]}
        for (form, where, severity), live in sorted(by.items()):
            offline = by.get(("offline", where, severity))
            if form != "live" or offline is None or not live["n"] or not offline["n"]:
                continue
            low, high = live["gate_ci95"], offline["gate_ci95"]
            rows.append(
                {
                    "fault": fault["id"], "where": where, "severity": severity, "live": [live["gate"], live["n"]],
                    "offline": [offline["gate"], offline["n"]], "agree": low[0] <= high[1] and high[0] <= low[1],
                }
            )  # fmt: skip
    return rows


def write_proof(folder: Path, ears: str) -> dict[str, Any]:
    """Both files. Raises OSError."""
    trials, of_others = read_trials(folder, ears)
    summary = summarise(trials, of_others, ears)
    found = _rocs(trials)
    labelled = label_each(trials)
    summary["roc"] = roc_records(found)
    summary["labels"] = [asdict(row) for row in labelled]
    write_signatures(folder, count_signatures(trials))
    write_atomic(folder / PROOF_JSON, json.dumps(summary, indent=1).encode())
    write_atomic(folder / PROOF_MD, "\n".join(_markdown(summary, found, labelled)).encode() + b"\n")
    if found:
        draw_rocs(found, folder / ROC_PNG)
    return summary


def _rocs(trials: Sequence[Trial]) -> list[Roc]:
    clean, of_fault = clean_of(trials), defaultdict(list)
    for trial in trials:
        of_fault[trial.fault].append(trial)
    return [found for fault in CATALOGUE for found in rocs(fault, of_fault[fault.id], clean)]


def _markdown(summary: dict[str, Any], found_rocs: Sequence[Roc], labelled: Sequence[Labelled]) -> list[str]:
    lines = [
        "# What the ears hear, and what they make of clean calls",
        "",
        f"{summary['trials']} trials by ears `{summary['ears']}`"
        + (f"; {summary['trials_of_other_ears']} of other ears are left out" if summary["trials_of_other_ears"] else "")
        + ". Intervals are Clopper-Pearson, 95 %.",
        "",
        "## Known faults at their limit, in real calls",
        "",
        "| fault | where | severity | heard (its gate fired) | right blame | also fired, as expected | also fired: a finding |",
        "|---|---|---|---|---|---|---|",
    ]
    for fault in summary["faults"]:
        lines += [_cell_row(fault, c) for c in fault["cells"] if c["form"] == "live"]
    lines += ["", "## Clean turns", "", *_clean_lines(summary["clean"])]
    lines += ["", "## Every severity, over recorded calls", ""]
    lines += [
        "| fault | where | severity | heard | right blame | also fired, as expected | also fired: a finding |",
        "|---|---|---|---|---|---|---|",
    ]
    for fault in summary["faults"]:
        lines += [_cell_row(fault, c) for c in fault["cells"] if c["form"] == "offline"]
    lines += [
        "",
        "## From where on it is always heard (offline)",
        "",
        "| fault | stated limit | before RTC | in RTC | at the ear |",
        "|---|---|---|---|---|",
    ]
    for fault in summary["faults"]:
        found = fault["detection_limit"]
        shown = [_shown(found, where, fault["unit"]) for where in ("pre", "post", "ear")]
        lines.append(f"| {fault['id']} | {fault['limit']:g} {fault['unit']} | {' | '.join(shown)} |")
    lines += ["", "## Where the thresholds stand", "", *roc_lines(found_rocs)]
    lines += ["", "## What a defect is taken for", "", *label_lines(labelled)]
    lines += [
        "",
        "## Live and offline agree",
        "",
        "| fault | where | severity | live | offline | intervals overlap |",
        "|---|---|---|---|---|---|",
    ]
    for row in summary["agreement"]:
        live, offline = (rate_text(*row[form]) for form in ("live", "offline"))
        agree = "yes" if row["agree"] else "**no**"
        lines.append(f"| {row['fault']} | {row['where']} | {row['severity']:g} | {live} | {offline} | {agree} |")
    return lines


def _shown(found: dict[str, float | None], where: str, unit: str) -> str:
    if where not in found:
        return "–"
    value = found[where]
    return "never always" if value is None else f"{value:g} {unit}"


def _cell_row(fault: dict[str, Any], c: dict[str, Any]) -> str:
    left_out = ", ".join(
        text
        for text in (
            f"{c['not_audible']} not audible" if c["not_audible"] else "",
            f"{c['invalid']} invalid" if c["invalid"] else "",
            f"{c['not_measured']} not measured" if c["not_measured"] else "",
        )
        if text
    )
    damaged = ", ".join(shown for shown in c["missed_while"] if shown)
    heard = rate_text(c["gate"], c["n"]) + (f"; {left_out}" if left_out else "")
    heard += (
        f"; {c['torn_heard']} of {c['torn']} in replies that were torn already (published late, or not delivered)"
        if c["torn"]
        else ""
    )
    heard += f"; missed in a damaged call ({damaged})" if damaged else ""
    blame = "–" if c["blame"] is None else rate_text(c["blame"], c["n"])
    also, finding = (
        ", ".join(f"{gate} {n}" for gate, n in c[key].items()) for key in ("also_expected", "also_unexpected")
    )
    return (
        f"| {fault['id']} | {c['where']} | {c['severity']:g} {fault['unit']} | {heard} | {blame} | {also} | {finding} |"
    )


def _clean_lines(clean: dict[str, Any]) -> list[str]:
    lines = [
        "| lane | turns | calls | an ear fired | without a defect in the call: false alarms | latency and conversation |",
        "|---|---|---|---|---|---|",
    ]
    for lane, found in clean.items():
        others = ", ".join(f"{gate} {n}" for gate, n in found["latency_or_conversation"].items())
        counted_out = f" ({found['not_counted']} not counted: invalid or broken off)" if found["not_counted"] else ""
        alarms = rate_text(found["alarms"], found["turns"])
        lines.append(
            f"| {lane} | {found['turns']}{counted_out} | {found['calls']} | {found['fired']} | {alarms} | {others} |"
        )
    listed = [(lane, item) for lane, found in clean.items() for item in found["listed"]]
    if listed:
        lines += ["", "Every firing of an ear on a clean turn, with what the call itself shows of it:", ""]
    for lane, item in listed:
        shown = item["shown_by_the_call"] or f"**nothing: a false alarm** ({item['evidence']})"
        lines.append(f"- {lane} `{item['trace_id']}` reply {item['reply']}: {', '.join(item['gates'])}; {shown}")
    return lines


def verdict_of(summary: dict[str, Any]) -> tuple[int, str]:
    """(exit status, one line): 0 proven, 1 a fault was missed at its limit or beyond, or a clean turn was taken for one,
    3 nothing counted.
    """
    live = [(f["id"], c) for f in summary["faults"] for c in f["cells"] if c["form"] == "live" and c["n"]]
    missed = [
        f"{name} ({c['where']}) {c['gate']}/{c['n']}"
        for name, c in live
        if c["gate"] < c["n"] and c["severity"] in BY_ID[name].severities_from_limit()
    ]
    alarms = sum(found["alarms"] for found in summary["clean"].values())
    turns = sum(found["turns"] for found in summary["clean"].values())
    if not live and not turns and not summary["faults"]:
        return 3, "nothing was measured"
    text = f"{sum(c['n'] for _, c in live)} live trials of {len(live)} faults, {alarms} false alarms in {turns} clean turns"
    if missed or alarms:
        return 1, f"NOT PROVEN: {text}; missed: {', '.join(missed) or 'none'}"
    return 0, f"PROVEN: {text}"
