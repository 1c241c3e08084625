"""From one recording of a conversation to what was heard in it. The figures are those of `earwitness listen`.

The user's side is the microphone, the agent's the ear: what `measure` finds there (waits, dead air, what is wrong with a voice
without a reference) is put together with who speaks when. Positions are samples at 48 kHz; the record is in ms.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.listen.check.leak import MOST_DB, OTHER_FILE_DB, SAME_DB, Leak, find_leaks, without
from harness.listen.check.overlap import find_overlaps, joined
from harness.listen.check.sides import Sides, find_sides
from harness.listen.measure import measure_scene
from harness.listen.metrics.dead_air import DeadAir, find_dead_air, sounds_of_turn
from harness.listen.place.evened import evened
from harness.listen.place.onset import Sound
from harness.listen.place.replies import BREATH_MS, PAUSE_MS, SAMPLES_PER_MS
from harness.listen.place.ring import Ring
from harness.listen.place.scene import Scene
from harness.listen.place.spoken import Place
from harness.listen.read.reading import Capture
from harness.listen.recordings import read_recordings
from harness.model.audio import Audio
from harness.model.call_heard import CallHeard, Ended, Overlap, Stretch, UserTurn
from harness.model.found_speech import FindSpeech
from harness.model.measurement import Defect, Measurement, Turn

NOT_KNOWN = (
    "the truth of the microphone: where the user's words end is found in the recording, to about ±13 ms where it is clean",
    "where a fault arose: one recording is compared with nothing that the agent published, so a hole with soft edges, a changed "
    "voice or a missing word is not told",
    "what the user heard: this is what was recorded, ahead of the user's own network, jitter buffer and loudspeaker",
    "what was said, and whether it was right: only the sound is judged",
)
IN_A_MIX = (
    "who speaks: both voices lie on one channel, so no wait, no talk-over, no barge-in and no dead air of the agent is told",
    "where a fault arose, and what was said: only the sound is judged",
)
SIDES_LEAK = (
    "talk-over: the user's voice is as loud on the agent's channel, so the agent is not heard while the user speaks"
)


EDGES_LEAK = (
    "the edges of words exactly: each side is loud on the other's channel, so they may be off by 0.1 s and more"
)
HOLES_LEAK = "holes in the agent's voice: what leaks from the user's side was left out of it, which makes holes too"
LOUD_LEAK_DB = -20.0
CHOSEN = ("its left channel", "its right channel")  # said better by whose channel is whose
ENDS_MS = 3_000.0  # after the user's last word: a recording that ends sooner tells of no answer


@dataclass(frozen=True, eq=False)
class HeardCall:
    """The record, and the sound that it is of. `user` is None in a mix."""

    record: CallHeard
    agent: Audio
    user: Audio | None
    said: Audio | None  # the user without what leaks from the agent: what a case plays


@dataclass
class _Apart:
    """What leaks from one side to the other; filled while the recordings are read."""

    loudest_db: float
    to_agent: Leak | None = None
    to_user: Leak | None = None
    user: Audio | None = None
    agent: Audio | None = None

    def __call__(self, mic: Audio | None, ear: Audio) -> tuple[Audio | None, Audio, list[str]]:
        if mic is None:
            mixed, even = evened(ear)
            return None, mixed, [f"the recording: {note}" for note in even]
        self.user, self.agent = mic, ear
        user, agent = Ring("mic", mic), Ring("ear", ear, True)
        self.to_agent, self.to_user = find_leaks(user, agent, self.loudest_db)
        clean_ear = without(self.to_agent, mic, ear) if self.to_agent is not None else ear
        clean_mic = without(self.to_user, ear, mic) if self.to_user is not None else mic
        notes = [_in_words("the user's", "agent's", self.to_agent)] if self.to_agent is not None else []
        notes += [_in_words("the agent's", "user's", self.to_user)] if self.to_user is not None else []
        clean_ear, even = evened(clean_ear)
        return clean_mic, clean_ear, [*notes, *(f"the agent's side: {note}" for note in even)]


def _in_words(whose: str, channel: str, leak: Leak) -> str:
    return (
        f"{whose} voice is on the {channel} side too, {_softer(leak.gain_db)} and {_later(leak.lag_ms)}: what is no louder "
        "than that was left out there"
    )


def _softer(gain_db: float) -> str:
    return "as loud" if abs(gain_db) < 1 else f"{abs(gain_db):.0f} dB {'softer' if gain_db < 0 else 'louder'}"


def _later(lag_ms: float) -> str:
    return "at the same time" if abs(lag_ms) < 1 else f"{abs(lag_ms):.0f} ms {'later' if lag_ms > 0 else 'earlier'}"


def _read_as(sides: Sides, capture: Capture) -> list[str]:
    """How the files were read, in words."""
    found = (_of_listen(note) for note in capture.manifest.detail.split("; "))
    return [*sides.notes, *(note for note in found if note and not note.endswith(CHOSEN))]


def _of_listen(note: str) -> str:
    """The options that reading names are those of `earwitness listen`."""
    return note.replace(": no --truth was given", "").replace("--truth says", "`earwitness listen --truth` says")


def hear_call(call: Path, user: str | None, find: FindSpeech | None) -> HeardCall:
    """`user`: left, right, a file, or None. Raises UsageError."""
    sides = find_sides(call, user)
    one_file = sides.files.mic == sides.files.ear
    apart = _Apart(SAME_DB if one_file else OTHER_FILE_DB)
    capture = read_recordings(sides.files, find, apart)
    scene = Scene(capture)
    _must_sound(scene, call)
    measurement = measure_scene(scene)
    notes = _read_as(sides, capture)
    if sides.mix:
        return HeardCall(_record_of_mix(call, scene, measurement, notes), capture.audio["ear"], None, None)
    record = _record(call, sides, scene, measurement, notes, apart)
    assert apart.user is not None
    assert apart.agent is not None
    return HeardCall(record, apart.agent, apart.user, capture.audio["mic"])


def _must_sound(scene: Scene, call: Path) -> None:
    if all(ring.silent() for ring in scene.rings.values()):
        raise UsageError(f"{call}: is silent, nobody is heard in it; record it again")


def _record_of_mix(call: Path, scene: Scene, measurement: Measurement, notes: list[str]) -> CallHeard:
    ring = scene.rings["ear"]
    return CallHeard(
        name=call.name,
        reading="one_mix",
        user="",
        duration_ms=round(ring.audio.duration_ms, 3),
        agent_speaks=[_stretch(sound) for sound in joined(ring.sounds, PAUSE_MS)],
        overlaps_unknown=IN_A_MIX[0],
        defects=_defects(measurement),
        read_as=notes,
        not_known=list(IN_A_MIX),
        believed=measurement.validity.ok,
        doubts=list(measurement.validity.reasons),
    )


def _record(
    call: Path, sides: Sides, scene: Scene, measurement: Measurement, notes: list[str], apart: _Apart
) -> CallHeard:
    ring, truth = scene.rings["ear"], scene.capture.truth
    said = [Sound(round(place.start), round(place.end)) for place in scene.places["mic"] if isinstance(place, Place)]
    agent = joined(ring.sounds, PAUSE_MS)
    torn_by_us = apart.to_agent is not None and apart.to_agent.gain_db > LOUD_LEAK_DB
    hidden = apart.to_agent is not None and apart.to_agent.gain_db > MOST_DB
    by_utterance = {turn.utterance: turn for turn in measurement.turns if turn.utterance is not None}
    turns = [_turn(scene, index, by_utterance.get(index)) for index in range(len(said))] if truth is not None else []
    loud = [leak for leak in (apart.to_agent, apart.to_user) if leak is not None and leak.gain_db > MOST_DB]
    not_known = [
        *sides.doubts,
        *([EDGES_LEAK] if len(loud) > 1 else []),
        *([SIDES_LEAK] if hidden else []),
        *([HOLES_LEAK] if torn_by_us else []),
        *NOT_KNOWN,
    ]
    unknown = _of_listen(scene.capture.why_missing("truth.json")) if truth is None else ""
    if unknown:
        not_known.insert(0, f"when the user speaks: {unknown}; so no wait is told")
    return CallHeard(
        name=call.name,
        reading="two_sides",
        user=sides.user,
        duration_ms=round(max(audio.duration_ms for audio in scene.capture.audio.values()), 3),
        agent_spoke_first=bool(said and agent and agent[0].end < said[0].start),
        user_speaks=[_stretch(sound) for sound in said],
        agent_speaks=[_stretch(sound) for sound in agent],
        turns=turns,
        turns_unknown=unknown,
        overlaps=[] if hidden else _overlaps(said, _agent_breaths(scene)),
        overlaps_unknown=SIDES_LEAK if hidden else "",
        defects=[d for d in _defects(measurement) if not (torn_by_us and d.kind in ("dropout", "gap"))],
        read_as=notes,
        not_known=not_known,
        believed=measurement.validity.ok,
        doubts=list(measurement.validity.reasons),
    )


def _turn(scene: Scene, index: int, turn: Turn | None) -> UserTurn:
    place = scene.places["mic"][index]
    assert isinstance(place, Place)
    truth = scene.capture.truth
    assert truth is not None
    metric = turn.metrics.get("user_kpi_raw_ms") if turn is not None else None
    first = turn.metrics.get("first_sound_ms") if turn is not None else None
    speech_ms = metric.value if metric is not None else None
    ended = _ended(scene, index, speech_ms)
    silence = _dead_air(scene, index, ended)
    return UserTurn(
        utterance=index,
        start_ms=_ms(place.start),
        end_ms=_ms(place.end),
        error_ms=truth.utterances[index].error_ms,
        ended=ended,
        first_sound_ms=first.value if first is not None and first.value is not None else speech_ms,
        first_speech_ms=speech_ms,
        uncertainty_ms=metric.uncertainty if metric is not None else None,
        dead_air_ms=round(silence.longest_ms, 3) if silence is not None else None,
        dead_air_at_ms=_ms(silence.longest_at) if silence is not None else None,
        reason="; ".join(
            filter(
                None,
                [
                    _reason(ended, metric.reason if metric is not None else "", _left_ms(scene, index)),
                    _rest(scene, index) if ended == "answered" else "",
                ],
            )
        ),
        invalid=metric is not None and metric.invalid,
    )


def _rest(scene: Scene, index: int) -> str:
    """An agent that is interrupted may pause for breath and talk on: what follows so soon is not surely the answer."""
    answer, place = scene.answers["ear"][index], scene.places["mic"][index]
    assert isinstance(place, Place)
    if answer.reply is None:
        return ""
    before = [sound for sound in joined(scene.rings["ear"].sounds, PAUSE_MS) if sound.start < answer.reply.start]
    if not before or not before[-1].end > place.start or before[-1].start >= place.end:
        return ""
    pause_ms = (answer.reply.start - before[-1].end) / SAMPLES_PER_MS
    if not 0 <= pause_ms < BREATH_MS:
        return ""
    return (
        f"only {pause_ms:.0f} ms after the agent's last sound, into which the user spoke: it may be the rest of that, "
        "and no answer"
    )


def _left_ms(scene: Scene, index: int) -> float:
    """From the user's last word to the end of the recording."""
    place = scene.places["mic"][index]
    assert isinstance(place, Place)
    return (len(scene.rings["ear"].audio) - place.end) / SAMPLES_PER_MS


