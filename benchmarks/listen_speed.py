"""How long measuring takes, and how much memory, as a share of the audio's length. Run by hand:

    python benchmarks/listen_speed.py [CAPTURE_OR_RUN…] [--hour] [--minutes 60] [--profile]

Without captures it makes a call of five minutes. Each is measured on one core in a process of its own; a ring is a
recording of the agent (pre_rtc, post_rtc, ear) or of the user (post_user, mic). `--hour` makes a call of an hour with 600
turns and three rings, and prints the peak of resident memory.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from harness.listen.measure import listen
from harness.model import capture
from harness.model.capture import AgentUnderTest, Manifest, PageUnderTest, SpokenAt, Timeline, write_manifest
from harness.model.case import Case, Recipe, Say, SpokenUtterance, Tier, Truth, Utterance
from harness.model.events import AgentTurnTrace, Clock, ClockKind, ReplyCause, TurnTimes
from harness.model.status import CaptureStatus
from tests.listen.captures import PER_MS, RATE_HZ, codec, ms, speech

TURN_MS, QUESTION_AT_MS, REPLY_AT_MS = 6_000, 300, 2_200
QUESTION_MS, REPLY_MS, LAG_MS = 1_400, 3_000, 80
POOL = 24  # different replies
T0_MONO_MS = 1e6
ONE_CORE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
RINGS = ("pre_rtc", "post_rtc", "ear", "mic", "post_user")


def make_call(folder: Path, minutes: float) -> Path:
    """A capture of three rings with a turn every six seconds, written turn by turn."""
    folder.mkdir(parents=True)
    turns = max(1, round(minutes * 60e3 / TURN_MS))
    replies = [speech(REPLY_MS, n) for n in range(POOL)]
    heard = [codec(sound, n) for n, sound in enumerate(replies)]
    formats = {capture.EAR: "FLOAT", capture.MIC: "FLOAT"}
    names = (capture.PRE_RTC, capture.POST_RTC, capture.EAR, capture.MIC, capture.POST_USER, capture.SAID)
    files = {
        name: soundfile.SoundFile(folder / name, "w", RATE_HZ, 1, subtype=formats.get(name, "PCM_16")) for name in names
    }
    for turn in range(turns):
        reply = turn % POOL
        user, agent, pre = (np.zeros(ms(TURN_MS), np.float32) for _ in range(3))
        user[ms(QUESTION_AT_MS) :][: ms(QUESTION_MS)] = speech(QUESTION_MS, 1_000 + turn)
        agent[ms(REPLY_AT_MS) :][: len(heard[reply])] = heard[reply]
        pre[ms(REPLY_AT_MS - LAG_MS) :][: len(replies[reply])] = replies[reply]
        for name, samples in zip(names, (pre, agent, agent, user, user, user), strict=True):
            files[name].write(samples)
    for file in files.values():
        file.close()
    _write_records(folder, turns)
    return folder


def _write_records(folder: Path, turns: int) -> None:
    clock = Clock(id="mono:bench", kind=ClockKind.MONOTONIC)
    utterances, lines, trace_id = [], [], "t-long-a1"
    for n in range(turns):
        start = n * TURN_MS
        first, last = ms(start + QUESTION_AT_MS), ms(start + QUESTION_AT_MS + QUESTION_MS)
        utterances.append(SpokenUtterance(start_sample=first, end_sample=last))
        published = T0_MONO_MS + start + REPLY_AT_MS - LAG_MS
        times = TurnTimes(
            user_eot=T0_MONO_MS + last / PER_MS + 40, vad_end=published - 60, stt_done=published - 40,
            llm_first_token=published - 20, llm_first_segment=published - 10, tts_first_pcm=published - 5,
            first_publish=published, reply_end=published + REPLY_MS,
        )  # fmt: skip
        pre = ms(start + REPLY_AT_MS - LAG_MS)
        lines.append(
            AgentTurnTrace(
                trace_id=trace_id, reply_seq=n, clock=clock, t=times, pre_start_sample=pre,
                pre_end_sample=pre + ms(REPLY_MS), cause=ReplyCause.COMPLETED, vad_hangover_ms=200,
            ).model_dump_json()
        )  # fmt: skip
    (folder / capture.AGENT_TRACE).write_text("\n".join(lines) + "\n")
    length = ms(turns * TURN_MS)
    truth = Truth(case_id="long", n_samples=length, sha256="0" * 64, source="recipe", utterances=utterances)
    (folder / capture.TRUTH).write_text(truth.model_dump_json())
    recipe = Recipe(utterances=[Utterance(parts=[Say(say="words")])])
    case = Case(id="long", title="long", tier=Tier.P0, speech=recipe)
    (folder / capture.CASE).write_text(case.model_dump_json())
    frames = np.arange(0, length, 960, dtype=np.float64)
    np.save(folder / capture.ARRIVALS, np.stack([T0_MONO_MS + (frames + 960) / PER_MS, frames], axis=1))
    load = [{"t_mono_ms": T0_MONO_MS + t, "cpu_percent": 40, "loop_lag_ms": 2} for t in range(0, turns * TURN_MS, 1000)]
    (folder / capture.HOST_LOAD).write_text("".join(json.dumps(line) + "\n" for line in load))
    timeline = Timeline(rate_hz=RATE_HZ, t0_mono_ms=T0_MONO_MS, error_ms=0.2, clock_id=clock.id)
    spoken = [SpokenAt(utterance=n, mic_sample=u.start_sample) for n, u in enumerate(utterances)]
    write_manifest(
        folder,
        Manifest(
            run_id="t", trace_id=trace_id, case_id="long", attempt=1, lane="browser", mic="scheduled",
            status=CaptureStatus.OK, agent=AgentUnderTest(kind="reference", instrumented=True, vad_hangover_ms=200),
            page=PageUnderTest(kind="product"), room="r", started_at="2026-01-01T00:00:00Z", spoken=spoken,
            timelines={"browser": timeline, "probe": timeline},
        ),
    )  # fmt: skip


def measure_one(folder: Path, profile: bool) -> dict[str, object]:
    """In this process. Times are CPU seconds of one core."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    profiler = cProfile.Profile() if profile else None
    if profiler is not None:
        profiler.enable()
    started, cpu = time.perf_counter(), time.process_time()
    measurement = listen(folder)
    wall_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    if profiler is not None:
        profiler.disable()
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("cumulative").print_stats("harness|scipy|numpy", 45)
    seconds = [_seconds(folder / f"{ring}.wav") for ring in RINGS]
    rings_s = sum(s for s in seconds if s is not None)
    return {
        "capture": folder.name,
        "rings": sum(s is not None for s in seconds),
        "ring_audio_s": round(rings_s, 1),
        "turns": len(measurement.turns),
        "turns_with_kpi": sum(_has_kpi(turn.metrics) for turn in measurement.turns),
        "valid": measurement.validity.ok,
        "wall_s": round(wall_s, 2),
        "cpu_s": round(cpu_s, 2),
        "percent_per_ring": round(100 * cpu_s / rings_s, 2),
        "rss_before_mib": round(before),
        "rss_peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _seconds(path: Path) -> float | None:
    if not path.exists():
        return None
    info = soundfile.info(path)
    return info.frames / info.samplerate


def _has_kpi(metrics: dict) -> bool:
    return any(name in metrics and metrics[name].value is not None for name in ("user_kpi_ms", "eot_to_first_audio_ms"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captures", nargs="*", type=Path)
    parser.add_argument("--minutes", type=float, default=5, help="length of the call that is made")
    parser.add_argument("--hour", action="store_true", help="a call of an hour, with its peak of memory")
    parser.add_argument("--profile", action="store_true", help="where the time goes")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--make", type=Path, help="only make the call, in this folder")
    options = parser.parse_args()
    minutes = 60.0 if options.hour else options.minutes
    if options.one is not None:
        print(json.dumps(measure_one(options.one, options.profile)))
        return
    if options.make is not None:
        make_call(options.make, minutes)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folders = [f for path in options.captures for f in sorted({m.parent for m in path.rglob(capture.MANIFEST)})]
        if not folders:  # made by a process of its own, so that its memory is not counted
            made = Path(scratch) / "made"
            subprocess.run([sys.executable, __file__, "--make", made, "--minutes", str(minutes)], check=True)
            folders = [made]
        for folder in folders:
            extra = ["--profile"] if options.profile else []
            done = subprocess.run(
                [sys.executable, __file__, "--one", folder, *extra],
                check=True,
                capture_output=True,
                text=True,
                env=os.environ | ONE_CORE,
            )
            print(done.stdout.strip())
            print(done.stderr.strip(), file=sys.stderr)


if __name__ == "__main__":
    main()
