"""Evidence for a claim: of each retrieved passage, the sentence that is most like the claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rag.answering.candidate import quoted
from rag.answering.reading import Sentence
from rag.meaning.sentences import Offsets
from rag.meaning.words import content_words, coverage, word_list
from rag.structure import part_of, passage_sentences
from rag.types import Citation, Document, Hit, Passage


def closest_sentences(claim: str, hits: Sequence[Hit], limit: int) -> list[Sentence]:
    """The closest sentence of each of at most `limit` passages with different texts, the best
    retrieved first.
    """
    ranked = sorted(hits, key=lambda hit: -hit.score)
    distinct = {hit.passage.text: hit for hit in reversed(ranked)}
    chosen = [hit for hit in ranked if distinct[hit.passage.text] is hit]
    return [closest_sentence(claim, hit) for hit in chosen[:limit]]


def closest_sentence(claim: str, hit: Hit) -> Sentence:
    """The sentence of a passage that has most of the claim's content words; its score is their
    share, or -1 for a heading.
    """
    passage = hit.passage
    stems = content_words(claim)

    def score(offsets: Offsets) -> float:
        text = passage.text[slice(*offsets)]
        return -1.0 if _is_heading(text, passage) else coverage(stems, text)

    closest = max(passage_sentences(passage) or [(0, len(passage.text))], key=score)
    start, end = closest
    return Sentence(
        document_id=passage.document_id,
        start=passage.start + start,
        end=passage.start + end,
        score=score(closest),
        hit=hit,
    )


def is_heading(sentence: Sentence) -> bool:
    """Whether it is a heading of its passage, which then has no other text."""
    return _is_heading(sentence.text, sentence.hit.passage)


def _is_heading(text: str, passage: Passage) -> bool:
    words = word_list(text)
    return any(
        words == word_list(heading) for heading in (passage.innermost_heading, passage.title)
    )


def names_of(passage: Passage) -> str:
    """Title, headings and the words of the document's id, which sentences may omit."""
    spaced = "".join(sign if sign.isalnum() else " " for sign in passage.document_id)
    return f"{passage.context} > {passage.document_id} > {spaced}"


def place_of(passage: Passage) -> tuple[str, int]:
    """(id of the document, offset in it)."""
    return passage.document_id, passage.start


def cut(hit: Hit, start: int, end: int) -> Hit:
    """The hit with only `[start, end)` of its passage's text."""
    return replace(hit, passage=part_of(hit.passage, start, end))


def cite(sentence: Sentence, document: Document) -> Citation:
    """The sentence as a citation; `document` must contain its passage unchanged."""
    citation = quoted(document, sentence.start, sentence.end)
    return replace(citation, headings=sentence.hit.passage.headings)
