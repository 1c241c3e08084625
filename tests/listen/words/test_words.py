"""Words are compared as a listener would: numbers, case and spelling are one; an omitted or another word is not."""

from __future__ import annotations

import pytest

from harness.listen.words.compare import word_errors
from harness.listen.words.turns import words_by_turn
from harness.model.phrases import is_said, words_in
from harness.model.transcript import TranscriptLine, words_of


@pytest.mark.parametrize(
    "spoken", ["four two seven one", "4271", "forty-two seventy-one", "forty two seven one", "4 27 1", "42-71."]
)
def test_a_code_is_one_however_it_is_read_out(spoken: str) -> None:
    assert words_in(spoken) == ("4271",)
    assert is_said("4271", f"Your code is {spoken}, right?")


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("It’s booked, don’t worry.", "it's booked, don't worry"),
        ("Call us at (555) 123-4567.", "five five five one two three four five six seven"),
        ("Your code is 4271. 2 people are coming.", "4271"),
        ("It is four two seven one. Two people are coming.", "4271"),
        ("It is 4. 2. 7. 1.", "4271"),
        ("4271. Again, 4271.", "4271"),
        ("A table for seven. Oh, and a parking space.", "table for seven"),
        ("We open at 7:05.", "seven oh five"),
        ("The PIN is 0042.", "zero zero four two"),
        ("We open at ten o’clock.", "at ten"),
        ("It is -5 degrees.", "minus five degrees"),
        ("It is \u22125 °C.", "minus five"),
        ("I sent you an e-mail.", "email"),
        ("The WiFi is free.", "wi-fi"),
        ("At 7:30 p.m. tomorrow.", "7:30 pm"),
        ("Your reference is A B C one two.", "ABC12"),
        ("It is book\u00aded\u200b.", "booked"),
        ("Well, um, yes.", "um"),
        ("Two and a half.", "and a half"),
    ],
)
def test_what_is_said_is_found_however_it_is_written(text: str, phrase: str) -> None:
    assert is_said(phrase, text)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("Call 555-0123.", "555 123"),
        ("It is 10:00.", "one hundred"),
        ("We open at 7:30.", "at 7"),
        ("It is -5 degrees.", "5 degrees"),
        ("Your code is 4271.", "427"),
        ("In short, a summary.", "um"),
        ("Two of them.", "and a half"),
        ("nothing", "no"),
    ],
)
def test_other_words_are_not_those_of_the_phrase(text: str, phrase: str) -> None:
    assert not is_said(phrase, text)


ALIKE = [
    ("20 %", "20%", "twenty percent", "twenty per cent"),
    ("20.5 %", "20,5 %", "twenty point five percent"),
    ("7.30 pm", "7:30 p.m.", "seven thirty PM", "7:30pm"),
    ("7 p.m.", "7:00 pm", "seven pm"),
    ("10:00", "ten o'clock", "10 o'clock"),
    ("5 km", "5km", "five kilometres", "five kilometers"),
    ("a 5 km run", "a five kilometre run"),
    ("250 g", "250 grams", "two hundred fifty grams"),
    ("5 mm", "five millimetres"),
    ("20 °C", "20°C", "20 ℃", "twenty degrees", "twenty degrees Celsius"),
    ("-5 °C", "\u22125 °C", "minus five degrees"),
    ("100 km/h", "100 kph", "one hundred kilometres per hour"),
    ("60 mph", "sixty miles per hour"),
    ("30 min", "30 mins", "thirty minutes"),
    ("$5", "5 $", "$5.00", "five dollars", "5 USD", "USD 5"),
    ("€ 3.50", "€3.50", "3,50 €", "3.50 EUR", "three euros fifty", "three euros and fifty cents"),
    ("$5 million", "$5m", "five million dollars"),
    ("-$5", "minus five dollars"),
    ("£0.50", "50p", "fifty pence"),
    ("1st", "first"),
    ("twenty-first", "21st"),
    ("A.I.", "AI", "a i"),
    ("U.S.A.", "USA"),
    ("O.K.", "ok", "okay"),
    ("Nov 30th", "Nov. 30", "November 30", "November thirtieth"),
    ("May 5, 2026", "May fifth, twenty twenty-six"),
    ("2½ hours", "2 1/2 hours", "two and a half hours"),
    ("2–3 minutes", "2-3 minutes", "two to three minutes"),
    ("24/7", "twenty-four seven"),
    ("+1 555 0123", "plus one five five five zero one two three"),
    ("version 2.0", "version two point zero"),
    ("joe@example.com", "joe at example dot com"),
    ("5G", "5g", "five G"),
    ("fish & chips", "fish and chips"),
]
OTHERS = [
    ("20 %", "20"),
    ("1%", "1"),
    ("20 %", "20 °C"),
    ("7.30 pm", "7.30 am"),
    ("7:00 pm", "700"),
    ("10:00", "1000"),
    ("5 km", "5 miles"),
    ("5 km", "5"),
    ("5 mm", "5"),
    ("5 mm", "5 cm"),
    ("20 °C", "20 °F"),
    ("20 °C", "-20 °C"),
    ("100 km/h", "100 mph"),
    ("30 min", "30 hours"),
    ("$5", "€5"),
    ("$5", "5"),
    ("$1", "1"),
    ("¥500", "500"),
    ("$5m", "$5"),
    ("-$5", "$5"),
    ("minus five dollars", "five dollars"),
    ("3,50 €", "350 €"),
    ("€0.50", "$0.50"),
    ("$0.50", "$0.05"),
    ("1st", "one"),
    ("21st", "20 1"),
    ("Nov 30", "Nov 13"),
    ("May 5, 2026", "May 52026"),
    ("5.1", "51"),
    ("5.1", "5.10"),
    ("2.0", "20"),
    ("2.0", "2"),
    ("½", "12"),
    ("2½ hours", "212 hours"),
    ("4/5", "45"),
    ("11/30", "11:30"),
    ("2–3 minutes", "23 minutes"),
    ("2:1", "21"),
    ("18+", "18"),
    ("10²", "102"),
    ("12 G", "12 grams"),
    ("A.I.", "API"),
    ("twenty percent", "twenty present"),
]


