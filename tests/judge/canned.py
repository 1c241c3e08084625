"""Measurements and verdicts made by hand, for tests that need no sound."""

from __future__ import annotations

from harness.judge.verdict import RunFacts, judge_attempt, judge_case, judge_run
from harness.model.capture import AgentUnderTest, Manifest, PageUnderTest
from harness.model.case import Case, Recipe
from harness.model.limits import SHIPPED, Limits
from harness.model.measurement import Measurement, Metric, Turn, Validity, WaterfallStep
from harness.model.status import CaptureStatus
from harness.model.verdict import CaseVerdict, Summary

GOOD = {
    "user_kpi_raw_ms": 450.0,
    "user_kpi_ms": 450.0,
    "eot_to_first_audio_ms": 430.0,
    "tts_first_to_publish_ms": 1.0,
    "fast_ttft_ms": 5.0,
    "effective_hangover_ms": 240.0,
    "eot_error_ms": 8.0,
    "max_gap_ms": 0.0,
    "dropout_count": 0.0,
    "dropout_count_ear": 0.0,
    "clipping_ratio": 0.0,
    "clipping_ratio_ear": 0.0,
    "audio_valid": 1.0,
    "identity": 0.93,
    "reply_ms": 1800.0,
    "inter_arrival_p95_ms": 20.3,
    "unexplained_ms": 0.4,
    "head_loss_ms": 0.0,
    "tail_loss_ms": 0.0,
    "dropout_count_pre": 0.0,
    "garbage_longest_pre_ms": 0.0,
    "click_count": 0.0,
    "boom_count": 0.0,
    "noise_burst_count": 0.0,
    "repeat_count": 0.0,
    "speed_ppm": 4.0,
    "pitch_shift_cents": 0.0,
    "hf_change_db": 0.1,
    "band_lost_hz": 0.0,
    "level_change_db": -0.1,
    "level_drop_db": -0.2,
    "compression_db": 0.05,
    "overdriven_ratio": 0.0,
    "mel_distance_db": 1.6,
    "leading_silence_ms": 10.0,
    "way_besides_buffer_ms": 35.0,
}
CALL = {
    "noise_floor_dbfs": -120.0,
    "hum_dbfs": -120.0,
    "user_echo_count": 0.0,
    "foreign_sound_count": 0.0,
    "reply_count": 1.0,
    "expected_reply_count": 1.0,
    "talk_over_count": 0.0,
    "unanswered_turn_count": 0.0,
    "unexpected_onset_count": 0.0,
    "user_heard_count": 1.0,
    "replies_complete_after_final_eot": 1.0,
    "bed_dbfs": -120.0,
    "hung_up_count": 0.0,
    "reopened_count": 0.0,
}
UNITS = {"audio_valid": "", "identity": "", "dropout_count": "", "clipping_ratio": ""}


def case(name: str = "c", **fields: object) -> Case:
    return Case.model_validate({"id": name, "title": f"case {name}", "tier": "P0", "speech": Recipe(), **fields})


def metric(value: float | None, unit: str = "ms", **fields: object) -> Metric:
    return Metric(value=value, unit=unit, **fields)  # type: ignore[arg-type]


def measurement(
    name: str = "c", *, attempt: int = 1, valid: bool = True, call: dict[str, Metric] | None = None, **turn: Metric
) -> Measurement:
    """A good turn, but for what `turn` says of it."""
    metrics = {key: metric(value, UNITS.get(key, "ms")) for key, value in GOOD.items()} | turn
    return Measurement(
        trace_id=f"r-{name}-a{attempt}",
        case_id=name,
        attempt=attempt,
        lane="browser",
        mic="scheduled",
        capture_status=CaptureStatus.OK,
        turns=[
            Turn(
                reply_seq=0,
                utterance=0,
                metrics=metrics,
                waterfall=[
                    WaterfallStep(name="hangover → VAD decided", ms=240.0),
                    WaterfallStep(name="unexplained", ms=0.4),
                ],
            )
        ],
        metrics={key: metric(value, "") for key, value in CALL.items()} | (call or {}),
        validity=Validity(ok=valid, reasons=[] if valid else ["the host was overloaded"]),
    )


def manifest(
    name: str = "c", *, attempt: int = 1, status: CaptureStatus = CaptureStatus.OK, detail: str = ""
) -> Manifest:
    return Manifest(
        run_id="r",
        trace_id=f"r-{name}-a{attempt}",
        case_id=name,
        attempt=attempt,
        lane="browser",
        mic="scheduled",
        status=status,
        detail=detail,
        agent=AgentUnderTest(kind="reference", instrumented=True),
        page=PageUnderTest(kind="product"),
        room="r",
        started_at="2026-01-01T00:00:00+00:00",
    )


def verdict(
    definition: Case,
    measured: Measurement | None,
    *,
    status: CaptureStatus = CaptureStatus.OK,
    detail: str = "",
    limits: Limits = SHIPPED,
) -> CaseVerdict:
    told = manifest(definition.id, status=status, detail=detail)
    folder = f"captures/r-{definition.id}-a1"
    return judge_case(definition, [judge_attempt(definition, told, measured, folder, limits=limits)])


def summary(cases: list[tuple[Case, CaseVerdict]], **facts: object) -> Summary:
    known: dict[str, object] = {
        "run_id": "r",
        "started_at": "2026-01-01T00:00:00+00:00",
        "finished_at": None,
        "complete": True,
        "interrupted": False,
        "strict": False,
        "suite": "fast",
        "lane": "browser",
        "mic": "scheduled",
        "agent": AgentUnderTest(kind="reference", instrumented=True),
        "page": PageUnderTest(kind="product"),
        "link": "none",
        "planned": tuple(definition.id for definition, _ in cases),
        "environment": {"versions": {"python": "3.11"}},
    }
    run = RunFacts(**{**known, **facts})  # type: ignore[arg-type]
    return judge_run(run, [v for _, v in cases], {definition.id: definition for definition, _ in cases})
