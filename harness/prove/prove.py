"""`earwitness prove`: known faults, live and offline, and clean turns; resumable, results accumulate.

Live: every fault at its limit (the fast form: each once, at about twice its limit). Offline: every severity over the
recorded clean calls. The folder keeps the trials line by line; `proof.json` and `proof.md` are made from all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.code_hash import same_ears
from harness.errors import UsageError
from harness.listen.measure import measure
from harness.listen.place.scene import Scene
from harness.listen.read.reading import read_capture
from harness.model.plan import Lane
from harness.model.status import CaptureStatus
from harness.prove.calls import VOICES
from harness.prove.catalogue import BY_ID, CATALOGUE, Fault, Words, seed_of
from harness.prove.live import TURNS, Call, LiveProof, batches, calls_for, played_calls
from harness.prove.offline import with_fault
from harness.prove.proof_report import LATENCY_GATES
from harness.prove.trials import CLEAN, TRIALS, append_trials, ears_version, gates_fired, read_trials, trials_of
from harness.run.plan import new_run_id

OFFLINE_DONE = "offline_done.txt"


@dataclass(frozen=True)
class Wanted:
    """How much to prove. `lanes`: of live faults; `clean`: turns a lane; `captures`: clean calls for the offline form."""

    faults: tuple[Fault, ...] = CATALOGUE
    fast: bool = False
    trials: int = 20
    lanes: tuple[Lane, ...] = ("browser",)
    clean: dict[str, int] = field(default_factory=lambda: {"bot": 1_000, "browser": 200})
    captures: int = 20
    sessions: dict[str, int] = field(default_factory=lambda: {"bot": 4, "browser": 2})


def named_faults(names: Sequence[str]) -> tuple[Fault, ...]:
    """Raises UsageError for a name the catalogue does not have."""
    unknown = [name for name in names if name not in BY_ID]
    if unknown:
        raise UsageError(f"unknown fault {', '.join(unknown)}; known: {', '.join(BY_ID)}")
    return tuple(BY_ID[name] for name in names) if names else CATALOGUE


async def prove_live(folder: Path, cache: Path, wanted: Wanted, on_note: Callable[[str], None]) -> None:
    """Play the missing live trials and clean turns. Raises ProvisionError, HarnessError."""
    ears = ears_version()
    for lane in wanted.lanes:
        calls = _fast_calls(wanted) if wanted.fast else _missing_faults(folder, wanted, lane, ears)
        await _play(folder, cache, lane, calls, wanted, ears, on_note)
    for name, turns in wanted.clean.items():
        chosen: Lane = "bot" if name == "bot" else "browser"
        have = Counter(t.lane for t in read_trials(folder, ears)[0] if t.fault == CLEAN and t.form == "live")
        missing = turns - have[chosen]
        clean = [Call(f"clean-{n}", "", ((CLEAN, 0.0),)) for n in range(-(-missing // TURNS))] if missing > 0 else []
        await _play(folder, cache, chosen, clean, wanted, ears, on_note)


async def _play(
    folder: Path,
    cache: Path,
    lane: Lane,
    calls: Sequence[Call],
    wanted: Wanted,
    ears: str,
    on_note: Callable[[str], None],
) -> None:
    total, done = len(calls), 0

    def one_more(text: str) -> None:
        nonlocal done
        done += 1
        on_note(f"{done}/{total} {text}")

    voices = VOICES[:1] if wanted.fast else VOICES  # an agent for each voice takes time to start
    for batch in batches(calls, lane, voices):
        proof = LiveProof(folder, cache, ears, wanted.sessions.get(lane, 1), one_more)
        await proof.play(batch, new_run_id())


def _missing_faults(folder: Path, wanted: Wanted, lane: Lane, ears: str) -> list[Call]:
    have = Counter(
        (t.fault, t.severity, t.where)
        for t in read_trials(folder, ears)[0]
        if t.form == "live" and t.lane == lane and t.audible
    )
    calls = []
    for fault in wanted.faults:
        for where in (w for w in fault.where if w != "ear"):
            missing = wanted.trials - have[(fault.id, fault.limit, where)]
            if missing > 0:
                calls += calls_for(fault, fault.limit, where, missing)
    return calls


def _fast_calls(wanted: Wanted) -> list[Call]:
    """Each fault once, at about twice its limit: several in one call, those that need a call of their own alone."""
    alone = [f for f in wanted.faults if f.live_only or f.judged_per_call]
    together = [f for f in wanted.faults if f not in alone]
    calls = []
    for where in ("pre", "post"):
        mine = [(f.id, f.sure) for f in together if _first_place(f) == where]
        calls += [
            Call(f"fast-{where}-{n}", where, tuple(mine[n : n + TURNS]), len(mine[n : n + TURNS]))
            for n in range(0, len(mine), TURNS)
        ]
    for fault in alone:
        calls += calls_for(fault, fault.sure, _first_place(fault), 1)
    return calls


def _first_place(fault: Fault) -> str:
    return "post" if "post" in fault.where else fault.where[0]


def clean_captures(folder: Path, ears: str, most: int) -> list[Path]:
    """Recorded clean calls without a firing gate, the browser's first: they have the third ring."""
    trials = [t for t in read_trials(folder, ears)[0] if t.fault == CLEAN and t.form == "live"]
    spoilt = {
        t.trace_id
        for t in trials
        if not t.believed or t.capture_status != CaptureStatus.OK or set(t.fired) - LATENCY_GATES
    }
    order = {t.trace_id: t.lane for t in trials if t.trace_id not in spoilt}
    found = []
    for trace_id in sorted(order, key=lambda trace: (order[trace] != "browser", trace)):
        paths = list(folder.glob(f"runs/*/captures/{trace_id}"))
        if paths and (paths[0] / "pre_rtc.wav").exists():
            found.append(paths[0])
    return found[:most]