@pytest.mark.parametrize("forms", ALIKE, ids=[forms[0] for forms in ALIKE])
def test_what_is_read_out_alike_is_one(forms: tuple[str, ...]) -> None:
    said, *others = (f"It says {form}." for form in forms)
    for other in others:
        for reference, text in ((said, other), (other, said)):
            errors = word_errors(reference, text)
            assert errors is not None
            assert (errors.rate, errors.wrong) == (0.0, ()), (reference, text)
    for phrase in forms:
        assert is_said(phrase, said), phrase


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_what_is_read_out_otherwise_is_another(one: str, other: str) -> None:
    for said, text in ((one, other), (other, one)):
        errors = word_errors(f"It says {said}.", f"It says {text}.")
        assert errors is not None
        assert errors.rate > 0, (said, text)
        assert not is_said(f"says {said} now", f"It says {text} now.")


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("It is 5 km away.", "km"),
        ("It takes 5 min.", "min"),
        ("On November 30.", "30"),
        ("It is 20 degrees Celsius.", "Celsius"),
        ("Oh, five minutes.", "five minutes"),
        ("We open on Nov. 30.", "Nov 30th"),
        ("It is for Mr. J. Smith, room no. 5.", "mister j smith"),
        ("Dr. No. 5 p.m. 2 people.", "2 people"),
    ],
)
def test_a_part_of_what_is_written_is_found_as_it_is_written(text: str, phrase: str) -> None:
    assert is_said(phrase, text)


@pytest.mark.parametrize("text", ["9" * 20_000, "0." + "9" * 9_000, "one " * 5_000 + "decillion"])
def test_a_number_without_end_is_words_like_any_other(text: str) -> None:
    assert words_in(text)
    assert not is_said("hello", text)
    assert is_said("hello", f"{text}. Hello!")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("かぎです", "かきです"),
        ("パンです", "ハンです"),
        ("мой дом", "мои дом"),
        ("तुम", "तम"),
        ("דבר", "דבק"),
    ],
)
def test_a_mark_makes_another_letter_in_other_scripts(one: str, other: str) -> None:
    assert words_in(one) != words_in(other)
    assert not is_said(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ｶﾞｷ", "ガキ"),
        ("ＡＢＣ １２", "abc 12"),
        ("МОЙ ДОМ!", "мой дом"),
        ("20 % скидка", "twenty percent скидка"),
        ("２０％の", "20 % の"),
        ("हिंदी।", "हिंदी"),
        ("Привет, Dr. Smith", "привет doctor smith"),
        ("café", "cafe"),
    ],
)
def test_another_script_is_held_to_its_own_letters(one: str, other: str) -> None:
    assert words_in(one) == words_in(other)
    assert is_said(one, other)


