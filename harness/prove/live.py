"""Known faults in real calls: the reference agent with a fault in its audio hooks, recorded through real WebRTC.

A batch (one voice, one environment) has one bench, with several calls side by side. Each call's trials are written once it
is measured, so an interrupted proof resumes where it stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import soundfile
from pydantic import BaseModel, ConfigDict

from harness.judge.verdict import AGENTS_FAULT
from harness.listen.measure import measure, write_measurement
from harness.listen.read.reading import read_capture
from harness.live.bench import Bench, open_bench
from harness.model.capture import CASE
from harness.model.case import Case
from harness.model.inside import OneName
from harness.model.json_lines import lines_of
from harness.model.measurement import Measurement
from harness.model.plan import AgentSpec, BuiltCase, Lane, PageSpec, Plan
from harness.prove.calls import SENTENCES, VOICES, build_call, make_call
from harness.prove.catalogue import BY_ID, Fault, Where, seed_of
from harness.prove.inject import FOLDER_VARIABLE, RoomFaults, applied_in, plan_room
from harness.prove.trials import CLEAN, Trial, append_trials, not_arrived, trials_of, whole_call_trial
from harness.speech.build import build_case
from harness.speech.voices import Voices

CALLS = "calls.jsonl"
TURNS = 10
SHORT_HANGOVER_MS = 60
MISSING_PATIENCE_MS = 2_500.0


@dataclass(frozen=True)
class Call:
    """One call to be made: the faults of its replies, and where. `name` is its case's id."""

    name: OneName
    where: str
    faults: tuple[tuple[str, float], ...]
    turns: int = TURNS
    kind: str = "plain"  # plain | interrupts | pause
    alone: bool = False


