"""What the confidence model sees: of a span, to rank answers; of a candidate among the others, to
say how sure one may be.

Every feature speaks for an answer, the more the higher it is, so that a fit may hold its weights to
be at least 0.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from rag.answering.candidates import Candidate
from rag.answering.cells import asked_for
from rag.answering.dated import dating
from rag.answering.equivalence import Relation, relation
from rag.english.answer_types import fits, fits_precision, precision, wanted
from rag.english.sentences import enclosing_sentence
from rag.english.text import content_words, coverage, named_words
from rag.types import Hit, Span

FEATURES = (
    "gap", "retrieval", "type", "coverage", "names", "fresh", "margin", "share", "support", "passage", "passage_names", "seen",  # noqa: E501
    "dense", "lead", "lexical", "rank",
)  # fmt: skip
_FARTHEST = 10.0
"""Margins beyond this say no more."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as the features need it: what it wants, its content words, its names and
    numbers.
    """

    text: str
    kind: str
    words: frozenset[str]
    names: frozenset[str]

    @classmethod
    def of(cls, question: str) -> Asked:
        return cls(question, wanted(question), content_words(question), named_words(question))


def repeats(asked: Asked, span: Span) -> bool:
    """Whether it says nothing: stands in a question, as a heading of frequent ones is, without a
    word that was not asked.
    """
    text = span.hit.passage.text
    asks = text[: enclosing_sentence(text, span.start, span.end)[1]].endswith("?")
    return asks and content_words(span.text) <= asked.words


@functools.lru_cache(4096)
def span_features(asked: Asked, span: Span) -> dict[str, float]:
    """Of one span: `gap`, the reader's log-odds; `retrieval`, its passage's score; `type`, whether
    it is of the kind wanted (a day or year, where that is asked for), and 1 more or less as a date
    is of what is asked about or of something else, and as the header of its cell is asked for or
    another's; `coverage`, the share of the question's words in its context and sentence; `names`,
    that of its names and numbers; `fresh`, the share of the span's own words that the question does
    not hold already."""
    passage = span.hit.passage
    start, end = enclosing_sentence(passage.text, span.start, span.end)
    near = f"{passage.context} {passage.text[start:end]}"
    words = content_words(span.text)
    return {
        "gap": span.score,
        "retrieval": span.hit.score,
        "type": _type(asked, span, passage.text[start:end], start, passage.text[span.end : end]),
        "coverage": coverage(asked.words, near),
        "names": coverage(asked.names, near, 1.0),
        "fresh": len(words - asked.words) / len(words) if words else 1.0,
    }


def _type(asked: Asked, span: Span, sentence: str, begins: int, after: str) -> float:
    fit = fits(asked.kind, span.text, after)
    if asked.kind == "date" and fit > 0:
        if wished := precision(asked.text):
            fit = fits_precision(wished, span.text)
        fit += dating(asked.words, asked.names, sentence, span.start - begins, span.end - begins)
    return fit + asked_for(asked.words, sentence, span.start - begins, span.end - begins)


def features(asked: Asked, candidate: Candidate, others: Sequence[Candidate]) -> dict[str, float]:
    """Of a candidate among `others`, by its best span, as `span_features` and besides:

    `margin`: its lead over the best that says something else, in [-10, 10]; `share`: its share of
    the odds of all candidates and of "no answer"; `support`: log of the number of documents that
    say it; `dense`: its passage's cosine; `lexical`: its BM25 score over the best read; `lead`: its
    passage's cosine over the mean of the others read; `rank`: 1 by its place among them; `passage`:
    the share of the question's words in its context and passage, `passage_names` that of its names
    and numbers; `seen`: the share of the question's words that any passage read holds.
    """
    span = candidate.spans[0]
    passage = span.hit.passage
    around = f"{passage.context} {passage.text}"
    hits = _hits(others)
    found = span_features(asked, span) | {
        "margin": _margin(candidate, others),
        "share": _share(candidate, others),
        "support": math.log(candidate.documents),
        "passage": coverage(asked.words, around),
        "passage_names": coverage(asked.names, around, 1.0),
        "seen": coverage(
            asked.words, " ".join(f"{hit.passage.context} {hit.passage.text}" for hit in hits)
        ),
    }
    return found | _retrieval(span.hit, hits)


def _retrieval(hit: Hit, hits: Sequence[Hit]) -> dict[str, float]:
    rest = [other.dense for other in hits if other is not hit]
    best = max(other.lexical for other in hits)
    return {
        "dense": hit.dense,
        "lead": hit.dense - sum(rest) / len(rest) if rest else 0.0,
        "lexical": hit.lexical / best if best else 0.0,
        "rank": 1 / (1 + sum(other.score > hit.score for other in hits)),
    }


def _hits(others: Sequence[Candidate]) -> list[Hit]:
    found = {
        (s.hit.passage.document_id, s.hit.passage.start): s.hit
        for other in others
        for s in other.spans
    }
    return list(found.values())


def _margin(candidate: Candidate, others: Sequence[Candidate]) -> float:
    apart = (Relation.CONTRARY, Relation.UNRELATED)
    rivals = (
        o.score
        for o in others
        if o is not candidate and relation(o.meaning, candidate.meaning) in apart
    )
    return max(-_FARTHEST, min(_FARTHEST, candidate.score - max(rivals, default=-math.inf)))


def _share(candidate: Candidate, others: Sequence[Candidate]) -> float:
    top = max(0.0, *(other.score for other in others))
    return math.exp(candidate.score - top) / (
        math.exp(-top) + sum(math.exp(other.score - top) for other in others)
    )
