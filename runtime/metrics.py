"""Prometheus metrics of the agent and the token server. They hold neither speakers nor words.

A scrape computes the agent's metrics from the turns that it keeps anyway: counting costs a turn nothing. Times are seconds,
as Prometheus wants them. /metrics needs the control token.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Counter as PrometheusCounter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from runtime.loopback import bears
from runtime.trace import TurnRecord

PLAIN_TEXT = "text/plain; version=0.0.4; charset=utf-8"
ANSWER_BUCKETS_S = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0, 5.0)


def outcome_of(turn: TurnRecord) -> str:
    """How a turn ended; an `unfinished` turn still runs, or was cut off before it became audible."""
    if turn.cause is not None:
        return turn.cause.value
    return "cancelled" if "cancel" in turn.t else "unfinished"


def _tasks() -> int:
    """Number of tasks; 0 outside an event loop."""
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return 0


@dataclass
class TurnCounts:
    """Sums over turns. `answer_s`: end of turn decided → first frame published."""

    outcomes: Counter[str] = field(default_factory=Counter)
    underruns: int = 0
    starved_s: float = 0.0
    answer_s: list[int] = field(default_factory=lambda: [0] * (len(ANSWER_BUCKETS_S) + 1))
    answer_sum_s: float = 0.0

    def add(self, turns: Iterable[TurnRecord]) -> None:
        for turn in turns:
            self.outcomes[outcome_of(turn)] += 1
            self.underruns += turn.underruns
            self.starved_s += turn.starved_ms / 1e3
            if "first_publish" in turn.t and "vad_end" in turn.t:
                took_s = max(0.0, turn.t["first_publish"] - turn.t["vad_end"]) / 1e3
                self.answer_sum_s += took_s
                bucket = next((n for n, edge_s in enumerate(ANSWER_BUCKETS_S) if took_s <= edge_s), -1)
                self.answer_s[bucket] += 1

    def copy(self) -> TurnCounts:
        return TurnCounts(self.outcomes.copy(), self.underruns, self.starved_s, list(self.answer_s), self.answer_sum_s)


@dataclass(eq=False)  # a collector is known by its identity
class AgentMetrics(Collector):
    """`turns_now` gives the turns of every room that the agent is in; `room_ended` takes over a left room's turns."""

    turns_now: Callable[[], list[list[TurnRecord]]]
    ended: TurnCounts = field(default_factory=TurnCounts)
    rooms_ended: int = 0

    def room_ended(self, turns: list[TurnRecord]) -> None:
        self.ended.add(turns)
        self.rooms_ended += 1

    def collect(self) -> Iterator[Metric]:
        counts = self.ended.copy()
        rooms = self.turns_now()
        for turns in rooms:
            counts.add(turns)
        yield GaugeMetricFamily("earwitness_agent_rooms", "Rooms that the agent is in.", value=len(rooms))
        yield GaugeMetricFamily("earwitness_agent_tasks", "Tasks of its event loop.", value=_tasks())
        yield CounterMetricFamily("earwitness_agent_rooms_ended", "Rooms that it has left.", value=self.rooms_ended)
        ended = CounterMetricFamily("earwitness_agent_turns", "Turns of users, by how they ended.", labels=["outcome"])
        for outcome, count in sorted(counts.outcomes.items()):
            ended.add_metric([outcome], count)
        yield ended
        yield CounterMetricFamily("earwitness_agent_underruns", "Frames that came too late.", value=counts.underruns)
        yield CounterMetricFamily(
            "earwitness_agent_starved_seconds", "WebRTC had nothing to send.", value=counts.starved_s
        )
        total, buckets = 0, []
        for edge, count in zip((*map(str, ANSWER_BUCKETS_S), "+Inf"), counts.answer_s, strict=True):
            total += count
            buckets.append((edge, float(total)))
        answer = HistogramMetricFamily(
            "earwitness_agent_answer_seconds", "End of turn decided → first sound published."
        )
        answer.add_metric([], buckets, sum_value=counts.answer_sum_s)
        yield answer


class TokenMetrics:
    """Answers of the token server by path and status."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._answers = PrometheusCounter(
            "earwitness_page_token_requests",
            "Requests for a token, by HTTP status.",
            ["status"],
            registry=self.registry,
        )

    async def count(self, request: web.Request, response: web.StreamResponse) -> None:
        if request.path == "/api/token":
            self._answers.labels(str(response.status)).inc()


def metrics_route(registry: CollectorRegistry, token: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def metrics(request: web.Request) -> web.Response:
        if not bears(request, token):
            raise web.HTTPUnauthorized(text="wrong or missing control token")
        return web.Response(body=generate_latest(registry), headers={"Content-Type": PLAIN_TEXT})

    return metrics
