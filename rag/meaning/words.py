"""English words: closed classes, names of months and weekdays, number words as digits, and words as
they are compared: normalised, content words only, or one by one in order.

Number words become digits through text2num, with additions for ranges, halves and scales.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Set

from text_to_num import alpha2digit

ARTICLES = frozenset("a an the".split())
DEMONSTRATIVES = frozenset("this that these those".split())
QUESTION_WORDS = frozenset("who whom whose what which when where why how".split())
BE = frozenset("is are was were be been".split())
HAVE = frozenset("has have had".split())
MODALS = frozenset("will would can could shall should may might must".split())
AUXILIARIES = (BE | HAVE | MODALS).union(
    "am do does did isn't aren't wasn't weren't don't doesn't didn't won't".split()
)
PREPOSITIONS = frozenset(
    "in on at by from with without between of to for about after before during under over into "
    "since until among against near through towards within as because if when where while "
    "than".split()
)
SPEAKERS = frozenset("i me my mine myself you your yours we our ours".split())  # "us" may be the US
"""Speaker and listener."""
PRONOUNS = frozenset("it its he him his she her hers they them their theirs".split())
FUNCTION_WORDS = ARTICLES | DEMONSTRATIVES | PREPOSITIONS | PRONOUNS
SUBJECTS, OWNERS = "he|she|it|they|this|these|those|that", "his|her|its|their"
"""Patterns for the words with which a sentence refers to one before it."""
_OTHER_STOP_WORDS = frozenset(
    "much long far old often did do does being of in on at to for from by with and or as there "
    "into about after before during than then so not no any some you your me my we our i say said "
    "says give gave tell".split()
)
STOP_WORDS = _OTHER_STOP_WORDS.union(
    QUESTION_WORDS, ARTICLES, DEMONSTRATIVES, BE, HAVE, MODALS, PRONOUNS
) - {"shall", "must", "him", "hers", "theirs"}
"""Words that do not tell what a question or sentence is about."""
DENIALS = frozenset(
    "not never no nor neither without cannot nobody nothing denied denies refused failed "
    "lacks".split()
)
MONTHS = tuple(
    "january february march april may june july august september october november december".split()
)
WEEKDAYS = tuple("monday tuesday wednesday thursday friday saturday sunday".split())
SHORT_NAMES = frozenset(name[:3] for name in (*MONTHS, *WEEKDAYS)) - {"may"} | {"sept"}
"""Months and weekdays as they are abbreviated, with a full stop."""
MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|"
    r"aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
"""A pattern for the name of a month, without capitals."""
YEAR = r"(?:1\d|20)\d\d"
"""A pattern for a year in figures."""
YEARS = re.compile(rf"\b{YEAR}\b")
SMALL_NUMBERS = tuple("one two three four five six seven eight nine ten eleven twelve".split())


def month_number(name: str) -> int:
    """1 to 12 for a month in full or abbreviated."""
    return 1 + [month[:3] for month in MONTHS].index(name[:3].lower())


NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?)(?!\d|[.,]\d|(?:st|nd|rd|th)\b)"
_SCALES = {
    "hundred": 1e2,
    "thousand": 1e3,
    "million": 1e6,
    "mn": 1e6,
    "billion": 1e9,
    "bn": 1e9,
    "trillion": 1e12,
    "tn": 1e12,
    "k": 1e3,
    "m": 1e6,
    "b": 1e9,
    "t": 1e12,
}
_SCALE = r"(?:hundred|thousand|million|mn|billion|bn|trillion|tn)\b"
SIGN = r"(?:US\$|[$€£¥])"
CODES = "USD EUR GBP JPY CHF SEK NOK DKK CAD AUD CNY INR PLN".split()
CODE = f"(?:{'|'.join(CODES)})"
_TENS = f"(?:twen|thir|for|fif|six|seven|eigh|nine)ty(?:-(?:{'|'.join(SMALL_NUMBERS[:9])}))?"
_SPELLED = rf"(?:{_TENS}|(?:{'|'.join(SMALL_NUMBERS)}|fifteen)\b)"
_FRACTIONS = {"½": ".5", "¼": ".25", "¾": ".75"}
NUMERIC_LETTERS = frozenset((*string.ascii_letters, *_FRACTIONS))
"""Letters of number words and of units, and fractions."""
_RANGE = rf"({NUMBER})(?:(\s*(?:%s)\s*){SIGN}?({NUMBER}))?"


def _spelled(text: str) -> str:
    converted: str = alpha2digit(text, "en", threshold=0.0)
    return converted


def _in_full(match: re.Match[str]) -> str:
    """ "100 to 150 billion" without its scale."""
    tens, joiner, ones, scale = match.groups()
    numbers = (float(number.replace(",", "")) for number in (tens, ones) if number)
    return (joiner or "").join(f"{number * _SCALES[scale.lower()]:.0f}" for number in numbers)


def _mixed(match: re.Match[str]) -> str:
    """ "1.25" for "1 1/4"; what is no proper fraction, such as "1 4/1", stays as it is."""
    whole_number, part, parts = map(int, match.groups())
    return f"{whole_number + part / parts:.6g}" if 0 < part < parts else match[0]


_Rewriting = str | Callable[[re.Match[str]], str]
_REWRITINGS: list[tuple[re.Pattern[str], _Rewriting]] = [
    (re.compile(pattern, re.IGNORECASE), figures)
    for pattern, figures in (
        (r"(?:(?<![\d.,])(\d+)\s?)?([½¼¾])", lambda m: (m[1] or "0") + _FRACTIONS[m[2]]),
        (r"(?<![\d.,/])\b(\d{1,3})[ \u00a0-](\d\d?)/(\d\d?)(?![\d/]|[.,]\d)", _mixed),
        (rf"(?<![\d.,])\b({_SPELLED}|\d+) and a half\b", lambda m: f"{_spelled(m[1])}.5"),
        (r"\b(?:half a|a half) (million|billion)", r"0.5 \1"),
        (r"\ba dozen\b", "12"),
        (rf"\ban? ({_SCALE})", r"1 \1"),
        (r"\b(?:an?|one) (year|month|week|day|hour|minute) and a half\b", r"1.5 \1s"),
        (
            rf"\b({_SPELLED})(\s+(?:to|or|and)\s+)({_SPELLED}|{NUMBER})(?=[\s-]{_SCALE})",
            lambda m: f"{_spelled(m[1])}{m[2]}{_spelled(m[3])}",
        ),
        (rf"(?<=\bbetween )({NUMBER})(\s+and\s+)({NUMBER})[\s-]({_SCALE})", _in_full),
        (rf"{_RANGE % 'to|or|-|–'}[\s-]?({_SCALE})", _in_full),
        # letters as scales, only in sums of money: "$5m"
        (rf"(?<=[$€£¥]){_RANGE % 'to|-|–'}\s?([kmbt])\b", _in_full),
    )
]
"""Words and signs of numbers with what they are in figures, in the order in which they are read."""
LONGEST_TEXT = 400
"""Maximum number of characters read as a value."""


def digits(text: str) -> str:
    """Number words as digits: "twenty-five years" becomes "25 years", "two to three" becomes "2 to
    3", "two and a half" becomes "2.5", and "1 1/4" "1.25".
    """
    has_numbers_to_read = "/" in text or not NUMERIC_LETTERS.isdisjoint(text)
    if len(text) > LONGEST_TEXT or not has_numbers_to_read:
        return text
    for pattern, figures in _REWRITINGS:
        text = pattern.sub(figures, text)
    return _spelled(text)


_PUNCTUATION = re.compile(r"[^\w\s%$\u20ac\u00a3]")
WORD = re.compile(r"[^\W_]+(?:['’.,-][^\W_]+)*")
_NAMED = re.compile(r"(?<=\s)[A-Z][\w.-]+|\b\w*\d[\w.,]*\b")
_STEM = 5
"""Letters of a word that are compared."""


def normalize(text: str) -> str:
    """Lower case, without articles and punctuation, as the evaluation script of SQuAD does."""
    words = _PUNCTUATION.sub(" ", text.lower()).split()
    return " ".join(word for word in words if word not in ARTICLES)


def compatible(text: str, other_text: str) -> bool:
    """Whether one normalised answer contains the other word for word, as "14 july 2015" contains
    "2015".
    """
    words = f" {text} "
    other_words = f" {other_text} "
    return words in other_words or other_words in words


def content_words(text: str) -> frozenset[str]:
    """The content words of a question, each as its first five letters."""
    words = normalize(text).split()
    return frozenset(word[:_STEM] for word in words if word not in STOP_WORDS)


def named_words(question: str) -> frozenset[str]:
    """The content words of a question that are names, except for its first word, or contain a
    digit.
    """
    stems: set[str] = set()
    for name in _NAMED.findall(question):
        stems |= content_words(name)
    return frozenset(stems)


def coverage(stems: Set[str], text: str, default: float = 0.0) -> float:
    """The share, in [0, 1], of the word stems that `text` contains; `default` without stems."""
    if not stems:
        return default
    text_stems = {word[:_STEM] for word in normalize(text).split()}
    return len(stems & text_stems) / len(stems)


def singular(noun: str) -> str:
    """A noun without its plural ending, for comparison only."""
    if noun.endswith("ies") and len(noun) > 4:
        return noun[:-3] + "y"
    if noun.endswith("ss"):
        return noun
    return noun.removesuffix("s")


def singular_words(text: str) -> frozenset[str]:
    """The content words in the singular; whole, so that "internal" is not "international"."""
    stems = content_words(text)
    words = normalize(text).split()
    return frozenset(singular(word) for word in words if word[:_STEM] in stems)


def fold(word: str) -> str:
    """A word in lower case, without a possessive ending and full stops."""
    word = word.lower().replace("’", "'").removesuffix("'s").removesuffix("'")
    return word.replace(".", "")


def word_set(text: str) -> frozenset[str]:
    """The folded words of a text."""
    return frozenset(fold(word) for word in WORD.findall(text))


def word_list(text: str) -> list[str]:
    """The folded words in order; number words of a short text become digits."""
    if len(text) <= LONGEST_TEXT:
        text = digits(text)
    return [fold(word) for word in WORD.findall(text)]
