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
from rag.meaning.dates import Dated, dates, named_days, only_date
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
        return cls(
            text=question,
            words=content_words(question),
            names=named_words(question),
            days=named_days(question),
            amount=amount,
            date=date,
        )


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
    text_before = passage.text[start : span.start]
    text_after = passage.text[span.end : end]
    span_meaning = meaning(span.text, text_before, text_after, analysis.amount)
    if is_relative(span.text):
        span_meaning = replace(span_meaning, anchor=passage.document_id)

    is_asked_date = analysis.date and (span_meaning.date or span_meaning.anchor)
    is_asked_amount = analysis.amount and span_meaning.quantity
    sentence_in_context = f"{passage.context} {passage.text[start:end]}"
    return Mention(
        span=span,
        meaning=span_meaning,
        sentence=(start, end),
        coverage=coverage(analysis.words, sentence_in_context),
        names=coverage(analysis.names, sentence_in_context, 1.0),
        fresh=_unasked_share(content_words(span.text), analysis, of_no_words=1.0),
        unasked=_unasked_share(content_words(span.label), analysis, of_no_words=0.0),
        typed=bool(is_asked_date or is_asked_amount),
    )


def _unasked_share(words: frozenset[str], analysis: QuestionAnalysis, of_no_words: float) -> float:
    """The share of the words that the question lacks; `of_no_words` without words."""
    if not words:
        return of_no_words
    return len(words - analysis.words) / len(words)


Score = Callable[[Mention], float]
"""The log-odds that a span is right, which rank candidates."""
_ScoredMention = tuple[float, Mention]
_ScoredMentions = list[_ScoredMention]


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
    by_wording: dict[tuple[object, ...], _ScoredMentions] = {}
    for one in mentions:
        by_wording.setdefault(one.meaning.said, []).append((score(one), one))

    gathered: list[list[_ScoredMentions]] = []
    for group in sorted(by_wording.values(), key=lambda group: -_joint_score(group)):
        home = _home_of(group, gathered)
        if home is None:
            gathered.append([group])
        else:
            home.append(group)

    span_groups = [_span_group(groups) for groups in gathered]
    return sorted(span_groups, key=lambda span_group: -span_group.score)


def _home_of(
    group: _ScoredMentions, gathered: Sequence[list[_ScoredMentions]]
) -> list[_ScoredMentions] | None:
    """The first of the gathered lists whose meanings all equal that of the group."""
    meaning_of_group = _meaning_of(group)
    for home in gathered:
        relations = (compare(meaning_of_group, _meaning_of(other)) for other in home)
        if all(relation is Relation.SAME for relation in relations):
            return home
    return None


def _meaning_of(group: _ScoredMentions) -> Meaning:
    """The meaning of the mentions of a group, which all mean the same."""
    _, first_mention = group[0]
    return first_mention.meaning


def _joint_score(members: Sequence[_ScoredMention]) -> float:
    """The log of the sum of the odds of the best member of each passage."""
    by_passage: dict[tuple[str, int], float] = {}
    for score, member in members:
        place = _place_of_passage(member)
        by_passage[place] = max(score, by_passage.get(place, -math.inf))

    scores = by_passage.values()
    top = max(scores)
    return top + math.log(sum(math.exp(score - top) for score in scores))


def _place_of_passage(one: Mention) -> tuple[str, int]:
    """The document and the start of the passage of a mention."""
    passage = one.span.hit.passage
    return passage.document_id, passage.start


def _span_group(groups: Sequence[_ScoredMentions]) -> SpanGroup:
    """One group of several. The first has the best wording and gives the group its words, unless
    the same figure is in the row that is asked.
    """
    best_worded, *other_groups = groups
    other_members = []
    for group in other_groups:
        other_members += _best_first(group)
    members = [*_best_first(best_worded), *_best_first(other_members)]

    mentions = [one for _, one in members]
    by_passage: dict[tuple[str, int], Mention] = {}
    for one in (_in_asked_row(mentions), *mentions):
        by_passage.setdefault(_place_of_passage(one), one)
    return SpanGroup(tuple(by_passage.values()), _joint_score(members))


def _best_first(members: _ScoredMentions) -> _ScoredMentions:
    return sorted(members, key=lambda member: -member[0])


def _in_asked_row(mentions: Sequence[Mention]) -> Mention:
    """The first mention. If it is a figure of a table, the one in the same document whose row's
    label is asked for with the largest share of its words, and of these with the most.
    """
    first = mentions[0]
    if not first.span.label:
        return first
    document_id = first.span.hit.passage.document_id
    in_rows = []
    for one in mentions:
        if one.span.label and one.span.hit.passage.document_id == document_id:
            in_rows.append(one)
    return max(in_rows, key=_asked_words_of_label)


def _asked_words_of_label(one: Mention) -> tuple[float, float]:
    """The share and the number of the words of a row's label that are in the question."""
    words = content_words(one.span.label)
    share = 1 - one.unasked if words else 0.0
    return share, share * len(words)


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
    dated = _date_with_year(text, text_after) or only_date(text)
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


def _date_with_year(text: str, text_after: str) -> Dated | None:
    """The date with the year that follows the words, as the rest of a date that an answer left
    out.
    """
    gap = len(text_after) - len(text_after.lstrip(", "))
    year = YEARS.match(text_after, gap) if gap else None
    return only_date(text + text_after[: year.end()]) if year else None


def _number(mention: Mention, document: Document) -> Value | None:
    quantity = mention.meaning.quantity
    text = mention.span.text
    if quantity is None or len(quantity.rest.split()) > _MOST_BESIDE:
        return None
    if quantity.kind == "number" and dates(text):
        return None

    factor = 1
    kind = quantity.kind
    unit = quantity.unit
    fact = fact_at(document, mention.span.hit.passage.start + mention.span.start)
    if fact is not None and kind in ("money", "number", "percentage"):
        factor = fact.factor
        if kind == "number" and unit is None and fact.is_money:
            kind = "money"
            unit = fact.unit

    size = abs(quantity.number) if factor < 0 else quantity.number
    return Value(
        kind,
        text,
        iso=quantity.iso,
        number=factor * size,
        upper=quantity.upper and factor * quantity.upper,
        unit=unit,
        bound=quantity.bound,
        per=quantity.per,
    )
