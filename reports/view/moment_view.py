"""The page's view of a worst moment: a player and a spectrogram a ring, all on one time axis, with marks and words.

Positions are percent of the cut's width, as CSS wants them; times are seconds after the user's last word. All text is raw:
the template escapes it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.judge.verdict import explain
from harness.model.measurement import Measurement, RingName, Turn
from harness.model.status import Status, worst
from reports.view.axis import FILES, NAMES, RATE_HZ, Row, main_ring, read_rows, zeros_of
from reports.view.examined import examined
from reports.view.heard import BORN, doubt, first_latency
from reports.view.ledger import Band, ledger_bands
from reports.view.moments import Mark, Moment
from reports.view.words import Words, read_script

log = logging.getLogger(__name__)

RINGS: tuple[RingName, ...] = ("pre_rtc", "post_rtc", "ear")
TICK_STEPS_S = (0.1, 0.2, 0.5, 1.0, 2.0)
MOST_TICKS = 6
NARROWEST_MARK = 0.6  # percent: a click is still seen
NEAR_AN_EDGE = 5.0  # percent: within it a tick's label goes inwards
LEAST_OF_THE_USER_S = 0.2  # in the cut, for the user to be shown beside the rings


@dataclass(frozen=True)
class Placed:
    """A mark on the axis. `chief`: the moment's main one."""

    left: str
    width: str
    text: str
    chief: bool


@dataclass(frozen=True)
class Player:
    """One ring's cut. Without `sound` there is only `reason`."""

    name: str
    sound: str | None
    picture: str | None
    alt: str
    marks: tuple[Placed, ...]
    reason: str
    ledger: tuple[Band, ...] = ()


@dataclass(frozen=True)
class Tick:
    """`side`: "first" or "last" near an edge, where the label must not be centred."""

    left: str
    label: str
    side: str


@dataclass(frozen=True)
class MomentView:
    case_id: str
    where: str
    status: Status
    what: str
    why: tuple[str, ...]
    words: Words
    when: str
    origin: str  # what time 0 is
    ticks: tuple[Tick, ...]
    zero: str | None  # where time 0 is, if the cut has it
    players: tuple[Player, ...]


def view_moment(moment: Moment, run_dir: Path) -> MomentView:
    folder = run_dir / moment.attempt.folder
    return MomentView(
        case_id=moment.case.case_id,
        where=f"attempt {moment.attempt.attempt}, reply {moment.turn.reply_seq}",
        status=_status(moment),
        what=_what(moment),
        why=_why(moment),
        words=read_script(folder).of(moment.turn),
        when=_when(moment),
        origin=_origin(moment),
        ticks=ticks(moment.start_s, moment.end_s),
        zero=_percent(0.0, moment.start_s, moment.end_s) if moment.start_s <= 0 <= moment.end_s else None,
        players=_players(moment, folder),
    )


def _status(moment: Moment) -> Status:
    """The worst status of the turn's gates, not of its case."""
    return worst([gate.status for gate in moment.gates]) if moment.gates else Status.PASS


def _what(moment: Moment) -> str:
    return f"{moment.chief.text}, {NAMES[moment.chief.ring]}" if moment.defect is not None else moment.chief.text


def _why(moment: Moment) -> tuple[str, ...]:
    said: dict[str, list[str]] = {}  # one reason often holds for many gates
    for gate in moment.gates:
        said.setdefault(f"{gate.status}: {explain(gate)}", []).append(gate.gate_id)
    lines = [f"{', '.join(gates)} {text}" for text, gates in said.items()]
    defect = moment.defect
    if defect is not None:
        parts = [f"born {BORN[defect.born]}", defect.detail, defect.evidence]
        lines.append("; ".join(filter(None, parts)))
    metric = first_latency(moment.measurement, moment.turn)
    reasons = doubt(moment.measurement, metric) if metric is not None else ""
    if reasons and not any(reasons in line for line in lines):
        lines.append(f"The wait is not to be believed: {reasons}")
    elif not moment.gates:
        looked = examined([moment.turn])
        lines.append(
            "No gate fails or warns by it."
            if defect is not None
            else "Nothing is wrong here: no turn is worse, and of the others this is the slowest."
            if looked.all_of_it
            else f"Of the turns in which nothing was found this is the slowest. {looked.not_examined()}"
        )
    return tuple(lines)


def _when(moment: Moment) -> str:
    length_s = moment.end_s - moment.start_s
    origin = _origin(moment)
    cut = moment.chief.end_s > moment.end_s
    whole = f" of {moment.chief.end_s - moment.chief.start_s:.2f} s that are marked" if cut else ""
    return f"{length_s:.2f} s{whole}, from {_side(moment.start_s)} to {_side(moment.end_s)} {origin}"


def _origin(moment: Moment) -> str:
    return "the user's last word" if moment.turn.mic_end_sample is not None else "the reply's start"


