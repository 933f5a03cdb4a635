"""Durations, shares and frequencies in everyday words: "a fortnight", "three quarters", "once a
week".

Claims read them; answers are shown as they are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rag.meaning.quantities import Quantity

_TIME_UNIT = "(?P<unit>second|minute|hour|day|week|month|year)"
_SPOKEN = re.compile(
    r"\b(?:(?P<thirty>half an hour)|(?P<forty>three quarters of an hour)"
    r"|(?P<fifteen>(?:a |the )?quarter of an hour)|(?P<six>half a year)"
    r"|(?P<two>(?:(?:an?|the|one|per) )?fortnight)"
    r"|(?P<before>(?:after|for|within|in|inside|to|of|about|over|under|than|least|most|another|last"
    rf"|lasts|takes|a|the)\s)(?:an?\s|one\s){_TIME_UNIT}\b(?!-)"
    r"|an? (?P<bare>day|week|month|year)"
    r"(?= or (?:more|less|two|so)\b| (?:before|after|later|earlier)\b)"
    r"|(?P<quarters>three quarters)|(?P<thirds>two[ -]thirds)"
    r"|(?<!and a )(?<!first )(?<!second )(?P<part>half|a quarter|a third))\b"
    r"(?! (?:past|to) |[- ](?:dozen|hundred|thousand|million|billion))",
    re.IGNORECASE,
)
"""Durations and shares in words that `digits` leaves alone, since answers read them as they are."""
_FIXED = {"thirty": "30 minutes", "forty": "45 minutes", "fifteen": "15 minutes"}
_FIXED |= {"six": "6 months", "two": "2 weeks", "quarters": "75 percent", "thirds": "66.7 percent"}
_SHARES = {"half": "50 percent", "a quarter": "25 percent", "a third": "33.3 percent"}
_FREQUENCY = re.compile(
    rf"\b(?:(?:once )?(?:each|every|per|a) (?P<other>second |other )?{_TIME_UNIT}"
    r"|(?P<often>annual|year|month|week|dai|hour)(?:ly)?(?<=ly|al))\b",
    re.IGNORECASE,
)
"""How often something happens, which is no duration: "once a week", "every other month",
"annually"."""


def frequencies(text: str) -> Iterator[tuple[int, int, Quantity]]:
    """(start, end, frequency) of words such as "once a week" and "annually"."""
    for match in _FREQUENCY.finditer(text):
        word = (match["often"] or "").lower()
        if not word and not match[0].lower().startswith(("once", "each", "every")):
            continue  # "2,000 dollars a year" is a rate
        unit = {"annual": "year", "dai": "day"}.get(word, word) or match["unit"].lower()
        often = Quantity("frequency", 2.0 if match["other"] else 1.0, None, f"per {unit}", "", "")
        yield match.start(), match.end(), often


def in_figures(text: str) -> str:
    """The text with durations such as "a fortnight" and "once a year" and shares such as "half" in
    figures."""
    return _SPOKEN.sub(_spoken, text)


def _spoken(match: re.Match[str]) -> str:
    kind = match.lastgroup or ""
    if kind in _FIXED:
        return _FIXED[kind]
    if match["part"]:
        return _SHARES[match["part"].lower()]
    if match["bare"]:
        return f"1 {match['bare']}"
    return f"{match['before']}1 {match['unit']}"
