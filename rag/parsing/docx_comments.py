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
_RUN, _PROPERTIES = qn("w:r"), qn("w:rPr")
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"


def with_comments(content: bytes, comments: Sequence[tuple[str, str]]) -> bytes:
    """A DOCX file with comments, which are pairs (words of the file, comment) in its order.

    White space does not count in the words. Comments on words that the body lacks, such as those of
    footnotes, are together at its beginning; a body without text gets none.
    """
    document = docx.Document(io.BytesIO(content))
    body = document.element.body
    letters = "".join(map(_letters, _runs(body)))
    found: list[tuple[int, int, str]] = []
    elsewhere: list[str] = []
    reached = 0
    for words, comment in comments:
        wanted = "".join(words.split())
        start = letters.find(wanted, reached)
        if start < 0 or not wanted:
            elsewhere.append(f"“{words}”: {comment}")
            continue
        reached = start
        found.append((start, start + len(wanted), comment))
    if elsewhere and letters:
        found.insert(0, (0, 1, "\n".join(elsewhere)))
    _cut(body, {start for start, _, _ in found}, {end for _, end, _ in found})
    runs = list(_runs(body))
    ends = list(accumulate(len(_letters(run)) for run in runs))
    for start, end, comment in found:
        first_run, last_run = runs[bisect_right(ends, start)], runs[bisect_left(ends, end)]
        document.add_comment(
            [Run(first_run, document), Run(last_run, document)], comment, _AUTHOR, _AUTHOR
        )
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()


def _runs(body: Any) -> Iterator[Any]:
    """The runs of text as they are read, without tracked deletions."""
    for run in body.iter(_RUN):
        if not any(ancestor.tag in LEFT_OUT for ancestor in run.iterancestors()):
            yield run


def _letters(run: Any) -> str:
    """A run's own text without white space; a text box in it has runs of its own."""
    parts = (
        (child.text or "") if child.tag == TEXT else PIECES.get(child.tag, "") for child in run
    )
    return "".join("".join(parts).split())


def _cut(body: Any, starts: set[int], ends: set[int]) -> None:
    """Cut runs where comments start and end, in offsets that count letters."""
    begin = 0
    for run in list(_runs(body)):
        letters = len(_letters(run))
        if any(begin < offset <= begin + letters for offset in starts | ends):
            _separate(run)
        begin += letters
    begin = 0
    for run in list(_runs(body)):
        letters = len(_letters(run))
        opening = [offset - begin for offset in starts if 0 < offset - begin < letters]
        closing = [offset - begin for offset in ends if 0 < offset - begin <= letters]
        begin += letters

        text = next(run.iterchildren(TEXT), None)
        if text is None or not (opening or closing):
            continue

        places = [place for place, letter in enumerate(text.text) if not letter.isspace()]
        cuts = {places[offset] for offset in opening}
        cuts |= {places[offset - 1] + 1 for offset in closing}

        _divide(run, text.text, cuts)


def _separate(run: Any) -> None:
    """Give each part of a run, such as a text or a line break, a run of its own."""
    *others, _ = (child for child in run if child.tag != _PROPERTIES)
    for part in others:
        copy = deepcopy(run)
        for child in list(copy):
            if child.tag != _PROPERTIES:
                copy.remove(child)
        copy.append(part)
        run.addprevious(copy)


def _divide(run: Any, text: str, cuts: set[int]) -> None:
    """Divide a run of one text at these offsets."""
    for start, end in pairwise(sorted({0, *cuts, len(text)})):
        piece = run if end == len(text) else deepcopy(run)
        if piece is not run:
            run.addprevious(piece)
        (node,) = piece.iterchildren(TEXT)
        node.text = text[start:end]
        node.set(_SPACE, "preserve")
