"""Recordings of people → a suite of callers (case, WAV, truth) and a folder of what an agent may say.

From Debian's prompts the callers are those whose words are known here (`human_prompts`), the agent says others. A folder of
one's own has `callers/` (NAME.wav, beside it NAME.txt with the words) and `agents/`. Where words begin and end is found by level
in the file itself, before anything live; a person's pauses decide the suite: one breath, or sentences with pauses between them.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import yaml

from harness.errors import UsageError
from harness.model.case import CASE_RATE_HZ, Recording
from harness.speech.human_prompts import AGENT_LANGUAGE, CALLERS, IN_OTHER_LANGUAGES, NO_WORDS, WHOLE_FOLDERS
from harness.speech.recording import read_recording
from harness.speech.voiced import HOP_MS, frame_rms, threshold, voiced_span

ONE_BREATH, WITH_PAUSES = "human", "human_pauses"  # suites
CASES, AGENTS = "cases", "agents"  # folders of what is written
SUFFIXES = (".wav", ".flac", ".ogg")
LONGEST_BREATH_PAUSE_MS = 150.0  # an agent that waits 200 ms for the end of a turn waits through it
LEAD_MS, EDGE_MS = 500.0, 30.0
USUAL_DBFS, HEADROOM_DB = -23.0, 0.5
AGENT_S = (1.2, 9.0)  # of a recording that serves as a reply
PER_MS = CASE_RATE_HZ / 1e3


@dataclass(frozen=True)
class Caller:
    """One recording that becomes a case. `source`: where it is from, for the case's `about`."""

    name: str
    language: str
    path: Path
    text: str
    source: str


@dataclass(frozen=True)
class Written:
    """How much a suite holds."""

    one_breath: int
    with_pauses: int
    replies: int


def write_from_prompts(recordings: Path, into: Path) -> Written:
    """From the folders that `harness.provide.human_recordings` made. Raises CaseError."""
    agents = [p for p in _sounds(recordings / AGENT_LANGUAGE) if p.stem not in CALLERS and _is_reply(p)]
    return _write(list(_callers_of_prompts(recordings)), agents, into)


def write_from_folder(folder: Path, into: Path) -> Written:
    """From a folder of one's own. Raises UsageError if it holds no recording, CaseError for one that cannot be read."""
    callers = [
        Caller(path.stem, "own", path, _words_beside(path), f"{path.name}, a recording of your own")
        for path in _sounds(folder / "callers")
    ]
    agents = _sounds(folder / AGENTS)
    if not callers and not agents:
        raise UsageError(
            f"--human-folder {folder}: there is no recording in it; put what callers say into callers/ (NAME.wav, and NAME.txt "
            "with its words) and what an agent says into agents/"
        )
    return _write(callers, agents, into)


def _sounds(folder: Path) -> list[Path]:
    """By name; none where there is no such folder."""
    return sorted(p for p in folder.glob("*") if p.suffix.lower() in SUFFIXES) if folder.is_dir() else []


def _words_beside(path: Path) -> str:
    words = path.with_suffix(".txt")
    return " ".join(words.read_text(encoding="utf-8").split()) if words.is_file() else ""


def _callers_of_prompts(recordings: Path) -> Iterator[Caller]:
    for language in sorted(path.name for path in recordings.iterdir()):
        for path in _sounds(recordings / language):
            if language in WHOLE_FOLDERS:
                yield Caller(path.stem, "en", path, path.stem.replace("-", " "), "Debian's alsa-utils")
            elif path.stem in (CALLERS if language == AGENT_LANGUAGE else IN_OTHER_LANGUAGES):
                text = CALLERS[path.stem] if language == AGENT_LANGUAGE else ""
                yield Caller(path.stem, language, path, text, f"Debian's asterisk-core-sounds-{language}-g722")


