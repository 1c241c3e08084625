"""From a capture folder to a Measurement: read, align, measure, validate. The way into the listening half.

Pure but for reading the folder: the same folder gives the same record, to the byte. A metric that cannot be computed says
why; no content of a recording raises.
"""

from __future__ import annotations

from pathlib import Path

from harness.listen.blame import assign_blame
from harness.listen.ledger.entries import Ledger
from harness.listen.metrics.accounts import account, besides, in_record
from harness.listen.metrics.background import background_metrics
from harness.listen.metrics.changes import change_metrics, pairs_of
from harness.listen.metrics.claims import KPI, claim_metrics
from harness.listen.metrics.dead_air import dead_air_metrics
from harness.listen.metrics.drift import clock_metrics, drift_reasons
from harness.listen.metrics.gaps import hole_metrics
from harness.listen.metrics.greeting import greeting_metrics
from harness.listen.metrics.happenings import happening_metrics, happenings_in_words
from harness.listen.metrics.latency import latencies, turn_waterfall
from harness.listen.metrics.network import network_metrics, on_the_network
from harness.listen.metrics.octaves import octave_metrics
from harness.listen.metrics.quality import quality_metrics
from harness.listen.metrics.recovery import on_recovery, recovery_of_call
from harness.listen.metrics.reply_words import heard_text, reply_word_metrics, shown_texts, turn_sound, understood
from harness.listen.metrics.sound import is_syllable, sound_metrics
from harness.listen.metrics.spectrum import spectra_of
from harness.listen.metrics.stepped import inside_reply
from harness.listen.metrics.told import Told, told_in_words, told_of, told_waterfall
from harness.listen.metrics.tools import tool_metrics, turn_tools
from harness.listen.metrics.transport import transport_metrics, way_besides_buffer
from harness.listen.metrics.wire import wire_metrics
from harness.listen.metrics.without_reference import metrics_without_reference
from harness.listen.metrics.words import turn_words, word_metrics
from harness.listen.place.replies import SAMPLES_PER_MS, HeardReply
from harness.listen.place.scene import PAIRS, Scene
from harness.listen.place.spoken import Place
from harness.listen.place.timing import onsets_in_user_turns, unexpected_onsets
from harness.listen.place.turns import TurnHeard, due_utterances, greets, list_turns
from harness.listen.read.ear_clock import steps_in_words
from harness.listen.read.reading import Capture, read_capture
from harness.listen.read.records import no_number, number
from harness.listen.recordings import as_declared
from harness.listen.status import refine_status
from harness.listen.validity import find_reasons, host_metrics, undistorted, user_heard_count
from harness.model import capture
from harness.model.capture import write_atomic
from harness.model.events import ReplyCause
from harness.model.heard_words import HeardWords
from harness.model.measurement import Alignment, Measurement, Metric, Span, Turn, Validity


def listen(folder: Path, *, quality: bool = False) -> Measurement:
    """Measures the capture at `folder`; with `quality` also its scores, which are slow. Writes nothing.

    Raises UsageError if it is no capture folder, or one of another schema.
    """
    return measure(read_capture(folder), quality=quality)


def measure(heard: Capture, *, quality: bool = False) -> Measurement:
    """Measures a capture, wherever it was read from."""
    return measure_scene(Scene(heard), heard.heard_words, quality=quality)


def measure_scene(scene: Scene, heard_words: HeardWords | None = None, *, quality: bool = False) -> Measurement:
    """Measures a capture that was made ready already. `heard_words`: also those that were recognised in this very scene."""
    heard = scene.capture
    turns = list_turns(scene)
    status, detail = refine_status(scene, turns)
    reasons = [*find_reasons(scene), *drift_reasons(scene)]
    manifest = scene.capture.manifest
    told = told_of(scene, turns)
    records = [_record(scene, turn, told, heard_words, quality) for turn in turns]
    metrics = (
        _call_metrics(scene, turns)
        | greeting_metrics(scene, turns, records)
        | hole_metrics(records, scene.primary)
        | wire_metrics(scene)
    )
    return Measurement(
        trace_id=manifest.trace_id,
        case_id=manifest.case_id,
        attempt=manifest.attempt,
        lane=manifest.lane,
        mic=manifest.mic,
        capture_status=status,
        detail="; ".join(filter(None, [detail, *heard.notes])),
        turns=records,
        metrics=as_declared(heard, metrics) | network_metrics(heard) | recovery_of_call(heard.link, records),
        happenings=[*happenings_in_words(scene, turns, metrics), *told_in_words(told)],
        alignments=_alignments(scene),
        validity=Validity(ok=not reasons, reasons=reasons),
    )


def write_measurement(folder: Path, measurement: Measurement) -> None:
    """`measurement.json` in the capture's folder, complete or not at all. Raises OSError."""
    write_atomic(folder / capture.MEASUREMENT, measurement.model_dump_json(indent=2).encode())


