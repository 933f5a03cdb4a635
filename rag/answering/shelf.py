"""Reads a question over the whole shelf as a small grid: "Which of my contracts renew
automatically?" asks each contract "Does the contract renew automatically?", and lists those that
say yes.

`rag.answering.forms` says how likely a question is one; `rag.desk.shelf` asks the documents.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Literal

from rag.answering.shelf_values import ANY_VALUE, Test, date_ranges
from rag.meaning.quantities import quantity
from rag.meaning.values import typed_value
from rag.meaning.words import AUXILIARIES, PREPOSITIONS, STOP_WORDS, WORD, fold, singular
from rag.types import Document

Operation = Literal["list", "count", "all", "any", "sum", "most", "least", "difference"]
NAMED = "named documents"
"""The kind of documents that are named one by one."""
LONGEST = 300
"""Characters of a question that is read so."""


@dataclass(frozen=True, slots=True)
class ShelfColumn:
    """The question to each document, the type of its values as in a grid, and what a value must be
    for the document to count. With `measure`, the kind of a `Value`, other kinds are not said.
    """

    question: str
    type: str
    test: Test = ANY_VALUE
    measure: str = ""


@dataclass(frozen=True, slots=True)
class ShelfQuestion:
    """A question as a grid: the documents that it is about, its columns, and what becomes of their
    cells. A document counts if it passes the tests of all columns; the last column has the values
    that are added or compared. `kind` names the documents, as in "contracts".
    """

    kind: str
    documents: tuple[str, ...]
    columns: tuple[ShelfColumn, ...]
    operation: Operation = "list"


# Kinds of documents


_ANY = frozenset("document file paper record text page".split())
"""Words that may mean every document."""
_AGREEMENTS = frozenset("contract agreement deal arrangement".split())
"""Words that mean every document that is made between two parties, whatever it calls itself."""
_OTHERS = frozenset(
    "policy procedure guideline rule minute report letter memo manual guide handbook recipe "
    "article paper note invoice receipt statement diary log essay chapter mail email faq "
    "readme".split()
)
"""Names of documents that are no agreements, unless they also have a name of `_BETWEEN`."""
_BETWEEN = _AGREEMENTS | frozenset(
    "lease licence license hire rental tenancy insurance subscription supplier retainer engagement "
    "loan mortgage order supply".split()
)
_LEAST = 2
"""Documents that a kind must have."""


class Kinds:
    """The words in the names of documents: their paths and titles.

    The documents are looked at when a question first needs them.
    """

    def __init__(self, documents: Iterable[Document]) -> None:
        self._documents = documents

    @functools.cached_property
    def names(self) -> dict[str, frozenset[str]]:
        """The words of each document's name, by its id."""
        return {
            document.id: _words(f"{_spaced(document.id)} {document.title}")
            for document in self._documents
        }

    @functools.cached_property
    def _with(self) -> dict[str, set[str]]:
        """The ids of the documents whose name has a word."""
        found: dict[str, set[str]] = {}
        for name, words in self.names.items():
            for word in words:
                found.setdefault(word, set()).add(name)
        return found

    def is_kind(self, word: str) -> bool:
        """Whether the word means documents of one kind."""
        noun = singular(fold(word))
        return noun in _ANY | _AGREEMENTS or len(self._with.get(noun, ())) >= _LEAST

    def of(self, phrase: str) -> tuple[str, ...]:
        """The documents of a kind, such as "supplier contracts" or "leases and hire agreements"; ()
        if they are fewer than two.
        """
        found = {
            name
            for part in re.split(r",\s*|\s+(?:and|or)\s+", phrase)
            for name in self._of_one([singular(fold(word)) for word in WORD.findall(part)])
        }
        return tuple(name for name in self.names if name in found) if len(found) >= _LEAST else ()

    def _of_one(self, nouns: Sequence[str]) -> set[str]:
        """The first noun that names documents narrows the kind: in "supplier contracts" the
        suppliers.
        """
        for noun in nouns:
            if noun in _AGREEMENTS:
                return {name for name, words in self.names.items() if _is_between(words)}
            if noun in _ANY:
                return set(self.names)
            if len(found := self._with.get(noun, set())) >= _LEAST or (found and len(nouns) > 1):
                return found
        return set()

    def named(self, phrase: str) -> str | None:
        """The one document that a phrase names, such as "the office in the High Street", or None;
        rare words count most.
        """
        words = _words(phrase) - _ANY - _AGREEMENTS
        scores = {
            name: sum(1 / len(self._with[word]) for word in words & names)
            for name, names in self.names.items()
        }
        winner = max(scores, key=lambda name: scores[name], default=None)
        if winner is None or scores[winner] < 0.3:
            return None
        rivals = [name for name, score in scores.items() if score >= 0.8 * scores[winner]]
        return winner if len(rivals) == 1 else None

    def with_name(self, phrase: str) -> tuple[str, ...]:
        """The documents whose names have all words of a phrase."""
        words = _words(phrase)
        return tuple(name for name, names in self.names.items() if words and words <= names)


