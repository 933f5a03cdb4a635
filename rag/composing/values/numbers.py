"""Numbers in words or digits, ranges, and what they count: number words by text2num, units by pint."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

from text_to_num import alpha2digit

_SCALES = {"hundred": 1e2, "thousand": 1e3, "million": 1e6, "mn": 1e6, "billion": 1e9, "bn": 1e9, "trillion": 1e12}
_SCALE = r"(?:hundred|thousand|million|mn|billion|bn|trillion)\b"
_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?)(?!\d|(?:st|nd|rd|th)\b)"
_ONE = re.compile(rf"(?<![\w.,])(?P<sign>US\$|USD ?|EUR ?|[$€£])?(?P<number>{_NUMBER})", re.IGNORECASE)
_SCALED = re.compile(rf"({_NUMBER})(?:(\s*(?:to|or|-|–)\s*)(?:US\$|[$€£])?({_NUMBER}))?[\s-]?({_SCALE})", re.IGNORECASE)
LONGEST = 400
"""Characters of the longest text that is read as a value."""
_LARGEST = 1e18
"""A longer row of digits is no quantity."""
_TO = re.compile(r"\s*(?:to|or|and|[-–—])\s*", re.IGNORECASE)
_BOUNDS = {
    "about": "about|around|approximately|approx\\.?|some|nearly|almost|roughly|circa|(?:an? )?estimated|close to|just under",
    "more than": "more than|over|above|exceeding|upwards of|greater than|in excess of",
    "at least": "at least|no less than|not less than|no fewer than|a minimum of",
    "less than": "less than|under|below|fewer than",
    "at most": "at most|up to|no more than|not more than|a maximum of|as (?:many|much) as",
}
_BOUND = [(name, re.compile(rf"\b(?:{words})\s*$", re.IGNORECASE)) for name, words in _BOUNDS.items()]
_CURRENCIES = {
    "$": "USD", "us$": "USD", "usd": "USD", "dollar": "USD", "us dollar": "USD", "€": "EUR", "eur": "EUR", "euro": "EUR",
    "£": "GBP", "pound sterling": "GBP", "british pound": "GBP", "yen": "JPY", "rial": "IRR",
}  # fmt: skip
_TIMES = {"second": 1 / 86400, "minute": 1 / 1440, "hour": 1 / 24, "day": 1.0, "week": 7.0, "month": 365.25 / 12, "year": 365.25}
_TIMES |= {"decade": 3652.5, "century": 36525.0}
"""Times in days."""
_ISO = {"second": "PT{}S", "minute": "PT{}M", "hour": "PT{}H", "day": "P{}D", "week": "P{}W", "month": "P{}M", "year": "P{}Y"}
_UNIT = re.compile(
    r"(?:\s*(?P<percent>%|per\s?cent(?:age points)?\b|percentage points?\b)"
    r"|[\s-](?P<words>[A-Za-z°][\w°/-]*(?: [a-z][\w-]*){0,2}))"
)
_STOP = frozenset(
    "of in on at by for from to with and or per as than a an the is are was were be been had has have that which who while when "
    "after before since until during about more less each every into over under between via within but not if because so ago "
    "later earlier old long away abroad altogether".split()
)
_COMPOUND = ("square ", "cubic ", "nautical ", "metric ")
_AMBIGUOUS = frozenset(
    "hand hands stone stones grain grains turn turns count counts particle particles bar bars point points pint pints cycle "
    "cycles rod rods chain chains link links force forces pole poles barn barns sheet sheets".split()
)
"""Units to pint that are more often other things."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number or, with `upper`, a range, of a unit. `kind`, `unit` and `bound` as in `Value`."""

    kind: str
    number: float
    upper: float | None
    unit: str | None
    bound: str
    rest: str
    """What the text says beside it."""

    @property
    def iso(self) -> str | None:
        whole = self.number == int(self.number)
        shape = _ISO.get(self.unit or "") if self.kind == "duration" and self.upper is None and whole else None
        return shape.format(int(self.number)) if shape else None


@functools.lru_cache(4096)
def quantity(text: str, after: str = "") -> Quantity | None:
    """The only number or range that the text holds; `after` is what follows it, where its unit may stand. None if several."""
    if len(text) > LONGEST:
        return None
    text, after = digits(text), after[:80]
    found = list(_ONE.finditer(text))
    if not found or len(found) > 2:
        return None
    first, last = found[0], found[-1]
    if len(found) == 2 and not _TO.fullmatch(text[first.end() : last.start()]):
        return None
    tail = text[last.end() :]
    kind, unit, used = _unit(first["sign"], tail if tail.strip() else digits(after), bool(tail.strip()))
    number, upper = _value(first), _value(last) if len(found) == 2 else None
    if max(number, upper or 0.0) > _LARGEST:
        return None
    bound, head = _bound(text[: first.start()])
    return Quantity(kind, number, upper, unit, bound, f"{head} {tail[used:]}".strip())


