"""Finds values in other documents that contradict the value of an answer.

A conflict has the same subject and the same attribute in another document, with another value. What
rules can tell decides first: the values differ, no word of the question stands replaced by another
one, and both sentences are of one period. A small fitted model says the rest. Within one document
there is a conflict only where the text says that accounts differ.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace

from rag.answering.judge import Logistic
from rag.answering.reading import Reading, logit, span_score
from rag.answering.spans import Mention, SpanGroup, grouped, mention
from rag.meaning.compare import Meaning, Relation, compare, meaning
from rag.meaning.dates import all_dates
from rag.meaning.figures import Figure, figures
from rag.meaning.periods import periods
from rag.meaning.quantities import Quantity
from rag.meaning.words import (
    MONTHS,
    STOP_WORDS,
    WEEKDAYS,
    content_words,
    coverage,
    normalize,
    word_list,
)
from rag.types import Span

FEATURES = ("covered", "lost", "sentence")
MODEL = Logistic({"covered": 1.003, "lost": -3.713, "sentence": 1.046}, -0.669)
ANNOUNCED_FROM = 0.5
"""Probability from which on a conflict is announced; `eval/experiments/conflicts.py --fit` fits it.
"""
LEAST_SHARE = 0.5
"""Least share of the answer's probability that a conflicting value must have."""
_MOST_SPANS = 8
"""Number of values of other documents that are compared with the answer's."""
_SAYS_SO = 2.0
"""Log-odds that a value of the answer's kind gains over others of its document."""
_LONGEST_SWAP = 3
_SWAPPED_FROM = 0.5
"""Likeness of two sentences from which on a replaced word makes them be about different things."""
_LEAST_ODDS = 1e-4
_UNSCORED = 1.0
"""Most log-odds of a sentence that a reader without a sentence head can give: by its span."""
_DIFFER = re.compile(
    r"\b(?:others?|differs?|disagrees?|disagreement|disputed"
    r"|some (?:\w+ )?(?:say|give|put|count|place|date|speak|start|profiles|sources|accounts|authors"
    r"|reports)|(?:accounts|sources|figures|counts|reports|estimates) vary)\b",
    re.IGNORECASE,
)
"""Words that say that accounts differ."""
_NEARBY = 250
"""Number of characters around an answer in which these words count."""


def conflicts(reading: Reading, given: SpanGroup, is_span: bool = True) -> list[SpanGroup]:
    """The values that contradict the `given` one, best first. If the answer is not the span alone
    (`is_span`), only typed values count: what else its sentence says may agree.
    """
    disputed = [
        group.best
        for group in reading.spans
        if group is not given and any(_is_disputed(said, group.best) for said in given.mentions)
    ]
    elsewhere = [
        rival
        for rival, relation in rivals(reading, given)
        if (is_span or relation == "differ")
        and is_alike(reading, given.best, rival)
        and MODEL(features(reading, given.best, rival)) >= ANNOUNCED_FROM
    ]
    return grouped([*disputed, *elsewhere], span_score)


def rivals(reading: Reading, given: SpanGroup) -> Iterator[tuple[Mention, str]]:
    """The best value of each other document, if it differs, and how: "differ" for typed values,
    "words" for others, "denied" for the same one denied.
    """
    supporting_documents = {
        stated.span.hit.passage.document_id
        for stated in given.mentions
        if stated is given.best or not is_replaced(stated)
    }
    of_others = (
        mention(reading.analysis, span)
        for span in _spans(reading)
        if _is_of_others(span, supporting_documents)
    )
    mentions = [rival for rival in of_others if not is_replaced(rival)]
    by_document: dict[str, list[tuple[float, Mention, str]]] = {}
    for rival in mentions:
        relation = value_relation(given.best, rival)
        is_comparable = relation in ("differ", "words", "denied", "same")
        score = rival.span.score + _SAYS_SO * is_comparable
        name = rival.span.hit.passage.document_id
        by_document.setdefault(name, []).append((score, rival, relation))
    for compared in by_document.values():
        _, rival, relation = max(compared, key=lambda one: one[0])
        if relation in ("differ", "words", "denied"):
            yield rival, relation


_REPLACES = re.compile(
    r"(?i)(?:\b(?:mov|postpon|reschedul|chang|shift|rais|lower|increas|reduc|extend|shorten|correct)"
    r"\w*\b[^.!?]{0,60}\bfrom|\binstead of|\brather than)(?: the)?\s+$"
)
_BY_ANOTHER = re.compile(r"(?i)^[^.!?]{0,30}\bto\b")


