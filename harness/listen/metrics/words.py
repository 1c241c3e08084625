"""The words of a turn: how much of the user's the agent understood, and whether its own are those that the case expects.

The user's words are the case's text; the agent's are what it published of them, and of its own speech (transcript.jsonl). An
agent that publishes nothing of its speech is held to what a recogniser understood of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, takewhile

from harness.listen.place.scene import PAIRS, Scene
from harness.listen.place.spoken import Place
from harness.listen.place.turns import TurnHeard
from harness.listen.read.records import no_number, number
from harness.listen.words.compare import word_errors
from harness.listen.words.turns import TurnWords, words_by_turn
from harness.model.expect import Expectation
from harness.model.measurement import Metric
from harness.model.pattern import PatternTooSlowError
from harness.model.phrases import is_said
from harness.model.transcript import words_of

OWN_TEXT = "the agent's own text"
NOT_PUBLISHED = "the agent published no words of {} (LiveKit's text streams, topic lk.transcription)"
WRONG_SHOWN = 6
MOST_BEHIND = 6  # backchannels of a turn


def turn_words(scene: Scene, turn: TurnHeard) -> TurnWords | None:
    """None where no words were published, or where nothing says to which turn they belong."""
    starts = turn_starts_ms(scene)
    if not scene.capture.transcript or starts is None:
        return None
    parts = words_by_turn(words_of(scene.capture.transcript), [start for _, start in starts])
    if turn.utterance is None:
        return parts[0] if is_first_sound(scene, turn, starts) else None
    return next((part for (index, _), part in zip(starts, parts[1:], strict=True) if index == turn.utterance), None)


def word_metrics(
    scene: Scene, turn: TurnHeard, words: TurnWords | None, heard: str | None, why_not_heard: str
) -> dict[str, Metric]:
    """`words`: the turn's; `heard`: what a recogniser understood where the user hears it, or None and `why_not_heard`.

    Empty where nothing was published and the case asks for nothing.
    """
    expected = expected_of_turn(scene, turn)
    if turn.utterance is None or (expected is None and words is None):
        return {}
    found = {"user_wer": _user_wer(scene, turn, words)}
    if expected is not None and expected.asks_for_phrases:
        found |= _phrases(expected, words, heard, f"{scene.primary}.wav", why_not_heard)
    return found


def _user_wer(scene: Scene, turn: TurnHeard, words: TurnWords | None) -> Metric:
    wordings = _wordings(scene, turn)
    if not wordings:
        return no_number("ratio", "the case does not say in words what its user says (text:)")
    if words is None or not words.understood:
        return no_number("ratio", NOT_PUBLISHED.format("what it understood"))
    known = [word_errors(wording, words.understood) for wording in wordings]
    errors = min(filter(None, known), key=lambda found: found.rate, default=None)
    if errors is None:
        return no_number("ratio", f"nothing in {wordings[0]!r} counts as a word")
    shown = "; ".join(errors.wrong[:WRONG_SHOWN])
    interim = "" if words.understood_final else " (it published no final wording)"
    return number(errors.rate, "ratio", reason=f"{words.understood!r}{interim}{': ' if shown else ''}{shown}")


def _wordings(scene: Scene, turn: TurnHeard) -> list[str]:
    """What the user says, with and without what is no turn and follows it: an agent may publish an "okay", or not."""
    truth = scene.capture.truth
    if truth is None or turn.utterance is None or not truth.utterances[turn.utterance].text:
        return []
    said, *following = truth.utterances[turn.utterance :]
    behind = takewhile(lambda utterance: not utterance.is_turn, following)
    texts = [utterance.text for utterance in behind if utterance.text][:MOST_BEHIND]
    picked = (some for n in range(len(texts) + 1) for some in combinations(texts, n))
    return [" ".join([said.text, *some]) for some in picked]


def _phrases(
    expected: Expectation, words: TurnWords | None, heard: str | None, where: str, why_not_heard: str
) -> dict[str, Metric]:
    """Looked for in the agent's own text; without one, in what a recogniser understood in the recording `where`."""
    own = words.said if words is not None else ""
    if not own and heard is None:
        reason = f"{NOT_PUBLISHED.format('its own speech')}; {why_not_heard}"
        return {name: no_number("count", reason) for name in ("phrases_missing_count", "phrases_forbidden_count")}
    text = own or heard or ""
    looked = OWN_TEXT if own else f"what a recogniser understood in {where}"
    return {
        "phrases_missing_count": phrases_missing(expected.says, text, looked),
        "phrases_forbidden_count": _broken(expected.never_says, True, text, looked),
    }


def phrases_missing(phrases: Sequence[str], text: str, looked: str = OWN_TEXT) -> Metric:
    """How many of `phrases` the text lacks, and which; `looked` says in words where the text is from."""
    return _broken(phrases, False, text, looked)


def _broken(phrases: Sequence[str], said: bool, text: str, looked: str) -> Metric:
    """How many of `phrases` are `said`, or are not. A pattern that cannot be decided hides no other phrase."""
    broken: list[str] = []
    undecided = ""
    for phrase in phrases:
        try:
            if is_said(phrase, text) is said:
                broken.append(phrase)
        except PatternTooSlowError as error:
            undecided = undecided or str(error)
    if undecided and not broken:
        return no_number("count", undecided)
    reason = _in_words(broken, "is" if said else "is not", looked, text)
    return number(len(broken), "count", reason=f"{reason}; {undecided}" if undecided else reason)


def _in_words(phrases: list[str], verb: str, looked: str, text: str) -> str:
    if not phrases:
        return f"looked for in {looked}"
    quoted = ", ".join(repr(phrase) for phrase in phrases)
    return f"{quoted} {verb} in {looked}: {text!r}"


def expected_of_turn(scene: Scene, turn: TurnHeard) -> Expectation | None:
    case, truth = scene.capture.case, scene.capture.truth
    if case is None or truth is None or turn.utterance is None:
        return None
    return case.expected_of(sum(utterance.is_turn for utterance in truth.utterances[: turn.utterance]))


def turn_starts_ms(scene: Scene) -> list[tuple[int, float]] | None:
    """(utterance, when it began on the host's clock) of each turn of the user."""
    truth, user = scene.capture.truth, PAIRS[scene.primary]
    if truth is None:
        return None
    found = []
    for index, (utterance, place) in enumerate(zip(truth.utterances, scene.places[user], strict=True)):
        if not utterance.is_turn:
            continue
        start = scene.clocks.mono_ms(user, place.start) if isinstance(place, Place) else None
        if start is None:
            return None
        found.append((index, start))
    return found


def is_first_sound(scene: Scene, turn: TurnHeard, starts: list[tuple[int, float]]) -> bool:
    heard = turn.heard.get(scene.primary)
    began = scene.clocks.mono_ms(scene.primary, heard.start) if heard is not None else None
    return began is not None and bool(starts) and began < starts[0][1]
