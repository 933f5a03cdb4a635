"""Reads a question over the whole shelf as a small grid: "Which of my contracts renew
automatically?" asks each contract "Does the contract renew automatically?", and lists those that
say yes.

`rag.answering.forms` says how likely a question is one; `rag.desk.shelf` asks the documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from rag.answering.shelf_columns import (
    DATED,
    DEGREE,
    DEGREES,
    END,
    LASTING,
    MONEY,
    OF_PRICE,
    PER,
    PRICE_DEGREE,
    STATED,
    SUPERLATIVES,
    Operation,
    ShelfColumn,
    amount,
    column_within_days,
    day_of,
    is_length,
    joined,
    naming_column,
    notice_column,
    predicate_column,
    price_of,
    renewal_condition,
    value_column,
    without_determiners,
    yes_no_column,
)
from rag.answering.shelf_kinds import DOCUMENT_WORDS, LEAST_DOCUMENTS, Kinds
from rag.answering.shelf_values import Test
from rag.meaning.words import AUXILIARIES, PREPOSITIONS, WORD, fold, singular

NAMED = "named documents"
"""The kind of documents that are named one by one."""
LONGEST = 300
"""Characters of a question that is read so."""


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


# Questions


_NUMBER = "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|both"
_OF_ALL = rf"(?:(?:all|the|my|our|of|these|those|(?P<number>{_NUMBER})) )*"
_OURS = r"(?:(?:all|the|my|our|of|these|those) )*"
_TOGETHER = r"(?:together|altogether|in all|in total|all told|all in|combined)"
_WHICH = r"(?:which|who|what)(?: one)?(?: of (?:them|these|the two))?"
_STATES = (
    r"(?:has|have|gives?|offers?|asks? for|needs?|requires?|charges?|grants?|provides?|includes?|"
    r"allows?|wants?|comes? with|promises?|carry|carries|pays?|takes?)"
)
_RANKINGS = (
    rf"{_STATES} (?:the |an? )?(?P<end>{DEGREE}) (?P<what>(?!than |per ).+?)(?P<per>{PER})",
    rf"(?P<verb>{DATED}) (?:the )?(?P<end>{DEGREE})",
    rf"{LASTING} (?:for )?(?:the )?(?P<end>longest|longer|shortest|shorter)",
    rf"(?:costs?|charges?|asks?|takes?)(?: me| us)? (?:the )?(?P<end>most|least|more|less)"
    rf"(?P<per>{PER})",
    rf"(?P<what>[\w -]+?) (?:is|are) (?:the )?(?P<end>{DEGREE})(?P<per>{PER})",
    rf"(?:is|are) (?:the )?(?P<end>{PRICE_DEGREE})(?P<per>{PER})",
)
"""Ways to say that one document has more of something than the others."""
_COMPARISONS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for ranking in _RANKINGS
    for pattern in (
        rf"{_WHICH}(?: \w+)?? {ranking}[,:]? (?P<a>.+?),? or (?P<b>.+)",
        rf"(?P<a>[^?]+?) or (?P<b>[^,:;]+)[,:;] {_WHICH}(?: \w+)?? {ranking}",
        rf"do(?:es)? (?P<a>.+?) or (?P<b>.+?) {ranking}",
    )
)
_WHETHER_COMPARISON = re.compile(
    rf"(?:is|are) (?P<a>.+?) or (?P<b>.+?) (?:the )?(?P<end>{PRICE_DEGREE})(?P<per>{PER})",
    re.IGNORECASE,
)
_DIFFERENCE = re.compile(
    rf"how much (?:more|less|dearer|cheaper)(?P<per>{PER}) (?:does|do|is|are) (?P<a>.+?)"
    rf"(?: costs?)?(?P<late>{PER}) than (?P<b>.+?)(?P<last>{PER})",
    re.IGNORECASE,
)
_SUMS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"how much do (?:i|we) pay (?:(?:in|for|to) )?{_OURS}(?P<what>.+?)(?P<per>{PER})"
        rf" {_TOGETHER}(?P<late>{PER})",
        rf"how much do (?:i|we) pay (?:for|to) {_OURS}(?P<names>.+?)(?P<per>{PER})",
        r"(?:what(?:'s| is| are) |how much (?:is|are) |give me |show )?(?:the )?"
        rf"(?:grand total|total|sum|combined)(?: amount)?(?: of| for)? {_OF_ALL}(?P<what>.+)",
        rf"(?:add up|sum up|sum|total) {_OF_ALL}(?P<what>.+)",
        rf"(?:what|how much) do {_OURS}(?P<what>.+?) (?:add up to|come to|amount to|sum to|total)"
        rf"(?P<per>{PER})(?: {_TOGETHER})*",
        rf"(?:what|how much) do(?:es)? {_OURS}(?P<names>.+?) cost(?: me| us)?"
        rf"(?: in (?P<money>\w+))?(?P<per>{PER}) {_TOGETHER}(?P<late>{PER})",
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
    rf"(?:what|which)(?:'s| is| are) (?:the|my|our) (?P<end>{END}) (?P<what>.+?)"
    r"(?: (?:of|in|among) (?:(?:all|the|my|our) )+(?P<kind>.+))?",
    re.IGNORECASE,
)
_COUNT_QUESTION = re.compile(rf"how many {_OF_ALL}(?P<rest>.+)", re.IGNORECASE)
_THERE_ARE = re.compile(
    r"(?P<kind>.+?) (?:are there|are here|exist|have (?:i|we|you)(?: got)?"
    rf"|(?:do|have) (?:i|we|you) (?:have|hold|got))(?: (?:{_TOGETHER}|here|now|at the moment))?",
    re.IGNORECASE,
)
_WHICH_QUESTION = re.compile(
    rf"(?:(?:and|so|tell me|show me|list) )?(?:which|what|list|all) {_OF_ALL}(?P<rest>.+)",
    re.IGNORECASE,
)
_IN_WHICH_QUESTION = re.compile(
    rf"(?:in|under|for|with|by|at) (?:which|what) {_OF_ALL}(?P<rest>.+)",
    re.IGNORECASE,
)
_INVERTED = re.compile(
    r"(?:is|are|was|were|has|have|do|does|may|can|must|should|will|am) (?!(?:the )?\w+$).+",
    re.IGNORECASE,
)
"""A question with yes or no that can be asked of each document as it stands."""
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
_BEYOND = re.compile(r"(?i)\b(?:am i|are we) (?:tied into|bound|committed)\b.* beyond (?P<when>.+)")


def understand(question: str, kinds: Kinds) -> ShelfQuestion | None:
    """The question as a grid; None if it is not one, or names no documents that are there."""
    text = " ".join(question.split()).rstrip(" ?.!")
    if len(text) > LONGEST:
        return None

    text = text.replace("\u2019", "'")
    shelf_question = _comparing_question(text, kinds) or _adding_question(text, kinds)
    if shelf_question:
        return shelf_question

    if match := _EXTREME_QUESTION.fullmatch(text):
        return _superlative_question(match, kinds)
    if match := _COUNT_QUESTION.fullmatch(text):
        return _counting_question(match, kinds)

    if match := _WHICH_QUESTION.fullmatch(text):
        shelf_question = _listing_question(match["rest"], kinds, match["number"])
        if shelf_question:
            return shelf_question

    if match := _IN_WHICH_QUESTION.fullmatch(text):
        return _inverted_question(match, kinds)
    if match := _WHETHER_QUESTION.fullmatch(text):
        return _yes_no_question(match, kinds)
    if match := _UNNAMED_QUESTION.fullmatch(text):
        return _of_agreements(match["rest"], kinds)
    return None


def _of_agreements(predicate: str, kinds: Kinds) -> ShelfQuestion | None:
    """ "What runs out in 2026?", "where must I give ninety days' warning": no documents are named,
    but only agreements end on a day or ask for notice.
    """
    documents = kinds.of("contracts")
    if not documents:
        return None

    column = _of_ending(predicate) or notice_column(predicate, "contract")
    if column is None:
        return None
    return ShelfQuestion("contracts", documents, (column,))


def _of_ending(predicate: str) -> ShelfColumn | None:
    """The column of "ends in 2026"; None if the words do not say so."""
    predicate = re.sub(r"(?i)\bat new year['’]s eve\b", "on 31 December", predicate)
    if beyond := _BEYOND.fullmatch(predicate):
        predicate = f"ends after {beyond['when']}"

    match = _ENDING.fullmatch(predicate)
    if match is None:
        return None

    day = day_of("end", "contract")
    return column_within_days(day, match["when"])


def _counting_question(match: re.Match[str], kinds: Kinds) -> ShelfQuestion | None:
    """ "How many contracts renew automatically?", "how many leases do I have?" """
    if there_are := _THERE_ARE.fullmatch(match["rest"]):
        return _number_of(there_are["kind"], kinds)

    shelf_question = _listing_question(match["rest"], kinds)
    if shelf_question is None or shelf_question.operation != "list":
        return None
    return replace(shelf_question, operation="count")


def _number_of(kind: str, kinds: Kinds) -> ShelfQuestion | None:
    """The count of all documents of a kind; none needs to be read for it."""
    documents = kinds.of(kind) if kinds.is_one_kind(kind) else ()
    if not documents:
        return None

    question = f"What is the title of the {_subject(kind)}?"
    column = ShelfColumn(question, "text", Test("title"))
    return ShelfQuestion(kind, documents, (column,), "count")


def _inverted_question(match: re.Match[str], kinds: Kinds) -> ShelfQuestion | None:
    """ "In which leases is electricity included?" """
    parts = _split_at_kind(match["rest"], kinds)
    if parts is None:
        return None

    modifier, kind, predicate = parts
    documents = kinds.of(kind)
    is_question = _INVERTED.fullmatch(predicate)
    if not documents or not is_question or not kinds.says_nothing(modifier):
        return None

    column = notice_column(predicate, _subject(kind))
    if column is None:
        question = predicate[:1].upper() + predicate[1:]
        column = ShelfColumn(f"{question}?", "yes_no", Test("yes"))
    return ShelfQuestion(kind, documents, (column,))


def _yes_no_question(match: re.Match[str], kinds: Kinds) -> ShelfQuestion | None:
    """ "Do all policies cover floods?", "is any lease renewed automatically?" """
    parts = _split_at_kind(match["rest"], kinds)
    if parts is None:
        return None

    modifier, kind, predicate = parts
    lead = match["lead"].lower()
    if lead not in ("do", "does"):
        predicate = f"{lead} {predicate}"

    statement = joined(modifier, kind, predicate)
    shelf_question = _listing_question(statement, kinds)
    if shelf_question is None or shelf_question.operation != "list":
        return None

    asks_for_any = match["every"].lower() == "any"
    return replace(shelf_question, operation="any" if asks_for_any else "all")


def _comparing_question(text: str, kinds: Kinds) -> ShelfQuestion | None:
    """ "A or B, which is cheaper?" """
    match = _first_match((_DIFFERENCE, *_COMPARISONS, _WHETHER_COMPARISON), text)
    if match is None:
        return None

    parts = _parts_of(match)
    documents = kinds.named_all((parts["a"], parts["b"]))
    if not documents:
        return None

    if "end" not in parts:
        period = joined(parts["per"], parts["late"], parts["last"])
        column = amount("price", period)
        return ShelfQuestion(NAMED, documents, (column,), "difference")

    ranking = _ranking(parts, "contract")
    if ranking is None:
        return None

    column, operation = ranking
    return ShelfQuestion(NAMED, documents, (column,), operation)


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


def _ranking(
    parts: Mapping[str, str], subject: str, price: str = "price", modifier: str = ""
) -> tuple[ShelfColumn, Operation] | None:
    """What documents are ordered by, and which of them is asked for; None if the words name nothing
    that a document states. `modifier` is what they say before the kind of documents.
    """
    degree = parts["end"].lower()
    operation = DEGREES[degree]
    if parts.get("verb"):
        return day_of(parts["verb"], subject), operation

    period = parts.get("per", "")
    if parts.get("what"):
        attribute = joined(modifier, parts["what"])
        is_stated = MONEY.search(attribute) or STATED.search(attribute) or is_length(degree)
        if not is_stated:
            return None
        return value_column(attribute, period, degree, subject), operation

    if is_length(degree):
        return day_of("end", subject), operation
    return amount(joined(modifier, price), period), operation


def _adding_question(text: str, kinds: Kinds) -> ShelfQuestion | None:
    """ "What is the total of the monthly fees of the suppliers?" """
    match = _first_match(_SUMS, text)
    if match is None:
        return None

    parts = _parts_of(match)
    period = joined(parts.get("per", ""), parts.get("late", ""))
    phrase = parts.get("what", "")
    names = parts.get("names", "")
    if phrase and not MONEY.search(phrase):
        names = phrase
    if names:
        return _cost_of(names, parts.get("money", ""), period, kinds)

    columns: list[ShelfColumn] = []
    if conditional := _KIND_WITH_CONDITION.fullmatch(phrase):
        phrase = conditional["kind"]
        condition = predicate_column(conditional["predicate"], "contract")
        if condition is None:
            return None
        columns.append(condition)

    place = ""
    if amount_of_kind := _AMOUNT_OF_KIND.fullmatch(phrase):
        phrase = amount_of_kind["what"]
        place = without_determiners(amount_of_kind["kind"])
    if not MONEY.search(phrase):
        return None

    documents = _added_documents(phrase, place, kinds)
    if not documents and not place and _EVERY.search(text):
        documents = tuple(kinds.names)
    if len(documents) < LEAST_DOCUMENTS:
        return None

    price = phrase if place else _without_kinds(phrase, kinds)
    columns.append(amount(price, period))
    return ShelfQuestion(place or phrase, documents, tuple(columns), "sum")


def _cost_of(names: str, money: str, period: str, kinds: Kinds) -> ShelfQuestion | None:
    """What documents that are named, or those of a kind, cost together: "the three leases", "the
    van and the forklift".
    """
    if not period:
        return None

    kind = NAMED
    documents = kinds.named_all(_LIST_LINK.split(names))
    if not documents:
        kind = names
        documents = kinds.of(names)
    if len(documents) < LEAST_DOCUMENTS:
        return None

    price = money if MONEY.fullmatch(money) else price_of(kind)
    return ShelfQuestion(kind, documents, (amount(price, period),), "sum")


def _added_documents(phrase: str, place: str, kinds: Kinds) -> tuple[str, ...]:
    """The documents whose amounts are added: those of `place`, the words after "of", or those that
    the phrase for the amount names itself; () if no document matches.
    """
    documents = kinds.of(place) if place else _kind_within(phrase, kinds)
    return documents or kinds.named_all(_LIST_LINK.split(place))


_LIST_LINK = re.compile(r",\s*(?:and\s+)?|\s+and\s+")


def _superlative_question(match: re.Match[str], kinds: Kinds) -> ShelfQuestion | None:
    """ "What is the highest monthly fee of the suppliers?", "what is my dearest insurance" """
    kind = match["kind"] or ""
    attribute = match["what"]
    if not kind:
        kind = _first_kind(attribute, kinds)
        attribute = _without_kinds(attribute, kinds)

    superlative = match["end"].lower()
    if not attribute and superlative in OF_PRICE:
        attribute = price_of(kind)
    if not MONEY.search(attribute) and not STATED.search(attribute):
        return None

    documents = kinds.of(kind)
    if len(documents) < LEAST_DOCUMENTS:
        return None

    column = value_column(attribute, degree=superlative)
    return ShelfQuestion(kind, documents, (column,), SUPERLATIVES[superlative])


def _first_kind(phrase: str, kinds: Kinds) -> str:
    """The first word of a phrase that names a kind of documents, or ""."""
    for noun in _no_money(phrase):
        if kinds.is_kind(noun):
            return noun
    return ""


def _no_money(phrase: str) -> list[str]:
    """The words of a phrase that name no amount of money."""
    return [word for word in WORD.findall(phrase) if not MONEY.fullmatch(word)]


def _kind_within(phrase: str, kinds: Kinds) -> tuple[str, ...]:
    """The documents that a phrase such as "insurance premiums" or "the two Albion premiums"
    names, or ().
    """
    for noun in _no_money(phrase):
        documents = kinds.of(noun) if kinds.is_kind(noun) else ()
        if documents:
            return documents
    return ()


def _without_kinds(phrase: str, kinds: Kinds) -> str:
    """The words without those that name a kind of documents."""
    words = []
    for word in phrase.split():
        names_money = MONEY.fullmatch(word)
        if names_money or not kinds.is_kind(word):
            words.append(word)
    return " ".join(words)


_IN_A_PLACE = re.compile(
    r"(?:in|at|with|from|for|by|on) (?P<name>(?:the )?(?:\d+ )?[A-Z][\w'&.-]*"
    r"(?: (?:of|and|\d+|[A-Z][\w'&.-]*))*) (?P<rest>[a-z].+)"
)


_PARTICIPLE = re.compile(r"(?:(?P<adverb>\w+ly) )?(?P<stem>\w+)ing")
"""What the documents after it do, as in "automatically renewing contracts"."""


def _listing_question(
    statement: str, kinds: Kinds, number: str | None = None
) -> ShelfQuestion | None:
    """ "contracts renew automatically": the documents, then what is asked of each. `number` is how
    many documents there are, as in "which of the two offers".
    """
    parts = _split_at_kind(statement, kinds) or _party_split(statement, kinds, number)
    if parts is None:
        return None

    modifier, kind, predicate = parts
    documents = kinds.of(joined(number or "", kind))
    if not documents:
        documents = kinds.parties(joined(number or "two", kind))
    if not documents:
        return None

    subject = _subject(kind)
    price = price_of(kind)
    columns: list[ShelfColumn] = []
    condition = _condition_of(modifier, subject)
    if condition:
        columns.append(condition)
    if condition or kinds.says_nothing(modifier):
        modifier = ""
    if placed := _IN_A_PLACE.fullmatch(predicate):
        columns.append(naming_column(placed["name"], subject))
        predicate = placed["rest"]

    if match := _first_match(_RANKED, predicate):
        ranking = _ranking(_parts_of(match), subject, price, modifier)
        if ranking is None:
            return None

        column, operation = ranking
        columns.append(column)
        return ShelfQuestion(kind, documents, tuple(columns), operation)
    if modifier:
        return None

    means_any = _means_any(kind)
    for verb_phrase in _verb_phrases(predicate):
        phrase_column = predicate_column(verb_phrase, subject, price)
        if phrase_column is None:
            return None
        if means_any and phrase_column.type in ("yes_no", "text"):
            return None  # "Which pages mention X?" is answered from titles and words
        if means_any and phrase_column.measure == "duration":
            documents = kinds.of("contracts")  # only they ask for notice
        renews = renewal_condition(verb_phrase) if phrase_column.measure == "duration" else None
        if renews:
            columns.append(renews)
        columns.append(phrase_column)
    return ShelfQuestion(kind, documents, tuple(columns))


def _condition_of(modifier: str, subject: str) -> ShelfColumn | None:
    """The column of a participle or a name before the kind of documents; None of other words."""
    if participle := _PARTICIPLE.fullmatch(modifier):
        verb = joined(participle["stem"], participle["adverb"] or "")
        return yes_no_column(f"Does the {subject} {verb}?", verb)

    is_name = modifier[:1].isupper()
    return naming_column(modifier, subject) if is_name else None


_RANKED = tuple(re.compile(pattern, re.IGNORECASE) for pattern in _RANKINGS)


def _subject(kind: str) -> str:
    """What one document of a kind is called in a question to it: "agreement"."""
    words = WORD.findall(kind)
    return singular(words[-1].lower())


def _party_split(statement: str, kinds: Kinds, number: str | None) -> tuple[str, str, str] | None:
    """ "firms gives the longer guarantee": nothing, the parties, and what is said of them."""
    noun, _, predicate = statement.partition(" ")
    if not predicate or not kinds.parties(joined(number or "two", noun)):
        return None
    return "", noun, predicate


def _means_any(kind: str) -> bool:
    """Whether all words for the documents may mean every document."""
    nouns = {singular(fold(word)) for word in WORD.findall(kind)}
    return nouns <= DOCUMENT_WORDS


_AND = re.compile(
    r" and (?=(?:have|has|are|is|do|does|can|must|may|need|say|says|charge|end|ends|renew|cost) )"
)


def _verb_phrases(predicate: str) -> list[str]:
    """What is said of the documents, verb by verb: "charge by quantity and have no fixed fee"."""
    return _AND.split(predicate)


_MOST_MODIFIERS = 3
"""Words before the kind of documents, such as "supplier"."""


def _split_at_kind(statement: str, kinds: Kinds) -> tuple[str, str, str] | None:
    """What is before the kind of documents, the kind, and what is said of it."""
    words = statement.split(" ")
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
    word = words[place].strip(",")
    if kinds.is_kind(word):
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
