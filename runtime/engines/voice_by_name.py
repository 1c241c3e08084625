"""The voices that need no server, by their names: Piper's neural one, else whatever espeak-ng has."""

from __future__ import annotations

from importlib.metadata import version

from runtime.engines.protocols import TextToSpeech
from runtime.voice.piper import VOICE_NAME, VOICE_VERSION

NEURAL = ("joe", VOICE_NAME)  # as a case's recipe names it, and as Piper does


def voice_by_name(name: str, at_once: int = 1) -> TextToSpeech:
    """`at_once`: segments that the neural voice computes side by side."""
    if name in NEURAL:
        from runtime.engines.piper import PiperTextToSpeech

        return PiperTextToSpeech(at_once)
    from runtime.engines.espeak import EspeakTextToSpeech

    return EspeakTextToSpeech(name)


def identity(name: str) -> tuple[str, str, dict[str, float]]:
    """(engine, version, parameters): what pins the sound of a voice beside its name."""
    espeak = f"espeakng-loader {version('espeakng-loader')}"
    if name in NEURAL:
        return "piper", f"{VOICE_VERSION}, onnxruntime {version('onnxruntime')}, {espeak}", {}
    from runtime.engines.espeak import RATE_WPM

    return "espeak-ng", espeak, {"rate_wpm": RATE_WPM}