def _is_reply(path: Path) -> bool:
    info = soundfile.info(path)
    return not path.stem.startswith(NO_WORDS) and AGENT_S[0] <= info.frames / info.samplerate <= AGENT_S[1]


def _write(callers: Sequence[Caller], agents: Sequence[Path], into: Path) -> Written:
    cases, voices = into / CASES, into / AGENTS
    cases.mkdir()
    voices.mkdir()
    twice = [name for name, n in Counter(_case_id(caller) for caller in callers).items() if n > 1]
    if twice:
        raise UsageError(f"{twice[0]}: two recordings would have this name as cases; rename one of them")
    pauses = [_write_case(caller, cases) for caller in callers]
    for path in agents:
        shutil.copy(path, voices / path.name)
    with_pauses = sum(pause_ms > LONGEST_BREATH_PAUSE_MS for pause_ms in pauses)
    return Written(len(pauses) - with_pauses, with_pauses, len(agents))


def _write_case(caller: Caller, folder: Path) -> float:
    """A case file and its WAV. Its longest pause, in ms."""
    case_id = _case_id(caller)
    read = read_recording(Recording(wav=caller.path.name), caller.path).samples / 32_768.0
    span = voiced_span(read, CASE_RATE_HZ)
    assert span is not None  # else read_recording refused it
    words, start = _cut(read, span)
    pause_ms = longest_pause_ms(read[span[0] : span[1]])
    lead = np.zeros(round(LEAD_MS * PER_MS))
    soundfile.write(folder / f"{case_id}.wav", np.concatenate([lead, words]), CASE_RATE_HZ, subtype="PCM_16")
    start_ms = LEAD_MS + start / PER_MS
    said = {
        "start_ms": round(start_ms, 3),
        "end_ms": round(start_ms + (span[1] - span[0]) / PER_MS, 3),
        "text": caller.text,
    }
    one_breath = pause_ms <= LONGEST_BREATH_PAUSE_MS
    case = {
        "id": case_id,
        "title": f"A person says: {caller.text or caller.name}"[:200],
        "tier": "P0",
        "suite": [ONE_BREATH if one_breath else WITH_PAUSES],
        "speech": {"wav": f"{case_id}.wav", "truth": [said], "level_dbfs": _level_dbfs(read[span[0] : span[1]])},
        "tags": [caller.language, "one_breath" if one_breath else "pauses"],
        "about": f"From {caller.source}; its longest pause is {pause_ms:.0f} ms.",
    }
    (folder / f"{case_id}.yaml").write_text(yaml.safe_dump(case, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return pause_ms


def _case_id(caller: Caller) -> str:
    plain = (c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in caller.name)
    return f"human_{caller.language}_{''.join(plain)}"[:60]


def _cut(samples: npt.NDArray[np.float64], span: tuple[int, int]) -> tuple[npt.NDArray[np.float64], int]:
    """The words with a little of the quiet around them, faded in and out; and where in it they begin."""
    edge = round(EDGE_MS * PER_MS)
    first, last = max(0, span[0] - edge), min(len(samples), span[1] + edge)
    words = samples[first:last].copy()
    before, after = span[0] - first, last - span[1]
    words[:before] *= np.linspace(0, 1, before)
    words[len(words) - after :] *= np.linspace(1, 0, after)
    return words, before


def longest_pause_ms(words: npt.NDArray[np.float64]) -> float:
    """The longest run below the level at which words count as voiced."""
    rms = frame_rms(words, CASE_RATE_HZ)
    loud = np.flatnonzero(rms > threshold(rms))
    return float(np.max(np.diff(loud), initial=1) - 1) * HOP_MS


def _level_dbfs(words: npt.NDArray[np.float64]) -> float:
    """That of all cases; lower where a peak would clip."""
    crest_db = 20 * np.log10(np.max(np.abs(words)) / np.sqrt(np.mean(words**2)))
    return min(USUAL_DBFS, float(np.floor((-crest_db - HEADROOM_DB) * 10) / 10))
