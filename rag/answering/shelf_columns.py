"""From words of a question over the whole shelf to columns of its grid: the question to each
document, the type of its value, and what the value must be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from rag.answering.shelf_values import ANY_VALUE, YES, Test, date_ranges
from rag.meaning.quantities import quantity
from rag.meaning.values import typed_value
from rag.meaning.words import PREPOSITIONS, WORD, digits, fold, singular


@dataclass(frozen=True, slots=True)
class ShelfColumn:
    """The question to each document, the type of its values as in a grid, and what a value must be
    for the document to count. With `measure`, the kind of a `Value`, other kinds are not said.
    `rewordings` are the question in other words, for documents that do not answer it. A sentence
    with words of `denial` shows no yes.
    """

    question: str
    type: str
    test: Test = ANY_VALUE
    measure: str = ""
    rewordings: tuple[str, ...] = ()
    denial: str = ""


Operation = Literal["list", "count", "all", "any", "sum", "most", "least", "difference"]

_UNITS_OF_ADVERBS = {
    "monthly": "month", "yearly": "year", "annual": "year", "annually": "year", "weekly": "week",
    "daily": "day", "quarterly": "quarter", "hourly": "hour",
}  # fmt: skip
_UNIT = "hour|day|night|week|month|quarter|year|annum"
_PERIOD = re.compile(
    rf"\b(?:per|each|every|an?) (?P<unit>{_UNIT})\b"
    rf"|\b(?P<often>{'|'.join(_UNITS_OF_ADVERBS)})\b",
    re.IGNORECASE,
)
PER = rf"(?: (?:(?:per|an?|each|every) (?:calendar )?(?:{_UNIT})))?"
"""A pattern for a period after an amount, with the space before it, or nothing."""
MONEY = re.compile(
    r"(?i)\b(?:fee|rent|rental|price|charge|premium|cost|rate|payment|salary|wage|amount|deposit|"
    r"subscription|retainer|budget|fine|instalment|bill|excess)s?\b"
)
_HIGHEST = "highest largest biggest greatest longest most dearest costliest latest last oldest"
_LOWEST = "lowest smallest shortest least cheapest earliest first soonest next fewest"
SUPERLATIVES: dict[str, Operation] = {
    **dict.fromkeys(_HIGHEST.split(), "most"),
    **dict.fromkeys(_LOWEST.split(), "least"),
    "most expensive": "most",
    "least expensive": "least",
}
_HIGHER = "higher larger bigger greater longer more dearer costlier later"
_LOWER = "lower smaller shorter less cheaper earlier fewer sooner"
COMPARATIVES: dict[str, Operation] = {
    **dict.fromkeys(_HIGHER.split(), "most"),
    **dict.fromkeys(_LOWER.split(), "least"),
    "more expensive": "most",
    "less expensive": "least",
}
DEGREES = SUPERLATIVES | COMPARATIVES
"""Superlatives and comparatives, by what they ask for."""
_OF_PRICE = "dearest cheapest costliest dearer cheaper costlier".split()
OF_PRICE = (*_OF_PRICE, "most expensive", "least expensive", "more expensive", "less expensive")
"""Degrees that say by themselves that a price is meant."""
_OF_LENGTH = frozenset("longest longer shortest shorter".split())
END = "|".join(sorted(SUPERLATIVES, key=len, reverse=True))
DEGREE = "|".join(sorted(DEGREES, key=len, reverse=True))
PRICE_DEGREE = "|".join(OF_PRICE)
STATED = re.compile(r"(?i)\b(?:date|period|term|notice|rate|limit|length|warranty|guarantee)s?\b")
"""Properties that a document states of itself, other than money."""
DATED = (
    r"(?:(?:end|expire|stop|start|begin|commence|lapse|terminate|close)s?|finish(?:es)?|runs? out"
    r"|(?:is|are) (?:up|over))"
)
"""A pattern for what a document does on a day."""
LASTING = r"(?:lasts?|runs?|goes on|go on|continues?|(?:is|are) (?:valid|in force))"
"""A pattern for what it does until it ends."""
_PRICES = {
    "lease": "rent", "tenancy": "rent", "letting": "rent", "insurance": "premium",
    "loan": "instalment",
}  # fmt: skip
"""What the price is called, by kind of document."""


def column_within_days(day: ShelfColumn, when: str) -> ShelfColumn | None:
    """The column of a date within the days that the words say; None if they say none."""
    ranges = date_ranges(when)
    if not ranges:
        return None
    return replace(day, test=Test("date", when, ranges))


def is_length(degree: str) -> bool:
    """Whether a superlative or comparative is one of lengths of time: "longer"."""
    return degree in _OF_LENGTH


def joined(*parts: str) -> str:
    """The parts that are not empty, in one line."""
    return " ".join(filter(None, parts))


_LENGTH_OF_TIME = re.compile(r"(?i)\b(?:period|term|notice|length|duration|warning)s?\b")
"""What is a length of time."""
_DAY = re.compile(r"(?i)\b(?:date|day)\b")
_ASKED_NOTICE = re.compile(r"(?i)(?:the )?(?:period of )?(?:notice|warning)")


def value_column(
    attribute: str, period: str = "", degree: str = "", subject: str = "contract"
) -> ShelfColumn:
    """The column of an amount, a date or another number that documents state. `degree` is the
    superlative or comparative by which they are compared.
    """
    question = f"What is the {attribute}?"
    if MONEY.search(attribute):
        return amount(attribute, period)
    if _DAY.search(attribute):
        return ShelfColumn(question, "date")
    if _ASKED_NOTICE.fullmatch(attribute):
        return notice_needed(subject)

    if _LENGTH_OF_TIME.search(attribute):
        return ShelfColumn(question, "number", measure="duration")
    if is_length(degree):
        return ShelfColumn(f"How long is the {attribute}?", "number", measure="duration")
    return ShelfColumn(question, "number")


def notice_needed(subject: str, purpose: str = "", test: Test = ANY_VALUE) -> ShelfColumn:
    """The column of how much notice a document asks for; `purpose` as in " to end it"."""
    return ShelfColumn(
        question=f"How much notice does the {subject} need{purpose}?",
        type="number",
        test=test,
        measure="duration",
        rewordings=_NOTICE_IN_OTHER_WORDS,
    )


_NOTICE_IN_OTHER_WORDS = (
    "How long before the end must notice be given?",
    "How much time before the end must you tell us that you do not want to renew?",
)
_RENEWAL_WORDINGS = (
    "Does the contract renew automatically?",
    "Is the contract extended automatically?",
    "Is the contract renewed or extended by another year?",
    "Does the contract continue after its end?",
    "Does it roll over or carry on until somebody cancels it?",
)
_NOT_BY_ITSELF = r"(?i)\b(?:options?|signatures?|signed|requests?|applications?|afresh)\b"
"""Words of a renewal that somebody must ask for or agree to."""
_END_IN_OTHER_WORDS = (
    "When does the contract expire?",
    "When does the term end?",
    "Until what day does it last or is it paid?",
)
_PRICE = re.compile(
    r"(?i)\b(?:rent|rental|price|fee|premium|charge|cost|rate|subscription|retainer|bill|payment)s?\b"
)


def day_of(verb: str, subject: str) -> ShelfColumn:
    """The column of the day on which a document does what the verb says, such as "expires"."""
    is_one_word = re.fullmatch(r"[a-z]+", verb, re.IGNORECASE)
    verb = base_form(verb) if is_one_word else "end"
    rewordings = _END_IN_OTHER_WORDS if verb == "end" else ()
    return ShelfColumn(f"When does the {subject} {verb}?", "date", rewordings=rewordings)


def price_of(kind: str) -> str:
    """What the price is called in documents of a kind: "rent" in leases."""
    for word in WORD.findall(kind):
        noun = singular(fold(word))
        price = _PRICES.get(noun)
        if price:
            return price
    return "price"


def amount(price: str, period: str = "") -> ShelfColumn:
    """The column of an amount of money. A period in the words, as in "monthly fee", is one that the
    amount must have; for a `period` beside them, as in "costs per month", it may be converted.
    """
    price = re.sub(r"\b(?:and|or)\b", "or", singulars(price))
    unit = unit_of_period(price)
    converted_unit = unit_of_period(period)
    test = ANY_VALUE
    if unit:
        test = Test("per", unit)
    elif converted_unit:
        test = Test("rate", converted_unit)
        price = f"{price} per {converted_unit}"

    return ShelfColumn(
        question=f"What is the {price}?",
        type="amount",
        test=test,
        measure="money",
        rewordings=_price_in_other_words(price, unit),
    )


def _price_in_other_words(price: str, unit: str) -> tuple[str, ...]:
    """A price for a period in other words; without the `unit` that it must have, for those that
    are converted.
    """
    if not _PRICE.search(price):
        return ()

    units = [unit] if unit else ["month", "year"]
    return tuple(f"What is the price per {unit_of_price}?" for unit_of_price in units)


def unit_of_period(words: str) -> str:
    """The unit of a period in the words, such as "month" of "per month" and "monthly", or ""."""
    match = _PERIOD.search(words)
    if match is None:
        return ""
    if match["often"]:
        adverb = match["often"].lower()
        return _UNITS_OF_ADVERBS[adverb]

    unit = match["unit"].lower()
    return "year" if unit == "annum" else unit


def singulars(phrase: str) -> str:
    """The words in the singular; those with a capital are names, and stay."""
    words = []
    for word in phrase.split(" "):
        is_name = not word.islower()
        words.append(word if is_name else singular(word))
    return " ".join(words)


def without_determiners(phrase: str) -> str:
    """The words without "all the" before them."""
    return re.sub(r"^(?:(?:all|the|my|our|of) )+", "", phrase, flags=re.IGNORECASE)


# What is said of each document


_BY_ITSELF = (
    r"(?:automatically|tacitly|by (?:it|them)sel(?:f|ves)|of (?:it|them)sel(?:f|ves)|"
    r"on (?:its|their) own|(?:each|every) (?:month|year)|(?:unless|if|without) .+)"
)
_RENEWAL = re.compile(
    r"(?:(?:is|are|gets?) )?(?:automatic(?:ally)? )?"
    rf"(?:(?:renew(?:s|ed|al)?|roll(?:s|ed)? (?:over|on))(?: {_BY_ITSELF})?"
    rf"|(?:extend(?:s|ed)?|extension|prolong(?:s|ed)?|continues?|go(?:es)? on) {_BY_ITSELF}"
    r"|automatically (?:extended|prolonged|continued))",
    re.IGNORECASE,
)
"""Ways to say that an agreement goes on after its end if nobody objects."""
_DENIAL = re.compile(
    r"(?:says? that (?:they|it) )?(?:do|does|did)(?: not|n't) "
    r"(?P<verb>(?!say|state|mention|tell|specify).+)"
)
_SILENCE = re.compile(
    r"(?:(?:do|does)(?: not|n't) (?:say|state|mention|tell|specify)(?: me| us)?"
    r"(?: anything (?:about|on))?"
    r"|(?:says?|mentions?) nothing (?:about|on)|(?:is|are) silent (?:about|on)) "
    r"(?P<what>.+)",
    re.IGNORECASE,
)
_LACK = re.compile(r"(?:(?:have|has) no|lacks?) (?P<what>.+)", re.IGNORECASE)
_IN_TEXT = re.compile(r" (?:at all|in (?:the|its|their) (?:text|document|contract)s?)$")
_WHETHER_IT = re.compile(r"(?:whether|if) (?:it|they) (?P<predicate>.+)", re.IGNORECASE)
_HOW_MUCH_NOTICE = re.compile(r"how much (?:notice|warning)\b.*", re.IGNORECASE)
_NAMING = re.compile(
    r"(?:(?:is|are) with|names?|mentions?|concerns?|refers? to|(?:is|are) about|deals? with) "
    r"(?P<what>.+)",
    re.IGNORECASE,
)
_NAME = r"(?:the )?(?:\d+ )?[A-Z][\w'&.-]*(?: (?:of|the|and|\d+|[A-Z][\w'&.-]*))*"
"""A pattern for a name of several words, as of a place, in a text with capitals."""
_PLACED = re.compile(
    rf"(?:(?:is|are)(?: located| situated| based)?|lies?|works?|operates?|applies|apply) "
    rf"(?:in|at|on|for|to) (?P<what>{_NAME})|(?:serves?|supply|supplies) (?P<served>{_NAME})"
)
_DATED_EVENT = re.compile(
    rf"(?:(?P<verb>{DATED})|{LASTING}) "
    r"(?P<when>(?:in|on|before|after|by|from|since|until|till|to|between|during|at|beyond|past) "
    r".+)",
    re.IGNORECASE,
)
_UNTIL = re.compile(r"(?i)(?:until|till|to|up to) ")
_NOTICE = re.compile(
    r"(?:.*? )?(?:(?P<bound>more than|over|less than|under|at least|at most|up to) )?"
    r"(?P<amount>(?:[\w-]+ ){1,2}?(?:day|week|month|quarter|year|fortnight)s?)['’]?s?['’]? "
    r"(?P<noun>notice|warning)(?: (?P<after>or (?:less|more)))?(?:(?P<rest> .+)|,? or .+)?",
    re.IGNORECASE,
)
_PERIODS_IN_UNITS = (
    (re.compile(r"(?i)\ba quarter(?: of a year)?\b"), "three months"),
    (re.compile(r"(?i)\bhalf (?:of )?a year\b"), "six months"),
    (re.compile(r"(?i)\ba fortnight\b"), "two weeks"),
)
_LIMIT = re.compile(
    r"(?P<verb>costs?|charges?|(?:has|have) an? [\w -]+? of|pays?|is|are|takes?) "
    r"(?P<bound>more than|over|above|less than|under|below|at least|at most|up to|exactly)? ?"
    r"(?P<amount>(?:US\$|[$€£¥]|\d|[A-Z]{3} ?\d).+)",
)
_CHARGES = re.compile(r"(?:charges?|costs?|asks? for|wants?|have|has|takes?) (?P<what>.+)")
_PAID_BY = re.compile(
    r"(?:(?:is|are) (?:paid|billed|charged|invoiced)|(?:charges?|bills?)(?: me| us)?) "
    rf"(?:by the (?P<unit>{_UNIT})|(?P<often>.+))",
    re.IGNORECASE,
)


def predicate_column(predicate: str, subject: str, price: str = "price") -> ShelfColumn | None:
    """The question to each document, and the answer that it must give. `price` is what the price is
    called.
    """
    if match := _DENIAL.fullmatch(predicate):
        question = f"Does the {subject} {_base_first(match['verb'])}?"
        return yes_no_column(question, match["verb"], Test("no"))

    if match := _SILENCE.fullmatch(predicate):
        topic = _IN_TEXT.sub("", match["what"])
        return _silent(topic, subject)
    if match := _LACK.fullmatch(predicate):
        attribute = _IN_TEXT.sub("", match["what"])
        return _lacking_column(attribute, subject)

    column = notice_column(predicate, subject)
    if column:
        return column

    if match := _NAMING.fullmatch(predicate) or _PLACED.fullmatch(predicate):
        parts = match.groupdict()
        return naming_column(parts["what"] or parts["served"], subject)

    return (
        _of_date(predicate, subject)
        or _of_limit(predicate, price)
        or _of_charge(predicate)
        or _polar(predicate, subject)
    )


def naming_column(name: str, subject: str) -> ShelfColumn:
    """The column of where a document names something."""
    name = _without_article(name)
    return ShelfColumn(f"Where does the {subject} name {name}?", "text", Test("names", name))


def _without_article(phrase: str) -> str:
    return re.sub(r"^(?:an?|the) ", "", phrase)


def _of_date(predicate: str, subject: str) -> ShelfColumn | None:
    """The column of "end in 2026" or "run beyond 2027"."""
    match = _DATED_EVENT.fullmatch(predicate)
    if match is None:
        return None

    verb = match["verb"]
    when = match["when"]
    if not verb:
        verb = "end"
        when = _UNTIL.sub("on ", when)
    return column_within_days(day_of(verb, subject), when)


def notice_column(predicate: str, subject: str) -> ShelfColumn | None:
    """The column of a length of notice, as in "need ninety days' notice"."""
    for pattern, length_in_units in _PERIODS_IN_UNITS:
        predicate = pattern.sub(length_in_units, predicate)

    match = _NOTICE.fullmatch(predicate)
    if match is None:
        return None
    length = _amount_in(match["amount"])
    if not quantity(length):
        return None

    condition = joined(match["bound"] or "", length, match["after"] or "")
    purpose = match["rest"] or ""
    if renewal_condition(purpose):
        purpose = ""
    return notice_needed(subject, purpose, Test("amount", condition))


_OR_IT_RENEWS = re.compile(
    r"(?i)\bto (?:prevent|stop|avoid) (?:an? |the )?(?:automatic )?(?:renewal|extension)\b"
    r"|\bor (?:it|they) (?:renews?|rolls? (?:on|over)|(?:goes?|runs?) on|continues?|"
    r"carr(?:y|ies) on|starts? (?:over|again))\b"
)


def renewal_condition(words: str) -> ShelfColumn | None:
    """The column of renewal, for notice "to prevent renewal", or "or it goes on"."""
    if not _OR_IT_RENEWS.search(words):
        return None
    return yes_no_column(_RENEWAL_WORDINGS[0], "renew automatically")


_LENGTH = re.compile(r"(?i)\b(?:[\w-]+ ){1,2}?(?:day|week|month|quarter|year)s?\b")


def length_in(words: str) -> str:
    """The first length of time in the words, such as "three months" of "a quarter of a year
    ahead", or "".
    """
    for pattern, length_in_units in _PERIODS_IN_UNITS:
        words = pattern.sub(length_in_units, words)
    for match in _LENGTH.finditer(words):
        length = _amount_in(match[0])
        if quantity(length):
            return length
    return ""


def _of_limit(predicate: str, price: str) -> ShelfColumn | None:
    """The column of "cost more than £500 per month"."""
    predicate_in_digits = _THOUSANDS.sub(_with_commas, digits(predicate))
    match = _LIMIT.fullmatch(predicate_in_digits)
    if match is None or not typed_value(match["amount"], "amount"):
        return None

    is_state = match["verb"] in ("is", "are", "takes", "take")
    if is_state and not match["bound"]:
        return None

    limit = joined(match["bound"] or "", match["amount"])
    unit = unit_of_period(limit)
    period = f"per {unit}" if unit else ""
    return replace(amount(price, period), test=Test("amount", limit))


_THOUSANDS = re.compile(r"(?<![\d.,])\d{4,9}(?![\d.,])")


def _with_commas(number: re.Match[str]) -> str:
    """A number with commas, which is no year: "2,000"."""
    return f"{int(number[0]):,}"


def _of_charge(predicate: str) -> ShelfColumn | None:
    """The column of "charge a monthly fee" or "are paid by the year"."""
    if match := _PAID_BY.fullmatch(predicate):
        unit = match["unit"] or ""
        if match["often"] and _PERIOD.fullmatch(match["often"]):
            unit = unit_of_period(match["often"])
        if unit:
            return amount(f"fee per {unit}")

    match = _CHARGES.fullmatch(predicate)
    if match is None:
        return None

    charge = _without_article(match["what"])
    if not MONEY.search(charge) or not _PERIOD.search(charge):
        return None
    return amount(charge)


def _amount_in(words: str) -> str:
    """The words from the first that is part of an amount on: "90 days" in "for 90 days"."""
    if match := re.search(r"(?i)\ban? (?P<unit>day|week|month|year)$", words):
        return f"one {match['unit']}"

    _, _, words_after = words.partition(" ")
    return words_after if quantity(words_after) else words


_ARTICLE = re.compile(r"^(?:an?|the|any|its|their) ", re.IGNORECASE)


def _silent(topic: str, subject: str) -> ShelfColumn | None:
    """The column of what the document must say nothing about."""
    noun = _ARTICLE.sub("", topic)
    if _HOW_MUCH_NOTICE.fullmatch(noun):
        return notice_needed(subject, test=Test("unsaid"))
    if match := _WHETHER_IT.fullmatch(noun):
        column = _polar(match["predicate"], subject)
        return replace(column, test=Test("unsaid")) if column else None

    question = f"Does the {subject} say anything about {noun}?"
    return yes_no_column(question, noun, Test("unsaid", noun))


def _lacking_column(attribute: str, subject: str) -> ShelfColumn:
    """The column of what the document must not have."""
    noun = _ARTICLE.sub("", attribute)
    question = f"What is the {noun}?"
    test = Test("unsaid")
    if MONEY.search(noun):
        return ShelfColumn(question, "amount", test, "money")
    if re.search(r"(?i)\bdate$", noun):
        return ShelfColumn(f"What is the {noun} of the {subject}?", "date", test)
    if re.match(r"(?i)(?:period of )?notice\b", noun):
        return notice_needed(subject, test=test)
    if _LENGTH_OF_TIME.search(noun):
        return ShelfColumn(question, "number", test, "duration")
    return ShelfColumn(f"What does the {subject} say about {noun}?", "text", test)


_LEADS = {"is": "Is", "are": "Is", "was": "Was", "were": "Was", "has been": "Has"}
_SAID_OF_NONE = re.compile(
    rf"(?i)\b(?:is|are|costs?|charges?|lasts?|ends?)(?: the)? (?:{DEGREE})$"
    rf"|\bthe (?:best|worst|{DEGREE})\b"
    r"|^(?:is|are) there\b|^(?:am|are|is|was|were|do|does|did|have|has|can|may|must|should|will) "
    r"(?:i|we|you)\b"
)
"""What no document says of itself: that it is "cheaper", how many there are of its kind, or what
"have I got".
"""
_MODALS = frozenset("can may must should shall will".split())
_NO_VERBS = PREPOSITIONS | {"and", "or", "of", "there"}


def _polar(predicate: str, subject: str) -> ShelfColumn | None:
    """A question with yes or no to each document; None without a verb that it can be made from."""
    verb, _, complement = predicate.partition(" ")
    verb = verb.lower()
    if _SAID_OF_NONE.search(predicate):
        return None
    if not verb.isalpha() or verb in _NO_VERBS:
        return None

    lead = ""
    negation = None
    if verb in _LEADS:
        lead = _LEADS[verb]
        negation = re.match(r"not\b ?|n't\b ?", complement)
    elif verb in _MODALS:
        lead = verb.capitalize()
        negation = re.match(r"not\b ?", complement)

    if not lead or not complement:
        question = f"Does the {subject} {_base_first(predicate)}?"
        return yes_no_column(question, predicate)
    if negation is None:
        return yes_no_column(f"{lead} the {subject} {complement}?", predicate)

    affirmed = complement[negation.end() :]
    return yes_no_column(f"{lead} the {subject} {affirmed}?", affirmed, Test("no"))


def yes_no_column(question: str, predicate: str, test: Test = YES) -> ShelfColumn:
    """The column of a question with yes or no, in other words, too, if it asks for renewal."""
    if not _RENEWAL.fullmatch(predicate):
        return ShelfColumn(question, "yes_no", test)

    rewordings = tuple(wording for wording in _RENEWAL_WORDINGS if wording != question)
    return ShelfColumn(question, "yes_no", test, rewordings=rewordings, denial=_NOT_BY_ITSELF)


def _base_first(predicate: str) -> str:
    """The words with their first verb in its base form."""
    verb, space, complement = predicate.partition(" ")
    return f"{base_form(verb)}{space}{complement}"


def base_form(verb: str) -> str:
    """The verb without the ending of the third person."""
    verb = verb.lower()
    if verb in ("has", "have"):
        return "have"
    if re.search(r"(?:ss|sh|ch|x|z|o)es$", verb):
        return verb[:-2]
    return singular(verb)