def _spaced(document_id: str) -> str:
    path = PurePath(document_id)
    return " ".join(re.split(r"[/_\W]+", str(path.with_suffix(""))))


def _words(text: str) -> frozenset[str]:
    """The words of a name in the singular."""
    folded = (singular(fold(word)) for word in re.split(r"[^\w'’]+", text))
    return frozenset(word for word in folded if word and word not in STOP_WORDS)


def _is_between(words: frozenset[str]) -> bool:
    return bool(words & _BETWEEN) or not words & _OTHERS


# Questions


_PERIODS = {
    "monthly": "month", "yearly": "year", "annual": "year", "annually": "year", "weekly": "week",
    "daily": "day", "quarterly": "quarter", "hourly": "hour",
}  # fmt: skip
_PER = re.compile(
    r"\b(?:per|each|every|an?) (?P<unit>hour|day|night|week|month|quarter|year|annum)\b"
    rf"|\b(?P<often>{'|'.join(_PERIODS)})\b",
    re.IGNORECASE,
)
_MONEY = re.compile(
    r"(?i)\b(?:fee|rent|rental|price|charge|premium|cost|rate|payment|salary|wage|amount|deposit|"
    r"subscription|retainer|budget|fine|instalment|bill|excess)s?\b"
)
_HIGHEST = "highest largest biggest greatest longest most dearest costliest latest last oldest"
_LOWEST = "lowest smallest shortest least cheapest earliest first soonest next fewest"
_ENDS: Mapping[str, Operation] = dict.fromkeys(_HIGHEST.split(), "most")
_ENDS = {**_ENDS, **dict.fromkeys(_LOWEST.split(), "least"), "most expensive": "most"}
_MORE = "higher larger bigger greater longer more dearer costlier later"
_LESS = "lower smaller shorter less cheaper earlier fewer sooner"
_SIDES: Mapping[str, Operation] = dict.fromkeys(_MORE.split(), "most")
_SIDES = {**_SIDES, **dict.fromkeys(_LESS.split(), "least"), "more expensive": "most"}
_END = "|".join(sorted(_ENDS, key=len, reverse=True))
_SIDE = "|".join(sorted(_SIDES, key=len, reverse=True))
_COSTS = re.compile(r"(?i)\b(?:costs?|charges?|cheap\w*|dear\w*|costl\w*|expensive)\b")
_DATED = r"(?:end|expire|finish|stop|start|begin|commence|lapse|terminate|run out|run|close)s?"
_P = r"(?: (?:per|an?|each|every) \w+)?"
_COMPARED = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?:which|who|what)(?: one)? (?:is|are|costs?|charges?)(?: the)? (?P<side>{_SIDE}|{_END})"
        rf"(?P<per>{_P})[,:]? (?P<a>.+?),? or (?P<b>.+)",
        rf"which (?P<what>[\w -]+?) (?:is|are)(?: the)? (?P<side>{_SIDE}|{_END})(?P<per>{_P})[,:]? "
        r"(?P<a>.+?),? or (?P<b>.+)",
        rf"which (?P<verb>{_DATED})(?: (?:the )?)(?P<side>{_SIDE}|{_END})[,:]? (?P<a>.+?),? or "
        r"(?P<b>.+)",
        rf"(?P<a>[^?]+?) or (?P<b>[^,:]+)[,:] (?:which|who|what)(?: one| (?P<what>[\w -]+?))? "
        rf"(?:is|are|costs?|charges?)(?: the)? (?P<side>{_SIDE}|{_END})(?P<per>{_P})",
        rf"do(?:es)? (?P<a>.+?) or (?P<b>.+?) cost (?P<side>{_SIDE})(?P<per>{_P})",
    )
)
_DIFFERENCE = re.compile(
    rf"how much (?P<side>more|less|dearer|cheaper)(?P<per>{_P}) (?:does|do|is|are) (?P<a>.+?)"
    r"(?: costs?)?(?P<late> (?:per|a) \w+)? than (?P<b>.+)",
    re.IGNORECASE,
)
_OF_ALL = r"(?:(?:all|the|my|our|of|these|two|three|four|five) )*"
_SUM = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?:what(?:'s| is| are) |how much (?:is|are) |give me |show )?(?:the )?"
        rf"(?:grand total|total|sum|combined)(?: amount)?(?: of| for)? {_OF_ALL}(?P<what>.+)",
        rf"(?:add up|sum up|sum|total) {_OF_ALL}(?P<what>.+)",
        rf"(?:what|how much) do {_OF_ALL}(?P<what>.+?) (?:add up to|come to|amount to|sum to|total)"
        rf"(?P<per>{_P})(?: (?:altogether|in all|in total|together))*",
        rf"(?:what|how much) do(?:es)? {_OF_ALL}(?P<names>.+?) cost(?: me| us)?"
        rf"(?P<per>{_P}) (?:together|altogether|in all|in total)(?P<late>{_P})",
        rf"how much do (?:i|we) pay (?:in|for) {_OF_ALL}(?P<what>.+?)(?P<per>{_P}) "
        rf"(?:together|altogether|in all|in total)(?P<late>{_P})",
    )
)
_AT = re.compile(
    r"(?P<what>.+?) (?:of|in|for|from|across|over|under|to) (?P<kind>.+)",
    re.IGNORECASE,
)
_EVERY = re.compile(r"(?i)\b(?:all|every|my|our)\b")
_WHOSE = re.compile(r"(?P<kind>.+?) (?:whose (?:\w+ )?|(?:that|which|who) )(?P<predicate>.+)")
_EXTREME = re.compile(
    rf"(?:what|which)(?:'s| is| are) (?:the|my|our) (?P<end>{_END}) (?P<what>.+?)"
    r"(?: (?:of|in|among) (?:(?:all|the|my|our) )+(?P<kind>.+))?",
    re.IGNORECASE,
)
_COUNT = re.compile(rf"how many (?:{_OF_ALL})(?P<rest>.+)", re.IGNORECASE)
_WHICH = re.compile(
    rf"(?:(?:and|so|tell me|show me|list) )?(?:which|what|list|all) (?:{_OF_ALL})(?P<rest>.+)",
    re.IGNORECASE,
)