def _reason(ended: Ended, said: str, left_ms: float) -> str:
    if ended == "recording_ends":
        return f"the recording ends {max(0.0, left_ms):.0f} ms after these words"
    if ended == "agent_went_on":
        return "the agent was speaking and went on; nothing tells whether it heard this"
    return "nobody answered" if ended == "unanswered" else said


def _ended(scene: Scene, index: int, speech_ms: float | None) -> Ended:
    if speech_ms is not None:
        return "answered"
    place = scene.places["mic"][index]
    assert isinstance(place, Place)
    sounds = _agent_breaths(scene)
    went_on = any(sound.start < place.start and sound.end > place.end for sound in sounds)
    if went_on:
        return "agent_went_on"
    last = index == len(scene.places["mic"]) - 1
    return "recording_ends" if last and _left_ms(scene, index) < ENDS_MS else "unanswered"


def _dead_air(scene: Scene, index: int, ended: Ended) -> DeadAir | None:
    """Where nobody answered: from the user's last word to their next, or to the end of the recording."""
    answer = scene.answers["ear"].get(index)
    if answer is None or ended in ("agent_went_on", "recording_ends"):
        return None
    if ended == "answered":
        if answer.talk_over and answer.reply in answer.talk_over:
            return None
        return find_dead_air(answer.turn.end, sounds_of_turn(scene, answer))
    turns = scene.turns("mic")
    until = min(
        (turn.start for turn in turns if turn.start > answer.turn.start), default=float(len(scene.rings["ear"].audio))
    )
    silence_ms = (until - answer.turn.end) / SAMPLES_PER_MS
    return DeadAir(silence_ms, silence_ms, silence_ms, answer.turn.end)