class CallRecord(BaseModel):
    """What a call was, so that other listening code can measure its capture again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    call: Call
    lane: Lane
    voice: str
    run_id: OneName


def note_call(folder: Path, record: CallRecord) -> None:
    with (folder / CALLS).open("a") as file:
        file.write(record.model_dump_json() + "\n")


def played_calls(folder: Path) -> list[CallRecord]:
    path = folder / CALLS
    return [CallRecord.model_validate_json(line) for line in lines_of(path.read_text())] if path.exists() else []


@dataclass(frozen=True)
class Batch:
    """Calls that one agent serves."""

    lane: Lane
    voice: str
    calls: tuple[Call, ...]
    env: dict[str, str] = field(default_factory=dict)


@dataclass
class LiveProof:
    """Makes calls and logs their trials. `cache`: where built speech is kept."""

    folder: Path
    cache: Path
    ears: str
    sessions: int
    on_call: Callable[[str], None] = lambda text: None
    keep_captures: bool = True

    async def play(self, batch: Batch, run_id: str) -> list[Trial]:
        """All calls of `batch`. Raises ProvisionError, HarnessError."""
        run_dir = self.folder / "runs" / run_id
        faults = run_dir / "faults"
        faults.mkdir(parents=True, exist_ok=True)
        spoken = run_dir / "replies.txt"
        spoken.write_text("\n".join(SENTENCES) + "\n")
        env = {
            "EARWITNESS_REPLIES": str(spoken.resolve()),
            "EARWITNESS_VOICE": batch.voice,
            "EARWITNESS_AUDIO_FILTER_PRE": "harness.prove.inject:pre",
            "EARWITNESS_AUDIO_FILTER_POST": "harness.prove.inject:post",
            FOLDER_VARIABLE: str(faults.resolve()),
            **batch.env,
        }
        agent = AgentSpec("reference", "", True)
        plan = Plan(
            run_id, run_dir, (), "proof", batch.lane, "scheduled", agent, PageSpec(), jobs=self.sessions
        )  # its agent then keeps so many warm
        found: list[Trial] = []
        async with open_bench(plan, agent_env=env) as bench:
            limit = asyncio.Semaphore(self.sessions)

            async def one(call: Call) -> None:
                async with limit:
                    found.extend(await self._call(bench, batch, call, faults, run_id))

            async with asyncio.TaskGroup() as group:
                for call in (c for c in batch.calls if not c.alone):
                    group.create_task(one(call))
            for call in (c for c in batch.calls if c.alone):
                await one(call)
        return found

    async def _call(self, bench: Bench, batch: Batch, call: Call, faults: Path, run_id: str) -> list[Trial]:
        built = await asyncio.to_thread(self._built, call)
        room = f"ew-{run_id}-{call.name}-a1"
        if call.faults[0][0] != CLEAN:
            words = await asyncio.to_thread(self._words, built, faults)
            first = BY_ID[call.faults[0][0]]
            seed = seed_of(first, call.faults[0][1], call.name)
            where: Where = "pre" if call.where == "pre" else "post"
            plan_room(faults, room, RoomFaults(where=where, seed=seed, replies=list(call.faults), **words))
        note_call(self.folder, CallRecord(call=call, lane=batch.lane, voice=batch.voice, run_id=run_id))
        folder, manifest = await bench.attempt(built)
        trials = await asyncio.to_thread(self._heard, built.case, folder, batch, call, faults, room)
        append_trials(self.folder, trials)
        self.on_call(f"{call.name} {batch.lane} {batch.voice}: {manifest.status}, {len(trials)} trials")
        return trials

    def hear_again(self, record: CallRecord) -> list[Trial]:
        """The trials of a call that was played before, from its capture; none if it was not kept."""
        run_dir = self.folder / "runs" / record.run_id
        folder = run_dir / "captures" / f"{record.run_id}-{record.call.name}-a1"
        if not (folder / CASE).exists() or not (folder / "manifest.json").exists():
            return []
        case = Case.model_validate_json((folder / CASE).read_bytes())
        batch = Batch(record.lane, record.voice, (record.call,))
        room = f"ew-{record.run_id}-{record.call.name}-a1"
        return self._heard(case, folder, batch, record.call, run_dir / "faults", room)

    def _heard(self, case: Case, folder: Path, batch: Batch, call: Call, faults: Path, room: str) -> list[Trial]:
        fault, severity = call.faults[0]
        ends_the_call = fault != CLEAN and BY_ID[fault].gates == ("capture",)
        capture = read_capture(folder)
        measurement = measure(capture)
        write_measurement(folder, measurement)
        of_call = not_arrived(capture.arrivals)
        if ends_the_call:
            wrong = measurement.capture_status in AGENTS_FAULT
            trial = whole_call_trial(
                BY_ID[fault], severity, call.where, batch.lane, batch.voice, measurement,
                wrong=wrong, ears=self.ears, of_call=of_call,
            )  # fmt: skip
            return [trial]
        trials = trials_of(
            case,
            measurement,
            form="live",
            where=call.where,
            lane=batch.lane,
            voice=batch.voice,
            faults=call.faults,
            applied=None
            if fault == CLEAN or BY_ID[fault].call in ("interrupts", "pause")
            else applied_in(faults, room),
            ears=self.ears,
            of_call=of_call,
        )
        if fault != CLEAN and BY_ID[fault].call == "interrupts":  # only the turn that interrupts
            trials = trials[-1:]
        if fault != CLEAN and BY_ID[fault].call == "pause" and not _spoke_into_a_pause(measurement):
            trials = [trial.model_copy(update={"audible": False}) for trial in trials]
        if not self.keep_captures:
            for path in (*folder.glob("*.wav"), *folder.glob("*.webm")):
                with suppress(OSError):
                    path.unlink()
        return trials

    def _built(self, call: Call) -> BuiltCase:
        kind = make_call(
            f"call-{call.kind}-{call.turns}",
            call.turns,
            pause_in_turn=call.kind == "pause",
            interrupts=call.kind == "interrupts",
        )
        built = build_call(kind, self.cache)
        patience = MISSING_PATIENCE_MS if call.faults[0][0] in ("no_reply", "endless") else kind.reply_timeout_ms
        longest = MISSING_PATIENCE_MS if call.faults[0][0] == "endless" else kind.max_reply_ms
        case = kind.model_copy(update={"id": call.name, "reply_timeout_ms": patience, "max_reply_ms": longest})
        return replace(built, case=case)

    def _words(self, built: BuiltCase, folder: Path) -> dict[str, list[str]]:
        """WAV files of what the user says, and of what somebody else does."""
        said, rate_hz = soundfile.read(built.wav, dtype="int16")
        user = []
        for index, utterance in enumerate(built.truth.utterances):
            path = folder / f"user-{built.truth.sha256[:8]}-{index}.wav"
            if not path.exists():
                soundfile.write(path, said[utterance.start_sample : utterance.end_sample], rate_hz)
            user.append(str(path.resolve()))
        other = []
        with Voices() as voices:
            session = build_case(_other_session(), Path("other.yaml"), self.cache, voices)
        voices, _ = soundfile.read(session.wav, dtype="int16")
        for index, utterance in enumerate(session.truth.utterances):
            path = folder / f"other-{index}.wav"
            if not path.exists():
                soundfile.write(path, np.asarray(voices[utterance.start_sample : utterance.end_sample]), rate_hz)
            other.append(str(path.resolve()))
        return {"user": user, "other": other}


def _other_session() -> Case:
    whole = make_call("other-session", 1)
    speech = {
        "utterances": [
            {"parts": [{"say": text}], "start": {"at_ms": 500 + 4_000 * n}, "voice": "en-gb"}
            for n, text in enumerate(SENTENCES[3:6])
        ]
    }
    return Case.model_validate({**whole.model_dump(), "speech": speech, "id": "other-session"})


def _spoke_into_a_pause(measurement: Measurement) -> bool:
    """Whether a reply to nobody preceded the answer, by the agent's count. On a busy machine none is sent."""
    answers = [turn.reply_seq for turn in measurement.turns if turn.utterance is not None]
    unasked = [turn.reply_seq for turn in measurement.turns if turn.utterance is None]
    return bool(answers and unasked) and min(unasked) < min(answers)


def calls_for(fault: Fault, severity: float, where: str, missing: int) -> list[Call]:
    """As many calls as `missing` trials need."""
    per_call = {"plain": TURNS, "interrupts": 1, "pause": 5}[fault.call]
    turns = {"plain": TURNS, "interrupts": 2, "pause": 5}[fault.call]
    if fault.gates == ("capture",):
        per_call = turns = 1
    elif fault.judged_per_call and fault.call == "plain":
        per_call, turns = 1, 2
    elif fault.judged_per_call:
        per_call, turns = 1, 1 if fault.call == "pause" else 2
    name = f"{fault.id}-{where}-{severity:g}".replace(".", "_").replace("--", "-")
    return [
        Call(f"{name}-{n}", where, ((fault.id, severity),), turns, fault.call, fault.sequential)
        for n in range(-(-missing // per_call))
    ]


def batches(calls: Sequence[Call], lane: Lane, voices: Sequence[str] = VOICES) -> list[Batch]:
    """Calls spread over the voices; faults that need an agent of their own come apart."""
    hasty = [call for call in calls if call.kind == "pause"]
    usual = [call for call in calls if call.kind != "pause"]
    found = [
        Batch(lane, voice, tuple(usual[n :: len(voices)])) for n, voice in enumerate(voices) if usual[n :: len(voices)]
    ]
    if hasty:
        found.append(Batch(lane, voices[0], tuple(hasty), {"VAD_SILENCE_MS": str(SHORT_HANGOVER_MS)}))
    return found
