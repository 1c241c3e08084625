"""The greeting, as metrics of the call: whether the agent spoke first, when, in which words, and whether its head was heard.

`greeting_ms` runs from the user's joining (manifest, host's clock) to the greeting's first word at the user's own listener.
Its head is held against pre_rtc.wav as any reply's is; without one, what the second listener heard can show that the ear
missed something, and never that it missed nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.listen.metrics.accounts import between_listeners
from harness.listen.metrics.changes import EDGE_MS
from harness.listen.metrics.edges import lost_edges_ms
from harness.listen.metrics.latency import AHEAD_MS, NOT_INSTRUMENTED, ONSET_ERROR_MS
from harness.listen.metrics.words import NOT_PUBLISHED, phrases_missing, turn_starts_ms, turn_words
from harness.listen.place.bed import onset_error_ms
from harness.listen.place.onset import HOP_MS
from harness.listen.place.replies import HeardReply
from harness.listen.place.scene import PAIRS, Scene
from harness.listen.place.turns import TurnHeard, greets, heard_since_ms
from harness.listen.read.records import no_number, number
from harness.listen.words.turns import words_by_turn
from harness.model import capture
from harness.model.measurement import Metric, Turn
from harness.model.transcript import words_of

NO_GREETING = "no greeting was heard before the user's first word"
NOT_WHOLE = "whether its first word is whole cannot be told"


@dataclass(frozen=True)
class Greeting:
    """The first sound of the agent's ahead of the user's first word, with its record."""

    turn: TurnHeard
    heard: HeardReply
    record: Turn


def greeting_metrics(scene: Scene, turns: Sequence[TurnHeard], records: Sequence[Turn]) -> dict[str, Metric]:
    """`records`: of the turns, in their order. Only `greeting_count` where nobody greeted, and the case asks for nothing."""
    greeting = _greeting(scene, turns, records)
    if greeting is None:
        noted = _noted(scene)
        return {"greeting_count": noted or number(0, "count", reason=NO_GREETING)} | _without(scene)
    said = _said(scene, greeting.turn)
    after = _after_joining(scene, greeting.heard)
    silent_ms = None if after.value is None else _silent_ms(scene, after.value)
    metrics = {
        "greeting_count": number(1, "count", reason=_in_words(greeting.heard, after, silent_ms, said)),
        "greeting_ms": after,
        "greeting_head_lost_ms": _begun_without_the_user(_head_lost(scene, greeting), after),
    }
    return metrics | _first_sound(scene, greeting.heard, after) | _phrases(scene, said)


def _greeting(scene: Scene, turns: Sequence[TurnHeard], records: Sequence[Turn]) -> Greeting | None:
    found = [
        Greeting(turn, heard, record)
        for turn, record in zip(turns, records, strict=True)
        if not turn.is_answer and (heard := turn.heard.get(scene.primary)) is not None and greets(scene, heard)
    ]
    return min(found, key=lambda greeting: greeting.heard.start, default=None)


def _noted(scene: Scene) -> Metric | None:
    """Where nobody spoke to the agent, what the live half took for a greeting counts, though the ears have other sounds."""
    greeted = next((h for h in scene.capture.manifest.happenings if h.kind == "greeting"), None)
    if greeted is None or scene.first_speech(PAIRS[scene.primary]) is not None:
        return None
    return number(1, "count", reason=greeted.detail)


def _without(scene: Scene) -> dict[str, Metric]:
    case = scene.capture.case
    if case is None or case.expected_greeting is None:
        return {}
    names = {"greeting_ms": "ms", "greeting_head_lost_ms": "ms", "greeting_phrases_missing_count": "count"}
    return {name: no_number(unit, NO_GREETING) for name, unit in names.items()}


def _in_words(heard: HeardReply, after: Metric, silent_ms: float | None, said: str) -> str:
    words = f"the agent spoke first, for {heard.duration_ms / 1e3:.1f} s"
    if after.value is not None:
        when = (
            f"{after.value / 1e3:.2f} s after the user had joined" if after.value >= 0 else "before the user had joined"
        )
        words += f", {when}"
    if silent_ms is not None:
        words += f" ({silent_ms / 1e3:.2f} s after its audio had come)"
    return words + (f"; its words, as it published them: {said!r}" if said else "")


def _first_word(heard: HeardReply) -> int:
    """A chime or a breath ahead of it is none, where the greeting has a voice."""
    parts = heard.parts or (heard,)
    return next((part for part in parts if part.speaks), parts[0]).first_word


def _after_joining(scene: Scene, heard: HeardReply) -> Metric:
    joined_ms, at_ms = scene.capture.manifest.joined_mono_ms, scene.clocks.mono_ms(scene.primary, _first_word(heard))
    timeline = scene.clocks.of(scene.primary)
    if joined_ms is None:
        alone = scene.capture.manifest.source == "recordings"
        why = "recordings alone do not say it" if alone else f"{capture.MANIFEST} has no joined_mono_ms"
        return no_number("ms", f"when the user joined is not known: {why}")
    if at_ms is None or timeline is None:
        return no_number("ms", f"{capture.MANIFEST} has no timeline for {scene.primary}.wav")
    onset_ms = ONSET_ERROR_MS + HOP_MS + onset_error_ms((scene.voice or scene.rings[scene.primary]).bed)
    uncertainty = round(timeline.error_ms + onset_ms, 2)
    return number(at_ms - joined_ms, "ms", uncertainty=uncertainty, reason=_track_came(scene, joined_ms))


def _silent_ms(scene: Scene, after_ms: float) -> float | None:
    """For how long the agent's audio had come before it greeted; None where it came ahead of the user, or is not known."""
    since_ms, joined_ms = heard_since_ms(scene, "post_rtc"), scene.capture.manifest.joined_mono_ms
    if since_ms is None or joined_ms is None or since_ms <= joined_ms:
        return None
    return max(0.0, joined_ms + after_ms - since_ms)


