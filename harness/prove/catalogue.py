"""The catalogue of known faults: what each is, its ladder of severities, its limit, and the verdict it must get.

`gates`: any of them must fire at the limit and beyond. `allowed`: other gates that rightly fire, with the reason in
`about`. `born`: the right blame for a fault before the pre tap (`pre`), between the tap and the wire (`post`), or at the
ear alone (`ear`). The ladder includes severities below the limit, which need not fire: they show where detection ends.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from harness.judge.table import BY_ID as GATES
from harness.model.measurement import Born
from harness.prove import effects
from harness.prove import effects_timing as timing
from harness.prove.stream import Effect, Frame

Where = Literal["pre", "post", "ear"]
BORN: dict[str, Born] = {"pre": "before_rtc", "post": "in_rtc", "ear": "at_ear"}


@dataclass(frozen=True)
class Words:
    """Sounds that some faults need: the user's words, and somebody else's; float32 at 48 kHz."""

    user: tuple[Frame, ...] = ()
    other: tuple[Frame, ...] = ()


@dataclass(frozen=True)
class Fault:
    """One kind. `ladder` from mild to severe; `limit` is one of them; `call`: the kind of call it needs."""

    id: str
    about: str
    unit: str
    ladder: tuple[float, ...]
    limit: float
    where: tuple[Where, ...]
    gates: tuple[str, ...]
    make: Callable[[float, Words], Effect]
    kinds: tuple[str, ...] = ()  # of the defect that carries the blame; empty: none is written for it
    allowed: tuple[str, ...] = ()
    call: Literal["plain", "interrupts", "pause"] = "plain"
    live_only: bool = False
    sequential: bool = False  # it disturbs other calls of the same agent
    tears: bool = False  # it makes the publisher late, or run dry
    env: dict[str, str] = field(default_factory=dict)

    @property
    def judged_per_call(self) -> bool:
        """Its gates look at the call as a whole: one call is one trial."""
        return all(gate == "capture" or GATES[gate].per == "call" for gate in self.gates)

    @property
    def sure(self) -> float:
        """The severity about twice the limit, which must be detected even on a busy machine."""
        return self.ladder[min(self.ladder.index(self.limit) + 1, len(self.ladder) - 1)]

    def severities_from_limit(self) -> tuple[float, ...]:
        return self.ladder[self.ladder.index(self.limit) :]


def seed_of(fault: Fault, severity: float, where: str) -> int:
    """The same seed live and offline, another for each cell."""
    return zlib.crc32(f"{fault.id}:{severity}:{where}".encode())


HOLES = ("max_gap", "audible_dropout", "ear_dropout", "published_dropout")
EVERYWHERE: tuple[Where, ...] = ("pre", "post", "ear")
ON_THE_WAY: tuple[Where, ...] = ("post", "ear")

CATALOGUE: tuple[Fault, ...] = (
    Fault("hole", "one hole in the middle of a syllable", "ms", (10, 20, 40, 80, 160, 250), 40, EVERYWHERE,
          ("audible_dropout", "ear_dropout", "published_dropout"), lambda v, w: effects.Hole(hole_ms=v),
          ("gap", "dropout"), ("max_gap", "mel_distance", "level_drop")),
    Fault("periodic_holes", "a hole every 320 ms, as an engine that falls behind leaves them", "ms", (10, 20, 40, 80),
          40, EVERYWHERE, ("audible_dropout", "ear_dropout", "published_dropout"),
          lambda v, w: effects.PeriodicHoles(hole_ms=v), ("gap", "dropout"),
          ("max_gap", "mel_distance", "lost_tail", "level_drop")),
    Fault("lost_head", "the first part of the first word is missing", "ms", (10, 20, 40, 80, 160), 40, ON_THE_WAY,
          ("lost_head",), lambda v, w: effects.LostHead(lost_ms=v), ("lost_head",),
          ("mel_distance", "level_drop", "unexplained", "user_kpi", "eot_to_first_audio")),
    Fault("lost_tail", "the last part of the last word is missing", "ms", (10, 20, 40, 80, 160), 80, ON_THE_WAY,
          ("lost_tail",), lambda v, w: timing.LostTail(lost_ms=v), ("lost_tail",),
          ("mel_distance", "level_drop", "way", "clicks", "unexplained", "eot_to_first_audio")),
    Fault("click", "a pulse of 0.5 ms above the local peak", "dB", (0, 3, 6, 9, 12, 18), 6, ON_THE_WAY,
          ("clicks",), lambda v, w: effects.Click(over_db=v), ("click",), ("noise_bursts",)),
    Fault("published_click", "the same in what is published, where there is nothing to compare with", "dB",
          (6, 9, 12, 18), 18, ("pre",), ("clicks", "published_dropout"),  # beside silence it reads as that silence's hard edge
          lambda v, w: effects.Click(over_db=v), ("click", "dropout"), ("noise_bursts",)),
    Fault("boom", "a thump at 70 Hz, 120 ms", "dBFS", (-40, -30, -24, -18, -12, -8), -12, ON_THE_WAY,
          ("booms",), lambda v, w: effects.Boom(level_dbfs=v), ("boom",), ("mel_distance", "clicks")),
    Fault("noise_burst", "80 ms of white noise over the level it falls on", "dB", (-12, -6, 0, 6, 12, 18), 12, ON_THE_WAY,
          ("noise_bursts",), lambda v, w: effects.NoiseBurst(over_db=v), ("noise_burst", "click"),
          ("mel_distance", "clicks", "high_frequencies", "clipping_ratio")),
    Fault("hard_clip", "too loud, cut off at full scale", "% of samples", (0.02, 0.05, 0.1, 0.3, 1, 3), 0.1,
          ("pre", "post"), ("overdriven", "clipping_ratio", "ear_clipping"), lambda v, w: effects.HardClip(share_percent=v),
          ("clipping",), ("level_change", "compression", "mel_distance", "noise_bursts")),
    Fault("soft_clip", "a saturating amplifier", "dB of drive", (3, 6, 9, 12, 18), 12, ON_THE_WAY,
          ("compression",), lambda v, w: effects.SoftClip(drive_db=v), ("compression",),
          ("level_change", "mel_distance", "high_frequencies", "overdriven", "clipping_ratio", "ear_clipping")),
    Fault("faster", "plays faster, and higher", "%", (0.1, 0.25, 0.5, 1, 2, 5), 0.5, ON_THE_WAY,
          ("speed",), lambda v, w: timing.Speed(speed_percent=v), ("speed",),
          ("mel_distance", "pitch", "audio_valid", "ear_valid", "way")),
    Fault("slower", "plays slower, and lower", "%", (0.1, 0.25, 0.5, 1, 2, 5), 0.5, ON_THE_WAY,
          ("speed",), lambda v, w: timing.Speed(speed_percent=-v), ("speed",),
          ("mel_distance", "pitch", "audio_valid", "ear_valid", "way")),
    Fault("drift", "plays slower and slower", "% a second", (0.1, 0.25, 0.5, 1, 2), 0.5, ON_THE_WAY,
          ("speed",), lambda v, w: timing.Drift(percent_per_s=v), ("speed",),
          ("mel_distance", "pitch", "audio_valid", "ear_valid", "way", "lost_tail", "unexplained")),
    Fault("wrong_rate", "samples of one rate taken for another (2: 24 kHz as 48 kHz; 0.92: 44.1 kHz as 48 kHz)", "ratio",
          (0.91875, 2.0), 0.91875, ON_THE_WAY, ("speed",), lambda v, w: timing.WrongRate(ratio=v), ("wrong_rate", "speed"),
          ("mel_distance", "pitch", "audio_valid", "ear_valid", "audible_dropout", "ear_dropout", "eot_to_first_audio",
           "user_kpi", "reply_not_short", "way", "lost_head", "lost_tail", "level_change", "high_frequencies", "unexplained",
           "level_drop", "compression", "bandwidth", "max_gap")),
    Fault("pitch", "higher at the same speed", "%", (1, 2, 3, 6, 12), 6, ON_THE_WAY,
          ("pitch",), lambda v, w: timing.Pitch(shift_percent=v), ("pitch", "speed"),
          ("mel_distance", "audio_valid", "ear_valid", "speed", "audible_dropout", "ear_dropout", "lost_head", "lost_tail",
           "level_change", "compression", "level_drop", "repeats", "clicks")),
    Fault("low_pass", "nothing above so many Hz", "Hz", (8000, 7000, 6000, 5000, 4000, 3400), 5000, ON_THE_WAY,
          ("high_frequencies", "bandwidth"), lambda v, w: effects.LowPass(cutoff_hz=v), ("bandwidth",),
          ("mel_distance", "audible_dropout", "ear_dropout", "level_drop", "lost_head", "lost_tail")),
    Fault("repeat", "a piece is said twice", "ms", (20, 40, 80, 200), 80, EVERYWHERE,
          ("repeats",), lambda v, w: timing.Repeat(repeat_ms=v), ("repeat",), ("mel_distance", "noise_bursts", "clicks")),
    Fault("user_echo", "the user's own words come back", "dBFS", (-55, -50, -45, -40, -30), -45, ON_THE_WAY,
          ("user_echo",), lambda v, w: effects.Voice(words=list(w.user), level_dbfs=v), (),
          ("noise_floor", "talk_over", "foreign_sound")),
    Fault("other_audio", "words of another session between the replies", "dBFS", (-55, -50, -45, -40, -30), -40, ON_THE_WAY,
          ("foreign_sound",), lambda v, w: effects.Voice(words=list(w.other), level_dbfs=v), (),
          ("noise_floor", "talk_over", "eot_to_first_audio", "user_kpi", "unexplained", "replies", "complete_reply", "no_reply")),
    Fault("level_drop", "400 ms that are quieter", "dB", (2, 4, 6, 12, 20), 6, ON_THE_WAY,
          ("level_drop", "audible_dropout"), lambda v, w: effects.LevelDrop(drop_db=v), ("level_drop", "dropout"),
          ("mel_distance", "compression", "ear_dropout", "max_gap", "lost_tail", "noise_bursts", "clicks", "unexplained")),
    Fault("quiet", "the whole reply is quieter", "dB", (1, 2, 4, 6, 12), 4, ON_THE_WAY,
          ("level_change",), lambda v, w: effects.Level(drop_db=v), ("level_change",), ()),
    Fault("hum", "50 Hz and its harmonics", "dBFS", (-75, -65, -57, -53), -57, ON_THE_WAY,
          ("hum",), lambda v, w: effects.Hum(level_dbfs=v), (), ("noise_floor", "mel_distance", "lost_tail")),
    Fault("noise", "white noise under it all", "dBFS", (-75, -65, -57, -53), -57, ON_THE_WAY,
          ("noise_floor",), lambda v, w: effects.Noise(level_dbfs=v), (), ("mel_distance", "noise_bursts")),
    Fault("late", "begins later than it was published", "ms", (15, 25, 50, 100, 200), 50, ("pre",),
          ("leading_silence",), lambda v, w: timing.Late(late_ms=v), (), ("eot_to_first_audio", "user_kpi")),
    Fault("late_on_the_way", "arrives later than it was published", "ms", (25, 50, 100, 150, 300), 50, ("post",),
          ("way",), lambda v, w: timing.Late(late_ms=v), (), ("eot_to_first_audio", "user_kpi", "lost_tail")),
    # what only a call can show
    Fault("no_reply", "nothing is said", "", (1,), 1, ("pre", "post"), ("capture",), lambda v, w: timing.NoReply(),
          live_only=True),
    Fault("endless", "the reply never ends", "s", (60,), 60, ("pre",), ("capture",), lambda v, w: timing.Endless(going_on_s=v),
          live_only=True),
    Fault("no_stop", "goes on after an interruption", "s", (0.2, 0.5, 0.7, 1), 0.5, ("pre",), ("barge_in_to_silence",),
          lambda v, w: timing.NoStop(going_on_s=v), call="interrupts", live_only=True,
          allowed=("talk_over", "eot_to_first_audio", "user_kpi", "foreign_sound", "kpi_plausible", "unexplained", "clicks",
                   "published_dropout", "eot_error", "complete_reply", "replies")),
    Fault("early", "replies into a pause of the user's", "ms of hangover", (200, 60), 60, ("pre",), ("talk_over",),
          lambda v, w: effects.Plain(), call="pause", live_only=True,
          allowed=("eot_error", "eot_to_first_audio", "user_kpi", "unexplained", "complete_reply", "replies", "reply_not_short")),
    Fault("stall", "publishing stands still, then catches up", "ms", (100, 150, 250), 150, ("post",),
          ("audible_dropout", "max_gap", "lost_head", "lost_tail"), lambda v, w: timing.Stall(stall_ms=v), ("gap", "dropout"),
          ("ear_dropout", "mel_distance", "level_drop", "inter_arrival"), live_only=True, sequential=True, tears=True),
)  # fmt: skip
BY_ID = {fault.id: fault for fault in CATALOGUE}

# faults that sound alike: the label of a reply with one of them
ALIKE = {
    "periodic_holes": "hole", "stall": "hole", "published_click": "click", "faster": "speed", "slower": "speed",
    "drift": "speed", "wrong_rate": "speed",
}  # fmt: skip


def called(fault_id: str) -> str:
    return ALIKE.get(fault_id, fault_id)
