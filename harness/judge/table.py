"""The table of gates: one row each, with the metric it judges, its limit, and which cases and turns it is for.

Sources: H-70 to H-91, spec/metrics.md (d); what is not given there was set from clean calls and known faults (docs/proof.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from harness.model.case import Case, Tier
from harness.model.measurement import Turn

Op = Literal["<=", "<", "==", ">="]
Aggregate = Literal["p95", "p95_abs", "max", "max_abs", "min", "sum", "share"]


@dataclass(frozen=True)
class Gate:
    """One row. `per`: a metric of each turn, or of each call. `scope`: which cases it judges."""

    id: str
    title: str
    metric: str
    ring: str
    aggregate: Aggregate
    op: Op
    threshold: float
    unit: str
    blocking: bool
    per: Literal["turn", "call"] = "turn"
    scope: Callable[[Case], bool] = lambda case: True
    keep: Callable[[Case, Turn], bool] = lambda case, turn: True  # which turns of a case
    # skip: the metric exists only in some turns, by its nature; optional: a case may be without it altogether
    if_absent: Literal["no_data", "skip", "optional"] = "no_data"
    fixed: bool = False  # a case's own limit; not to be overridden
    also: tuple[str, ...] = ()  # the same thing in other rings: the worst of them is judged
    whose: str = ""  # whose limit it is, where it is not the one that ships
    shipped: float | None = None  # what ships, then


def _p0(case: Case) -> bool:
    return case.tier is Tier.P0


def _reply_due(case: Case) -> bool:
    return case.expect_reply


def _not_cut_short(case: Case, turn: Turn) -> bool:
    """The reply that the user interrupts is not judged for its length; neither is one nobody waited for."""
    return turn.utterance is not None and not (case.interrupts and 0 in (turn.reply_seq, turn.utterance))


def _answers(case: Case, turn: Turn) -> bool:
    """Turns whose reply the KPI pairs with an end of turn."""
    return turn.utterance is not None


TABLE: tuple[Gate, ...] = (
    # the eight blocking gates of the spec
    Gate("eot_to_first_audio", "end of turn → first audio, at the second listener", "eot_to_first_audio_ms", "1",
         "p95", "<=", 650, "ms", True, keep=_answers, scope=_reply_due),
    Gate("tts_first_publish", "first TTS PCM → first frame published", "tts_first_to_publish_ms", "agent",
         "p95", "<=", 120, "ms", True, keep=_answers, scope=_reply_due),
    Gate("audible_dropout", "audible dropouts in a reply", "dropout_count", "1",
         "sum", "==", 0, "", True, scope=lambda case: _p0(case) and _reply_due(case)),
    Gate("max_gap", "longest hole in a reply", "max_gap_ms", "1",
         "max", "<", 200, "ms", True, scope=lambda case: _p0(case) and _reply_due(case)),
    Gate("audio_valid", "replies that are audible and are the agent's own", "audio_valid", "1",
         "share", "==", 1.0, "share", True, scope=lambda case: _p0(case) and _reply_due(case)),
    Gate("clipping_ratio", "samples at full scale", "clipping_ratio", "1",
         "max", "<", 0.001, "share", True, scope=_reply_due),
    Gate("fast_ttft", "transcript → first token (fast lane)", "fast_ttft_ms", "agent",
         "p95", "<=", 80, "ms", True, keep=_answers, scope=_reply_due),
    Gate("inter_arrival", "inter-arrival of frames at the second listener", "inter_arrival_p95_ms", "1",
         "p95", "<=", 30, "ms", True, scope=_reply_due),
    # what a case asks for
    Gate("talk_over", "the agent began to speak before the user's end of turn", "talk_over_count", "2",
         "sum", "==", 0, "", True, per="call", scope=lambda case: _p0(case) and not case.talk_over_allowed),
    Gate("talked_on", "interruption → silence: it was heeded at all", "barge_in_to_silence_ms", "2",
         "max", "<=", 2_000, "ms", True, if_absent="skip", scope=lambda case: case.interrupts, fixed=True),
    Gate("complete_reply", "complete replies after the final end of turn", "replies_complete_after_final_eot", "2",
         "min", ">=", 1, "", True, per="call", scope=_reply_due, fixed=True),
    Gate("replies", "turns of the user that got no reply", "unanswered_turn_count", "2",
         "sum", "==", 0, "", True, per="call", scope=_reply_due, fixed=True),
    Gate("no_reply", "sounds of the agent where nothing was to be said", "unexpected_onset_count", "2",
         "sum", "==", 0, "", True, per="call", scope=lambda case: not case.expect_reply or case.greeting == "none", fixed=True),
    Gate("said_once", "times the user's speech is found in the recording", "user_heard_count", "2",
         "max", "==", 1, "", True, per="call", scope=_reply_due, fixed=True),
    Gate("reply_not_short", "length of a reply, at least", "reply_ms", "2",
         "min", ">=", 0, "ms", True, keep=_not_cut_short, scope=_reply_due, fixed=True),
    Gate("reply_not_long", "length of a reply, at most", "reply_ms", "2",
         "max", "<=", 0, "ms", True, keep=_not_cut_short, scope=_reply_due, fixed=True),
    Gate("interruption", "the user spoke into a reply, and it fell silent", "barge_in_to_silence_ms", "2",
         "min", ">=", 0, "ms", True, if_absent="skip", scope=lambda case: case.interrupts, fixed=True),
    Gate("greeting", "greetings before the user's first word", "greeting_count", "2",
         "min", ">=", 1, "", True, per="call", scope=lambda case: case.greeting == "required", fixed=True),
    # warnings
    Gate("user_kpi", "USER_KPI: user's last word → agent audible at the ear", "user_kpi_ms", "2",
         "p95", "<=", 900, "ms", False, keep=_answers, scope=_reply_due),
    Gate("ear_dropout", "audible dropouts at the ear", "dropout_count_ear", "2",
         "sum", "==", 0, "", False, scope=_reply_due),
    Gate("ear_clipping", "samples at full scale at the ear", "clipping_ratio_ear", "2",
         "max", "<", 0.001, "share", False, scope=_reply_due),
    Gate("barge_in_to_silence", "interruption → silence at the ear", "barge_in_to_silence_ms", "2",
         "p95", "<=", 600, "ms", False, if_absent="skip", scope=lambda case: case.interrupts),
    Gate("eot_error", "the agent's own end of turn against the truth", "eot_error_ms", "agent",
         "p95_abs", "<=", 40, "ms", False, keep=_answers, scope=_reply_due),
    Gate("unexplained", "what the waterfall leaves unexplained", "unexplained_ms", "2",
         "p95_abs", "<=", 10, "ms", False, keep=_answers, scope=_reply_due),
    # what a reply sounds like, as published and where it arrives; limits: docs/proof.md
    Gate("lost_head", "missing of the first word of a reply", "head_loss_ms", "1",
         "max", "<", 25, "ms", True, scope=_reply_due, also=("head_loss_ear_ms",), if_absent="skip"),
    Gate("lost_tail", "missing of the last word of a reply", "tail_loss_ms", "1",
         "max", "<", 25, "ms", True, scope=_reply_due, also=("tail_loss_ear_ms",), if_absent="skip"),
    Gate("published_dropout", "holes in a reply as it was published", "dropout_count_pre", "agent",
         "sum", "==", 0, "", False, scope=lambda case: _p0(case) and _reply_due(case)),
    Gate("clicks", "clicks in a reply", "click_count", "1",
         "sum", "==", 0, "", False, scope=_reply_due, also=("click_count_ear", "click_count_pre")),
    Gate("booms", "booms in a reply", "boom_count", "1",
         "sum", "==", 0, "", False, scope=_reply_due, also=("boom_count_ear",)),
    Gate("noise_bursts", "bursts of noise in a reply", "noise_burst_count", "1",
         "sum", "==", 0, "", False, scope=_reply_due, also=("noise_burst_count_ear",)),
    Gate("repeats", "pieces of a reply that are heard twice", "repeat_count", "1",
         "sum", "==", 0, "", False, scope=_reply_due, also=("repeat_count_ear", "repeat_count_pre")),
    Gate("speed", "speed of a reply against what was published", "speed_ppm", "1",
         "max_abs", "<=", 2_500, "ppm", False, scope=_reply_due, also=("speed_ear_ppm",), if_absent="skip"),
    Gate("pitch", "pitch of a reply against what was published", "pitch_shift_cents", "1",
         "max_abs", "<=", 25, "cents", False, scope=_reply_due, also=("pitch_shift_ear_cents",), if_absent="skip"),
    Gate("high_frequencies", "4 to 8 kHz of a reply against what was published", "hf_change_db", "1",
         "min", ">=", -4, "dB", False, scope=_reply_due, also=("hf_change_ear_db",), if_absent="skip"),
    Gate("bandwidth", "of the band that was published, what does not arrive", "band_lost_hz", "1",
         "max", "<=", 3_000, "Hz", False, scope=_reply_due, also=("band_lost_ear_hz",), if_absent="skip"),
    Gate("level_change", "level of a reply against what was published", "level_change_db", "1",
         "max_abs", "<=", 3, "dB", False, scope=_reply_due, also=("level_change_ear_db",), if_absent="skip"),
    Gate("level_drop", "quietest 150 ms of a reply against the rest of it", "level_drop_db", "1",
         "min", ">=", -3.5, "dB", False, scope=_reply_due, also=("level_drop_ear_db",), if_absent="skip"),
    Gate("compression", "loud parts of a reply against its quiet ones", "compression_db", "1",
         "max_abs", "<=", 1.2, "dB", False, scope=_reply_due, also=("compression_ear_db",), if_absent="skip"),
    Gate("overdriven", "samples that did not fit into full scale", "overdriven_ratio", "1",
         "max", "<", 0.0005, "share", False, scope=_reply_due,
         also=("overdriven_ear_ratio", "clipping_ratio_pre"), if_absent="skip"),
    Gate("mel_distance", "95th percentile of the mel distance of a reply to what was published", "mel_distance_db", "1",
         "max", "<=", 8, "dB", False, scope=_reply_due, also=("mel_distance_ear_db",), if_absent="skip"),
    Gate("noise_floor", "noise between replies", "noise_floor_dbfs", "1",
         "max", "<=", -60, "dBFS", False, per="call", scope=_reply_due, also=("noise_floor_ear_dbfs",)),
    Gate("hum", "hum between replies", "hum_dbfs", "1",
         "max", "<=", -63, "dBFS", False, per="call", scope=_reply_due, also=("hum_ear_dbfs",)),
    Gate("user_echo", "the user's own words in the agent's sound", "user_echo_count", "1",
         "sum", "==", 0, "", False, per="call", also=("user_echo_count_ear",)),
    Gate("foreign_sound", "sounds that no reply of the agent explains", "foreign_sound_count", "1",
         "sum", "==", 0, "", False, per="call", also=("foreign_sound_count_ear",)),
    # of agents that tell nothing of their replies
    Gate("bed", "continuous background under the agent's voice", "bed_dbfs", "1",
         "max", "<=", -55, "dBFS", False, per="call", scope=_reply_due, also=("bed_ear_dbfs",)),
    Gate("hung_up", "times the agent hung up after its reply", "hung_up_count", "2",
         "sum", "==", 0, "", False, per="call", scope=_reply_due),
    Gate("reopened", "times the agent spoke again when its turn was over", "reopened_count", "2",
         "sum", "==", 0, "", False, per="call", scope=_reply_due),
    Gate("leading_silence", "silence published ahead of a reply", "leading_silence_ms", "agent",
         "max", "<=", 45, "ms", False, scope=_reply_due, if_absent="skip"),
    Gate("way", "first frame published → heard, without the jitter buffer", "way_besides_buffer_ms", "2",
         "max", "<=", 60, "ms", False, scope=_reply_due, if_absent="optional"),
)  # fmt: skip
BY_ID = {gate.id: gate for gate in TABLE}
