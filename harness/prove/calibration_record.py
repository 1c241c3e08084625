"""The record of a calibration: its turns, the figures of each setting, the verdicts. Becomes `calibration.json`.

A setting is a lane with a number of sessions at once. Turns are sorted once: steady, stepped (the jitter buffer changed
the path between the two answers), doubted (for a reason known without looking at the error), missed (the product has no
number). Nothing is dropped silently: the counts add up to the plan. All figures are in ms.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from harness.model.capture import Manifest
from harness.prove.beacon_listening import BeaconTurn, HeardAnswer
from harness.prove.calibration import (
    Agreement,
    Calibrated,
    Finding,
    Line,
    agreement,
    fit_line,
    judge_detector,
    judge_path,
    judge_probe,
    resolution_ms,
)

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Distribution:
    """Of n values, ms."""

    n: int
    p5_ms: float
    median_ms: float
    p95_ms: float
    min_ms: float
    max_ms: float


def distribution(values_ms: Sequence[float]) -> Distribution | None:
    if not values_ms:
        return None
    p5, median, p95 = (float(v) for v in np.percentile(values_ms, [5, 50, 95]))
    return Distribution(len(values_ms), p5, median, p95, float(min(values_ms)), float(max(values_ms)))


@dataclass(frozen=True)
class Setting:
    """All turns of one lane with `sessions` at once. `load`: the host's 1 min load average before and after."""

    lane: str
    sessions: int
    turns: list[BeaconTurn]
    problems: list[str] = field(default_factory=list)
    load: tuple[float, float] = (0.0, 0.0)

    @property
    def name(self) -> str:
        return f"{self.lane}, {self.sessions} at once"

    @cached_property
    def counted(self) -> list[BeaconTurn]:
        return [turn for turn in self.turns if not turn.doubt and turn.error_ms is not None]

    @cached_property
    def steady(self) -> list[BeaconTurn]:
        return [turn for turn in self.counted if not turn.stepped]

    @cached_property
    def stepped(self) -> list[BeaconTurn]:
        return [turn for turn in self.counted if turn.stepped]

    @cached_property
    def missed(self) -> list[BeaconTurn]:
        return [turn for turn in self.turns if not turn.doubt and turn.error_ms is None]

    @cached_property
    def doubts(self) -> Counter[str]:
        return Counter(turn.doubt for turn in self.turns if turn.doubt)

    @cached_property
    def answers(self) -> list[HeardAnswer]:
        """Every whole answer in a turn without doubt."""
        found = [answer for turn in self.turns if not turn.doubt for answer in (turn.first, turn.second)]
        return [answer for answer in found if answer is not None and not answer.torn]


@dataclass(frozen=True)
class Figures:
    """A setting's figures."""

    lane: str
    sessions: int
    planned: int
    steady: int
    stepped: int
    missed: int
    doubted: dict[str, int]
    path: Agreement | None  # steady turns
    path_stepped: Agreement | None
    path_all: Agreement | None
    path_speech: Agreement | None  # steady turns, had the answers begun with their words
    line: Line | None
    resolution_ms: float | None
    path_finding: Finding
    chirp: Agreement | None  # the detector on the chirp's onset
    speech: Agreement | None  # and on the word's
    speech_stretched: int  # answers whose word the jitter buffer moved against the chirp; they count as any other
    speech_missed: int  # words that the detector did not find as sounds of their own
    speech_finding: Finding
    floor: Distribution | None  # KPI of the first answer minus D0
    floor_parts: dict[str, Distribution]
    probe_delta: Agreement | None  # browser minus probe, KPI of both answers
    probe_correlation: float | None
    probe_finding: Finding | None
    steps_confirmed: tuple[int, int]  # (WebRTC's counters changed, known) of the stepped turns
    steady_changed: tuple[int, int]  # the same of the steady ones
    load: tuple[float, float]
    problems: list[str]


def figures(setting: Setting) -> Figures:
    steady, errors = setting.steady, [t.error_ms for t in setting.steady if t.error_ms is not None]
    line = fit_line([t.injected_ms for t in steady], [t.measured_ms for t in steady if t.measured_ms is not None])
    path, resolution = agreement(errors), resolution_ms(errors)
    speech = agreement([a.speech_error_ms for a in setting.answers if a.speech_error_ms is not None])
    pairs = probe_pairs(setting)
    delta = agreement([ear - probe for ear, probe in pairs])
    moved = fit_line([probe for _, probe in pairs], [ear for ear, _ in pairs])
    correlation = None if moved is None else moved.correlation
    return Figures(
        lane=setting.lane,
        sessions=setting.sessions,
        planned=len(setting.turns),
        steady=len(steady),
        stepped=len(setting.stepped),
        missed=len(setting.missed),
        doubted=dict(setting.doubts),
        path=path,
        path_stepped=agreement([t.error_ms for t in setting.stepped if t.error_ms is not None]),
        path_all=agreement([t.error_ms for t in setting.counted if t.error_ms is not None]),
        path_speech=agreement([t.speech_error_ms for t in steady if t.speech_error_ms is not None]),
        line=line,
        resolution_ms=resolution,
        path_finding=judge_path(path, line, resolution),
        chirp=agreement([a.chirp_error_ms for a in setting.answers if a.chirp_error_ms is not None]),
        speech=speech,
        speech_stretched=sum(a.stretched_ms != 0 for a in setting.answers),
        speech_missed=sum(a.speech_ms is not None and a.speech_error_ms is None for a in setting.answers),
        speech_finding=judge_detector(speech),
        floor=distribution([t.floor_ms for t in setting.counted if t.floor_ms is not None]),
        floor_parts=floor_parts(setting),
        probe_delta=delta,
        probe_correlation=correlation,
        probe_finding=judge_probe(delta, correlation) if setting.lane == "browser" else None,
        steps_confirmed=_changed(setting.stepped),
        steady_changed=_changed(setting.steady),
        load=setting.load,
        problems=setting.problems,
    )


