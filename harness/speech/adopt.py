"""A recorded call becomes a case: the user's words as WAVs, and starts that hang on the agent's replies as they did there.

What to play when is decided by spans alone (`plan`); writing it is apart (`write_case`). Positions are samples at 48 kHz of the
recording. Where the user waited for a reply, the start of their next words hangs on its end; where they spoke into it, on its
beginning. Words with no reply between them are one utterance with its pause.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from harness.errors import UsageError
from harness.model.capture import write_atomic
from harness.model.case import CASE_ID_PATTERN, CASE_RATE_HZ
from harness.speech.recording import to_int16

FIRST_MS = 500.0
MARGIN_MS = 100.0  # of sound kept on either side of the words, to be heard and moved
LONGEST_PAUSE_MS = 20_000.0
LONGEST_DELAY_MS = 60_000.0
LONGEST_CASE_MS = 600_000.0
LEAST_LATE_MS, LEAST_EARLY_MS = 1_500.0, 400.0  # a window for the device microphone, which plays the WAV as it is
BACKCHANNEL_MS = 1_000.0  # a shorter word over an agent that goes on as long again is no turn
LEVELS_DBFS = (-70.0, -6.0)
PER_MS = CASE_RATE_HZ / 1e3

NOT_KNOWN = (
    "the words: nobody wrote them down, so `text` is empty and nothing is expected of what is said; `earwitness cases --export` "
    "lets you hear them, `expect:` asks for words",
    "what the agent should have done: the case asks for an answer to each turn, and for no other behaviour of the recording",
    "the pace of another agent: the starts are those of this one call; where the harness needs longer to know that a reply is "
    "over, the next words come later",
)

Samples = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Words:
    """[start, end) of one stretch of the user's words in the recording; `number` is theirs there."""

    number: int
    start: int
    end: int
    error_ms: float | None = None


@dataclass(frozen=True)
class Played:
    """One utterance of the case. `after` None: at a fixed time."""

    words: tuple[Words, ...]
    after: Literal["reply_start", "reply_end"] | None
    delay_ms: float
    is_turn: bool = True

    @property
    def start(self) -> int:
        return self.words[0].start


@dataclass(frozen=True)
class Plan:
    """What is played, in order. `notes`: what was assumed, or left out."""

    played: tuple[Played, ...]
    notes: tuple[str, ...]


def plan(words: Sequence[Words], agent: Sequence[tuple[int, int]]) -> Plan:
    """`words`: of the user, in order; `agent`: stretches of the agent's speech."""
    played: list[Played] = []
    notes: list[str] = []
    for index, said in enumerate(words):
        if _backchannel(said, agent) and index > 0:
            at = f"turn {said.number + 1} is a short word over the agent, which goes on:"
            if index < len(words) - 1:
                notes.append(f"{at} left out, since nothing tells when it would come in another call")
                continue
            notes.append(f"{at} taken for no turn (is_turn: false)")
        if not played:
            played.append(Played((said,), None, FIRST_MS))
            continue
        before = played[-1]
        replies = [span for span in agent if span[1] > before.start and before.words[0].start <= span[0] < said.start]
        if replies:
            following = _after_reply(said, before, replies, is_turn=not _backchannel(said, agent))
            if following.delay_ms > LONGEST_DELAY_MS:
                notes.append(_sooner(following))
                following = replace(following, delay_ms=LONGEST_DELAY_MS)
            played.append(following)
            continue
        pause_ms = (said.start - before.words[-1].end) / PER_MS
        longer = f" (in the recording {pause_ms / 1e3:.1f} s)" if pause_ms > LONGEST_PAUSE_MS else ""
        notes.append(
            f"turn {said.number + 1} follows turn {before.words[-1].number + 1} with no reply between: they are one utterance "
            f"with a pause of {min(pause_ms, LONGEST_PAUSE_MS) / 1e3:.1f} s{longer}"
        )
        played[-1] = Played((*before.words, said), before.after, before.delay_ms, before.is_turn)
    return Plan(tuple(played), tuple(notes))


def _sooner(played: Played) -> str:
    event = "began" if played.after == "reply_start" else "ended"
    return (
        f"turn {played.words[0].number + 1} comes {LONGEST_DELAY_MS / 1e3:.0f} s after the reply {event}, the longest that a "
        f"case waits (in the recording {played.delay_ms / 1e3:.1f} s)"
    )


def _backchannel(said: Words, agent: Sequence[tuple[int, int]]) -> bool:
    length = said.end - said.start
    if length >= BACKCHANNEL_MS * PER_MS:
        return False
    return any(start < said.start and end - said.end >= BACKCHANNEL_MS * PER_MS for start, end in agent)


def _after_reply(said: Words, before: Played, replies: Sequence[tuple[int, int]], *, is_turn: bool) -> Played:
    last = replies[-1]
    if last[1] > said.start:  # spoken into the reply: so long after it began
        ends = before.words[-1].end
        begun = next((start for start, _ in replies if start >= ends), replies[0][0])
        return Played((said,), "reply_start", round((said.start - begun) / PER_MS, 1), is_turn)
    return Played((said,), "reply_end", round((said.start - last[1]) / PER_MS, 1), is_turn)


@dataclass(frozen=True)
class Adopted:
    """What was written, and what is to be said of it."""

    case: Path
    wavs: tuple[Path, ...]
    notes: tuple[str, ...]


