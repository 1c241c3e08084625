"""A bench for one test: its own run folder, media server, agent, and browser if the lane has one."""

from __future__ import annotations

import shlex
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from harness.listen.metrics.claims import NO_PARTS
from harness.listen.validity import LOAD_LIMIT_PERCENT
from harness.live.bench import Bench, open_bench
from harness.model.expect import Expectation
from harness.model.measurement import Measurement, Turn
from harness.model.plan import NOTHING_TOLD, AgentSpec, BuiltCase, CallRules, Invitation, NetworkSpec, PageSpec, Plan
from harness.run.plan import new_run_id
from tests.conftest import PATIENCE_MS

MISBEHAVING = Path(__file__).parents[1] / "agents" / "misbehaving.py"

#: Nothing is waited for that will not come: no agent here greets unasked, or calls a tool for seconds.
BRISK = CallRules(greeting="none", turn_quiet_ms=1_500)

OpenBench = Callable[..., AbstractAsyncContextManager[Bench]]


#: Until an agent's program has started, imported its framework and joined. Nobody waits for it otherwise.
JOIN_S = 120.0
OVERLOADED = "the host was overloaded"  # what is measured then is not believed, whatever it is
STEPPED = "clock stepped"  # what a busy host does to the ear's


def misbehaving(mode: str) -> AgentSpec:
    return AgentSpec("command", shlex.join([sys.executable, str(MISBEHAVING), mode]), join_s=JOIN_S)


REFERENCE = AgentSpec("reference", "", True)


def asks_for_a_table(built: BuiltCase) -> BuiltCase:
    """The same words, of which an agent is expected to book a table before it says so."""
    expect = Expectation.model_validate(
        {
            "tools": [{"name": "book_table", "args": {"people": 2}, "before": "reply"}],
            "say_do": [{"says": "booked", "tool": "book_table"}],
        }
    )
    return replace(built, case=built.case.model_copy(update={"expect": expect}))


def is_overloaded(measurement: Measurement) -> bool:
    """Whether the measurement itself says that no processor was free, and that it is not to be believed."""
    disbelieved = [m.reason for turn in measurement.turns for m in turn.metrics.values() if m.invalid]
    return any(OVERLOADED in reason for reason in (*measurement.validity.reasons, *disbelieved))


def heard_as_sent(turn: Turn) -> None:
    """The reply is the agent's own, but where no core was free: an agent that waits for a processor sends what it can, while
    our own loop, which mostly sleeps, may not notice.
    """
    identity, cpu = turn.metrics["identity"], turn.metrics["host_cpu_ratio"].value
    if cpu is not None and cpu >= LOAD_LIMIT_PERCENT / 100:
        return
    assert identity.value is not None, identity.reason
    assert identity.value > 0.5, "what was said is heard as it was sent"


def parts_add_up(turn: Turn) -> None:
    """The difference between what the agent claims and what was heard, in its two parts.

    There are none where the agent's own times and its claim lie apart, as they do on a busy host.
    """
    difference, before, after = (turn.metrics[f"claim_{part}_ms"] for part in ("difference", "before", "after"))
    assert difference.value is not None, difference.reason
    if before.value is None or after.value is None:
        assert before.reason == after.reason == NO_PARTS
        return
    assert before.value + after.value == pytest.approx(difference.value, abs=25)


@pytest.fixture
def built(built: Callable[[str], BuiltCase]) -> Callable[[str], BuiltCase]:
    """A shipped case that gives a busy host time to answer."""

    def get(name: str) -> BuiltCase:
        shipped = built(name)
        return replace(shipped, case=shipped.case.model_copy(update={"reply_timeout_ms": PATIENCE_MS}))

    return get


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenBench:
    """`async with bench(agent=…, lane=…, page=…) as b: await b.attempt(case)`."""
    monkeypatch.setattr("harness.live.turn_over.EVENTS_GRACE_MS", PATIENCE_MS)  # its recogniser may think for so long

    @asynccontextmanager
    async def make(
        agent: AgentSpec = REFERENCE,
        lane: str = "bot",
        mic: str = "scheduled",
        page: PageSpec | None = None,
        agent_env: dict[str, str] | None = None,
        network: NetworkSpec | None = None,
        rules: CallRules = BRISK,
        invitation: Invitation = NOTHING_TOLD,
        otlp_in: int | Literal["auto", "off"] = "off",
    ) -> AsyncIterator[Bench]:
        run_id = new_run_id()
        run_dir = tmp_path / run_id
        run_dir.mkdir()
        plan = Plan(
            run_id,
            run_dir,
            (),
            "fast",
            lane,
            mic,
            agent,
            page or PageSpec(),
            network=network,
            rules=rules,
        )  # type: ignore[arg-type]
        plan = replace(plan, invitation=invitation, otlp_in=otlp_in)
        async with open_bench(plan, agent_env=agent_env) as opened:
            yield opened

    return make