def probe_pairs(setting: Setting) -> list[tuple[float, float]]:
    """(KPI at the ear, KPI at the probe) of every answer that both received."""
    return [(a.kpi_ms, a.probe_kpi_ms) for a in setting.answers if a.kpi_ms is not None and a.probe_kpi_ms is not None]


PACKET_MS = 26.5  # constants of WebRTC's Opus: one packet of 20 ms is gathered, the encoder looks 6.5 ms ahead
# the floor's parts in the order of the way
UP = "up: user's last voiced sample → heard by the beacon"
OWN_BUFFER = "· the beacon's jitter buffer (WebRTC's statistics)"
UP_REST = "· the rest of it: capture, network, media server, playout tick"
DOWN = "down: taken by WebRTC at the beacon → at the listener"
BUFFER = "· the listener's jitter buffer (WebRTC's statistics)"
TRIP = "· network to the media server, half a round trip"
DOWN_REST = "· the rest of it: native tick, media server, playout tick"
ONSET = "onset detector"
PACKET = "in each way, not in its rest: packet and codec (constants)"


def floor_parts(setting: Setting) -> dict[str, Distribution]:
    """The floor's parts, each measured on its own; up + down + onset detector make the floor."""
    parts: dict[str, list[float]] = {
        name: [] for name in (UP, OWN_BUFFER, UP_REST, DOWN, BUFFER, TRIP, DOWN_REST, ONSET, PACKET)
    }
    for turn in setting.counted:
        half_trip_ms = 0.0 if turn.round_trip_ms is None else turn.round_trip_ms / 2
        known = {
            UP: turn.up_ms,
            OWN_BUFFER: turn.own_buffer_ms,
            UP_REST: _less(turn.up_ms, turn.own_buffer_ms, PACKET_MS) if setting.lane == "browser" else None,
            DOWN: turn.down_ms,
            BUFFER: turn.jitter_buffer_ms,
            TRIP: None if turn.round_trip_ms is None else half_trip_ms,
            DOWN_REST: _less(turn.down_ms, turn.jitter_buffer_ms, PACKET_MS + half_trip_ms),
            PACKET: PACKET_MS,
            ONSET: turn.first.chirp_error_ms if turn.first is not None else None,
        }
        for name, value in known.items():
            if value is not None:
                parts[name].append(value)
    found = {name: distribution(values) for name, values in parts.items()}
    return {name: values for name, values in found.items() if values is not None}


def _less(whole_ms: float | None, buffer_ms: float | None, rest_ms: float) -> float | None:
    return None if whole_ms is None or buffer_ms is None else whole_ms - buffer_ms - rest_ms


def _changed(turns: Sequence[BeaconTurn]) -> tuple[int, int]:
    known = [turn.counters_changed for turn in turns if turn.counters_changed is not None]
    return sum(known), len(known)


@dataclass(frozen=True)
class Calibration:
    """A whole run."""

    run_id: str
    started_at: str
    seed: int
    d0_ms: float
    settings: list[Setting]
    figures: list[Figures]
    host: dict[str, Any]
    versions: dict[str, str]
    interrupted: bool = False

    def deciding(self) -> list[Figures]:
        """The settings that decide the verdict: in each lane, the one with the fewest sessions at once."""
        fewest = {
            lane: min(f.sessions for f in self.figures if f.lane == lane) for lane in {f.lane for f in self.figures}
        }
        return [f for f in self.figures if f.sessions == fewest[f.lane]]

    def verdicts(self) -> list[Calibrated]:
        found = []
        for f in self.deciding():
            findings = (f.path_finding, f.speech_finding, f.probe_finding)
            found += [finding.verdict for finding in findings if finding is not None]
        return found

    @property
    def verdict(self) -> Calibrated:
        """The worst of them."""
        order = (Calibrated.UNCORRELATED, Calibrated.BIASED, Calibrated.NO_DATA)
        verdicts = self.verdicts()
        return next((v for v in order if v in verdicts), Calibrated.CALIBRATED if verdicts else Calibrated.NO_DATA)

    def to_json(self) -> str:
        record = {
            "schema_version": SCHEMA_VERSION,
            "run_id": self.run_id,
            "started_at": self.started_at,
            "seed": self.seed,
            "d0_ms": self.d0_ms,
            "verdict": self.verdict,
            "interrupted": self.interrupted,
            "host": self.host,
            "versions": self.versions,
            "settings": [asdict(f) for f in self.figures],
            "turns": [
                {"lane": s.lane, "sessions": s.sessions, **asdict(turn), "error_ms": turn.error_ms}
                for s in self.settings
                for turn in s.turns
            ],
        }
        return json.dumps(record, indent=1, allow_nan=False)


def summarise(
    run_id: str,
    started_at: str,
    seed: int,
    d0_ms: float,
    settings: Sequence[Setting],
    manifests: Sequence[Manifest],
    interrupted: bool = False,
) -> Calibration:
    """The record of a run from its settings."""
    first = manifests[0] if manifests else None
    versions: dict[str, str] = {}
    for manifest in manifests:
        versions |= manifest.versions
    return Calibration(
        run_id=run_id,
        started_at=started_at,
        seed=seed,
        d0_ms=d0_ms,
        settings=list(settings),
        figures=[figures(setting) for setting in settings],
        host=first.host if first is not None else {},
        versions=versions,
        interrupted=interrupted,
    )
