"""Group names by their reason; a reason that ends with another ("needs X; the agent …") counts as that one. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def by_reason(reasons: Iterable[tuple[str, str]]) -> list[tuple[list[str], str]]:
    """(name, why) pairs as (names, why), in the order of each reason's first occurrence."""
    given = list(reasons)
    known = {reason for _, reason in given}
    found: dict[str, list[str]] = {}
    for name, reason in given:
        rest = reason
        while "; " in rest:
            rest = rest.partition("; ")[2]
            if rest in known:
                reason = rest
        found.setdefault(reason, []).append(name)
    return [(names, reason) for reason, names in found.items()]
