"""How a text is read out: signs, short forms and figures as the words that a voice makes of them, and units behind a number.

Does what the normaliser of `harness.model.phrases` leaves out, or takes for something else. Where a sign is read in two ways
("11/30", "5G") it stays apart from either: a difference too many is seen and explained, an equality too many is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

Replacement = str | Callable[[re.Match[str]], str]

_MONEY_WORDS = {"$": "dollars", "€": "euros", "£": "pounds", "¥": "yen", "₹": "rupees"}
_CODES = {"usd": "$", "eur": "€", "gbp": "£"}
_THOUSANDS = {"k": "thousand", "m": "million", "mn": "million", "bn": "billion"}
_SMALL = {"$": "cents", "€": "eurocents", "£": "pence"}
_LETTER_UNITS = {"m": "meters", "g": "grams", "l": "liters", "h": "hours"}
_PARTS = {"½": ".5", "1/2": ".5", "¼": ".25", "1/4": ".25", "¾": ".75", "3/4": ".75"}
_PART_WORDS = {".5": "half", ".25": "quarter", ".75": "three quarters"}
_UNDER_20 = "ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_CENTS = rf"(?:[1-9]\d|{_UNDER_20}|(?:{_TENS})(?:[ -](?:one|two|three|four|five|six|seven|eight|nine))?)"
_MONTHS = {
    short: month
    for month in (
        "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
        "december",
    )
    for short in (month, month[:3])
} | {"sept": "september"}  # fmt: skip
_MONTH = rf"(?:{'|'.join(_MONTHS)})"
_UNIT_AHEAD = r"(?=\s?(?:[€$£¥₹%°]|(?:eur|usd|gbp|euros?|percent|per cent|degrees|[kcm]m|[km]?g|m?l|m)\b))"

#: Ahead of the normaliser, in this order.
_AS_SPOKEN: tuple[tuple[re.Pattern[str], Replacement], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), spoken)
    for pattern, spoken in (
        ("[\u00ad\u200b-\u200f\u2060\ufeff]", ""),  # signs that nobody sees, which would part a word
        ("[\u2018\u2019\u02bc\uff07]", "'"),  # the normaliser knows contractions by the straight apostrophe alone
        ("[\u2010\u2011]", "-"),
        # letters with dots: p.m., A.I.; it takes the O of O.K. for a zero
        (r"(?<![a-z.])([ap])\.\s+m\.", r"\1m"),
        (r"(?<![a-z.])[a-z](?:\.[a-z])+(?!\w)\.?", lambda dotted: dotted[0].replace(".", "")),
        # addresses; else the sign is no word
        ("@", " at "),
        (r"(?<=\w)\.(?=(?:com|org|net|io|dev|app|edu|gov|ai|co|uk|eu|de|fr)\b)", " dot "),
        # parts of a number; else ½ is 12, and 2½ is 212
        (
            r"(?:(?<!\d)(\d+)[ \u00a0\u202f]?)?(?:([½¼¾])|(?<![\d/.,:])(1/2|[13]/4)(?![\d/]))",
            lambda part: _with_part(part[1], _PARTS[part[2] or part[3]]),
        ),
        (r"(?<!\d)24/7(?!\d)", "24 7"),
        (r"(?<=\d)\s?/\s?(?=\d)", " slash "),  # else 4/5 is 45, and 11/30 is half past eleven
        (r"(?<=[a-z\d])/(?=(?:second|minute|hour|day|night|week|month|year|person|kg|km)\b)", " per "),
        # money: the sign ahead of its number, and read behind it
        (rf"(?<![\d.,])(\d+),(\d\d?){_UNIT_AHEAD}", r"\1.\2"),  # the decimal comma; else 3,50 is 350
        (r"([$€£]\s?\d+),(\d\d?)(?![\d,])", r"\1.\2"),
        (r"\b(usd|eur|gbp)\s?(?=\d)", lambda code: _CODES[code[1].lower()]),
        (r"(?<=\d)\s?(usd|eur|gbp)\b", lambda code: f" {_MONEY_WORDS[_CODES[code[1].lower()]]}"),
        (r"([$€£¥₹])\s+(?=\d)", r"\1"),
        (r"(?<=\d)\s?([$€£¥₹])(?!\d)", lambda sign: f" {_MONEY_WORDS[sign[1]]} "),
        (r"([$€£¥₹]\d[\d.,]*)\s?(k|mn?|bn)\b", lambda sum_: f"{sum_[1]} {_THOUSANDS[sum_[2].lower()]}"),
        (r"([¥₹])(\d(?:[\d.,]*\d)?)", lambda sum_: f"{sum_[2]} {_MONEY_WORDS[sum_[1]]}"),
        (r"([$€£]\d+\.\d)(?![\d.]|\s?(?:thousand|million|billion))", r"\g<1>0"),
        (r"([$€£])0\.(\d\d)(?!\d)", lambda sum_: f"{int(sum_[2])} {_SMALL[sum_[1]]}"),  # else 50 cents of any money
        (r"\beuro[ -]cents?\b", "eurocents"),
        (r"(?<![\w.])(\d\d?)p\b", r"\1 pence"),
        (
            rf"\b(dollars?|euros?|pounds?)\s({_CENTS})(?=\s*(?:[.,;:!?)]|$|(?:please|thanks?|for|per|each|and|in)\b))",
            r"\1 and \2 cents",
        ),
        # units and signs; else most are no words
        (r"º(?=\s?[cf]\b)|℃|℉", lambda sign: {"º": "°", "℃": "°C", "℉": "°F"}[sign[0]]),
        (r"°\s?([cf])\b", lambda scale: " degrees celsius " if scale[1] in "cC" else " degrees fahrenheit "),
        ("°", " degrees "),
        (r"(\d)\s?mm\b", r"\1 millimeters"),  # else a filler
        (r"(\d)\s?lbs?\b", r"\1 pounds"),
        (r"\bkm\s?/\s?h\b|\bkmh\b|\bkph\b", "kilometers per hour"),
        (r"(?<=\d)(?:km\s?/\s?h|kmh|kph)\b", " kilometers per hour"),
        (r"(?<![a-z])mph\b", " miles per hour"),
        (r"%", " percent "),
        (r"&", " and "),
        (r"#(?=\d)", " number "),
        (r"\+(?=\s?\d)|(?<=\d)\+", " plus "),  # else no sign at all
        ("[²³]", lambda power: " squared " if power[0] == "²" else " cubed "),
        (r"(?<=\d)\s?×\s?(?=\d)", " times "),
        # ranges: 2–3 is no 23; with a hyphen it may be part of a code, unless a unit follows
        (r"(?<![\w–-])(\d{1,4})\s?–\s?(\d{1,4})(?![\w–-])", lambda both: _range(both[1], both[2])),
        (
            r"(?<![\w-])(\d+)[–-](\d+)(?=\s?(?:percent|[ap]m|min|mins|minutes?|hours?|hrs?|days?|weeks?|months?|years?|km|kg)\b)",
            r"\1 to \2",
        ),
        (r"(?<![\w)])[-–\u2212](?=[$€£]?\d)", "minus "),
        (r"\b(minus|negative)(?=\s+[$€£]?\w)", r"\1sign"),  # by the normaliser it would be lost ahead of money
        # dates; else the day and the year are one number
        (rf"\b({_MONTH}\.?)\s(\d\d?),?\s(?=\d{{4}}\b)", lambda day: f"{day[1]} {_ordinal(day[2])} "),
        # times
        (r"(?<![\d.,])(\d\d?)\.([0-5]\d)(?=\s?[ap]m\b)", r"\1:\2"),
        (r"(?<![\d:])0?(\d\d?):00(?=\s?[ap]m\b)", r"\1"),
        (r"(?<![\d:])(1[0-2]|[1-9]):00(?![\d:])(?:\s?o'clock\b)?", r"\1 oclock"),
        (r"\bo'clock\b", "oclock"),  # else an "o" that is a zero: ten o'clock is 100
        (r"(?<=\d):(?=\d(?!\d))", " to "),  # a result, 2:1
        (r"(?<![\d.,$€£])(\d+)\.(0+)(?!\d|\.\d)", lambda found: f"{found[1]} point{len(found[2]) * ' zero'}"),  # else 2
        (r"[()]", " "),  # else all between them is left out, the area code of a telephone number too
        (r"(?<![\d.,])0\d+(?![\d.]*\.\d)", lambda zeros: " ".join(zeros[0])),  # else 7:05 is 75
    )
)
#: Small letters that stand apart behind a number; a capital or one that is written close may be a seat or a code.
_LETTER_UNIT = re.compile(r"(?<![$€£\d.,:])(\d+(?:[.,]\d+)*)[ \u00a0\u202f]([mglh])(?!['\w])")


def _with_part(whole: str | None, part: str) -> str:
    return f"{whole}{part}" if whole else f" {_PART_WORDS[part]} "


def _range(first: str, last: str) -> str:
    """A telephone number has parts of three figures and four."""
    number = len(first) == 3 and len(last) == 4
    return f"{first} {last}" if number else f"{first} to {last}"


def read_out(text: str) -> str:
    spoken = _LETTER_UNIT.sub(lambda found: f"{found[1]} {_LETTER_UNITS[found[2]]}", text)
    for pattern, words in _AS_SPOKEN:
        spoken = pattern.sub(words, spoken)
    return spoken


# behind the normaliser, in its words

_UNITS = {
    form: unit
    for unit, forms in {
        "kilometers": "km kms kilometer",
        "meters": "meter",
        "centimeters": "cm cms centimeter",
        "millimeters": "millimeter",
        "miles": "mi mile",
        "feet": "ft",
        "kilograms": "kg kgs kilogram",
        "grams": "gram",
        "milligrams": "mg milligram",
        "liters": "liter",
        "milliliters": "ml milliliter",
        "minutes": "min mins minute",
        "hours": "hr hrs hour",
        "seconds": "sec secs",
        "megabytes": "mb megabyte",
        "gigabytes": "gb gigabyte",
        "terabytes": "tb terabyte",
        "hertz": "hz",
        "kilohertz": "khz",
        "megahertz": "mhz",
        "gigahertz": "ghz",
        "degrees": "degree",
    }.items()
    for form in forms.split()
}
_CELSIUS = ("celsius", "centigrade", "c")  # as most say degrees, without it
_FAHRENHEIT = ("fahrenheit", "f")
_NO_OTHER_WORD = ("feb", "apr", "aug", "sept", "oct", "nov", "dec")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_DAY = re.compile(r"(?:[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?")
_SIGNS = {"minussign": "minus", "negativesign": "negative"}


def with_signs(words: Sequence[str]) -> list[str]:
    """A sign ahead of its number is one with it, as the normaliser has it for numbers without a unit."""
    found: list[str] = []
    for word in words:
        sign = found[-1] if found and found[-1] in _SIGNS else None
        if sign is not None and re.match(r"[$€£¢]?\d", word):
            found[-1] = f"-{word}"
        else:
            found.append(word)
    return [_SIGNS.get(word, word) for word in found]


def in_one_form(words: Sequence[str]) -> tuple[str, ...]:
    """Units behind a number, and the days of a month, however they are written: 5 km, Nov 30."""
    found: list[str] = []
    for at, word in enumerate(words):
        before = found[-1] if found else ""
        following = words[at + 1] if at + 1 < len(words) else ""
        if _NUMBER.fullmatch(before):
            word = _UNITS.get(word, word)
        elif before == "degrees" and len(found) > 1 and _NUMBER.fullmatch(found[-2]):
            if word in _CELSIUS:
                continue
            word = "fahrenheit" if word in _FAHRENHEIT else word
        if _DAY.fullmatch(word) and (before in _MONTHS.values() or following in _MONTHS):
            word = _ordinal(word)
        elif word in _NO_OTHER_WORD or (word in _MONTHS and (_DAY.fullmatch(before) or _DAY.fullmatch(following))):
            word = _MONTHS[word]
        found.append("okay" if word == "ok" else word)
    return tuple(found)


def _ordinal(day: str) -> str:
    if not day.isdigit():
        return day
    last = {"1": "st", "2": "nd", "3": "rd"}.get(day[-1], "th") if day[0] != "1" or len(day) == 1 else "th"
    return day + last
