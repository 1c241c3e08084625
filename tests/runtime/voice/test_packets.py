"""Deep streaming: packets are the whole synthesis, the first is early, and nobody has to wait for one that is not wanted."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from runtime.audio.resampler import StreamingResampler
from runtime.voice.packets import PACKING, Packing, packets
from runtime.voice.piper import FRAME_SAMPLES, MODEL_FILE, RATE_HZ, Ids, PiperVoice, id_map, phoneme_ids, voice_folder
from runtime.voice.piper_stages import Interrupt, InterruptedSynthesisError, PiperStages

SENTENCES = (
    "həlˈoʊ!",
    "ɪɾ ɪz hˈæf pˈæst nˈaɪn.",
    "wˈʌns əpˌɑːn ɐ tˈaɪm, ɐ lˈaɪthaʊs kˈiːpɚ fˈaʊnd ɐ bˈɑːɾəl ɔnðə bˈiːtʃ.",
)


@pytest.fixture(scope="module")
def stages() -> PiperStages:
    return PiperStages((voice_folder() / MODEL_FILE).read_bytes())


@pytest.fixture(scope="module")
def voice() -> PiperVoice:
    return PiperVoice()


def ids_of(sentence: str) -> Ids:
    return phoneme_ids(sentence, id_map())


def streamed(stages: PiperStages, sentence: str, packing: Packing = PACKING) -> list[np.ndarray]:
    return list(packets(stages, ids_of(sentence), Interrupt(), packing))


def snr_db(whole: np.ndarray, other: np.ndarray) -> float:
    difference = (whole - other).astype(np.float64)
    return float(10 * np.log10(np.sum(whole.astype(np.float64) ** 2) / max(np.sum(difference**2), 1e-30)))


@pytest.mark.parametrize("sentence", SENTENCES)
def test_the_packets_are_the_whole_synthesis(stages: PiperStages, voice: PiperVoice, sentence: str) -> None:
    whole, found = voice.say(sentence).samples, np.concatenate(streamed(stages, sentence))
    assert len(found) == len(whole)
    assert snr_db(whole, found) >= 100


def test_a_context_that_is_too_small_is_heard(stages: PiperStages, voice: PiperVoice) -> None:
    whole = voice.say(SENTENCES[2]).samples
    assert snr_db(whole, np.concatenate(streamed(stages, SENTENCES[2], Packing(context=2)))) < 40


def test_the_first_packet_is_short(stages: PiperStages) -> None:
    first, *others = streamed(stages, SENTENCES[2])
    assert len(first) == PACKING.first * FRAME_SAMPLES
    assert len(others) > 2


def test_ten_times_the_same_are_the_same_whatever_was_said_between(stages: PiperStages) -> None:
    said = set()
    for _ in range(10):
        said.add(np.concatenate(streamed(stages, SENTENCES[1])).tobytes())
        streamed(stages, SENTENCES[0])
    assert len(said) == 1


def test_resampled_packet_by_packet_it_is_what_the_whole_becomes(stages: PiperStages) -> None:
    pieces = [np.rint(32_767 * samples).astype(np.int16) for samples in streamed(stages, SENTENCES[2])]
    by_packet, at_once = StreamingResampler(RATE_HZ, 48_000), StreamingResampler(RATE_HZ, 48_000)
    found = np.concatenate([*(by_packet.push(piece) for piece in pieces), by_packet.flush()])
    whole = np.concatenate([at_once.push(np.concatenate(pieces)), at_once.flush()])
    assert np.array_equal(found, whole)


def test_an_interrupt_ends_the_work_within_a_packet(stages: PiperStages) -> None:
    frames = stages.flowed(np.tile(stages.encoded(ids_of(SENTENCES[2]), Interrupt()), 8), Interrupt())
    began_s = time.thread_time()
    stages.sounded(frames, Interrupt())
    whole_s = time.thread_time() - began_s
    stop, used_s = Interrupt(), []

    def work() -> None:
        began_s = time.thread_time()
        with pytest.raises(InterruptedSynthesisError):
            stages.sounded(frames, stop)
        used_s.append(time.thread_time() - began_s)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.02)  # it is at work
    stop.set()
    thread.join(timeout=30)
    assert used_s[0] < whole_s / 2, "seconds of speech were being made"


def test_after_an_interrupt_nothing_more_begins(stages: PiperStages) -> None:
    stop = Interrupt()
    said = packets(stages, ids_of(SENTENCES[2]), stop)
    next(said)
    stop.set()
    with pytest.raises(InterruptedSynthesisError):
        next(said)
