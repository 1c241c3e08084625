"""Suggested fixes: one rule for each status or gate, with its evidence, none twice (H-162).

A missing measurement is no fault of the agent's: it gets its own advice, by the reason in the measurement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.judge.table import TABLE
from harness.judge.verdict import NOT_MEASURED, explain, shown_by_run_alone
from harness.model.status import CaptureStatus, Status
from harness.model.verdict import CaseVerdict, GateResult

FIXES: dict[str, str] = {
    CaptureStatus.POST_SILENT: "The agent published, but the second listener heard silence: look at the track's mute "
    "state and at what the publisher is given.",
    CaptureStatus.POST_MISSING: "The second listener left no recording: the reason names why; logs/ has what it said.",
    CaptureStatus.SLICE_ERROR: "What the second listener heard is not what the agent says it published: look at the times of "
    "reply_start and reply_end, and at whether pre_rtc.wav is what was handed to WebRTC.",
    CaptureStatus.PRE_MISSING: "The agent left no pre_rtc.wav: write it in `finally`, after the trace was adopted.",
    CaptureStatus.PRE_SILENT: "The agent published silence: the TTS gave no sound, or its level is near zero.",
    CaptureStatus.REPLY_EVENTS_MISSING: "reply_start or reply_end did not come: send both with the same reply_seq, also "
    "when a reply is cancelled.",
    CaptureStatus.REPLY_TIMEOUT: "No reply was heard: look at the agent's log around the end of turn (VAD, STT, "
    "dialogue), and at whether it listens to this user.",
    CaptureStatus.REPLY_ENDLESS: "The reply did not end: look for a loop in the dialogue or a TTS that never finishes.",
    CaptureStatus.DIALOGUE_GAVE_UP: "The agent did not say or do what the case's dialogue waits for: the detail has what it "
    "said, dialogue.jsonl every step.",
    CaptureStatus.DIALOGUE_UNTOLD: "What the case's dialogue hangs on cannot be known: the detail says why. Words or tools that "
    "the agent does not publish: let it publish them, as LiveKit Agents do, or wait for silence_ms.",
    CaptureStatus.AGENT_CRASH: "The agent ended in mid-call: its last log lines are in the detail, the rest in logs/.",
    CaptureStatus.AGENT_LEFT: "The agent hung up before the user was done: look at what makes it end the call, or give a "
    "case of one turn.",
    CaptureStatus.TWO_AGENTS: "Two agents spoke: end the one that is left over from an earlier call, or name the one under "
    "test with --agent-identity.",
    CaptureStatus.AGENT_ABSENT: "No agent with an audio track came: check its URL, token and room, and its log.",
    CaptureStatus.AGENT_UNAVAILABLE: "No worker took the job: is one registered under this name? A LiveKit Agents worker "
    "declares itself unavailable above its load threshold; set load_threshold to infinity on a small machine.",
    CaptureStatus.BARRIER_TIMEOUT: "A step of the barrier did not come: the detail names it.",
    CaptureStatus.PAGE_ERROR: "The page did not get into the call: see console.jsonl and screenshot.png in the capture.",
    CaptureStatus.BROWSER_CRASH: "Chromium ended: look at free memory, and at /dev/shm in containers.",
    CaptureStatus.SERVER_LOST: "The media server went away: see logs/livekit-server.log.",
    CaptureStatus.CAPTURE_WRITE_ERROR: "A recording could not be written: free disk space, or move --runs.",
    **{gate.id: gate.fix for gate in TABLE if gate.fix},
}

UNMEASURED: dict[Status, str] = {
    Status.NO_DATA: "This was not measured, which says nothing about the agent: provide what the reason names.",
    Status.INVALID: "This measurement is not believed, which says nothing about the agent: mend what the reason names, "
    "and measure again.",
    Status.NOT_APPLIED: "The call was not what it should have been, so it says nothing about the agent: see the reason.",
}


@dataclass(frozen=True)
class Fix:
    about: str
    text: str
    evidence: tuple[str, ...]


def suggest(cases: Sequence[CaseVerdict], run_gates: Sequence[GateResult] = ()) -> list[Fix]:
    """One entry a cause, with the cases that show it. `run_gates`: the gates over the run."""
    texts: dict[str, str] = {}
    evidence: dict[str, dict[str, list[str]]] = {}  # cause → case → what it says

    def add(about: str, text: str, where: str, said: str) -> None:
        texts[about] = text
        evidence.setdefault(about, {}).setdefault(where, []).append(said)

    def add_gate(gate: GateResult, where: str) -> None:
        status = gate.would_be or gate.status
        if status in NOT_MEASURED:
            add(f"{status}: {gate.reason or 'no reason is given'}", UNMEASURED[status], where, gate.gate_id)
        elif status in (Status.FAIL, Status.WARN) and gate.gate_id in FIXES:
            add(gate.gate_id, FIXES[gate.gate_id], where, explain(gate.model_copy(update={"would_be": None})))

    for case in cases:
        for attempt in case.attempts:
            if attempt.capture_status in FIXES:
                add(attempt.capture_status, FIXES[attempt.capture_status], case.case_id, attempt.detail)
            for gate in attempt.gates:
                add_gate(gate, case.case_id)
    for gate in shown_by_run_alone(run_gates, cases):
        add_gate(gate, "the run")
    return [
        Fix(about, text, tuple(f"{where}: {', '.join(dict.fromkeys(said))}" for where, said in evidence[about].items()))
        for about, text in texts.items()
    ]
