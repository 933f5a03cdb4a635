"""A span and its meaning, parsed once for ranking, grouping, values and confidence."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace

from rag.meaning.reading import Meaning, meaning
from rag.meaning.relative_dates import is_relative
from rag.meaning.sentences import Offsets, enclosing_sentence
from rag.meaning.text import content_words, coverage, named_words
from rag.types import Span

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
    """A question's content words, its names and numbers, and whether it asks for an amount or a
    date.
    """

    text: str
    words: frozenset[str]
    names: frozenset[str]
    amount: bool
    date: bool

    @classmethod
    def of(cls, question: str) -> QuestionAnalysis:
        amount = bool(_AMOUNT.search(question))
        date = not amount and bool(_DATE.search(question))
        return cls(question, content_words(question), named_words(question), amount, date)


@dataclass(frozen=True, slots=True)
class Mention:
    """A span, its meaning, its `sentence` in the passage, and how much of the question is near it.

    `coverage` is the share of the question's words in its sentence and context, `names` that of the
    names and numbers, `fresh` the share of the span's own words that are not in the question,
    `unasked` that of the words of the label of its row, if it is a figure of a table.
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
def mention(asked: QuestionAnalysis, span: Span) -> Mention:
    """A span as an answer to a question."""
    passage = span.hit.passage
    start, end = enclosing_sentence(passage.text, span.start, span.end)
    said = meaning(
        span.text, passage.text[start : span.start], passage.text[span.end : end], asked.amount
    )
    if is_relative(span.text):
        said = replace(said, anchor=passage.document_id)
    near = f"{passage.context} {passage.text[start:end]}"
    words = content_words(span.text)
    label = content_words(span.label)
    return Mention(
        span,
        said,
        (start, end),
        coverage(asked.words, near),
        coverage(asked.names, near, 1.0),
        _unasked(words, asked) if words else 1.0,
        _unasked(label, asked) if label else 0.0,
        bool((asked.date and (said.date or said.anchor)) or (asked.amount and said.quantity)),
    )


def _unasked(words: frozenset[str], asked: QuestionAnalysis) -> float:
    """The share of the words that are not in the question."""
    return len(words - asked.words) / len(words)
