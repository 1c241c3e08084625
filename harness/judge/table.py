"""The table of gates: one row each, with the metric it judges, its limit, and which cases and turns it is for.

Sources: H-70 to H-91, spec/metrics.md (d); what is not given there was set from clean calls and known faults (docs/why/proof.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from harness.model.case import Case, Tier
from harness.model.measurement import DefectKind, Turn

Op = Literal["<=", "<", "==", ">="]
#: What to listen to: the user's wait, the reply's end, or defects of these kinds.
Hear = Literal["wait", "end"] | tuple[DefectKind, ...]
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
    of_case: Callable[[Case], float] | None = None  # the limit that every case has of its own
    # what others know of a gate
    fix: str = ""  # where to look first when it fails
    hear: Hear = ()  # what to listen to where it fails
    of_sound: bool = True  # a fault of sound can trip it: it judges how a reply sounds, not when it comes
    heard_at: Literal["", "ear", "probe"] = ""  # where the latency ends: the path's own delay can be allowed on top
    delayed: Literal["", "one way", "round trip"] = ""  # how much of a network's delay it contains
    networks_own: bool = False  # a bad network causes it by itself: there it warns
    quotes: bool = False  # its reason may quote what was said or done in the call
    sharp: bool = False  # a latency timed at both ends: values that hardly vary are an artefact (H-130)
    # as it stands in a run
    whose: str = ""  # whose limit it is, unless it is the shipped one
    shipped: float | None = None  # the shipped limit, then


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


def _asks_for_phrases(case: Case) -> bool:
    return any(wanted.asks_for_phrases for wanted in case.expectations)


def _asks_for_reply_words(case: Case) -> bool:
    return any(wanted.reply_wer_max is not None for wanted in case.expectations)


def _reply_word_limit(case: Case) -> float:
    return max((w.reply_wer_max for w in case.expectations if w.reply_wer_max is not None), default=0.0)


def _asks_for_tools(case: Case) -> bool:
    return any(wanted.asks_for_tools for wanted in case.expectations)


def _asks_for_silences(case: Case) -> bool:
    return any(
        wanted.answer_within_ms is not None or wanted.dead_air_max_ms is not None for wanted in case.expectations
    )


def _greeting_limit_ms(case: Case) -> float:
    return (case.expected_greeting.within_ms if case.expected_greeting is not None else None) or 0.0


def _word_error_limit(case: Case) -> float:
    return max(
        (wanted.understood.wer_max for wanted in case.expectations if wanted.understood is not None), default=0.0
    )


TABLE: tuple[Gate, ...] = (
    # the eight blocking gates of the spec
    Gate("eot_to_first_audio", "end of turn → first audio, at the second listener", "eot_to_first_audio_ms", "1",
         "p95", "<=", 650, "ms", True, keep=_answers, scope=_reply_due,
         hear="wait", of_sound=False, delayed="round trip", heard_at="probe", sharp=True,
         fix="The reply starts late: the waterfall names the slowest step."),
    Gate("tts_first_publish", "first TTS PCM → first frame published", "tts_first_to_publish_ms", "agent",
         "p95", "<=", 120, "ms", True, keep=_answers, scope=_reply_due,
         hear="wait", of_sound=False,
         fix="PCM waits before it is published: stream while receiving, do not collect."),
    Gate("audible_dropout", "audible dropouts in a reply", "dropout_count", "1",
         "sum", "==", 0, "", True, scope=lambda case: _p0(case) and _reply_due(case),
         hear=("dropout",), networks_own=True,
         fix="Sound is missing in the reply: holes of one length are TTS underruns, others come from the way."),
    Gate("max_gap", "longest hole in a reply", "max_gap_ms", "1",
         "max", "<", 200, "ms", True, scope=lambda case: _p0(case) and _reply_due(case),
         hear=("dropout", "gap"), networks_own=True,
         fix="A hole in the reply: if its length is a multiple of the engine's packet, the TTS is slower than speech."),
    Gate("audio_valid", "replies that are audible and are the agent's own", "audio_valid", "1",
         "share", "==", 1.0, "share", True, scope=lambda case: _p0(case) and _reply_due(case),
         fix="What was heard is not what the agent said: look at the identity figure and at the recordings."),
    Gate("ear_valid", "replies that are the agent's own at the ear", "audio_valid_ear", "2",
         "share", "==", 1.0, "share", True, scope=lambda case: _p0(case) and _reply_due(case), if_absent="optional",
         hear=("foreign_sound",), of_sound=False, networks_own=True,
         fix="The ear heard something else than the agent published: look at the page, and at what else it plays."),
    Gate("garbage", "longest sound in a reply that is no sound: bytes that are no samples", "garbage_longest_pre_ms", "agent",
         "max", "<", 60, "ms", True, scope=_reply_due, also=("garbage_longest_ms", "garbage_longest_ear_ms"),
         if_absent="optional", hear=("garbage",), of_sound=False,
         fix="Bytes that are no samples are played: a header, text, a wrong byte order, one byte lost, bits lost."),
    Gate("clipping_ratio", "samples at full scale", "clipping_ratio", "1",
         "max", "<", 0.001, "share", True, scope=_reply_due,
         hear=("clipping",),
         fix="The reply is clipped: lower the TTS's level or the gain before the publisher."),
    Gate("fast_ttft", "transcript → first token (fast lane)", "fast_ttft_ms", "agent",
         "p95", "<=", 80, "ms", True, keep=_answers, scope=_reply_due,
         hear="wait", of_sound=False,
         fix="The first token is late: look at the model's queue, and at whether a slow lane holds the engine."),
    Gate("inter_arrival", "inter-arrival of frames at the second listener", "inter_arrival_p95_ms", "1",
         "p95", "<=", 30, "ms", True, scope=_reply_due,
         of_sound=False, networks_own=True,
         fix="Frames come unevenly: the publisher is not paced, or the machine is overloaded."),
    # what a case asks for
    Gate("talk_over", "the agent began to speak before the user's end of turn", "talk_over_count", "2",
         "sum", "==", 0, "", True, per="call", scope=lambda case: _p0(case) and not case.talk_over_allowed,
         hear="wait", of_sound=False,
         fix="The agent speaks into the user: its end-of-turn detection is too eager for this pause."),
    Gate("talked_on", "interruption → silence: it was heeded at all", "barge_in_to_silence_ms", "2",
         "max", "<=", 2_000, "ms", True, if_absent="skip", scope=lambda case: case.interrupts, fixed=True,
         of_sound=False,
         fix="The agent did not heed the interruption: it does not listen while it speaks, or its queue plays on after"
             " a cancel."),
    Gate("complete_reply", "complete replies after the final end of turn", "replies_complete_after_final_eot", "2",
         "min", ">=", 1, "", True, per="call", scope=_reply_due, fixed=True,
         hear="wait", of_sound=False,
         fix="After the user's last word no complete reply came."),
    Gate("replies", "turns of the user that got no reply", "unanswered_turn_count", "2",
         "sum", "==", 0, "", True, per="call", scope=_reply_due, fixed=True,
         hear="wait", of_sound=False,
         fix="A turn of the user's got no reply: look at the agent's log around its end (VAD, STT, dialogue), and at "
             "whether it listens while it speaks."),
    Gate("no_reply", "sounds of the agent where nothing was to be said", "unexpected_onset_count", "2",
         "sum", "==", 0, "", True, per="call", fixed=True, of_sound=False,
         scope=lambda case: not case.expect_reply or case.greeting_rule == "none",
         fix="The agent answered where nobody spoke: VAD threshold, or an echo."),
    Gate("said_once", "times the user's speech is found in the recording", "user_heard_count", "2",
         "max", "==", 1, "", True, per="call", scope=_reply_due, fixed=True,
         of_sound=False,
         fix="The user's speech does not stand in the recording exactly once: a microphone that loops, or speech that "
             "was cut. The agent has no part in it."),
    Gate("reply_not_short", "length of a reply, at least", "reply_ms", "2",
         "min", ">=", 0, "ms", True, keep=_not_cut_short, scope=_reply_due, fixed=True,
         hear="end", of_sound=False, of_case=lambda case: case.min_reply_ms,
         fix="A reply is shorter than the case demands: it was cut, or the dialogue misunderstood."),
    Gate("reply_not_long", "length of a reply, at most", "reply_ms", "2",
         "max", "<=", 0, "ms", True, keep=_not_cut_short, scope=_reply_due, fixed=True,
         hear="end", of_sound=False, of_case=lambda case: case.max_reply_ms,
         fix="A reply is longer than the case allows."),
    Gate("interruption", "the user spoke into a reply, and it fell silent", "barge_in_to_silence_ms", "2",
         "min", ">=", 0, "ms", True, if_absent="skip", scope=lambda case: case.interrupts, fixed=True,
         hear="end", of_sound=False,
         fix="Nothing was interrupted: the reply was over before the user spoke into it, or it never fell silent."),
    Gate("says", "phrases that the case expects and the agent did not say", "phrases_missing_count", "agent",
         "sum", "==", 0, "", True, keep=_answers, scope=_asks_for_phrases, if_absent="skip", fixed=True, of_sound=False,
         quotes=True, hear="end",
         fix="The reply lacks words that the case expects: the reason quotes what the agent published of its speech."),
    Gate("never_says", "phrases that the case forbids and the agent said", "phrases_forbidden_count", "agent",
         "sum", "==", 0, "", True, keep=_answers, scope=_asks_for_phrases, if_absent="skip", fixed=True, of_sound=False,
         quotes=True, hear="end",
         fix="The reply has words that the case forbids: the reason quotes what the agent published of its speech."),
    Gate("understood", "words of the user that the agent misunderstood (WER)", "user_wer", "agent",
         "max", "<=", 0.0, "share", True, keep=_answers, fixed=True, of_sound=False, quotes=True,
         scope=lambda case: any(wanted.understood is not None for wanted in case.expectations),
         of_case=_word_error_limit,
         fix="The agent's recogniser hears other words than were said: the reason names them."),
    Gate("reply_words", "words of the agent's text that are not understood where the user hears them (WER)", "reply_wer_ear", "2",
         "max", "<=", 0.0, "share", True, keep=_answers, scope=_asks_for_reply_words, also=("reply_wer",), if_absent="skip",
         fixed=True, of_sound=False, quotes=True, hear="end", of_case=_reply_word_limit,
         fix="What is heard is not the agent's own text: the reason names the words, and whether they were published so."),
    Gate("tools", "calls of tools that the case expects and that were not made so", "tools_missing_count", "agent",
         "sum", "==", 0, "", True, keep=_answers, scope=_asks_for_tools, if_absent="skip", fixed=True, of_sound=False,
         quotes=True,
         fix="The agent did not do what the case expects: the reason says which call, and what it did call."),
    Gate("forbid_tools", "calls of tools that the case forbids", "tools_forbidden_count", "agent",
         "sum", "==", 0, "", True, keep=_answers, scope=_asks_for_tools, if_absent="skip", fixed=True, of_sound=False,
         quotes=True,
         fix="The agent called a tool that the case forbids: the reason has the call."),
    Gate("say_do", "claims without the deed, and deeds without the claim", "say_do_count", "agent",
         "sum", "==", 0, "", True, keep=_answers, scope=_asks_for_tools, if_absent="skip", fixed=True, of_sound=False,
         quotes=True,
         fix="What the agent says that it did and what its tools did differ: the reason quotes both."),
    Gate("answer_within", "answer that comes later than the case allows, behind any filler", "answer_over_ms", "2",
         "max", "<=", 0, "ms", True, keep=_answers, scope=_asks_for_silences, if_absent="skip", fixed=True, of_sound=False,
         hear="wait",
         fix="The answer comes late: a filler does not shorten the wait for it. Look at the tool or the model behind it."),
    Gate("dead_air", "silence in the agent's turn that is longer than the case allows", "dead_air_over_ms", "2",
         "max", "<=", 0, "ms", True, keep=_answers, scope=_asks_for_silences, if_absent="skip", fixed=True, of_sound=False,
         hear="wait",
         fix="The user hears nothing for too long: say that work goes on, or answer sooner."),
    Gate("greeting", "greetings before the user's first word", "greeting_count", "2",
         "min", ">=", 1, "", True, per="call", scope=lambda case: case.greeting_rule == "required", fixed=True,
         of_sound=False,
         fix="The case wants the agent to speak first, and it did not: look at what its greeting waits for, or let "
             "--greeting-window-ms be longer."),
    Gate("greeting_within", "the user joined → the greeting's first word is heard", "greeting_ms", "2",
         "max", "<=", 0, "ms", True, per="call", fixed=True, of_sound=False, hear="wait",
         scope=lambda case: case.expected_greeting is not None and case.expected_greeting.within_ms is not None,
         of_case=_greeting_limit_ms,
         fix="The greeting comes late: the reason says how much of it the agent took to come into the call."),
    Gate("greeting_says", "phrases that the case expects of the greeting and the agent did not say",
         "greeting_phrases_missing_count", "agent",
         "sum", "==", 0, "", True, per="call", fixed=True, of_sound=False, quotes=True,
         scope=lambda case: case.expected_greeting is not None and bool(case.expected_greeting.says),
         fix="The greeting lacks words that the case expects: the reason quotes what the agent published of its speech."),
    Gate("greeting_lost_head", "missing of the greeting's first word, at the user's own listener", "greeting_head_lost_ms", "2",
         "max", "<", 25, "ms", True, per="call", fixed=True, of_sound=False, hear=("lost_head",), networks_own=True,
         scope=lambda case: case.expected_greeting is not None and case.expected_greeting.lost_head is not None,
         fix="The first word is cut: the agent speaks before the user's side has its track, or the publisher drops its first"
             " packets."),
    # warnings
    Gate("user_kpi", "USER_KPI: user's last word → agent audible at the ear", "user_kpi_ms", "2",
         "p95", "<=", 900, "ms", False, keep=_answers, scope=_reply_due,
         hear="wait", of_sound=False, delayed="round trip", heard_at="ear", sharp=True,
         fix="The user waits long: the waterfall names the slowest step; what grows only at the ear is the network."),
    Gate("ear_dropout", "audible dropouts at the ear", "dropout_count_ear", "2",
         "sum", "==", 0, "", False, scope=_reply_due,
         hear=("dropout",)),
    Gate("ear_clipping", "samples at full scale at the ear", "clipping_ratio_ear", "2",
         "max", "<", 0.001, "share", False, scope=_reply_due,
         hear=("clipping",)),
    Gate("barge_in_to_silence", "interruption → silence at the ear", "barge_in_to_silence_ms", "2",
         "p95", "<=", 600, "ms", False, if_absent="skip", scope=lambda case: case.interrupts,
         hear="end", of_sound=False, delayed="round trip", heard_at="ear",
         fix="The agent goes on after an interruption: flush the publisher's queue on cancel."),
    Gate("eot_error", "the agent's own end of turn against the truth", "eot_error_ms", "agent",
         "p95_abs", "<=", 40, "ms", False, keep=_answers, scope=_reply_due,
         hear="wait", of_sound=False,
         fix="The agent's own end of turn differs from the truth: its VAD hears noise as speech, or cuts it."),
    Gate("unexplained", "what the waterfall leaves unexplained", "unexplained_ms", "2",
         "p95_abs", "<=", 10, "ms", False, keep=_answers, scope=_reply_due,
         hear="wait", of_sound=False),
    # what a reply sounds like, as published and where it arrives; limits: docs/why/proof.md
    Gate("lost_head", "missing of the first word of a reply", "head_loss_ms", "1",
         "max", "<", 25, "ms", True, scope=_reply_due, also=("head_loss_ear_ms",), if_absent="skip",
         hear=("lost_head",), networks_own=True,
         fix="The first word arrives cut: the publisher starts before the track is heard, or a jitter buffer drops its"
             " first packets."),
    Gate("lost_tail", "missing of the last word of a reply", "tail_loss_ms", "1",
         "max", "<", 25, "ms", True, scope=_reply_due, also=("tail_loss_ear_ms",), if_absent="skip",
         hear=("lost_tail",), networks_own=True,
         fix="The last word arrives cut: the publisher is closed or flushed before its queue has played."),
    Gate("published_dropout", "holes in a reply as it was published", "dropout_count_pre", "agent",
         "sum", "==", 0, "", False, scope=lambda case: _p0(case) and _reply_due(case),
         hear=("dropout",),
         fix="The agent itself published a hole: its TTS is slower than speech (underrun), or a buffer is cut."),
    Gate("steady_sound", "longest tone or loop in a reply, which no voice makes", "steady_longest_pre_ms", "agent",
         "max", "<", 60, "ms", False, scope=_reply_due, also=("steady_longest_ms", "steady_longest_ear_ms"),
         if_absent="optional", hear=("steady_sound",), of_sound=False,
         fix="A tone, or a buffer that repeats: nobody fills it, or a sound is mixed in that is meant."),
    Gate("clicks", "clicks in a reply", "click_count", "1",
         "sum", "==", 0, "", False, scope=_reply_due, also=("click_count_ear", "click_count_pre"),
         hear=("click",),
         fix="A click: samples are cut or joined without a fade, or a buffer is played twice; `born` says on which side."),
    Gate("booms", "booms in a reply", "boom_count", "1",
         "sum", "==", 0, "", False, scope=_reply_due, also=("boom_count_ear",),
         hear=("boom",),
         fix="A thump below 200 Hz: a DC step or a cut at a low frequency."),
    Gate("noise_bursts", "bursts of noise in a reply", "noise_burst_count", "1",
         "sum", "==", 0, "", False, scope=_reply_due, also=("noise_burst_count_ear",),
         hear=("noise_burst",),
         fix="A burst of noise: a buffer of garbage, a wrong byte order for a moment, or a decoder's fault."),
    Gate("repeats", "pieces of a reply that are heard twice", "repeat_count", "1",
         "sum", "==", 0, "", False, scope=_reply_due, also=("repeat_count_ear", "repeat_count_pre"),
         hear=("repeat",),
         fix="A piece is heard twice: a buffer was sent again, or packets were concealed by repeating."),
    Gate("speed", "speed of a reply against what was published", "speed_ppm", "1",
         "max_abs", "<=", 2_500, "ppm", False, scope=_reply_due, also=("speed_ear_ppm",), if_absent="skip",
         hear=("speed", "wrong_rate"),
         fix="The reply plays at another speed: two sample rates are mixed up, or a clock drifts."),
    Gate("pitch", "pitch of a reply against what was published", "pitch_shift_cents", "1",
         "max_abs", "<=", 25, "cents", False, scope=_reply_due, also=("pitch_shift_ear_cents",), if_absent="skip",
         hear=("pitch",),
         fix="The pitch is shifted at the same speed: a time stretcher or a resampler is at work on the way."),
    Gate("high_frequencies", "4 to 8 kHz of a reply against what was published", "hf_change_db", "1",
         "min", ">=", -4, "dB", False, scope=_reply_due, also=("hf_change_ear_db",), if_absent="skip",
         hear=("spectrum", "bandwidth"),
         fix="4 to 8 kHz are weaker than published: a low bit rate, a narrow-band codec, a resampler's filter."),
    Gate("bandwidth", "of the band that was published, what does not arrive", "band_lost_hz", "1",
         "max", "<=", 3_000, "Hz", False, scope=_reply_due, also=("band_lost_ear_hz",), if_absent="skip",
         hear=("bandwidth",),
         fix="The upper band does not arrive: a narrow-band or 16 kHz stage is on the way."),
    Gate("octave", "an octave of a reply that arrives weaker or louder than the rest of it", "octave_change_db", "1",
         "max_abs", "<=", 6, "dB", False, scope=_reply_due, also=("octave_change_ear_db",), if_absent="optional",
         hear=("spectrum",), of_sound=False,
         fix="One octave is changed on the way: an equaliser, a filter, a noise suppressor that takes the voice for noise."),
    Gate("level_change", "level of a reply against what was published", "level_change_db", "1",
         "max_abs", "<=", 3, "dB", False, scope=_reply_due, also=("level_change_ear_db",), if_absent="skip",
         hear=("level_change",),
         fix="The level changes on the way: a gain, an AGC or a limiter."),
    Gate("level_drop", "quietest 150 ms of a reply against the rest of it", "level_drop_db", "1",
         "min", ">=", -3.5, "dB", False, scope=_reply_due, also=("level_drop_ear_db",), if_absent="skip",
         hear=("level_drop",),
         fix="A part of the reply is quieter than the rest: ducking, an AGC, or a gate."),
    Gate("compression", "loud parts of a reply against its quiet ones", "compression_db", "1",
         "max_abs", "<=", 1.2, "dB", False, scope=_reply_due, also=("compression_ear_db",), if_absent="skip",
         hear=("compression",),
         fix="Loud parts are pressed together: a limiter or a saturating stage."),
    Gate("overdriven", "samples that did not fit into full scale", "overdriven_ratio", "1",
         "max", "<", 0.0005, "share", False, scope=_reply_due,
         also=("overdriven_ear_ratio", "clipping_ratio_pre"), if_absent="skip",
         hear=("clipping",),
         fix="Samples do not fit into full scale: lower the TTS's level or the gain before the publisher."),
    Gate("mel_distance", "95th percentile of the mel distance of a reply to what was published", "mel_distance_db", "1",
         "max", "<=", 8, "dB", False, scope=_reply_due, also=("mel_distance_ear_db",), if_absent="skip",
         hear=("spectrum",),
         fix="The spectrum differs from what was published: listen to both, and look at the other gates."),
    Gate("noise_floor", "noise between replies", "noise_floor_dbfs", "1",
         "max", "<=", -60, "dBFS", False, per="call", scope=_reply_due, also=("noise_floor_ear_dbfs",),
         fix="Noise between the replies: something is published while the agent is silent."),
    Gate("hum", "hum between replies", "hum_dbfs", "1",
         "max", "<=", -63, "dBFS", False, per="call", scope=_reply_due, also=("hum_ear_dbfs",),
         fix="Hum of the mains between the replies: an analogue stage, or a microphone in the agent's track."),
    Gate("user_echo", "the user's own words in the agent's sound", "user_echo_count", "1",
         "sum", "==", 0, "", False, per="call", also=("user_echo_count_ear",),
         fix="The user's own words come back in the agent's track: its input is mixed into its output."),
    Gate("foreign_sound", "sounds that no reply of the agent explains", "foreign_sound_count", "1",
         "sum", "==", 0, "", False, per="call", also=("foreign_sound_count_ear",),
         fix="Something sounds on the agent's track that no reply explains: another session's audio, or a reply that "
             "was not told."),
    # for agents that report nothing about their replies
    Gate("bed", "continuous background under the agent's voice", "bed_dbfs", "1",
         "max", "<=", -55, "dBFS", False, per="call", scope=_reply_due, also=("bed_ear_dbfs",),
         of_sound=False,
         fix="Something sounds under the agent's voice all the time: a background player, or noise in its voice. Turn "
             "it down if it is not meant."),
    Gate("hung_up", "times the agent hung up after its reply", "hung_up_count", "2",
         "sum", "==", 0, "", False, per="call", scope=_reply_due,
         of_sound=False,
         fix="The agent leaves after its reply: if that is meant, set hangup: expected."),
    Gate("reopened", "times the agent spoke again when its turn was over", "reopened_count", "2",
         "sum", "==", 0, "", False, per="call", scope=_reply_due,
         of_sound=False,
         fix="The agent spoke again when its turn was taken for over: set lk.agent.state, or a longer --turn-quiet-ms."),
    Gate("leading_silence", "silence published ahead of a reply", "leading_silence_ms", "agent",
         "max", "<=", 45, "ms", False, scope=_reply_due, if_absent="skip",
         hear="wait",
         fix="The reply begins with silence: the TTS pads it, or audio is awaited after the first frame."),
    Gate("way", "first frame published → heard, without the jitter buffer", "way_besides_buffer_ms", "2",
         "max", "<=", 60, "ms", False, scope=_reply_due, if_absent="optional",
         hear="wait", delayed="one way",
         fix="The way takes long beside the jitter buffer: a queue in the publisher, the server or the network."),
    Gate("torn", "holes with hard edges in a reply of an agent that gives no PCM", "torn_count", "1",
         "max", "<", 2, "", False, scope=_reply_due, also=("torn_count_ear",), if_absent="optional",
         hear=("dropout",), of_sound=False, networks_own=True,
         fix="Speech is cut out again and again: holes of one length are TTS underruns, others come from the way."),
    # words, where a recogniser heard the call (docs/how_to/words.md)
    Gate("words_lost", "words of a reply that are understood as published, and not where the user hears them",
         "words_lost_count_ear", "2", "max", "==", 0, "", False, scope=_reply_due, also=("words_lost_count",),
         if_absent="optional", hear="end", of_sound=False, quotes=True, networks_own=True,
         fix="Words got lost on the way: the reason names them, and where. Listen there; the ledger shows what is missing."),
    # the ledger: what was published against what is heard (docs/why/ledger.md)
    Gate("lost_sound", "longest piece of a reply that is heard nowhere, also where both sides were joined",
         "lost_longest_ms", "1", "max", "<", 80, "ms", False, scope=_reply_due, also=("lost_longest_ear_ms",),
         if_absent="optional", hear=("lost_sound", "dropout", "gap"), of_sound=False, networks_own=True,
         fix="A piece of the reply was published and is not heard: the strip under its spectrogram shows where."),
    Gate("unpublished_sound", "longest sound in a reply that was not published",
         "foreign_longest_ms", "1", "max", "<", 60, "ms", True, scope=_reply_due, also=("foreign_longest_ear_ms",),
         if_absent="optional", hear=("foreign_sound",), of_sound=False, networks_own=True,
         fix="Something sounds in the reply that the agent did not publish: the strip under its spectrogram shows where."),
    Gate("out_of_order", "pieces of a reply that are heard out of their order",
         "moved_count", "1", "sum", "==", 0, "", False, scope=_reply_due, also=("moved_count_ear",), if_absent="optional",
         hear=("moved",), of_sound=False, networks_own=True,
         fix="Pieces of the reply changed places on their way."),
    Gate("said_again", "sound of a reply that is heard again",
         "repeated_ms", "1", "max", "<", 60, "ms", False, scope=_reply_due, also=("repeated_ear_ms",), if_absent="optional",
         hear=("repeat",), of_sound=False, networks_own=True,
         fix="A piece of the reply is heard twice, and was published once."),
    Gate("heard_otherwise", "longest sound that one listener hears and the other does not, of an agent that gives no PCM",
         "foreign_longest_between_ms", "2", "max", "<", 300, "ms", False, scope=_reply_due,
         also=("lost_longest_between_ms",), if_absent="optional", of_sound=False, networks_own=True,
         fix="The ear and the second listener hear different things: which of them is right needs pre_rtc.wav."),
)  # fmt: skip
LEDGER = frozenset(("lost_sound", "unpublished_sound", "out_of_order", "said_again", "heard_otherwise"))  # gates
#: Gates that find a sound without knowing the fault: what trips them may be none of the catalogue.
UNLISTED = LEDGER | frozenset(("garbage", "steady_sound", "octave", "torn"))
BY_ID = {gate.id: gate for gate in TABLE}
OF_EACH_CASE = frozenset(gate.id for gate in TABLE if gate.of_case is not None)  # no one limit holds for a whole run
