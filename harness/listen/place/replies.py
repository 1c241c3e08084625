"""Which sounds of a recording are which reply of the agent.

Replies that the agent announced (trace, pre_rtc.wav, reply events) are found in the recording by alignment, each on its own:
pre_rtc's timeline is only nominal between replies. Sounds in a reply's place belong to it, pauses included; sounds that
no reply explains are grouped by their pauses and stay marked as unexplained. Positions are samples at 48 kHz.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.listen.place.align import WAVEFORM_CONFIDENCE, Match, find_all, find_best
from harness.listen.place.any_rate import SLOWEST as FARTHEST
from harness.listen.place.any_rate import find_at_rate
from harness.listen.place.course import MIN_SPAN_MS, Course, find_course, follow_course_closely, lag_slope
from harness.listen.place.delay import WINDOW, DelayTrack, track_delay
from harness.listen.place.onset import Sound, find_sounds
from harness.listen.place.ring import BAND_RATE_HZ, DECIMATION, Ring
from harness.listen.read.clocks import Clocks
from harness.listen.read.reading import Capture
from harness.model.events import AgentTurnTrace, EventType, ReplyCause

SAMPLES_PER_MS = 48
PAUSE_MS = 300.0  # sounds closer than this are one
REPLY_PAUSE_MS = 1_000.0  # sounds closer than this are one reply, unless the user ended a turn since it began
BREATH_MS = 600.0  # between two sentences; an answer that comes so soon after another one is rare
UNHEEDED_MS = 1_000.0  # after the end of the interrupting turn: a slow agent has fallen silent by then
PIECES_MS = (800.0, 400.0, 180.0)  # pieces that find a reply; the last for one that was cut at its beginning
ALTERED_IDENTITY = 0.93  # an Opus call keeps 0.95 and more: below it another speed is looked for
ALTERED_GAIN = 0.02
NEAR_SPEEDS = (0.995, 1.005)
OWN_IDENTITY = 0.6  # below it a lag that was found means nothing
NEAR_RATE = 1.095  # within it the grid of ratios is fine
RATE_STEP = 0.08  # a speed so far off is a sample rate taken for another
SLOWEST = 3.1
SURE = 0.8  # a head that correlates so well need not be compared with other pieces of the reply
BEFORE_PUBLISH_MS = 100.0  # clock error
AFTER_PUBLISH_MS = 3_000.0  # a publisher's queue and a jitter buffer are far below this
AFTER_END_MS = 1_000.0
# five minutes after the reply before it: how far a reply is looked for that is not found by its time, or has none; one of a
# word has its time, or is like a vowel of some other
ANYWHERE = 300 * BAND_RATE_HZ
HEAD_MS = 60.0
HEAD_SEARCH_MS = 15.0  # one step of a jitter buffer
HEAD_CONFIDENCE = 0.8
HEAD_GAIN = 0.05  # a shift must fit this much better than none
FIRST_MS = (
    -10.0,
    20.0,
)  # the first packet, which may be heard before a gap in the first word, and the quiet ahead of it
FIRST_SEARCH_MS = 25.0  # a packet is 20 ms
FIRST_CONFIDENCE, FIRST_GAIN = 0.9, 0.15
PIECE_HOP = 160  # 20 ms
MARGIN_MS = 80.0
AS_GOOD = 0.9  # of the best match: an earlier place this good is taken first


@dataclass(frozen=True)
class AnnouncedReply:
    """A reply as the agent announced it. `pre`: its first to last audible sample in pre_rtc.wav."""

    seq: int
    trace: AgentTurnTrace | None
    cause: ReplyCause | None
    pre_start: int | None  # its first published sample
    pre: Sound | None
    started_ms: float | None  # host clock
    ended_ms: float | None


@dataclass(frozen=True, eq=False)
class HeardReply:
    """A reply as a recording has it. `identity`: correlation with pre_rtc (None without pre); `track`: lag to it.

    For an agent that announces no replies, `twin` is the same reply at the user's own listener, and `parts` are the
    sounds of one answer that paused (for a tool), or of one greeting.
    """

    seq: int | None  # None: no reply of the agent explains this sound
    start: int
    end: int
    track: DelayTrack | None = None
    identity: float | None = None
    head_lag: float | None = None  # of the first audible samples: position here minus position in pre_rtc
    course: Course | None = None  # how it was found where its waveform is not pre's: another speed, or pitch
    twin: HeardReply | None = None
    parts: tuple[HeardReply, ...] = ()
    speech_start: int | None = None  # its first word, where another sound comes ahead of it (place/first_speech.py)
    speaks: bool = True  # False: a sound without a voice, beside replies that have one

    @property
    def first_word(self) -> int:
        return self.start if self.speech_start is None else self.speech_start

    @property
    def other_rate(self) -> float | None:
        """How many times as long as published it is heard, where that is another sample rate or tempo; else None."""
        return None if self.course is None or abs(self.course.ratio - 1) <= RATE_STEP else self.course.ratio

    @property
    def aligned(self) -> bool:
        return self.track is not None

    @property
    def duration_ms(self) -> float:
        """How long the agent speaks in it: without the pauses between its parts."""
        if self.parts:
            return sum(part.duration_ms for part in self.parts)
        return (self.end - self.start) / SAMPLES_PER_MS


def announced_replies(capture: Capture, pre: Ring | None, clocks: Clocks) -> list[AnnouncedReply]:
    """Replies in order of `reply_seq`, from the trace; without one, from the reply events, or from pre_rtc.wav alone."""
    traced = {trace.reply_seq: trace for trace in capture.traces if trace.reply_seq is not None}
    if traced:
        return [_from_trace(traced[seq], pre, clocks) for seq in sorted(traced)]
    events = _from_events(capture)
    spans = group_by_pause(pre.sounds, []) if pre is not None else []
    if events and len(spans) != len(events):  # nothing says which span is whose
        return events
    if events:
        return [
            AnnouncedReply(e.seq, None, e.cause, s.start, s, e.started_ms, e.ended_ms)
            for e, s in zip(events, spans, strict=True)
        ]
    return [AnnouncedReply(seq, None, None, span.start, span, None, None) for seq, span in enumerate(spans)]


def _from_trace(trace: AgentTurnTrace, pre: Ring | None, clocks: Clocks) -> AnnouncedReply:
    assert trace.reply_seq is not None
    shared = any(clocks.shared_with(recording, trace) for recording in ("ear", "post_rtc"))
    sound: Sound | None = None
    start = trace.pre_start_sample
    if pre is not None and start is not None and trace.pre_end_sample is not None:
        part = pre.audio.slice_ms(start / SAMPLES_PER_MS, trace.pre_end_sample / SAMPLES_PER_MS)
        sounds = find_sounds(part, pre.floor_dbfs) if len(part) else []
        sound = Sound(start + sounds[0].start, start + sounds[-1].end) if sounds else None
    return AnnouncedReply(
        seq=trace.reply_seq,
        trace=trace,
        cause=trace.cause,
        pre_start=start,
        pre=sound,
        started_ms=trace.t.first_publish if shared else None,
        ended_ms=trace.t.reply_end if shared else None,
    )


def _from_events(capture: Capture) -> list[AnnouncedReply]:
    starts: dict[int, float | None] = {}
    ends: dict[int, tuple[float | None, ReplyCause | None]] = {}
    for seen in capture.events:
        event = seen.event
        if event.reply_seq is None or event.trace_id != capture.manifest.trace_id:
            continue
        if event.type == EventType.REPLY_START:
            starts.setdefault(event.reply_seq, seen.t_arrival_mono_ms)
        elif event.type == EventType.REPLY_END:
            cause = next((c for c in ReplyCause if c.value == event.data.get("cause")), None)
            ends.setdefault(event.reply_seq, (seen.t_arrival_mono_ms, cause))
    return [
        AnnouncedReply(
            seq, None, ends.get(seq, (None, None))[1], None, None, starts[seq], ends.get(seq, (None, None))[0]
        )
        for seq in sorted(starts)
    ]


def group_by_pause(sounds: Sequence[Sound], user_ends: Sequence[float], unheeded_ms: float = math.inf) -> list[Sound]:
    """Sounds → replies. A pause below a second is within a reply, unless the user ended a turn since it began.

    `unheeded_ms`: speech that still goes on so long after that end ignores it, and goes on after a pause as well.
    """
    groups: list[Sound] = []
    for sound in sounds:
        if groups:
            last = groups[-1]
            pause_ms = (sound.start - last.end) / SAMPLES_PER_MS
            ends = [end for end in user_ends if last.start < end <= sound.start]
            goes_on = any(last.end - end >= unheeded_ms * SAMPLES_PER_MS for end in ends)
            longest_ms = REPLY_PAUSE_MS if not ends else BREATH_MS if goes_on else PAUSE_MS
            if pause_ms < longest_ms:
                groups[-1] = Sound(last.start, max(last.end, sound.end))
                continue
        groups.append(sound)
    return groups


@dataclass(frozen=True, eq=False)
class _Claim:
    """The part of a recording where a reply must be: by alignment, or by its times."""

    announced: AnnouncedReply
    start: float
    end: float
    track: DelayTrack | None
    identity: float | None
    head_lag: float | None = None
    course: Course | None = None

    @property
    def aligned(self) -> bool:
        return self.track is not None or self.course is not None


def hear_replies(
    announced: Sequence[AnnouncedReply], pre: Ring | None, ring: Ring, clocks: Clocks, user_ends: Sequence[float]
) -> list[HeardReply]:
    """Every reply and loose sound of the agent in `ring`, by time."""
    claims: list[_Claim] = []
    unplaced: list[tuple[AnnouncedReply, float | None]] = []
    for reply in announced:
        claim, identity = _align_reply(reply, pre, ring, clocks, claims[-1] if claims else None)
        claim = claim or _claim_by_time(reply, ring, clocks, identity)
        if claim is None:
            unplaced.append((reply, identity))
        else:
            claims.append(claim)
    claims = _in_order(claims, pre, ring, clocks)
    claims = _without_overlap(sorted(claims, key=lambda c: c.start))
    owned, loose = _share_out(ring.sounds, claims)
    heard = [
        HeardReply(c.announced.seq, s[0].start, s[-1].end, c.track, c.identity, c.head_lag, c.course)
        for c, s in zip(claims, owned, strict=True)
        if s
    ]
    groups = group_by_pause(loose, user_ends) if announced else group_by_pause(loose, user_ends, UNHEEDED_MS)
    for group, (reply, identity) in zip(groups, unplaced, strict=False):  # in order: nothing better is known
        heard.append(HeardReply(reply.seq, group.start, group.end, None, identity))
    heard += [HeardReply(None, group.start, group.end) for group in groups[len(unplaced) :]]
    return _joined(sorted(heard, key=lambda h: h.start))


def _in_order(claims: list[_Claim], pre: Ring | None, ring: Ring, clocks: Clocks) -> list[_Claim]:
    """Replies are heard in the order published: one found at the next reply, or behind it, is looked for ahead of it.

    A short reply whose first words a jitter buffer has torn may be more like some vowel of the next; a reply of the same
    words as the next is as like it as it is like itself.
    """
    apart = MARGIN_MS * SAMPLES_PER_MS
    ordered: list[_Claim] = []
    for index in reversed(range(len(claims))):
        claim = claims[index]
        if ordered and claim.aligned and ordered[0].aligned and claim.start > ordered[0].start - apart:
            before = claims[index - 1] if index else None
            again, identity = _align_reply(claim.announced, pre, ring, clocks, before, until=ordered[0].start - apart)
            claim = again or _claim_by_time(claim.announced, ring, clocks, identity) or claim
        ordered.insert(0, claim)
    return ordered


def _align_reply(
    reply: AnnouncedReply,
    pre: Ring | None,
    ring: Ring,
    clocks: Clocks,
    before: _Claim | None,
    *,
    until: float = math.inf,
) -> tuple[_Claim | None, float | None]:
    """The claim, or none and how well the best place correlates. `before`: the claim of the reply before. `until`: this
    reply begins ahead of it.
    """
    if pre is None or reply.pre is None:
        return None, None
    after = before.start if before is not None else 0.0
    first, last = reply.pre.start // DECIMATION, -(-reply.pre.end // DECIMATION)
    cut = reply.cause == ReplyCause.INTERRUPTED
    latest = min(float(len(ring.band)), until / DECIMATION)
    window = _window(reply, ring, clocks, before)
    window = (min(window[0], latest), min(window[1], latest))
    match = _find_reply(pre, (first, last), ring, window, cut)
    short = _of_one_word(reply.pre)
    if (match is None or match.confidence < WAVEFORM_CONFIDENCE) and not (short and reply.started_ms is not None):
        anywhere = (after / DECIMATION, min(latest, after / DECIMATION + ANYWHERE))
        match = _find_reply(pre, (first, last), ring, anywhere, cut) or match
    if match is not None and ((reply.started_ms is None and before is None) or cut):
        begin = window[0] if reply.started_ms is not None else after / DECIMATION
        match = _earliest(pre, (first, last), ring, match, begin)
    track = None
    if match is not None and match.confidence >= WAVEFORM_CONFIDENCE:
        track = track_delay(pre.band, (first, last), ring.band, match.at, cut=cut)
    if (track is None or not track.found or track.identity < ALTERED_IDENTITY) and not cut:
        altered = _align_altered(reply, pre, ring, window, track)
        if altered is not None:
            return altered, None
    unfollowed = track is None or not track.found or track.identity < OWN_IDENTITY
    if unfollowed and short and not cut and _in_pieces(pre, (first, last), ring, window) >= OWN_IDENTITY:
        return None, None
    if track is None or not track.found:
        return None, 0.0 if match is None else match.confidence
    end = reply.pre.end
    if cut:  # what was flushed after it was never heard; what sounds there is something else
        end = min(end, round((track.at[-1] + WINDOW / 2) * DECIMATION))
    lag_first, lag_last = track.lag_at(np.array([first, end / DECIMATION])) * DECIMATION
    head_lag = _head_lag(pre, first, ring, lag_first / DECIMATION)
    return _Claim(reply, reply.pre.start + lag_first, end + lag_last, track, track.identity, head_lag), None


def _align_altered(
    reply: AnnouncedReply, pre: Ring, ring: Ring, window: tuple[float, float], track: DelayTrack | None
) -> _Claim | None:
    """The claim of a reply that is played at another speed or pitch; None if that explains it no better than `track`."""
    assert reply.pre is not None
    span = (reply.pre.start, reply.pre.end)
    until = window[1] * DECIMATION + SLOWEST * (span[1] - span[0])
    by_level = find_course(pre, span, ring, (window[0] * DECIMATION, until))
    short = _of_one_word(reply.pre)
    if short and by_level is not None and 1 / NEAR_RATE < by_level.ratio < NEAR_RATE:
        return None
    if by_level is None or not 1 / NEAR_RATE < by_level.ratio < NEAR_RATE:
        until = window[1] * DECIMATION + FARTHEST * (span[1] - span[0])
        at_rate = find_at_rate(pre, span, ring, (window[0] * DECIMATION, until))
        if (
            at_rate is not None
            and at_rate.track.identity > (track.identity if track is not None else 0.0) + ALTERED_GAIN
        ):
            return _at_course(reply, at_rate.course, at_rate.track)
    tried = [by_level] if by_level is not None else []
    if track is not None and track.found and not short:  # another speed smears its windows: try the lag's, and its like
        begin = span[0] + float(track.lag_at(np.array([span[0] / DECIMATION]))[0]) * DECIMATION
        slope = lag_slope(track)
        ratios = {*NEAR_SPEEDS, 1.0 if slope is None else 1 + slope.ppm / 1e6}
        tried += [Course(begin, ratio, track.identity) for ratio in sorted(ratios)]
    if not tried:
        return None
    followings = [follow_course_closely(pre, span, ring, course) for course in tried]
    course, followed = max(followings, key=lambda pair: pair[1].identity if pair[1] is not None else -1.0)
    if followed is not None and followed.identity > (track.identity if track is not None else 0.0) + ALTERED_GAIN:
        return _at_course(reply, course, followed)
    if track is not None and track.found and track.identity >= OWN_IDENTITY:
        return None
    if by_level is None:
        return None
    course, end = by_level, by_level.at + (span[1] - span[0]) * by_level.ratio
    identity = track.identity if track is not None and track.found else 0.0
    return _Claim(reply, course.at, end, None, identity, course.at - span[0], course)


def _at_course(reply: AnnouncedReply, course: Course, track: DelayTrack) -> _Claim:
    assert reply.pre is not None
    end = course.at + (reply.pre.end - reply.pre.start) * course.ratio
    return _Claim(reply, course.at, end, track, track.identity, course.at - reply.pre.start, course)


def _head_lag(pre: Ring, first: int, ring: Ring, lag: float) -> float:
    """The lag of the very first sound, which a jitter buffer may have stretched against what follows; 48 kHz samples."""
    for part_ms, reach_ms, confidence, gain in (
        (FIRST_MS, FIRST_SEARCH_MS, FIRST_CONFIDENCE, FIRST_GAIN),
        ((0.0, HEAD_MS), HEAD_SEARCH_MS, HEAD_CONFIDENCE, HEAD_GAIN),
    ):
        begin, end, reach = (round(edge_ms * BAND_RATE_HZ / 1e3) for edge_ms in (*part_ms, reach_ms))
        at = max(0, first + begin)
        head = pre.band[at : first + end]
        best = find_best(head, ring.band, (at + lag - reach, at + lag + reach))
        here = find_best(head, ring.band, (at + lag - 1, at + lag + 1))
        if best is not None and here is not None and best.confidence >= max(confidence, here.confidence + gain):
            return (best.at - at) * DECIMATION
    return lag * DECIMATION


def _window(reply: AnnouncedReply, ring: Ring, clocks: Clocks, before: _Claim | None) -> tuple[float, float]:
    """Where the reply's first audible sample may be, in samples of the band: by its time, else by the lag so far."""
    assert reply.pre is not None
    published = clocks.sample_at(ring.name, reply.started_ms) if reply.started_ms is not None else None
    if published is not None:
        lead = reply.pre.start - (reply.pre_start if reply.pre_start is not None else reply.pre.start)
        first = published + lead - BEFORE_PUBLISH_MS * SAMPLES_PER_MS
    elif before is not None and before.head_lag is not None:
        first = max(before.start, reply.pre.start + before.head_lag - AFTER_PUBLISH_MS / 2 * SAMPLES_PER_MS)
    else:
        after = (before.start if before is not None else 0.0) / DECIMATION
        return after, min(float(len(ring.band)), after + ANYWHERE)
    return first / DECIMATION, (first + AFTER_PUBLISH_MS * SAMPLES_PER_MS) / DECIMATION


