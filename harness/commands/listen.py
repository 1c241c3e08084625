"""The verb `listen`: measure captures, or recordings that somebody else made; print and write the measurement.

A capture's measurement.json equals a run's, to the byte. Nothing is judged: a defect is no failure here.
Exit status 0 measured; 2 a wrong file or option; 3 something could not be measured, or is not to be believed.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import EarwitnessError, HarnessError, UsageError
from harness.model.channels import Channel
from harness.own_faults import in_words

if TYPE_CHECKING:
    from harness.listen.recordings import Recordings
    from harness.model.measurement import Measurement

NOT_MEASURED = 3
CAPTURES = "captures"


def listen_command(
    captures: Annotated[
        list[Path] | None, typer.Argument(help="Capture folders, or run folders with all their captures.")
    ] = None,
    ear: Annotated[
        Path | None, typer.Option(help="A recording of the agent as the user heard it, made by anybody.")
    ] = None,
    mic: Annotated[
        Path | None, typer.Option(help="With --ear: the user, recorded beside it (sample 0 of both is one instant).")
    ] = None,
    user: Annotated[
        Path | None, typer.Option(help="With --ear: what the user said, as a clean file of its own; found in --mic.")
    ] = None,
    pre: Annotated[Path | None, typer.Option(help="With --ear: the agent's own PCM, as it was published.")] = None,
    post: Annotated[Path | None, typer.Option(help="With --ear: the agent, as a second listener received it.")] = None,
    ear_channel: Annotated[
        Channel | None, typer.Option(help="Of two channels of --ear, the agent's.", show_default="as it shows")
    ] = None,
    mic_channel: Annotated[
        Channel | None, typer.Option(help="Of two channels of --mic, the user's.", show_default="as it shows")
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            help="Where the user speaks in --user (without it, in --mic): a capture's truth.json or a list of "
            "{start_ms, end_ms}.",
            show_default="found by level; in noise by a speech detector",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write OUT/<name>/measurement.json.",
            show_default="into the capture; nowhere with --ear",
            metavar="DIR",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print measurement.json instead of the table.")] = False,
    against: Annotated[
        Path | None,
        typer.Option(
            help="Also the spectral distance of each reply to a stored measurement of the same case.",
            metavar="CAPTURE|FILE",
        ),
    ] = None,
    quality: Annotated[
        bool, typer.Option("--quality", help="Also ViSQOL and DNSMOS (slow; needs the extra `quality`).")
    ] = False,
    webm: Annotated[
        bool,
        typer.Option(
            "--webm",
            help="Instead: the browser's own recording (ear.webm) beside ear.wav; writes webm_measurement.json.",
        ),
    ] = False,
) -> None:
    """Measure recordings that exist: nothing is called, nothing is judged.

    Captures: prints each turn's metrics, defects and validity, and writes the measurement.json that a run writes.
    Recordings of your own: earwitness listen --ear agent.wav --mic user.wav [--pre …] [--post …] [--truth truth.json]
    One file with the user left and the agent right: --ear call.wav --ear-channel right --mic call.wav --mic-channel left
    """
    from harness.listen.recordings import Recordings

    roles: dict[str, object] = {"--mic": mic, "--user": user, "--pre": pre, "--post": post, "--truth": truth}
    roles |= {"--ear-channel": ear_channel, "--mic-channel": mic_channel}
    given = [option for option, value in roles.items() if value is not None]
    if ear is None and given:
        raise UsageError(f"{given[0]} needs --ear: the agent as the user heard it")
    if ear is not None and captures:
        raise UsageError("either capture folders, or --ear with its recordings")
    if ear is None and not captures:
        raise UsageError("nothing to listen to; give capture folders (runs/RUN_ID), or --ear with a recording")
    if webm:
        if ear is not None or against is not None or quality:
            raise UsageError("--webm hears captures, and takes no --ear, --against or --quality")
        raise typer.Exit(_hear_webm(captures or [], out, as_json))
    if ear is not None:
        results = _from_recordings(Recordings(ear, mic, user, pre, post, truth, ear_channel, mic_channel), out, quality)
    else:
        results = _from_captures(captures or [], out, quality)
    if against is not None:
        results = _held_against(results, _stored(against))
    raise typer.Exit(_show(results, as_json))


def _stored(path: Path) -> Measurement:
    """Raises UsageError if `path` holds no measurement."""
    from pydantic import ValidationError

    from harness.model.capture import MEASUREMENT
    from harness.model.measurement import Measurement

    file = path / MEASUREMENT if path.is_dir() else path
    try:
        return Measurement.model_validate_json(file.read_bytes())
    except OSError as error:
        raise UsageError(
            f"--against {file}: {error.strerror or error}; `earwitness listen {path}` writes one into a capture"
        ) from error
    except ValidationError as error:
        raise UsageError(f"--against {file}: is no measurement ({error.error_count()} errors)") from error


def _held_against(
    results: Iterator[Measurement | EarwitnessError], stored: Measurement
) -> Iterator[Measurement | EarwitnessError]:
    """The written record stays as it was measured: the same folder gives the same record."""
    from harness.listen.against import held_against

    for result in results:
        try:
            yield result if isinstance(result, EarwitnessError) else held_against(result, stored)
        except UsageError as error:
            yield error


def _from_recordings(files: Recordings, out: Path | None, quality: bool) -> Iterator[Measurement | EarwitnessError]:
    from harness.listen.recordings import read_recordings
    from harness.speech.find import find_speech

    capture = read_recordings(files, find_speech)
    from harness.listen.measure import measure  # slow to load: not for unreadable files

    measurement = measure(capture, quality=quality)
    yield measurement
    try:
        if out is not None:
            _write(out / measurement.trace_id, measurement)
    except UsageError as error:
        yield error


def _from_captures(paths: list[Path], out: Path | None, quality: bool) -> Iterator[Measurement | EarwitnessError]:
    """One result a capture; a folder that cannot be measured does not stop the others."""
    folders = [folder for path in paths for folder in _captures_in(path)]
    from harness.listen.measure import listen  # slow to load: only for captures

    for folder in folders:
        try:
            measurement = listen(folder, quality=quality)
            yield measurement
            _write(folder if out is None else out / measurement.trace_id, measurement)
        except UsageError as error:
            yield error
        except Exception as error:  # a fault of ours in one capture: its traceback is shown, the others are measured
            traceback.print_exc()
            yield HarnessError(f"a fault of Earwitness while hearing {folder}: {in_words(error)}")


def _hear_webm(paths: list[Path], out: Path | None, as_json: bool) -> int:
    """The exit status. A bot-lane call has no browser recording, which is no failure."""
    from rich.console import Console

    from harness.listen.recorder import WEBM_MEASUREMENT, hear_webm
    from harness.model.capture import write_atomic
    from reports.terminal.webm_table import webm_table

    console, status = Console(highlight=False), 0
    for folder in [folder for path in paths for folder in _captures_in(path)]:
        heard = hear_webm(folder)
        if heard.reason and heard.lane == "browser":
            status = NOT_MEASURED
        console.print(heard.model_dump_json(indent=2) if as_json else webm_table(heard), soft_wrap=as_json)
        place = (folder if out is None else out / heard.trace_id) / WEBM_MEASUREMENT
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(place, heard.model_dump_json(indent=2).encode())
        except OSError as error:
            raise UsageError(
                f"{place}: cannot be written ({error.strerror or error}); --out DIR writes elsewhere"
            ) from error
    return status


def _captures_in(path: Path) -> list[Path]:
    """The capture at `path`, or all of the run there. Raises UsageError."""
    from harness.model.capture import MANIFEST

    if not path.exists():
        raise UsageError(f"{path}: no such folder; give a capture or a run (runs/RUN_ID)")
    if not path.is_dir():
        raise UsageError(f"{path}: is a file, not a capture folder; a recording of your own is given with --ear")
    if (path / MANIFEST).exists():
        return [path]
    found = sorted(manifest.parent for parent in (path / CAPTURES, path) for manifest in parent.glob(f"*/{MANIFEST}"))
    if not found:
        raise UsageError(f"{path}: holds no capture ({MANIFEST}); give runs/RUN_ID or runs/RUN_ID/captures/TRACE_ID")
    return found


def _write(folder: Path, measurement: Measurement) -> None:
    """Write measurement.json unless it is already the same. Raises UsageError."""
    from harness.listen.measure import write_measurement
    from harness.model.capture import MEASUREMENT

    path = folder / MEASUREMENT
    try:
        if path.exists() and path.read_text(encoding="utf-8") == measurement.model_dump_json(indent=2):
            return
        folder.mkdir(parents=True, exist_ok=True)
        write_measurement(folder, measurement)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written ({error.strerror or error}); --out DIR writes elsewhere"
        ) from error


def _show(results: Iterator[Measurement | EarwitnessError], as_json: bool) -> int:
    """Print each as it comes; the exit status of all."""
    from rich.console import Console

    from reports.terminal.measurement_table import measurement_table

    console, errors = Console(highlight=False), Console(stderr=True, highlight=False)
    statuses, printed = {0}, []
    for result in results:
        if isinstance(result, EarwitnessError):
            errors.print(f"earwitness: {result}", markup=False, soft_wrap=True)
            statuses.add(result.exit_code)
            continue
        if not measured(result):
            statuses.add(NOT_MEASURED)
        if as_json:
            printed.append(result.model_dump_json(indent=2))
        else:
            console.print(measurement_table(result))
    if as_json and printed:
        sys.stdout.write((printed[0] if len(printed) == 1 else "[" + ",\n".join(printed) + "]") + "\n")
    return UsageError.exit_code if UsageError.exit_code in statuses else max(statuses)


def measured(measurement: Measurement) -> bool:
    """Whether the capture is complete and valid, with at least one answer timed and each time that was taken to be
    believed (without a user: one reply heard).
    """
    from harness.model.status import COMPLETE
    from reports.terminal.measurement_table import kpi_name

    if measurement.capture_status not in COMPLETE or not measurement.validity.ok:
        return False
    answers = [turn for turn in measurement.turns if turn.utterance is not None]
    if answers:
        kpi = kpi_name(measurement)
        timed = [turn.metrics[kpi] for turn in answers if kpi in turn.metrics and turn.metrics[kpi].value is not None]
        return bool(timed) and not any(metric.invalid for metric in timed)
    expected = measurement.metrics.get("expected_reply_count")
    nothing_due = expected is not None and expected.value == 0
    user_unknown = expected is not None and not expected.not_applicable and expected.value is None
    return nothing_due or (not user_unknown and any(turn.onset_sample is not None for turn in measurement.turns))
