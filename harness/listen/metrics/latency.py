"""The latency metrics of one turn: USER_KPI and its parts, at the ear and at the probe.

Differences are taken on one sample clock (mic and ear, post_user and post_rtc); the agent's own times come from its
trace. A number that contradicts other evidence is kept and marked invalid (H-130, and "never from level alone").
"""

from __future__ import annotations

import numpy as np

from harness.listen.metrics.edges import LEVEL_MS, faded_in_ms
from harness.listen.metrics.implausible import implausible
from harness.listen.metrics.stepped import across, named, of_answer, over
from harness.listen.metrics.waterfall import Between, between, between_after_decision, path_delay_ms, waterfall
from harness.listen.place.bed import onset_error_ms
from harness.listen.place.onset import HOP_MS
from harness.listen.place.replies import SAMPLES_PER_MS, AnnouncedReply, HeardReply
from harness.listen.place.scene import PAIRS, Scene
from harness.listen.place.spoken import NotFound
from harness.listen.place.timing import Answer, interrupted_by, silence_after_barge_in_ms
from harness.listen.place.turns import TurnHeard
from harness.listen.read.clocks import Clocks
from harness.listen.read.ear_clock import steps_in_words
from harness.listen.read.records import disbelieved, no_number, not_applicable, number
from harness.model.events import ReplyCause
from harness.model.measurement import Metric, WaterfallStep

ONSET_ERROR_MS = 2.5  # of the onset detector on a codec's output; see tests/listen/place/test_onset.py
SLIP_LIMIT_MS = 10.0  # one tick of a native audio device
TALKED_ON_MS = 1_000.0  # put in words from here on; the limit stands in the gate table
AHEAD_MS = 100.0  # a sound so long before the first word is told beside it
ONSET_TOLERANCE_MS = 60.0  # a sound that begins so much ahead of the aligned reply is not the reply
NOT_INSTRUMENTED = (
    "the agent is not instrumented: let it write agent_trace.jsonl and pre_rtc.wav (docs/how_to/own_agent.md)"
)
NO_EAR = "needs the browser lane (--user browser)"
NO_SECOND_LISTENER = "the call had no second listener (probe)"


def latencies(scene: Scene, turn: TurnHeard) -> dict[str, Metric]:
    """All timing metrics that have a place in this turn."""
    metrics = agent_times(scene, turn)
    if turn.is_answer:
        metrics |= _answer_times(scene, turn)
    metrics["reply_lag_ms"] = _reply_lag(scene, turn)
    return metrics


def agent_times(scene: Scene, turn: TurnHeard) -> dict[str, Metric]:
    wanted = {
        "tts_first_to_publish_ms": ("tts_first_pcm", "first_publish"),
        "fast_ttft_ms": ("stt_done", "llm_first_token"),
        "effective_hangover_ms": ("user_eot", "vad_end"),
    }
    trace = turn.announced.trace if turn.announced is not None else None
    if trace is None and not scene.capture.manifest.agent.instrumented:
        return {name: not_applicable("ms", NOT_INSTRUMENTED) for name in wanted}
    metrics = {name: _metric(between(trace, begin, end)) for name, (begin, end) in wanted.items()}
    metrics["tts_first_to_publish_ms"] = _metric(between_after_decision(trace, *wanted["tts_first_to_publish_ms"]))
    if trace is not None:
        metrics["publisher_underruns"] = number(trace.underruns, "count")
    if trace is not None and trace.starved_ms is not None:
        metrics["publisher_starved_ms"] = number(trace.starved_ms, "ms")
    if not turn.is_answer:  # a reply that was dropped half-way has only some of its times
        metrics = {name: metric for name, metric in metrics.items() if metric.value is not None}
    return metrics


def _metric(found: Between) -> Metric:
    return no_number("ms", found.reason) if found.ms is None else number(found.ms, "ms")


