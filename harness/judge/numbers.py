"""Numbers as they are printed. A shown number cannot lie: what is not 0 never prints as 0, what is not 100 % never
as 100 %.
"""

from __future__ import annotations

import math


def show(value: float | None, unit: str = "") -> str:
    """`value` in `unit` (ms, %, or a count); a share (0 to 1) has the unit "share" and prints as %."""
    if value is None:
        return "–"
    if unit == "share":
        return _percent(value)
    if unit == "ms":
        return f"{_at_least(value, 0 if abs(value) >= 100 else 1)} ms"
    if unit == "":
        return f"{value:g}"
    return f"{_at_least(value, 2)} {unit}"


def _at_least(value: float, digits: int) -> str:
    """Rounded to `digits`, with more of them while a value that is not 0 would print as 0."""
    while value != 0 and round(value, digits) == 0 and digits < 9:
        digits += 1
    return f"{value:.{digits}f}"


def _percent(share: float) -> str:
    percent = 100 * share
    digits = 1
    if percent == int(percent):
        return f"{percent:.0f} %"
    while digits < 9 and (round(percent, digits) in (0, 100)):
        digits += 1
    if percent < 100 and round(percent, digits) >= 100:
        percent = math.floor(percent * 10**digits) / 10**digits
    return f"{percent:.{digits}f} %"