def _side(time_s: float) -> str:
    return f"{abs(time_s):.2f} s {'before' if time_s < 0 else 'after'}"


def ticks(start_s: float, end_s: float) -> tuple[Tick, ...]:
    """Round times within the cut, at most six."""
    step_s = next((step for step in TICK_STEPS_S if (end_s - start_s) / step <= MOST_TICKS), TICK_STEPS_S[-1])
    numbers = range(math.ceil(start_s / step_s), math.floor(end_s / step_s) + 1)
    return tuple(_tick(n * step_s, start_s, end_s) for n in numbers)


def _tick(time_s: float, start_s: float, end_s: float) -> Tick:
    left = 100 * (time_s - start_s) / (end_s - start_s)
    side = "first" if left < NEAR_AN_EDGE else "last" if left > 100 - NEAR_AN_EDGE else ""
    return Tick(_percent(time_s, start_s, end_s), f"{time_s:.1f} s" if time_s else "0", side)


def _percent(time_s: float, start_s: float, end_s: float) -> str:
    return f"{100 * (time_s - start_s) / (end_s - start_s):.3f}"


def _players(moment: Moment, folder: Path) -> tuple[Player, ...]:
    """The rings on the way to the ear; ahead of them the user, where the cut reaches into the user's words."""
    rows = {row.ring: row for row in read_rows(folder, moment.measurement, moment.turn)}
    with_user = "user" in rows and moment.turn.mic_end_sample is not None and moment.start_s <= -LEAST_OF_THE_USER_S
    shown = (*(("user",) if with_user else ()), *RINGS)
    return tuple(_player(moment, ring, rows.get(ring), folder) for ring in shown)


def _player(moment: Moment, ring: str, row: Row | None, folder: Path) -> Player:
    if row is None:
        reason = _why_missing(moment.measurement, moment.turn, ring, folder)
        return Player(NAMES[ring], None, None, "", (), reason)
    import soundfile

    from reports.view.cuts import picture_uri, sound_uri  # matplotlib loads only where something is drawn

    marks = _marks(moment, ring)
    try:
        sound = sound_uri(row, moment.start_s, moment.end_s)
        picture = picture_uri(row, moment.start_s, moment.end_s)
    except (OSError, ValueError, soundfile.SoundFileError) as error:
        log.warning("no cut of %s in %s: %s", ring, moment.attempt.trace_id, error)
        return Player(NAMES[ring], None, None, "", (), f"could not be cut: {error}")
    return Player(NAMES[ring], sound, picture, _alt(moment, ring), marks, "", _bands(moment, ring))


def _bands(moment: Moment, ring: str) -> tuple[Band, ...]:
    entries = moment.turn.ledger.get(ring, [])
    zero = zeros_of(moment.measurement, moment.turn).get(ring)
    return ledger_bands(entries, round(zero), moment.start_s, moment.end_s) if zero is not None else ()


def _why_missing(measurement: Measurement, turn: Turn, ring: str, folder: Path) -> str:
    if ring == "ear" and measurement.lane == "bot":
        return "the bot lane has no ear"
    file = FILES[ring]
    if not (folder / file).is_file():
        return f"{file} is not in the capture"
    if ring not in zeros_of(measurement, turn):
        return f"the reply was not found in {file}"
    return f"{file} cannot be read"


def _marks(moment: Moment, ring: str) -> tuple[Placed, ...]:
    chief = [_place(moment, moment.chief, chief=True)] if moment.chief.ring == ring else []
    return (*chief, *(_place(moment, mark, chief=False) for mark in moment.others if mark.ring == ring))


def _place(moment: Moment, mark: Mark, *, chief: bool) -> Placed:
    start_s, end_s = max(mark.start_s, moment.start_s), min(mark.end_s, moment.end_s)
    width = max(NARROWEST_MARK, 100 * (end_s - start_s) / (moment.end_s - moment.start_s))
    return Placed(_percent(start_s, moment.start_s, moment.end_s), f"{width:.3f}", mark.text, chief)


def _alt(moment: Moment, ring: str) -> str:
    """The picture in words, for one who cannot see it."""
    marks: Sequence[Mark] = (moment.chief, *moment.others)
    here = [f"{mark.text} from {mark.start_s:.2f} s to {mark.end_s:.2f} s" for mark in marks if mark.ring == ring]
    said = f"marked: {'; '.join(here)}" if here else "nothing is marked in this ring"
    span = f"{moment.start_s:.2f} s to {moment.end_s:.2f} s"
    onset = ""
    if ring == main_ring(moment.measurement) and moment.turn.onset_sample is not None:
        zero = zeros_of(moment.measurement, moment.turn)[ring]
        onset = f"; the agent is first heard at {(moment.turn.onset_sample - zero) / RATE_HZ:.2f} s"
    return f"Spectrogram, {NAMES[ring]}, {span}, 0 to 12 kHz; {said}{onset}."