def prove_offline(folder: Path, captures: Sequence[Path], wanted: Wanted, on_note: Callable[[str], None]) -> None:
    """Every severity of every fault over `captures`. A finished capture is logged; an unfinished one is done again."""
    ears = ears_version()
    done_path = folder / OFFLINE_DONE
    lines = done_path.read_text().splitlines() if done_path.exists() else []
    done = {rest for by, _, rest in (line.partition(" ") for line in lines) if same_ears(by, ears)}
    for number, path in enumerate(captures, start=1):
        scene: Scene | None = None
        for fault in (f for f in wanted.faults if not f.live_only):
            key = f"{path.name} {fault.id}"
            if key in done:
                continue
            scene = scene or Scene(read_capture(path))
            append_trials(folder, _offline_trials(scene, fault, ears))
            with done_path.open("a") as file:
                file.write(f"{ears} {key}\n")
        on_note(f"{number}/{len(captures)} {path.name}")


def _offline_trials(scene: Scene, fault: Fault, ears: str) -> list:
    capture = scene.capture
    case, truth = capture.case, capture.truth
    if case is None or truth is None or not scene.announced:
        return []
    said = scene.rings["said"].audio.samples
    words = Words(
        tuple(said[u.start_sample : u.end_sample] for u in truth.utterances),
        tuple(
            scene.rings["pre_rtc"].audio.samples[t.pre.start : t.pre.end]
            for t in scene.announced[2:5]
            if t.pre is not None
        ),
    )
    usual, _ = gates_fired(case, measure(capture))
    trials = []
    for where in fault.where:
        if where == "ear" and "ear" not in scene.rings:
            continue
        for severity in fault.ladder:
            seed = seed_of(fault, severity, where + capture.manifest.trace_id)
            changed, applied = with_fault(scene, fault.make(severity, words), seed, where)
            trials += trials_of(
                case, measure(changed), form="offline", where=where, lane=capture.manifest.lane,
                voice="", faults=((fault.id, severity),), applied=applied, ears=ears, usual=usual,
            )  # fmt: skip
    return trials


def check_folder(folder: Path) -> None:
    """Raises UsageError if proofs cannot be kept there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / TRIALS).touch()
    except OSError as error:
        raise UsageError(f"--out {folder}: {error.strerror}") from error


def hear_again(folder: Path, cache: Path, on_note: Callable[[str], None]) -> None:
    """Measure the recorded live calls with today's listening code; add their trials."""
    ears = ears_version()
    heard = {t.trace_id for t in read_trials(folder, ears)[0] if t.form == "live"}
    proof = LiveProof(folder, cache, ears, 1)
    records = [r for r in played_calls(folder) if f"{r.run_id}-{r.call.name}-a1" not in heard]
    for number, record in enumerate(records, start=1):
        trials = proof.hear_again(record)
        append_trials(folder, trials)
        on_note(f"{number}/{len(records)} {record.call.name}: {len(trials)} trials")


def prove_offline_in(folder: Path, wanted: Wanted, on_note: Callable[[str], None]) -> None:
    """`prove_offline` over `folder`'s clean calls. Raises UsageError if there is none."""
    captures = clean_captures(folder, ears_version(), wanted.captures)
    if not captures:
        raise UsageError(f"--out {folder}: no clean call is recorded there yet; prove live first")
    prove_offline(folder, captures, wanted, on_note)


def make_wanted(
    names: Sequence[str], *, fast: bool, trials: int, lane: str, clean: dict[str, int], captures: int
) -> Wanted:
    """Raises UsageError."""
    lanes: dict[str, tuple[Lane, ...]] = {"browser": ("browser",), "bot": ("bot",), "both": ("browser", "bot")}
    if lane not in lanes:
        raise UsageError(f"--user {lane!r}: expected browser, bot or both")
    return Wanted(
        faults=named_faults(names),
        fast=fast,
        trials=trials,
        lanes=lanes[lane],
        clean={} if fast else clean,
        captures=captures,
    )