def _answer_times(scene: Scene, turn: TurnHeard) -> dict[str, Metric]:
    assert turn.utterance is not None
    at_probe = _kpi(scene, turn, "post_rtc")
    at_ear = _kpi(scene, turn, "ear")
    metrics = {
        "user_kpi_raw_ms": at_ear,
        "user_kpi_ms": at_ear if at_ear.value is None else at_ear.model_copy(update={"value": max(0.0, at_ear.value)}),
        "eot_to_first_audio_ms": at_probe,
        "talk_over_ms": _talk_over(scene, turn),
        "eot_error_ms": _eot_error(scene, turn),
        "ear_vs_probe_kpi_delta_ms": _difference(at_ear, at_probe),
        "kpi_plausible": _plausible(scene, at_probe if scene.primary == "post_rtc" else at_ear, turn),
        "unexplained_ms": _unexplained(scene, turn),
    }
    metrics |= _first_sound(scene, turn)
    barge_in = _barge_in(scene, turn)
    if barge_in is not None:
        metrics["barge_in_to_silence_ms"] = barge_in
    return metrics


def _kpi(scene: Scene, turn: TurnHeard, ring: str) -> Metric:
    """True end of turn → first audible sample, on one clock; negative where the agent spoke into the turn."""
    excluded = _excluded(scene, ring)
    if excluded is not None:
        return excluded
    for recording in (ring, PAIRS[ring]):
        if recording not in scene.rings:
            return no_number("ms", scene.capture.why_missing(recording))
    answer = turn.answers.get(ring)
    if answer is None:
        return no_number("ms", _why_no_turn(scene, turn, PAIRS[ring]))
    raw_ms = answer.raw_ms
    if raw_ms is None or answer.reply is None:
        if scene.rings[ring].silent():
            return no_number("ms", f"{ring}.wav holds no sound of the agent")
        return no_number("ms", f"no reply is heard in {ring}.wav after this turn")
    onset_ms = ONSET_ERROR_MS + HOP_MS + onset_error_ms((scene.voice or scene.rings[ring]).bed)
    kpi = number(raw_ms, "ms", uncertainty=round(answer.turn.error_ms + onset_ms, 2), reason=_ahead(answer))
    kpi = across(scene, ring, kpi, answer.turn.end, answer.reply.first_word)
    doubt = _doubt(scene, answer, answer.reply, ring) or _too_fast(scene, turn, raw_ms, ring)
    return disbelieved(kpi, doubt) if doubt else kpi


def _ahead(answer: Answer) -> str:
    """What sounds ahead of the answer's first word, in words; "" where that is its first sound."""
    if answer.raw_ms is None or answer.first_sound_ms is None or answer.raw_ms - answer.first_sound_ms < AHEAD_MS:
        return ""
    ahead_ms = answer.raw_ms - answer.first_sound_ms
    return f"to the answer's first word; a sound without a voice (keys, a breath) came {ahead_ms:.0f} ms before it"


def _first_sound(scene: Scene, turn: TurnHeard) -> dict[str, Metric]:
    """Only where the first sound is not the first word."""
    answer = turn.answers.get(scene.primary)
    if answer is None or answer.first_sound_ms is None or not _ahead(answer):
        return {}
    return {
        "first_sound_ms": number(answer.first_sound_ms, "ms", reason="the user's true end of turn to the first sound")
    }


def _excluded(scene: Scene, ring: str) -> Metric | None:
    if ring == "ear" and scene.capture.manifest.lane == "bot":
        return not_applicable("ms", NO_EAR)
    if ring == "post_rtc" and scene.capture.manifest.second_listener == "none":
        return not_applicable("ms", NO_SECOND_LISTENER)
    return None


def _why_no_turn(scene: Scene, turn: TurnHeard, user: str) -> str:
    if scene.capture.truth is None:
        return scene.capture.why_missing("truth.json")
    assert turn.utterance is not None
    place = scene.places[user][turn.utterance]
    return place.reason if isinstance(place, NotFound) else f"the user's turn is not found in {user}.wav"


def _doubt(scene: Scene, answer: Answer, reply: HeardReply, ring: str) -> str | None:
    """Where pre_rtc exists, the first sound must be the reply's own."""
    if "pre_rtc" not in scene.rings or not any(announced.pre is not None for announced in scene.announced):
        return None
    at_ms = reply.start / 48
    if reply.seq is None:
        return f"the first sound in {ring}.wav (at {at_ms:.0f} ms) is none of the agent's replies"
    if not reply.aligned:
        found = "" if reply.identity is None else f" (correlation {reply.identity:.2f})"
        return f"the sound at {at_ms:.0f} ms in {ring}.wav could not be matched with pre_rtc.wav{found}"
    announced = next((t for t in scene.announced if t.seq == reply.seq), None)
    if announced is None or announced.pre is None or reply.head_lag is None:
        return None
    expected = announced.pre.start + reply.head_lag
    early_ms = (expected - reply.start) / 48
    if early_ms > ONSET_TOLERANCE_MS:
        return f"something sounds {early_ms:.0f} ms ahead of the reply itself in {ring}.wav"
    return None


