"""The agent's words in a capture, recognised once: each reply as it was published and where the user hears it.

The second listener's recording is recognised too where those two differ, so that it can be told where words were lost. Runs after
the call, outside of everything that is timed. What keeps it from running is a sentence in the record, never a failed call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.listen.measure import listen, measure_scene
from harness.listen.metrics.reply_words import PRE, Stretch, TurnSound, turn_sound
from harness.listen.place.scene import Scene
from harness.listen.place.turns import list_turns
from harness.listen.read.reading import read_capture
from harness.listen.words.normal import words_in
from harness.model.audio import Audio
from harness.model.capture import HEARD_WORDS, write_atomic
from harness.model.heard_words import AgentRecording, HeardWords, UnderstoodSound
from harness.model.measurement import Measurement
from harness.model.plan import RecogniserSpec
from harness.words_heard.recogniser import NoRecogniserError, Recogniser, open_recogniser

BEFORE_MS, AFTER_MS = 100.0, 200.0  # of the recording around a reply: a first or last sound may be below the level


def listen_for_words(folder: Path, spec: RecogniserSpec | None) -> Measurement:
    """`harness.listen.measure.listen`, and before it the recogniser, if `spec` names one and the capture was not recognised yet.

    Writes heard_words.json. Raises UsageError as `listen` does, OSError if that file cannot be written.
    """
    if spec is None:
        return listen(folder)
    scene = Scene(read_capture(folder))
    record = scene.capture.heard_words
    if record is None or record.skipped:
        record = recognise_call(scene, spec)
        write_atomic(folder / HEARD_WORDS, record.model_dump_json(indent=2).encode())
    return measure_scene(scene, record)


def recognise_call(scene: Scene, spec: RecogniserSpec) -> HeardWords:
    try:
        recogniser = open_recogniser(spec)
    except NoRecogniserError as error:
        return HeardWords(model=spec.model, language=spec.language, skipped=str(error), excluded=error.by_language)
    try:
        return recognise(scene, recogniser)
    except (OSError, ValueError, RuntimeError, MemoryError) as error:
        said = f"{recogniser.name} broke off: {' '.join(str(error).split()) or type(error).__name__}"
        return HeardWords(model=recogniser.name, version=recogniser.version, language=spec.language, skipped=said)


def recognise(scene: Scene, recogniser: Recogniser) -> HeardWords:
    """Raises what the recogniser raises."""
    turns = [sound for turn in list_turns(scene) if (sound := turn_sound(scene, turn)) is not None]
    sounds: dict[Stretch, str] = {}

    def text(recording: AgentRecording, turn: TurnSound) -> str:
        for stretch in turn.stretches.get(recording, ()):
            if stretch not in sounds:
                sounds[stretch] = recogniser.text(_around(scene.rings[recording].audio, stretch, turn))
        return " ".join(sounds[stretch] for stretch in turn.stretches.get(recording, ()))

    here: AgentRecording = "ear" if scene.primary == "ear" else "post_rtc"
    for turn in turns:
        heard = text(here, turn)
        if PRE in turn.stretches and words_in(text(PRE, turn)) != words_in(heard):
            text("post_rtc", turn)
    return HeardWords(
        model=recogniser.name,
        version=recogniser.version,
        language=recogniser.language,
        sounds=list(_in_order(sounds)),
    )


def _around(audio: Audio, stretch: Stretch, turn: TurnSound) -> Audio:
    """The stretch with a little before and after it, but nothing of the turn's other replies."""
    others = [other for other in turn.stretches[stretch.recording] if other != stretch]
    first = max([0, *(other.end for other in others if other.end <= stretch.start)])
    last = min([len(audio), *(other.start for other in others if other.start >= stretch.end)])
    per_ms = audio.rate_hz / 1e3
    start = max(first, stretch.start - round(BEFORE_MS * per_ms))
    end = min(last, stretch.end + round(AFTER_MS * per_ms))
    return Audio(audio.samples[start:end], audio.rate_hz)


def _in_order(sounds: dict[Stretch, str]) -> Iterator[UnderstoodSound]:
    ordered: Sequence[Stretch] = sorted(sounds, key=lambda stretch: (stretch.recording, stretch.start))
    for stretch in ordered:
        yield UnderstoodSound(recording=stretch.recording, start=stretch.start, end=stretch.end, text=sounds[stretch])