def _agent_breaths(scene: Scene) -> list[Sound]:
    """The agent's speech, pauses for breath included, but never across two replies: an answer may follow at once."""
    found: list[Sound] = []
    for reply in scene.heard["ear"]:
        inside = [
            Sound(max(sound.start, reply.start), min(sound.end, reply.end))
            for sound in scene.rings["ear"].sounds
            if sound.start < reply.end and sound.end > reply.start
        ]
        found += joined(inside, BREATH_MS)
    return found


def _overlaps(said: list[Sound], agent: list[Sound]) -> list[Overlap]:
    return [
        Overlap(
            start_ms=_ms(both.start),
            end_ms=_ms(both.end),
            began=both.began,
            utterance=both.utterance,
            talked_on_ms=None if both.talked_on_ms is None else round(both.talked_on_ms, 3),
            yielded=both.yielded,
        )
        for both in find_overlaps(said, agent)
    ]


def _defects(measurement: Measurement) -> list[Defect]:
    return sorted(
        (defect for turn in measurement.turns for defect in turn.defects if defect.ring == "ear"),
        key=lambda defect: defect.start_ms,
    )


def _stretch(sound: Sound) -> Stretch:
    return Stretch(start_ms=_ms(sound.start), end_ms=_ms(sound.end))


def _ms(sample: float) -> float:
    return round(sample / SAMPLES_PER_MS, 3)
