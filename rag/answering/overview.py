"""Overview of one document: its headings, and the most central sentence of each section. `meant`
says which document a question is about.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from rag.answering.candidate import Candidate
from rag.meaning.dates import named_days, share_day
from rag.meaning.identifiers import ABOUT_ANY, naming
from rag.meaning.words import content_words
from rag.protocols import Embedder, Vectors
from rag.structure import heading_path, sentences_in
from rag.types import Document, Hit, Passage, Place

MOST_SECTIONS = 10
_UNNAMED_PARTS = 4
"""Number of parts of a document without headings."""
_NAMED = 0.6
"""Minimum share of a title's words in a question that names it."""
_MAJORITY = 0.5
"""Minimum share of the nearest passages' scores for a document that a question does not name."""
_SHORT, _LONG = 25, 400
"""Minimum and maximum length of a sentence, in characters."""


def meant(question: str, listed: Sequence[Document], hits: Sequence[Hit]) -> str | None:
    """The id of the document that a question is about: the one that it names by title, file name or
    day, or else the one with most of the nearest passages. None if there is neither.
    """
    asked = named_days(question)
    shares = {
        d.id: 2.0 if asked and _has_one_of_days(d, asked) else naming(question, d.id, d.title)
        for d in listed
    }
    named = max(shares, key=lambda name: shares[name], default=None)
    if (
        named is not None
        and shares[named] >= _NAMED
        and sum(value == shares[named] for value in shares.values()) == 1
    ):
        return named
    if len(listed) == 1:
        return listed[0].id
    return _majority(hits) if content_words(question) - ABOUT_ANY else None


def _has_one_of_days(document: Document, asked: frozenset[str]) -> bool:
    """Whether one of the days is that of the document, by its metadata or title."""
    return share_day(asked, named_days(document.title) or {document.metadata.get("date", "")})


def _majority(hits: Sequence[Hit]) -> str | None:
    totals: dict[str, float] = {}
    for hit in hits:
        totals[hit.passage.document_id] = totals.get(hit.passage.document_id, 0.0) + hit.score
    leader = max(totals, key=lambda name: totals[name], default=None)
    return (
        leader
        if leader is not None and totals[leader] >= _MAJORITY * sum(totals.values())
        else None
    )


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
    central = [_central_passage(passages, vectors, rows, middle) for _, rows in parts]

    sentences = [
        (place, number)
        for number, passage in enumerate(central)
        for place in _sentences(document, passage)
    ]
    if not sentences:
        return None

    embedded = embedder.embed_passages([document.text[start:end] for (start, end), _ in sentences])
    means = np.stack([vectors[rows].mean(axis=0) for _, rows in parts])

    pieces: list[Place] = []
    for number, (heading, _) in enumerate(parts):
        rows = [
            row for row, (_, document_number) in enumerate(sentences) if document_number == number
        ]

        scores = [float(embedded[row] @ (means[number] + 0.5 * middle)) for row in rows]
        pieces += _heading(document, heading, pieces)
        if rows:
            start, end = sentences[rows[int(np.argmax(scores))]][0]
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
    return [
        ("", [int(row) for row in rows])
        for rows in np.array_split(np.arange(len(passages)), _UNNAMED_PARTS)
        if len(rows)
    ]


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
    mean = vectors[list(rows)].mean(axis=0) + 0.5 * middle
    return passages[max(rows, key=lambda row: float(vectors[row] @ mean))]


def _sentences(document: Document, passage: Passage) -> list[tuple[int, int]]:
    """Sentences that can be understood alone: long enough, no questions, no headings."""
    places = sentences_in(document.blocks, passage.start, passage.end)
    headings = {block.start for block in document.blocks if block.kind == "heading"}
    chosen = [
        (s, e)
        for s, e in places
        if _SHORT <= e - s <= _LONG and s not in headings and document.text[e - 1] != "?"
    ]
    return chosen or [(s, e) for s, e in places if s not in headings][:1]


def _heading(document: Document, heading: str, before: Sequence[Place]) -> list[Place]:
    """The heading's place in the text, unless it is among the places `before`."""
    if not heading or any(
        place.heading and document.text[place.start : place.end] == heading for place in before
    ):
        return []
    headings = (block for block in document.blocks if block.name == heading)
    starts = (document.text.find(heading, block.start, block.end) for block in headings)
    start = next((start for start in starts if start >= 0), None)
    if start is None:
        return []
    return [Place(document.id, start, start + len(heading), heading=True)]