def _earliest(pre: Ring, span: tuple[int, int], ring: Ring, match: Match, begin: float) -> Match:
    """The first place after `begin` that fits about as well: the same words may come again at an unknown time, or an
    interrupted reply be repeated at once.
    """
    piece = pre.band[span[0] : min(span[1], span[0] + round(PIECES_MS[0] * BAND_RATE_HZ / 1e3))]
    low = max(0, int(begin))
    until = max(low, round(match.at) + span[0] + len(piece) // 2)
    places = find_all(piece, ring.band[low:until], AS_GOOD * match.confidence)
    return Match(places[0].at + low - span[0], places[0].confidence) if places else match


def _find_reply(pre: Ring, span: tuple[int, int], ring: Ring, window: tuple[float, float], cut: bool) -> Match | None:
    """Lag (in `at`) by the reply's head; by shorter pieces where it was stretched or its head is lost."""
    length = span[1] - span[0]
    long, short, shortest = (min(length, round(p * BAND_RATE_HZ / 1e3)) for p in PIECES_MS)
    places = [(span[0], long), (span[0], short), (span[0] + (length - short) // 2, short), (span[1] - short, short)]
    if cut:
        places.append((span[0], shortest))
    best: Match | None = None
    for start, piece in places:
        ahead = start - span[0]
        found = find_best(pre.band[start : start + piece], ring.band, (window[0] + ahead, window[1] + ahead))
        if found is not None and (best is None or found.confidence > best.confidence):
            best = Match(found.at - start, found.confidence)
        if best is not None and best.confidence >= SURE:
            break
    return best


def _of_one_word(pre: Sound) -> bool:
    """Two steps of a jitter buffer in it look like a speed."""
    return pre.end - pre.start < MIN_SPAN_MS * SAMPLES_PER_MS


def _in_pieces(pre: Ring, span: tuple[int, int], ring: Ring, window: tuple[float, float]) -> float:
    """How well the best piece of a reply correlates by itself. Two steps of a jitter buffer leave nothing longer of one word."""
    starts = range(span[0], max(span[0], span[1] - WINDOW) + 1, PIECE_HOP)
    found = (
        find_best(pre.band[at : at + WINDOW], ring.band, (window[0] + at - span[0], window[1] + at - span[0]))
        for at in starts
    )
    return max((piece.confidence for piece in found if piece is not None), default=0.0)


def _claim_by_time(reply: AnnouncedReply, ring: Ring, clocks: Clocks, identity: float | None) -> _Claim | None:
    if reply.started_ms is None:
        return None
    start = clocks.sample_at(ring.name, reply.started_ms - BEFORE_PUBLISH_MS)
    if start is None:
        return None
    end = float(len(ring.audio))
    if reply.ended_ms is not None:
        end = clocks.sample_at(ring.name, reply.ended_ms + AFTER_END_MS) or end
    return _Claim(reply, start, end, None, identity)


def _without_overlap(claims: list[_Claim]) -> list[_Claim]:
    """A reply ends where the next begins: what was flushed of an interrupted one was never heard."""
    margin = MARGIN_MS * SAMPLES_PER_MS
    cut: list[_Claim] = []
    for claim, following in zip(claims, [*claims[1:], None], strict=False):
        end = claim.end + (margin if claim.aligned else 0.0)
        if following is not None:
            end = min(end, following.start - (margin if following.aligned else 0.0))
        start = claim.start - (margin if claim.aligned else 0.0)
        cut.append(replace(claim, start=start, end=end))
    return cut


def _share_out(sounds: Sequence[Sound], claims: Sequence[_Claim]) -> tuple[list[list[Sound]], list[Sound]]:
    """Each sound to the claim it overlaps most; those that overlap none are loose."""
    owned: list[list[Sound]] = [[] for _ in claims]
    loose: list[Sound] = []
    starts, ends = np.array([c.start for c in claims]), np.array([c.end for c in claims])
    for sound in sounds:
        shares = np.minimum(sound.end, ends) - np.maximum(sound.start, starts)
        if not len(claims) or shares.max() <= 0:
            loose.append(sound)
        else:
            owned[int(np.argmax(shares))].append(sound)
    return owned, loose


def _joined(heard: list[HeardReply]) -> list[HeardReply]:
    """A loose sound right after a reply is its tail: there was no silence between them."""
    joined: list[HeardReply] = []
    for reply in heard:
        if joined and reply.seq is None and reply.start - joined[-1].end < PAUSE_MS * SAMPLES_PER_MS:
            joined[-1] = replace(joined[-1], end=max(joined[-1].end, reply.end))
        else:
            joined.append(reply)
    return joined
