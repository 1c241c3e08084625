"""Capture folders made in a few lines: a user who says known words, an agent who answers at known times.

Speech is synthetic (syllables of a harmonic voice, fricatives between them), so truth is known to the sample. Times are
ms from sample 0 of all recordings; recordings are float32 at 48 kHz. The path from the agent to a listener changes
sound as a codec and a jitter buffer do: band-limits, adds noise, delays, stretches.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
from scipy.signal import butter, sosfilt

from harness.model import capture
from harness.model.capture import AgentUnderTest, Manifest, PageUnderTest, SpokenAt, Timeline, write_manifest
from harness.model.case import Case, ExpectedSilence, Recipe, Say, SpokenUtterance, Tier, Truth, Utterance
from harness.model.events import AgentTurnTrace, Clock, ClockKind, Event, EventType, ReplyCause, TurnTimes
from harness.model.status import CaptureStatus

RATE_HZ = 48_000
PER_MS = 48
T0_MONO_MS = 5_000_000.0
HANGOVER_MS = 200.0
CLOCK = Clock(id="mono:test", kind=ClockKind.MONOTONIC)

Samples = npt.NDArray[np.float32]
Change = Callable[[Samples], Samples]


def ms(duration_ms: float) -> int:
    return round(duration_ms * PER_MS)


def silence(duration_ms: float) -> Samples:
    return np.zeros(ms(duration_ms), np.float32)


def speech(
    duration_ms: float, seed: int, level_dbfs: float = -23.0, pauses: tuple[tuple[float, float], ...] = ()
) -> Samples:
    """Syllables of 170 ms, every third led in by a fricative; the first and last sample are voiced. RMS over it all."""
    return _speech(duration_ms, seed, level_dbfs, pauses).copy()


@lru_cache(maxsize=256)
def _speech(duration_ms: float, seed: int, level_dbfs: float, pauses: tuple[tuple[float, float], ...]) -> Samples:
    """Made once a process: a tenth of a second each, and hundreds of tests say the same."""
    rng = np.random.default_rng(seed)
    n = ms(duration_ms)
    t = np.arange(n) / RATE_HZ
    pitch = 110 + 25 * np.sin(2 * np.pi * 0.7 * t + rng.uniform(0, 6)) + rng.uniform(-15, 15)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
    voice = np.zeros(n)
    formants = rng.uniform([300, 900, 2200], [800, 2000, 3200], (40, 3))
    syllable = np.minimum((np.cumsum(np.full(n, 1 / RATE_HZ)) / 0.17).astype(int), 39)
    for harmonic in range(1, 30):
        gain = sum(np.exp(-(((pitch * harmonic - formants[syllable, k]) / 180) ** 2)) / (k + 1) for k in range(3))
        voice += (gain + 0.02) * np.sin(harmonic * phase)
    hiss = sosfilt(butter(2, [3000, 9000], "bandpass", fs=RATE_HZ, output="sos"), rng.standard_normal(n))
    envelope = 0.35 + 0.65 * np.abs(np.sin(np.pi * np.cumsum(np.full(n, 1 / RATE_HZ)) / 0.17)) ** 0.7
    fricative = ((syllable % 3 == 1) & (np.sin(np.pi * t / 0.17) ** 2 < 0.25)).astype(float)
    x = voice * envelope * (1 - 0.9 * fricative) + 0.35 * hiss * fricative
    edge = ms(3)
    x[:edge] *= np.linspace(0.3, 1, edge)
    x[-edge:] *= np.linspace(1, 0.3, edge)
    for start, end in pauses:
        x[ms(start) : ms(end)] = 0
    x *= 10 ** (level_dbfs / 20) / np.sqrt(np.mean(x[x != 0] ** 2))
    return x.astype(np.float32)


def codec(x: Samples, seed: int = 0) -> Samples:
    """What Opus leaves: nothing above 12 kHz, a little noise that follows the signal's level."""
    y = sosfilt(butter(4, 12_000, fs=RATE_HZ, output="sos"), x)
    level = np.sqrt(sosfilt(butter(1, 30, fs=RATE_HZ, output="sos"), x.astype(np.float64) ** 2).clip(0))
    return (y + np.random.default_rng(seed).standard_normal(len(x)) * level * 0.08).astype(np.float32)


