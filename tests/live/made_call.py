"""A call without a room: the user hears what a test's script plays, as fast as it can be heard.

Times are ms on the user's clock. `Script.play(at, ms)` is what the agent says; it may be called while the call runs.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bots.roster import Roster
from bots.timeline import Take
from harness.live.conversation import Conversation
from harness.live.hearing import Hearing
from harness.model.case import Case, Recipe, SpokenUtterance, Tier, Truth
from harness.model.plan import CallRules

PER_MS = 48
BLOCK_MS = 20


@dataclass
class MadeProbe:
    """What a conversation asks of the probe."""

    agent_state: str | None = None
    agent_has_track: bool = True
    user_left: str | None = None
    takes: list[Take] = field(
        default_factory=lambda: [Take("user", arrivals_ms=[math.inf], levels_dbfs=[-20.0])]  # the user was heard
    )
    ended_how: str = "deleted the room"
    quiet_ms: float | None = 0.0  # of the agent, when its last frame came
    roster: Roster = field(default_factory=lambda: Roster(invited="agent"))
    agent_gone: asyncio.Event = field(default_factory=asyncio.Event)
    agent_present: asyncio.Event = field(default_factory=asyncio.Event)
    room_ended: asyncio.Event = field(default_factory=asyncio.Event)
    second_agent: asyncio.Event = field(default_factory=asyncio.Event)

    async def agent_delivered(self) -> int | None:
        """Here: how quiet the agent is by now."""
        return None if self.quiet_ms is None else int(self.quiet_ms)

    def agent_quiet_ms(self, delivered: int) -> float:
        return float(delivered)


@dataclass
class Script:
    """The user's side of the call, and what the agent plays into it. `on_said(n, end_ms)` answers utterance n."""

    mic: str = "scheduled"
    level: float = 0.1
    hearing: Hearing = field(default_factory=Hearing)
    said_ms: list[tuple[float, float]] = field(default_factory=list)
    probe: MadeProbe = field(default_factory=MadeProbe)
    at_ms: dict[float, Any] = field(default_factory=dict)  # time → called once it has come
    on_said: Any = None
    _played: list[tuple[float, float]] = field(default_factory=list)
    varies: bool = (
        False  # in level, as a voice does; what keeps its level before anybody has spoken is a telephone's tone
    )

    def play(self, at_ms: float, for_ms: float) -> None:
        self._played.append((at_ms, at_ms + for_ms))

    @property
    def now_ms(self) -> float:
        return self.hearing.now / PER_MS

    async def now_sample(self) -> int:
        return self.hearing.now

    async def speak(self, samples: np.ndarray, at_sample: int | None) -> int:
        start = max(at_sample or 0, self.hearing.now)
        self.said_ms.append((start / PER_MS, (start + len(samples)) / PER_MS))
        if self.on_said is not None:
            self.on_said(len(self.said_ms) - 1, (start + len(samples)) / PER_MS)
        return start

    async def unplayed(self, since: int) -> None:
        return None

    async def run(self) -> None:
        """Plays for ever; whoever started it cancels it."""
        while True:
            now = self.now_ms
            for due in [t for t in self.at_ms if t <= now]:
                self.at_ms.pop(due)()
            sounds = any(start <= now < end for start, end in self._played)
            level = self.level * (0.7 if self.varies and now % 200 < 100 else 1.0)
            self.hearing.feed(self.hearing.now, np.full(BLOCK_MS * PER_MS, level if sounds else 0.0, np.float32))
            for _ in range(10):  # others have their turn, several of them before anything more is heard
                await asyncio.sleep(0)


def made_talk(script: Script, turns: int = 1, *, after: str = "reply_end", delay_ms: float = 300.0, **kept: Any) -> Any:
    """A conversation of utterances of one second; all but the first hang on the reply before."""
    rules = kept.pop("rules", CallRules(greeting="none", turn_quiet_ms=1_500))
    case = Case(id="x", title="x", tier=Tier.P0, speech=Recipe(), reply_timeout_ms=3_000, max_reply_ms=8_000, **kept)
    second = 1_000 * PER_MS
    utterances = [
        SpokenUtterance(
            start_sample=2 * n * second,
            end_sample=(2 * n + 1) * second,
            after=after if n else None,  # type: ignore[arg-type]
            delay_ms=delay_ms if n else None,
        )
        for n in range(turns)
    ]
    n_samples = utterances[-1].end_sample
    truth = Truth(case_id="x", n_samples=n_samples, sha256="", source="recipe", utterances=utterances)
    said = np.zeros(n_samples, np.int16)
    return Conversation(case, truth, said, script, script.probe, instrumented=False, rules=rules)  # type: ignore[arg-type]


async def held(script: Script, talk: Conversation, *, also: Any = None) -> Any:
    """Hold it to its end, or to that of `also` (which is returned)."""
    playing = asyncio.create_task(script.run())
    holding = asyncio.create_task(talk.hold())
    watching = asyncio.create_task(also) if also is not None else None
    tasks = [holding, *([watching] if watching is not None else [])]
    try:
        async with asyncio.timeout(30):
            await asyncio.wait({*tasks, playing}, return_when=asyncio.FIRST_COMPLETED)
        done = holding if holding.done() else watching if watching is not None and watching.done() else playing
        return done.result()
    finally:
        for task in (*tasks, playing):
            task.cancel()
        await asyncio.gather(*tasks, playing, return_exceptions=True)
