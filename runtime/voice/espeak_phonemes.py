"""Text → phonemes as Piper's voices learnt them: one string of IPA a sentence, with the punctuation of its clauses.

Runs inside a process that holds espeak-ng (GPL-3, loaded nowhere else) and has set its voice; `library` is the loaded
one. espeak-ng gives a clause at a time and drops what ends it, so that is read from the text it has taken.
"""

from __future__ import annotations

import ctypes
import re
import unicodedata

# espeak-ng/speak_lib.h
CHARS_UTF8 = 1
PHONEMES_IPA = 2

SENTENCE_ENDS = ".?!"
CLAUSE_ENDS = ",:;"
CLOSING = "\"'”’)]} \t\r\n"  # may stand after the mark that ends a clause
SAME_MARK = str.maketrans("。？！，：；、…", ".?!,:;,.")
LANGUAGE_FLAG = re.compile(r"\([^)]*\)")  # "(en)…(cmn)" around words of another language


def sentences_of(library: ctypes.CDLL, text: str) -> list[str]:
    """NFD, a full stop added where the text ends without a mark. Empty where there is nothing to say."""
    to_phonemes = library.espeak_TextToPhonemes
    to_phonemes.restype = ctypes.c_char_p
    encoded = text.encode()
    buffer = ctypes.create_string_buffer(encoded)
    start = ctypes.addressof(buffer)
    position = ctypes.c_void_p(start)
    sentences: list[str] = []
    sentence = ""
    while position.value is not None:
        before = position.value - start
        phonemes = to_phonemes(ctypes.byref(position), CHARS_UTF8, PHONEMES_IPA) or b""
        taken = (
            encoded[before:]
            if position.value is None
            else _read_ahead_left_out(encoded[before : position.value - start])
        )
        clause = LANGUAGE_FLAG.sub("", unicodedata.normalize("NFD", phonemes.decode())).strip()
        mark = _mark(taken.decode(errors="ignore"))
        if clause:
            sentence += clause + mark
        if sentence and mark and mark in SENTENCE_ENDS:
            sentences.append(sentence.rstrip(" " + SENTENCE_ENDS + CLAUSE_ENDS) + mark)
            sentence = ""
        elif clause:
            sentence += " "
    if sentence.strip():
        sentences.append(sentence.rstrip(" " + CLAUSE_ENDS) + ".")
    return sentences


def _read_ahead_left_out(taken: bytes) -> bytes:
    """espeak-ng has always read one character of the next clause too; in UTF-8 it may be several bytes."""
    return taken.decode(errors="ignore")[:-1].encode()


def _mark(taken: str) -> str:
    """The mark that ended the clause, or "" where it ended for another reason."""
    last = taken.rstrip(CLOSING)[-1:].translate(SAME_MARK)
    return last if last and last in SENTENCE_ENDS + CLAUSE_ENDS else ""