def _too_fast(scene: Scene, turn: TurnHeard, kpi_ms: float, ring: str) -> str | None:
    truth, agent = scene.capture.truth, scene.capture.manifest.agent
    assert truth is not None
    assert turn.utterance is not None
    trace = turn.announced.trace if turn.announced is not None else None
    answer = turn.answers.get(ring)
    agent_eot_ms = None
    shared = trace is not None and scene.clocks.shared_with(PAIRS[ring], trace)
    if trace is not None and trace.t.user_eot is not None and answer is not None and shared:
        ended = scene.clocks.mono_ms(PAIRS[ring], answer.turn.end)
        agent_eot_ms = None if ended is None else trace.t.user_eot - ended
    return implausible(
        kpi_ms,
        trace.vad_hangover_ms if trace is not None else agent.vad_hangover_ms,
        trace.speculative if trace is not None else agent.speculative,
        truth.utterances[turn.utterance],
        agent_eot_ms,
    )


def _plausible(scene: Scene, kpi: Metric, turn: TurnHeard) -> Metric:
    trace = turn.announced.trace if turn.announced is not None else None
    hangover_ms = trace.vad_hangover_ms if trace is not None else scene.capture.manifest.agent.vad_hangover_ms
    if kpi.value is None:
        return no_number("bool", f"there is no KPI: {kpi.reason}")
    if hangover_ms is None and scene.tells:
        return not_applicable("bool", "the agent's hangover is not known, so neither is the least possible latency")
    reason = _too_fast(scene, turn, kpi.value, scene.primary)
    return number(1, "bool") if reason is None else number(0, "bool", reason=reason)


def _talk_over(scene: Scene, turn: TurnHeard) -> Metric:
    answer = turn.answers.get(scene.primary)
    if answer is None:
        return no_number("ms", "the turn is not found")
    if answer.talk_over_ms is None:
        return no_number("ms", "the agent did not speak into this turn")
    talk_over = number(answer.talk_over_ms, "ms")
    return (
        talk_over
        if answer.reply is None
        else across(scene, scene.primary, talk_over, answer.turn.end, answer.reply.start)
    )


def _eot_error(scene: Scene, turn: TurnHeard) -> Metric:
    """The agent's end of turn minus the true one, as the second listener dates it."""
    trace = turn.announced.trace if turn.announced is not None else None
    if trace is None and not scene.capture.manifest.agent.instrumented:
        return not_applicable("ms", NOT_INSTRUMENTED)
    if trace is None or trace.t.user_eot is None:
        return no_number("ms", "the agent's trace has no user_eot for this turn")
    answer = turn.answers.get("post_rtc")
    if answer is None:
        return no_number("ms", _why_no_turn(scene, turn, "post_user"))
    if not scene.clocks.shared_with("post_user", trace):
        return no_number("ms", scene.clocks.why_not_shared("post_user", trace))
    ended = scene.clocks.mono_ms("post_user", answer.turn.end)
    assert ended is not None
    return number(trace.t.user_eot - ended, "ms", uncertainty=round(_clock_error(scene.clocks) + 10.0, 2))


def _clock_error(clocks: Clocks) -> float:
    timeline = clocks.of("post_user")
    return 0.0 if timeline is None else timeline.error_ms


def _difference(ear: Metric, probe: Metric) -> Metric:
    for metric in (ear, probe):
        if metric.not_applicable:
            return not_applicable("ms", metric.reason)
        if metric.value is None:
            return no_number("ms", metric.reason)
    assert ear.value is not None
    assert probe.value is not None
    return number(
        ear.value - probe.value, "ms", invalid=ear.invalid or probe.invalid, reason=ear.reason or probe.reason
    )


