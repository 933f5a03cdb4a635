"""Finds evidence for a claim: the passages that retrieval returns, cut to their most similar
sentences."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rag.answering.citations import quoted
from rag.meaning.figures import FigureIndex, claimed_figures, figures
from rag.meaning.sentences import Offsets, split_sentences
from rag.meaning.text import content_words
from rag.types import Citation, Document, Hit

_AROUND = 1
"""Sentences on each side of the best one that the reader also reads."""
_LONGEST = 900
"""Maximum number of characters in a stretch."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive sentences of a passage, with `hit.passage` cut to them. `best` is the (start,
    end) in its text of the sentence most similar to the claim."""

    hit: Hit
    best: tuple[int, int]

    @property
    def text(self) -> str:
        return self.hit.passage.text


def stretches(claim: str, hits: Sequence[Hit], most: int) -> list[Stretch]:
    """At most `most` stretches, one per passage, most similar to the claim first."""
    made = sorted((_cut(claim, hit) for hit in hits), key=lambda item: -item[0])
    distinct = {stretch.text: stretch for _, stretch in reversed(made)}
    return [stretch for _, stretch in made if distinct[stretch.text] is stretch][:most]


def _cut(claim: str, hit: Hit) -> tuple[float, Stretch]:
    """(similarity to the claim, the stretch around the passage's best sentence)."""
    text = hit.passage.text
    sentences = split_sentences(text) or [(0, len(text))]
    share = _similarity(claim, hit.passage.context)
    scores = [share(text[start:end]) for start, end in sentences]
    at = max(range(len(sentences)), key=lambda number: scores[number])
    start, end = _around(sentences, at)
    best = (sentences[at][0] - start, sentences[at][1] - start)
    return scores[at] + 0.3 * hit.score, Stretch(cut(hit, start, end), best)


def _similarity(claim: str, context: str) -> Callable[[str], float]:
    """A function: the share of the claim's words and values in a sentence. Words that only the
    context has count half.
    """
    wanted, around = content_words(claim), content_words(context)
    values = claimed_figures(claim)

    def share(sentence: str) -> float:
        held = content_words(sentence)
        words = len(wanted & held) + 0.5 * len((wanted & around) - held)
        stated = FigureIndex(figures(sentence) if values else ())
        same = sum(map(stated.state, values))
        return (words + same) / max(1, len(wanted) + len(values))

    return share


def _around(sentences: Sequence[Offsets], at: int) -> Offsets:
    """The sentence with its neighbours, or with fewer if that is too long."""
    first, last = max(0, at - _AROUND), min(len(sentences) - 1, at + _AROUND)
    while sentences[last][1] - sentences[first][0] > _LONGEST and (first, last) != (at, at):
        first, last = (at, last) if first < at else (first, at)
    return sentences[first][0], sentences[last][1]


def cut(hit: Hit, start: int, end: int) -> Hit:
    """The hit with only `[start, end)` of its passage's text."""
    passage = hit.passage
    text, begin = passage.text[start:end], passage.start
    return replace(hit, passage=replace(passage, text=text, start=begin + start, end=begin + end))


def cite(stretch: Stretch, document: Document) -> Citation:
    """The stretch's best sentence as a citation; `document` must contain the passage unchanged."""
    passage = stretch.hit.passage
    start, end = passage.start + stretch.best[0], passage.start + stretch.best[1]
    return replace(quoted(document, start, end), heading=passage.heading)


def named_document(reference: str, documents: Sequence[Document]) -> str | None:
    """The id of the document that a line of a list of sources names by id, file name, URL or title;
    the longest name wins. None if there is no such document, or two match equally well."""
    line = reference.casefold()
    found: dict[str, int] = {}
    for document in documents:
        names = (document.id, document.id.rsplit("/", 1)[-1], document.source, document.title)
        lengths = [len(name) for name in names if len(name) >= 3 and _holds(line, name.casefold())]
        if lengths:
            found[document.id] = max(lengths)
    best = sorted(found.items(), key=lambda item: -item[1])
    if not best or (len(best) > 1 and best[0][1] == best[1][1]):
        return None
    return best[0][0]


def _holds(line: str, name: str) -> bool:
    """Whether the name is in the line, not as a part of a longer word."""
    at = line.find(name)
    if at < 0:
        return False
    before, after = line[at - 1 : at], line[at + len(name) : at + len(name) + 1]
    return not re.match(r"\w", before) and not re.match(r"\w", after)
