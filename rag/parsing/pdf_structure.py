"""Assembles a PDF's lines into text by page: columns in reading order, hyphenated words joined, and
running heads removed.

Headings come from the file's outline, or else from type that is larger or bolder than the body
text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

from rag.parsing import pdf_outline
from rag.parsing.base import Block, Parsed, of_pages
from rag.parsing.pdf_cells import Columns
from rag.parsing.pdf_forms import with_forms
from rag.parsing.pdf_furniture import Named, PdfPage, without_furniture
from rag.parsing.pdf_layout import Paragraph, columns_below, paragraphs, regions, with_grids

_LONGEST_HEADING = 150
_HYPHENS = "-\u2010"
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_MOST_LEVELS = 4
_LAST = re.compile(r"[^\W\d_-]+\Z")
_FIRST_WORD = re.compile(r"[^\W\d_]+")
_ENDS = ".!?:;"
_COMPANY = re.compile(
    r"(?:[A-Z][\w.&'\u2019-]*,? ){1,5}"
    r"(?:(?i:Inc|Corp|Ltd|Co|S\.A|N\.V)\b\.?|(?i:Corporation|Company|Limited|LLC|PLC|GmbH|AG|SE)\b)"
)
_COVER, _OFTEN = 3000, 3
"""Number of leading characters to search for a company, and minimum number of its mentions."""
_FIRST = 400
"""Maximum offset of the document's title."""


def structured(
    pages: list[PdfPage],
    metadata: dict[str, str],
    titles: pdf_outline.Outline | None = None,
    keep_furniture: bool = False,
) -> Parsed:
    """Assemble the lines of the pages into a text with headings; `titles` is the file's outline."""
    whole, named, left_out = pages, Named(), 0
    if not keep_furniture:
        pages, named, left_out = without_furniture(pages)
        if not any(page.lines for page in pages):
            pages, left_out = whole, 0
    laid_out = _laid_out(pages)
    words = Counter(
        word
        for page in laid_out
        for p in page
        for line in p.lines
        for word in _WORD.findall(line)[:-1]
    )
    levels = _levels(laid_out)
    blocks = [[_block(paragraph, levels, words) for paragraph in page] for page in laid_out]
    if title := _title(blocks):
        metadata.setdefault("title", title)
    _complete(metadata, named, blocks)
    blocks = (titles and pdf_outline.apply(blocks, titles)) or blocks
    parsed = of_pages(blocks, metadata, lambda first, second: _continued(first, second, words))
    return replace(parsed, left_out=left_out)


def _complete(metadata: dict[str, str], named: Named, pages: Sequence[Sequence[Block]]) -> None:
    """Add identifiers from running heads to the title, and the company. If the title looks like a
    file name, add a running head instead of the identifiers.
    """
    title, names = metadata.get("title", ""), list(named.identifiers)
    if title and not any(map(str.isspace, title)) and any(map(str.isalpha, named.head)):
        names = [named.head]
    names += _unnamed_company(pages, " ".join([title, *names]).lower())
    if missing := [name for name in names if name not in title] if title else []:
        metadata["title"] = f"{title} ({', '.join(missing)})"


def _unnamed_company(pages: Sequence[Sequence[Block]], known: str) -> list[str]:
    """The company, unless `known` has the first word of its name."""
    company = _company(pages)
    return [company] if company and company.partition(" ")[0].lower() not in known else []


def _company(pages: Sequence[Sequence[Block]]) -> str:
    """The company named on the first page that the document mentions most often."""
    first = "\n".join(block.text for block in chain.from_iterable(pages[:1]))[:_COVER]
    found = dict.fromkeys(match.group() for match in _COMPANY.finditer(first))
    text = "\n".join(block.text for block in chain.from_iterable(pages)).lower()
    best = max(found, key=lambda name: text.count(name.lower()), default="")
    return best if text.count(best.lower()) >= _OFTEN else ""


