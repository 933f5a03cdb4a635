"""From spans to an answer: what says the same is one answer with several citations; below the threshold nothing is said."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rag.chunking.sentences import enclosing_sentence
from rag.composing.confidence import Confidence
from rag.composing.text import compatible, coverage, normalize
from rag.types import Alternative, Answer, Citation, Document, Hit, Span

MAX_CITATIONS = 5
_FARTHEST = 10.0
"""Margins beyond this say no more."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Spans that say the same, best first, and their joint score: the log of the sum of their odds, one a passage."""

    key: str
    spans: tuple[Span, ...]
    score: float


def candidates(spans: Sequence[Span], retrieval: float) -> list[Candidate]:
    """Spans grouped by their normalised text, best first. `retrieval` weighs the hit's score beside the reader's."""
    groups: dict[str, list[tuple[float, Span]]] = {}
    for span in spans:
        key = normalize(span.text) or span.text
        groups.setdefault(key, []).append((span.score + retrieval * span.hit.score, span))
    made = [_candidate(key, members) for key, members in groups.items()]
    return sorted(made, key=lambda candidate: -candidate.score)


def _candidate(key: str, members: list[tuple[float, Span]]) -> Candidate:
    best: dict[tuple[str, int], tuple[float, Span]] = {}
    for score, span in sorted(members, key=lambda member: -member[0]):
        best.setdefault((span.hit.passage.document_id, span.hit.passage.start), (score, span))
    top = max(score for score, _ in best.values())
    score = top + math.log(sum(math.exp(score - top) for score, _ in best.values()))
    return Candidate(key, tuple(span for _, span in best.values()), score)


def features(question: str, candidate: Candidate, others: Sequence[Candidate]) -> dict[str, float]:
    """What the confidence model sees of a candidate among the others.

    `gap`: the best span's log-odds; `margin`: the lead over the best answer that says something else, in [-10, 10];
    `dense`: the passage's cosine; `lexical`: its BM25 score; `coverage`: the share of the question's words in its context and
    sentence; `support`: log of the number of documents that say it.
    """
    span = candidate.spans[0]
    passage = span.hit.passage
    rivals = (other.score for other in others if other is not candidate and not compatible(other.key, candidate.key))
    margin = candidate.score - max(rivals, default=-math.inf)
    start, end = enclosing_sentence(passage.text, span.start, span.end)
    return {
        "gap": span.score,
        "margin": max(-_FARTHEST, min(_FARTHEST, margin)),
        "dense": span.hit.dense,
        "lexical": span.hit.lexical,
        "coverage": coverage(question, f"{passage.context} {passage.text[start:end]}"),
        "support": math.log(len({s.hit.passage.document_id for s in candidate.spans})),
    }


@dataclass(frozen=True, slots=True)
class Rule:
    """How sure an answer must be, and how many others are shown."""

    confidence: Confidence
    threshold: float
    alternatives: int


def compose(
    question: str,
    hits: Sequence[Hit],
    spans: Sequence[Span],
    document: Callable[[str], Document | None],
    rule: Rule,
    timings: Mapping[str, float],
) -> Answer:
    """The best candidate if its confidence reaches the threshold; otherwise nothing, and why. `document` finds one by id."""
    ranked = candidates(spans, rule.confidence.retrieval)
    given = [cited for c in ranked[: rule.alternatives + 1] if (cited := _alternative(question, c, ranked, document, rule))]
    if not given:
        return Answer(question, None, 0.0, (), (), tuple(hits), "no passage of the index has anything to say to this", timings)
    best, rest = given[0], tuple(given[1:])
    if best.confidence < rule.threshold:
        reason = f'the likeliest answer, "{best.text}", reaches a confidence of {best.confidence:.2f}, below {rule.threshold:.2f}'
        return Answer(question, None, best.confidence, (), tuple(given), tuple(hits), reason, timings)
    return Answer(question, best.text, best.confidence, best.citations, rest, tuple(hits), None, timings)


def _alternative(
    question: str,
    candidate: Candidate,
    ranked: Sequence[Candidate],
    document: Callable[[str], Document | None],
    rule: Rule,
) -> Alternative | None:
    citations = _cite(candidate, document)
    if not citations:
        return None
    sure = rule.confidence(features(question, candidate, ranked))
    return Alternative(citations[0].quote, sure, citations)


def _cite(candidate: Candidate, document: Callable[[str], Document | None]) -> tuple[Citation, ...]:
    """A citation a place, best first; a passage that no longer stands in its document is not cited."""
    made: dict[tuple[str, int], Citation] = {}
    for span in candidate.spans:
        found = document(span.hit.passage.document_id)
        citation = cite(span, found) if found else None
        if citation:
            made.setdefault((citation.document_id, citation.start), citation)
    return tuple(made.values())[:MAX_CITATIONS]


def cite(span: Span, document: Document) -> Citation | None:
    """Where the span stands in the document; None if the document has changed since it was read."""
    passage = span.hit.passage
    start, end = passage.start + span.start, passage.start + span.end
    if document.text[passage.start : passage.end] != passage.text:
        return None
    first, last = (passage.start + at for at in enclosing_sentence(passage.text, span.start, span.end))
    return Citation(
        document.id,
        document.title,
        passage.heading,
        document.source,
        document.sha256,
        start,
        end,
        document.text[start:end],
        first,
        last,
        document.text[first:last],
        document.page(start),
    )
