"""What the agent reports as its own latency, beside what the user waited: the claim of a dashboard, turn by turn.

The claim comes from the agent's trace (`claimed_latency_ms`, which `attach` of `earwitness.livekit` and `earwitness.pipecat`
writes) or from its spans. A claim that cannot be a latency (negative, 0, longer than the call) is kept, and marked as not to be
believed. Where it is known between which moments the agent counts, the difference has two parts: `claim_before_ms`, from the
user's true end of turn to where it starts to count, and `claim_after_ms`, from where it stops to the first audible sample.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.listen.metrics.told import NOT_PLACED, Told
from harness.listen.place.replies import SAMPLES_PER_MS
from harness.listen.place.scene import PAIRS, Scene
from harness.listen.place.turns import TurnHeard
from harness.listen.read.records import disbelieved, no_number, not_applicable, number
from harness.listen.told.replies import AGREE_MS
from harness.model.measurement import Metric

KPI = {"ear": "user_kpi_raw_ms", "post_rtc": "eot_to_first_audio_ms"}
NO_CLAIM = "the agent reports no latency of its own (docs/how_to/telemetry.md)"
NO_PARTS = "it is not known between which moments the agent counts"


@dataclass(frozen=True)
class Claim:
    """`name`: the figure as the agent calls it, "" where nothing that it told is placed in the turn.

    `from_ms`, `to_ms`: between which it counts, on the host's clock, if known.
    """

    name: str
    value_ms: float | None
    from_ms: float | None = None
    to_ms: float | None = None
    error_ms: float = 0.0  # of these two


def claim_metrics(scene: Scene, turn: TurnHeard, told: Told | None, kpi: Metric | None) -> dict[str, Metric]:
    """`kpi`: the lane's first latency of this turn. Empty for a reply that answers no turn."""
    if not turn.is_answer:
        return {}
    claim = _of_trace(scene, turn) or _of_spans(turn, told)
    if claim is None:
        ours = scene.capture.manifest.agent.kind == "reference"  # it has no dashboard
        return {} if ours else {"claimed_latency_ms": not_applicable("ms", NO_CLAIM)}
    if claim.value_ms is None:
        why = f"the agent reports no {claim.name} for this turn" if claim.name else NOT_PLACED
        return {"claimed_latency_ms": no_number("ms", f"missing: {why}")}
    claimed = number(claim.value_ms, "ms", reason=f"{claim.name}, as the agent reports it")
    absurd = why_absurd(claim.value_ms, _call_ms(scene))
    if absurd:
        claimed = disbelieved(claimed, absurd)
    metrics = {"claimed_latency_ms": claimed}
    if kpi is None or kpi.value is None:
        reason = kpi.reason if kpi is not None else "the latency was not measured"
        return metrics | {"claim_difference_ms": no_number("ms", reason)}
    metrics["claim_difference_ms"] = number(
        kpi.value - claim.value_ms, "ms", uncertainty=kpi.uncertainty, reason="heard minus claimed"
    )
    metrics |= _parts(scene, turn, claim, absurd)
    for doubt in filter(None, [absurd, kpi.reason if kpi.invalid else ""]):
        metrics |= {
            name: disbelieved(metric, doubt) for name, metric in metrics.items() if name != "claimed_latency_ms"
        }
    return metrics


def why_absurd(claimed_ms: float, call_ms: float | None) -> str:
    """Why this is no latency of a turn in this call; "" where it may be one."""
    if claimed_ms < 0:
        return "a latency is not negative"
    if claimed_ms == 0:
        return "no agent answers in 0 ms: the figure was cut off at 0, or never taken"
    if call_ms is not None and claimed_ms > call_ms:
        return f"longer than the call of {call_ms / 1e3:.1f} s"
    return ""


def _call_ms(scene: Scene) -> float | None:
    ring = scene.rings.get(scene.primary)
    return None if ring is None else len(ring.audio) / SAMPLES_PER_MS


def _of_trace(scene: Scene, turn: TurnHeard) -> Claim | None:
    trace = turn.announced.trace if turn.announced is not None else None
    if trace is None or not trace.claim:
        return None
    claimed_ms, begin_ms, end_ms = trace.claimed_latency_ms, trace.t.user_eot, trace.t.first_publish
    shared = scene.clocks.shared_with(PAIRS[scene.primary], trace)
    if claimed_ms is None or begin_ms is None or end_ms is None or not shared:
        return Claim(trace.claim, claimed_ms)
    if abs(end_ms - begin_ms - claimed_ms) > AGREE_MS:
        return Claim(trace.claim, claimed_ms)
    return Claim(trace.claim, claimed_ms, begin_ms, begin_ms + claimed_ms)


def _of_spans(turn: TurnHeard, told: Told | None) -> Claim | None:
    if told is None:
        return None
    reply = told.of(turn)
    if reply is None:
        return Claim("", None)
    begin_ms, end_ms = (
        None if wall_ms is None else told.clock.mono_ms(wall_ms)
        for wall_ms in (reply.counts_from_ms, reply.counts_to_ms)
    )
    return Claim(reply.claim, reply.claimed_ms, begin_ms, end_ms, told.clock.error_ms or 0.0)


def _parts(scene: Scene, turn: TurnHeard, claim: Claim, absurd: str) -> dict[str, Metric]:
    answer, user = turn.answers.get(scene.primary), PAIRS[scene.primary]
    ended_ms = scene.clocks.mono_ms(user, answer.turn.end) if answer is not None else None
    if (
        answer is None
        or answer.raw_ms is None
        or ended_ms is None
        or absurd
        or claim.from_ms is None
        or claim.to_ms is None
    ):
        return {name: no_number("ms", absurd or NO_PARTS) for name in ("claim_before_ms", "claim_after_ms")}
    timeline = scene.clocks.of(user)
    error_ms = round(claim.error_ms + answer.turn.error_ms + (timeline.error_ms if timeline is not None else 0.0), 2)
    return {
        "claim_before_ms": number(claim.from_ms - ended_ms, "ms", uncertainty=error_ms),
        "claim_after_ms": number(ended_ms + answer.raw_ms - claim.to_ms, "ms", uncertainty=error_ms),
    }
