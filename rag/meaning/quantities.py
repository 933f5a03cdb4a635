"""Reads numbers in words or digits, ranges, and their units."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from rag.meaning.units import CURRENCIES, named_unit
from rag.meaning.words import CODE, LONGEST, NUMBER, SIGN, digits, singular

_ONE = re.compile(
    rf"(?<![\w.,])(?P<minus>(?<![^\s(])(?:[-\u2212](?=[\d$€£¥])|minus ))?"
    rf"(?P<sign>{CODE} ?|{SIGN})?(?P<number>{NUMBER})",
    re.IGNORECASE,
)
_NONE = re.compile(
    r"\b(?:hundreds|thousands|millions|billions|dozens|tens) "
    r"of\b|^\W*(?:hundreds|thousands|millions|billions|dozens)\b"
    r"|\b(?:few|several|many|some|couple) (?:dozen|hundred|thousand|million|billion)"
    r"|\d\s?(?:[ap]\.?m\b|(?:BC|BCE|AD|CE)\b|B\.C\.)|\bAD \d",
    re.IGNORECASE,
)
"""Vague numbers, times of day, and years of an era."""
_LABEL = re.compile(
    r"(?:\b(?!(?:Between|From|The|Only|Exactly|Total"
    r"|Nearly|Almost|Just|And|Or|Some|All|A|An|In|Of|For|To)\b)[A-Z][\w.]*\s|[A-Za-z]-|"
    r"\b(?:version|room|section|article|chapter|page"
    r"|model|gate|platform|flight|suite|flat|apartment|building|port)\s)$"
)
"""Words before a number that is a name, as in "Windows 8", "E-500", "room 12"."""
_ZERO_FIRST = re.compile(r"0\d")
_PART = re.compile(
    r"[\s-](?:halves|thirds?|3rds?|quarters?|fifths?"
    r"|5ths?|sixths?|6ths?|eighths?|8ths?|tenths?|10ths?)\b"
)
_GLUED = re.compile(r"[A-Za-z½¼¾]")
_MILLIONS = re.compile(
    r"\s?m (?!(?:long|high|tall|deep|wide|thick|across|apart|x|by|square|cubic)\b)(?P<noun>[a-z]+)"
)
""""m" as a million before a noun, "5m people", except before a noun that is measured, "5m of rope";
"5m deep" is metres."""
_LARGEST = 1e18
"""Longer numbers are not quantities."""
_TO = re.compile(r"\s*(?:to|or|and|[-–—])\s*", re.IGNORECASE)
_BOUNDS = {
    "about": r"\b(?:about|around|approximately|approx\.?|some|nearly|almost|roughly|circa|(?:an? "
    r")?estimated|close to"
    r"|just under)",
    "at least": (
        r"(?:\b(?:at least|(?:no|not|never) (?:less|fewer|lower) than|not "
        r"(?:under|below)|a minimum of)|≥)"
    ),
    "at most": r"(?:\b(?:at most|up to|(?:no|not|never) (?:more|greater|higher) than|not "
    r"(?:over|above|exceed(?:ing)?)"
    r"|a maximum of|as (?:many|much) as)|≤)",
    "more than": (
        r"(?:\b(?:more than|over|above|exceed(?:ing|s|ed)?|upwards of|greater than|in "
        r"excess of)|>)"
    ),
    "less than": r"(?:\b(?:less than|under|below|fewer than)|<)",
}
"""Words before a number that bound it; negated bounds come before the bounds that they contain."""
_BOUND = [(name, re.compile(rf"{words}\s*$", re.IGNORECASE)) for name, words in _BOUNDS.items()]
_BOUND_AFTER = [
    (
        "at least",
        re.compile(
            r"\s*(?:\+(?!\w)|(?:or|and) (?:more|above|over|upwards)\b|at (?:the )?least\b)",
            re.IGNORECASE,
        ),
    ),
    (
        "at most",
        re.compile(
            r"\s*(?:(?:or|and) (?:less|fewer|under|below)\b|at (?:the )?most\b)", re.IGNORECASE
        ),
    ),
]
_RATE = re.compile(r"\s*(?:per\b|/|an?\b|each\b|every\b)\s*(?P<unit>[a-z]+)")
_RATED = frozenset("second minute hour day week month year person head capita annum".split())
_ISO = {
    "second": "PT{}S",
    "minute": "PT{}M",
    "hour": "PT{}H",
    "day": "P{}D",
    "week": "P{}W",
    "month": "P{}M",
    "year": "P{}Y",
}
_UNIT = re.compile(
    r"(?:\s*(?:(?P<points>percentage points?\b)|(?P<percent>%|per\s?cent\b))"
    r"|[\s-](?P<words>[A-Za-z°][\w°/-]*(?: [a-z][\w-]*){0,2})"
    r"|(?P<glued>[A-Za-zµ°]+[²³]?(?:/[a-z]+)?)(?!\w))"
)
_STOP = frozenset(
    "of in on at by for from to with and or per as than a an the is are was were be been had has "
    "have that which who while when "
    "after before since until during about more less each every into over under between via "
    "within but not if because so ago "
    "later earlier old long away abroad altogether".split()
)
_BETWEEN_WORD = re.compile(r"\bbetween\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number or, with `upper`, a range, with a unit. `kind`, `unit` and `bound` as in `Value`."""

    kind: str
    number: float
    upper: float | None
    unit: str | None
    bound: str
    rest: str
    """The other words of the text."""
    per: str = ""
    """The denominator of a rate: "hour", "year", "person"."""

    @property
    def iso(self) -> str | None:
        whole = self.number == int(self.number)
        shape = (
            _ISO.get(self.unit or "")
            if self.kind == "duration" and self.upper is None and whole
            else None
        )
        return shape.format(int(self.number)) if shape else None


