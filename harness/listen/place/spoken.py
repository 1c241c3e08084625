"""Map the case's truth onto a recording of the user: where each utterance's first and last voiced samples are heard.

Each utterance is found on its own (later ones start on events) by correlation of its piece of said.wav. Its own head and
tail refine start and end, because echo cancelling and jitter buffers shift sound within it. An utterance stretched too
much to be found as a whole is followed piece by piece, and so is one whose lag moved on the way: where a jitter buffer
skipped, the one best place is right for the longer part only. How often an utterance is heard is counted: more than once
is a loop, unless the order of the case explains it (a word said twice). A recording of hours is searched for half a minute
of the case at a time, each within minutes. Positions are samples at 48 kHz, fractional.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.listen.place.align import WAVEFORM_CONFIDENCE, Match, find_all, find_best, find_by_level
from harness.listen.place.delay import STEP_MS
from harness.listen.place.ring import BAND_RATE_HZ, DECIMATION, BandArray
from harness.listen.place.stretched import Stretched, find_stretched, follow
from harness.model.case import SpokenUtterance, Truth

EDGE_PIECE_MS = 300.0  # head and tail that are aligned on their own
EDGE_SEARCH_MS = 100.0
END_PIECE_MS = 500.0
STRETCHED_MS = 250.0  # a starved jitter buffer may shift the end of an utterance so far against its beginning
END_CONFIDENCE = 0.6
EDGE_GAIN = 0.03  # a shifted edge must correlate better by this much, else a voice's period could pull it away
HINT_TOLERANCE_MS = 300.0
ORDER_TOLERANCE_MS = 300.0  # of a pause between two utterances: a jitter buffer moves what follows by less
WHOLE_MS = 180_000.0  # a recording up to this length is searched as a whole
GROUP_MS = 30_000.0  # in a longer one, so much of the case is looked for together
AHEAD_MS = (60_000.0, 240_000.0)  # the search reaches so far after the case's place; further if nothing is found
AS_GOOD = 0.9  # of the best match: an earlier place this good is taken first (the same words may come twice)


@dataclass(frozen=True)
class Place:
    """Where an utterance is heard; [start, end) in samples at 48 kHz. `heard` counts how often it is."""

    start: float
    end: float
    confidence: float
    error_ms: float
    heard: int


@dataclass(frozen=True)
class NotFound:
    """No place for an utterance, and why."""

    reason: str
    heard: int = 0


def place_utterances(
    said: BandArray, truth: Truth, recording: BandArray, name: str, hints: dict[int, float]
) -> list[Place | NotFound]:
    """One entry an utterance. `hints`: utterance → sample at 48 kHz where its first voiced sample was scheduled."""
    if len(recording) <= WHOLE_MS * BAND_RATE_HZ / 1e3:
        return _place_all(said, truth.utterances, recording, name, hints)
    places: list[Place | NotFound] = []
    heard_until = said_until = 0.0  # the end of the last utterance that was found, heard and as the case has it
    for group in _groups(truth.utterances):
        first = len(places)
        near = {n: hints[first + n] for n in range(len(group)) if first + n in hints}
        due = max([heard_until + group[-1].end_sample - said_until, *near.values()])
        for ahead_ms in AHEAD_MS:
            begin = int(heard_until) // DECIMATION
            end = round((due + ahead_ms * 48) / DECIMATION)
            shift = begin * DECIMATION
            hinted = {n: at - shift for n, at in near.items()}
            found = _place_all(said, group, recording[begin:end], name, hinted)
            if all(isinstance(place, Place) for place in found):
                break
        for utterance, place in zip(group, found, strict=True):
            if isinstance(place, Place):
                place = replace(place, start=place.start + shift, end=place.end + shift)
                heard_until, said_until = place.end, float(utterance.end_sample)
            places.append(place)
    return places


def _groups(utterances: Sequence[SpokenUtterance]) -> list[list[SpokenUtterance]]:
    groups: list[list[SpokenUtterance]] = []
    for utterance in utterances:
        if groups and utterance.end_sample - groups[-1][0].start_sample <= GROUP_MS * 48:
            groups[-1].append(utterance)
        else:
            groups.append([utterance])
    return groups


def _place_all(
    said: BandArray, utterances: Sequence[SpokenUtterance], recording: BandArray, name: str, hints: dict[int, float]
) -> list[Place | NotFound]:
    """All of `utterances` in the whole of `recording`."""
    found: list[list[Match]] = []
    pieces: list[BandArray] = []
    for utterance in utterances:
        piece = said[utterance.start_sample // DECIMATION : utterance.end_sample // DECIMATION]
        pieces.append(piece)
        found.append(find_all(piece, recording))
    chosen = _choose(found, pieces, hints)
    if any(_count(index, found, chosen, pieces) > 1 for index in range(len(found))):
        chosen = _by_order(utterances, found, pieces) or chosen
    places: list[Place | NotFound] = []
    for index, (utterance, piece) in enumerate(zip(utterances, pieces, strict=True)):
        match = chosen[index]
        heard = _count(index, found, chosen, pieces)
        reach_ms = EDGE_SEARCH_MS
        if match is None:
            match, reach_ms = _by_its_ends(piece, recording), STRETCHED_MS
            if match is None and (stretched := find_stretched(piece, recording)) is not None:
                places.append(_by_its_course(utterance, stretched, 1))
                continue
            match = match or find_by_level(piece, recording)
            heard = 1 if match is not None else 0
        if match is None:
            places.append(NotFound(_why(utterance, piece, recording, name)))
            continue
        places.append(_place(utterance, piece, recording, match, heard, reach_ms))
    return places


def _choose(found: list[list[Match]], pieces: list[BandArray], hints: dict[int, float]) -> list[Match | None]:
    """One match an utterance, in the order of the case; a hint decides where it agrees with a match."""
    chosen: list[Match | None] = []
    free_from = 0.0
    for index, matches in enumerate(found):
        later = [m for m in matches if m.at >= free_from]
        hint = hints.get(index)
        near = [
            m
            for m in later
            if hint is not None and abs(m.at - hint / DECIMATION) < HINT_TOLERANCE_MS * BAND_RATE_HZ / 1e3
        ]
        pool = near or later
        best = max((m.confidence for m in pool), default=0.0)
        match = next((m for m in pool if m.confidence >= AS_GOOD * best), None)
        chosen.append(match)
        if match is not None:
            free_from = match.at + len(pieces[index]) / 2
    return chosen


def _by_order(
    utterances: Sequence[SpokenUtterance], found: list[list[Match]], pieces: list[BandArray]
) -> list[Match | None] | None:
    """One place an utterance, by the order and the pauses of the case alone, if these explain every place where one is heard.

    A word that is said again, or begins a later utterance, may be likest to itself there. None where places are left over:
    then something was heard twice.
    """
    if any(utterance.after is not None for utterance in utterances):
        return None
    for first in found[0]:
        lag, chosen = first.at - utterances[0].start_sample / DECIMATION, list[Match | None]()
        for utterance, matches in zip(utterances, found, strict=True):
            due = utterance.start_sample / DECIMATION + lag
            near = min(matches, key=lambda match: abs(match.at - due), default=None)
            if near is None or abs(near.at - due) > ORDER_TOLERANCE_MS * BAND_RATE_HZ / 1e3:
                break
            chosen.append(near)
            lag = near.at - utterance.start_sample / DECIMATION
        else:
            if all(_count(index, found, chosen, pieces) == 1 for index in range(len(found))):
                return chosen
    return None


def _count(index: int, found: list[list[Match]], chosen: list[Match | None], pieces: list[BandArray]) -> int:
    """Places where utterance `index` is heard, without those that another utterance of the case explains."""

    def explained(match: Match) -> bool:
        return any(
            other is not None and n != index and other.at - len(pieces[index]) < match.at < other.at + len(pieces[n])
            for n, other in enumerate(chosen)
        )

    return sum(match is chosen[index] or not explained(match) for match in found[index])


def _by_its_ends(piece: BandArray, recording: BandArray) -> Match | None:
    """Find beginning and end apart, where the middle was stretched too much; both must be there."""
    size = min(len(piece) // 2, round(END_PIECE_MS * BAND_RATE_HZ / 1e3))
    tail = find_best(piece[-size:], recording) if size else None
    if tail is None or tail.confidence < END_CONFIDENCE:
        return None
    reach = STRETCHED_MS * BAND_RATE_HZ / 1e3
    expected = tail.at - (len(piece) - size)
    head = find_best(piece[:size], recording, (expected - reach, expected + reach))
    if head is None or head.confidence < END_CONFIDENCE:
        return None
    return Match(head.at, min(head.confidence, tail.confidence))


def _place(
    utterance: SpokenUtterance, piece: BandArray, recording: BandArray, match: Match, heard: int, reach_ms: float
) -> Place:
    # the piece begins on the decimated grid, up to 5 samples ahead of the utterance
    offset = utterance.start_sample % DECIMATION
    length = utterance.end_sample - utterance.start_sample
    edge = min(len(piece), round(EDGE_PIECE_MS * BAND_RATE_HZ / 1e3))
    head = _edge_shift(piece[:edge], recording, match.at, reach_ms) if match.error_ms < 1 else 0.0
    tail = _edge_shift(piece[-edge:], recording, match.at + len(piece) - edge, reach_ms) if match.error_ms < 1 else 0.0
    start = match.at * DECIMATION + offset
    place = Place(
        start=start + head * DECIMATION,
        end=start + length + tail * DECIMATION,
        confidence=match.confidence,
        error_ms=match.error_ms,
        heard=heard,
    )
    if match.error_ms >= 1:  # found by its level: there is no waveform to follow
        return place
    followed = follow(piece, recording, match.at)
    return place if followed is None else _surer(place, _by_its_course(utterance, followed, heard))


def _by_its_course(utterance: SpokenUtterance, found: Stretched, heard: int) -> Place:
    shift = utterance.start_sample % DECIMATION  # the piece begins on the decimated grid
    return Place(found.start * DECIMATION + shift, found.end * DECIMATION, found.confidence, found.error_ms, heard)


def _surer(whole: Place, followed: Place) -> Place:
    """`followed` where it fits better and has an end more than a step away from that of `whole`."""
    moved_ms = max(abs(followed.start - whole.start), abs(followed.end - whole.end)) / 48
    return followed if moved_ms > STEP_MS and followed.confidence > whole.confidence else whole


def _edge_shift(piece: BandArray, recording: BandArray, expected: float, reach_ms: float) -> float:
    """How far from `expected` (8 kHz samples) this edge is really heard."""
    reach = reach_ms * BAND_RATE_HZ / 1e3
    best = find_best(piece, recording, (expected - reach, expected + reach))
    at_place = find_best(piece, recording, (expected - 1, expected + 1))
    if best is None or best.confidence < WAVEFORM_CONFIDENCE:
        return 0.0
    if at_place is not None and best.confidence < at_place.confidence + EDGE_GAIN:
        best = at_place
    return best.at - expected if abs(best.at - expected) >= 0.5 else 0.0


def _why(utterance: SpokenUtterance, piece: BandArray, recording: BandArray, name: str) -> str:
    if not recording.any():
        return f"{name} is silent from beginning to end"
    best = find_best(piece, recording)
    confidence = 0.0 if best is None else best.confidence
    words = f" {utterance.text[:30]!r}" if utterance.text else ""
    return f"the user's words{words} are not found in {name} (best correlation {confidence:.2f})"
