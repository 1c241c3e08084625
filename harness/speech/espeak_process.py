"""The process that holds espeak-ng: one JSON request a line on stdin, a JSON header line and raw samples on stdout.

espeak-ng is GPL-3, so its library is loaded here and nowhere else; this process is an aggregate, not part of the
harness. Request {text, voice, rate_wpm}; answer {n_samples, rate_hz} and n_samples little-endian int16, or {error}.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys

import espeakng_loader

# espeak-ng/speak_lib.h
AUDIO_OUTPUT_SYNCHRONOUS = 2
ESPEAK_RATE = 1
CHARS_UTF8 = 1
POS_CHARACTER = 1
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def main() -> None:
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate_hz = library.espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
    chunks: list[bytes] = []

    @CALLBACK
    def collect(samples: ctypes._Pointer, count: int, _events: int) -> int:
        if samples and count > 0:
            chunks.append(ctypes.string_at(samples, count * 2))
        return 0

    library.espeak_SetSynthCallback(collect)
    out = sys.stdout.buffer
    for line in sys.stdin:
        request = json.loads(line)
        chunks.clear()
        if library.espeak_SetVoiceByName(request["voice"].encode()) != 0:
            out.write(json.dumps({"error": f"espeak-ng has no voice {request['voice']!r}"}).encode() + b"\n")
            out.flush()
            continue
        # espeak-ng's noise source goes on from where the last utterance left it; a forked child always starts from the same
        child = os.fork()
        if child == 0:
            library.espeak_SetParameter(ESPEAK_RATE, int(request["rate_wpm"]), 0)
            text = request["text"].encode()
            library.espeak_Synth(text, ctypes.c_size_t(len(text) + 1), 0, POS_CHARACTER, 0, CHARS_UTF8, None, None)
            library.espeak_Synchronize()
            samples = b"".join(chunks)
            out.write(json.dumps({"n_samples": len(samples) // 2, "rate_hz": rate_hz}).encode() + b"\n" + samples)
            out.flush()
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
