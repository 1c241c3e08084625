"""Whether a measurement is to be believed: capture underruns, alignment, clocks, the user's speech, the host's load.

Each reason is one sentence; any reason makes the turn INVALID, so each limit says where it comes from. A single turn is
INVALID where the host was overloaded in it, or where another session was launched beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.listen.metrics.arrival import load_within, worst_lag_ms
from harness.listen.place.scene import PAIRS, Scene
from harness.listen.place.spoken import NotFound, Place
from harness.listen.place.turns import TurnHeard
from harness.listen.read.clocks import CLOCK_ERROR_LIMIT_MS
from harness.listen.read.reading import HostLoadLine
from harness.listen.read.records import disbelieved, no_number, not_applicable, number
from harness.model.capture import HOST_LOAD as LOAD_FILE
from harness.model.measurement import Metric
from harness.model.status import COMPLETE

SAMPLES_PER_MS = 48
LOST_SAMPLES_LIMIT = 128  # one render quantum, which a starting audio context may lose ahead of everything
LOAD_LIMIT_PERCENT = 98.0
CROWDED_PERCENT = 95.0  # measured: an answer 700 ms late at 97 %, while our own loop was 11 ms late at most
BEFORE_ANSWER_MS = 1_000.0  # the agent works on the user's words while they are spoken
LOADED_LAG_MS = 50.0  # with the processor full as well: the call itself, not only our loop, was starved


def find_reasons(scene: Scene) -> list[str]:
    """Why the measurement as a whole is not to be believed; empty if it is."""
    return [*_timelines(scene), *_users_speech(scene), *_windows(scene), *_host(scene)]


def _timelines(scene: Scene) -> list[str]:
    reasons = []
    why = _full_processor(scene)
    for name, timeline in sorted(scene.clocks.timelines.items()):
        if timeline.lost_samples > LOST_SAMPLES_LIMIT:
            lost_ms = 1e3 * timeline.lost_samples / timeline.rate_hz
            reasons.append(f"capture underrun: {lost_ms:.0f} ms never arrived from the {name}'s tap{why}")
        if timeline.error_ms > CLOCK_ERROR_LIMIT_MS:
            reasons.append(f"the {name}'s clock is only known to ±{timeline.error_ms:.1f} ms{why}")
    return reasons


def _full_processor(scene: Scene) -> str:
    """In words, that the processor was full all along (it starves audio threads and clock readings); else empty."""
    cpu = _cpu_percent(scene.capture.load)
    return "" if cpu is None or cpu < LOAD_LIMIT_PERCENT else f": the host was overloaded, CPU {cpu:.0f} %"


def _users_speech(scene: Scene) -> list[str]:
    """Judged in the user's own recording, if there is one: the other listener may have joined late."""
    user = PAIRS[scene.primary]
    if user not in scene.rings:
        return []
    manifest = scene.capture.manifest
    complete = manifest.status in COMPLETE
    spoken = {said.utterance for said in manifest.spoken}
    reasons = []
    for index, place in enumerate(scene.places[user]):
        if isinstance(place, NotFound):
            if complete or index in spoken:  # a call that broke off may not have reached it
                reasons.append(f"utterance {index}: {place.reason}")
        elif place.heard != 1:
            reasons.append(f"utterance {index} is heard {place.heard} times in {user}.wav")
    return reasons


def user_heard_count(scene: Scene) -> int | None:
    """How often the utterance that is furthest from exactly once is heard."""
    places = scene.places[PAIRS[scene.primary]]
    if not places or PAIRS[scene.primary] not in scene.rings or "said" not in scene.rings:
        return None
    counts = [place.heard if isinstance(place, Place) else 0 for place in places]
    return max(counts, key=lambda n: abs(n - 1))


def _windows(scene: Scene) -> list[str]:
    """Starts that depend on a reply: as the live half noted them, or (device microphone) as they are found."""
    truth, user, manifest = scene.capture.truth, PAIRS[scene.primary], scene.capture.manifest
    missed = [spoken.utterance for spoken in manifest.spoken if not spoken.in_window]
    reasons = [f"utterance {index} started outside the case's window" for index in missed]
    if manifest.mic != "device" or truth is None or user not in scene.rings:
        return reasons
    places = scene.places[user]
    for index, utterance in enumerate(truth.utterances):
        place, before = places[index], places[index - 1] if index > 0 else None
        if utterance.after is None or utterance.window_ms is None or not isinstance(place, Place):
            continue
        since = before.end if isinstance(before, Place) else 0.0
        replies = [reply for reply in scene.heard.get(scene.primary, []) if reply.start >= since]
        if not replies:
            reasons.append(f"utterance {index} hangs on a reply that was not heard")
            continue
        # for an agent that announces nothing, all its speech until then is one reply
        last = (
            replies[0]
            if scene.tells
            else max((r for r in replies if r.start < place.start), key=lambda r: r.end, default=replies[0])
        )
        anchor = replies[0].start if utterance.after == "reply_start" else last.end
        delay_ms = (place.start - anchor) / SAMPLES_PER_MS
        low, high = utterance.window_ms
        if not low <= delay_ms <= high:
            reasons.append(
                f"utterance {index} started {delay_ms:.0f} ms after the {utterance.after}, "
                f"outside the case's window of {low:.0f} to {high:.0f} ms"
            )
    return reasons


