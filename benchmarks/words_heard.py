"""What a recogniser understands of replies with known words, as published and after Opus: false alarms, and planted faults found.

    python benchmarks/words_heard.py [--voice joe|en-us|…] [--kbps 32] [--model tiny.en]

Each sentence is spoken by the voice, sent through Opus, and understood on both sides, as `earwitness` does it after a call. Then
faults are planted, one a sentence and kind: a word taken out of what arrives (silence in its place, and both sides joined), a
word or two digits of the agent's text exchanged. Word times are the neural voice's: without them no word is taken out.
"""

from __future__ import annotations

import argparse
import itertools
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.signal import resample_poly

from harness.listen.metrics.reply_words import UNDERSTOOD_WER
from harness.listen.words.compare import word_errors
from harness.listen.words.lost import lost_words
from harness.model.audio import Audio
from harness.model.plan import RecogniserSpec
from harness.speech.voices import RATE_HZ as VOICE_HZ
from harness.speech.voices import Speech, Voices
from harness.words_heard.altered import ALTERED, through_opus
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
    """`text`: the agent's; `published`, `heard`: as understood, first as they are, then altered where words seemed lost."""

    text: str
    published: tuple[str, ...]
    heard: tuple[str, ...]

    @property
    def lost(self) -> tuple[str, ...]:
        return lost_words(self.text, self.published, self.heard)

    @property
    def lost_at_first(self) -> tuple[str, ...]:
        """By what was understood once."""
        return lost_words(self.text, self.published[:1], self.heard[:1])

    def wer(self, understood: Sequence[str]) -> float:
        errors = word_errors(self.text, understood[0])
        return errors.rate if errors is not None else 0.0

    @property
    def judged(self) -> bool:
        return self.wer(self.published) <= UNDERSTOOD_WER


def at_48_khz(samples: npt.NDArray[np.float64]) -> Samples:
    quiet = np.zeros(round(QUIET_S * RATE_HZ))
    return np.concatenate([quiet, resample_poly(samples, 320, 147), quiet]).astype(np.float32)  # 22 050 → 48 000


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

    def heard_in(text: str, published: Samples, heard: Samples) -> Reply:
        """As `harness.words_heard.recognise` does it."""
        sounds = [Audio(samples, RATE_HZ) for samples in (published, heard)]
        reply = Reply(text, *((recogniser.text(sound),) for sound in sounds))
        if not reply.lost:
            return reply
        again = [tuple(recogniser.text(alter(sound)) for alter in ALTERED) for sound in sounds]
        return Reply(text, reply.published + again[0], reply.heard + again[1])

    def arrived(samples: npt.NDArray[np.float64]) -> Samples:
        return through_opus(Audio(at_48_khz(samples), RATE_HZ), options.kbps).samples

    clean: list[Reply] = []
    faults: dict[str, list[Reply]] = {}
    with Voices() as voices:
        for text in SENTENCES:
            speech = voices.speak(text, options.voice, 185)
            published = at_48_khz(speech.samples)
            reply = heard_in(text, published, arrived(speech.samples))
            clean.append(reply)
            if reply.lost:
                print(f"lost in a clean reply: {reply}", flush=True)
            long = [k for k, word in enumerate(speech.words) if len(word.text.strip(".,?")) >= 4]
            for kind, joined in (("a word is silence at the ear", False), ("a word is cut out at the ear", True)):
                if long:
                    heard = arrived(without_word(speech, rng.choice(long), joined))
                    faults.setdefault(kind, []).append(heard_in(text, published, heard))
            wrong = Reply(other_word(text, rng), reply.published, reply.heard)
            faults.setdefault("another word in the agent's text", []).append(wrong)
            digits = other_digits(text)
            if digits is not None:
                faults.setdefault("other digits in the agent's text", []).append(
                    Reply(digits, reply.published, reply.heard)
                )
    show(f"{options.voice}, {options.kbps:g} kbit/s", clean, faults)


def show(what: str, clean: Sequence[Reply], faults: dict[str, list[Reply]]) -> None:
    for name, rate in (("as published", lambda r: r.wer(r.published)), ("at the ear", lambda r: r.wer(r.heard))):
        print(f"{what}, reply_wer {name}: {spread([rate(reply) for reply in clean])}")
    judged = [reply for reply in clean if reply.judged]
    print(f"clean replies that are judged: {len(judged)} of {len(clean)}")
    for kind, replies in {"clean": clean, **faults}.items():
        of = [reply for reply in replies if reply.judged]
        once, lost = (sum(map(found, of)) for found in (lambda r: bool(r.lost_at_first), lambda r: bool(r.lost)))
        wrong = sum(reply.wer(reply.published) > 0 for reply in replies)
        print(f"{kind}: words lost on the way in {lost} of {len(of)} (heard once {once})")
        print(f"{kind}: reply_wer_pre above 0 in {wrong} of {len(replies)}")


def spread(values: Sequence[float]) -> str:
    p50, p95 = np.percentile(values, [50, 95])
    return f"mean {np.mean(values):.3f}, P50 {p50:.3f}, P95 {p95:.3f}, max {max(values):.3f}, n {len(values)}"


if __name__ == "__main__":
    main()
