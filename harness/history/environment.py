"""What two runs must have in common to be compared, and what differs between them, by name.

A difference in KEYS refuses the comparison. The user can accept those in ACCEPTABLE by name, and they stay
visible in the result; the others never: numbers of another lane, microphone, network, machine, agent or page answer another
question. What the agent under test is made of (its commit, its own versions) is what changes from night to night: it is
shown, never compared. Cases are compared one by one, by the hash of their speech.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.code_hash import ears_hash, same_ears
from harness.model.case import Truth
from harness.model.machine import UNKNOWN

KEYS = (
    "lane",
    "mic",
    "profile",
    "machine class",
    "agent",
    "page",
    "chromium",
    "livekit-server",
    "livekit-client",
    "ears",
)
ACCEPTABLE = ("chromium", "livekit-server", "livekit-client", "ears")


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same. `about`: a key of KEYS, or `case NAME`."""

    about: str
    now: str
    then: str

    def __str__(self) -> str:
        return f"{self.about} is {self.now}, was {self.then}"


def environment_of(
    *,
    lane: str,
    mic: str,
    link: str,
    machine: str,
    agent: Mapping[str, Any],
    page: Mapping[str, Any],
    versions: Mapping[str, str],
    ears: str | None,
) -> dict[str, str]:
    """KEYS of a run. `agent`, `page`: as in the manifest."""
    of_browser = UNKNOWN if lane == "browser" else "none"
    instrumented = "instrumented" if agent.get("instrumented") else "not instrumented"
    return {
        "lane": lane,
        "mic": mic,
        "profile": link,
        "machine class": machine,
        "agent": f"{agent['kind']} {agent.get('spec', '')}".strip() + f", {instrumented}",
        "page": f"{page['kind']} {page.get('url_template', '')}".strip(),
        "chromium": versions.get("chromium", of_browser),
        "livekit-server": versions.get("livekit-server", UNKNOWN),
        "livekit-client": versions.get("livekit-client", of_browser),
        "ears": ears or UNKNOWN,
    }


def differences(
    now: Mapping[str, str], then: Mapping[str, str], accepted: Iterable[str] = ()
) -> tuple[list[Difference], list[Difference]]:
    """(differences that refuse the comparison, differences accepted)."""
    found = [
        Difference(key, now.get(key, UNKNOWN), then.get(key, UNKNOWN))
        for key in KEYS
        if not _same(key, now.get(key, UNKNOWN), then.get(key, UNKNOWN))
    ]
    taken = set(accepted) & set(ACCEPTABLE)
    return [d for d in found if d.about not in taken], [d for d in found if d.about in taken]


def _same(key: str, now: str, then: str) -> bool:
    return same_ears(now, then) if key == "ears" else now == then


def case_differences(now: Mapping[str, str | None], then: Mapping[str, str | None]) -> list[Difference]:
    """Cases that cannot be paired: their speech differs, or one side lacks them."""
    found = []
    for case in sorted({*now, *then}):
        if case not in now or case not in then:
            here, there = ("run", "not run") if case in now else ("not run", "run")
            found.append(Difference(f"case {case}", here, there))
        elif now[case] is None or now[case] != then[case]:
            found.append(Difference(f"case {case}", f"speech {now[case] or UNKNOWN}", f"{then[case] or UNKNOWN}"))
    return found


def case_hash(truth: Truth) -> str:
    """Hash of a case's speech and timing, to the sample: the truth with its WAV's hash, without names and wording.

    Another voice gives another WAV, so a baseline of one voice is refused for another. Of a dialogue it is all that may be
    said: which lines were said is the agent's doing.
    """
    if truth.lines_sha256:
        return truth.lines_sha256[:16]
    about = {"__all__": {"text", "words", "error_ms"}}
    said = truth.model_dump(
        mode="json", exclude={"case_id": True, "notes": True, "voices": True, "lines_sha256": True, "utterances": about}
    )
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def ears_version() -> str:
    """Version of the listening code: numbers of other versions differ until the run is measured again."""
    return ears_hash()