@functools.lru_cache(4096)
def quantity(text: str, after: str = "") -> Quantity | None:
    """The only number or range in a text; `after` is the text behind it, which may contain the
    unit.

    None if there are several numbers, if the number is ambiguous ("hundreds of", "two thirds",
    "1,5", "1 284,50", "9 am", "2015-18", "5m people"), or if it does not count anything ("room 12",
    "C 010").
    """
    after = after[:80]
    if len(text) > LONGEST or _NONE.search(f"{text}{after[:12]}"):
        return None
    text = digits(text)
    ends = _ends(text)
    if ends is None:
        return None
    first, last = ends
    tail = text[last.end() :]
    inside = bool(tail.strip())
    follows = f"{tail}{digits(after)}"
    millions = _MILLIONS.match(follows)
    unclear = _PART.match(follows) or (millions and millions["noun"] not in _STOP)
    unit = None if unclear else _unit(first["sign"], tail if inside else follows)
    if unit is None:
        return None
    kind, name, used = unit
    bound, head = _bound(text[: first.start()])
    if (
        _ZERO_FIRST.match(first["number"])
        or (name is None and not bound and _LABEL.search(head))
        or re.match(r"[ ,]\d", follows)
    ):
        return None
    number, upper = _value(first), None if last is first else _value(last)
    if (upper is not None and upper < number) or max(abs(number), abs(upper or 0)) > _LARGEST:
        return None
    later, more = _bound_after(follows[used:])
    rate = _RATE.match(follows, used + more)
    rest = f"{_BETWEEN_WORD.sub(' ', head)} {tail[used + more :] if inside else ''}".strip()
    return Quantity(
        kind, number, upper, name, bound or later, rest, _rate(rate["unit"]) if rate else ""
    )


def _ends(text: str) -> tuple[re.Match[str], re.Match[str]] | None:
    """Both ends of the only range in the text, or its only number twice."""
    found = list(_ONE.finditer(text))
    if not found or len(found) > 2:
        return None
    first, last = found[0], found[-1]
    is_range = first is last or _TO.fullmatch(text[first.end() : last.start()])
    return (first, last) if is_range else None


def _rate(unit: str) -> str:
    return singular(unit) if singular(unit) in _RATED else ""


def _value(match: re.Match[str]) -> float:
    return float(match["number"].replace(",", "")) * (-1 if match["minus"] else 1)


def _bound(head: str) -> tuple[str, str]:
    for name, pattern in _BOUND:
        match = pattern.search(head)
        if match:
            return name, head[: match.start()]
    return "", head


def bound_before(text: str) -> str:
    """The bound that words end in, such as "more than", or ""."""
    return _bound(text)[0]


def _bound_after(tail: str) -> tuple[str, int]:
    for name, pattern in _BOUND_AFTER:
        match = pattern.match(tail)
        if match:
            return name, match.end()
    return "", 0


def _unit(sign: str | None, tail: str) -> tuple[str, str | None, int] | None:
    """(kind, unit, length of the unit's name in `tail`); None if the characters directly after the
    number have no known meaning, as in "5G"."""
    if sign:
        match = re.match(r"\s*(?:US )?dollars?", tail)
        return (
            None
            if _GLUED.match(tail)
            else ("money", CURRENCIES[sign.strip().lower()], match.end() if match else 0)
        )
    match = _UNIT.match(tail)
    if not match:
        return None if _GLUED.match(tail) else ("number", None, 0)
    if match["points"] or match["percent"]:
        return "percentage", "percentage point" if match["points"] else "percent", match.end()
    if match["glued"]:
        known = named_unit(match["glued"])
        return (*known, match.end()) if known else None
    kind, unit, used = _named(match["words"])
    return kind, unit, match.start("words") + used if unit else 0


def _named(words: str) -> tuple[str, str | None, int]:
    """(kind, unit, length of its name) of the longest start of `words` that is a currency, a
    duration, a physical unit, or a noun."""
    kept: list[str] = []
    for word in words.split():
        if word.lower() in _STOP:
            break
        kept.append(word)
    for count in range(len(kept), 0, -1):
        name = " ".join(kept[:count])
        known = named_unit(name)
        if known:
            return known[0], known[1], len(name)
    noun = " ".join(kept)
    return "number", singular(noun.lower()) or None, len(noun)