_WHETHER = re.compile(
    r"(?P<lead>do|does|are|is|have|has|can|may|must|should|will) (?P<every>all|every|each|any)"
    rf"(?: (?:one|single))?(?: of)? {_OF_ALL}(?P<rest>.+)",
    re.IGNORECASE,
)
_UNNAMED = re.compile(r"(?:what|where|which ones?) (?P<rest>.+)", re.IGNORECASE)
_ENDING = re.compile(
    r"(?:ends?|expires?|finish(?:es)?|stops?|lapses?|runs? out|(?:is|are|'s) (?:up|over))"
    r" (?P<when>.+)",
    re.IGNORECASE,
)
_LAST_QUARTER = re.compile(r"(?i)\b(?:in )?the last quarter of (?P<year>\d{4})\b")
_BEYOND = re.compile(r"(?i)\b(?:am i|are we) (?:tied into|bound|committed)\b.* beyond (?P<when>.+)")


def _of_agreements(rest: str, kinds: Kinds) -> ShelfQuestion | None:
    """ "What runs out in 2026?", "where must I give ninety days' warning": no documents are named,
    but only agreements end on a day or ask for notice.
    """
    documents = kinds.of("contracts")
    if not documents:
        return None
    rest = re.sub(r"(?i)\bat new year['’]s eve\b", "on 31 December", rest)
    rest = _LAST_QUARTER.sub(r"in October, November or December \g<year>", rest)
    if beyond := _BEYOND.fullmatch(rest):
        rest = f"ends after {beyond['when']}"
    column: ShelfColumn | None = None
    if (match := _ENDING.fullmatch(rest)) and (ranges := date_ranges(match["when"])):
        column = ShelfColumn(
            "When does the contract end?", "date", Test("date", match["when"], ranges)
        )
    elif (match := _NOTICE.fullmatch(rest)) and quantity(_amount_in(match["amount"])):
        column = _notice(match, "contract")
    return ShelfQuestion("contracts", documents, (column,)) if column else None


