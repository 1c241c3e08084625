"""An engine's own figures: requests and how they ended, time to the first and the last result. Times in ms.

The last KEPT times are kept; a figure without any is None. An engine's health is how its last request ended.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

KEPT = 512


@dataclass(frozen=True)
class Health:
    """`detail` says what is wrong, or what is used instead; empty if all is well."""

    ok: bool
    detail: str = ""


@dataclass
class Request:
    """One request under way: call `first` at its first result."""

    started_s: float
    first_ms: float | None = None

    def first(self) -> None:
        """Only the first call counts."""
        if self.first_ms is None:
            self.first_ms = 1e3 * (time.monotonic() - self.started_s)


@dataclass
class EngineMetrics:
    name: str
    requests: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    last_error: str = ""
    first_ms: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    whole_ms: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))
    _last_failed: bool = False

    @contextmanager
    def request(self) -> Iterator[Request]:
        """Wrap one request, also inside an async generator: closing it early counts as cancelled."""
        self.requests += 1
        request = Request(time.monotonic())
        try:
            yield request
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise
        except Exception as error:
            self.failed += 1
            self.last_error, self._last_failed = f"{error}", True
            raise
        else:
            self.completed += 1
            self._last_failed = False
            self.whole_ms.append(1e3 * (time.monotonic() - request.started_s))
        finally:
            if request.first_ms is not None:
                self.first_ms.append(request.first_ms)

    def health(self) -> Health:
        return Health(not self._last_failed, self.last_error if self._last_failed else "")

    def snapshot(self) -> dict[str, Any]:
        """For /health: counts, and P50 and P95 of the times kept."""
        figures: dict[str, Any] = {
            "requests": self.requests,
            "completed": self.completed,
            "failed": self.failed,
            "cancelled": self.cancelled,
        }
        for name, kept in (("first_ms", self.first_ms), ("whole_ms", self.whole_ms)):
            for share in (50, 95):
                figures[f"{name}_p{share}"] = round(float(np.percentile(kept, share)), 1) if kept else None
        return figures