def _record(scene: Scene, turn: TurnHeard, told: Told | None, heard_words: HeardWords | None, quality: bool) -> Turn:
    metrics, defects = sound_metrics(scene, turn)
    ledgers: dict[str, Ledger] = {}
    if not is_syllable(scene, turn):
        pairs = pairs_of(scene, turn)
        changed, more = change_metrics(scene, turn, defects, pairs)
        accounted, unaccounted, ledgers = account(scene, turn, pairs)
        unspoken, no_voice = metrics_without_reference(scene, turn)
        octaves, coloured = octave_metrics(pairs, ledgers)
        metrics |= changed | accounted | unspoken | octaves
        defects = [*defects, *more, *no_voice, *coloured]
        defects += besides(unaccounted, defects)
    defects = assign_blame(scene, turn, defects)
    metrics |= latencies(scene, turn) | dead_air_metrics(scene, turn) | transport_metrics(scene, turn)
    words = turn_words(scene, turn)
    sound = turn_sound(scene, turn)
    recognised = understood(sound, words, heard_words)
    metrics |= word_metrics(scene, turn, words, heard_text(scene, recognised), recognised.why_not)
    metrics |= reply_word_metrics(scene, turn, sound, recognised)
    calls = turn_tools(scene, turn, told)
    metrics |= tool_metrics(scene, turn, calls, words.said if words is not None else "", told)
    metrics["way_besides_buffer_ms"] = way_besides_buffer(metrics)
    metrics = inside_reply(scene, turn, metrics) | on_recovery(scene, turn)
    if quality:
        metrics |= quality_metrics(scene, turn)
    metrics = undistorted(scene, turn, metrics) | host_metrics(scene, turn)
    metrics |= claim_metrics(scene, turn, told, metrics.get(KPI[scene.primary]))
    answer = turn.answers.get(scene.primary)
    first = (answer.reply if answer is not None else None) or turn.heard.get(scene.primary)
    return Turn(
        reply_seq=turn.reply_seq,
        utterance=turn.utterance,
        greeting=first is not None and not turn.is_answer and greets(scene, first),
        metrics=dict(sorted(on_the_network(scene, turn, as_declared(scene.capture, metrics)).items())),
        mic_end_sample=round(answer.turn.end) if answer is not None else None,
        onset_sample=first.start if first is not None else None,
        spans=_spans(scene, turn),
        defects=defects,
        waterfall=told_waterfall(scene, turn, told) or turn_waterfall(scene, turn),
        understood=words.understood if words is not None else "",
        said=words.said if words is not None else "",
        heard_as=shown_texts(recognised),
        tools=list(calls),
        spectra=spectra_of(scene, turn),
        ledger=in_record(ledgers),
    )


def _spans(scene: Scene, turn: TurnHeard) -> dict[str, Span]:
    spans = {ring: Span(start=heard.start, end=heard.end) for ring, heard in sorted(turn.heard.items())}
    if turn.announced is not None and turn.announced.pre is not None:
        spans["pre_rtc"] = Span(start=turn.announced.pre.start, end=turn.announced.pre.end)
    if turn.utterance is not None:
        for user, places in scene.places.items():
            place = places[turn.utterance]
            if isinstance(place, Place):
                spans[user] = Span(start=round(place.start), end=round(place.end))
    return spans


def _call_metrics(scene: Scene, turns: list[TurnHeard]) -> dict[str, Metric]:
    metrics: dict[str, Metric] = {}
    truth = scene.capture.truth
    if truth is None:
        metrics["expected_reply_count"] = no_number("count", scene.capture.why_missing(capture.TRUTH))
    else:
        due = sum(utterance.is_turn for utterance in truth.utterances) if scene.expect_reply else 0
        metrics["expected_reply_count"] = number(due, "count")
    heard_count = user_heard_count(scene)
    if heard_count is not None:
        metrics["user_heard_count"] = number(heard_count, "count")
    elif truth is None or truth.utterances:
        missing = next((n for n in ("said", PAIRS[scene.primary]) if n not in scene.rings), capture.TRUTH)
        metrics["user_heard_count"] = no_number("count", scene.capture.why_missing(missing))
    timeline = scene.clocks.of(PAIRS[scene.primary])
    if timeline is not None:
        metrics["capture_lost_samples"] = number(timeline.lost_samples, "samples")
    metrics |= happening_metrics(scene)
    local = scene.clocks.map_of(PAIRS[scene.primary])
    if local is not None:
        reason = steps_in_words(local.steps) if local.steps else ""
        metrics["ear_clock_steps"] = number(len(local.steps), "count", reason=reason)
    return metrics | clock_metrics(scene) | _onset_metrics(scene, turns) | background_metrics(scene)