def understand(question: str, kinds: Kinds) -> ShelfQuestion | None:
    """The question as a grid; None if it is not one, or names no documents that are there."""
    text = " ".join(question.split()).rstrip(" ?.!")
    if len(text) > LONGEST:
        return None
    text = text.replace("\u2019", "'")
    compared = _compared(text, kinds)
    if compared:
        return compared
    if added := _added(text, kinds):
        return added
    if match := _EXTREME.fullmatch(text):
        return _extreme(match, kinds)
    if match := _COUNT.fullmatch(text):
        asked = _listed(match["rest"], kinds)
        return replace(asked, operation="count") if asked and asked.operation == "list" else None
    if (match := _WHICH.fullmatch(text)) and (read := _listed(match["rest"], kinds)):
        return read
    if match := _WHETHER.fullmatch(text):
        return _whether(match, kinds)
    if match := _UNNAMED.fullmatch(text):
        return _of_agreements(match["rest"], kinds)
    return None


def _whether(match: re.Match[str], kinds: Kinds) -> ShelfQuestion | None:
    """ "Do all policies cover floods?", "is any lease renewed automatically?" """
    parts = _split(match["rest"], kinds)
    if parts is None:
        return None
    before, kind, predicate = parts
    lead = match["lead"].lower()
    said = predicate if lead in ("do", "does") else f"{lead} {predicate}"
    asked = _listed(" ".join(filter(None, (before, kind, said))), kinds)
    if asked is None or asked.operation != "list":
        return None
    return replace(asked, operation="any" if match["every"].lower() == "any" else "all")


def _compared(text: str, kinds: Kinds) -> ShelfQuestion | None:
    """ "A or B, which is cheaper?" """
    match = _DIFFERENCE.fullmatch(text)
    operation: Operation = "difference"
    if match is None:
        match = next(filter(None, (one.fullmatch(text) for one in _COMPARED)), None)
        if match is None:
            return None

        side = match["side"].lower()
        operation = _SIDES[side] if side in _SIDES else _ENDS[side]

    names = [kinds.named(match[side]) for side in ("a", "b")]
    documents = tuple(name for name in dict.fromkeys(names) if name)
    if len(documents) < _LEAST:
        return None

    parts = {name: (part or "").strip() for name, part in match.groupdict().items()}
    per = " ".join(part for part in (parts.get("per"), parts.get("late")) if part)
    column = _measured(text, parts, per)
    return ShelfQuestion(NAMED, documents, (column,), operation) if column else None


