"""Prometheus metrics of the TTS server: requests by how they ended, sound spoken, time to the first sound.

They count one worker: another one starts from zero. They hold no texts.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

FIRST_SOUND_BUCKETS_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 2.0, 5.0)


class TtsMetrics:
    """`first_sound_s`: request taken → first chunk of its sound."""

    def __init__(self) -> None:
        own = self._registry = CollectorRegistry()
        self.in_progress = Gauge("earwitness_tts_in_progress", "Requests that wait or are spoken.", registry=own)
        self.ended = Counter("earwitness_tts_requests", "Requests, by how they ended.", ["ended"], registry=own)
        self.spoken_s = Counter("earwitness_tts_spoken_seconds", "Sound that was made.", registry=own)
        self.first_sound_s = Histogram(
            "earwitness_tts_first_sound_seconds", "Request → first sound.", buckets=FIRST_SOUND_BUCKETS_S, registry=own
        )

    def text(self) -> bytes:
        return generate_latest(self._registry)
