"""Converts number words to digits through text2num, with additions for ranges, halves and
scales."""

from __future__ import annotations

import re

from text_to_num import alpha2digit

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
}
_SCALES |= {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
_SCALE = r"(?:hundred|thousand|million|mn|billion|bn|trillion|tn)\b"
SIGN = r"(?:US\$|[$€£¥])"
CODES = "USD EUR GBP JPY CHF SEK NOK DKK CAD AUD CNY INR PLN".split()
CODE = f"(?:{'|'.join(CODES)})"
_SCALED = re.compile(
    rf"({NUMBER})(?:(\s*(?:to|or|-|–)\s*){SIGN}?({NUMBER}))?[\s-]?({_SCALE})", re.IGNORECASE
)
_BETWEEN = re.compile(
    rf"(?<=\bbetween )({NUMBER})(\s+and\s+)({NUMBER})[\s-]({_SCALE})", re.IGNORECASE
)
_SHORT = re.compile(
    rf"(?<=[$€£¥])({NUMBER})(?:(\s*(?:to|-|–)\s*){SIGN}?({NUMBER}))?\s?([kmbt])\b", re.IGNORECASE
)
"""Letters as scales, only in sums of money: "$5m"."""
_TENS = (
    r"(?:twen|thir|for|fif|six|seven|eigh|nine)ty(?:-(?:one"
    r"|two|three|four|five|six|seven|eight|nine))?"
)
_SPELLED = (
    rf"(?:{_TENS}|(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen)\b)"
)
_SPELLED_RANGE = re.compile(
    rf"\b({_SPELLED})(\s+(?:to|or|and)\s+)({_SPELLED}|{NUMBER})(?=[\s-]{_SCALE})", re.IGNORECASE
)
_HALF_MORE = re.compile(rf"(?<![\d.,])\b({_SPELLED}|\d+) and a half\b", re.IGNORECASE)
_FRACTIONS = {"½": ".5", "¼": ".25", "¾": ".75"}
_FRACTION = re.compile(r"(?:(?<![\d.,])(\d+)\s?)?([½¼¾])")
LONGEST = 400
"""Maximum number of characters read as a value."""


def digits(text: str) -> str:
    """Number words as digits: "twenty-five years" becomes "25 years", "two to three" becomes "2 to
    3", "two and a half" becomes "2.5"."""
    if len(text) > LONGEST or not re.search(r"[a-z½¼¾]", text, re.IGNORECASE):
        return text
    text = _FRACTION.sub(lambda match: (match[1] or "0") + _FRACTIONS[match[2]], text)
    text = _HALF_MORE.sub(lambda match: f"{_spelled(match[1])}.5", text)
    text = re.sub(r"\b(?:half a|a half) (million|billion)", r"0.5 \1", text, flags=re.IGNORECASE)
    text = re.sub(r"\ba dozen\b", "12", text, flags=re.IGNORECASE)
    text = re.sub(rf"\ban? ({_SCALE})", r"1 \1", text, flags=re.IGNORECASE)
    text = re.sub(
        r"\b(?:an?|one) (year|month|week|day|hour|minute) and a half\b",
        r"1.5 \1s",
        text,
        flags=re.IGNORECASE,
    )
    text = _SPELLED_RANGE.sub(
        lambda match: f"{_spelled(match[1])}{match[2]}{_spelled(match[3])}", text
    )
    for pattern in (_BETWEEN, _SCALED, _SHORT):
        text = pattern.sub(_in_full, text)
    return _spelled(text)


def _spelled(text: str) -> str:
    converted: str = alpha2digit(text, "en", threshold=0.0)
    return converted


def _in_full(match: re.Match[str]) -> str:
    """ "100 to 150 billion" without its scale."""
    first, to, last, scale = match.groups()
    return "".join([_times(first, scale), *([to, _times(last, scale)] if last else [])])


def _times(number: str, scale: str) -> str:
    return f"{float(number.replace(',', '')) * _SCALES[scale.lower()]:.0f}"
