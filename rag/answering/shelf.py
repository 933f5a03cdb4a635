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


_DOCUMENT_WORDS = frozenset("document file paper record text page".split())
"""Words that may mean every document."""
_AGREEMENTS = frozenset("contract agreement deal arrangement".split())
"""Words that mean every document that is made between two parties, whatever it calls itself."""
_NO_AGREEMENTS = frozenset(
    "policy procedure guideline rule minute report letter memo manual guide handbook recipe "
    "article paper note invoice receipt statement diary log essay chapter mail email faq "
    "readme".split()
)
"""Names of documents that are no agreements, unless they also have a name of `_BETWEEN_PARTIES`."""
_BETWEEN_PARTIES = _AGREEMENTS | frozenset(
    "lease licence license hire rental tenancy insurance subscription supplier retainer engagement "
    "loan mortgage order supply".split()
)
_LEAST_DOCUMENTS = 2
"""Documents that a kind must have."""
_LEAST_SCORE = 0.3
"""The least sum of shares of words with which a phrase names a document."""
_RIVAL_SHARE = 0.8
"""The share of the highest score from which on another document may be meant, too."""
_LIST_LINK = re.compile(r",\s*|\s+(?:and|or)\s+")


class Kinds:
    """The words in the names of documents: their paths and titles.

    The documents are looked at when a question first needs them.
    """

    def __init__(self, documents: Iterable[Document]) -> None:
        self._documents = documents

    @functools.cached_property
    def names(self) -> dict[str, frozenset[str]]:
        """The words of each document's name, by its id."""
        names = {}
        for document in self._documents:
            name = f"{_spaced(document.id)} {document.title}"
            names[document.id] = _words(name)
        return names

    @functools.cached_property
    def _ids_by_word(self) -> dict[str, set[str]]:
        """The ids of the documents whose name has a word."""
        ids_by_word: dict[str, set[str]] = {}
        for document_id, words in self.names.items():
            for word in words:
                ids_by_word.setdefault(word, set()).add(document_id)
        return ids_by_word

    def is_kind(self, word: str) -> bool:
        """Whether the word means documents of one kind."""
        noun = singular(fold(word))
        if noun in _DOCUMENT_WORDS or noun in _AGREEMENTS:
            return True
        return len(self._ids_by_word.get(noun, ())) >= _LEAST_DOCUMENTS

    def of(self, phrase: str) -> tuple[str, ...]:
        """The documents of a kind, such as "supplier contracts" or "leases and hire agreements"; ()
        if they are fewer than two.
        """
        document_ids: set[str] = set()
        for part in _LIST_LINK.split(phrase):
            nouns = [singular(fold(word)) for word in WORD.findall(part)]
            document_ids |= self._of_one(nouns)
        if len(document_ids) < _LEAST_DOCUMENTS:
            return ()
        return tuple(document_id for document_id in self.names if document_id in document_ids)

    def _of_one(self, nouns: Sequence[str]) -> set[str]:
        """The first noun that names documents narrows the kind: in "supplier contracts" the
        suppliers.
        """
        for noun in nouns:
            if noun in _AGREEMENTS:
                return self._agreements()
            if noun in _DOCUMENT_WORDS:
                return set(self.names)
            document_ids = self._ids_by_word.get(noun, set())
            if len(document_ids) >= _LEAST_DOCUMENTS:
                return document_ids
            if document_ids and len(nouns) > 1:
                return document_ids
        return set()

    def _agreements(self) -> set[str]:
        """The documents that may be agreements."""
        return {document_id for document_id, words in self.names.items() if _is_between(words)}

    def named(self, phrase: str) -> str | None:
        """The one document that a phrase names, such as "the office in the High Street", or None;
        rare words count most.
        """
        words = _words(phrase) - _DOCUMENT_WORDS - _AGREEMENTS
        scores = {}
        for document_id, name in self.names.items():
            shares = [1 / len(self._ids_by_word[word]) for word in words & name]
            scores[document_id] = sum(shares)

        highest_score = max(scores.values(), default=0.0)
        if highest_score < _LEAST_SCORE:
            return None
        winners = []
        for document_id, score in scores.items():
            if score >= _RIVAL_SHARE * highest_score:
                winners.append(document_id)
        return winners[0] if len(winners) == 1 else None

    def with_name(self, phrase: str) -> tuple[str, ...]:
        """The documents whose names have all words of a phrase."""
        words = _words(phrase)
        if not words:
            return ()
        return tuple(document_id for document_id, name in self.names.items() if words <= name)


