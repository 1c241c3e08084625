"""What a recogniser understands of replies with known words, as published and after Opus: false alarms, and planted faults found.

    python benchmarks/words_heard.py [--voice joe|en-us|…] [--kbps 32] [--model tiny.en]

Each sentence is spoken by the voice, sent through Opus, and understood on both sides, as `earwitness` does it after a call. Then
faults are planted, one a sentence and kind: a word taken out of what arrives (silence in its place, and both sides joined), a
word or two digits of the agent's text exchanged. Word times are the neural voice's: without them no word is taken out.
"""

from __future__ import annotations

import argparse
import io
import itertools
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soundfile
from scipy.signal import resample_poly

from harness.listen.words.compare import word_errors
from harness.listen.words.lost import lost_words
from harness.model.audio import Audio
from harness.model.plan import RecogniserSpec
from harness.speech.voices import RATE_HZ as VOICE_HZ
from harness.speech.voices import Speech, Voices
from harness.words_heard.recogniser import open_recogniser

RATE_HZ = 48_000
QUIET_S = 0.3
FADE_S = 0.005
SENTENCES = (
    "It is half past nine.",
    "Your table for two is booked at seven thirty.",
    "The next train to the airport leaves from platform twelve.",
    "Your code is four two seven one.",
    "The price is forty two dollars for three kilos.",
    "I have cancelled your appointment on Tuesday morning.",
    "Once upon a time, a lighthouse keeper found a bottle on the beach.",
    "Please hold the line while I check that for you.",
    "Your order will be delivered tomorrow between eight and ten.",
    "The museum is closed on Mondays.",
    "I could not find a reservation under that name.",
    "There are three rooms left for the weekend.",
    "The weather will be mostly dry, with light rain along the coast.",
    "Would you like breakfast with your room?",
    "Your balance is one hundred and twenty five euros.",
    "The doctor will see you on the fifth of March.",
    "Turn left at the church, and then walk for five minutes.",
    "I am afraid that the flight is fully booked.",
    "Your parcel has arrived at the post office in the station.",
    "We open at nine, and close at half past six.",
    "The password was changed two days ago.",
    "Could you please repeat the last four digits of your card?",
    "The meeting was moved to the small office on the second floor.",
    "You have one new message from your sister.",
    "The kitchen light is off now.",
    "I have set the alarm for six fifteen.",
    "The ticket costs nineteen dollars, and children travel for free.",
    "Your phone number ends with eight three zero five.",
    "A technician will visit you on Friday afternoon.",
    "The battery of your car should be replaced within a month.",
    "There is a pharmacy across the street from the hotel.",
    "I have added milk, bread and apples to your list.",
    "The concert begins at eight, and the doors open at seven.",
    "Your insurance covers the damage to the window.",
    "The river is forty miles long.",
    "I will send you a message with a link.",
    "The library has two copies of this book.",
    "Your reference number is seven nine one six.",
    "The heating was turned down to eighteen degrees.",
    "This restaurant does not accept credit cards.",
    "The bus stops in front of the hospital every ten minutes.",
    "You can return the shoes within thirty days.",
    "The bank is open until four on Thursdays.",
    "I have found a cheaper flight with one stop in Madrid.",
    "The garden is behind the house.",
    "Your subscription ends in the middle of April.",
    "The water will be switched off from two to five.",
    "Please enter the building through the side door.",
    "We have received your payment of last week.",
    "The score is three to one for the home team.",
    "Your driver will arrive in about four minutes.",
    "The recipe needs two eggs and a cup of sugar.",
    "I have blocked your card, and a new one is on its way.",
    "The shortest way takes you over the old bridge.",
    "Her office number is six two eight.",
    "The film lasts for almost three hours.",
    "Your suitcase was left on the train to Berlin.",
    "The school is looking for a music teacher.",
    "Press one for sales, or two for support.",
    "The package weighs less than five pounds.",
    "He was born in a village near the border.",
    "You may park your car in the yard at night.",
    "The printer on the first floor is out of paper.",
    "Your room is number five oh three, next to the lift.",
)
DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
OTHERS = ("garden", "yellow", "window", "Thursday", "orange", "bottle", "river", "paper")
Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Reply:
    """`text`: the agent's; `published`, `heard`: as they were understood."""

    text: str
    published: str
    heard: str

    @property
    def lost(self) -> tuple[str, ...]:
        return lost_words(self.text, self.published, self.heard)

    def wer(self, understood: str) -> float:
        errors = word_errors(self.text, understood)
        return errors.rate if errors is not None else 0.0


def at_48_khz(samples: npt.NDArray[np.float64]) -> Samples:
    quiet = np.zeros(round(QUIET_S * RATE_HZ))
    return np.concatenate([quiet, resample_poly(samples, 320, 147), quiet]).astype(np.float32)  # 22 050 → 48 000


