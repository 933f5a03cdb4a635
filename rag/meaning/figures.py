"""The values in a text: its dates, times of day and quantities, in order."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rag.meaning.compare import Relation, compare, entails
from rag.meaning.dates import Dated, TimeOfDay, dates, only_date, times
from rag.meaning.quantities import Quantity, bound_before, quantity
from rag.meaning.words import CODE, LONGEST_TEXT, NUMBER, SIGN, digits

_TIME_UNITS = "second|minute|hour|day|week|month|year"
_SPOKEN = re.compile(
    r"(?i)\b(?:(?P<thirty>half an hour)|(?P<forty>three quarters of an hour)"
    r"|(?P<fifteen>(?:a |the )?quarter of an hour)|(?P<six>half a year)"
    r"|(?P<two>(?:(?:an?|the|one|per) )?fortnight)"
    r"|(?P<before>(?:after|for|within|in|inside|to|of|about|over|under|than|least|most|another|last"
    rf"|lasts|takes|a|the)\s)(?:an?\s|one\s)(?P<unit>{_TIME_UNITS})\b(?!-)"
    r"|an? (?P<bare>day|week|month|year)"
    r"(?= or (?:more|less|two|so)\b| (?:before|after|later|earlier)\b)"
    r"|(?P<quarters>three quarters)|(?P<thirds>two[ -]thirds)"
    r"|(?<!and a )(?<!first )(?<!second )(?P<part>half|a quarter|a third))\b"
    r"(?! (?:past|to) |[- ](?:dozen|hundred|thousand|million|billion))"
)
"""Durations and shares in everyday words, which `digits` leaves alone: answers have them
as they are written."""
_FIXED = {
    "thirty": "30 minutes",
    "forty": "45 minutes",
    "fifteen": "15 minutes",
    "six": "6 months",
    "two": "2 weeks",
    "quarters": "75 percent",
    "thirds": "66.7 percent",
}
_SHARES = {"half": "50 percent", "a quarter": "25 percent", "a third": "33.3 percent"}
_FREQUENCY = re.compile(
    r"(?i)\b(?:(?P<often>annual|year|quarter|month|week|dai|hour)(?:ly)?(?<=ly|al)"
    r"|(?:(?:once|(?P<twice>twice)|(?P<times>\d{1,3}|[a-z]{3,6}) times) (?:in )?|(?=each|every))"
    r"(?:each|every|per|an?) (?:(?P<other>second |other )|(?P<count>\d{1,3}|[a-z]{3,6}) )?"
    rf"(?P<unit>{_TIME_UNITS}|quarter)s?)\b"
)
"""How often something happens, not how long it takes: "once a week", "every other month", "every
six weeks", "three times a year", "annually". A rate such as "2,000 dollars a year" does not count.
"""
_UNITS_OF_ADVERBS = {"annual": "year", "dai": "day"}
"""The units of adverbs without "-ly" that are not units themselves."""


def _frequencies(text: str) -> Iterator[_PlacedFigure]:
    """The frequencies of words such as "once a week" and "annually": the number of times in a unit
    of time.
    """
    for match in _FREQUENCY.finditer(text):
        count = 2.0 if match["other"] else _number(match["count"])
        times = 2.0 if match["twice"] else _number(match["times"])
        if not count or not times:
            continue  # "every working day"

        adverb = (match["often"] or "").lower()
        unit = _UNITS_OF_ADVERBS.get(adverb, adverb) or match["unit"].lower()
        if unit == "quarter":
            times *= 4
            unit = "year"
        frequency = Quantity(
            "frequency",
            number=times / count,
            upper=None,
            unit=f"per {unit}",
            bound="",
            rest="",
        )
        yield match.start(), match.end(), Figure(match[0], quantity=frequency)


def _number(words: str | None) -> float:
    """A number in digits or in words, 1 for none, 0 for other words."""
    written = digits(words or "1")
    return float(written) if written.isdecimal() else 0.0


def _spoken(match: re.Match[str]) -> str:
    """A duration such as "a fortnight" or a share such as "half" in figures."""
    kind = match.lastgroup or ""
    if kind in _FIXED:
        return _FIXED[kind]
    if match["part"]:
        return _SHARES[match["part"].lower()]
    if match["bare"]:
        return f"1 {match['bare']}"
    return f"{match['before']}1 {match['unit']}"


_NUMBER = re.compile(rf"(?i)(?<![\w.,])(?<![A-Za-z]-)(?:{CODE} ?|{SIGN})?(?P<number>{NUMBER})")
DATE_BOUND = re.compile(
    r"(?i)\b(no (?:later|earlier) than|before|after|until|till|since|by|early|late|mid|around|"
    r"about)[\s-]+(?:in |the )?$"
)
_UNIT = re.compile(r"\s?(?:%|[A-Za-z°µ²³/-]+)")
_KINDS = ("date", "time", "quantity")
_NAMED_NUMBER = re.compile(
    r"(?:\b[A-Z][\w.-]*|\b(?:sub)?(?:section|version|chapter|step|phase|page|clause|article|paragraph"
    r"|schedule|annex|appendix|rule|regulation|item|para)s?)\s$"
)
"""Before a number that is part of a name, as in "PEP 503" and "section 4"."""
_UNIT_WITHIN = 40
"""Characters after a year in which its unit is looked for: "2,000 metres"."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A value in a text: its words, what they mean, and the numbers in them as written."""

    text: str
    date: Dated | None = None
    quantity: Quantity | None = None
    time: TimeOfDay | None = None
    numbers: tuple[float, ...] = ()


_PlacedFigure = tuple[int, int, Figure]
"""(start, end, figure)"""