def _spaced(document_id: str) -> str:
    """The id of a document as words, without the suffix of its file."""
    path = PurePath(document_id).with_suffix("")
    return " ".join(re.split(r"[/_\W]+", str(path)))


def _words(text: str) -> frozenset[str]:
    """The words of a name in the singular."""
    words = set()
    for part in re.split(r"[^\w'’]+", text):
        word = singular(fold(part))
        if word and word not in STOP_WORDS:
            words.add(word)
    return frozenset(words)


def _is_between(words: frozenset[str]) -> bool:
    """Whether a document with these words in its name may be an agreement."""
    return not words.isdisjoint(_BETWEEN_PARTIES) or words.isdisjoint(_NO_AGREEMENTS)


# Questions


_UNITS_OF_ADVERBS = {
    "monthly": "month", "yearly": "year", "annual": "year", "annually": "year", "weekly": "week",
    "daily": "day", "quarterly": "quarter", "hourly": "hour",
}  # fmt: skip
_PERIOD = re.compile(
    r"\b(?:per|each|every|an?) (?P<unit>hour|day|night|week|month|quarter|year|annum)\b"
    rf"|\b(?P<often>{'|'.join(_UNITS_OF_ADVERBS)})\b",
    re.IGNORECASE,
)
_MONEY = re.compile(
    r"(?i)\b(?:fee|rent|rental|price|charge|premium|cost|rate|payment|salary|wage|amount|deposit|"
    r"subscription|retainer|budget|fine|instalment|bill|excess)s?\b"
)
_HIGHEST = "highest largest biggest greatest longest most dearest costliest latest last oldest"
_LOWEST = "lowest smallest shortest least cheapest earliest first soonest next fewest"
_SUPERLATIVES: dict[str, Operation] = {
    **dict.fromkeys(_HIGHEST.split(), "most"),
    **dict.fromkeys(_LOWEST.split(), "least"),
    "most expensive": "most",
}
_OF_PRICE = ("dearest", "cheapest", "costliest", "most expensive")
"""Superlatives that say by themselves that a price is meant."""
_HIGHER = "higher larger bigger greater longer more dearer costlier later"
_LOWER = "lower smaller shorter less cheaper earlier fewer sooner"
_COMPARATIVES: dict[str, Operation] = {
    **dict.fromkeys(_HIGHER.split(), "most"),
    **dict.fromkeys(_LOWER.split(), "least"),
    "more expensive": "most",
}
_END = "|".join(sorted(_SUPERLATIVES, key=len, reverse=True))
_SIDE = "|".join(sorted(_COMPARATIVES, key=len, reverse=True))
_STATED = re.compile(r"(?i)\b(?:date|period|term|notice|rate|limit|length)s?\b")
"""Properties that a document states of itself, other than money."""
_COSTS = re.compile(r"(?i)\b(?:costs?|charges?|cheap\w*|dear\w*|costl\w*|expensive)\b")
_DATED = r"(?:end|expire|finish|stop|start|begin|commence|lapse|terminate|run out|run|close)s?"
_P = r"(?: (?:per|an?|each|every) \w+)?"
_COMPARISONS = tuple(
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
_SUMS = tuple(
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
_AMOUNT_OF_KIND = re.compile(
    r"(?P<what>.+?) (?:of|in|for|from|across|over|under|to) (?P<kind>.+)",
    re.IGNORECASE,
)
_EVERY = re.compile(r"(?i)\b(?:all|every|my|our)\b")
_KIND_WITH_CONDITION = re.compile(
    r"(?P<kind>.+?) (?:whose (?:\w+ )?|(?:that|which|who) )(?P<predicate>.+)"
)
_EXTREME_QUESTION = re.compile(
    rf"(?:what|which)(?:'s| is| are) (?:the|my|our) (?P<end>{_END}) (?P<what>.+?)"
    r"(?: (?:of|in|among) (?:(?:all|the|my|our) )+(?P<kind>.+))?",
    re.IGNORECASE,
)
_COUNT_QUESTION = re.compile(rf"how many (?:{_OF_ALL})(?P<rest>.+)", re.IGNORECASE)
_WHICH_QUESTION = re.compile(
    rf"(?:(?:and|so|tell me|show me|list) )?(?:which|what|list|all) (?:{_OF_ALL})(?P<rest>.+)",
    re.IGNORECASE,
)


_WHETHER_QUESTION = re.compile(
    r"(?P<lead>do|does|are|is|have|has|can|may|must|should|will) (?P<every>all|every|each|any)"
    rf"(?: (?:one|single))?(?: of)? {_OF_ALL}(?P<rest>.+)",
    re.IGNORECASE,
)
_UNNAMED_QUESTION = re.compile(r"(?:what|where|which ones?) (?P<rest>.+)", re.IGNORECASE)
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
    column = _of_ending(rest) or _of_notice(rest, "contract")
    if column is None:
        return None
    return ShelfQuestion("contracts", documents, (column,))


def _of_ending(rest: str) -> ShelfColumn | None:
    """The column of "ends in 2026"; None if the words do not say so."""
    rest = re.sub(r"(?i)\bat new year['’]s eve\b", "on 31 December", rest)
    rest = _LAST_QUARTER.sub(r"in October, November or December \g<year>", rest)
    if beyond := _BEYOND.fullmatch(rest):
        rest = f"ends after {beyond['when']}"
    match = _ENDING.fullmatch(rest)
    if match is None:
        return None
    return _within("When does the contract end?", match["when"])


def _within(question: str, when: str) -> ShelfColumn | None:
    """The column of a date within the days that the words say; None if they say none."""
    ranges = date_ranges(when)
    if not ranges:
        return None
    return ShelfColumn(question, "date", Test("date", when, ranges))


def understand(question: str, kinds: Kinds) -> ShelfQuestion | None:
    """The question as a grid; None if it is not one, or names no documents that are there."""
    text = " ".join(question.split()).rstrip(" ?.!")
    if len(text) > LONGEST:
        return None

    text = text.replace("\u2019", "'")
    asked = _compared(text, kinds) or _added(text, kinds)
    if asked:
        return asked
    if match := _EXTREME_QUESTION.fullmatch(text):
        return _extreme(match, kinds)
    if match := _COUNT_QUESTION.fullmatch(text):
        return _counted(match["rest"], kinds)
    if match := _WHICH_QUESTION.fullmatch(text):
        asked = _listed(match["rest"], kinds)
        if asked:
            return asked
    if match := _WHETHER_QUESTION.fullmatch(text):
        return _whether(match, kinds)
    if match := _UNNAMED_QUESTION.fullmatch(text):
        return _of_agreements(match["rest"], kinds)
    return None


def _counted(rest: str, kinds: Kinds) -> ShelfQuestion | None:
    """ "How many contracts renew automatically?" """
    asked = _listed(rest, kinds)
    if asked is None or asked.operation != "list":
        return None
    return replace(asked, operation="count")


def _whether(match: re.Match[str], kinds: Kinds) -> ShelfQuestion | None:
    """ "Do all policies cover floods?", "is any lease renewed automatically?" """
    parts = _split(match["rest"], kinds)
    if parts is None:
        return None

    words_before, kind, predicate = parts
    lead = match["lead"].lower()
    if lead not in ("do", "does"):
        predicate = f"{lead} {predicate}"
    statement = _joined(words_before, kind, predicate)
    asked = _listed(statement, kinds)
    if asked is None or asked.operation != "list":
        return None
    asks_for_any = match["every"].lower() == "any"
    return replace(asked, operation="any" if asks_for_any else "all")


def _joined(*parts: str) -> str:
    """The parts that are not empty, in one line."""
    return " ".join(filter(None, parts))


def _compared(text: str, kinds: Kinds) -> ShelfQuestion | None:
    """ "A or B, which is cheaper?" """
    match = _DIFFERENCE.fullmatch(text)
    operation: Operation = "difference"
    if match is None:
        match = _first_match(_COMPARISONS, text)
        if match is None:
            return None
        side = match["side"].lower()
        operation = _COMPARATIVES[side] if side in _COMPARATIVES else _SUPERLATIVES[side]

    first_name = kinds.named(match["a"])
    second_name = kinds.named(match["b"])
    if first_name is None or second_name is None or first_name == second_name:
        return None
    column = _measured(text, _parts_of(match))
    if column is None:
        return None
    return ShelfQuestion(NAMED, (first_name, second_name), (column,), operation)


def _first_match(patterns: Iterable[re.Pattern[str]], text: str) -> re.Match[str] | None:
    """The match of the first pattern that the whole text has."""
    for pattern in patterns:
        match = pattern.fullmatch(text)
        if match:
            return match
    return None


def _parts_of(match: re.Match[str]) -> dict[str, str]:
    """The named parts of a match, "" for those that are missing."""
    parts = {}
    for name, part in match.groupdict().items():
        parts[name] = (part or "").strip()
    return parts


def _period_of(parts: Mapping[str, str]) -> str:
    """The words for a period, such as "per month", from both places where a question has them."""
    return _joined(parts.get("per", ""), parts.get("late", ""))


def _measured(text: str, parts: Mapping[str, str]) -> ShelfColumn | None:
    """The column by which two documents are compared: what the question names, or the price if it
    says "cheaper" or "cost"; None if it names nothing.
    """
    verb = parts.get("verb")
    if verb:
        return ShelfColumn(f"When does the contract {_base(verb)}?", "date")

    what = parts.get("what", "")
    period = _period_of(parts)
    if _MONEY.search(what):
        return _amount(what, period)
    if _STATED.search(what):
        return _valued(what, period)
    if _COSTS.search(text):
        return _amount("price", period)
    return None


def _added(text: str, kinds: Kinds) -> ShelfQuestion | None:
    """ "What is the total of the monthly fees of the suppliers?" """
    match = _first_match(_SUMS, text)
    if match is None:
        return None
    parts = _parts_of(match)
    period = _period_of(parts)
    names = parts.get("names")
    if names:
        documents = _all_named(names, kinds)
        if len(documents) < _LEAST_DOCUMENTS:
            return None
        return ShelfQuestion(NAMED, documents, (_amount("price", period),), "sum")

    what = parts["what"]
    conditions: tuple[ShelfColumn, ...] = ()
    if owned := _KIND_WITH_CONDITION.fullmatch(what):
        what = owned["kind"]
        condition = _predicate(owned["predicate"], "contract")
        if condition is None:
            return None
        conditions = (condition,)

    place = ""
    if amount_of_kind := _AMOUNT_OF_KIND.fullmatch(what):
        what = amount_of_kind["what"]
        place = _without_determiners(amount_of_kind["kind"])
    if not _MONEY.search(what):
        return None

    documents = _added_documents(what, place, kinds)
    if not documents and not place and _EVERY.search(text):
        documents = tuple(kinds.names)
    if len(documents) < _LEAST_DOCUMENTS:
        return None

    amount = what if place else _without_kinds(what, kinds)
    columns = (*conditions, _amount(amount, period))
    return ShelfQuestion(place or what, documents, columns, "sum")


def _added_documents(what: str, place: str, kinds: Kinds) -> tuple[str, ...]:
    """The documents whose amounts are added: those of `place`, the words after "of", or those that
    the amount itself names; () if no document matches.
    """
    documents = kinds.of(place) if place else _kind_within(what, kinds)
    return documents or _all_named(place, kinds)


def _extreme(match: re.Match[str], kinds: Kinds) -> ShelfQuestion | None:
    """ "What is the highest monthly fee of the suppliers?", "what is my dearest insurance" """
    kind = match["kind"] or ""
    stated = match["what"]
    if not kind:
        kind = _first_kind(match["what"], kinds)
        stated = _without_kinds(match["what"], kinds)

    superlative = match["end"].lower()
    if not stated and superlative in _OF_PRICE:
        stated = "price"
    if not _MONEY.search(stated) and not _STATED.search(stated):
        return None
    documents = kinds.of(kind)
    if len(documents) < _LEAST_DOCUMENTS:
        return None
    return ShelfQuestion(kind, documents, (_valued(stated),), _SUPERLATIVES[superlative])


def _first_kind(what: str, kinds: Kinds) -> str:
    """The first word of a phrase that names a kind of documents, or ""."""
    for noun in _no_money(what):
        if kinds.is_kind(noun):
            return noun
    return ""


def _no_money(what: str) -> list[str]:
    """The words of a phrase that name no amount of money."""
    return [word for word in WORD.findall(what) if not _MONEY.fullmatch(word)]


def _all_named(phrase: str, kinds: Kinds) -> tuple[str, ...]:
    """The documents that all parts of a phrase name, or ()."""
    names = []
    for part in re.split(r",\s*|\s+and\s+", phrase):
        if not part:
            continue
        name = kinds.named(part)
        if not name:
            return ()
        names.append(name)
    return tuple(dict.fromkeys(names))


def _kind_within(what: str, kinds: Kinds) -> tuple[str, ...]:
    """The documents that a phrase such as "insurance premiums" or "the two Albion premiums"
    names, or ().
    """
    for noun in _no_money(what):
        documents = kinds.of(noun) if kinds.is_kind(noun) else ()
        if documents:
            return documents
    return ()


def _without_kinds(what: str, kinds: Kinds) -> str:
    """The words without those that name a kind of documents."""
    kept_words = []
    for word in what.split():
        if _MONEY.fullmatch(word) or not kinds.is_kind(word):
            kept_words.append(word)
    return " ".join(kept_words)


def _listed(rest: str, kinds: Kinds) -> ShelfQuestion | None:
    """ "contracts renew automatically": the documents, then what is asked of each."""
    parts = _split(rest, kinds)
    if parts is None:
        return None
    words_before, kind, predicate = parts
    documents = kinds.of(kind)
    if not documents:
        return None

    subject = singular(WORD.findall(kind)[-1].lower())
    conditions: tuple[ShelfColumn, ...] = ()
    if participle := re.fullmatch(r"(?:(\w+ly) )?(\w+ing)", words_before):
        verb = _joined(participle[2][:-3], participle[1] or "")
        conditions = (ShelfColumn(f"Does the {subject} {verb}?", "yes_no", Test("yes")),)
        words_before = ""

    ranking = _ranked(words_before, subject, predicate)
    if ranking:
        column, operation = ranking
        return ShelfQuestion(kind, documents, (*conditions, column), operation)
    if words_before:
        return None

    columns = list(conditions)
    for part in _parts(predicate):
        said = _predicate(part, subject)
        if said is None:
            return None
        if said.type in ("yes_no", "text") and _means_any(kind):
            return None  # "Which pages mention X?" is answered from titles and words
        columns.append(said)
    return ShelfQuestion(kind, documents, tuple(columns))


def _means_any(kind: str) -> bool:
    """Whether all words for the documents may mean every document."""
    nouns = {singular(fold(word)) for word in WORD.findall(kind)}
    return nouns <= _DOCUMENT_WORDS


_AND = re.compile(
    r" and (?=(?:have|has|are|is|do|does|can|must|may|need|say|says|charge|end|ends|renew|cost) )"
)


def _parts(predicate: str) -> list[str]:
    """What is said of the documents, verb by verb: "charge by quantity and have no fixed fee"."""
    return _AND.split(predicate)


_MOST_MODIFIERS = 3
"""Words before the kind of documents, such as "supplier"."""


def _split(rest: str, kinds: Kinds) -> tuple[str, str, str] | None:
    """What is before the kind of documents, the kind, and what is said of it."""
    words = rest.split(" ")
    start = _kind_start(words, kinds)
    if start is None or start > _MOST_MODIFIERS:
        return None
    modifiers = {fold(word) for word in words[:start]}
    if not modifiers.isdisjoint(AUXILIARIES | PREPOSITIONS):
        return None

    end = start + 1
    while end < len(words) and _goes_on(words, end, kinds):
        end += 1
    modifier = " ".join(words[:start])
    kind = " ".join(words[start:end])
    predicate = " ".join(words[end:])
    return (modifier, kind, predicate) if predicate else None


def _kind_start(words: Sequence[str], kinds: Kinds) -> int | None:
    """The index of the first word that names a kind of documents."""
    for index, word in enumerate(words):
        if kinds.is_kind(word.strip(",")):
            return index
    return None


def _goes_on(words: Sequence[str], place: int, kinds: Kinds) -> bool:
    """Whether the word there still names the documents: "leases and hire agreements"."""
    if kinds.is_kind(words[place].strip(",")):
        return not _is_verb(words, place)
    if words[place].lower() not in ("and", "or", "of"):
        return False
    next_word = "".join(words[place + 1 : place + 2])
    return kinds.is_kind(next_word.strip(","))


def _is_verb(words: Sequence[str], place: int) -> bool:
    """Whether a word that names documents is a verb here, after a plural: "suppliers charge"."""
    word_before = words[place - 1]
    is_after_plural = word_before.endswith("s") and not word_before.endswith("ss")
    return is_after_plural and not words[place].endswith("s")


_RANKINGS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?:has|have) the (?P<end>{_END}) (?P<what>.+)",
        rf"(?P<verb>{_DATED}) (?:the )?(?P<end>{_END})",
        rf"costs?(?: me| us)? (?:the )?(?P<end>most|least)(?P<per>{_P})",
        rf"(?P<what>[\w -]+?) is the (?P<end>{_END})",
        r"is the (?P<end>most expensive|dearest|cheapest|costliest)(?P<per> per \w+)?",
    )
)


