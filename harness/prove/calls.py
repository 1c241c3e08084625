"""The calls a proof is made of: several turns each, short requests, varied sentences for the agent to say.

Sentences are from the Harvard lists (IEEE Recommended Practice for Speech Quality Measurements, 1969), which are
balanced over the phonemes of English. A call's requests all differ, so that each is found in its own place.
"""

from __future__ import annotations

from pathlib import Path

from harness.model.case import Case, Recipe, Say, StartAfter, StartAt, Tier, Utterance
from harness.model.plan import BuiltCase
from harness.speech.build import build_case
from harness.speech.voices import Voices

SENTENCES = (
    "The birch canoe slid on the smooth planks.",
    "Glue the sheet to the dark blue background.",
    "It's easy to tell the depth of a well.",
    "These days a chicken leg is a rare dish.",
    "Rice is often served in round bowls.",
    "The juice of lemons makes fine punch.",
    "The box was thrown beside the parked truck.",
    "The hogs were fed chopped corn and garbage.",
    "Four hours of steady work faced us.",
    "A large size in stockings is hard to sell.",
    "The boy was there when the sun rose.",
    "A rod is used to catch pink salmon.",
    "The source of the huge river is the clear spring.",
    "Kick the ball straight and follow through.",
    "Help the woman get back to her feet.",
    "A pot of tea helps to pass the evening.",
    "Smoky fires lack flame and heat.",
    "The soft cushion broke the man's fall.",
    "The salt breeze came across from the sea.",
    "The girl at the booth sold fifty bonds.",
    "The small pup gnawed a hole in the sock.",
    "The fish twisted and turned on the bent hook.",
    "Press the pants and sew a button on the vest.",
    "The swan dive was far short of perfect.",
)
REQUESTS = (
    "Hello there.",
    "What is new?",
    "And then what?",
    "Tell me more.",
    "Please go ahead.",
    "Is that so?",
    "One more, please.",
    "How about you?",
    "Anything else?",
    "That was good.",
)
VOICES = ("en-us", "en-gb", "en-us+f3", "en-gb-scotland+m2")
SPACING_MS = 4_500.0
AFTER_REPLY_MS = 350.0
PAUSE_IN_TURN_MS = 700.0


def make_call(name: str, turns: int, *, pause_in_turn: bool = False, interrupts: bool = False) -> Case:
    """A case of `turns` turns. `pause_in_turn`: each request stops for breath in its middle, which an agent with too
    short a hangover takes for its end. `interrupts`: the last request is said into the reply before it.
    """
    utterances = []
    for n in range(turns):
        request = REQUESTS[n % len(REQUESTS)]
        parts: list[Say | dict[str, object]] = [Say(say=request)]
        if pause_in_turn:
            parts = [Say(say=request), {"pause_ms": PAUSE_IN_TURN_MS}, Say(say="I mean it.")]
        nominal_ms = 500 + n * SPACING_MS
        after: StartAt | StartAfter = StartAt(at_ms=500)
        if n > 0:
            after = StartAfter(after="reply_end", delay_ms=AFTER_REPLY_MS, reply=n - 1, nominal_ms=nominal_ms)
            if interrupts and n == turns - 1:
                after = StartAfter(after="reply_start", delay_ms=800, reply=n - 1, nominal_ms=nominal_ms)
        utterances.append(Utterance.model_validate({"parts": parts, "start": after, "voice": "en-us"}))
    return Case(
        id=name,
        title=f"{turns} turns with short requests",
        tier=Tier.P0,
        speech=Recipe(utterances=utterances),
        interrupts=interrupts,
        min_reply_ms=300,
        max_reply_ms=20_000,
        tags=["proof"],
    )


def build_call(case: Case, cache: Path) -> BuiltCase:
    """Raises CaseError, HarnessError."""
    with Voices() as voices:
        return build_case(case, Path(f"{case.id}.yaml"), cache, voices)