def test_chinese_counts_by_character() -> None:
    errors = word_errors("今天天气怎么样", "今天天汽怎么样")
    assert errors is not None
    assert errors.rate == pytest.approx(1 / 7)


@pytest.mark.parametrize(
    ("understood", "rate", "wrong"),
    [
        ("It's half past nine.", 0.0, ()),
        ("it is half past iron", 0.2, ("9 → iron",)),
        ("it is past nine", 0.2, ("half → nothing",)),
        ("it is half past nine now", 0.2, ("nothing → now",)),
        ("It is half-past ni ne.", 0.4, ("9 → ni ne",)),
        ("", 1.0, ("it → nothing", "is → nothing", "half → nothing", "past → nothing", "9 → nothing")),
    ],
)
def test_the_word_error_rate_names_its_errors(understood: str, rate: float, wrong: tuple[str, ...]) -> None:
    errors = word_errors("It is half past nine", understood)
    assert errors is not None
    assert (errors.rate, errors.wrong) == (pytest.approx(rate), wrong)


@pytest.mark.parametrize(
    ("one", "other"), [("an email", "an e-mail"), ("at 7:30 p.m.", "at 7:30 pm"), ("a b c", "ABC")]
)
def test_a_word_that_is_written_apart_is_no_error(one: str, other: str) -> None:
    for said, understood in ((one, other), (other, one)):
        errors = word_errors(said, understood)
        assert errors is not None
        assert (errors.rate, errors.wrong) == (0.0, ())


@pytest.mark.parametrize(
    ("said", "understood", "wrong"),
    [
        ("the wifi code is here", "a wi fi code is here", "the → a"),
        ("the wi fi code is here", "a wifi code is here", "the → a"),
        ("a lighthouse keeper", "a light house keepers", "keeper → keepers"),
        ("at half past p m tomorrow", "at half past pm today", "tomorrow → today"),
        ("it is a b c now", "it is ABC then", "now → then"),
        ("a part of it", "apart from it", "of → from"),
    ],
)
def test_an_error_beside_a_word_that_is_written_apart_counts_once(said: str, understood: str, wrong: str) -> None:
    errors = word_errors(said, understood)
    assert errors is not None
    assert errors.wrong == (wrong,)
    assert errors.rate == pytest.approx(1 / len(words_in(said)))


def test_of_nothing_that_is_a_word_there_is_no_rate() -> None:
    assert word_errors("…", "hello") is None


@pytest.mark.parametrize(
    ("phrase", "said"),
    [
        ("table for two", True),
        ("TABLE for 2", True),
        ("tables for two", False),
        ("for table", False),
        (r"re:book(ed|ing)", True),
    ],
)
def test_a_phrase_is_said_in_its_order_and_as_it_is_inflected(phrase: str, said: bool) -> None:
    assert is_said(phrase, "I have booked a table for two.") is said


def line(way: str, speaker: str, t_ms: float, text: str, segment: str = "", final: bool = True) -> TranscriptLine:
    return TranscriptLine.model_validate(
        {"way": way, "speaker": speaker, "segment_id": segment, "text": text, "final": final,
         "t_first_mono_ms": t_ms, "t_last_mono_ms": t_ms}
    )  # fmt: skip


def test_words_that_come_in_both_ways_and_in_drafts_count_once() -> None:
    lines = [
        line("event", "user", 10, "what time", "a", False),
        line("stream", "user", 11, "what time", "b", False),
        line("event", "user", 20, "what time is it", "a"),
        line("stream", "user", 21, "what time is it", "b"),
        line("event", "agent", 30, "It is nine.", "c"),
    ]
    assert [(words.speaker, words.text) for words in words_of(lines)] == [
        ("user", "what time is it"),
        ("agent", "It is nine."),
    ]


def test_words_belong_to_the_turn_after_whose_start_they_came() -> None:
    words = words_of(
        [
            line("stream", "agent", 50, "Hello!", "1"),
            line("stream", "user", 900, "what time is it", "2"),
            line("stream", "agent", 1_500, "Nine.", "3"),
            line("stream", "user", 2_500, "thanks", "4", final=False),
        ]
    )
    greeting, first, second = words_by_turn(words, [100.0, 2_000.0])
    assert greeting.said == "Hello!"
    assert (first.understood, first.said) == ("what time is it", "Nine.")
    assert (second.understood, second.said, second.understood_final) == ("thanks", "", False)