def _track_came(scene: Scene, joined_ms: float) -> str:
    """How much of it the agent took to come: an agent that is started for the call takes its time."""
    since_ms = heard_since_ms(scene, "post_rtc")
    if since_ms is None:
        return ""
    if since_ms <= joined_ms:
        return "the agent's audio was there when the user joined"
    return f"the agent's audio was there {since_ms - joined_ms:.0f} ms after the user had joined"


def _first_sound(scene: Scene, heard: HeardReply, after: Metric) -> dict[str, Metric]:
    """Only where another sound comes ahead of the first word."""
    ahead_ms = (_first_word(heard) - heard.start) / 48
    if after.value is None or ahead_ms < AHEAD_MS:
        return {}
    reason = "to the first sound, which is no word"
    return {"greeting_first_sound_ms": number(after.value - ahead_ms, "ms", reason=reason)}


def _head_lost(scene: Scene, greeting: Greeting) -> Metric:
    if "pre_rtc" in scene.rings:
        name = "head_loss_ear_ms" if scene.primary == "ear" else "head_loss_ms"
        found = greeting.record.metrics.get(name)
        return found or no_number("ms", f"{NOT_WHOLE}: the greeting is not found in {capture.PRE_RTC}")
    instrumented = scene.capture.manifest.agent.instrumented
    why = scene.capture.why_missing("pre_rtc") if instrumented else NOT_INSTRUMENTED
    lost_ms = _lost_between(scene, greeting.turn)
    if lost_ms is None:
        return no_number("ms", f"{NOT_WHOLE}: {why}")
    if lost_ms < EDGE_MS:
        return no_number("ms", f"{NOT_WHOLE}, though the ear has all that the second listener heard: {why}")
    return number(lost_ms, "ms", uncertainty=5.0, reason="held against what the second listener heard of it")


def _begun_without_the_user(lost: Metric, after: Metric) -> Metric:
    """Of a greeting that began before the user had joined, all until then is lost, whoever else heard it."""
    if after.value is None or after.value >= 0 or (lost.value or 0.0) >= -after.value:
        return lost
    return number(-after.value, "ms", reason="the agent began to speak before the user had joined")


def _lost_between(scene: Scene, turn: TurnHeard) -> float | None:
    """What the ear lacks of the head that the second listener heard; None where the two cannot be compared."""
    if scene.primary != "ear":
        return None
    first = {ring: heard.parts[0] if heard.parts else heard for ring, heard in turn.heard.items()}
    pair = between_listeners(scene, replace(turn, heard=first))
    lost = lost_edges_ms(pair) if pair is not None else None
    return None if lost is None else lost[0]


def _said(scene: Scene, turn: TurnHeard) -> str:
    """What the agent published of its speech ahead of the user's first turn; "" for nothing."""
    words = turn_words(scene, turn)
    if words is None and turn_starts_ms(scene) == []:  # nobody speaks to it in this case
        words = words_by_turn(words_of(scene.capture.transcript), [])[0]
    return "" if words is None else words.said


def _phrases(scene: Scene, said: str) -> dict[str, Metric]:
    wanted = scene.capture.case.expected_greeting if scene.capture.case is not None else None
    if wanted is None or not wanted.says:
        return {}
    missing = phrases_missing(wanted.says, said) if said else no_number("count", NOT_PUBLISHED.format("its greeting"))
    return {"greeting_phrases_missing_count": missing}
