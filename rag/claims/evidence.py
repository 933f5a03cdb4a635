"""Evidence for a claim: of each retrieved passage, the sentence that is most like the claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

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
    distinct: dict[str, Hit] = {}
    for hit in sorted(hits, key=lambda hit: -hit.score):
        distinct.setdefault(hit.passage.text, hit)
    return [closest_sentence(claim, hit) for hit in islice(distinct.values(), limit)]


def closest_sentence(claim: str, hit: Hit) -> Sentence:
    """The sentence of a passage that has most of the claim's content words; its score is their
    share, or -1 for a heading.
    """
    passage = hit.passage
    stems = content_words(claim)

    def score(offsets: Offsets) -> float:
        start, end = offsets
        text = passage.text[start:end]
        return -1.0 if _is_heading(text, passage) else coverage(stems, text)

    sentences = passage_sentences(passage) or [(0, len(passage.text))]
    closest_offsets = max(sentences, key=score)
    start, end = closest_offsets
    return Sentence(
        document_id=passage.document_id,
        start=passage.start + start,
        end=passage.start + end,
        score=score(closest_offsets),
        hit=hit,
    )


def _is_heading(text: str, passage: Passage) -> bool:
    """Whether a text is the innermost heading of a passage, or its title."""
    words = word_list(text)
    if words == word_list(passage.innermost_heading):
        return True
    return words == word_list(passage.title)


def names_of(passage: Passage) -> str:
    """Title, headings and the words of the document's id, which sentences may omit."""
    spaced = "".join(sign if sign.isalnum() else " " for sign in passage.document_id)
    return f"{passage.context} > {passage.document_id} > {spaced}"


def place_of(passage: Passage) -> tuple[str, int]:
    """(id of the document, offset in it)."""
    return passage.document_id, passage.start


def cut_hit(hit: Hit, start: int, end: int) -> Hit:
    """The hit with only `[start, end)` of its passage's text."""
    return replace(hit, passage=part_of(hit.passage, start, end))


def cite(sentence: Sentence, document: Document) -> Citation:
    """The sentence as a citation; `document` must contain its passage unchanged."""
    citation = quoted(document, sentence.start, sentence.end)
    return replace(citation, headings=sentence.hit.passage.headings)