def through_opus(samples: Samples, kbps: float) -> Samples:
    """By libsndfile, whose level of compression is a bit rate from 256 down to 6 kbit/s."""
    file = io.BytesIO()
    level = 1 - (kbps - 6) / 250
    soundfile.write(file, samples, RATE_HZ, format="OGG", subtype="OPUS", compression_level=level)
    file.seek(0)
    return soundfile.read(file, dtype="float32")[0]


def without_word(speech: Speech, index: int, joined: bool) -> npt.NDArray[np.float64]:
    """The speech without its word number `index`: silence there, or both sides joined; faded over 5 ms."""
    word, fade = speech.words[index], round(FADE_S * VOICE_HZ)
    before, after = speech.samples[: word.start].copy(), speech.samples[word.end :].copy()
    ramp = np.linspace(1, 0, fade)
    if len(before) >= fade:
        before[-fade:] *= ramp
    if len(after) >= fade:
        after[:fade] *= ramp[::-1]
    middle = np.zeros(0 if joined else word.end - word.start)
    return np.concatenate([before, middle, after])


def other_word(text: str, rng: random.Random) -> str:
    """One word of four letters and more is another one."""
    word = rng.choice(re.findall(r"[a-z]{4,}", text))
    return text.replace(word, rng.choice([other for other in OTHERS if other != word]), 1)


def other_digits(text: str) -> str | None:
    """Two different digits that follow each other, exchanged; else a digit is the next one; None where it has none."""
    words = text.split(" ")
    digits = [k for k, word in enumerate(words) if word.strip(".,") in DIGITS]
    for first, second in itertools.pairwise(digits):
        if second == first + 1 and words[first].strip(".,") != words[second].strip(".,"):
            a, b = words[first].strip(".,"), words[second].strip(".,")
            words[first], words[second] = words[first].replace(a, b), words[second].replace(b, a)
            return " ".join(words)
    if not digits:
        return None
    digit = words[digits[0]].strip(".,")
    words[digits[0]] = words[digits[0]].replace(digit, DIGITS[(DIGITS.index(digit) + 1) % 10])
    return " ".join(words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voice", default="joe")
    parser.add_argument("--kbps", type=float, default=32.0)
    parser.add_argument("--model", default="tiny.en")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    recogniser = open_recogniser(RecogniserSpec(model=options.model))

    def understood(samples: Samples) -> str:
        return recogniser.text(Audio(samples, RATE_HZ))

    def arrived(samples: npt.NDArray[np.float64]) -> str:
        return understood(through_opus(at_48_khz(samples), options.kbps))

    clean: list[Reply] = []
    faults: dict[str, list[Reply]] = {}
    with Voices() as voices:
        for text in SENTENCES:
            speech = voices.speak(text, options.voice, 185)
            reply = Reply(text, understood(at_48_khz(speech.samples)), arrived(speech.samples))
            clean.append(reply)
            if reply.lost or reply.wer(reply.published):
                print(f"{text!r}: published {reply.published!r}, heard {reply.heard!r}, lost {reply.lost}", flush=True)
            long = [k for k, word in enumerate(speech.words) if len(word.text.strip(".,?")) >= 4]
            for kind, joined in (("a word is silence at the ear", False), ("a word is cut out at the ear", True)):
                if long:
                    heard = arrived(without_word(speech, rng.choice(long), joined))
                    faults.setdefault(kind, []).append(Reply(text, reply.published, heard))
            wrong = Reply(other_word(text, rng), reply.published, reply.heard)
            faults.setdefault("another word in the agent's text", []).append(wrong)
            digits = other_digits(text)
            if digits is not None:
                faults.setdefault("other digits in the agent's text", []).append(
                    Reply(digits, reply.published, reply.heard)
                )
    show(options.voice, clean, faults)


def show(voice: str, clean: Sequence[Reply], faults: dict[str, list[Reply]]) -> None:
    for name, rate in (("as published", lambda r: r.wer(r.published)), ("at the ear", lambda r: r.wer(r.heard))):
        print(f"{voice}, reply_wer {name}: {spread([rate(reply) for reply in clean])}")
    print(f"clean replies with words lost on the way, by how many: {counts(len(r.lost) for r in clean)}")
    print(f"clean replies by a WER above 0 as published: {sum(r.wer(r.published) > 0 for r in clean)} of {len(clean)}")
    found_by: dict[str, Callable[[Reply], bool]] = {
        "a word lost on the way": lambda r: bool(r.lost),
        "reply_wer as published above 0": lambda r: r.wer(r.published) > 0,
    }
    for kind, replies in faults.items():
        for name, found in found_by.items():
            print(f"{kind}: {name} in {sum(map(found, replies))} of {len(replies)}")


def spread(values: Sequence[float]) -> str:
    p50, p95 = np.percentile(values, [50, 95])
    return f"mean {np.mean(values):.3f}, P50 {p50:.3f}, P95 {p95:.3f}, max {max(values):.3f}, n {len(values)}"


def counts(values: object) -> str:
    found = [int(value) for value in values]  # type: ignore[attr-defined]
    return ", ".join(f"{n}: {found.count(n)}" for n in sorted(set(found)))


if __name__ == "__main__":
    main()