def is_replaced(stated: Mention) -> bool:
    """Whether the sentence says that the value no longer holds: "moved from 18 May to 15 June"."""
    start, end = stated.sentence
    passage = stated.span.hit.passage.text
    before = _REPLACES.search(passage[start : stated.span.start])
    if before is None:
        return False
    is_change = before[0].rstrip().lower().endswith(("from", "from the"))
    return not is_change or bool(_BY_ANOTHER.match(passage[stated.span.end : end]))


def agreeing_documents(group: SpanGroup) -> int:
    """The number of documents that support the value, less those that say it was replaced."""
    supporting = set(group.supporting)
    return len(
        {
            stated.span.hit.passage.document_id
            for stated in group.mentions
            if stated.span in supporting and not is_replaced(stated)
        }
    )


def _spans(reading: Reading) -> Sequence[Span]:
    """The spans of the reader that read all passages, the small one of a cascade."""
    source = reading.first or reading
    return [span for span in source.output.spans if reading.is_current(span.hit)]


def _is_of_others(span: Span, document_ids: Set[str]) -> bool:
    passages = (span.hit.passage, *span.hit.copies)
    return not any(passage.document_id in document_ids for passage in passages)


def is_alike(reading: Reading, given: Mention, rival: Mention) -> bool:
    """Whether both sentences may be about one thing: no word stands replaced by another, and their
    periods, and those of their titles and headings, are not different ones.
    """
    masked, rival_masked = _masked(given), _masked(rival)
    contexts = [_undated(one.span.hit.passage.context) for one in (given, rival)]
    return not (
        _is_swapped(reading.question, masked, rival_masked)
        or _are_other_periods(masked, rival_masked)
        or _are_other_periods(*contexts)
    )


def features(reading: Reading, given: Mention, rival: Mention) -> dict[str, float]:
    """What the model sees. `covered`: the share of the question's words in the rival's passage;
    `lost`: the share of them that the answer's sentence has with its headings, and the rival's
    lacks; `sentence`: log-odds that the rival's sentence belongs to an answer, by the reader of all
    passages, or those of its span where the reader has no sentence head.
    """
    words = reading.analysis.words
    passage = rival.span.hit.passage
    lost = {
        word for word in words if coverage({word}, _said(given)) > coverage({word}, _said(rival))
    }
    return {
        "covered": coverage(words, f"{passage.context} {passage.text}"),
        "lost": len(lost) / max(1, len(words)),
        "sentence": _sentence_odds(reading, rival),
    }


def _said(one: Mention) -> str:
    return f"{one.span.hit.passage.context} {one.sentence_text}"


def _sentence_odds(reading: Reading, rival: Mention) -> float:
    source = reading.first or reading
    passage = rival.span.hit.passage
    start = rival.sentence[0]
    scores = [
        sentence.score
        for sentence in source.output.sentences
        if sentence.hit.passage == passage and sentence.start == start
    ]
    return logit(scores[0], _LEAST_ODDS) if scores else min(rival.span.score, _UNSCORED)


# Subjects and periods


def _masked(one: Mention) -> str:
    """The sentence without its value."""
    start, end = one.sentence
    text = one.span.hit.passage.text
    return f"{text[start : one.span.start]} {text[one.span.end : end]}"


def _is_swapped(question: str, sentence: str, rival_sentence: str) -> bool:
    """Whether in two sentences that are half alike a word stands where the other has another one: a
    word of the question, or one word for one word.
    """
    question_words = content_words(question)
    words, rival_words = _content(sentence), _content(rival_sentence)
    matcher = difflib.SequenceMatcher(None, words, rival_words, autojunk=False)
    if matcher.ratio() < _SWAPPED_FROM:
        return False
    for kind, start, end, rival_start, rival_end in matcher.get_opcodes():
        lengths = end - start, rival_end - rival_start
        if kind != "replace" or max(lengths) > _LONGEST_SWAP:
            continue
        old_words = {word[:5] for word in words[start:end]}
        new_words = {word[:5] for word in rival_words[rival_start:rival_end]}
        if lengths == (1, 1) or (old_words & question_words and new_words - question_words):
            return True
    return False


def _content(text: str) -> list[str]:
    """The content words in order."""
    return [word for word in word_list(text) if word not in STOP_WORDS]


_SEASONS = frozenset("spring summer autumn winter".split())
_PART = re.compile(
    r"\b(?:week|term|season|part|quarter|half|first|second|third|fourth|high|low) \w+",
    re.IGNORECASE,
)
"""A part of a year or of a series, such as "week 20" and "second half"."""


def _are_other_periods(text: str, rival_text: str) -> bool:
    """Whether both texts name periods of one kind, but none in common."""
    pairs = zip(_periods(text), _periods(rival_text), strict=True)
    return any(named and others and not named & others for named, others in pairs)


