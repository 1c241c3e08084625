"""Whether a pattern of a case (`re:`) is found in a text. A search ends: with its answer, or by its limit.

Python's `re` can take longer than anybody lives for a repetition within a repetition, and nothing can stop it. The module
`regex` matches Python's patterns too, and looks at a limit while it does.
"""

from __future__ import annotations

import re
from functools import lru_cache

LIMIT_S = 1.0  # of the processor's time; a pattern without such repetitions needs a few ms for the longest text
SHOWN = 60  # characters of a pattern in a sentence


class PatternTooSlowError(Exception):
    """A search reached LIMIT_S. The message is a sentence for whoever wrote the pattern."""


def why_no_pattern(pattern: str) -> str | None:
    """None for a pattern. It is Python's, and the other module has to take it as well."""
    import regex

    try:
        re.compile(pattern)
        regex.compile(pattern, regex.IGNORECASE)
    except (re.error, regex.error, OverflowError) as error:
        return str(error)
    except RecursionError:
        return "it is nested too deeply"
    return None


@lru_cache(maxsize=256)  # a dialogue asks again with every block of sound
def is_found(pattern: str, text: str) -> bool:
    """Raises PatternTooSlowError."""
    import regex

    try:
        return regex.search(pattern, text, regex.IGNORECASE, timeout=LIMIT_S) is not None
    except TimeoutError:
        shown = pattern if len(pattern) <= SHOWN else f"{pattern[:SHOWN]}…"
        raise PatternTooSlowError(
            f"the pattern {shown!r} found no end in {LIMIT_S:g} s of computing, on a text of {len(text)} characters: "
            "write it without a repetition within a repetition, as (a+)+ is"
        ) from None
