"""Times of day in figures or words: "14:40", "2.40 pm", "twenty to three", "noon"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rag.meaning.vocabulary import SMALL_NUMBERS

_MINUTES = {"five": 5, "ten": 10, "quarter": 15, "twenty": 20, "twenty-five": 25, "half": 30}
_HOUR = "|".join(SMALL_NUMBERS)
_TIME = re.compile(
    r"(?<![\w:.])(?P<hour>[01]?\d|2[0-3])(?:[:.](?P<minute>[0-5]\d)(?::[0-5]\d)?)?\s?"
    r"(?P<half>[ap])\.?m\b\.?"
    r"|(?<![\w:.])(?P<hours>[01]?\d|2[0-3])[:h](?P<minutes>[0-5]\d)(?![\w:]|\.\d)"
    rf"|\b(?:(?P<part>{'|'.join(_MINUTES)})(?: minutes)?|a (?P<quarter>quarter)) (?P<side>to|past) "
    rf"(?P<named>{_HOUR})\b(?![-\s]?(?:hundred|thousand|million|percent|per cent|%))"
    rf"|\b(?P<clock>\d\d?|{_HOUR}) o['’]clock"
    r"|\b(?P<noon>noon|midday|midnight)\b",
    re.IGNORECASE,
)
_HALF_DAY = 12 * 60


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """A time at `[start, end)` of a text, in minutes since midnight. If `is_exact` is False, the
    words leave open which half of the day it is in."""

    start: int
    end: int
    minutes: int
    is_exact: bool

    def is_same(self, other: TimeOfDay) -> bool:
        """Whether both are one time, or may be if the half of the day is open."""
        if self.is_exact and other.is_exact:
            return self.minutes == other.minutes
        return (self.minutes - other.minutes) % _HALF_DAY == 0


def times(text: str) -> list[TimeOfDay]:
    """The times of day in a text, in order. "Five to ten" is a range of numbers, not a time."""
    found = [_time(match) for match in _TIME.finditer(text)]
    return [one for one in found if one is not None]


def _time(match: re.Match[str]) -> TimeOfDay | None:
    parts = {name: text.lower() for name, text in match.groupdict().items() if text}
    if "half" in parts:
        hour = int(parts["hour"])
        if not 1 <= hour <= 12:
            return None
        minutes = (hour % 12 + 12 * (parts["half"] == "p")) * 60 + int(parts.get("minute", 0))
        return TimeOfDay(*match.span(), minutes, True)
    if "hours" in parts:
        hour, minutes = int(parts["hours"]), int(parts["minutes"])
        is_exact = hour > 12 or hour == 0 or parts["hours"].startswith("0")
        return TimeOfDay(*match.span(), 60 * hour + minutes, is_exact)
    if "noon" in parts:
        return TimeOfDay(*match.span(), 0 if parts["noon"] == "midnight" else 720, True)
    if "clock" in parts:
        return TimeOfDay(*match.span(), 60 * _hour(parts["clock"]), False)
    passed = _MINUTES[parts.get("part") or parts["quarter"]]
    hour = _hour(parts["named"])
    if parts["side"] == "to" and "part" in parts and passed <= hour:
        return None
    offset = passed if parts["side"] == "past" else -passed
    return TimeOfDay(*match.span(), 60 * hour + offset, False)


def _hour(name: str) -> int:
    return int(name) if name.isdigit() else 1 + SMALL_NUMBERS.index(name)
