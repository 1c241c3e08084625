"""What `call.html` shows of one recording: a frozen record made from a CallHeard and its sound. All text is raw.

Numbers are formatted here; the template computes nothing. Positions are percent of the strip they stand in.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from harness.judge.numbers import show
from harness.model.audio import Audio
from harness.model.call_heard import CallHeard, CallMoment, Overlap, Stretch, UserTurn
from reports.view.axis import Row
from reports.view.moment_view import Placed, Tick, ticks

LINE_S = 60.0  # of the call in one line of its course
AROUND_S = 1.5
LONGEST_CUT_S = 14.0
NARROWEST = 0.35  # percent
ENDED = {
    "answered": "",
    "unanswered": "no answer",
    "agent_went_on": "the agent went on",
    "recording_ends": "the recording ends",
}


@dataclass(frozen=True)
class Bar:
    left: str
    width: str
    text: str
    number: int = 0  # of a moment


@dataclass(frozen=True)
class Line:
    """A minute of the call: who speaks when, and the moments in it. `width`: of the whole strip."""

    label: str
    width: str
    user: tuple[Bar, ...]
    agent: tuple[Bar, ...]
    moments: tuple[Bar, ...]


@dataclass(frozen=True)
class Strip:
    """One side's spectrogram."""

    name: str
    picture: str
    alt: str
    marks: tuple[Placed, ...]


@dataclass(frozen=True)
class CallMomentView:
    number: int
    what: str
    why: str
    when: str
    sound: str
    strips: tuple[Strip, ...]
    ticks: tuple[Tick, ...]
    origin: str
    can_be_pinned: bool


@dataclass(frozen=True)
class CallPage:
    call: CallHeard
    headline: str
    tone: str
    tiles: tuple[tuple[str, str], ...]
    lines: tuple[Line, ...]
    speakers: tuple[str, ...]
    moments: tuple[CallMomentView, ...]
    turns: tuple[tuple[str, ...], ...]
    overlaps: tuple[tuple[str, ...], ...]
    defects: tuple[tuple[str, ...], ...]


def make_call_page(call: CallHeard, user: Audio | None, agent: Audio) -> CallPage:
    """`user`: None where both sides are one mix, which then is `agent`."""
    return CallPage(
        call=call,
        headline=headline(call),
        tone=_tone(call),
        tiles=tuple(figures(call)),
        lines=tuple(_lines(call)),
        speakers=("user", "agent") if call.reading == "two_sides" else ("voices",),
        moments=tuple(_moment(call, moment, user, agent) for moment in call.moments),
        turns=tuple(turn_row(turn) for turn in call.turns),
        overlaps=tuple(overlap_row(both) for both in call.overlaps),
        defects=tuple(
            (clock(d.start_ms), d.kind.replace("_", " "), show(d.duration_ms, "ms"), d.detail) for d in call.defects
        ),
    )


def headline(call: CallHeard) -> str:
    """One sentence: what there was, before any figure."""
    if call.reading == "one_mix":
        return (
            f"Both voices are on one channel of {clock(call.duration_ms)}: who speaks, and so every wait, is not told."
        )
    if not call.turns:
        return f"No turn of the user is told, so nothing is timed: {call.turns_unknown}."
    answered = sum(turn.ended == "answered" for turn in call.turns)
    unanswered = sum(turn.ended == "unanswered" for turn in call.turns)
    said = f"{len(call.turns)} {'turn' if len(call.turns) == 1 else 'turns'} of the user, {answered} answered"
    return f"{said}, {unanswered} with nobody answering." if unanswered else f"{said}."


def _tone(call: CallHeard) -> str:
    if call.reading == "one_mix" or not call.timed:
        return "unsure"
    return "warn" if any(moment.kind != "wait" or moment.number > 1 for moment in call.moments) else "none"


def figures(call: CallHeard) -> list[tuple[str, str]]:
    """(name, value) of the whole call."""
    rows = [("length", clock(call.duration_ms))]
    waits = [t.first_speech_ms for t in call.turns if t.first_speech_ms is not None and not t.invalid]
    if waits:
        rows.append(("wait for the first word, median", show(statistics.median(waits), "ms")))
        rows.append(("longest", show(max(waits), "ms")))
    if call.reading == "two_sides":
        silences = [turn.dead_air_ms for turn in call.turns if turn.dead_air_ms is not None]
        rows.append(("longest dead air", show(max(silences), "ms") if silences else "–"))
        if call.overlaps_unknown:
            rows.append(("talk-over", "not known"))
        else:
            rows.append(("the agent into the user's words", str(sum(o.began == "agent" for o in call.overlaps))))
            rows.append(("interruptions by the user", str(sum(o.began == "user" for o in call.overlaps))))
    rows.append(("defects in the sound", str(len(call.defects))))
    return rows


def clock(at_ms: float) -> str:
    """1:05.3, as a player counts."""
    minutes, seconds = divmod(round(at_ms / 100) / 10, 60)
    return f"{minutes:.0f}:{seconds:04.1f}"


TURN_HEADINGS = ("turn", "the user speaks", "first sound", "first word", "longest dead air", "note")
OVERLAP_HEADINGS = ("at", "both speak for", "who began", "what came of it")
DEFECT_HEADINGS = ("at", "kind", "length", "what")