def _barge_in(scene: Scene, turn: TurnHeard) -> Metric | None:
    """None where this turn interrupts nobody."""
    answer = turn.answers.get(scene.primary)
    case = scene.capture.case
    meant = case is not None and case.interrupts and turn.utterance == _last_turn(scene)
    reply = interrupted_by(answer.turn, scene.heard[scene.primary]) if answer is not None else None
    if answer is None or reply is None:
        return (
            no_number("ms", "the user did not speak into a reply, though the case is to interrupt") if meant else None
        )
    announced: AnnouncedReply | None = next((t for t in scene.announced if t.seq == reply.seq), None)
    if not meant and announced is not None and announced.cause == ReplyCause.COMPLETED:
        return None  # the reply was at its end anyway
    silence_ms = silence_after_barge_in_ms(answer.turn, reply)
    silence = number(silence_ms, "ms", uncertainty=ONSET_ERROR_MS, reason=talked_on(silence_ms))
    return across(scene, scene.primary, silence, answer.turn.start, reply.end)


def talked_on(silence_ms: float) -> str:
    """In words; "" for an agent that fell silent."""
    return f"the agent talked on {silence_ms / 1e3:.1f} s after the interruption" if silence_ms > TALKED_ON_MS else ""


def _last_turn(scene: Scene) -> int | None:
    truth = scene.capture.truth
    return None if truth is None else max((i for i, u in enumerate(truth.utterances) if u.is_turn), default=None)


def _reply_lag(scene: Scene, turn: TurnHeard) -> Metric:
    """First frame handed to WebRTC → the same frame heard, where the user listens."""
    if "pre_rtc" not in scene.rings and not scene.capture.manifest.agent.instrumented:
        return not_applicable("ms", NOT_INSTRUMENTED)
    heard = turn.heard.get(scene.primary)
    if heard is None or turn.announced is None:
        return no_number("ms", f"the reply is not heard in {scene.primary}.wav")
    lag = _metric(path_delay_ms(turn.announced, heard, scene.primary, scene.clocks))
    if scene.clocks.map_of(scene.primary) is not None:  # the map holds on either side of a step, and only there
        return named(lag, scene.clocks.steps(scene.primary, heard.start, heard.start))
    timeline = scene.clocks.of(scene.primary)
    if timeline is not None and timeline.slip_ms is not None and abs(timeline.slip_ms) > SLIP_LIMIT_MS:
        # figures within the recordings stay right (spec/metrics.md (e)); this one joins them with the agent's clock
        slipped = f"the audio clock slipped against the host's by {timeline.slip_ms:.0f} ms in the call"
        return disbelieved(lag, slipped)
    return lag


def turn_waterfall(scene: Scene, turn: TurnHeard) -> list[WaterfallStep]:
    """Empty for a reply that answers no turn."""
    answer = turn.answers.get(scene.primary)
    if answer is None or not turn.is_answer:
        return []
    user, heard = PAIRS[scene.primary], turn.heard.get(scene.primary)
    announced = turn.announced
    faded_ms = _faded_in_ms(scene, announced, heard)
    steps = waterfall(answer.raw_ms, user, answer.turn.end, announced, heard, scene.primary, scene.clocks, faded_ms)
    stepped = of_answer(scene, turn)
    if not stepped:
        return steps
    *others, unexplained = steps  # the steps before it were each taken on one side
    reason = "; ".join(filter(None, [unexplained.reason, steps_in_words(stepped)]))
    return [*others, unexplained.model_copy(update={"reason": reason})]


def _faded_in_ms(scene: Scene, announced: AnnouncedReply | None, heard: HeardReply | None) -> float:
    """At the primary ring, along the lag of the reply's head."""
    if heard is None or heard.head_lag is None or announced is None or announced.pre is None:
        return 0.0
    first, at = announced.pre.start, round(announced.pre.start + heard.head_lag)
    published, arrived = scene.rings["pre_rtc"].audio.samples, scene.rings[scene.primary].audio.samples
    length = LEVEL_MS * SAMPLES_PER_MS
    if at < 0:
        return 0.0
    return faded_in_ms(
        np.asarray(published[first : min(first + length, announced.pre.end)], np.float64),
        np.asarray(arrived[at : at + length], np.float64),
    )


def _unexplained(scene: Scene, turn: TurnHeard) -> Metric:
    if not scene.capture.manifest.agent.instrumented and not scene.capture.traces:
        return not_applicable("ms", NOT_INSTRUMENTED)
    steps = turn_waterfall(scene, turn)
    if not steps:
        return no_number("ms", "the turn is not found")
    last = steps[-1]
    if last.ms is None:
        return no_number("ms", last.reason)
    return over(number(last.ms, "ms"), of_answer(scene, turn))
