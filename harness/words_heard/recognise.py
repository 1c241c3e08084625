"""The agent's words in a capture, recognised once: each reply as it was published and where the user hears it.

Where words seem to be lost between the two, both are heard again, altered a little; where they still are, so is the second
listener's recording, which tells where. Runs after the call, outside of everything that is timed. What keeps it from running is a
sentence in the record, never a failed call.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from harness.listen.measure import listen, measure_scene
from harness.listen.metrics.reply_words import PRE, Stretch, TurnSound, Understood, turn_sound, understood
from harness.listen.metrics.words import turn_words
from harness.listen.place.scene import Scene
from harness.listen.place.turns import list_turns
from harness.listen.read.reading import read_capture
from harness.model.audio import Audio
from harness.model.capture import HEARD_WORDS, write_atomic
from harness.model.heard_words import AgentRecording, HeardWords, UnderstoodSound
from harness.model.measurement import Measurement
from harness.model.plan import RecogniserSpec
from harness.words_heard.altered import ALTERED
from harness.words_heard.recogniser import NoRecogniserError, Recogniser, open_recogniser

BEFORE_MS, AFTER_MS = 100.0, 200.0  # of the recording around a reply: a first or last sound may be below the level


def listen_to_call(folder: Path, spec: RecogniserSpec | None) -> Measurement:
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
    found = Recognised(scene, recogniser)
    for turn in list_turns(scene):
        sound, words = turn_sound(scene, turn), turn_words(scene, turn)
        if sound is None:
            continue
        found.hear(sound, found.here)
        found.hear(sound, PRE)
        understood_now = understood(sound, words, found.record)
        if not _loses(understood_now, found.here):
            continue
        found.hear_again(sound, found.here)
        found.hear_again(sound, PRE)
        if found.here != "post_rtc" and _loses(understood(sound, words, found.record), found.here):
            found.hear(sound, "post_rtc")
            found.hear_again(sound, "post_rtc")
    return found.record


def _loses(found: Understood, here: AgentRecording) -> bool:
    return PRE in found.texts and here in found.texts and bool(found.lost_at(here))


@dataclass
class Recognised:
    """What was recognised so far; each stretch once."""

    scene: Scene
    recogniser: Recogniser
    sounds: dict[Stretch, UnderstoodSound] = field(default_factory=dict)

    @property
    def here(self) -> AgentRecording:
        """The user's own listener."""
        return "ear" if self.scene.primary == "ear" else "post_rtc"

    def hear(self, turn: TurnSound, recording: AgentRecording) -> None:
        for stretch in turn.stretches.get(recording, ()):
            if stretch not in self.sounds:
                text = self.recogniser.text(self._sound(turn, stretch))
                self.sounds[stretch] = UnderstoodSound(
                    recording=recording, start=stretch.start, end=stretch.end, text=text
                )

    def hear_again(self, turn: TurnSound, recording: AgentRecording) -> None:
        for stretch in turn.stretches.get(recording, ()):
            sound = self._sound(turn, stretch)
            also = [self.recogniser.text(alter(sound)) for alter in ALTERED]
            self.sounds[stretch] = self.sounds[stretch].model_copy(update={"also": also})

    def _sound(self, turn: TurnSound, stretch: Stretch) -> Audio:
        return _around(self.scene.rings[stretch.recording].audio, stretch, turn)

    @property
    def record(self) -> HeardWords:
        ordered = sorted(self.sounds.values(), key=lambda sound: (sound.recording, sound.start))
        who = self.recogniser
        return HeardWords(model=who.name, version=who.version, language=who.language, sounds=ordered)


def _around(audio: Audio, stretch: Stretch, turn: TurnSound) -> Audio:
    """The stretch with a little before and after it, but nothing of the turn's other replies."""
    others = [other for other in turn.stretches[stretch.recording] if other != stretch]
    first = max([0, *(other.end for other in others if other.end <= stretch.start)])
    last = min([len(audio), *(other.start for other in others if other.start >= stretch.end)])
    per_ms = audio.rate_hz / 1e3
    start = max(first, stretch.start - round(BEFORE_MS * per_ms))
    end = min(last, stretch.end + round(AFTER_MS * per_ms))
    return Audio(audio.samples[start:end], audio.rate_hz)
