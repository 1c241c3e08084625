"""The process that holds pocketsphinx: `start`, then `audio` as it comes, then `end` → {text, phrases}.

Two searches run over the same sound: the English language model for the text, and keyphrases for the dialogue's intents.
A little noise is added: digital silence, which only synthetic callers have, drives the front end's cepstral mean off
(measured on the shipped cases: 1 of 8 phrases spotted without it, 8 of 8 with it).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pocketsphinx import Decoder

from runtime.engines.pipe_messages import read_message, write_message

RATE_HZ = 16_000
DITHER_RMS = 98.0  # −50 dBFS
CLOSING_MS = (
    200  # silence added behind: "story" was spotted in 0 of 25 recordings that ended 100 ms after it (as when a
)
# reply is prepared ahead), in all 25 that ended 200 ms after it
PHRASES = {  # phrase → detection threshold (pocketsphinx's kws format), chosen on the shipped cases
    "hear a story": "1e-40",
    "a story": "1e-30",
    "story": "1e-14",
    "stop wait a moment": "1e-40",
    "wait a moment": "1e-30",
    "what time is it": "1e-30",
    "the price is": "1e-15",
    "hello": "1e-8",
}


def _decoders() -> tuple[Any, Any]:
    words = Decoder(samprate=RATE_HZ, fwdflat=False, bestpath=False, loglevel="FATAL")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "phrases"
        path.write_text("".join(f"{phrase} /{threshold}/\n" for phrase, threshold in PHRASES.items()))
        spotter = Decoder(samprate=RATE_HZ, lm=None, kws=str(path), loglevel="FATAL")
    return words, spotter


def _hear(decoders: tuple[Any, Any], samples: npt.NDArray[np.int16], rng: np.random.Generator) -> None:
    noisy = samples + DITHER_RMS * rng.standard_normal(len(samples))
    raw = np.clip(noisy, -32768, 32767).astype(np.int16).tobytes()
    for decoder in decoders:
        decoder.process_raw(raw, full_utt=False)


def main() -> None:
    decoders = _decoders()
    out = sys.stdout.buffer
    rng = np.random.default_rng(0)
    open_utterance = False
    while (received := read_message(sys.stdin.buffer)) is not None:
        message, payload = received
        if message["do"] == "start":
            if open_utterance:
                for decoder in decoders:
                    decoder.end_utt()
            rng = np.random.default_rng(0)  # the same sound gives the same words
            for decoder in decoders:
                decoder.start_utt()
            open_utterance = True
        elif message["do"] == "audio" and open_utterance:
            _hear(decoders, np.frombuffer(payload, np.int16), rng)
        elif message["do"] == "end":
            if open_utterance:
                _hear(decoders, np.zeros(CLOSING_MS * RATE_HZ // 1000, np.int16), rng)
                for decoder in decoders:
                    decoder.end_utt()
            open_utterance = False
            text, phrases = (decoder.hyp() for decoder in decoders)
            spotted = [phrase for phrase in PHRASES if phrases is not None and phrase in phrases.hypstr]
            write_message(out, {"text": text.hypstr if text is not None else "", "phrases": spotted})
        elif message["do"] == "ping":
            write_message(out, {"ready": True})


if __name__ == "__main__":
    main()
