"""Removes running heads, footers and tables of contents from the pages of a PDF.

A running head is a line at the same place in the margin of several pages, equal but for the page's
number, which rises by one from page to page. Lines that differ in other numbers are content.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, takewhile

from rag.parsing.pdf_layout import Line
from rag.parsing.pdf_ruled_tables import Rules

_MARGIN = 0.14
"""Height of the top and bottom margins, as a share of the page's height."""
_SMALLEST = 0.0025
"""Minimum height of legible type as a share of the page's height, about 2 points."""
_PAGE_OF = re.compile(
    r"\b(?:page|pg\.?|p\.) ?\d+(?: ?(?:of|/) ?\d+)?",
    re.IGNORECASE,
)
"""A page's number that says so, such as "Page 3 of 10"."""
_NUMBER = re.compile(
    r"\d+(?:[.,:]\d+)+"
    r"|\d+(?P<mark>[/-])\d+(?P=mark)\d+"
    r"|\d{1,2}[/-]\d{4}"
    r"|\d{4}[/-]\d{1,2}"
    r"|(?P<page>\d+|\b[ivxlc]+\b)"
)
"""A decimal, a time or a date; or else a number that may be a page's."""
_MONEY = re.compile(
    r"[$\u20ac\u00a3\u00a5] ?\d"
    r"|\d ?[\u20ac\u00a3\u00a5]"
)
_ROMAN = {
    "i": 1,
    "v": 5,
    "x": 10,
    "l": 50,
    "c": 100,
}
_LONGEST_HEAD = 200
"""Maximum number of characters of a running head with the page's number."""
_ENTRY = re.compile(r"(?=.*[^\W\d_]{2}).*\S[\s|.]*\b(\d{1,4}|[ivxl]{1,6})", re.DOTALL)
_CONTENTS = re.compile(
    r"(?:table of )?contents|(?:list of|index (?:of|to)) .{1,60}|index", re.IGNORECASE
)
_LEADER = re.compile(r"\.{5,}|\u2026{2,}|(?: \.){4,}| \| ")
_IDENTIFIER = re.compile(r"(?<![\w.-])(?=[\w-]*\d)(?=[\w-]*[A-Z])[A-Z0-9][\w-]{4,29}(?![\w.-]*\w)")
_FEWEST = 4
"""Minimum number of entries on a page of contents."""
_WIDEST = 3
"""Maximum number of rows per entry."""


_Key = tuple[str, int]
"""Text of a line in a margin, and its place. Lines of several pages that have a key in common are
running heads.
"""


@dataclass(frozen=True, slots=True)
class PdfPage:
    lines: list[Line]
    height: float
    aside: list[Line] = field(default_factory=list)
    """lines in other directions, such as a stamp in the margin"""
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True, slots=True)
class Named:
    """Names of the document in its running heads."""

    identifiers: list[str] = field(default_factory=list)
    """up to two words of letters and digits, such as a file number"""
    head: str = ""
    """words of a running head that are the same on most pages"""


def without_furniture(pages: Sequence[PdfPage]) -> tuple[list[PdfPage], Named, int]:
    """The pages without running heads and contents, the document's names in its running heads, and
    the number of characters left out.
    """
    without_heads = _without_running_heads([_without_hidden(page) for page in pages])
    kept = _without_contents(without_heads)
    before, after = (
        sum(len(line.text) for page in some for line in page.lines) for some in (pages, kept)
    )
    return kept, _named(pages, without_heads), before - after


def _without_hidden(page: PdfPage) -> PdfPage:
    """The page without illegibly small text, such as the keys of an export."""
    seen = [line for line in page.lines if line.bottom - line.top > _SMALLEST * page.height]
    return replace(page, lines=seen)


def _named(pages: Sequence[PdfPage], kept: Sequence[PdfPage]) -> Named:
    identifiers, words = Counter[str](), dict[int, Counter[str]]()
    with_heads = 0
    for whole, rest in zip(pages, kept, strict=True):
        lines = {id(line) for line in rest.lines}
        removed = [line for line in whole.lines if id(line) not in lines]
        identifiers.update(set(_IDENTIFIER.findall(" ".join(line.text for line in removed))))
        for line in removed:
            words.setdefault(_place(line), Counter()).update(dict.fromkeys(line.text.split(), 1))
        with_heads += bool(removed)
    found = [name for name, count in identifiers.most_common(2) if count > 0.6 * with_heads]
    heads = (
        " ".join(word for word, count in some.items() if count > 0.6 * with_heads)
        for some in words.values()
    )
    return Named(
        sorted(found), max((h.strip(" |") for h in heads if len(h) < 100), key=len, default="")
    )


def _without_running_heads(pages: Sequence[PdfPage]) -> list[PdfPage]:
    """Remove lines that recur in a margin of at least three pages, or of a two-page document, at
    the edge of both pages.
    """
    some, fewest = _margins, 3
    if len(pages) == 2:
        some, fewest = _edges, 2
    found = []
    counts = Counter[_Key]()
    for number, page in enumerate(pages):
        keys = _keys_by_line(page, list(some(page)), number, len(pages))
        counts.update(set().union(*keys.values()))
        found.append(keys)
    running = {key for key, count in counts.items() if count >= fewest}
    return [
        _without(page, {at for at in keys if keys[at] & running})
        for page, keys in zip(pages, found, strict=True)
    ]


def _without(page: PdfPage, removed: set[int]) -> PdfPage:
    """The page without the lines with these ids."""
    return replace(page, lines=[line for line in page.lines if id(line) not in removed])


