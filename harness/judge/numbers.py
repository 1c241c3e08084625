"""Numbers as they are printed. A shown number cannot lie: only 0 prints as 0, only 100 % as 100 %, and beside a limit
a number prints as on or across it only when it is.
"""

from __future__ import annotations

from collections.abc import Sequence

MOST_DIGITS = 12


def show(value: float | None, unit: str = "", *, beside: float | Sequence[float] | None = None) -> str:
    """`value` in `unit` (ms, %, or a count); a share (0 to 1) has the unit "share" and prints as %.

    `beside`: the limit, or limits, that it is read against, in the same unit.
    """
    if value is None:
        return "–"
    limits = [0.0]
    if beside is not None:
        limits += [beside] if isinstance(beside, float | int) else beside
    if unit == "share":
        return _percent(value, limits)
    if unit == "ms":
        return f"{_faithful(value, 0 if abs(value) >= 100 else 1, limits)} ms"
    if unit == "":
        plain = f"{value:g}"
        return plain if _same_side(float(plain), value, limits) else repr(value)
    return f"{_faithful(value, 2, limits)} {unit}"


def show_limit(op: str, threshold: float, unit: str = "") -> str:
    """A threshold as it is, not rounded: "<= 650 ms", "< 0.1 %"."""
    if unit == "share":
        return f"{op} {100 * threshold:.10g} %"
    return f"{op} {threshold:.10g} {unit}".rstrip()


def plain_number(value: float) -> str:
    """A number that somebody set, as it is: 1500, 0.1."""
    return f"{value:.10g}"


def _faithful(value: float, digits: int, limits: Sequence[float]) -> str:
    """Rounded to `digits`, or to more digits while rounding moves it across a limit."""
    while digits < MOST_DIGITS and not _same_side(round(value, digits), value, limits):
        digits += 1
    if not _same_side(round(value, digits), value, limits):
        return repr(value)
    return f"{value:.{digits}f}"


def _same_side(shown: float, value: float, limits: Sequence[float]) -> bool:
    return all((shown > limit, shown < limit) == (value > limit, value < limit) for limit in limits)


def _percent(share: float, limits: Sequence[float]) -> str:
    percent = 100 * share
    if percent == int(percent):
        return f"{percent:.0f} %"
    return f"{_faithful(percent, 1, [*(100 * limit for limit in limits), 100.0])} %"
