"""Finds values in other documents that contradict the value of an answer.

A conflict has the same subject and the same attribute in another document, with another value. What
rules can tell decides first: the values differ, no word of the question is lost or stands replaced
by another one, and both sentences are of one period. The judge says the rest: how likely the other
value would be an answer. Within one document there is a conflict only where the text says that
accounts differ.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import replace

from rag.answering.reading import Reading, span_score
from rag.answering.spans import Mention, SpanGroup, grouped, mention
from rag.meaning.compare import Meaning, Relation, compare, meaning
from rag.meaning.dates import ENDS, Dated, all_dates, only_date
from rag.meaning.figures import Figure, figures
from rag.meaning.periods import periods
from rag.meaning.quantities import Quantity
from rag.meaning.stems import stem_words
from rag.meaning.words import (
    AUXILIARIES,
    MONTHS,
    STOP_WORDS,
    WEEKDAYS,
    compatible,
    coverage,
    normalize,
    word_list,
)
from rag.types import Span

LEAST_LIKELY = 0.25
"""Probability from which on a value of another document contradicts the answer's, as an answer if
this had not been found; chosen with `eval/experiments/conflicts.py`.
"""
_MOST_LOST = 0.5
"""A larger share of the question's words that its sentence lacks makes it be about another thing.
"""
LEAST_SHARE = 0.5
"""Least share of the answer's probability that another value of its document must have."""
_LEAST_SCORE = -4.0
"""Least log-odds of a value of another document, by the reader of all passages."""
_SAYS_SO = 4.0
"""Log-odds that a value of the answer's kind gains over others of its document."""
_LONGEST_SWAP = 3
_SWAPPED_FROM = 0.5
"""Likeness of two sentences from which on a replaced word makes them be about different things."""
_DIFFER = re.compile(
    r"\b(?:differs?|disagrees?|disagreement|disputed"
    r"|(?:some|others?) (?:\w+ )?(?:say|give|put|count|place|date|speak|start|profiles|sources"
    r"|accounts|authors|reports)|(?:accounts|sources|figures|counts|reports|estimates) vary)\b",
    re.IGNORECASE,
)
"""Words that say that accounts differ."""
_NEARBY = 250
"""Number of characters around an answer in which these words count."""


JudgeValues = Callable[[Sequence[SpanGroup]], Sequence[float]]
"""The probabilities that values serve as answers."""


def conflicts(
    reading: Reading, given: SpanGroup, probability: float, judged: JudgeValues
) -> list[SpanGroup]:
    """The values that contradict the `given` one, best first. `probability` is the answer's,
    `judged` the judge of other values, as if the given one had not been found.
    """
    disputed = [
        group.best
        for group in reading.spans
        if group is not given and any(_is_disputed(stated, group.best) for stated in given.mentions)
    ]
    alike = [
        rival
        for rival, _ in rivals(reading, given)
        if rival.span.score >= _LEAST_SCORE and is_alike(reading, given.best, rival)
    ]
    least = LEAST_SHARE * probability
    contradicting = [rival for rival, likely in _judged(disputed, judged) if likely >= least]
    contradicting += [rival for rival, likely in _judged(alike, judged) if likely >= LEAST_LIKELY]
    return grouped(contradicting, span_score)


def _judged(values: Sequence[Mention], judged: JudgeValues) -> Iterator[tuple[Mention, float]]:
    groups = [grouped([value], span_score)[0] for value in values]
    return zip(values, judged(groups) if groups else (), strict=True)


def rivals(reading: Reading, given: SpanGroup) -> Iterator[tuple[Mention, str]]:
    """The best value of each other document, if it differs, and how: "differ" for typed values,
    "words" for others, "denied" for the same one denied.
    """
    supporting_documents: set[str] = set()
    for stated in given.mentions:
        if stated is given.best or not is_replaced(stated):
            supporting_documents.add(stated.span.hit.passage.document_id)

    by_document: dict[str, list[tuple[float, Mention, str]]] = {}
    for span in _comparable_spans(reading, given):
        if not _is_of_others(span, supporting_documents):
            continue
        rival = mention(reading.analysis, span)
        if is_replaced(rival):
            continue
        relation = value_relation(given.best, rival)
        is_comparable = relation in ("differ", "words", "denied", "same")
        score = rival.span.score + _SAYS_SO * is_comparable
        document_id = rival.span.hit.passage.document_id
        by_document.setdefault(document_id, []).append((score, rival, relation))

    for scored in by_document.values():
        _, rival, relation = max(scored, key=lambda item: item[0])
        if relation in ("differ", "words", "denied"):
            yield rival, relation