def _ranked(
    words_before: str, subject: str, predicate: str
) -> tuple[ShelfColumn, Operation] | None:
    """ "contract ends last", "insurance has the highest premium", "monthly supplier fee is the
    highest".
    """
    match = _first_match(_RANKINGS, predicate)
    if match is None:
        return None
    parts = _parts_of(match)
    operation = _SUPERLATIVES[parts["end"].lower()]
    verb = parts.get("verb")
    if verb:
        return ShelfColumn(f"When does the {subject} {_base(verb)}?", "date"), operation
    what = _joined(words_before, parts.get("what") or "price")
    return _valued(what, parts.get("per", "")), operation


_LENGTH_OF_TIME = re.compile(r"(?i)\b(?:period|term|notice|length|duration|warning)s?\b")
"""What is a length of time."""


def _valued(what: str, period: str = "") -> ShelfColumn:
    """The column of an amount, a date or another number that documents state."""
    if _MONEY.search(what):
        return _amount(what, period)
    if re.search(r"(?i)\b(?:date|day)\b", what):
        return ShelfColumn(f"What is the {what}?", "date")
    measure = "duration" if _LENGTH_OF_TIME.search(what) else ""
    return ShelfColumn(f"What is the {what}?", "number", measure=measure)


def _amount(what: str, period: str) -> ShelfColumn:
    """The column of an amount of money; a period in the words is one that the amount must have."""
    nouns = re.sub(r"\b(?:and|or)\b", "or", _singulars(what))
    words = f"{nouns} {period}" if period else nouns
    unit = _unit_of_period(words)
    test = Test("per", unit) if unit else ANY_VALUE
    return ShelfColumn(f"What is the {words}?", "amount", test, "money")


