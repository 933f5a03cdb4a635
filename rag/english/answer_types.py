"""What kind of answer a question wants, and whether words are of that kind."""

from __future__ import annotations

import re

from rag.english.dates import dates
from rag.english.number_words import digits
from rag.english.quantities import quantity
from rag.english.relative_dates import is_relative
from rag.english.text import content_words

_UNIT_ADJECTIVES = "far|big|large|tall|high|deep|wide|heavy|fast|old|hot|cold|close|strong|thick"
_TIMES = "seconds|minutes|hours|days|weeks|months|years|decades|centuries"
_PLACES = (
    "city|country|state|town|place|location|region|continent|river|island|capital|village|province"
)
_DATES = "date|day|year|month|decade|century"
_SPENT = "cost|pay|paid|spend|spent|earn|charge|owe"
_PEOPLE = (
    "person|man|woman|people|king|queen|emperor|president|minister|chancellor|diplomat|ambassador|governor|senator|leader|general|"
    "officer|judge|lawyer|pope|bishop|sultan|scientist|engineer|architect|artist|author|writer|poet|composer|singer|actor|actress|"
    "player|coach|founder|director|pilot|astronaut"
)
_FIGURES = "number|amount|total|score|result|ratio|rate|level|speed|temperature|size|height|depth|age|period|time|share|price"  # noqa: E501
_WANTED = [
    (
        "date",
        rf"\b(?:when|(?:what|which) (?:(?:is|was) the )?(?:\w+ )?(?:{_DATES})|date "
        rf"of|birthday|(?:start|end) date)\b",
    ),
    ("date", r"(?<!up to )(?<!out of )\bdate ?\??$"),
    (
        "percentage",
        r"\b(?:what|which|how many|how much) (?:(?!\d)\w+ )?(?:percent|percentage|per "
        r"cent|share|proportion)\b",
    ),
    ("duration", rf"\bhow long\b|\bhow many (?:more )?(?:{_TIMES})\b|\bhow old\b"),
    (
        "money",
        rf"\bhow much (?:money|(?:did|does|do|has|had) .* (?:{_SPENT}))\b|\bhow many (?:\w+ "
        rf")?(?:dollars|euros|pounds)\b",
    ),
    (
        "money",
        r"\bwhat (?:\w+ )?(?:salary|price|cost|fine|fee)\b|\bwhat (?:was|is) the "
        r"(?:price|cost|salary|budget)\b",
    ),
    ("number", rf"\bhow (?:many|much|{_UNIT_ADJECTIVES})\b"),
    ("number", r"\bwhat (?:is|was) the (?:\w+ )?(?:number|population|size|total|amount|rate)\b"),
    ("person", rf"\b(?:who|whom|whose)\b|\b(?:what|which) (?:\w+ )?(?:{_PEOPLE})\b"),
    ("place", rf"\bwhere\b|\b(?:what|which) (?:\w+ )?(?:{_PLACES})\b"),
    ("reason", r"\bwhy\b|\bwhat (?:is|was) the (?:reason|cause|purpose)\b"),
    ("manner", r"\bhow\b"),
    ("thing", rf"\bwhich (?!(?:\w+ )?(?:{_FIGURES})\b)"),
    ("any", r"\b(?:what|which)\b"),
]
_PRECISIONS = {
    "day": re.compile(
        r"\b(?:what|which) (?:date|day)\b(?! of the week)|\b(?:exact|precise) (?:date|day)\b"
    ),
    "month": re.compile(r"\b(?:what|which) month\b"),
    "year": re.compile(r"\b(?:what|which) year\b"),
}
_KINDS = [(kind, re.compile(pattern)) for kind, pattern in _WANTED]
_POLAR = re.compile(
    r"^(?:is|are|was|were|do|does|did|has|have|had|can"
    r"|could|will|would|should|may|might|must)(?:n't|nt| not)? (?!.*\bor\b)"
)
_SEVERAL = re.compile(
    r"^(?:who (?:are|were)|(?:what|which) (?:are|were)|(?:what|which)(?: \w+)? "
    r"\w+s\b(?<!ss)(?<!us)(?<!is)(?<!was)(?<!has)"
    r"(?<!does)(?<!news)(?<!gas)(?<!happens)"
    r"(?! (?:the|an?|its|his|her|their|our|this|that|these|those)\b)|name (?:the|all)|list)\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"[A-Z][\w'’.-]*|\b[a-z]+-[A-Z]\w+")
_PLAIN = re.compile(r"(?<![\w'’-])[a-z][a-z'’-]{3,}")
_CLAUSE = 5
"""So many words of four letters or more that are not names make a clause, not a person or a
place.
"""
_REASON = re.compile(
    r"\b(?:because|due to|owing to|since|so that|in order|to \w+|for|as)\b", re.IGNORECASE
)
_TIME_WORDS = re.compile(
    r"\b(?:before|after|during|when|while|until|since"
    r"|ago|later|earlier|century|centuries|era|age|war|season|winter|summer|spring|autumn|"
    r"morning|evening|night|noon|midnight|(?:[Mm]on|[Tt]ues"
    r"|[Ww]ednes|[Tt]hurs|[Ff]ri|[Ss]atur|[Ss]un)days?|weekdays?|weekends?|"
    r"Easter|Christmas|day|days|week|weeks|month|months"
    r"|year|years|hour|hours|now|currently|today|annually|daily|"
    r"monthly|weekly|always|never|often|first|start|end|BC|AD|BCE|CE|a\.m|p\.m)\b"
)
_VAGUE = re.compile(
    r"\b(?:several|many|few|most|all|half|third|quarter"
    r"|thirds|quarters|none|no|both|dozens|hundreds|thousands|millions|some|"
    r"majority|double|twice)\b"
)
_FIGURE_WORDS = re.compile(
    r"\b(?:per ?cent|million|billion|thousand|kg|km|January"
    r"|February|March|April|May|June|July|August|September|October|November|"
    r"December)\b"
)
_MEASURED = re.compile(r"\d[\d.,]*[\s-]?(?:[ap]\.m\.|[a-z]{1,2}\b)?")
"""A figure with its ordinal ending or a short unit."""
_NUMERIC = frozenset(("number", "money", "percentage", "duration"))


def wanted(question: str) -> str:
    """ "date", "duration", "number", "money", "percentage", "person", "place", "reason", "manner",
    "thing", "polar", or "any".

    The first word that asks decides, as what follows may be a clause: "How much did they pay when
    they left?".
    """
    lowered = " ".join(question.lower().split())
    if _POLAR.match(lowered):
        return "polar"
    asks = [(match.start(), kind) for kind, pattern in _KINDS if (match := pattern.search(lowered))]
    return min(asks, key=lambda found: found[0])[1] if asks else "any"


def several(question: str) -> bool:
    """Whether the question asks for more than one thing: "Which countries…", "Who were…"."""
    return bool(_SEVERAL.match(question.strip()))


def precision(question: str) -> str:
    """ "day", "month" or "year", where that is what it asks for: "On what date…", "In which year…";
    otherwise "".
    """
    lowered = question.lower()
    return next((name for name, pattern in _PRECISIONS.items() if pattern.search(lowered)), "")


def fits_precision(wanted: str, text: str) -> float:
    """How well words say the day, month or year that is wanted: 1 they do, or are no date that a
    calendar has; -1 they do not; 0 a month, where a day is wanted."""
    found = dates(text)
    if not found:
        return 1.0
    date = found[0]
    if wanted == "year":
        return -1.0 if date.iso.startswith("--") else 1.0
    if wanted == "month":
        return 1.0 if date.precision in ("day", "month") else -1.0
    return {"year": -1.0, "month": 0.0}.get(date.precision, 1.0)


def fits(kind: str, text: str, after: str = "") -> float:
    """How well words are of the `kind` wanted: 1 they are, 0 they may be, -1 they are something
    else.
    """
    if kind == "date":
        return _fits_date(text)
    if kind in _NUMERIC:
        return _fits_number(kind, text, after)
    if kind == "thing":
        return _fits_thing(text, after)
    if kind in ("person", "place", "reason"):
        return _fits_words(kind, text)
    return 0.0


def _fits_date(text: str) -> float:
    if dates(text) or is_relative(text):
        return 1.0
    return 0.0 if _TIME_WORDS.search(text) or re.search(r"\d", text) else -1.0


def _fits_number(kind: str, text: str, after: str) -> float:
    found = quantity(text, after)
    if found is None:
        return 0.0 if re.search(r"\d", digits(text)) or _VAGUE.search(text.lower()) else -1.0
    if kind == "number":
        return (
            -1.0
            if _is_year(text) or found.kind == "duration"
            else 0.0
            if found.kind == "money"
            else 1.0
        )
    if found.kind == kind or (kind == "money" and found.unit == "pound"):
        return 1.0
    return 0.0 if found.kind == "number" else -1.0


def _is_year(text: str) -> bool:
    return any(
        date.precision != "year" or date.end - date.start == len(text.strip())
        for date in dates(text)
    )


def _fits_thing(text: str, after: str) -> float:
    """A thing may go by a number, not by a day or by an amount of something."""
    found = quantity(text, after)
    amount = found is not None and found.kind != "number" and not found.rest
    day = any(
        date.precision != "year" and date.end - date.start == len(text.strip())
        for date in dates(text)
    )
    return -1.0 if amount or day else 0.0


def _fits_words(kind: str, text: str) -> float:
    only_figures = not re.search(r"[A-Za-z]", _FIGURE_WORDS.sub("", _MEASURED.sub("", text)))
    if only_figures:
        return -1.0
    if kind == "reason":
        marker = _REASON.search(text)
        said = content_words(f"{text[: marker.start()]} {text[marker.end() :]}") if marker else ()
        return 1.0 if said else 0.0 if len(text.split()) > 3 else -0.5
    if len(_PLAIN.findall(text)) >= _CLAUSE:
        return -1.0
    return 1.0 if _NAME.search(text) else 0.0