def stretch(x: Samples, at_ms: float, by_ms: float) -> Samples:
    """A jitter buffer's step: one piece of `by_ms` is repeated (or left out, if negative), with a cross-fade."""
    at, by, fade = ms(at_ms), ms(abs(by_ms)), ms(3)
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    first, second = (x[: at + by], x[at:]) if by_ms > 0 else (x[:at], x[at + by :])
    joint = first[-fade:] * (1 - ramp) + second[:fade] * ramp if by_ms < 0 else first[-fade:]
    return np.concatenate([first[:-fade], joint.astype(np.float32), second[fade if by_ms < 0 else 0 :]])


def hole(x: Samples, at_ms: float, duration_ms: float) -> Samples:
    y = x.copy()
    y[ms(at_ms) : ms(at_ms + duration_ms)] = 0
    return y


def identity(x: Samples) -> Samples:
    return x


@dataclass(frozen=True)
class Said:
    """An utterance at `at_ms` of the microphone."""

    at_ms: float
    sound: Samples
    is_turn: bool = True
    pauses: tuple[tuple[float, float], ...] = ()
    after: str | None = None  # reply_start | reply_end: it hangs on the reply
    window_ms: tuple[float, float] | None = None

    @property
    def end_ms(self) -> float:
        return self.at_ms + len(self.sound) / PER_MS


@dataclass(frozen=True)
class Replied:
    """A reply whose first audible sample reaches the ear at `at_ms` (`lag_ms` after its publication).

    `lead_ms`: silence ahead of it in pre_rtc. `cut_ms`: nothing of it is published after that. `at_probe`, `at_ear`:
    what the path does to it. `told`: the agent knows of it. `heard_as`: another sound arrives instead.
    """

    at_ms: float
    sound: Samples
    lead_ms: float = 12.0
    lag_ms: float = 80.0
    cut_ms: float | None = None
    at_probe: Change = identity
    at_ear: Change = identity
    told: bool = True
    heard_as: Samples | None = None
    cause: ReplyCause = ReplyCause.COMPLETED


