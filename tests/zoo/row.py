"""A row of the zoo: a stranger, how it is played, and what is right to say of it.

`says` is what a reader of the report finds there: plain words in which `{}` stands for any figure or name. It stands in the
docs as it is asserted (docs/reference/strangers.md). Times are ms.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.model.status import CaptureStatus, Status

Lane = Literal["bot", "browser"]
BOTH: tuple[Lane, ...] = ("bot", "browser")
BROWSER: tuple[Lane, ...] = ("browser",)


@dataclass(frozen=True)
class Latency:
    """End of turn → first audio at the second listener, as the agent is made; ± what the way and the agent's ear add."""

    ms: float
    within_ms: float


@dataclass(frozen=True)
class Row:
    """One stranger."""

    name: str
    does: str  # ends the sentence "what happens if your agent (page) …"
    status: Status
    says: str = ""
    capture: CaptureStatus = CaptureStatus.OK
    agent: str = "stranger.py"  # a file in agents/ with its arguments
    page: str | None = None  # a file in pages/; None: the product's page
    script: str | None = None  # what --page-script is given
    lanes: tuple[Lane, ...] = BOTH
    case: str = "question_short"  # a shipped case, or one in cases/
    options: Mapping[str, Any] = field(default_factory=dict)  # settings, by their names
    heard_s: float = 0.0  # of the agent's sound at least, in the recording
    heard_at_most_s: float = 1e3
    turns: int | None = 1  # the user's turns that a reply was heard to; None: the call was broken off
    timed: bool = False  # the status itself hangs on a latency
    latency: Latency | None = None
    limit_s: float = 60.0  # joining, talking, leaving, hearing
    quick: bool = False  # one of those that `make test` plays
    advice: str = ""  # for the docs: what to do

    @property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(re.escape(self.says).replace(re.escape("{}"), r".{1,60}?"))