def turn_row(turn: UserTurn) -> tuple[str, ...]:
    within = f" ±{turn.uncertainty_ms:.0f}" if turn.uncertainty_ms is not None else ""
    word = show(turn.first_speech_ms, "ms") + (within if turn.first_speech_ms is not None else "")
    note = turn.reason if not turn.invalid else f"not to be believed: {turn.reason}"
    if turn.first_speech_ms is not None and turn.first_speech_ms < 0:
        note = "; ".join(filter(None, ["the agent spoke before the user was done", note]))
    return (
        str(turn.utterance + 1),
        f"{clock(turn.start_ms)} to {clock(turn.end_ms)}",
        show(turn.first_sound_ms, "ms"),
        word if turn.ended == "answered" else ENDED[turn.ended],
        show(turn.dead_air_ms, "ms"),
        note,
    )


def overlap_row(both: Overlap) -> tuple[str, ...]:
    if both.began == "agent":
        came = f"the agent spoke into turn {both.utterance + 1}"
    else:
        assert both.talked_on_ms is not None
        stopped = "and fell silent before the user did" if both.yielded else "and did not stop for the user"
        came = f"the agent talked on for {show(both.talked_on_ms, 'ms')} {stopped}"
    return clock(both.start_ms), show(both.end_ms - both.start_ms, "ms"), f"the {both.began}", came


def _lines(call: CallHeard) -> list[Line]:
    total_s = call.duration_ms / 1e3
    span_s = min(LINE_S, total_s)
    count = max(1, -(-round(total_s * 1e3) // round(span_s * 1e3)))
    return [_line(call, number * span_s, min(total_s, (number + 1) * span_s), span_s) for number in range(count)]


def _line(call: CallHeard, start_s: float, end_s: float, span_s: float) -> Line:
    return Line(
        label=f"{int(start_s // 60)}:{int(start_s % 60):02d}",
        width=f"{100 * (end_s - start_s) / span_s:.3f}",
        user=_bars(call.user_speaks, "the user", start_s, end_s),
        agent=_bars(call.agent_speaks, "the agent" if call.reading == "two_sides" else "somebody", start_s, end_s),
        moments=tuple(
            bar
            for moment in call.moments
            for bar in [_bar(moment.start_ms, moment.end_ms, start_s, end_s, moment.what, moment.number)]
            if bar is not None
        ),
    )


def _bars(stretches: Sequence[Stretch], who: str, start_s: float, end_s: float) -> tuple[Bar, ...]:
    found = (_bar(s.start_ms, s.end_ms, start_s, end_s, f"{who} speaks", 0) for s in stretches)
    return tuple(bar for bar in found if bar is not None)


def _bar(from_ms: float, to_ms: float, start_s: float, end_s: float, text: str, number: int) -> Bar | None:
    first, last = max(from_ms / 1e3, start_s), min(to_ms / 1e3, end_s)
    if last < first or first >= end_s or (last == start_s and from_ms / 1e3 < start_s):
        return None
    width = max(NARROWEST, 100 * (last - first) / (end_s - start_s))
    left = 100 * (first - start_s) / (end_s - start_s)
    shown = f"{text}, {clock(from_ms)} to {clock(to_ms)}"
    return Bar(f"{min(left, 100 - width):.3f}", f"{width:.3f}", shown, number)


def _moment(call: CallHeard, moment: CallMoment, user: Audio | None, agent: Audio) -> CallMomentView:
    from reports.view.cuts import both_uri, sound_uri  # matplotlib loads only where something is drawn

    start_s = max(0.0, moment.start_ms / 1e3 - AROUND_S)
    end_s = min(call.duration_ms / 1e3, moment.end_ms / 1e3 + AROUND_S, start_s + LONGEST_CUT_S)
    rows = {"agent" if user is not None else "both voices": Row("agent", agent.samples, 0.0)}
    if user is not None:
        rows = {"user": Row("user", user.samples, 0.0), **rows}
    sides = list(rows.values())
    sound = both_uri(sides[0], sides[1], start_s, end_s) if user is not None else sound_uri(sides[0], start_s, end_s)
    marked = moment.side if user is not None else "both voices"
    whole = moment.end_ms / 1e3 > end_s
    return CallMomentView(
        number=moment.number,
        what=moment.what,
        why=moment.why,
        when=f"{clock(1e3 * start_s)} to {clock(1e3 * end_s)} of the call" + (" (its beginning)" if whole else ""),
        sound=sound,
        strips=tuple(_strip(name, row, moment, start_s, end_s, name == marked) for name, row in rows.items()),
        ticks=ticks(start_s, end_s),
        origin="the start of the recording",
        can_be_pinned=bool(moment.utterances),
    )


def _strip(name: str, row: Row, moment: CallMoment, start_s: float, end_s: float, marked: bool) -> Strip:
    from reports.view.cuts import picture_uri

    first_s, last_s = moment.start_ms / 1e3, min(moment.end_ms / 1e3, end_s)
    left, width = (100 * value / (end_s - start_s) for value in (first_s - start_s, last_s - first_s))
    mark = Placed(f"{left:.3f}", f"{max(NARROWEST, width):.3f}", moment.what, True)
    said = f"; marked: {moment.what}" if marked else ""
    return Strip(
        name=name,
        picture=picture_uri(row, start_s, end_s),
        alt=f"Spectrogram of the {name}, {start_s:.1f} s to {end_s:.1f} s, 0 to 12 kHz{said}.",
        marks=(mark,) if marked else (),
    )
