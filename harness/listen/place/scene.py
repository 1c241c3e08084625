"""A capture made ready for measuring: who is heard where, in every recording, on every clock.

Two pairs of recordings share a sample 0: (mic, ear) in the browser and (post_user, post_rtc) at the probe. The primary
pair is the user's own: the browser's in the browser lane, the probe's in the bot lane. Positions are samples at 48 kHz.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from harness.listen.place.echo import Echo, find_echoes
from harness.listen.place.elsewhere import hear_elsewhere, hear_voice_in
from harness.listen.place.first_speech import with_speech
from harness.listen.place.onset import Sound
from harness.listen.place.page_sounds import page_sounds
from harness.listen.place.replies import AnnouncedReply, HeardReply, announced_replies, hear_replies
from harness.listen.place.ring import Ring
from harness.listen.place.spoken import NotFound, Place, place_utterances
from harness.listen.place.timing import Answer, UserTurn, pair_answers
from harness.listen.read.clocks import Clocks
from harness.listen.read.ear_clock import EarClock
from harness.listen.read.reading import Capture

DETECTED_ERROR_MS = 10.0  # of an end of speech found by level: a word's last sounds may be below it
FULL_PERCENT = 98.0
PAIRS = {"ear": "mic", "post_rtc": "post_user"}  # where the agent is heard → where the user is, on the same clock


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything that was found in the recordings; computed once, on first use."""

    capture: Capture

    @property
    def primary(self) -> str:
        return "post_rtc" if self.capture.manifest.lane == "bot" else "ear"

    @property
    def expect_reply(self) -> bool:
        return self.capture.case is None or self.capture.case.expect_reply

    @property
    def tells(self) -> bool:
        """The agent announces its replies, or is declared to: then no other sound counts as its reply."""
        return bool(self.announced) or self.capture.manifest.agent.instrumented

    @cached_property
    def clocks(self) -> Clocks:
        pairs, load = self.capture.ear_clock, self.capture.load
        told = [(line.t_mono_ms, line.withheld_ms) for line in load if line.withheld_ms is not None]
        withheld = tuple((begin_ms, end_ms, ms) for (begin_ms, _), (end_ms, ms) in pairwise(told))
        return Clocks(self.capture.manifest.timelines, None if pairs is None else EarClock(pairs, withheld))

    @cached_property
    def rings(self) -> dict[str, Ring]:
        """Every recording; the ear without what the page itself has sounded."""
        own, rings = self.page_sounds, self._as_recorded
        return {**rings, "ear": replace(rings["ear"], left_out=tuple(own))} if own else rings

    @cached_property
    def page_sounds(self) -> list[Sound]:
        """The sounds at the ear that the page made; looked for where the agent does not tell when it speaks."""
        ear, received = self._as_recorded.get("ear"), self.capture.ear_received
        if ear is None or received is None or not ear.may_have_bed:
            return []
        return page_sounds(ear.sounds, received)

    @cached_property
    def _as_recorded(self) -> dict[str, Ring]:
        capture = self.capture  # an agent that gives its PCM or times shows when it speaks
        stranger = not (capture.manifest.agent.instrumented or capture.traces or "pre_rtc" in capture.audio)
        return {name: Ring(name, audio, stranger and name in PAIRS) for name, audio in capture.audio.items()}

    @cached_property
    def announced(self) -> list[AnnouncedReply]:
        return announced_replies(self.capture, self.rings.get("pre_rtc"), self.clocks)

    @cached_property
    def places(self) -> dict[str, list[Place | NotFound]]:
        """Recording of the user → one entry an utterance."""
        return {name: self._places_in(name) for name in PAIRS.values()}

    def _places_in(self, name: str) -> list[Place | NotFound]:
        truth = self.capture.truth
        if truth is None:
            return []
        for needed in ("said", name):
            if needed not in self.rings:
                return [NotFound(self.capture.why_missing(needed)) for _ in truth.utterances]
        said = self.rings["said"]
        if truth.utterances and max(u.end_sample for u in truth.utterances) > len(said.audio):
            return [NotFound("said.wav is shorter than truth.json says") for _ in truth.utterances]
        if said.audio is self.rings[name].audio:  # the truth counts in this very recording
            error_ms = DETECTED_ERROR_MS if truth.source == "detected" else 0.0
            return [
                Place(
                    float(u.start_sample), float(u.end_sample), 1.0, error_ms if u.error_ms is None else u.error_ms, 1
                )
                for u in truth.utterances
            ]
        hints = {
            spoken.utterance: float(spoken.mic_sample)
            for spoken in self.capture.manifest.spoken
            if spoken.mic_sample is not None and name == "mic"
        }
        found = place_utterances(said.band, truth, self.rings[name].band, f"{name}.wav", hints)
        return [
            replace(place, error_ms=place.error_ms + (utterance.error_ms or 0.0))
            if isinstance(place, Place)
            else NotFound(f"{place.reason}{self._full_processor}")
            for place, utterance in zip(found, truth.utterances, strict=True)
        ]

    @property
    def _full_processor(self) -> str:
        """Where the processor was full at a time, in words: speech is torn then; else empty."""
        highest = max((line.cpu_percent for line in self.capture.load if line.cpu_percent is not None), default=0.0)
        if highest < FULL_PERCENT:
            return ""
        return f"; the processor was full at times (CPU {highest:.0f} %), and speech may be torn then: try a quieter machine"

    def turns(self, user: str) -> list[UserTurn]:
        """The utterances to which a reply is due, as found in recording `user`."""
        truth = self.capture.truth
        if truth is None:
            return []
        return [
            UserTurn(index, place.start, place.end, place.error_ms, place.confidence)
            for index, (utterance, place) in enumerate(zip(truth.utterances, self.places[user], strict=True))
            if utterance.is_turn and isinstance(place, Place)
        ]

    @cached_property
    def heard(self) -> dict[str, list[HeardReply]]:
        """Recording of the agent → its sounds there, without the user's echo. Only recordings that exist."""
        echoes = {id(echo.heard) for found in self.echoes.values() for echo in found}
        return {name: [h for h in heard if id(h) not in echoes] for name, heard in self._sounds.items()}

    @cached_property
    def echoes(self) -> dict[str, list[Echo]]:
        """Recording of the agent → the user's echoes in it."""
        truth, said = self.capture.truth, self.rings.get("said")
        if truth is None or said is None or not self.announced:
            return {name: [] for name in self._sounds}
        return {
            name: find_echoes([h for h in heard if h.seq is None], said.band, truth, self.rings[name])
            for name, heard in self._sounds.items()
        }

    @cached_property
    def _sounds(self) -> dict[str, list[HeardReply]]:
        if self.voice is not None:
            return self._voice_sounds(self.voice)
        pre = self.rings.get("pre_rtc")
        sounds: dict[str, list[HeardReply]] = {}
        for name in sorted((name for name in PAIRS if name in self.rings), key=lambda name: name != self.primary):
            ring, ends = self.rings[name], [turn.end for turn in self.turns(PAIRS[name])]
            if self.tells:
                sounds[name] = hear_replies(self.announced, pre, ring, self.clocks, ends)
            elif self.primary not in sounds:
                sounds[name] = with_speech(ring, hear_replies([], pre, ring, self.clocks, ends))
            else:
                there = hear_elsewhere(sounds[self.primary], self.rings[self.primary], ring, self.clocks, ends)
                sounds[name] = with_speech(ring, there)
        return sounds

    @cached_property
    def voice(self) -> Ring | None:
        """The agent's voice at the second listener without its other tracks, on post_rtc's clock; None without any."""
        apart = self.capture.voice
        return None if apart is None or self.tells or "post_rtc" not in self.rings else Ring("post_rtc", apart, True)

    def _voice_sounds(self, apart: Ring) -> dict[str, list[HeardReply]]:
        """For an agent with music on a track of its own, only its voice counts as replies, at the ear too."""
        ends = [turn.end for turn in self.turns(PAIRS["post_rtc"])]
        voice = hear_replies([], None, apart, self.clocks, ends)
        if self.primary == "post_rtc" or "ear" not in self.rings:
            return {"post_rtc": voice}
        pairs = hear_voice_in(voice, apart, self.rings["ear"], self.clocks)
        return {
            "ear": sorted((there for _, there in pairs if there is not None), key=lambda reply: reply.start),
            "post_rtc": [replace(reply, twin=there) for reply, there in pairs],
        }

    @cached_property
    def answers(self) -> dict[str, dict[int, Answer]]:
        """Recording of the agent → utterance → its answer."""
        answers = {
            name: {a.turn.utterance: a for a in pair_answers(self.turns(PAIRS[name]), heard)}
            for name, heard in self.heard.items()
        }
        first = answers.get(self.primary)
        if self.tells or first is None:
            return answers
        for name in answers.keys() - {self.primary}:
            answers[name] = {u: self._as_at_primary(a, first.get(u), name) for u, a in answers[name].items()}
        return answers

    def _as_at_primary(self, answer: Answer, first: Answer | None, name: str) -> Answer:
        """The same reply answers a turn at every listener; a reply that the user's own listener lacks may do so here."""
        reply = None
        if first is not None and first.reply is not None:
            reply = next((h for h in self.heard[name] if h.twin is first.reply), None)
        elif answer.reply is not None and answer.reply.twin is None:
            reply = answer.reply
        return replace(answer, reply=reply)

    def first_speech(self, user: str) -> float | None:
        """The user's first voiced sample, whether a reply is due to it or not."""
        return min((place.start for place in self.places[user] if isinstance(place, Place)), default=None)