def write_case(
    plan_: Plan, sound: Samples, case_id: str, title: str, about: str, folder: Path, *, greets: bool = False
) -> Adopted:
    """`plan_`: of one word at least; `sound`: the user, 48 kHz mono. `greets`: the agent spoke first. Raises UsageError."""
    check_free(case_id, folder)
    path = folder / f"{case_id}.yaml"
    first = plan_.played[0].start
    last_ms = FIRST_MS + (plan_.played[-1].words[-1].end - first) / PER_MS
    if last_ms > LONGEST_CASE_MS:
        raise UsageError(
            f"{path}: the user's words last {last_ms / 1e3:.0f} s from the first to the last, and a case holds "
            f"{LONGEST_CASE_MS / 1e3:.0f}; `earwitness check CALL --pin N` makes a case of one moment"
        )
    wavs = {words: folder / f"{case_id}_{words.number + 1}.wav" for played in plan_.played for words in played.words}
    there = [file for file in wavs.values() if file.exists()]
    if there:
        raise UsageError(f"{there[0]}: is there already; --id names the case otherwise, --out another folder")
    from harness.speech.build import wav_bytes

    cuts = {words: _cut(words, sound) for words in wavs}
    sounds = {words: np.asarray(sound[slice(*cut)], np.float64) for words, cut in cuts.items()}
    loudest = max(float(np.max(np.abs(part))) for part in sounds.values())
    notes = list(plan_.notes)
    if loudest > 1:
        notes.append(
            f"the recording goes {20 * np.log10(loudest):.1f} dB over full scale: its words are that much softer"
        )
        sounds = {words: part / loudest for words, part in sounds.items()}
    text = _yaml(plan_, sounds, case_id, title, about, cuts, wavs, greets, notes)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for words, file in wavs.items():
            write_atomic(file, wav_bytes(to_int16(sounds[words])))
        write_atomic(path, text.encode())
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror or error}); --out names a folder") from error
    return Adopted(path, tuple(wavs.values()), tuple(notes))


def check_free(case_id: str, folder: Path) -> None:
    """Raises UsageError for a wrong id, or one that is taken."""
    if not re.match(CASE_ID_PATTERN, case_id):
        raise UsageError(f"--id {case_id}: letters, digits, . _ and -, 60 at most")
    if (folder / f"{case_id}.yaml").exists():
        raise UsageError(
            f"{folder / case_id}.yaml: is there already; --id names the case otherwise, --out another folder"
        )


def id_from(name: str) -> str:
    """A case's id from a file's name."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("._-")[:50] or "call"


def _cut(words: Words, sound: Samples) -> tuple[int, int]:
    margin = round(MARGIN_MS * PER_MS)
    return max(0, words.start - margin), min(len(sound), words.end + margin)


def _yaml(
    plan_: Plan,
    sounds: Mapping[Words, Samples],
    case_id: str,
    title: str,
    about: str,
    cuts: dict[Words, tuple[int, int]],
    wavs: dict[Words, Path],
    greets: bool,
    notes: Sequence[str],
) -> str:
    lines = ["# Adopted from a recording. What it cannot know:"]
    lines += [f"# - {line}" for line in (*NOT_KNOWN, *notes)]
    lines += [
        f"id: {_text(case_id)}",
        f"title: {_text(title[:200])}",
        "tier: P1",
        "suite: [adopted]",
        f"about: {_text(about)}",
    ]
    lines += ["greeting: required"] if greets else []
    lines += ["interrupts: true"] if plan_.played[-1].after == "reply_start" and plan_.played[-1].is_turn else []
    lines += ["talk_over_allowed: true"] if any(len(played.words) > 1 for played in plan_.played) else []
    lines += ["speech:", "  utterances:"]
    first = plan_.played[0].start
    for index, played in enumerate(plan_.played):
        lines += ["    - parts:"]
        for at, words in enumerate(played.words):
            if at:
                pause_ms = min(LONGEST_PAUSE_MS, (words.start - played.words[at - 1].end) / PER_MS)
                lines.append(f"        - {{pause_ms: {pause_ms:.1f}}}")
            begin = cuts[words][0]
            given = f"wav: {_text(wavs[words].name)}, start_ms: {_ms(words.start - begin)}, end_ms: {_ms(words.end - begin)}"
            given += f", error_ms: {words.error_ms:g}" if words.error_ms is not None else ""
            lines.append(f"        - {{{given}}}")
        parts = [sounds[words][words.start - cuts[words][0] : words.end - cuts[words][0]] for words in played.words]
        lines.append(f"      level_dbfs: {_level_dbfs(parts):.1f}")
        lines += [] if played.is_turn else ["      is_turn: false"]
        lines.append(f"      start: {_start(played, index, FIRST_MS + (played.start - first) / PER_MS)}")
    return "\n".join(lines) + "\n"


def _start(played: Played, index: int, nominal_ms: float) -> str:
    if played.after is None:
        return f"{{at_ms: {played.delay_ms:g}}}"
    low_ms = max(0.0, played.delay_ms - LEAST_EARLY_MS) if played.after == "reply_start" else 0.0
    high_ms = played.delay_ms + LEAST_LATE_MS
    return (
        f"{{after: {played.after}, delay_ms: {played.delay_ms:.1f}, reply: {index - 1}, nominal_ms: {nominal_ms:.1f}, "
        f"window_ms: [{low_ms:.0f}, {high_ms:.0f}]}}"
    )


def _level_dbfs(parts: Sequence[Samples]) -> float:
    """As recorded; rounded down, so that it never clips."""
    level_dbfs = 10 * np.log10(np.mean(np.concatenate(parts) ** 2) + 1e-12)
    return float(np.clip(np.floor(level_dbfs * 10) / 10, *LEVELS_DBFS))


def _ms(samples: int) -> str:
    return f"{samples / PER_MS:.4f}".rstrip("0").rstrip(".")


def _text(text: str) -> str:
    """A YAML string on one line."""
    return json.dumps(text, ensure_ascii=False)
