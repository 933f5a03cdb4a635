"""Comments in a DOCX file, at the words that they are about."""

import io
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from copy import deepcopy
from itertools import accumulate, pairwise
from typing import Any

import docx
from docx.oxml.ns import qn
from docx.text.run import Run

from rag.parsing.docx import LEFT_OUT, PIECES, TEXT

_AUTHOR = "rag"
_LONGEST_NUMBER = 2
"""Words of an item's number: "Article 2."."""
_RUN = qn("w:r")
_PROPERTIES = qn("w:rPr")
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"


def with_comments(content: bytes, comments: Sequence[tuple[str, str]]) -> bytes:
    """A DOCX file with comments, which are pairs (words of the file, comment) in its order.

    White space does not count in the words. Comments on words that the body lacks, such as those of
    footnotes, are together at its beginning; a body without text gets none.
    """
    document = docx.Document(io.BytesIO(content))
    body = document.element.body
    letters = "".join(map(_letters, _runs(body)))
    placed_comments = _comment_offsets(comments, letters)
    starts_of_words = {start for start, _, _ in placed_comments}
    ends_of_words = {end for _, end, _ in placed_comments}
    _cut_runs(body, starts_of_words, ends_of_words)

    runs = list(_runs(body))
    ends = list(accumulate(len(_letters(run)) for run in runs))
    for start, end, comment in placed_comments:
        first_index = bisect_right(ends, start)
        last_index = bisect_left(ends, end)
        first_run = runs[first_index]
        last_run = runs[last_index]
        document.add_comment(
            runs=[Run(first_run, document), Run(last_run, document)],
            text=comment,
            author=_AUTHOR,
            initials=_AUTHOR,
        )

    written = io.BytesIO()
    document.save(written)
    return written.getvalue()


def _comment_offsets(
    comments: Sequence[tuple[str, str]], letters: str
) -> list[tuple[int, int, str]]:
    """(start, end, comment) of each comment, in offsets in the letters of the body. If its
    words are not there, even without the number of an item, the comment is at the beginning, after
    these words.
    """
    placed_comments: list[tuple[int, int, str]] = []
    other_comments: list[str] = []
    reached = 0
    for words, comment in comments:
        wanted, start = _offset_of_words(words, letters, reached)
        if start < 0:
            other_comments.append(f"“{words}”: {comment}")
            continue
        reached = start
        placed_comments.append((start, start + len(wanted), comment))

    if other_comments and letters:
        placed_comments.insert(0, (0, 1, "\n".join(other_comments)))
    return placed_comments


def _offset_of_words(words: str, letters: str, reached: int) -> tuple[str, int]:
    """The letters of a comment's words, and where they are; -1 if they are nowhere. The first words
    may be an item's number, which Word counts and the file does not have as text.
    """
    pieces = words.split()
    for skipped in range(min(len(pieces), _LONGEST_NUMBER + 1)):
        wanted = "".join(pieces[skipped:])
        ends_number = skipped == 0 or not pieces[skipped - 1][-1].isalpha()
        if not ends_number:
            continue
        start = letters.find(wanted, reached)
        if start >= 0:
            return wanted, start
    return "", -1


def _runs(body: Any) -> Iterator[Any]:
    """The runs of text as they are read, without tracked deletions."""
    for run in body.iter(_RUN):
        is_left_out = any(ancestor.tag in LEFT_OUT for ancestor in run.iterancestors())
        if not is_left_out:
            yield run


def _letters(run: Any) -> str:
    """A run's own text without white space; a text box in it has runs of its own."""
    parts: list[str] = []
    for child in run:
        if child.tag == TEXT:
            parts.append(child.text or "")
        else:
            parts.append(PIECES.get(child.tag, ""))
    return "".join("".join(parts).split())


def _cut_runs(body: Any, starts: set[int], ends: set[int]) -> None:
    """Cut runs where comments start and end, in offsets that count letters."""
    cuts = starts | ends
    begin = 0
    for run in list(_runs(body)):
        end = begin + len(_letters(run))
        is_cut = any(begin < offset <= end for offset in cuts)
        if is_cut:
            _separate_parts(run)
        begin = end

    begin = 0
    for run in list(_runs(body)):
        end = begin + len(_letters(run))
        opening = [offset - begin for offset in starts if begin < offset < end]
        closing = [offset - begin for offset in ends if begin < offset <= end]
        begin = end

        if not opening and not closing:
            continue
        node = next(run.iterchildren(TEXT), None)
        if node is not None:
            text = node.text
            _divide(run, text, _places(text, opening, closing))


def _places(text: str, opening: Sequence[int], closing: Sequence[int]) -> set[int]:
    """Where to cut a text for comments that open and close after so many letters."""
    places = [place for place, letter in enumerate(text) if not letter.isspace()]
    cuts: set[int] = set()
    for offset in opening:
        cuts.add(places[offset])
    for offset in closing:
        last_letter = places[offset - 1]
        cuts.add(last_letter + 1)
    return cuts


def _separate_parts(run: Any) -> None:
    """Give each part of a run, such as a text or a line break, a run of its own."""
    parts = [child for child in run if child.tag != _PROPERTIES]
    for part in parts[:-1]:
        copy = deepcopy(run)
        for child in list(copy):
            if child.tag != _PROPERTIES:
                copy.remove(child)
        copy.append(part)
        run.addprevious(copy)


def _divide(run: Any, text: str, cuts: set[int]) -> None:
    """Divide a run of one text at these offsets."""
    borders = sorted({0, *cuts, len(text)})
    for start, end in pairwise(borders):
        piece = run
        is_last = end == len(text)
        if not is_last:
            piece = deepcopy(run)
            run.addprevious(piece)
        (node,) = piece.iterchildren(TEXT)
        node.text = text[start:end]
        node.set(_SPACE, "preserve")
