"""The process that holds espeak-ng: one JSON request a line on stdin, a JSON header line and raw samples on stdout.

espeak-ng is GPL-3, so its library is loaded here and nowhere else; this process is an aggregate, not part of the
harness. Request {text, voice, rate_wpm}; answer {n_samples, rate_hz} and n_samples little-endian int16, or {no_voice}, or
{failed}. Without rate_wpm the answer is {sentences}: the text's phonemes, for a neural voice. The process ends when stdin
does.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys

import espeakng_loader

from runtime.voice.espeak_phonemes import sentences_of

# espeak-ng/speak_lib.h
AUDIO_OUTPUT_SYNCHRONOUS = 2
ESPEAK_RATE = 1
CHARS_UTF8 = 1
POS_CHARACTER = 1
SPEAK_TIMEOUT_S = 30  # ten minutes of speech take a second
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Voice(ctypes.Structure):
    """espeak_VOICE: the properties that request a voice."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


def set_voice(library: ctypes.CDLL, name: str) -> bool:
    """By its own name, else by its language (en-gb is one), as the espeak-ng command does."""
    if library.espeak_SetVoiceByName(name.encode()) == 0:
        return True
    wanted = Voice(languages=name.encode())
    return bool(library.espeak_SetVoiceByProperties(ctypes.byref(wanted)) == 0)


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
        # espeak-ng's noise source goes on from where the last utterance left it, and reloading a voice changes its speech
        # (and now and then cuts it short); a forked child always starts from the same state
        child = os.fork()
        if child == 0:
            signal.alarm(SPEAK_TIMEOUT_S)
            if not set_voice(library, request["voice"]):
                out.write(json.dumps({"no_voice": request["voice"]}).encode() + b"\n")
                out.flush()
                os._exit(0)
            if "rate_wpm" not in request:
                out.write(json.dumps({"sentences": sentences_of(library, request["text"])}).encode() + b"\n")
                out.flush()
                os._exit(0)
            library.espeak_SetParameter(ESPEAK_RATE, int(request["rate_wpm"]), 0)
            text = request["text"].encode()
            library.espeak_Synth(text, ctypes.c_size_t(len(text) + 1), 0, POS_CHARACTER, 0, CHARS_UTF8, None, None)
            library.espeak_Synchronize()
            samples = b"".join(chunks)
            out.write(json.dumps({"n_samples": len(samples) // 2, "rate_hz": rate_hz}).encode() + b"\n" + samples)
            out.flush()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status != 0:  # a child writes complete answers only
            out.write(json.dumps({"failed": f"status {os.waitstatus_to_exitcode(status)}"}).encode() + b"\n")
            out.flush()


if __name__ == "__main__":
    main()
