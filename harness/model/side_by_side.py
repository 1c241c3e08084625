"""How the sessions of a run were kept from disturbing each other: part of `summary.json`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class SideBySide(BaseModel):
    """What the governor did. `holds`: starts it held back because the host was busy, `held_s` in all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    jobs: int  # sessions at once, at most
    why: str = ""  # how that number was chosen
    sessions: int = 0
    holds: int = 0
    held_s: float = 0.0
    waited_s: float = 0.0  # by all sessions together, while others were measured or launched
    overruns: list[str] = Field(default_factory=list)  # waits that reached their limit: the run went on

    def in_words(self) -> str:
        """One line."""
        held = f"{_times(self.holds)}, {self.held_s:.1f} s in all" if self.holds else "never"
        parts = [
            f"up to {self.jobs} sessions at once{f' ({self.why})' if self.why else ''}",
            f"starts held back because the host was busy: {held}",
            f"waited for each other: {self.waited_s:.0f} s, all {self.sessions} sessions together",
        ]
        if self.overruns:
            parts.append(f"did not wait any longer {_times(len(self.overruns))}: {self.overruns[0]}")
        return "; ".join(parts)


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n} times"
