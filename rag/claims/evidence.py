"""Evidence for a claim: the passages that retrieval returns, and their most similar sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rag.answering.candidate import quoted
from rag.meaning.sentences import Offsets
from rag.meaning.words import content_words, coverage, word_list
from rag.structure import part_of, passage_sentences
from rag.types import Citation, Document, Hit, Passage


@dataclass(frozen=True, slots=True)
class Excerpt:
    """`best` is the (start, end) of the sentence in the passage most similar to the claim."""

    hit: Hit
    best: Offsets

    @property
    def text(self) -> str:
        return self.hit.passage.text

    @property
    def place(self) -> tuple[str, int]:
        """(id of the document, offset in it)."""
        return self.hit.passage.document_id, self.hit.passage.start

    @property
    def names(self) -> str:
        """Title, headings and the words of the document's id, which sentences may omit."""
        passage = self.hit.passage
        spaced = "".join(sign if sign.isalnum() else " " for sign in passage.document_id)
        return f"{passage.context} > {passage.document_id} > {spaced}"

    @property
    def is_heading(self) -> bool:
        """Whether the best sentence is a heading, since the passage has no other text."""
        return _is_heading(self.text[slice(*self.best)], self.hit.passage)


def excerpts(claim: str, hits: Sequence[Hit], limit: int) -> list[Excerpt]:
    """At most `limit` excerpts with different texts, the best retrieved first."""
    ranked = sorted(hits, key=lambda hit: -hit.score)
    distinct = {hit.passage.text: hit for hit in reversed(ranked)}
    best = [hit for hit in ranked if distinct[hit.passage.text] is hit]
    return [excerpt(claim, hit) for hit in best[:limit]]


def excerpt(claim: str, hit: Hit) -> Excerpt:
    """A passage with the sentence that has most content words of the claim."""
    text = hit.passage.text
    sentences = passage_sentences(hit.passage) or [(0, len(text))]
    stems = content_words(claim)

    def score(place: Offsets) -> float:
        sentence = text[slice(*place)]
        return -1.0 if _is_heading(sentence, hit.passage) else coverage(stems, sentence)

    return Excerpt(hit, max(sentences, key=score))


def _is_heading(sentence: str, passage: Passage) -> bool:
    words = word_list(sentence)
    headings = (passage.innermost_heading, passage.title)
    return any(words == word_list(heading) for heading in headings)


def cut(hit: Hit, start: int, end: int) -> Hit:
    """The hit with only `[start, end)` of its passage's text."""
    return replace(hit, passage=part_of(hit.passage, start, end))


def cite(excerpt: Excerpt, document: Document) -> Citation:
    """The excerpt's best sentence as a citation; `document` must contain the passage unchanged."""
    passage = excerpt.hit.passage
    start, end = (passage.start + offset for offset in excerpt.best)
    return replace(quoted(document, start, end), headings=passage.headings)
