"""Where `earwitness setup` puts what the agent reads. `harness.provide.cache` finds the folder the same way, and fills it."""

from __future__ import annotations

import os
from pathlib import Path


def cached(name: str) -> Path:
    """A part of the cache, there or not: EARWITNESS_CACHE > XDG_CACHE_HOME > ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("EARWITNESS_CACHE") or Path(base) / "earwitness") / name
