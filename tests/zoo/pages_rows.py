"""The strange pages, a row each; the agent behind them answers each turn. Files are in pages/."""

from __future__ import annotations

from tests.zoo.row import Row

PAGES: tuple[Row, ...] = ()
