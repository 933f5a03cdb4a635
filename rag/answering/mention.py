"""A span and its meaning, parsed once for ranking, grouping, values and confidence."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace

from rag.answering.table_cells import label_at
from rag.meaning.dates import Dated, only_date
from rag.meaning.number_words import CODE, SIGN
from rag.meaning.quantities import Quantity, bound_before, quantity
from rag.meaning.relative_dates import is_relative
from rag.meaning.sentences import Offsets, enclosing_sentence
from rag.meaning.text import content_words, coverage, named_words, normalize
from rag.types import Span

_LEAD = re.compile(
    r"^(?:(?:in|on|at|to|by|from|as|about|around|approximately|roughly|an?|the)\s+)+", re.IGNORECASE
)
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
_THAN = r"(?! (?:fewer|less|more|later|earlier|greater|higher|lower) than)"
_NEGATION = re.compile(
    rf"\b(?:not(?! only| until| exceed| over| above| under| "
    rf"below){_THAN}|never{_THAN}|no(?!\.?\s*\d){_THAN}|neither|nor|nobody|"
    r"none|without|denied|denies|cannot|fail(?:s|ed)? to|rather than|instead of)\b|n['’]t\b"
)
_VERBS = "did|does|do|has|have|had|is|are|was|were|will|wo|would|could|can|ca|may|should|must"
_DENIED_AFTER = re.compile(
    rf"^\s*(?:(?:{_VERBS})(?:\s+(?:not|never)\b(?! only| "
    rf"until)|n['’]t\b)|never\b|(?:failed|refused|declined) to\b)"
)
"""A denial right after the subject: "Iran did not sign"."""
_BREAK = re.compile(
    r"[,;:()–—]|\b(?:but|while|whereas|although|though|and|because|which|who|instead(?! of))\b"
)
_MONEY_SIGN = re.compile(rf"(?:{SIGN}|\b{CODE})\s?$")
_DATE_BOUND = re.compile(r"\b(before|after|until|till|since|by)\s+(?:the )?$", re.IGNORECASE)
_ERA = re.compile(r"\s*(?:BC|BCE|B\.C\.)")
_INITIALS = re.compile(r"\b(?:(?:[A-Z]\.){2,}|[ap]\.\s?m\.?)")
_SYMBOLED = re.compile(r"(?<=[A-Za-z])(?:\+\+|#)")


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
class Meaning:
    """The meaning of words. `key` is the normalised text, `negated` whether the clause denies it,
    `anchor` the document that a relative date such as "on Tuesday" refers to.
    """

    text: str
    key: str
    negated: bool
    date: Dated | None
    quantity: Quantity | None
    anchor: str = ""

    @property
    def said(self) -> tuple[object, ...]:
        """A key that equal wordings share."""
        return self.key, self.negated, self.date, self.quantity, self.anchor


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
    label = content_words(label_at(passage.text, span.start))
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


def meaning(text: str, before: str = "", after: str = "", amount: bool = False) -> Meaning:
    """The meaning of words, given the text `before` and `after` them in their sentence. If the
    question asks for an `amount`, a number is not read as a date.
    """
    bare = _LEAD.sub("", text)
    date = None if amount or _ERA.match(after) else _bounded_date(text, before)
    found = None if date else _amount(text, before, after)
    clause = _BREAK.split(before)[-1]
    denied = bool(_NEGATION.search(f"{clause} {text}".lower()) or _DENIED_AFTER.match(after))
    return Meaning(bare, _key(bare) or text, denied, date, found)


def _key(text: str) -> str:
    """Normalised text, with "U.S." as "US", "a.m." as "am", and "C++" distinct from "C"."""
    text = _INITIALS.sub(lambda match: re.sub(r"[.\s]", "", match[0]), text)
    return normalize(_SYMBOLED.sub(lambda match: " sharp" if match[0] == "#" else " plus", text))


def _bounded_date(text: str, before: str) -> Dated | None:
    """The date with a bounding word right before it: "before 2015"."""
    date, bound = only_date(text), _DATE_BOUND.search(before)
    if date is None or bound is None:
        return date
    return replace(date, qualifiers=date.qualifiers | {bound[1].lower()})


def _amount(text: str, before: str, after: str) -> Quantity | None:
    """The quantity with a currency sign or a bound right before it."""
    sign = _MONEY_SIGN.search(before)
    found = quantity(f"{sign[0].strip()}{text}" if sign else text, after)
    if found is None or found.bound:
        return found
    return replace(found, bound=bound_before(before[: sign.start()] if sign else before))
