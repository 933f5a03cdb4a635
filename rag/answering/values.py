"""An answer as a date, number, duration, sum of money or percentage, shown beside its words."""

from __future__ import annotations

import datetime as dt
import re

from rag.answering.spans import Mention
from rag.meaning.dates import dates, only_date
from rag.meaning.relative_dates import resolve
from rag.types import Value

_ANCHORED = re.compile(
    r"\b(?:second|minute|hour|day|week|month|year|decade)s? (?:ago|later|earlier|before|after)\b"
)
"""A time before or after an event, which is not a duration."""
_YEAR_AFTER = re.compile(r",? (?:1\d|20)\d\d\b")
"""The rest of a date that an answer left out."""
_SCALE = re.compile(
    r"(?:\bin |\()(?:[$\u20ac\u00a3] ?|U\.?S\.? dollars |euros )?(thousand|million|billion)s\b",
    re.IGNORECASE,
)
_PER_SHARE = re.compile(r"\bper[- ](?:\w+ )?share\b|\bEPS\b", re.IGNORECASE)
"""In the label of a row that the unit in a heading does not apply to."""
_SHARES = re.compile(r"\bshares\b", re.IGNORECASE)
"""In the label of a row that a heading may except from its unit."""
_OWN_UNIT = re.compile(r"%|\d ?(?:bn?|k|m|thousand|million|billion)\b", re.IGNORECASE)
"""In a figure that has a unit of its own."""
_FACTORS = {
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
}
"""The units in which tables state figures."""
_NEGATIVE = re.compile(
    r"(?:US)?[$\u20ac\u00a3]? ?"
    r"(?:[-\u2013\u2212] ?[$\u20ac\u00a3]? ?\d.*|\([$\u20ac\u00a3]? ?\d[\d,.]* ?%?\) ?%?)"
)
"""A figure with a minus sign or in brackets."""
_MOST_BESIDE = 6
"""Maximum number of other words in an answer that is a number."""


def value(said: Mention, day: dt.date | None = None) -> Value | None:
    """The typed value; None if the words have no type. `day` is the document's date, if known."""
    text = said.span.text
    after = said.sentence_text[said.span.end - said.sentence[0] :]
    if _ANCHORED.search(f"{text} {after[:12]}"):
        return None if dates(text) else _date(said, after, day)
    return _number(said) or _date(said, after, day)


def _date(said: Mention, after: str, day: dt.date | None) -> Value | None:
    text = said.span.text
    year = _YEAR_AFTER.match(after)
    whole = (year and only_date(text + year[0])) or only_date(text)
    if whole:
        bound = " ".join(sorted(whole.qualifiers))
        return Value("date", text, iso=whole.iso, precision=whole.precision, bound=bound)
    before = said.sentence_text[: said.span.start - said.sentence[0]]
    resolved = resolve(text, before, day, after) if day else None
    if resolved:
        return Value(
            "date",
            text,
            iso=resolved.iso,
            precision=resolved.precision,
            bound=resolved.bound,
            resolved=resolved.how,
        )
    found = dates(text)
    if len(found) != 1 or found[0].precision == "year":
        return None
    (date,) = found
    return Value("date", text[date.start : date.end], iso=date.iso, precision=date.precision)


def _number(said: Mention) -> Value | None:
    found, text = said.meaning.quantity, said.span.text
    if found is None or len(found.rest.split()) > _MOST_BESIDE:
        return None
    if found.kind == "number" and dates(text):
        return None
    factor = _factor(said, found.kind) if found.kind in ("money", "number", "percentage") else 1
    return Value(
        found.kind,
        text,
        iso=found.iso,
        number=factor * abs(found.number) if factor < 0 else factor * found.number,
        upper=found.upper and factor * found.upper,
        unit=found.unit,
        bound=found.bound,
    )


def _factor(said: Mention, kind: str) -> int:
    """What a figure in a table is to be multiplied by: the unit is in the heading, as in "(In
    millions, except per-share amounts)", and figures in brackets are negative.
    """
    label, bar, _ = said.sentence_text.partition(" | ")
    if not bar:
        return 1
    text = said.span.text.strip()
    sign = -1 if _NEGATIVE.fullmatch(text) else 1
    if kind == "percentage" or _OWN_UNIT.search(text):
        return sign
    return sign * _unit_factor(said.span.hit.passage.heading, label)


def _unit_factor(heading: str, label: str) -> int:
    """The unit in a heading, which is not that of amounts per share, and from which numbers of
    shares may be excepted.
    """
    unit = _SCALE.search(heading)
    if not unit or _PER_SHARE.search(label):
        return 1
    if _SHARES.search(label) and "except" in heading.lower():
        return 1
    return _FACTORS[unit[1].lower()]
