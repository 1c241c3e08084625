"""The process that holds espeak-ng (GPL-3, loaded nowhere else): `speak` → chunks as they are synthesised, then
`done`.
"""

from __future__ import annotations

import ctypes
import os
import sys

import espeakng_loader

from runtime.engines.worker import read_message, write_message

# espeak-ng/speak_lib.h
AUDIO_OUTPUT_SYNCHRONOUS = 2
CHUNK_MS = 60
ESPEAK_RATE = 1
POS_CHARACTER = 1
CHARS_UTF8 = 1
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


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
        if library.espeak_SetVoiceByName(message["voice"].encode()) != 0:
            write_message(out, {"error": f"espeak-ng has no voice {message['voice']!r}"})
            continue
        # espeak-ng's noise source goes on from where the last segment left it; a forked child always starts from the same
        child = os.fork()
        if child == 0:
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