def _host(scene: Scene) -> list[str]:
    """Overload between the user's first word and the agent's last sound; of a call that broke off, the end of the
    recordings: what the host does while the call's browser and agent are being ended makes nobody late.
    """
    load, user, ring = scene.capture.load, PAIRS[scene.primary], scene.primary
    first = scene.first_speech(user)
    heard = scene.heard.get(ring, [])
    complete = scene.capture.manifest.status in COMPLETE
    if not load or first is None or (complete and not heard):
        return []
    start = scene.clocks.mono_ms(user, first)
    last, at = (ring, heard[-1].end) if complete else (user, len(scene.rings[user].audio))
    end = scene.clocks.mono_ms(last, at)
    if start is None or end is None or end <= start:
        return []
    lines = load_within(load, start, end)
    cpu, lag_ms = _cpu_percent(lines), worst_lag_ms(lines)
    if cpu is not None and lag_ms is not None and cpu >= LOAD_LIMIT_PERCENT and lag_ms > LOADED_LAG_MS:
        return [f"the host was overloaded: CPU {cpu:.0f} %, event loop up to {lag_ms:.0f} ms late"]
    return []


def undistorted(scene: Scene, turn: TurnHeard, metrics: dict[str, Metric]) -> dict[str, Metric]:
    """A turn's metrics; none is believed where the host's load was beyond a turn's limits."""
    heard = turn.heard.get(scene.primary)
    if heard is None:
        return metrics
    begin = _begin(scene, turn, heard.start)
    answering = _lines(scene, begin - BEFORE_ANSWER_MS * SAMPLES_PER_MS, heard.start)
    why = _distorted(_lines(scene, begin, heard.end)) or _crowded(answering)
    return metrics if why is None else {name: disbelieved(metric, why) for name, metric in metrics.items()}


def _distorted(lines: Sequence[HostLoadLine]) -> str | None:
    """A turn has the call's limits; and no limit is calibrated beside a launch."""
    if any(line.launching for line in lines):
        return "another session was launched while this turn was measured"
    cpu, lag_ms = _cpu_percent(lines), worst_lag_ms(lines)
    if cpu is not None and lag_ms is not None and cpu >= LOAD_LIMIT_PERCENT and lag_ms > LOADED_LAG_MS:
        return f"the host was overloaded in this turn: CPU {cpu:.0f} %, event loop up to {lag_ms:.0f} ms late"
    return None


def _crowded(lines: Sequence[HostLoadLine]) -> str | None:
    """Sessions side by side wait for each other if no core was free while the agent made its answer.

    Our own loop may not notice: it mostly sleeps, and the scheduler serves sleepers first.
    """
    cpu = _cpu_percent(lines)
    if cpu is None or cpu < CROWDED_PERCENT or all(line.launching is None for line in lines):
        return None
    return f"sessions ran side by side, and no core was free while the agent answered (CPU {cpu:.0f} %)"


def _cpu_percent(lines: Sequence[HostLoadLine]) -> float | None:
    known = [line.cpu_percent for line in lines if line.cpu_percent is not None]
    return float(np.mean(known)) if known else None


def _begin(scene: Scene, turn: TurnHeard, start: float) -> float:
    """The user's last word, or the reply's first sound if that was before it, in samples of the primary ring."""
    answer = turn.answers.get(scene.primary)
    return min(answer.turn.end, start) if answer is not None else start


def _lines(scene: Scene, start: float, end: float) -> list[HostLoadLine]:
    """Load lines between two samples of the primary ring."""
    start_ms, end_ms = scene.clocks.mono_ms(scene.primary, start), scene.clocks.mono_ms(scene.primary, end)
    return [] if start_ms is None or end_ms is None else load_within(scene.capture.load, start_ms, end_ms)


def host_metrics(scene: Scene, turn: TurnHeard) -> dict[str, Metric]:
    """How loaded the host was from the user's last word (or the reply's first sound) to the reply's last."""
    units = {"loop_lag_ms": "ms", "host_cpu_ratio": "ratio"}
    if scene.capture.manifest.source == "recordings":
        return {name: not_applicable(unit, "recordings alone say nothing of the host") for name, unit in units.items()}
    heard = turn.heard.get(scene.primary)
    if heard is None:
        return {name: no_number(unit, f"the reply is not heard in {scene.primary}.wav") for name, unit in units.items()}
    lines = _lines(scene, _begin(scene, turn, heard.start), heard.end)
    lag_ms, cpu = worst_lag_ms(lines), _cpu_percent(lines)
    reason = scene.capture.missing.get(LOAD_FILE, "the host's load during this turn is not known")
    return {
        "loop_lag_ms": no_number("ms", reason) if lag_ms is None else number(lag_ms, "ms"),
        "host_cpu_ratio": number(cpu / 100, "ratio") if cpu is not None else no_number("ratio", reason),
    }
