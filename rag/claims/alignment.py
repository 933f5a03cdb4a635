"""Where a document has a quotation: word for word, or else the place that is most similar to it,
aligned with it word by word.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from rapidfuzz import fuzz
from rapidfuzz.distance import Levenshtein

from rag.answering.candidate import quoted
from rag.claims.quoted_text import CanonicalText, QuotedText, Token, canonical
from rag.meaning.sentences import Offsets
from rag.meaning.stems import stem_words
from rag.meaning.words import STOP_WORDS
from rag.structure import block_at, sentence_around
from rag.types import Citation, Document

SENTENCE_END = re.compile(r"[.!?]\s")
_STOP_WEIGHT = 0.3
"""What a stop word counts; any other word counts 1."""
_MARGIN_WORDS = 16
"""Words of the document on each side of the most similar ones that are aligned, too."""
_CITED_BONUS = 0.1
"""Likeness that a place in a cited document may lack and still be preferred."""
_OPENING_SIGNS = ("£", "$", "€", "[")
"""Signs that are shown with the word after them."""
_MOST_LIKE = 0.999
"""Likeness of an aligned place; only one that is word for word has 1."""


@dataclass(frozen=True)
class Excerpt:
    """A part of a document, `document.text[start:end]`: one in which a quotation is looked for, or
    one that has it.

    `differs` are pairs (the quotation's words, the document's words) where it is not word for word;
    `likeness`, in [0, 1], is 1 if it is.
    """

    document: Document
    start: int
    end: int
    differs: tuple[tuple[str, str], ...] = ()
    likeness: float = 1.0

    @cached_property
    def content(self) -> CanonicalText:
        return CanonicalText(self.document.text[self.start : self.end])

    @property
    def citation(self) -> Citation:
        """The excerpt, with the whole sentences around it, within the blocks or cells of its
        ends.
        """
        sentence_start, sentence_end = sentence_around(self.document.blocks, self.start, self.end)
        block_start, _ = block_or_cell(self.document, self.start)
        _, block_end = block_or_cell(self.document, self.end - 1)
        sentence = (max(sentence_start, block_start), min(sentence_end, block_end))
        return quoted(self.document, self.start, self.end, sentence)

    def matches(self, quoted: QuotedText) -> Iterator[Excerpt]:
        """Where the excerpt has the quoted text word for word, in order."""
        for match in quoted.matches(self.content):
            yield Excerpt(
                document=self.document,
                start=self.start + match.start,
                end=self.start + match.end,
                differs=match.changes,
            )


def block_or_cell(document: Document, offset: int) -> Offsets:
    """The block or cell that contains `offset`, or only that character between them."""
    index = block_at(document.blocks, offset)
    if index is None:
        return offset, offset + 1

    block = document.blocks[index]
    for part in block.cells or [block]:
        if part.start <= offset < part.end:
            return part.start, part.end
    return offset, offset + 1


def longest_beginning(quoted: QuotedText, excerpt: Excerpt) -> tuple[int, Excerpt | None]:
    """(number of words, place) of the longest beginning of a quoted text that the excerpt has word
    for word.
    """

    def place(size: int) -> Excerpt | None:
        return next(excerpt.matches(quoted.part(0, size)), None)

    sizes = range(1, len(quoted.tokens) + 1)
    size = bisect_left(sizes, True, key=lambda size: place(size) is None)
    return size, place(size)


def closest_place(
    quoted: QuotedText, excerpts: Sequence[Excerpt], cited: Collection[str]
) -> Excerpt | None:
    """The place that is most similar to the quoted text; one in a document that is `cited`, by its
    id, if others are hardly more similar.
    """

    def preference(place: Excerpt) -> float:
        bonus = _CITED_BONUS if place.document.id in cited else 0.0
        return place.likeness + bonus

    places = []
    for excerpt in excerpts:
        place = _best_alignment(quoted, excerpt)
        if place:
            places.append(place)
    return max(places, key=preference, default=None)


# Alignment


class _Step(NamedTuple):
    """One step of an alignment: the words `[start, end)` of the quotation and the words
    `[document_start, document_end)` of the document. `kind` is "equal", "replace", "delete" (only
    the quotation has them) or "insert" (only the document).
    """

    kind: str
    start: int
    end: int
    document_start: int
    document_end: int


def _best_alignment(quoted: QuotedText, excerpt: Excerpt) -> Excerpt | None:
    """The place in an excerpt that is most similar to the quotation; None if they share no word."""
    words = quoted.tokens
    document_words = excerpt.content.tokens
    core = _core(_steps(words, document_words))
    if not core:
        return None

    first_step = core[0]
    last_step = core[-1]
    whole_start, whole_end = _widened(core, len(words), excerpt.content)
    steps = [
        _Step("replace", 0, first_step.start, whole_start, first_step.document_start),
        *core,
        _Step("replace", last_step.end, len(words), last_step.document_end, whole_end),
    ]

    aligned = document_words[whole_start:whole_end]
    equal_weight = sum(_weight_in_common(step, words, document_words) for step in steps)
    likeness = 2 * equal_weight / (_weight(words) + _weight(aligned))
    return Excerpt(
        document=excerpt.document,
        start=excerpt.start + aligned[0].start,
        end=excerpt.start + aligned[-1].end,
        differs=tuple(_differences(quoted, excerpt.content, steps)),
        likeness=min(_MOST_LIKE, likeness),
    )


def _steps(words: Sequence[Token], document_words: Sequence[Token]) -> list[_Step]:
    """The steps from a quotation's words to those of the document that are most similar, and some
    on each side; [] if both share no word.
    """
    numbers: dict[str, int] = {}
    coded = [numbers.setdefault(token.word, len(numbers)) for token in words]
    document_coded = [numbers.setdefault(token.word, len(numbers)) for token in document_words]
    alignment = fuzz.partial_ratio_alignment(coded, document_coded)
    if alignment is None or alignment.score == 0:
        return []

    document_start = 0
    document_end = len(document_coded)
    if len(coded) <= len(document_coded):
        margin = _MARGIN_WORDS + len(coded) // 4
        document_start = max(0, alignment.dest_start - margin)
        document_end = alignment.dest_end + margin

    steps = []
    for step in Levenshtein.opcodes(coded, document_coded[document_start:document_end]):
        steps.append(
            _Step(
                kind=step.tag,
                start=step.src_start,
                end=step.src_end,
                document_start=document_start + step.dest_start,
                document_end=document_start + step.dest_end,
            )
        )
    return steps


def _core(steps: Sequence[_Step]) -> Sequence[_Step]:
    """The run of steps with the most equal words, less half of the words that it leaves out."""
    best_run = slice(0, 0)
    best_total = 0.0
    run_start = 0
    total = 0.0
    for number, step in enumerate(steps):
        if step.kind == "equal":
            total += step.end - step.start
        elif step.kind == "insert":
            total -= 0.5 * (step.document_end - step.document_start)

        if total <= 0:
            run_start = number + 1
            total = 0.0
        elif total > best_total:
            best_run = slice(run_start, number + 1)
            best_total = total
    return steps[best_run]


def _widened(core: Sequence[_Step], size: int, content: CanonicalText) -> Offsets:
    """The document's words [start, end) for a whole quotation of `size` words: on each side of the
    core as many as the quotation has there, but not beyond the sentence.
    """
    words = content.tokens
    start = core[0].document_start
    end = core[-1].document_end

    words_before = core[0].start
    whole_start = max(0, start - words_before)
    if SENTENCE_END.search(content.text, words[whole_start].start, words[start].start):
        whole_start = start

    words_after = size - core[-1].end
    whole_end = min(len(words), end + words_after)
    core_end = words[end - 1].end - 1
    if SENTENCE_END.search(content.text, core_end, words[whole_end - 1].start):
        whole_end = end
    return whole_start, whole_end


def _weight_in_common(
    step: _Step, words: Sequence[Token], document_words: Sequence[Token]
) -> float:
    """The weight of the quotation's words that a step leaves as they are, or of which it changes
    only the ending.
    """
    old_words = words[step.start : step.end]
    new_words = document_words[step.document_start : step.document_end]
    if step.kind == "equal":
        return _weight(old_words)
    if len(old_words) != len(new_words):
        return 0.0

    similar_words = []
    for old_word, new_word in zip(old_words, new_words, strict=True):
        if _differ_only_in_ending(old_word, new_word):
            similar_words.append(old_word)
    return _weight(similar_words)


def _differ_only_in_ending(word: Token, other_word: Token) -> bool:
    """Whether two words differ only in their endings."""
    stems = stem_words(word.word)
    return bool(stems) and stems == stem_words(other_word.word)


def _weight(words: Sequence[Token]) -> float:
    """The weight of words: stop words count less."""
    return sum(_STOP_WEIGHT if token.word in STOP_WORDS else 1.0 for token in words)


def _differences(
    quoted: QuotedText, content: CanonicalText, steps: Sequence[_Step]
) -> Iterator[tuple[str, str]]:
    """Pairs (the quotation's words, the document's words) that are not the same; equal words may
    have other capitals, or other signs after them.
    """
    for step in steps:
        if step.kind == "equal":
            yield from _differing_signs(quoted, content, step)
            continue
        words = _in_one_line(quoted.text, quoted.tokens, step.start, step.end)
        document_words = _in_one_line(
            content.text, content.tokens, step.document_start, step.document_end
        )
        has_words = words or document_words
        if has_words and not _is_same(words, document_words, is_first=step.start == 0):
            yield words, document_words


def _differing_signs(
    quoted: QuotedText, content: CanonicalText, step: _Step
) -> Iterator[tuple[str, str]]:
    """The pairs of equal words with other capitals, or other signs after them."""
    for offset in range(step.end - step.start):
        number = step.start + offset
        document_number = step.document_start + offset
        is_followed = number + 1 < step.end
        word = _in_one_line(quoted.text, quoted.tokens, number, number + 1, with_signs=is_followed)
        document_word = _in_one_line(
            content.text,
            content.tokens,
            document_number,
            document_number + 1,
            with_signs=is_followed,
        )
        if not _is_same(word, document_word, is_first=number == 0):
            yield word, document_word


def _is_same(words: str, document_words: str, is_first: bool) -> bool:
    """Whether both have the same canonical characters; the first letter of a quotation may be a
    capital in one of them.
    """
    characters, _ = canonical(words)
    document_characters, _ = canonical(document_words)
    if is_first:
        characters = characters[:1].lower() + characters[1:]
        document_characters = document_characters[:1].lower() + document_characters[1:]
    return characters == document_characters


def _in_one_line(
    text: str, tokens: Sequence[Token], begin: int, end: int, with_signs: bool = False
) -> str:
    """The words [begin, end) of a text in one line; `with_signs`, also what follows up to the next
    word.
    """
    if begin == end:
        return ""

    is_followed = with_signs and end < len(tokens)
    text_start = tokens[begin].start
    text_end = tokens[end].start if is_followed else tokens[end - 1].end

    if text[text_start - 1 : text_start] in _OPENING_SIGNS:
        text_start -= 1
    if "[" in text[text_start:text_end] and text[text_end : text_end + 1] == "]":
        text_end += 1

    return " ".join(text[text_start:text_end].split())
