"""What an answer says as a date, number, duration, sum of money, percentage, or yes or no: beside
its words, never instead.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from rag.english.dates import dates, only_date
from rag.english.quantities import quantity
from rag.english.relative_dates import resolve
from rag.english.yes_no import says
from rag.types import Value

_ANCHORED = re.compile(
    r"\b(?:second|minute|hour|day|week|month|year|decade)s? (?:ago|later|earlier|before|after)\b"
)
"""A time told from another, which is no length of time."""
_YEAR_AFTER = re.compile(r",? (?:1\d|20)\d\d\b")
"""The rest of a date that an answer left out."""
_NUMERIC = frozenset(("number", "money", "percentage", "duration"))


@dataclass(frozen=True, slots=True)
class Place:
    """Words where they stand: `sentence[start:end]`, in a document of `day`, where that is
    known.
    """

    sentence: str
    start: int
    end: int
    day: dt.date | None = None

    @property
    def text(self) -> str:
        return self.sentence[self.start : self.end]

    @property
    def before(self) -> str:
        return self.sentence[: self.start]

    @property
    def after(self) -> str:
        return self.sentence[self.end :]


def value(kind: str, question: str, place: Place) -> Value | None:
    """The typed answer to a question that wants a `kind` (`rag.english.answer_types.wanted`); None:
    the words are of no type.
    """
    if kind == "polar":
        yes = says(question, place.sentence)
        return None if yes is None else Value("boolean", place.sentence, yes=yes)
    if kind not in _NUMERIC and _ANCHORED.search(f"{place.text} {place.after[:12]}"):
        return None if dates(place.text) else _date(place)
    readers = (_number, _date) if kind in _NUMERIC else (_date, _number)
    return next((found for reader in readers if (found := reader(place))), None)


def _date(place: Place) -> Value | None:
    year = _YEAR_AFTER.match(place.after)
    whole = (year and only_date(place.text + year[0])) or only_date(place.text)
    if whole:
        bound = " ".join(sorted(whole.qualifiers))
        return Value("date", place.text, iso=whole.iso, precision=whole.precision, bound=bound)
    resolved = resolve(place.text, place.before, place.day, place.after) if place.day else None
    if resolved:
        return Value(
            "date", place.text, iso=resolved.iso, precision=resolved.precision, bound=resolved.bound, resolved=resolved.how  # noqa: E501
        )  # fmt: skip
    found = dates(place.text)
    if len(found) != 1 or found[0].precision == "year":
        return None
    (date,) = found
    return Value("date", place.text[date.start : date.end], iso=date.iso, precision=date.precision)


def _number(place: Place) -> Value | None:
    found = quantity(place.text, place.after)
    if (
        found is None
        or (found.kind == "number" and dates(place.text))
        or len(found.rest.split()) > 6
    ):
        return None
    return Value(
        found.kind, place.text, iso=found.iso, number=found.number, upper=found.upper, unit=found.unit, bound=found.bound  # noqa: E501
    )  # fmt: skip
