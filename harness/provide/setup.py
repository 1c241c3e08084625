"""`earwitness setup`: see that everything a run needs is here; a second call only looks."""

from __future__ import annotations

from rich.console import Console

from harness.provide.chromium import ensure_chromium, find_chromium
from harness.provide.media_server import ensure_media_server, find_media_server, server_version
from harness.provide.neural_voice import ensure_neural_voice, find_neural_voice
from harness.provide.page_library import ensure_page_library, find_page_library
from harness.provide.recogniser import ensure_recogniser, find_recogniser, recogniser_is_wanted
from harness.provide.vad_model import ensure_vad_model, find_vad_model
from runtime.audio.vad_silero import MODEL_VERSION
from runtime.voice.piper import VOICE_NAME, VOICE_VERSION


def everything_is_here() -> bool:
    """Looks only; nothing is fetched."""
    finders = (find_media_server, find_chromium, find_page_library, find_vad_model, find_neural_voice)
    wanted = (*finders, find_recogniser) if recogniser_is_wanted() else finders
    return all(find() is not None for find in wanted)


def run_setup(console: Console) -> None:
    """Raises ProvisionError for the first part that cannot be provided."""

    def progress(text: str) -> None:
        console.print(f"  … {text}", markup=False, highlight=False)

    server = ensure_media_server(progress)
    console.print(f"media server  {server_version(server)}  {server}", markup=False, highlight=False, soft_wrap=True)
    chromium = ensure_chromium(progress)
    console.print(f"Chromium      {chromium.version}  {chromium.path}", markup=False, highlight=False, soft_wrap=True)
    library = ensure_page_library(progress)
    console.print(f"page library  livekit-client {library.version}", markup=False, highlight=False, soft_wrap=True)
    ensure_vad_model(progress)
    console.print(f"VAD model     silero-vad {MODEL_VERSION}", markup=False, highlight=False, soft_wrap=True)
    ensure_neural_voice(progress)
    console.print(f"neural voice  {VOICE_NAME} {VOICE_VERSION}", markup=False, highlight=False, soft_wrap=True)
    if recogniser_is_wanted():
        folder = ensure_recogniser(progress)
        console.print(f"recogniser    Whisper tiny.en  {folder}", markup=False, highlight=False, soft_wrap=True)