_REPLACES = re.compile(
    r"(?i)(?:\b(?:mov|postpon|reschedul|chang|shift|rais|lower|increas|reduc|extend|shorten|correct)"
    r"\w*\b[^.!?]{0,60}\bfrom|\binstead of|\brather than)(?: (?:on|at|in|by|for))?(?: the)?\s+$"
)
"""What stands before a value that another one replaces."""
_LONGEST_CHANGE = 120
"""Characters before a value in which it is looked for."""
_ENDS_IN_FROM = re.compile(r"(?i)\bfrom(?: the)?\s+$")
_BY_ANOTHER = re.compile(r"(?i)^[^.!?]{0,30}\bto\b")
_DENIES = re.compile(r"(?i)\b(?:not|no longer)\b[^.!?,;:]{0,40}\s$")
_BUT = re.compile(r"(?i)^[^.!?;:]{0,20}\bbut\b")
"""Together they deny a value for another one: "not on 1 June but on 15 June"."""
_WAS_PLANNED = re.compile(
    r"(?i)\b(?:originally|formerly|previously|first|planned|scheduled|announced|intended|expected)"
    r"(?: (?:planned|scheduled|announced|intended|expected))?(?: (?:on|at|in|by|for))?(?: the)?\s+$"
)
"""What stands before a value that was a plan; another one has to follow."""


def is_replaced(stated: Mention) -> bool:
    """Whether the sentence says that the value no longer holds: "moved from 18 May to 15 June",
    "not on 18 May but on 15 June", "planned for 18 May, will be on 15 June".
    """
    start, end = stated.sentence
    passage = stated.span.hit.passage.text
    text_before = passage[start : stated.span.start]
    text_after = passage[stated.span.end : end]
    if _DENIES.search(text_before) and _BUT.match(text_after):
        return True
    if _WAS_PLANNED.search(text_before) and all_dates(text_after):
        return True

    replacing = _REPLACES.search(text_before)
    if replacing is None:
        return False
    is_change = bool(_ENDS_IN_FROM.search(replacing[0]))
    return not is_change or bool(_BY_ANOTHER.match(text_after))


def agreeing_documents(group: SpanGroup) -> int:
    """The number of documents that support the value, less those that say it was replaced."""
    supporting_spans = set(group.supporting)
    documents = set()
    for stated in group.mentions:
        if stated.span in supporting_spans and not is_replaced(stated):
            documents.add(stated.span.hit.passage.document_id)
    return len(documents)


def _comparable_spans(reading: Reading, given: SpanGroup) -> Iterator[Span]:
    """The spans; if the `given` value is a date, the dates in those that say more than a date ("two
    weeks later, on 17 August").
    """
    is_date = given.best.meaning.date is not None
    for span in map(_new_value, _spans(reading)):
        stated_dates = all_dates(span.text) if is_date and only_date(span.text) is None else []
        if not stated_dates:
            yield span
        for date in stated_dates:
            yield replace(span, start=span.start + date.start, end=span.start + date.end)


def _new_value(span: Span) -> Span:
    """The span; for "18 May to 15 June" after "moved from", which is a change, only "15 June"."""
    text_before = span.hit.passage.text[max(0, span.start - _LONGEST_CHANGE) : span.start]
    change = _REPLACES.search(text_before)
    _, to, new_value = span.text.rpartition(" to ")
    if not to or change is None or not _ENDS_IN_FROM.search(change[0]):
        return span
    return replace(span, start=span.end - len(new_value))


def _spans(reading: Reading) -> Sequence[Span]:
    """The spans of the reader that read all passages, the small one of a cascade."""
    source = reading.first or reading
    return [span for span in source.output.spans if reading.is_current(span.hit)]


def _is_of_others(span: Span, document_ids: Set[str]) -> bool:
    """Whether a span and its copies are in none of these documents."""
    passages = (span.hit.passage, *span.hit.copies)
    return not any(passage.document_id in document_ids for passage in passages)


def is_alike(reading: Reading, given: Mention, rival: Mention) -> bool:
    """Whether both sentences may be about one thing: no word of the question is lost or stands
    replaced by another, and their periods, and those of their titles and headings, are not
    different ones.
    """
    if _is_lost(reading, given, rival):
        return False
    sentence = _without_value(given)
    rival_sentence = _without_value(rival)
    if _is_swapped(reading.question, sentence, rival_sentence):
        return False
    if _are_other_periods(sentence, rival_sentence):
        return False
    context = _undated(given.span.hit.passage.context)
    rival_context = _undated(rival.span.hit.passage.context)
    return not _are_other_periods(context, rival_context)


