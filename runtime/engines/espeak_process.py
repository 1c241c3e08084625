"""The process that holds espeak-ng (GPL-3, loaded nowhere else): `speak` → chunks as they are synthesised, then `done`;
`phonemes` → the sentences of a text in phonemes, for a neural voice.
"""

from __future__ import annotations

import ctypes
import os
import sys

import espeakng_loader

from runtime.engines.pipe_messages import read_message, write_message
from runtime.voice.espeak_phonemes import sentences_of

# espeak-ng/speak_lib.h
AUDIO_OUTPUT_SYNCHRONOUS = 2
CHUNK_MS = 60
ESPEAK_RATE = 1
POS_CHARACTER = 1
CHARS_UTF8 = 1
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Voice(ctypes.Structure):
    """espeak_VOICE: what a voice is asked for by."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("reserved", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


def set_voice(library: ctypes.CDLL, name: str) -> bool:
    """A voice's own name, or the language of one (en-gb), which is not always its name."""
    if library.espeak_SetVoiceByName(name.encode()) == 0:
        return True
    wanted = Voice(languages=name.encode())
    return bool(library.espeak_SetVoiceByProperties(ctypes.byref(wanted)) == 0)


def main() -> None:
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    data = espeakng_loader.get_data_path().encode()
    rate_hz = library.espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, CHUNK_MS, data, 0)
    out = sys.stdout.buffer

    @CALLBACK
    def give(samples: ctypes._Pointer, count: int, _events: int) -> int:
        if samples and count > 0:
            write_message(out, {"chunk": True}, ctypes.string_at(samples, count * 2))
        return 0

    library.espeak_SetSynthCallback(give)
    while (received := read_message(sys.stdin.buffer)) is not None:
        message, _ = received
        if message["do"] == "ping":
            write_message(out, {"rate_hz": rate_hz})
            continue
        # espeak-ng's noise source continues from the last segment, and loading a voice again and again changes the sound (and
        # now and then cuts it short); a forked child always starts from the same state
        child = os.fork()
        if child == 0:
            if not set_voice(library, message["voice"]):
                write_message(out, {"error": f"espeak-ng has no voice {message['voice']!r}"})
                os._exit(0)
            if message["do"] == "phonemes":
                sentences = sentences_of(library, message["text"])
                write_message(out, {"request": message["request"], "sentences": sentences})
                os._exit(0)
            library.espeak_SetParameter(ESPEAK_RATE, int(message["rate_wpm"]), 0)
            text = message["text"].encode()
            library.espeak_Synth(text, ctypes.c_size_t(len(text) + 1), 0, POS_CHARACTER, 0, CHARS_UTF8, None, None)
            library.espeak_Synchronize()
            write_message(out, {"done": True})
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status != 0:
            write_message(out, {"error": f"espeak-ng ended with {status}"})


if __name__ == "__main__":
    main()