def _unit_of_period(words: str) -> str:
    """The unit of a period in the words, such as "month" of "per month" and "monthly", or ""."""
    match = _PERIOD.search(words)
    if match is None:
        return ""
    if match["often"]:
        return _UNITS_OF_ADVERBS[match["often"].lower()]
    unit = match["unit"].lower()
    return "year" if unit == "annum" else unit


def _singulars(what: str) -> str:
    """The words in the singular; those with a capital are names, and stay."""
    words = []
    for word in what.split(" "):
        words.append(singular(word) if word.islower() else word)
    return " ".join(words)


def _without_determiners(phrase: str) -> str:
    """The words without "all the" before them."""
    return re.sub(r"^(?:(?:all|the|my|our|of) )+", "", phrase, flags=re.IGNORECASE)


# What is said of each document


_DENIAL = re.compile(
    r"(?:says? that (?:they|it) )?(?:do|does|did)(?: not|n't) (?P<verb>(?!say|state|mention).+)"
)
_SILENCE = re.compile(
    r"(?:(?:do|does)(?: not|n't) (?:say|state|mention|tell)(?: anything (?:about|on))?"
    r"|says? nothing (?:about|on)|(?:have|has) no|lacks?|(?:is|are) silent (?:about|on)) "
    r"(?P<what>.+)",
    re.IGNORECASE,
)
_IN_TEXT = re.compile(r" (?:at all|in (?:the|its|their) (?:text|document|contract)s?)$")
_NAMING = re.compile(
    r"(?:(?:is|are) with|names?|mentions?|concerns?|refers? to|(?:is|are) about|deals? with) "
    r"(?P<what>.+)",
    re.IGNORECASE,
)
_DATED_EVENT = re.compile(
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
    if match := _DENIAL.fullmatch(predicate):
        question = f"Does the {subject} {_base_first(match['verb'])}?"
        return ShelfColumn(question, "yes_no", Test("no"))

    if match := _SILENCE.fullmatch(predicate):
        return _unsaid(_IN_TEXT.sub("", match["what"]), subject)

    if match := _NAMING.fullmatch(predicate):
        what = _without_article(match["what"])
        return ShelfColumn(f"Where does the {subject} name {what}?", "text", Test("names", what))

    column = (
        _of_date(predicate, subject)
        or _of_notice(predicate, subject)
        or _of_limit(predicate)
        or _of_charge(predicate)
    )
    return column or _polar(predicate, subject)


def _without_article(what: str) -> str:
    return re.sub(r"^(?:an?|the) ", "", what)


def _of_date(predicate: str, subject: str) -> ShelfColumn | None:
    """The column of "end in 2026"."""
    match = _DATED_EVENT.fullmatch(predicate)
    if match is None:
        return None
    return _within(f"When does the {subject} {_base(match['verb'])}?", match["when"])


def _of_notice(predicate: str, subject: str) -> ShelfColumn | None:
    """The column of a length of notice, as in "need ninety days' notice"."""
    match = _NOTICE.fullmatch(predicate)
    if match is None:
        return None
    amount = _amount_in(match["amount"])
    if not quantity(amount):
        return None
    question = f"How much notice does the {subject} need{match['rest'] or ''}?"
    return ShelfColumn(question, "number", Test("amount", amount), "duration")


def _of_limit(predicate: str) -> ShelfColumn | None:
    """The column of "cost more than £500 per month"."""
    match = _LIMIT.fullmatch(predicate)
    if match is None or not typed_value(match["amount"], "amount"):
        return None
    limit = _joined(match["bound"] or "", match["amount"])
    period = _PERIOD.search(limit)
    column = _amount("price", period[0] if period else "")
    return replace(column, test=Test("amount", limit))


def _of_charge(predicate: str) -> ShelfColumn | None:
    """The column of "charge a monthly fee"."""
    match = _CHARGES.fullmatch(predicate)
    if match is None:
        return None
    what = _without_article(match["what"])
    if not _MONEY.search(what) or not _PERIOD.search(what):
        return None
    return _amount(what, "")


def _amount_in(words: str) -> str:
    """The words from the first that is part of an amount on: "90 days" in "for 90 days"."""
    if one := re.search(r"(?i)\ban? (?P<unit>day|week|month|year)$", words):
        return f"one {one['unit']}"
    _, _, rest = words.partition(" ")
    return rest if quantity(rest) else words


def _unsaid(what: str, subject: str) -> ShelfColumn:
    """The column of what the document must not say."""
    noun = re.sub(r"^(?:an?|the|any) ", "", what)
    test = Test("unsaid")
    if _MONEY.search(noun):
        return ShelfColumn(f"What is the {noun}?", "amount", test, "money")
    if re.search(r"(?i)\bdate$", noun):
        return ShelfColumn(f"What is the {noun} of the {subject}?", "date", test)
    if _LENGTH_OF_TIME.search(noun):
        return ShelfColumn(f"What is the {noun}?", "number", test, "duration")
    return ShelfColumn(f"What does the {subject} say about {noun}?", "text", test)


_LEADS = {"is": "Is", "are": "Is", "was": "Was", "were": "Was", "has been": "Has"}
_SAID_OF_ALL = re.compile(
    rf"(?i)\b(?:is|are|costs?) (?:the )?(?:{_SIDE}|{_END})$"
    rf"|\b(?:gives?|has|have|offers?) the (?:{_SIDE}|{_END})\b"
    r"|^(?:is|are) there\b|^(?:do|does) (?:i|we|you) have\b"
)
"""What no document says of itself: that it is "cheaper", or how many there are of its kind."""
_MODALS = frozenset("can may must should shall will".split())


def _polar(predicate: str, subject: str) -> ShelfColumn | None:
    """A question with yes or no to each document; None without a verb that it can be made from."""
    verb, _, rest = predicate.partition(" ")
    word = verb.lower()
    if _SAID_OF_ALL.search(predicate):
        return None
    if not word.isalpha() or word in PREPOSITIONS | {"and", "or", "of", "there"}:
        return None

    lead = ""
    negation = None
    if word in _LEADS:
        lead = _LEADS[word]
        negation = re.match(r"not\b ?|n't\b ?", rest)
    elif word in _MODALS:
        lead = verb.capitalize()
        negation = re.match(r"not\b ?", rest)
    if not lead or not rest:
        question = f"Does the {subject} {_base_first(predicate)}?"
        return ShelfColumn(question, "yes_no", Test("yes"))

    if negation is None:
        return ShelfColumn(f"{lead} the {subject} {rest}?", "yes_no", Test("yes"))
    affirmed = rest[negation.end() :]
    return ShelfColumn(f"{lead} the {subject} {affirmed}?", "yes_no", Test("no"))


def _base_first(predicate: str) -> str:
    """The words with their first verb in its base form."""
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