@functools.lru_cache(4096)
def figures(text: str) -> tuple[Figure, ...]:
    """The dates, times and quantities of a text, in order."""
    stated: list[Figure] = []
    for piece in _pieces(text):
        stated += _figures(piece)
    return tuple(stated)


def _pieces(text: str) -> list[str]:
    """The text in pieces short enough to be read, cut at spaces."""
    pieces = []
    while len(text) > LONGEST_TEXT:
        cut = text.rfind(" ", 0, LONGEST_TEXT)
        if cut <= 0:
            cut = LONGEST_TEXT
        pieces.append(text[:cut])
        text = text[cut:]
    return [*pieces, text]


def _figures(text: str) -> list[Figure]:
    """The figures of one piece: what is read as a date or a time is not read again."""
    placed = list(_dates(text))
    undated = _without_figures(text, placed)
    clocks = list(_times(undated))
    placed += clocks
    rest = _without_figures(undated, clocks)
    frequencies = list(_frequencies(rest))
    placed += frequencies
    in_digits = digits(_SPOKEN.sub(_spoken, _without_figures(rest, frequencies)))
    placed += _quantities(in_digits)
    placed.sort(key=lambda item: item[0])
    return [figure for _, _, figure in placed]


def _times(text: str) -> Iterator[_PlacedFigure]:
    for clock in times(text):
        words = text[clock.start : clock.end]
        yield clock.start, clock.end, Figure(words, time=clock)


def _without_figures(text: str, placed: Sequence[_PlacedFigure]) -> str:
    """The text with spaces in the place of figures."""
    for start, end, _ in placed:
        text = f"{text[:start]}{' ' * (end - start)}{text[end:]}"
    return text


def _dates(text: str) -> Iterator[_PlacedFigure]:
    """The dates with the words that bound them, such as "before"."""
    for date in dates(text):
        words = text[date.start : date.end]
        dated = only_date(words)
        if dated is None or date.precision == "decade":
            continue

        amount = None
        if date.precision == "year":  # "2,000 metres"
            text_after = text[date.end : date.end + _UNIT_WITHIN]
            amount = quantity(words, text_after)
        bound = DATE_BOUND.search(text[: date.start])
        if bound:
            dated = dated.qualified(bound[1])
            words = text[bound.start() : date.end]

        in_digits = "".join(sign if sign.isdecimal() else " " for sign in words)
        figure = Figure(
            words,
            date=dated,
            quantity=amount if amount and amount.unit else None,
            numbers=tuple(map(float, in_digits.split())),
        )
        yield date.start, date.end, figure


def _quantities(text: str) -> Iterator[_PlacedFigure]:
    """The quantities with their units, and the numbers that are parts of names."""
    for match in _NUMBER.finditer(text):
        text_before = text[: match.start()]
        text_after = text[match.end() :]
        amount = quantity(match[0], text_after)
        bound = bound_before(text_before)
        if amount and bound and not amount.bound:
            amount = replace(amount, bound=bound)
        if amount and amount.kind == "number" and _NAMED_NUMBER.search(text_before):
            amount = None

        number = float(match["number"].replace(",", ""))
        has_kind = amount is not None and amount.kind != "number"
        if number == 1 and not has_kind:
            continue  # "one" counts nothing: "one of them", "the one provider"

        words = match[0]
        if match["number"].isdigit() and len(match["number"]) > 4:  # it may have been words
            words = words.replace(match["number"], f"{number:,.0f}")
        if amount and amount.unit and amount.kind != "money":
            unit = _UNIT.match(text_after)
            words += unit[0] if unit else ""
        yield match.start(), match.end(), Figure(words, quantity=amount, numbers=(number,))


def states(stated: Figure, claimed: Figure) -> bool:
    """Whether a `stated` value is the `claimed` one, or a more precise one."""
    for kind in _KINDS:
        stated_value = getattr(stated, kind)
        claimed_value = getattr(claimed, kind)
        if stated_value and claimed_value:
            return entails(stated_value, claimed_value)
    return len(claimed.numbers) == 1 and claimed.numbers == stated.numbers


def contradicting(
    missing: Sequence[Figure], stated: Sequence[Figure], claimed: Sequence[Figure]
) -> Iterator[tuple[str, str]]:
    """(the claim's words, the evidence's words) for each `missing` value of the claim, if a
    different value of its kind is `stated` and the claim does not have that value too.
    """
    unclaimed = []
    for value in stated:
        if not any(states(value, claimed_value) for claimed_value in claimed):
            unclaimed.append(value)

    for value in missing:
        for rival in unclaimed:
            if _are_incompatible(value, rival):
                yield value.text, rival.text
                break


def _are_incompatible(claimed: Figure, stated: Figure) -> bool:
    """Whether two values are of one kind, and cannot both be true."""
    if claimed.date and stated.date:
        return _do_dates_differ(claimed.date, stated.date)
    if claimed.time and stated.time:
        return compare(claimed.time, stated.time) is Relation.CONTRADICTS
    if claimed.quantity and stated.quantity:
        return _do_amounts_differ(claimed.quantity, stated.quantity)
    return False


def _do_dates_differ(claimed: Dated, stated: Dated) -> bool:
    relation = compare(claimed.plain, stated.plain)
    if relation is not Relation.SAME:
        return relation is Relation.CONTRADICTS
    # "before 2015" and "after 2015"
    return not entails(claimed, stated) and not entails(stated, claimed)


def _do_amounts_differ(claimed: Quantity, stated: Quantity) -> bool:
    if claimed.unit is None:
        return False
    if claimed.bound == stated.bound:
        claimed = replace(claimed, bound="")
        stated = replace(stated, bound="")
    elif entails(claimed, stated) or entails(stated, claimed):
        return False
    return compare(claimed, stated) is Relation.CONTRADICTS