def _measured(text: str, parts: Mapping[str, str], per: str) -> ShelfColumn | None:
    """The column by which two documents are compared: what the question names, or the price if it
    says "cheaper" or "cost"; None if it names nothing.
    """
    what = parts.get("what", "")
    if verb := parts.get("verb"):
        return ShelfColumn(f"When does the contract {_base(verb)}?", "date")
    if _MONEY.search(what):
        return _amount(what, per)
    if _STATED.search(what):
        return _valued(what, per)
    return _amount("price", per) if _COSTS.search(text) else None


def _added(text: str, kinds: Kinds) -> ShelfQuestion | None:
    """ "What is the total of the monthly fees of the suppliers?" """

    match = next(filter(None, (one.fullmatch(text) for one in _SUM)), None)
    if match is None:
        return None

    parts = {name: (part or "").strip() for name, part in match.groupdict().items()}
    per = " ".join(part for part in (parts.get("per"), parts.get("late")) if part)

    if names := parts.get("names"):
        documents = _all_named(names, kinds)
        asked = ShelfQuestion(NAMED, documents, (_amount("price", per),), "sum")
        return asked if len(documents) >= _LEAST else None
    what, place = parts["what"], ""

    conditions: tuple[ShelfColumn, ...] = ()
    if owned := _WHOSE.fullmatch(what):
        what = owned["kind"]
        condition = _predicate(owned["predicate"], "contract")
        if condition is None:
            return None

        conditions = (condition,)

    if at := _AT.fullmatch(what):
        what, place = at["what"], _bare(at["kind"])

    if not _MONEY.search(what):
        return None

    documents = kinds.of(place) if place else _kind_within(what, kinds)
    documents = documents or _all_named(place, kinds)
    if not documents and not place and _EVERY.search(text):
        documents = tuple(kinds.names)
    if len(documents) < _LEAST:
        return None

    columns = (*conditions, _amount(_without(what, kinds) if not place else what, per))
    return ShelfQuestion(place or what, documents, columns, "sum")


def _extreme(match: re.Match[str], kinds: Kinds) -> ShelfQuestion | None:
    """ "What is the highest monthly fee of the suppliers?", "what is my dearest insurance" """
    what, place = match["what"], match["kind"] or ""
    nouns = [word for word in WORD.findall(place or what) if not _MONEY.fullmatch(word)]
    kind = place or next(filter(kinds.is_kind, nouns), "")
    documents = kinds.of(kind)
    end = match["end"].lower()
    is_price = end in ("dearest", "cheapest", "costliest", "most expensive")
    stated = what if place else _without(what, kinds)
    if is_price and not stated:
        stated = "price"
    if len(documents) < _LEAST or not (_MONEY.search(stated) or _STATED.search(stated)):
        return None
    return ShelfQuestion(kind, documents, (_valued(stated),), _ENDS[end])


_STATED = re.compile(r"(?i)\b(?:date|period|term|notice|rate|limit|length)s?\b")
"""What documents state for themselves that is no amount of money."""


def _all_named(phrase: str, kinds: Kinds) -> tuple[str, ...]:
    """The documents that all parts of a phrase name, or ()."""
    parts = [part for part in re.split(r",\s*|\s+and\s+", phrase) if part]
    names = [kinds.named(part) for part in parts]
    return tuple(dict.fromkeys(name for name in names if name)) if all(names) else ()


def _kind_within(what: str, kinds: Kinds) -> tuple[str, ...]:
    """The documents that a phrase such as "insurance premiums" or "the two Albion premiums"
    names, or ().
    """
    nouns = [word for word in WORD.findall(what) if not _MONEY.fullmatch(word)]
    found = (kinds.of(noun) for noun in nouns if kinds.is_kind(noun))
    return next(filter(None, found), ())


def _without(what: str, kinds: Kinds) -> str:
    """The words without those that name a kind of documents."""
    return " ".join(
        word for word in what.split() if _MONEY.fullmatch(word) or not kinds.is_kind(word)
    )


