"""Overview of one document: its headings, and the most central sentence of each section. `meant`
says which document a question is about.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from rag.answering.asked_days import has_one_of_days
from rag.answering.candidate import Candidate
from rag.meaning.dates import named_days
from rag.meaning.identifiers import ABOUT_ANY, naming_strength
from rag.meaning.words import content_words
from rag.protocols import Embedder, Vectors
from rag.structure import heading_path, sentences_in
from rag.types import Document, Hit, Passage, Place

MOST_SECTIONS = 10
_UNNAMED_PARTS = 4
"""Number of parts of a document without headings."""
_NAMED = 0.6
"""Minimum share of a title's words in a question that names it."""
_BY_DAY = 2.0
"""Stands for such a share where a question names the day of a document: above the share of a title,
below that of a whole file name.
"""
_MAJORITY = 0.5
"""Minimum share of the nearest passages' scores for a document that a question does not name."""
_SHORT, _LONG = 25, 400
"""Minimum and maximum length of a sentence, in characters."""


def meant(question: str, listed: Sequence[Document], hits: Sequence[Hit]) -> str | None:
    """The id of the document that a question is about: the one that it names by title, file name or
    day, or else the one with most of the nearest passages. None if there is neither.
    """
    named = _named_document(question, listed)
    if named is not None:
        return named
    if len(listed) == 1:
        return listed[0].id

    has_subject = bool(content_words(question) - ABOUT_ANY)
    return _document_of_most_hits(hits) if has_subject else None


def _named_document(question: str, listed: Sequence[Document]) -> str | None:
    """The id of the only document that a question names best; None if it names none clearly."""
    days = named_days(question)
    shares = {}
    for document in listed:
        if days and has_one_of_days(document, days):
            shares[document.id] = _BY_DAY
        else:
            shares[document.id] = naming_strength(question, document.id, document.title)

    highest = max(shares.values(), default=0.0)
    best_named = [document_id for document_id, share in shares.items() if share == highest]
    if highest >= _NAMED and len(best_named) == 1:
        return best_named[0]
    return None


def _document_of_most_hits(hits: Sequence[Hit]) -> str | None:
    """The id of the document that has at least `_MAJORITY` of all scores; None without one."""
    totals: dict[str, float] = {}
    for hit in hits:
        document_id = hit.passage.document_id
        totals[document_id] = totals.get(document_id, 0.0) + hit.score
    if not totals:
        return None

    leader = max(totals, key=lambda document_id: totals[document_id])
    has_majority = totals[leader] >= _MAJORITY * sum(totals.values())
    return leader if has_majority else None


def overview(
    document: Document, passages: Sequence[Passage], vectors: Vectors, embedder: Embedder
) -> Candidate | None:
    """A heading, if there is one, and a sentence for each section, in document order; None for a
    document without sentences. `vectors`, shape (n, dim), belong to the `passages`.
    """
    if not passages:
        return None

    middle = vectors.mean(axis=0)
    parts = _parts(document, passages)
    sentences_of_parts = []
    for _, rows in parts:
        passage = _central_passage(passages, vectors, rows, middle)
        sentences_of_parts.append(_sentences(document, passage))

    texts = []
    for sentences in sentences_of_parts:
        texts += [document.text[start:end] for start, end in sentences]
    if not texts:
        return None
    sentence_vectors = iter(embedder.embed_passages(texts))  # in the order of the parts

    pieces: list[Place] = []
    for (heading, rows), sentences in zip(parts, sentences_of_parts, strict=True):
        centre = _centre(vectors, rows, middle)
        scores = [float(next(sentence_vectors) @ centre) for _ in sentences]

        pieces += _heading(document, heading, pieces)
        if sentences:
            start, end = sentences[int(np.argmax(scores))]
            pieces.append(Place(document.id, start, end, heading))

    return Candidate("overview", "overview", tuple(pieces))


def _parts(document: Document, passages: Sequence[Passage]) -> list[tuple[str, list[int]]]:
    """(heading, indices of its passages) by section, as deep as `MOST_SECTIONS` allows; equal parts
    if there are no headings.
    """
    paths = [_path(document, passage) for passage in passages]
    deepest = max(map(len, paths))
    for depth in range(deepest, 0, -1):
        parts = _by_heading(paths, depth)
        if len(parts) <= MOST_SECTIONS:
            break
    else:
        parts = _by_heading(paths, 1)[:MOST_SECTIONS] if deepest else []
    if len(parts) > 1:
        return parts

    equal_parts = np.array_split(np.arange(len(passages)), _UNNAMED_PARTS)
    return [("", rows.tolist()) for rows in equal_parts if len(rows)]


def _by_heading(paths: Sequence[tuple[str, ...]], depth: int) -> list[tuple[str, list[int]]]:
    runs = groupby(range(len(paths)), key=lambda row: paths[row][:depth])
    return [(path[-1] if path else "", list(rows)) for path, rows in runs]


def _path(document: Document, passage: Passage) -> tuple[str, ...]:
    """Headings below the document's own title."""
    path = heading_path(document.blocks, passage.end - 1)
    return path[1:] if path and path[0] == passage.title else path


def _central_passage(
    passages: Sequence[Passage], vectors: Vectors, rows: Sequence[int], middle: Vectors
) -> Passage:
    """The passage nearest to the mean of its section and of the document."""
    centre = _centre(vectors, rows, middle)
    nearest = max(rows, key=lambda row: float(vectors[row] @ centre))
    return passages[nearest]


def _centre(vectors: Vectors, rows: Sequence[int], middle: Vectors) -> Vectors:
    """What a section is compared with, shape (dim,): its mean, and half of the document's."""
    centre: Vectors = vectors[list(rows)].mean(axis=0) + 0.5 * middle
    return centre


def _sentences(document: Document, passage: Passage) -> list[tuple[int, int]]:
    """Sentences that can be understood alone: long enough, no questions, no headings. Without
    such sentences, the first one.
    """
    headings = {block.start for block in document.blocks if block.kind == "heading"}
    sentences = []
    for start, end in sentences_in(document.blocks, passage.start, passage.end):
        if start not in headings:
            sentences.append((start, end))

    clear_sentences = []
    for start, end in sentences:
        is_question = document.text[end - 1] == "?"
        if _SHORT <= end - start <= _LONG and not is_question:
            clear_sentences.append((start, end))
    return clear_sentences or sentences[:1]


def _heading(document: Document, heading: str, before: Sequence[Place]) -> list[Place]:
    """The heading's place in the text, unless it is among the places `before`."""
    if not heading:
        return []
    for place in before:
        if place.heading and document.text[place.start : place.end] == heading:
            return []

    for block in document.blocks:
        if block.name != heading:
            continue
        start = document.text.find(heading, block.start, block.end)
        if start >= 0:
            return [Place(document.id, start, start + len(heading), heading=True)]
    return []