def digits(text: str) -> str:
    """Number words as digits: "twenty-five years" as "25 years", "two to three" as "2 to 3"."""
    if len(text) > LONGEST or not re.search(r"[a-z]", text, re.IGNORECASE):
        return text
    text = re.sub(r"\b(?:half a|a half) (million|billion)", r"0.5 \1", text, flags=re.IGNORECASE)
    text = re.sub(r"\ba dozen\b", "12", text, flags=re.IGNORECASE)
    text = re.sub(rf"\ban? ({_SCALE})", r"1 \1", text, flags=re.IGNORECASE)
    converted: str = alpha2digit(_SCALED.sub(_in_full, text), "en", threshold=0.0)
    return converted


def _in_full(match: re.Match[str]) -> str:
    """ "100 to 150 billion" without its scale."""
    first, to, last, scale = match.groups()
    return "".join([_times(first, scale), *([to, _times(last, scale)] if last else [])])


def _times(number: str, scale: str) -> str:
    return f"{float(number.replace(',', '')) * _SCALES[scale.lower()]:.0f}"


def _value(match: re.Match[str]) -> float:
    return float(match["number"].replace(",", ""))


def _bound(head: str) -> tuple[str, str]:
    for name, pattern in _BOUND:
        match = pattern.search(head)
        if match:
            return name, head[: match.start()]
    return "", head


def _unit(sign: str | None, tail: str, inside: bool) -> tuple[str, str | None, int]:
    """(kind, unit, characters of the tail that name it, 0 unless it is `inside` the text)."""
    if sign:
        match = re.match(r"\s*(?:US )?dollars?", tail)
        return "money", _CURRENCIES[sign.strip().lower()], match.end() if match and inside else 0
    match = _UNIT.match(tail)
    if not match:
        return "number", None, 0
    if match["percent"]:
        return "percentage", "percent", match.end() if inside else 0
    kind, unit, used = _named(match["words"])
    return kind, unit, match.start("words") + used if inside and unit else 0


def _named(words: str) -> tuple[str, str | None, int]:
    """(kind, unit, characters) of the longest beginning of `words` that is a currency, a time, a physical unit, or a noun."""
    kept: list[str] = []
    for word in words.split():
        if word.lower() in _STOP:
            break
        kept.append(word)
    for count in range(len(kept), 0, -1):
        name = " ".join(kept[:count])
        known = _known(name)
        if known:
            return known[0], known[1], len(name)
    noun = " ".join(kept)
    return "number", singular(noun.lower()) or None, len(noun)


@functools.lru_cache(1024)
def _known(name: str) -> tuple[str, str] | None:
    single = singular(name.lower())
    if single in _CURRENCIES:
        return "money", _CURRENCIES[single]
    if single in _TIMES:
        return "duration", single
    unit = (
        None
        if name in _AMBIGUOUS or (" " in name and not name.startswith(_COMPOUND))
        else _physical(name.replace("nautical ", "nautical_"))
    )
    return ("quantity", unit) if unit else None


def singular(noun: str) -> str:
    """A noun without its plural ending, well enough to compare."""
    if noun.endswith("ies") and len(noun) > 4:
        return noun[:-3] + "y"
    return noun[:-1] if noun.endswith("s") and not noun.endswith("ss") else noun


def _physical(name: str) -> str | None:
    """pint's name of a unit. It parses arithmetic too, so whatever it raises at words that are no unit says only that."""
    try:
        unit = _registry().parse_units(name)
        plain = unit.dimensionless or (len(name) == 1 and name not in "gmKVWJN")
        _registry().Quantity(1.0, unit).to_base_units()
        return None if plain else str(unit)
    except Exception:
        return None


@functools.cache
def _registry() -> Any:
    import pint

    return pint.UnitRegistry(on_redefinition="ignore")


def base(number: float, unit: str | None, kind: str) -> tuple[float, str | None]:
    """The number in the base unit of its dimension, so that tonnes compare with kilograms; others as they are."""
    if kind == "duration" and unit:
        return number * _TIMES[unit], "day"
    if kind == "quantity" and unit:
        amount = _registry().Quantity(number, unit).to_base_units()
        return float(amount.magnitude), str(amount.units)
    return number, unit