def _listed(rest: str, kinds: Kinds) -> ShelfQuestion | None:
    """ "contracts renew automatically": the documents, then what is asked of each."""
    parts = _split(rest, kinds)
    if parts is None:
        return None

    before, kind, predicate = parts

    documents = kinds.of(kind)
    if not documents:
        return None

    subject = singular(WORD.findall(kind)[-1].lower())
    conditions: tuple[ShelfColumn, ...] = ()

    if participle := re.fullmatch(r"(?:(\w+ly) )?(\w+ing)", before):
        verb = participle[2][:-3]
        adverb = f" {participle[1]}" if participle[1] else ""
        conditions = (ShelfColumn(f"Does the {subject} {verb}{adverb}?", "yes_no", Test("yes")),)
        before = ""

    if ranked := _ranked(before, subject, predicate):
        return ShelfQuestion(kind, documents, (*conditions, ranked[0]), ranked[1])
    if before:
        return None

    said = [_predicate(part, subject) for part in _parts(predicate)]
    columns = tuple(column for column in said if column)
    if not columns or len(columns) < len(said):
        return None

    if _means_any(kind) and any(column.type in ("yes_no", "text") for column in columns):
        return None  # "Which pages mention X?" is answered from titles and words

    return ShelfQuestion(kind, documents, (*conditions, *columns))


def _means_any(kind: str) -> bool:
    return all(singular(fold(word)) in _ANY for word in WORD.findall(kind))


_AND = re.compile(
    r" and (?=(?:have|has|are|is|do|does|can|must|may|need|say|says|charge|end|ends|renew|cost) )"
)


def _parts(predicate: str) -> list[str]:
    """What is said of the documents, verb by verb: "charge by quantity and have no fixed fee"."""
    return _AND.split(predicate)


_MODIFIERS = 3


def _split(rest: str, kinds: Kinds) -> tuple[str, str, str] | None:
    """What is before the kind of documents, the kind, and what is said of it."""
    words = rest.split(" ")
    kind_index = next((n for n, word in enumerate(words) if kinds.is_kind(word.strip(","))), None)
    if kind_index is None or kind_index > _MODIFIERS:
        return None
    if any(fold(word) in AUXILIARIES | PREPOSITIONS for word in words[:kind_index]):
        return None
    end = kind_index + 1
    while end < len(words) and _goes_on(words, end, kinds):
        end += 1
    kind, predicate = " ".join(words[kind_index:end]), " ".join(words[end:])
    return (" ".join(words[:kind_index]), kind, predicate) if predicate else None


def _goes_on(words: Sequence[str], place: int, kinds: Kinds) -> bool:
    """Whether the word there still names the documents: "leases and hire agreements"."""
    if kinds.is_kind(words[place].strip(",")):
        return not _is_verb(words, place)
    is_link = words[place].lower() in ("and", "or", "of")
    return is_link and kinds.is_kind(" ".join(words[place + 1 : place + 2]).strip(","))


def _is_verb(words: Sequence[str], place: int) -> bool:
    """Whether a word that names documents is a verb here, after a plural: "suppliers charge"."""
    is_after_plural = words[place - 1].endswith("s") and not words[place - 1].endswith(("ss", ","))
    return is_after_plural and not words[place].endswith("s")


_RANKED = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?:has|have) the (?P<end>{_END}) (?P<what>.+)",
        rf"(?P<verb>{_DATED}) (?:the )?(?P<end>{_END})",
        rf"costs?(?: me| us)? (?:the )?(?P<end>most|least)(?P<per>{_P})",
        rf"(?P<what>[\w -]+?) is the (?P<end>{_END})",
        r"is the (?P<end>most expensive|dearest|cheapest|costliest)(?P<per> per \w+)?",
    )
)


def _ranked(before: str, subject: str, predicate: str) -> tuple[ShelfColumn, Operation] | None:
    """ "contract ends last", "insurance has the highest premium", "monthly supplier fee is the
    highest".
    """
    match = next(filter(None, (one.fullmatch(predicate) for one in _RANKED)), None)
    if match is None:
        return None
    parts = {name: (part or "").strip() for name, part in match.groupdict().items()}
    operation = _ENDS[parts["end"].lower()]
    if verb := parts.get("verb"):
        return ShelfColumn(f"When does the {subject} {_base(verb)}?", "date"), operation
    what = " ".join(part for part in (before, parts.get("what") or "price") if part)
    return _valued(what, parts.get("per", "")), operation