def _margins(page: PdfPage) -> Iterator[Line]:
    """The lines in the margins, other than amounts of money, which are content."""
    lines = (line for line in page.lines if _in_margin(line, page))
    return (line for line in lines if not _MONEY.search(line.text))


def _edges(page: PdfPage) -> Iterator[Line]:
    """The margin lines within three font heights of the first or last line of the page."""
    top = min((line.top for line in page.lines), default=0.0)
    bottom = max((line.bottom for line in page.lines), default=0.0)
    for line in _margins(page):
        if line.top < top + 3 * line.size or line.bottom > bottom - 3 * line.size:
            yield line


def _in_margin(line: Line, page: PdfPage) -> bool:
    return line.bottom < _MARGIN * page.height or line.top > (1 - _MARGIN) * page.height


def _keys_by_line(
    page: PdfPage, lines: Sequence[Line], number: int, pages: int
) -> dict[int, set[_Key]]:
    """The keys of lines of a page by their ids."""
    rows = _rows(page.lines)
    outer = [line for row in (*rows[:1], *rows[-1:]) for line in row]
    edge = set(map(id, outer))
    return {id(line): set(_keys(line, number, pages, id(line) in edge)) for line in lines}


def _keys(line: Line, number: int, pages: int, is_outer: bool) -> Iterator[_Key]:
    """The ways in which the line may recur: unchanged, or with one number as its distance from the
    page's place in the file, which is the same on each page if it is the page's number.

    That number may be beyond the document's pages, as in an article of a journal, only if the
    line has nothing else and is in the first or last row of the page.
    """
    text = _PAGE_OF.sub("#", line.text)
    place = _place(line)
    yield text, place
    if len(text) > _LONGEST_HEAD:
        return
    for match in _NUMBER.finditer(text):
        if not match["page"]:
            continue
        before = text[: match.start()]
        after = text[match.end() :]
        value = _value(match["page"])
        has_more = any(map(str.isalnum, before + after))
        if value <= pages or (is_outer and not has_more):
            yield f"{before}#{value - number}{after}", place


def _place(line: Line) -> int:
    """The line's distance from the top of the page, in steps of six points."""
    return round(line.top / 6)


def _value(number: str) -> int:
    """The value of an Arabic or a Roman numeral."""
    if number.isdecimal():
        return int(number)
    total = last = 0
    for letter in reversed(number):
        value = _ROMAN[letter]
        total += -value if value < last else value
        last = value
    return total


def _without_contents(pages: Sequence[PdfPage]) -> list[PdfPage]:
    """Remove tables of contents: many rows of a page that end in a page number, with leaders or
    below a heading.
    """
    kept: list[PdfPage] = []
    goes_on = False
    for number, page in enumerate(pages):
        rows = _rows(page.lines)
        entries = [at for at, row in enumerate(rows) if _page_of(row, len(pages)) is not None]
        dotted = [at for at in entries if _LEADER.search(_text(rows[at]))]
        headed = next(
            (at for at, row in enumerate(rows) if _CONTENTS.fullmatch(_text(row).strip(" :"))), None
        )
        begin = (headed if headed is not None else 0) if (headed is not None or goes_on) else None
        is_list = len(dotted) >= _FEWEST and len(dotted) > 0.3 * len(rows)
        if begin is not None and not is_list:
            below = [at for at in entries if at > begin]
            is_list = len(below) > 0.5 * (len(rows) - begin) and _rises(rows, below, len(pages))
        if not is_list:  # a page may begin with the rest of a list
            rest = set(takewhile(set(dotted).__contains__, range(len(rows)))) if goes_on else set()
            kept.append(_without_rows(page, rows, rest))
            goes_on = False
            continue
        goes_on = number < len(pages) // 2 + 1
        drop = _stretch(
            dotted if len(dotted) >= _FEWEST else [at for at in entries if at > (begin or 0)]
        )
        drop |= {headed} if headed is not None else set()
        kept.append(_without_rows(page, rows, drop))
    return kept


def _without_rows(page: PdfPage, rows: Sequence[list[Line]], drop: Iterable[int]) -> PdfPage:
    return _without(page, {id(line) for at in drop for line in rows[at]})


def _stretch(entries: Sequence[int]) -> set[int]:
    """The rows of entries, and the few rows between them."""
    found = set(entries)
    for above, below in pairwise(entries):
        if below - above <= _WIDEST:
            found.update(range(above, below))
    return found


def _rises(rows: Sequence[list[Line]], entries: Sequence[int], pages: int) -> bool:
    """Whether there are enough entries, and their page numbers mostly increase."""
    named = [_page_of(rows[at], pages) or 0 for at in entries]
    return (
        len(entries) >= _FEWEST
        and sum(below < above for above, below in pairwise(named)) <= len(named) // 8
    )


def _page_of(row: Sequence[Line], pages: int) -> int | None:
    """The page number at the end of a row with words; 0 for a Roman numeral, None without one.
    Only after leaders may it be beyond the document's pages.
    """
    text = _text(row)
    entry = _ENTRY.fullmatch(text)
    if not entry:
        return None
    number = int(entry.group(1)) if entry.group(1).isdigit() else 0
    most = pages
    if _LEADER.search(text):
        most = 2 * pages + 20
    return number if number <= most else None


def _text(row: Sequence[Line]) -> str:
    return " ".join(line.text for line in row)[:500].strip()


def _rows(lines: Sequence[Line]) -> list[list[Line]]:
    """Group the lines into rows from the top, each sorted from the left."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: (line.top + line.bottom, line.left)):
        if rows and (line.top + line.bottom) / 2 <= rows[-1][0].bottom:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [sorted(row, key=lambda line: line.left) for row in rows]
