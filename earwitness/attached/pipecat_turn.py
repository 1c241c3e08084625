"""The frames of a Pipecat pipeline → the times of a turn. It knows Pipecat's frames by their names (pipecat-ai 1.14)."""

from __future__ import annotations

from typing import Any

from earwitness.attached.turns import Reply
from earwitness.attached.wire import since_epoch_to_ms


class Turn:
    """What is known of the user's turn, until a reply takes it. Times are ms of the monotonic clock."""

    def __init__(self) -> None:
        self._over = True  # what is said next is another turn
        self._fresh()

    def _fresh(self) -> None:
        self._begun = False  # the pipeline takes it for a turn, and not for a noise
        self._t: dict[str, float] = {}
        self._text: list[str] = []
        self._wait_ms = 0.0
        self._model = ""

    def stamp(self, name: str, t_ms: float) -> None:
        """Only the first time counts."""
        self._t.setdefault(name, t_ms)

    def frame(self, kinds: frozenset[str], frame: Any, t_ms: float, source: str) -> None:
        """A frame that goes downstream for the first time; `source`: the processor's name."""
        if "VADUserStartedSpeakingFrame" in kinds:
            self._speaks(since_epoch_to_ms(frame.timestamp - frame.start_secs))
        elif "UserStartedSpeakingFrame" in kinds:
            if self._over:
                self._fresh()
            self._begun, self._over = True, False
        elif "VADUserStoppedSpeakingFrame" in kinds:
            self._wait_ms = 1e3 * frame.stop_secs
            self._t["user_eot"] = since_epoch_to_ms(frame.timestamp) - self._wait_ms
        elif "UserStoppedSpeakingFrame" in kinds:
            self._t["vad_end"], self._over = t_ms, True
        elif "TranscriptionFrame" in kinds:
            self._text.append(frame.text.strip())
            if "asked" not in self._t:
                self._t["stt_done"] = t_ms
        elif "LLMFullResponseStartFrame" in kinds:
            self._asked(t_ms, source)
        elif "LLMTextFrame" in kinds:
            self.stamp("llm_first_token", t_ms)
        elif "AggregatedTextFrame" in kinds or "TTSStartedFrame" in kinds:
            self.stamp("llm_first_segment", t_ms)
        elif "MetricsFrame" in kinds:
            self._metrics(frame, t_ms)

    def _speaks(self, t_ms: float) -> None:
        if self._over or not self._begun:
            self._fresh()
        self._over = False
        self.stamp("user_speech_start", t_ms)
        for name in ("user_eot", "vad_end", "asked", "llm_first_token", "llm_first_segment", "tts_first_pcm"):
            self._t.pop(name, None)  # of an answer that was given up, since the user went on

    def _asked(self, t_ms: float, model: str) -> None:
        """The model is asked, once more after a tool: what came before is no answer, be it of a reply that was interrupted."""
        self._t["asked"], self._model = t_ms, model
        for name in ("llm_first_token", "llm_first_segment", "tts_first_pcm"):
            self._t.pop(name, None)

    def _metrics(self, frame: Any, t_ms: float) -> None:
        """A service reports its first byte when it has come; the voice reports the first whole sentence so."""
        for found in frame.data:
            kinds = kinds_of(found)
            if "TTFBMetricsData" in kinds and found.processor == self._model and found.value > 0:
                self.stamp("llm_first_token", t_ms)
            elif "TextAggregationMetricsData" in kinds and found.value > 0:
                self.stamp("llm_first_segment", t_ms)

    def give(self, reply: Reply) -> None:
        """The times up to the first sound go to this reply alone, which may be the first of several.

        A pipeline without turns of the user decides when its detector does. A model that speaks by itself has no segments:
        all that it takes stands ahead of its first token.
        """
        t, text, wait_ms = self._t, " ".join(filter(None, self._text)), self._wait_ms
        eot_ms = t.get("user_eot", t.get("vad_end"))  # a model that finds the end by itself dates it when it says so
        self._fresh()
        self._over = True
        sound_ms = t.get("tts_first_pcm")
        reply.stamp("tts_first_pcm", sound_ms)
        reply.user_text = text
        if eot_ms is None:
            return
        reply.hangover_ms = wait_ms
        decided_ms = t.get("vad_end", eot_ms + wait_ms)
        spoken_ms = sound_ms if sound_ms is not None else reply.t["first_publish"]
        segment_ms = min(t.get("llm_first_segment", spoken_ms), spoken_ms)
        reply.stamp("user_speech_start", t.get("user_speech_start"))
        reply.stamp("user_eot", eot_ms)
        reply.stamp("vad_end", decided_ms)
        reply.stamp("stt_done", t.get("stt_done", decided_ms))
        reply.stamp("llm_first_token", min(t.get("llm_first_token", segment_ms), segment_ms))
        reply.stamp("llm_first_segment", segment_ms)
        reply.stamp("tts_request", segment_ms)


def kinds_of(frame: Any) -> frozenset[str]:
    """The names of its class and of those above, by which Pipecat's frames are known without importing them."""
    kind = type(frame)
    if kind not in _KINDS:
        _KINDS[kind] = frozenset(above.__name__ for above in kind.__mro__)
    return _KINDS[kind]


_KINDS: dict[type, frozenset[str]] = {}