_LASTS = re.compile(r"(?i)\b(?:period|term|notice|length|duration|warning)s?\b")
"""What is a length of time."""


def _valued(what: str, per: str = "") -> ShelfColumn:
    """The column of an amount, a date or another number that documents state."""
    if _MONEY.search(what):
        return _amount(what, per)
    if re.search(r"(?i)\b(?:date|day)\b", what):
        return ShelfColumn(f"What is the {what}?", "date")
    measure = "duration" if _LASTS.search(what) else ""
    return ShelfColumn(f"What is the {what}?", "number", measure=measure)


def _amount(what: str, per: str) -> ShelfColumn:
    """The column of an amount of money; a period in the words is one that the amount must have."""
    nouns = re.sub(r"\b(?:and|or)\b", "or", _singulars(what))
    words = nouns if not per else f"{nouns} {per}"
    period = _PER.search(words)
    unit = ""
    if period:
        unit = (period["unit"] or _PERIODS[period["often"].lower()]).lower()
    unit = "year" if unit == "annum" else unit
    test = Test("per", unit) if unit else ANY_VALUE
    return ShelfColumn(f"What is the {words}?", "amount", test, "money")


def _singulars(what: str) -> str:
    return " ".join(singular(word) if word.islower() else word for word in what.split(" "))


def _bare(phrase: str) -> str:
    """The words without "all the" before them."""
    return re.sub(r"^(?:(?:all|the|my|our|of) )+", "", phrase, flags=re.IGNORECASE)


# What is said of each document


_NOT = re.compile(
    r"(?:says? that (?:they|it) )?(?:do|does|did)(?: not|n't) (?P<verb>(?!say|state|mention).+)"
)
_SILENT = re.compile(
    r"(?:(?:do|does)(?: not|n't) (?:say|state|mention|tell)(?: anything (?:about|on))?"
    r"|says? nothing (?:about|on)|(?:have|has) no|lacks?|(?:is|are) silent (?:about|on)) "
    r"(?P<what>.+)",
    re.IGNORECASE,
)
_IN_TEXT = re.compile(r" (?:at all|in (?:the|its|their) (?:text|document|contract)s?)$")
_NAMES = re.compile(
    r"(?:(?:is|are) with|names?|mentions?|concerns?|refers? to|(?:is|are) about|deals? with) "
    r"(?P<what>.+)",
    re.IGNORECASE,
)
_WHEN = re.compile(
    rf"(?P<verb>{_DATED}) "
    r"(?P<when>(?:in|on|before|after|by|from|since|until|between|during|at) .+)",
    re.IGNORECASE,
)
_NOTICE = re.compile(
    r"(?:.*? )?(?P<amount>(?:[\w-]+ ){1,2}?(?:day|week|month|year)s?)['’]?s?['’]? "
    r"(?P<noun>notice|warning)(?:(?P<rest> .+)|,? or .+)?",
    re.IGNORECASE,
)
_LIMIT = re.compile(
    r"(?P<verb>costs?|charges?|(?:has|have) an? [\w -]+? of|pays?) "
    r"(?P<bound>more than|over|above|less than|under|below|at least|at most|up to|exactly)? ?"
    r"(?P<amount>(?:US\$|[$€£¥]|\d|[A-Z]{3} ?\d).+)",
)
_CHARGES = re.compile(r"(?:charges?|costs?|asks? for|wants?|have|has|takes?) (?P<what>.+)")


