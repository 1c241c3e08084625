"""Look on at what an agent's objects do, without changing it: what fails in looking on is logged once, and stays here."""

from __future__ import annotations

import functools
from collections.abc import Callable
from logging import Logger
from typing import Any


class Guard:
    """Wraps what an agent's framework calls. The result takes any arguments, as an emitter passes what it is able to."""

    def __init__(self, log: Logger) -> None:
        self._log, self._failed = log, False

    def __call__(self, function: Callable[..., object]) -> Callable[..., None]:
        def guarded(*arguments: Any) -> None:
            try:
                function(*arguments)
            except Exception:
                if not self._failed:
                    self._log.exception("earwitness: a part of the call is not measured inside")
                self._failed = True

        return guarded


def before(target: Any, name: str, note: Callable[..., None]) -> None:
    """Let `note` see the arguments of each call of a method ahead of the method itself, sync or async alike."""
    method = getattr(target, name)

    @functools.wraps(method)
    def noted(*arguments: Any, **named: Any) -> Any:
        note(*arguments, *named.values())
        return method(*arguments, **named)

    setattr(target, name, noted)
