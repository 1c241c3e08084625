"""What was examined in the replies and what was not, in words: no report calls replies free of defects without it. Pure.

A kind of defect was examined in a reply if any ring has a number for it. Counts are of replies that were heard.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.capture import PRE_RTC
from harness.model.measurement import Turn

KINDS = {  # what a listener would call it → the metrics that look for it, of all rings
    "holes": ("dropout_count", "dropout_count_ear", "dropout_count_pre"),
    "clipping": ("clipping_ratio", "clipping_ratio_ear", "clipping_ratio_pre"),
    "clicks": ("click_count", "click_count_ear", "click_count_pre"),
    "booms": ("boom_count", "boom_count_ear", "boom_count_pre"),
    "bursts of noise": ("noise_burst_count", "noise_burst_count_ear", "noise_burst_count_pre"),
    "repeats": ("repeat_count", "repeat_count_ear", "repeat_count_pre"),
    "changes of sound": ("mel_distance_db", "mel_distance_ear_db"),
    "garbage and steady sounds": ("garbage_longest_ms", "garbage_longest_ear_ms", "garbage_longest_pre_ms"),
}
HOW_TO = f"without {PRE_RTC}; see docs/how_to/own_agent.md"
NO_REPLY = "No reply was heard, so nothing was examined for defects."


@dataclass(frozen=True)
class Examined:
    """`whole`: the kinds examined in all `replies`; `lacking`: the others, in how many, and why."""

    replies: int
    whole: tuple[str, ...]
    lacking: tuple[tuple[str, str], ...]  # kinds, with how many replies lack them; why

    @property
    def all_of_it(self) -> bool:
        return self.replies > 0 and not self.lacking

    def not_examined(self) -> str:
        """ "Not examined: holes, clicks (without pre_rtc.wav; …)." or ""."""
        if self.replies == 0:
            return NO_REPLY
        parts = [f"{kinds} ({why})" if why else kinds for kinds, why in self.lacking]
        return f"Not examined: {'; '.join(parts)}." if parts else ""

    def clean_bill(self, over_limit: Sequence[str] = ()) -> str:
        """What it means that no defect was found. `over_limit`: gates that fail or warn all the same."""
        if self.replies == 0:
            return NO_REPLY
        where = in_replies(self.replies)
        if over_limit:
            bill = f"Nothing in {where} is marked as a defect, but not every limit is kept: {', '.join(over_limit)}."
            return " ".join(filter(None, (bill, self.not_examined())))
        if self.all_of_it:
            return f"No defect was found in {where}."
        if not self.whole:
            return f"Nothing is known of defects in {where}. {self.not_examined()}"
        return f"No defect was found in {where} by what was examined: {', '.join(self.whole)}. {self.not_examined()}"


def in_replies(n: int) -> str:
    return f"{n} {'reply' if n == 1 else 'replies'}"


def examined(turns: Sequence[Turn]) -> Examined:
    """`turns`: any; those without a reply do not count."""
    heard = [turn for turn in turns if turn.spans]
    whole = []
    lacking: dict[tuple[int, str], list[str]] = {}
    for kind, names in KINDS.items():
        without = [turn for turn in heard if not _looked_for(turn, names)]
        if without:
            lacking.setdefault((len(without), _why(without, names)), []).append(kind)
        else:
            whole.append(kind)
    rows = tuple(
        (", ".join(kinds) + (f" in {n} of {len(heard)} replies" if n < len(heard) else ""), why)
        for (n, why), kinds in lacking.items()
    )
    return Examined(len(heard), tuple(whole) if heard else (), rows)


def _looked_for(turn: Turn, names: Sequence[str]) -> bool:
    found = [turn.metrics[name] for name in names if name in turn.metrics]
    return any(metric.value is not None for metric in found)


def _why(turns: Sequence[Turn], names: Sequence[str]) -> str:
    """The most frequent reason; for a missing recording of the agent's own, how to get it."""
    reasons = Counter(turn.metrics[name].reason for turn in turns for name in names if name in turn.metrics)
    reason = next((reason for reason, _ in reasons.most_common() if reason), "")
    return HOW_TO if PRE_RTC in reason and "docs/how_to/own_agent.md" in reason else reason
