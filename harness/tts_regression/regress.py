"""One regression run of a TTS engine: every sentence, several times over, measured, judged and written down.

Runs go over all sentences in turn, in an order drawn anew for each run (seeded), so that the state one sentence leaves in
the engine meets another. One unmeasured request comes first: a cold engine is not the subject.
"""

from __future__ import annotations

import datetime
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import soundfile

from harness.errors import HarnessError, UsageError
from harness.model.capture import write_atomic
from harness.model.tts import Pin, SentenceResult, TtsRun
from harness.tts_regression.gates import exit_code, headline, judge, status_of
from harness.tts_regression.golden import Golden, check_fits, read_golden, write_golden
from harness.tts_regression.measure import measure_sentence
from harness.tts_regression.sentences import Sentence
from harness.tts_regression.spoken import Spoken
from harness.tts_regression.target import SpeakError, Target

RUNS = {"fast": 3, "full": 10}
RECORD = "tts.json"
WARM_UP_TEXT = "Ready."


@dataclass(frozen=True)
class Asked:
    """What one run is to do."""

    form: Literal["fast", "full"]
    sentences: tuple[Sentence, ...]
    golden: Path
    runs_dir: Path
    run_id: str
    set_golden: bool = False
    replace: bool = False
    deterministic: bool = True
    strict: bool = False

    @property
    def folder(self) -> Path:
        return self.runs_dir / self.run_id


async def regress(target: Target, asked: Asked, on_note: Callable[[str], None]) -> TtsRun:
    """Writes the run's folder (and the golden baseline, if that is asked for). Raises UsageError, HarnessError."""
    began_s, started_at = time.monotonic(), datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    pin = await target.pin()
    golden = None if asked.set_golden else read_golden(asked.golden)
    if golden is not None:
        check_fits(golden, pin, asked.sentences)
    try:
        await target.speak(WARM_UP_TEXT)
    except SpeakError as error:
        raise HarnessError(f"{target.url}: does not speak at all: {error}") from error
    said = await _speak_all(target, asked, on_note)
    notes = _notes(pin, asked, said)
    if asked.set_golden:
        golden = _made_golden(asked, pin, started_at, said)
    results = [_measured(asked, sentence, said[sentence], golden) for sentence in asked.sentences]
    gates = judge(results)
    status = status_of(gates)
    run = TtsRun(
        run_id=asked.run_id,
        started_at=started_at,
        wall_s=round(time.monotonic() - began_s, 3),
        form=asked.form,
        target=target.url,
        pin=pin,
        golden=None if golden is None else str(golden.folder),
        status=status,
        exit_code=exit_code(status, strict=asked.strict),
        headline=headline(gates, status, len(results)),
        gates=gates,
        sentences=results,
        notes=notes,
    )
    _write(run, asked)
    return run


async def _speak_all(
    target: Target, asked: Asked, on_note: Callable[[str], None]
) -> dict[Sentence, list[Spoken | str]]:
    said: dict[Sentence, list[Spoken | str]] = {sentence: [] for sentence in asked.sentences}
    for index in range(RUNS[asked.form]):
        order = list(asked.sentences)
        random.Random(index).shuffle(order)
        for sentence in order:
            try:
                said[sentence].append(await target.speak(sentence.text))
            except SpeakError as error:
                said[sentence].append(str(error))
                on_note(f"{sentence.id}: {error}")
    return said


def _made_golden(asked: Asked, pin: Pin, at: str, said: dict[Sentence, list[Spoken | str]]) -> Golden | None:
    """A baseline of the first runs, if all runs qualify. Raises UsageError."""
    first: dict[Sentence, Spoken] = {}
    for sentence, runs in said.items():
        whole = [one for one in runs if isinstance(one, Spoken)]
        if len(whole) < len(runs):
            raise UsageError(f"{sentence.id}: was not spoken in every run; no golden baseline was made")
        if asked.deterministic and len({one.sha256 for one in whole}) > 1:
            raise UsageError(
                f"{sentence.id}: sounds different from run to run; no golden baseline was made (--not-deterministic, if "
                "that is its nature)"
            )
        first[sentence] = whole[0]
    write_golden(asked.golden, at, pin, first, replace=asked.replace)
    return read_golden(asked.golden)


def _measured(asked: Asked, sentence: Sentence, said: list[Spoken | str], golden: Golden | None) -> SentenceResult:
    kept = golden.samples.get(sentence.id) if golden is not None else None
    result = measure_sentence(sentence, said, kept, deterministic=asked.deterministic)
    spoken = next((one for one in said if isinstance(one, Spoken)), None)
    if spoken is None:
        return result
    wav = Path("audio") / f"{sentence.id}.wav"
    try:
        (asked.folder / wav).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(asked.folder / wav, spoken.samples, spoken.rate_hz, subtype="PCM_16")
    except (OSError, soundfile.LibsndfileError) as error:
        raise HarnessError(f"{asked.folder / wav}: cannot be written: {error}") from error
    return result.model_copy(update={"wav": wav.as_posix()})


def _notes(pin: Pin, asked: Asked, said: dict[Sentence, list[Spoken | str]]) -> list[str]:
    notes = ["times are those of a client on this machine, one request at a time, after one that is not measured"]
    if pin.version is None:
        notes.append("the version of the engine is not known, so it is not pinned; --engine-version gives it")
    if asked.set_golden:
        notes.append("this run made the golden baseline, so it is held against itself")
    failed = sum(isinstance(one, str) for runs in said.values() for one in runs)
    if failed:
        notes.append(f"{failed} requests were not spoken to their end")
    return notes


def _write(run: TtsRun, asked: Asked) -> None:
    from reports.render.tts import write_tts_report

    try:
        asked.folder.mkdir(parents=True, exist_ok=True)
        write_atomic(asked.folder / RECORD, run.model_dump_json(indent=2).encode())
        write_tts_report(run, asked.folder)
    except OSError as error:
        raise HarnessError(f"{asked.folder}: cannot be written ({error.strerror or error})") from error