def _predicate(predicate: str, subject: str) -> ShelfColumn | None:
    """The question to each document, and the answer that it must give."""
    if match := _NOT.fullmatch(predicate):
        asked = f"Does the {subject} {_base_first(match['verb'])}?"
        return ShelfColumn(asked, "yes_no", Test("no"))

    if match := _SILENT.fullmatch(predicate):
        return _unsaid(_IN_TEXT.sub("", match["what"]), subject)

    if match := _NAMES.fullmatch(predicate):
        what = re.sub(r"^(?:an?|the) ", "", match["what"])
        return ShelfColumn(f"Where does the {subject} name {what}?", "text", Test("names", what))

    if (match := _WHEN.fullmatch(predicate)) and (ranges := date_ranges(match["when"])):
        asked = f"When does the {subject} {_base(match['verb'])}?"
        return ShelfColumn(asked, "date", Test("date", match["when"], ranges))

    if (match := _NOTICE.fullmatch(predicate)) and quantity(_amount_in(match["amount"])):
        return _notice(match, subject)

    if match := _LIMIT.fullmatch(predicate):
        words = f"{match['bound'] or ''} {match['amount']}".strip()
        if typed_value(match["amount"], "amount"):
            column = _amount("price", period[0] if (period := _PER.search(words)) else "")
            return replace(column, test=Test("amount", words))

    if match := _CHARGES.fullmatch(predicate):
        what = re.sub(r"^(?:an?|the) ", "", match["what"])
        if _MONEY.search(what) and _PER.search(what):
            return _amount(what, "")

    return _polar(predicate, subject)


def _notice(match: re.Match[str], subject: str) -> ShelfColumn:
    """The column of a length of notice."""
    asked = f"How much notice does the {subject} need{match['rest'] or ''}?"
    return ShelfColumn(asked, "number", Test("amount", _amount_in(match["amount"])), "duration")


def _amount_in(words: str) -> str:
    """The words from the first that is part of an amount on: "90 days" in "for 90 days"."""
    if one := re.search(r"(?i)\ban? (?P<unit>day|week|month|year)$", words):
        return f"one {one['unit']}"
    _, _, rest = words.partition(" ")
    return rest if quantity(rest) else words


def _unsaid(what: str, subject: str) -> ShelfColumn:
    noun = re.sub(r"^(?:an?|the|any) ", "", what)
    unsaid = Test("unsaid")
    if _MONEY.search(noun):
        return ShelfColumn(f"What is the {noun}?", "amount", unsaid, "money")
    if re.search(r"(?i)\bdate$", noun):
        return ShelfColumn(f"What is the {noun} of the {subject}?", "date", unsaid)
    if _LASTS.search(noun):
        return ShelfColumn(f"What is the {noun}?", "number", unsaid, "duration")
    asked = f"What does the {subject} say about {noun}?"
    return ShelfColumn(asked, "text", Test("unsaid"))


_LEADS = {"is": "Is", "are": "Is", "was": "Was", "were": "Was", "has been": "Has"}


def _polar(predicate: str, subject: str) -> ShelfColumn | None:
    """A question with yes or no to each document; None without a verb that it can be made from."""
    verb, _, rest = predicate.partition(" ")
    word = verb.lower()
    if not word.isalpha() or word in PREPOSITIONS | {"and", "or", "of", "there"}:
        return None
    if word in _LEADS and rest:
        denied = re.match(r"not\b ?|n't\b ?", rest)
        asked = f"{_LEADS[word]} the {subject} {rest[denied.end() :] if denied else rest}?"
    elif word in ("can", "may", "must", "should", "shall", "will") and rest:
        denied = re.match(r"not\b ?", rest)
        asked = f"{verb.capitalize()} the {subject} {rest[denied.end() :] if denied else rest}?"
    else:
        denied = None
        asked = f"Does the {subject} {_base_first(predicate)}?"
    return ShelfColumn(asked, "yes_no", Test("no" if denied else "yes"))


def _base_first(predicate: str) -> str:
    verb, space, rest = predicate.partition(" ")
    return f"{_base(verb)}{space}{rest}"


def _base(verb: str) -> str:
    """The verb without the ending of the third person."""
    verb = verb.lower()
    if verb in ("has", "have"):
        return "have"
    if re.search(r"(?:ss|sh|ch|x|z|o)es$", verb):
        return verb[:-2]
    return singular(verb)
