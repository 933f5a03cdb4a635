"""Spans with their meaning, parsed once for ranking, grouping, values and confidence. Spans that
mean the same become one candidate; different facts are never grouped.

A date, number, duration, sum of money or percentage is also shown as a typed value.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rag.facts import fact_at
from rag.meaning.compare import Meaning, Relation, compare, meaning
from rag.meaning.dates import dates, named_days, only_date
from rag.meaning.relative_dates import document_date, is_relative, resolve
from rag.meaning.sentences import Offsets
from rag.meaning.words import YEARS, content_words, coverage, named_words
from rag.structure import passage_sentence, row_at
from rag.types import Document, Span, Value

_AMOUNT = re.compile(
    r"\bhow (?:many|much|long|old|far|big|large|tall|high|deep|wide|heavy|fast|hot|cold)\b",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"^(?:(?!\b(?:what|which|who|whom|whose|how|why|where|if)\b).)*\bwhen\b|"
    r"\b(?:what|which) (?:is the |was the )?(?:\w+ )?(?:date|day|year|month)\b(?!-)",
    re.IGNORECASE,
)
"""Matches a question for a date. "When" after another question word does not ask for one."""


@dataclass(frozen=True, slots=True)
class QuestionAnalysis:
    """A question's content words, its names and numbers, the days that it names, and whether it
    asks for an amount or a date.
    """

    text: str
    words: frozenset[str]
    names: frozenset[str]
    days: frozenset[str]
    amount: bool
    date: bool

    @classmethod
    def of(cls, question: str) -> QuestionAnalysis:
        amount = bool(_AMOUNT.search(question))
        date = not amount and bool(_DATE.search(question))
        names, days = named_words(question), named_days(question)
        return cls(question, content_words(question), names, days, amount, date)


@dataclass(frozen=True, slots=True)
class Mention:
    """A span, its meaning, its `sentence` in the passage, and how much of the question is near it.

    `coverage` is the share of the question's words in its sentence and context, `names` that of the
    names and numbers. `fresh` is the share of the span's own words that are not in the question;
    `unasked` is that of the words of the label of its row, if it is a figure of a table.
    """

    span: Span
    meaning: Meaning
    sentence: Offsets
    coverage: float
    names: float
    fresh: float
    unasked: float
    typed: bool
    """Whether it is the date or amount that the question asks for."""

    @property
    def sentence_text(self) -> str:
        """The text of the sentence."""
        return self.span.hit.passage.text[slice(*self.sentence)]


@functools.lru_cache(4096)
def mention(analysis: QuestionAnalysis, span: Span) -> Mention:
    """A span as an answer to a question."""
    passage = span.hit.passage
    start, end = passage_sentence(passage, span.start, span.end)
    span_meaning = meaning(
        span.text, passage.text[start : span.start], passage.text[span.end : end], analysis.amount
    )
    if is_relative(span.text):
        span_meaning = replace(span_meaning, anchor=passage.document_id)
    sentence_in_context = f"{passage.context} {passage.text[start:end]}"
    words = content_words(span.text)
    label = content_words(span.label)
    return Mention(
        span,
        span_meaning,
        (start, end),
        coverage(analysis.words, sentence_in_context),
        coverage(analysis.names, sentence_in_context, 1.0),
        _unasked(words, analysis) if words else 1.0,
        _unasked(label, analysis) if label else 0.0,
        bool(
            (analysis.date and (span_meaning.date or span_meaning.anchor))
            or (analysis.amount and span_meaning.quantity)
        ),
    )


def _unasked(words: frozenset[str], analysis: QuestionAnalysis) -> float:
    """The share of the words that are not in the question."""
    return len(words - analysis.words) / len(words)


Score = Callable[[Mention], float]
"""The log-odds that a span is right, which rank candidates."""
_ScoredMention = tuple[float, Mention]


@dataclass(frozen=True, slots=True)
class SpanGroup:
    """Mentions with the same meaning, the best wording first, and their joint score: the log of the
    sum of their odds, counting each passage once.
    """

    mentions: tuple[Mention, ...]
    score: float

    @property
    def best(self) -> Mention:
        return self.mentions[0]

    @property
    def meaning(self) -> Meaning:
        return self.best.meaning

    @property
    def spans(self) -> tuple[Span, ...]:
        return tuple(mention.span for mention in self.mentions)

    @property
    def supporting(self) -> tuple[Span, ...]:
        """The best wording, and others with a positive score: the same words elsewhere may answer
        another question.
        """
        return self.spans[:1] + tuple(span for span in self.spans[1:] if span.score > 0)

    @property
    def documents(self) -> int:
        return len({span.hit.passage.document_id for span in self.supporting})


def grouped(mentions: Sequence[Mention], score: Score) -> list[SpanGroup]:
    """Groups, best first. Mentions with equal meanings are grouped first; then each group, best
    first, joins the best candidate whose meanings all equal its own. Two days never join because a
    year includes both.
    """
    groups: dict[tuple[object, ...], list[_ScoredMention]] = {}
    for one in mentions:
        groups.setdefault(one.meaning.said, []).append((score(one), one))
    gathered: list[list[list[_ScoredMention]]] = []
    for group in sorted(groups.values(), key=lambda group: -_joint_score(group)):
        first_meaning = group[0][1].meaning
        fitting = (
            home
            for home in gathered
            if all(compare(first_meaning, g[0][1].meaning) is Relation.SAME for g in home)
        )
        if (home := next(fitting, None)) is not None:
            home.append(group)
        else:
            gathered.append([group])
    return sorted(map(_candidate, gathered), key=lambda candidate: -candidate.score)


def _joint_score(members: Sequence[_ScoredMention]) -> float:
    """The log of the sum of the odds of the best member of each passage."""
    by_passage: dict[tuple[str, int], float] = {}
    for score, member in members:
        place = member.span.hit.passage.document_id, member.span.hit.passage.start
        by_passage[place] = max(score, by_passage.get(place, -math.inf))
    top = max(by_passage.values())
    return top + math.log(sum(math.exp(score - top) for score in by_passage.values()))


def _candidate(groups: Sequence[list[_ScoredMention]]) -> SpanGroup:
    """The first group has the best wording and gives the candidate its words, unless the same
    figure is in the row that is asked.
    """
    best_worded, *other_groups = (sorted(group, key=lambda member: -member[0]) for group in groups)
    members_left = sorted(
        (one for group in other_groups for one in group), key=lambda member: -member[0]
    )
    mentions = [one for _, one in (*best_worded, *members_left)]
    by_passage: dict[tuple[str, int], Mention] = {}
    for one in (_in_asked_row(mentions), *mentions):
        by_passage.setdefault((one.span.hit.passage.document_id, one.span.hit.passage.start), one)
    return SpanGroup(tuple(by_passage.values()), _joint_score([*best_worded, *members_left]))


def _in_asked_row(mentions: Sequence[Mention]) -> Mention:
    """The first mention. If it is a figure of a table, the one in the same document whose row's
    label is asked for with the largest share of its words, and of these with the most.
    """
    first = mentions[0]
    if not first.span.label:
        return first
    document_id = first.span.hit.passage.document_id
    in_rows = [
        one
        for one in mentions
        if one.span.label and one.span.hit.passage.document_id == document_id
    ]

    def asked(one: Mention) -> tuple[float, float]:
        """The share and the number of the label's words that are in the question."""
        words = content_words(one.span.label)
        share = 1 - one.unasked if words else 0.0
        return share, share * len(words)

    return max(in_rows, key=asked)


