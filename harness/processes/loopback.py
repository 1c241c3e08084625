"""The variables that keep a program's requests to this machine away from its user's proxy. Pure."""

from __future__ import annotations

from collections.abc import Mapping

NAMES = ("NO_PROXY", "no_proxy")  # most programs look at the small one first, some at the other alone
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def past_the_proxy(env: Mapping[str, str]) -> dict[str, str]:
    """Both variables, with what the user has in them. `env`: the environment that the program would have."""
    given = {name: env[name] for name in NAMES if env.get(name)}
    kept = next(iter(given.values()), "")
    return {name: _with_loopback(given.get(name, kept)) for name in NAMES}


def _with_loopback(listed: str) -> str:
    there = [host for host in (part.strip() for part in listed.split(",")) if host]
    return ",".join([*there, *(host for host in LOOPBACK if host not in there)])