def _onset_metrics(scene: Scene, turns: list[TurnHeard]) -> dict[str, Metric]:
    names = (
        "reply_count",
        "unanswered_turn_count",
        "agent_onset_count",
        "talk_over_count",
        "unexpected_onset_count",
        "replies_complete_after_final_eot",
    )
    ring, user = scene.primary, PAIRS[scene.primary]
    if ring not in scene.rings:
        return {name: no_number("count", scene.capture.why_missing(ring)) for name in names}
    heard = scene.heard[ring]
    user_turns = scene.turns(user)
    metrics = {
        "reply_count": number(_reply_count(scene, turns), "count"),
        "agent_onset_count": number(len(heard), "count"),
    }
    if scene.capture.truth is None or (scene.capture.truth.utterances and scene.first_speech(user) is None):
        reason = "the user's speech is not found, so what it answers is not known"
        return metrics | {name: no_number("count", reason) for name in names if name not in metrics}
    if scene.announced:
        metrics["unexplained_onset_count"] = number(sum(h.seq is None for h in heard), "count")
    answers = list(scene.answers[ring].values())
    metrics["unanswered_turn_count"] = _unanswered_turns(scene)
    metrics["talk_over_count"] = number(onsets_in_user_turns(answers), "count")
    asked = [h for h in heard if not _may_be_first(scene, h)]
    metrics["unexpected_onset_count"] = number(unexpected_onsets(user_turns, asked, scene.expect_reply), "count")
    metrics["replies_complete_after_final_eot"] = number(_complete_after_final_eot(scene, turns), "count")
    return metrics


def _may_be_first(scene: Scene, heard: HeardReply) -> bool:
    """Whether this is a permitted greeting. An agent that announces its replies greets only where the case requires it."""
    case = scene.capture.case
    asked = case.greeting_rule if case is not None else None
    allowed = asked == "required" or (asked != "none" and not scene.tells)
    return allowed and greets(scene, heard)


def _reply_count(scene: Scene, turns: list[TurnHeard]) -> int:
    """The announced replies; for an agent that announces none, all its speech between two user turns is one reply."""
    heard = scene.heard[scene.primary]
    if scene.announced:
        return sum(h.seq is not None for h in heard)
    return len(heard) if scene.tells else sum(scene.primary in turn.heard for turn in turns)


def _unanswered_turns(scene: Scene) -> Metric:
    """Turns of the user that no reply follows; an interrupted reply counts. Not `expected_reply_count` minus
    `reply_count`: two replies to one turn do not answer another.
    """
    answers = scene.answers[scene.primary]
    unanswered = 0
    for utterance in due_utterances(scene):
        answer = answers.get(utterance)
        if answer is None:
            return no_number("count", f"utterance {utterance} is not found, so whether it was answered is not known")
        replies = [reply for reply in (answer.reply, *answer.after) if reply is not None]
        if scene.announced:  # an agent that announces its replies announced no other sound
            replies = [reply for reply in replies if reply.seq is not None]
        unanswered += not replies
    return number(unanswered, "count")


def _complete_after_final_eot(scene: Scene, turns_heard: list[TurnHeard]) -> int:
    """Replies that began after the user's last turn and were spoken to their end."""
    turns = scene.turns(PAIRS[scene.primary])
    final_end = turns[-1].end if turns else 0.0
    case = scene.capture.case
    announced = {reply.seq: reply for reply in scene.announced}
    complete = 0
    replies = scene.heard[scene.primary]
    if not scene.tells:  # the parts of one reply count once
        replies = [turn.heard[scene.primary] for turn in turns_heard if scene.primary in turn.heard]
    for heard in replies:
        if heard.start < final_end:
            continue
        reply = announced.get(heard.seq) if heard.seq is not None else None
        if reply is not None and reply.cause is not None:
            complete += reply.cause == ReplyCause.COMPLETED
        elif case is None or case.min_reply_ms <= heard.duration_ms <= case.max_reply_ms:
            complete += 1
    return complete


def _alignments(scene: Scene) -> list[Alignment]:
    found: list[Alignment] = []
    truth = scene.capture.truth
    for user in PAIRS.values():
        for index, place in enumerate(scene.places[user] if truth is not None and user in scene.rings else []):
            assert truth is not None
            label = f"utterance {index}"
            if isinstance(place, Place):
                lag_ms = (place.start - truth.utterances[index].start_sample) / SAMPLES_PER_MS
                found.append(_alignment("said", user, lag_ms, place.confidence, label))
            else:
                found.append(_alignment("said", user, None, 0.0, f"{label}: {place.reason}"))
    for ring, replies in scene.heard.items():
        for reply in replies:
            if reply.head_lag is not None and reply.identity is not None:
                lag_ms = reply.head_lag / SAMPLES_PER_MS
                found.append(_alignment("pre_rtc", ring, lag_ms, reply.identity, f"reply {reply.seq}"))
            elif reply.identity is not None:
                label = f"reply {reply.seq}: not aligned"
                found.append(_alignment("pre_rtc", ring, None, reply.identity, label))
    return found


def _alignment(a: str, b: str, lag_ms: float | None, confidence: float, reason: str) -> Alignment:
    lag = None if lag_ms is None else round(lag_ms, 3)
    return Alignment(a=a, b=b, lag_ms=lag, confidence=round(float(confidence), 4), reason=reason)