_ANCHORED = re.compile(
    r"\b(?:second|minute|hour|day|week|month|year|decade)s? (?:ago|later|earlier|before|after)\b"
)
"""A time before or after an event, which is not a duration."""
_MOST_BESIDE = 6
"""Maximum number of other words in an answer that is a number."""


def value(mention: Mention, document: Document) -> Value | None:
    """The typed value; None if the words have no type. The date of the mention's document resolves
    relative dates.
    """
    text = mention.span.text
    text_after = mention.sentence_text[mention.span.end - mention.sentence[0] :]
    if _ANCHORED.search(f"{text} {text_after[:12]}"):
        return None if dates(text) else _date(mention, text_after, document)
    return _number(mention, document) or _date(mention, text_after, document)


def _is_in_row(mention: Mention, document: Document) -> bool:
    """Whether the span is in a row of several cells."""
    row = row_at(document.blocks, mention.span.hit.passage.start + mention.span.start)
    return row is not None and len(row.cells) > 1


def _date(mention: Mention, text_after: str, document: Document) -> Value | None:
    text = mention.span.text
    gap = len(text_after) - len(text_after.lstrip(", "))
    year = (
        YEARS.match(text_after, gap) if gap else None
    )  # the rest of a date that an answer left out

    dated = (year and only_date(text + text_after[: year.end()])) or only_date(text)
    if dated:
        bound = " ".join(sorted(dated.qualifiers))
        return Value("date", text, iso=dated.iso, precision=dated.precision, bound=bound)

    text_before = mention.sentence_text[: mention.span.start - mention.sentence[0]]
    day = document_date(document.metadata, document.text)

    is_in_row = _is_in_row(mention, document)
    resolved = resolve(text, text_before, day, text_after, is_in_row) if day else None
    if resolved:
        return Value(
            "date",
            text,
            iso=resolved.iso,
            precision=resolved.precision,
            bound=resolved.bound,
            resolved=resolved.how,
        )

    text_dates = dates(text)
    if len(text_dates) != 1 or text_dates[0].precision == "year":
        return None

    (date,) = text_dates
    return Value("date", text[date.start : date.end], iso=date.iso, precision=date.precision)


def _number(mention: Mention, document: Document) -> Value | None:
    quantity, text = mention.meaning.quantity, mention.span.text
    if quantity is None or len(quantity.rest.split()) > _MOST_BESIDE:
        return None
    if quantity.kind == "number" and dates(text):
        return None
    factor, kind, unit = 1, quantity.kind, quantity.unit
    fact = fact_at(document, mention.span.hit.passage.start + mention.span.start)
    if fact is not None and kind in ("money", "number", "percentage"):
        factor = fact.factor
        if kind == "number" and unit is None and fact.is_money:
            kind, unit = "money", fact.unit
    return Value(
        kind,
        text,
        iso=quantity.iso,
        number=factor * abs(quantity.number) if factor < 0 else factor * quantity.number,
        upper=quantity.upper and factor * quantity.upper,
        unit=unit,
        bound=quantity.bound,
        per=quantity.per,
    )