def _is_lost(reading: Reading, given: Mention, rival: Mention) -> bool:
    """Whether the rival's sentence lacks too many of the question's words that the answer's has,
    each with its headings.
    """
    words = reading.analysis.words - AUXILIARIES
    stated = _sentence_in_context(given)
    rival_stated = _sentence_in_context(rival)
    lost_count = 0
    for word in words:
        if coverage({word}, stated) > coverage({word}, rival_stated):
            lost_count += 1
    return lost_count >= _MOST_LOST * max(1, len(words))


def _sentence_in_context(stated: Mention) -> str:
    """The sentence of a value, with its title and headings."""
    return f"{stated.span.hit.passage.context} {stated.sentence_text}"


# Subjects and periods


def _without_value(stated: Mention) -> str:
    """The sentence without its value."""
    start, end = stated.sentence
    text = stated.span.hit.passage.text
    text_before = text[start : stated.span.start]
    text_after = text[stated.span.end : end]
    return f"{text_before} {text_after}"


def _is_swapped(question: str, sentence: str, rival_sentence: str) -> bool:
    """Whether in two sentences that are half alike a word stands where the other has another one: a
    word of the question, or one word for one word.
    """
    asked_words = set(_stems(question))
    words = _stems(sentence)
    rival_words = _stems(rival_sentence)
    matcher = difflib.SequenceMatcher(None, words, rival_words, autojunk=False)
    if matcher.ratio() < _SWAPPED_FROM:
        return False

    for kind, start, end, rival_start, rival_end in matcher.get_opcodes():
        count = end - start
        rival_count = rival_end - rival_start
        if kind != "replace" or max(count, rival_count) > _LONGEST_SWAP:
            continue
        if count == rival_count == 1:
            return True
        old_words = set(words[start:end])
        new_words = set(rival_words[rival_start:rival_end])
        drops_asked_word = not old_words.isdisjoint(asked_words)
        if drops_asked_word and new_words - asked_words:
            return True
    return False


def _stems(text: str) -> list[str]:
    """The stems of the content words in order."""
    content = [word for word in word_list(text) if word not in STOP_WORDS]
    return stem_words(" ".join(content))


_SEASONS = frozenset("spring summer autumn winter".split())
_PART = re.compile(
    r"\b(?:week|term|season|part|quarter|half|first|second|third|fourth|high|low) \w+",
    re.IGNORECASE,
)
"""A part of a year or of a series, such as "week 20" and "second half"."""


def _are_other_periods(text: str, rival_text: str) -> bool:
    """Whether both texts name periods of one kind, but none in common."""
    for named, others in zip(_periods(text), _periods(rival_text), strict=True):
        if named and others and named.isdisjoint(others):
            return True
    return False


def _periods(text: str) -> tuple[frozenset[str], ...]:
    """The days, years, quarters, months, seasons and parts that a text names."""
    stated = periods(text)
    words = frozenset(normalize(text).split())
    parts = frozenset(match[0].lower() for match in _PART.finditer(text))
    return (
        stated.days,
        stated.years,
        stated.quarters,
        words.intersection(MONTHS),
        words & _SEASONS,
        parts,
    )


def _undated(context: str) -> str:
    """Title and headings without days: the day of a letter is not the period it is about."""
    days = [date for date in all_dates(context) if date.precision == "day"]
    for date in reversed(days):
        context = context[: date.start] + context[date.end :]
    return context


# Values

_BOUND = re.compile(
    r"(?i)\b(?:between|from|at least|at most|up to|no more than|no less than|more than|less than"
    r"|over|under|about|within|not exceed(?:ing)?|by|until|before|after)(?: the)?\s+$"
)
"""What stands before a value and belongs to it."""
_RANGE = re.compile(r"(?i)^(?:between|from)\b")
_UPPER = re.compile(r"(?i)^\s*(?:to|and|-|–)\s+\S*\d\S*(?:\s+[a-z]+)?")
"""The rest of a range that begins in a value."""


