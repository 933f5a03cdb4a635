"""Readings made by hand, and small judges that prefer what a test is about."""

from collections.abc import Sequence

import numpy as np

from rag.answering.candidate import Candidate
from rag.answering.compose import Ranked, Ruling, compose, rank
from rag.answering.forms import CLASSES
from rag.answering.reading import Reading
from rag.answering.receipts import AskedQuestion
from rag.ingestion.chunking import split_document
from rag.meaning.sentences import split_sentences
from rag.protocols import ReaderOutput, SentenceScore, Verdict
from rag.query import Query
from rag.retrieval import RetrievalResult
from rag.settings import Settings
from rag.types import Answer, Document, Hit, Span
from tests.fakes import BagOfWordsEmbedder, SpanJudge

UNSURE = dict.fromkeys(CLASSES, 1 / len(CLASSES))
"""All forms are equally likely."""


class Prefers:
    """What a generator proposed first is certain, the rest is unlikely."""

    threshold = 0.5
    digest = ""

    def __init__(self, generator: str) -> None:
        self.generator = generator

    def probabilities(self, candidates: Sequence[Candidate], reading: Reading) -> list[float]:
        preferred = next((c for c in candidates if c.generator == self.generator), None)
        return [0.9 if candidate is preferred else 0.05 for candidate in candidates]


def hit_of(document: Document, score: float = 1.0) -> Hit:
    """A hit whose passage is the document's first."""
    (passage, *_) = split_document(document, BagOfWordsEmbedder().count_tokens)
    return Hit(passage, score, 0.5, 2.0)


def span(document: Document, quote: str, score: float, start: int = 0) -> Span:
    """The first occurrence of a quote from `start` on."""
    hit = hit_of(document)
    quote_start = hit.passage.text.index(quote, start)
    return Span(hit, quote_start, quote_start + len(quote), score)


def reading_of(
    document: Document,
    scores: Sequence[float],
    verdict: tuple[float, ...] = (),
    question: str = "Is it so?",
    quotes: Sequence[str] = (),
) -> Reading:
    """A document read with a score for each sentence, a verdict (yes, no, not said, and by some
    readers "depends"), and spans.
    """
    hit = hit_of(document)
    offsets = split_sentences(hit.passage.text)
    sentences = [
        SentenceScore(hit, *place, score) for place, score in zip(offsets, scores, strict=True)
    ]
    spans = [span(document, quote, 3.0 - number) for number, quote in enumerate(quotes)]
    output = ReaderOutput(spans, sentences, [Verdict(hit, *verdict)] if verdict else [])
    return Reading(question, [hit], output, {document.id: document}, UNSURE)


def answer_of(
    question: str, documents: Sequence[Document], spans: Sequence[Span], threshold: float = 0.5
) -> Answer:
    """The answer from spans alone."""
    hits = list(dict.fromkeys(span.hit for span in spans))
    output = ReaderOutput(sorted(spans, key=lambda span: -span.score))
    reading = Reading(question, hits, output, {document.id: document for document in documents})
    return composed(reading, Ruling(SpanJudge(), threshold, 3))


def composed(
    reading: Reading, ruling: Ruling, ranked: Sequence[Ranked] = (), form: str = ""
) -> Answer:
    """The answer to a reading, whose question was asked without options but perhaps a form; of the
    `ranked` candidates, or of all that are proposed.
    """
    retrieved = RetrievalResult(
        question=reading.question,
        vector=np.zeros(1, np.float32),
        hits=list(reading.hits),
        documents=reading.documents,
        generation=1,
    )
    retrieved_question = AskedQuestion(
        query=Query(reading.question, form=form),
        retrieved=retrieved,
        read=len(reading.hits),
        settings=Settings(threshold=ruling.threshold),
        calibration="",
        timings={},
    )
    entries = ranked or rank(reading, ruling.judge)
    return compose(retrieved_question, reading, entries, ruling)


def texts(candidate: Candidate, document: Document) -> list[str]:
    """The words of its places."""
    return [document.text[place.start : place.end] for place in candidate.places]
