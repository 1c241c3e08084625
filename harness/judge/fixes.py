"""Suggested fixes: a rule a status or gate, each with its evidence, none twice (H-162).

What was not measured is no fault of the agent's: it gets its own advice, by the reason that the measurement gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.judge.verdict import NOT_MEASURED, explain, told_by_run_alone
from harness.model.status import CaptureStatus, Status
from harness.model.verdict import CaseVerdict, GateResult

FIXES: dict[str, str] = {
    CaptureStatus.POST_SILENT: "The agent published, but the second listener heard silence: look at the track's mute "
    "state and at what the publisher is given.",
    CaptureStatus.PRE_MISSING: "The agent left no pre_rtc.wav: write it in `finally`, after the trace was adopted.",
    CaptureStatus.PRE_SILENT: "The agent published silence: the TTS gave no sound, or its level is near zero.",
    CaptureStatus.REPLY_EVENTS_MISSING: "reply_start or reply_end did not come: send both with the same reply_seq, also "
    "when a reply is cancelled.",
    CaptureStatus.REPLY_TIMEOUT: "No reply was heard: look at the agent's log around the end of turn (VAD, STT, "
    "dialogue), and at whether it listens to this user.",
    CaptureStatus.REPLY_ENDLESS: "The reply did not end: look for a loop in the dialogue or a TTS that never finishes.",
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
    "eot_to_first_audio": "The reply starts late: the waterfall names the slowest step.",
    "user_kpi": "The user waits long: the waterfall names the slowest step; what grows only at the ear is the network.",
    "tts_first_publish": "PCM waits before it is published: stream while receiving, do not collect.",
    "audible_dropout": "Sound is missing in the reply: holes of one length are TTS underruns, others come from the way.",
    "max_gap": "A hole in the reply: if its length is a multiple of the engine's packet, the TTS is slower than speech.",
    "clipping_ratio": "The reply is clipped: lower the TTS's level or the gain before the publisher.",
    "fast_ttft": "The first token is late: look at the model's queue, and at whether a slow lane holds the engine.",
    "inter_arrival": "Frames come unevenly: the publisher is not paced, or the machine is overloaded.",
    "talk_over": "The agent speaks into the user: its end-of-turn detection is too eager for this pause.",
    "complete_reply": "After the user's last word no complete reply came.",
    "replies": "A turn of the user's got no reply: look at the agent's log around its end (VAD, STT, dialogue), and at "
    "whether it listens while it speaks.",
    "said_once": "The user's speech does not stand in the recording exactly once: a microphone that loops, or speech that "
    "was cut. The agent has no part in it.",
    "no_reply": "The agent answered where nobody spoke: VAD threshold, or an echo.",
    "audio_valid": "What was heard is not what the agent said: look at the identity figure and at the recordings.",
    "reply_not_short": "A reply is shorter than the case demands: it was cut, or the dialogue misunderstood.",
    "reply_not_long": "A reply is longer than the case allows.",
    "interruption": "Nothing was interrupted: the reply was over before the user spoke into it, or it never fell silent.",
    "barge_in_to_silence": "The agent goes on after an interruption: flush the publisher's queue on cancel.",
    "talked_on": "The agent did not heed the interruption: it does not listen while it speaks, or its queue plays on after a "
    "cancel.",
    "greeting": "The case wants the agent to speak first, and it did not: look at what its greeting waits for, or let "
    "--greeting-window-ms be longer.",
    "bed": "Something sounds under the agent's voice all the time: a background player, or noise in its voice. Turn it down if "
    "it is not meant.",
    "hung_up": "The agent leaves after its reply: if that is meant, set hangup: expected.",
    "reopened": "The agent spoke again when its turn was taken for over: set lk.agent.state, or a longer --turn-quiet-ms.",
    "lost_head": "The first word arrives cut: the publisher starts before the track is heard, or a jitter buffer drops its "
    "first packets.",
    "lost_tail": "The last word arrives cut: the publisher is closed or flushed before its queue has played.",
    "published_dropout": "The agent itself published a hole: its TTS is slower than speech (underrun), or a buffer is cut.",
    "clicks": "A click: samples are cut or joined without a fade, or a buffer is played twice; `born` says on which side.",
    "booms": "A thump below 200 Hz: a DC step or a cut at a low frequency.",
    "noise_bursts": "A burst of noise: a buffer of garbage, a wrong byte order for a moment, or a decoder's fault.",
    "repeats": "A piece is heard twice: a buffer was sent again, or packets were concealed by repeating.",
    "speed": "The reply plays at another speed: two sample rates are mixed up, or a clock drifts.",
    "pitch": "The pitch is shifted at the same speed: a time stretcher or a resampler is at work on the way.",
    "high_frequencies": "4 to 8 kHz are weaker than published: a low bit rate, a narrow-band codec, a resampler's filter.",
    "bandwidth": "The upper band does not arrive: a narrow-band or 16 kHz stage is on the way.",
    "level_change": "The level changes on the way: a gain, an AGC or a limiter.",
    "level_drop": "A part of the reply is quieter than the rest: ducking, an AGC, or a gate.",
    "compression": "Loud parts are pressed together: a limiter or a saturating stage.",
    "overdriven": "Samples do not fit into full scale: lower the TTS's level or the gain before the publisher.",
    "mel_distance": "The spectrum differs from what was published: listen to both, and look at the other gates.",
    "noise_floor": "Noise between the replies: something is published while the agent is silent.",
    "hum": "Hum of the mains between the replies: an analogue stage, or a microphone in the agent's track.",
    "user_echo": "The user's own words come back in the agent's track: its input is mixed into its output.",
    "foreign_sound": "Something sounds on the agent's track that no reply explains: another session's audio, or a reply that "
    "was not told.",
    "leading_silence": "The reply begins with silence: the TTS pads it, or audio is awaited after the first frame.",
    "way": "The way takes long beside the jitter buffer: a queue in the publisher, the server or the network.",
    "eot_error": "The agent's own end of turn differs from the truth: its VAD hears noise as speech, or cuts it.",
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
    for gate in told_by_run_alone(run_gates, cases):
        add_gate(gate, "the run")
    return [
        Fix(about, text, tuple(f"{where}: {', '.join(dict.fromkeys(said))}" for where, said in evidence[about].items()))
        for about, text in texts.items()
    ]