def value_relation(given: Mention, rival: Mention) -> str:
    """How two values relate: "same", "denied", "differ", "overlap" if both may be true, "words" for
    other words without a value, and "unlike" for values of different kinds.
    """
    text, stated = _value(given)
    rival_text, rival_stated = _value(rival)
    if stated.key == rival_stated.key:
        return "same" if stated.negated == rival_stated.negated else "denied"

    if stated.date is not None and rival_stated.date is not None:
        return _dates(stated, rival_stated)
    days = _weekdays(text)
    rival_days = _weekdays(rival_text)
    if days and rival_days and days.isdisjoint(rival_days):
        return "differ"

    in_text = figures(text)
    in_rival = figures(rival_text)
    times = [figure.time for figure in in_text if figure.time]
    rival_times = [figure.time for figure in in_rival if figure.time]
    if len(times) == len(rival_times) == 1:
        return _NAMES[compare(times[0], rival_times[0])]

    amount = _amount(stated, in_text)
    rival_amount = _amount(rival_stated, in_rival)
    has_date = stated.date is not None or rival_stated.date is not None
    if amount and rival_amount and not has_date:
        return _amounts(amount, rival_amount)
    if has_date or amount or rival_amount or times or rival_times:
        return "unlike"
    is_part = compatible(normalize(text), normalize(rival_text))
    return "overlap" if is_part else "words"


_NAMES = {
    Relation.SAME: "same",
    Relation.CONTRADICTS: "differ",
    Relation.COMPATIBLE: "overlap",
    Relation.UNRELATED: "unlike",
}


def _value(stated: Mention) -> tuple[str, Meaning]:
    """The words with their bound or the rest of their range, and what they mean; a number that may
    be a year is a date.
    """
    start, end = stated.sentence
    passage = stated.span.hit.passage.text
    text = stated.span.text
    text_before = passage[start : stated.span.start]
    text_after = passage[stated.span.end : end]

    bound = _BOUND.search(text_before)
    if bound:
        text = f"{bound[0]}{text}"
        text_before = text_before[: bound.start()]
    range_end = _UPPER.match(text_after) if _RANGE.match(text) else None
    if range_end:
        text += range_end[0]

    is_amount = stated.meaning.quantity is not None
    meant = meaning(text, text_before, text_after, is_amount)
    return text, replace(meant, anchor=stated.meaning.anchor)


def _dates(stated: Meaning, rival: Meaning) -> str:
    """How two dates relate, as in `value_relation`: "by 30 April" and "until 15 May" are two
    deadlines.
    """
    are_deadlines = _is_deadline(stated.date) and _is_deadline(rival.date)
    if are_deadlines and stated.date and rival.date:
        stated = replace(stated, date=stated.date.plain)
        rival = replace(rival, date=rival.date.plain)
    return _NAMES[compare(stated, rival)]


def _is_deadline(date: Dated | None) -> bool:
    return date is not None and not date.qualifiers.isdisjoint(ENDS)


def _weekdays(text: str) -> frozenset[str]:
    """The days of the week in a text, also in the plural."""
    words = {word.removesuffix("s") for word in normalize(text).split()}
    return frozenset(words.intersection(WEEKDAYS))


def _amount(stated_meaning: Meaning, stated_figures: Sequence[Figure]) -> Quantity | None:
    """How often something happens, or the quantity that the words are, or else the first one in
    them.
    """
    stated = [figure.quantity for figure in stated_figures if figure.quantity]
    for amount in stated:
        if amount.kind == "frequency":  # "every six months" is no duration
            return amount
    return stated_meaning.quantity or next(iter(stated), None)


def _amounts(stated: Quantity, rival: Quantity) -> str:
    """How two amounts relate, as in `value_relation`."""
    if stated.bound == rival.bound:  # "up to 8,000" and "up to 5,000" are two limits
        stated = replace(stated, bound="")
        rival = replace(rival, bound="")
    if "frequency" in (stated.kind, rival.kind) and stated.kind != rival.kind:
        return "unlike"

    are_rates = bool(stated.per) and bool(rival.per)
    if are_rates and stated.per != rival.per:
        return "unlike"
    is_one_rate = bool(stated.per) != bool(rival.per)
    are_money = stated.kind == rival.kind == "money"
    if is_one_rate and stated.unit and rival.unit and not are_money:
        return "unlike"

    are_counts = stated.kind == rival.kind == "number"
    if are_counts:  # what is counted may be named in one only
        stated = replace(stated, unit=None)
        rival = replace(rival, unit=None)
    return _NAMES[compare(stated, rival)]


# Within one document


def _is_disputed(stated: Mention, rival: Mention) -> bool:
    """Whether both are in one passage that says nearby that accounts differ."""
    passage = stated.span.hit.passage
    if passage != rival.span.hit.passage or rival.span.score <= 0:
        return False
    if compare(stated.meaning, rival.meaning) is not Relation.CONTRADICTS:
        return False
    start = min(stated.span.start, rival.span.start) - _NEARBY
    end = max(stated.span.end, rival.span.end) + _NEARBY
    return bool(_DIFFER.search(passage.text[max(0, start) : end]))