def _title(pages: Sequence[Sequence[Block]]) -> str:
    """The first heading, if the document begins with it."""
    before = 0
    for block in chain.from_iterable(pages):
        if block.level or before >= _FIRST:
            return block.text if block.level and before < _FIRST else ""
        before += len(block.text)
    return ""


def _laid_out(pages: Sequence[PdfPage]) -> list[list[Paragraph]]:
    """The paragraphs of each page; a table that continues on the next page keeps its headers."""
    found: list[list[Paragraph]] = []
    columns: Columns | None = None
    for page in pages:
        found.append(list(_paragraphs(page, columns)))
        columns = _open_columns(found[-1])
        found[-1] += [Paragraph((line.text,), 1.0, False) for line in page.aside]
    return found


def _open_columns(paragraphs: Sequence[Paragraph]) -> Columns | None:
    """The columns of the page's last table, unless prose below ends it."""
    columns: Columns | None = None
    for paragraph in paragraphs:
        columns = columns_below(paragraph, columns)
    return columns


def _paragraphs(page: PdfPage, columns: Columns | None) -> Iterator[Paragraph]:
    for region in regions(with_forms(with_grids(page.lines, page.rules))):
        for paragraph in paragraphs(region, columns, page.rules.across):
            columns = columns_below(paragraph, columns)
            yield paragraph


def _levels(pages: Sequence[Sequence[Paragraph]]) -> dict[float, int]:
    """Level by size of heading, 1 for the largest; key 0.0 is bold type of the body's size, key
    -1.0 holds the body's size.
    """
    weights = Counter[float]()
    for page in pages:
        for paragraph in page:
            weights[_size(paragraph)] += sum(map(len, paragraph.lines))
    if not weights:
        return {}
    body = weights.most_common(1)[0][0]
    larger = sorted(
        {_size(p) for page in pages for p in page if _size(p) > 1.12 * body and _may_head(p)},
        reverse=True,
    )
    levels = {size: min(level, _MOST_LEVELS) for level, size in enumerate(larger, 1)}
    return levels | {0.0: min(len(levels), _MOST_LEVELS) + 1, -1.0: round(body)}


def _size(paragraph: Paragraph) -> float:
    return round(paragraph.size * 2) / 2


def _may_head(paragraph: Paragraph) -> bool:
    text = " ".join(paragraph.lines)
    letters = sum(map(str.isalpha, text))
    return (
        not paragraph.table
        and len(text) <= _LONGEST_HEADING
        and letters > 1
        and letters > len(text) / 3
    )


def _block(paragraph: Paragraph, levels: dict[float, int], words: Counter[str]) -> Block:
    text = "\n".join(paragraph.lines) if paragraph.table else _joined(paragraph.lines, words)
    if not _may_head(paragraph):
        return Block(text, context=paragraph.columns.caption if paragraph.columns else ())
    bold = (
        paragraph.bold
        and len(text) <= 100
        and text[-1] not in ".,;:"
        and _size(paragraph) >= levels[-1.0] * 0.95
    )
    return Block(text, levels.get(_size(paragraph), levels[0.0] if bold else 0))


def _joined(lines: Sequence[str], words: Counter[str]) -> str:
    text = lines[0]
    for line in lines[1:]:
        text = _glued(text, line, words)
    return text


def _glued(text: str, line: str, words: Counter[str]) -> str:
    """Join two lines. A word broken at a hyphen loses it, unless the text elsewhere spells it with
    one.
    """
    if text[-1] not in _HYPHENS or len(text) < 2 or not text[-2].isalpha() or not line[0].islower():
        return f"{text} {line}"
    first, second = _LAST.search(text[:-1]), _FIRST_WORD.match(line)
    whole, parts = (
        (first.group() if first else "") + h + (second.group() if second else "") for h in ("", "-")
    )
    return text[:-1] + ("-" if words[parts] > words[whole] else "") + line


def _continued(first: str, second: str, words: Counter[str]) -> str | None:
    """Join a paragraph with its continuation in the next column or page; None if it ends."""
    if "\n" in first or " | " in first + second or first[-1] in _ENDS or not second[0].islower():
        return None
    return _glued(first, second, words)