def _periods(text: str) -> tuple[frozenset[str], ...]:
    """The days, years, quarters, months, seasons and parts that a text names."""
    stated = periods(text)
    words = frozenset(normalize(text).split())
    parts = frozenset(match[0].lower() for match in _PART.finditer(text))
    months = words.intersection(MONTHS)
    return stated.days, stated.years, stated.quarters, months, words & _SEASONS, parts


def _undated(context: str) -> str:
    """Title and headings without days: the day of a letter is not the period it is about."""
    for date in reversed(all_dates(context)):
        if date.precision == "day":
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
    (text, stated_meaning), (rival_text, rival_meaning) = _value(given), _value(rival)
    if stated_meaning.key == rival_meaning.key:
        return "same" if stated_meaning.negated == rival_meaning.negated else "denied"
    days, rival_days = _weekdays(text), _weekdays(rival_text)
    both_dated = stated_meaning.date is not None and rival_meaning.date is not None
    if days and rival_days and not days & rival_days and not both_dated:
        return "differ"
    if both_dated:
        return _NAMES[compare(stated_meaning, rival_meaning)]
    stated, rival_stated = figures(text), figures(rival_text)
    times, rival_times = ([f.time for f in side if f.time] for side in (stated, rival_stated))
    if len(times) == len(rival_times) == 1:
        return _NAMES[compare(times[0], rival_times[0])]
    amount, rival_amount = _amount(stated_meaning, stated), _amount(rival_meaning, rival_stated)
    if amount and rival_amount and not (stated_meaning.date or rival_meaning.date):
        return _amounts(amount, rival_amount)
    if amount or rival_amount or stated_meaning.date or rival_meaning.date or times or rival_times:
        return "unlike"
    words, rival_words = normalize(text), normalize(rival_text)
    is_part = f" {words} " in f" {rival_words} " or f" {rival_words} " in f" {words} "
    return "overlap" if is_part else "words"


_NAMES = {
    Relation.SAME: "same",
    Relation.CONTRADICTS: "differ",
    Relation.COMPATIBLE: "overlap",
    Relation.UNRELATED: "unlike",
}


def _value(one: Mention) -> tuple[str, Meaning]:
    """The words with their bound or the rest of their range, and what they mean; a number that may
    be a year is a date.
    """
    start, end = one.sentence
    passage = one.span.hit.passage.text
    text_before, text_after = passage[start : one.span.start], passage[one.span.end : end]
    bound = _BOUND.search(text_before)
    text = f"{bound[0] if bound else ''}{one.span.text}"
    if _RANGE.match(text) and (range_end := _UPPER.match(text_after)):
        text += range_end[0]
    text_before = text_before[: bound.start()] if bound else text_before
    is_amount = one.meaning.quantity is not None
    return text, replace(
        meaning(text, text_before, text_after, is_amount), anchor=one.meaning.anchor
    )


def _weekdays(text: str) -> frozenset[str]:
    words = {word.removesuffix("s") for word in normalize(text).split()}
    return frozenset(words.intersection(WEEKDAYS))


def _amount(stated_meaning: Meaning, stated_figures: Sequence[Figure]) -> Quantity | None:
    """The quantity that the words are, or else the first one in them."""
    return stated_meaning.quantity or next(
        (figure.quantity for figure in stated_figures if figure.quantity), None
    )


def _amounts(stated: Quantity, rival: Quantity) -> str:
    if stated.bound == rival.bound:  # "up to 8,000" and "up to 5,000" are two limits
        stated, rival = replace(stated, bound=""), replace(rival, bound="")
    if "frequency" in (stated.kind, rival.kind):
        if stated.kind != rival.kind:
            return "unlike"
        is_same = (stated.unit, stated.number) == (rival.unit, rival.number)
        return "same" if is_same else "differ"
    is_rate, is_rival_rate = bool(stated.per), bool(rival.per)
    is_money = stated.kind == rival.kind == "money"
    if is_rate and is_rival_rate and stated.per != rival.per:
        return "unlike"
    if is_rate != is_rival_rate and stated.unit and rival.unit and not is_money:
        return "unlike"
    if stated.kind == rival.kind == "number":  # what is counted may be named in one only
        stated, rival = replace(stated, unit=None), replace(rival, unit=None)
    return _NAMES[compare(stated, rival)]


# Within one document


def _is_disputed(stated: Mention, rival: Mention) -> bool:
    """Whether both are in one passage that says nearby that accounts differ."""
    passage, start = stated.span.hit.passage, min(stated.span.start, rival.span.start)
    if passage != rival.span.hit.passage or rival.span.score <= 0:
        return False
    if compare(stated.meaning, rival.meaning) is not Relation.CONTRADICTS:
        return False
    end = max(stated.span.end, rival.span.end)
    return bool(_DIFFER.search(passage.text[max(0, start - _NEARBY) : end + _NEARBY]))
