"""The values in a text: its dates, times of day and quantities, in order."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rag.meaning.compare import Relation, compare, entails
from rag.meaning.dates import Dated, TimeOfDay, dates, only_date, times
from rag.meaning.quantities import Quantity, bound_before, quantity
from rag.meaning.words import CODE, LONGEST, NUMBER, SIGN, digits

_TIME_UNIT = "(?P<unit>second|minute|hour|day|week|month|year)"
_SPOKEN = re.compile(
    r"(?i)\b(?:(?P<thirty>half an hour)|(?P<forty>three quarters of an hour)"
    r"|(?P<fifteen>(?:a |the )?quarter of an hour)|(?P<six>half a year)"
    r"|(?P<two>(?:(?:an?|the|one|per) )?fortnight)"
    r"|(?P<before>(?:after|for|within|in|inside|to|of|about|over|under|than|least|most|another|last"
    rf"|lasts|takes|a|the)\s)(?:an?\s|one\s){_TIME_UNIT}\b(?!-)"
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
    rf"(?i)\b(?:(?:once )?(?:each|every|per|a) (?P<other>second |other )?{_TIME_UNIT}"
    r"|(?P<often>annual|year|month|week|dai|hour)(?:ly)?(?<=ly|al))\b"
)
"""How often something happens, not how long it takes: "once a week", "every other month",
"annually"."""


def _frequencies(text: str) -> Iterator[tuple[int, int, Figure]]:
    """(start, end, frequency) of words such as "once a week" and "annually"."""
    for match in _FREQUENCY.finditer(text):
        word = (match["often"] or "").lower()
        if not word and not match[0].lower().startswith(("once", "each", "every")):
            continue  # "2,000 dollars a year" is a rate
        unit = {"annual": "year", "dai": "day"}.get(word, word) or match["unit"].lower()
        frequency = Quantity(
            "frequency", 2.0 if match["other"] else 1.0, None, f"per {unit}", "", ""
        )
        yield match.start(), match.end(), Figure(match[0], None, frequency)


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


@functools.lru_cache(4096)
def figures(text: str) -> tuple[Figure, ...]:
    """The dates, times and quantities of a text, in order."""
    return tuple(figure for piece in _pieces(text) for figure in _figures(piece))


def _pieces(text: str) -> list[str]:
    """The text in pieces short enough to be read, cut at spaces."""
    pieces = []
    while len(text) > LONGEST:
        cut = text.rfind(" ", 0, LONGEST)
        cut = cut if cut > 0 else LONGEST
        pieces.append(text[:cut])
        text = text[cut:]
    return [*pieces, text]


def _figures(text: str) -> list[Figure]:
    placed = list(_dates(text))
    remaining = _without(text, placed)
    clocks = [(t.start, t.end, Figure(text[t.start : t.end], time=t)) for t in times(remaining)]
    placed += [*clocks, *_frequencies(remaining)]
    placed += _quantities(digits(_SPOKEN.sub(_spoken, _without(remaining, clocks))))
    return [figure for _, _, figure in sorted(placed, key=lambda item: item[0])]


def _without(text: str, placed: Sequence[tuple[int, int, Figure]]) -> str:
    for start, end, _ in placed:
        text = f"{text[:start]}{' ' * (end - start)}{text[end:]}"
    return text


def _dates(text: str) -> Iterator[tuple[int, int, Figure]]:
    for start, end, precision in ((date.start, date.end, date.precision) for date in dates(text)):
        words = text[start:end]
        dated = only_date(words)
        if dated is None or precision == "decade":
            continue
        text_after = text[end : end + _UNIT_WITHIN]
        amount = quantity(words, text_after) if precision == "year" else None
        if bound := DATE_BOUND.search(text[:start]):
            dated, words = dated.qualified(bound[1]), text[bound.start() : end]
        in_digits = "".join(sign if sign.isdecimal() else " " for sign in words)
        numbers = tuple(map(float, in_digits.split()))
        stated = amount if amount and amount.unit else None
        yield start, end, Figure(words, dated, stated, None, numbers)


def _quantities(text: str) -> Iterator[tuple[int, int, Figure]]:
    for match in _NUMBER.finditer(text):
        text_after = text[match.end() :]
        amount = quantity(match[0], text_after)

        bound = bound_before(text[: match.start()])

        if amount and bound and not amount.bound:
            amount = replace(amount, bound=bound)

        if amount and amount.kind == "number" and _NAMED_NUMBER.search(text[: match.start()]):
            amount = None

        number = float(match["number"].replace(",", ""))
        if number == 1 and (amount is None or amount.kind == "number"):
            continue  # "one" counts nothing: "one of them", "the one provider"

        written, has_unit = match[0], amount and amount.unit and amount.kind != "money"
        if match["number"].isdigit() and len(match["number"]) > 4:  # it may have been words
            written = written.replace(match["number"], f"{number:,.0f}")

        unit = _UNIT.match(text_after) if has_unit else None
        words = f"{written}{unit[0] if unit else ''}"
        yield match.start(), match.end(), Figure(words, None, amount, None, (number,))


def states(stated: Figure, claimed: Figure) -> bool:
    """Whether a `stated` value is the `claimed` one, or a more precise one."""
    for kind in _KINDS:
        stated_values, claimed_values = getattr(stated, kind), getattr(claimed, kind)
        if stated_values and claimed_values:
            return entails(stated_values, claimed_values)
    return len(claimed.numbers) == 1 and claimed.numbers == stated.numbers


def contradicting(
    missing: Sequence[Figure], stated: Sequence[Figure], claimed: Sequence[Figure]
) -> Iterator[tuple[str, str]]:
    """(the claim's words, the evidence's words) for each `missing` value of the claim, if a
    different value of its kind is `stated` and the claim does not have that value too.
    """
    unclaimed = [
        value for value in stated if not any(states(value, claim_value) for claim_value in claimed)
    ]
    for value in missing:
        rival = next((other for other in unclaimed if _differ(value, other)), None)
        if rival:
            yield value.text, rival.text


def _differ(claimed: Figure, stated: Figure) -> bool:
    if claimed.date and stated.date:
        day, own_day = stated.date, claimed.date
        relation = compare(own_day.plain, day.plain)
        if relation is Relation.SAME:  # "before 2015" and "after 2015"
            return not entails(own_day, day) and not entails(day, own_day)
        return relation is Relation.CONTRADICTS
    if claimed.time and stated.time:
        return compare(claimed.time, stated.time) is Relation.CONTRADICTS
    if not claimed.quantity or not stated.quantity or claimed.quantity.unit is None:
        return False
    mine, other = claimed.quantity, stated.quantity
    if mine.bound == other.bound:
        mine, other = replace(mine, bound=""), replace(other, bound="")
    elif entails(mine, other) or entails(other, mine):
        return False
    return compare(mine, other) is Relation.CONTRADICTS
