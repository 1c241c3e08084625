"""One reason that holds for many things, said once; one that ends with another ("needs X; the agent …") is the same. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def by_reason(reasons: Iterable[tuple[str, str]]) -> list[tuple[list[str], str]]:
    """(names, why) of (name, why), in the order in which each reason came first."""
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