@dataclass
class Call:
    """A whole attempt. `write` makes its folder; everything that is not said is as in a good call."""

    said: list[Said] = field(default_factory=list)
    replies: list[Replied] = field(default_factory=list)
    total_ms: float = 6_000.0
    lane: str = "browser"
    mic_mode: str = "scheduled"
    case: dict[str, Any] = field(default_factory=dict)
    agent: AgentUnderTest = field(
        default_factory=lambda: AgentUnderTest(kind="reference", instrumented=True, vad_hangover_ms=HANGOVER_MS)
    )
    status: CaptureStatus = CaptureStatus.OK
    pre: bool = True
    pre_gap_ms: float = 240.0  # of silence ahead of each reply in pre_rtc
    trace: bool = True
    mic_change: Change = identity
    mic_again_at_ms: float | None = None  # the first utterance is heard once more (a loop)
    probe_lag_ms: float = -30.0  # the probe hears this much later than the browser's microphone and ear
    truth_shift_ms: float = 0.0  # the truth is wrong by so much
    loop_lag_ms: float = 2.0
    cpu_percent: float = 40.0
    timeline: dict[str, Any] = field(default_factory=dict)
    spoken: dict[str, Any] = field(default_factory=dict)
    hints: bool = True

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True)
        said, truth = self._said()
        _wav(folder / capture.SAID, said, "PCM_16")
        (folder / capture.TRUTH).write_text(truth.model_dump_json())
        (folder / capture.CASE).write_text(self._case().model_dump_json())
        mic = self._mic()
        ear = self._agent_ring("at_ear", 0.0)
        if self.lane == "browser":
            _wav(folder / capture.MIC, self.mic_change(mic), "FLOAT")
            _wav(folder / capture.EAR, ear, "FLOAT")
        late = silence(max(0.0, -self.probe_lag_ms))
        shifted = len(late)
        _wav(folder / capture.POST_USER, codec(np.concatenate([late, mic]), 5)[: len(mic) + shifted], "PCM_16")
        _wav(folder / capture.POST_RTC, np.concatenate([late, self._agent_ring("at_probe", 0.0)]), "PCM_16")
        self._write_agent(folder)
        self._write_events(folder)
        self._write_host(folder, len(mic) + shifted)
        write_manifest(folder, self._manifest())
        return folder

    # the user

    def _said(self) -> tuple[Samples, Truth]:
        said, utterances = silence(300), []
        for item in self.said:
            start = len(said)
            said = np.concatenate([said, item.sound, silence(600)])
            shift = ms(self.truth_shift_ms)
            utterances.append(
                SpokenUtterance(
                    start_sample=start,
                    end_sample=start + len(item.sound) + shift,
                    is_turn=item.is_turn,
                    after=item.after,
                    window_ms=item.window_ms,
                    pauses=[(start + ms(a), start + ms(b)) for a, b in item.pauses],
                )
            )
        truth = Truth(case_id="made", n_samples=len(said), sha256="0" * 64, source="recipe", utterances=utterances)
        return said, truth

    def _mic(self) -> Samples:
        mic = silence(self.total_ms)
        for item in self.said:
            mic[ms(item.at_ms) : ms(item.at_ms) + len(item.sound)] += item.sound
        if self.mic_again_at_ms is not None:
            first = self.said[0].sound
            mic[ms(self.mic_again_at_ms) : ms(self.mic_again_at_ms) + len(first)] += first
        return mic

    def _case(self) -> Case:
        utterances = [Utterance(parts=[Say(say="words")]) for _ in self.said] or [Utterance(parts=[Say(say="x")])]
        recipe = Recipe(utterances=utterances)
        return Case.model_validate(
            {"id": "made", "title": "made", "tier": Tier.P0, "speech": recipe.model_dump()} | self.case
        )

    # the agent

    def _agent_ring(self, path: str, offset_ms: float) -> Samples:
        ring = silence(self.total_ms)
        for number, reply in enumerate(self.replies):
            sound = reply.heard_as if reply.heard_as is not None else reply.sound
            if reply.cut_ms is not None:
                sound = sound[: ms(reply.cut_ms)]
            sound = getattr(reply, path)(codec(sound, number))
            at = ms(reply.at_ms + offset_ms)
            sound = sound[: max(0, len(ring) - at)]
            ring[at : at + len(sound)] += sound
        return ring

    def _write_agent(self, folder: Path) -> None:
        pre, lines, position, seq = silence(0), [], 0, 0
        for reply in self.replies:
            if not reply.told:
                continue
            pre = np.concatenate([pre, silence(self.pre_gap_ms), silence(reply.lead_ms), reply.sound, silence(30)])
            position = len(pre) - len(reply.sound) - ms(reply.lead_ms) - ms(30)
            published = T0_MONO_MS + reply.at_ms - reply.lead_ms - reply.lag_ms
            cut = reply.cut_ms is not None
            lines.append(self._trace_line(seq, reply, published, position, len(pre) - ms(30), cut))
            seq += 1
        pre = np.concatenate([pre, silence(max(0.0, self.pre_gap_ms - 240))])
        if self.pre and len(pre):
            _wav(folder / capture.PRE_RTC, pre, "PCM_16")
        if self.trace and lines:
            (folder / capture.AGENT_TRACE).write_text("".join(line.model_dump_json() + "\n" for line in lines))

    def _trace_line(
        self, seq: int, reply: Replied, published: float, start: int, end: int, cut: bool
    ) -> AgentTurnTrace:
        ended = [item.end_ms for item in self.said if item.end_ms + HANGOVER_MS < reply.at_ms]
        heard_at = T0_MONO_MS + (ended[-1] if ended else reply.at_ms - 500) + 45.0
        times = TurnTimes(
            user_eot=heard_at,
            vad_end=heard_at + HANGOVER_MS,
            stt_done=published - 24.0,
            llm_first_token=published - 14.0,
            llm_first_segment=published - 9.0,
            tts_first_pcm=published - 1.0,
            first_publish=published,
            reply_end=published + len(reply.sound) / PER_MS,
        )
        cause = ReplyCause.INTERRUPTED if cut else reply.cause
        return AgentTurnTrace(
            trace_id="t-made-a1", reply_seq=seq, clock=CLOCK, t=times, pre_start_sample=start, pre_end_sample=end,
            cause=cause, vad_hangover_ms=HANGOVER_MS,
        )  # fmt: skip

    def _write_events(self, folder: Path) -> None:
        rows, seq = [], 0
        for number, reply in enumerate(r for r in self.replies if r.told):
            start = T0_MONO_MS + reply.at_ms - reply.lead_ms - reply.lag_ms
            cause = ReplyCause.INTERRUPTED if reply.cut_ms is not None else reply.cause
            heard_ms = len(reply.sound) / PER_MS if reply.cut_ms is None else reply.cut_ms
            for kind, at, data in (
                (EventType.REPLY_START, start, {}),
                (EventType.REPLY_END, start + heard_ms, {"cause": cause.value}),
            ):
                event = Event(
                    type=kind, trace_id="t-made-a1", run_id="t", case_id="made", attempt=1, seq=seq, t_ms=at,
                    clock=CLOCK, sender="agent", reply_seq=number, data=data,
                )  # fmt: skip
                seq += 1
                body = event.model_dump(mode="json", exclude_none=True)
                rows.append({"event": body, "t_arrival_mono_ms": at + 2, "direction": "received"})
        (folder / capture.EVENTS).write_text("".join(json.dumps(row) + "\n" for row in rows))

    def _write_host(self, folder: Path, length: int) -> None:
        frames = np.arange(0, length - 960, 960, dtype=np.float64)
        late = np.random.default_rng(1).exponential(0.6, len(frames))
        t0 = T0_MONO_MS + min(0.0, self.probe_lag_ms)
        np.save(folder / capture.ARRIVALS, np.stack([t0 + (frames + 960) / PER_MS + late, frames], axis=1))
        load = [
            {
                "t_mono_ms": T0_MONO_MS + t,
                "cpu_percent": self.cpu_percent,
                "loop_lag_ms": self.loop_lag_ms,
            }
            for t in np.arange(0, self.total_ms + 500, 500)
        ]
        (folder / capture.HOST_LOAD).write_text("".join(json.dumps(line) + "\n" for line in load))

    def _manifest(self) -> Manifest:
        browser = Timeline(rate_hz=RATE_HZ, t0_mono_ms=T0_MONO_MS, error_ms=0.3, clock_id=CLOCK.id)
        browser = browser.model_copy(update=self.timeline)
        probe = Timeline(
            rate_hz=RATE_HZ, t0_mono_ms=T0_MONO_MS + min(0.0, self.probe_lag_ms), error_ms=0.1, clock_id=CLOCK.id
        )
        in_browser = self.lane == "browser"
        spoken = [
            SpokenAt(utterance=i, mic_sample=ms(item.at_ms) if in_browser and self.hints else None)
            for i, item in enumerate(self.said)
        ]
        return Manifest(
            run_id="t", trace_id="t-made-a1", case_id="made", attempt=1,
            lane="browser" if in_browser else "bot",
            mic="bot" if not in_browser else "device" if self.mic_mode == "device" else "scheduled",
            status=self.status, agent=self.agent,
            page=PageUnderTest(kind="product" if in_browser else "none"), room="r", started_at="2026-01-01T00:00:00Z",
            timelines={"probe": probe} | ({"browser": browser} if in_browser else {}),
            spoken=[item.model_copy(update=self.spoken) for item in spoken],
            pre_rtc_reason=None if self.pre else "it did not write it",
        )  # fmt: skip


def _wav(path: Path, samples: Samples, subtype: str) -> None:
    soundfile.write(path, np.clip(samples, -1, 1) if subtype == "PCM_16" else samples, RATE_HZ, subtype=subtype)


def simple_call(kpi_ms: float = 450.0, **changes: Any) -> Call:
    """One question of 1.2 s, one answer of 1.6 s, `kpi_ms` after the question's true end."""
    question = Said(500.0, speech(1_200, 1))
    answer = Replied(question.end_ms + kpi_ms, speech(1_600, 2))
    reply_changes = {key: changes.pop(key) for key in list(changes) if key in Replied.__dataclass_fields__}
    return Call(said=[question], replies=[replace(answer, **reply_changes)], **changes)


def designed_silence(start_ms: float, end_ms: float) -> dict[str, Any]:
    return {"expected_silence": [ExpectedSilence(start_ms=start_ms, end_ms=end_ms, where="reply").model_dump()]}
