"""Removes running heads, footers and tables of contents from the pages of a PDF.

A running head is a line at the same place in the margin of several pages, equal but for the page's
number, which rises by one from page to page. Lines that differ in other numbers are content.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, takewhile

from rag.parsing.pdf.marks import Line, PdfPage, height_of, rows_of

_MARGIN = 0.14
"""Height of the top and bottom margins, as a share of the page's height."""
_LEGIBLE = 0.0025
"""Minimum height of legible type as a share of the page's height, about 2 points."""
_PAGE_OF = re.compile(r"\b(?:page|pg\.?|p\.) ?\d+(?: ?(?:of|/) ?\d+)?", re.IGNORECASE)
"""A page number with its word, such as "Page 3 of 10"."""
_NUMBER = re.compile(
    r"\d+(?:[.,:]\d+)+"
    r"|\d+(?P<mark>[/-])\d+(?P=mark)\d+"
    r"|\d{1,2}[/-]\d{4}"
    r"|\d{4}[/-]\d{1,2}"
    r"|(?P<page>\d+|\b[ivxlc]+\b)"
)
"""A decimal, a time or a date; or else a number that may be a page's."""
_MONEY = re.compile(r"[$\u20ac\u00a3\u00a5] ?\d|\d ?[\u20ac\u00a3\u00a5]")
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
_LONGEST_HEAD = 200
"""Maximum number of characters of a running head with the page's number."""
_LONGEST_NAME = 100
"""Characters of a running head that may name the document."""
_USUAL = 0.6
"""Words of a running head name the document if more than this share of its pages repeat them."""
_ENTRY = re.compile(r"(?=.*[^\W\d_]{2}).*\S[\s|.]*\b(\d{1,4}|[ivxl]{1,6})", re.DOTALL)
_CONTENTS = re.compile(r"(?i)(?:table of )?contents|(?:list of|index (?:of|to)) .{1,60}|index")
_LEADER = re.compile(r"\.{5,}|\u2026{2,}|(?: \.){4,}|\t")
_IDENTIFIER = re.compile(r"(?<![\w.-])(?=[\w-]*\d)(?=[\w-]*[A-Z])[A-Z0-9][\w-]{4,29}(?![\w.-]*\w)")
_MIN_ENTRIES = 4
"""Minimum number of entries on a page of contents."""
_ENTRY_ROWS = 3
"""Maximum number of rows per entry."""

_Key = tuple[str, int]
"""Text of a line in a margin, and its place; running heads have a key in common."""


@dataclass(frozen=True, slots=True)
class RunningNames:
    """Names of the document in its running heads."""

    identifiers: list[str] = field(default_factory=list)
    """up to two words of letters and digits, such as a file number"""
    head: str = ""
    """words of a running head that are the same on most pages"""


def without_furniture(pages: Sequence[PdfPage]) -> tuple[list[PdfPage], RunningNames, int]:
    """The pages without running heads and contents, the document's names in its running heads, and
    the number of characters left out.
    """
    without_heads = _without_running_heads([_without_hidden(page) for page in pages])
    content = _without_contents(without_heads)
    left_out = _characters(pages) - _characters(content)
    return content, _running_names(pages, without_heads), left_out


def _characters(pages: Sequence[PdfPage]) -> int:
    return sum(len(line.text) for page in pages for line in page.lines)


def _without_hidden(page: PdfPage) -> PdfPage:
    """The page without illegibly small text, such as the keys of an export."""
    legible = _LEGIBLE * page.height
    return replace(page, lines=[line for line in page.lines if line.bottom - line.top > legible])


def _running_names(pages: Sequence[PdfPage], without_heads: Sequence[PdfPage]) -> RunningNames:
    """The document's names in the running heads of most pages that have one."""
    identifiers = Counter[str]()
    words_by_place: dict[int, Counter[str]] = {}
    pages_with_heads = 0
    for page, content in zip(pages, without_heads, strict=True):
        content_lines = set(map(id, content.lines))
        heads = [line for line in page.lines if id(line) not in content_lines]
        pages_with_heads += bool(heads)

        names = _IDENTIFIER.findall(" ".join(line.text for line in heads))
        identifiers.update(list(dict.fromkeys(names)))
        for line in heads:
            words = words_by_place.setdefault(_place(line), Counter())
            words.update(list(dict.fromkeys(line.text.split())))

    least = _USUAL * pages_with_heads
    usual = [name for name, count in identifiers.most_common(2) if count > least]
    texts = []
    for words in words_by_place.values():
        text = " ".join(word for word, count in words.items() if count > least).strip(" |")
        if len(text) < _LONGEST_NAME:
            texts.append(text)
    return RunningNames(sorted(usual), head=max(texts, key=len, default=""))


def _without_running_heads(pages: Sequence[PdfPage]) -> list[PdfPage]:
    """Remove what recurs in the margins of three pages, or at the edges of a two-page document."""
    is_pair = len(pages) == 2
    keys_by_page: list[dict[int, set[_Key]]] = []
    counts = Counter[_Key]()
    for number, page in enumerate(pages):
        rows = rows_of(page.lines)
        edge_lines = {id(line) for row in (*rows[:1], *rows[-1:]) for line in row}
        keys = {
            id(line): set(_keys(line, number, len(pages), id(line) in edge_lines))
            for line in _margins(page, are_edges=is_pair)
        }
        counts.update(set().union(*keys.values()))
        keys_by_page.append(keys)
    running = {key for key, count in counts.items() if count >= (2 if is_pair else 3)}
    return [
        _without(page, {line for line in keys if keys[line] & running})
        for page, keys in zip(pages, keys_by_page, strict=True)
    ]


def _without(page: PdfPage, removed: set[int]) -> PdfPage:
    """The page without the lines with these ids."""
    return replace(page, lines=[line for line in page.lines if id(line) not in removed])


def _margins(page: PdfPage, are_edges: bool) -> list[Line]:
    """The lines in the margins, except for amounts of money, which are content. With `are_edges`
    only those within three font heights of the first or last line of the page.
    """
    top, bottom = _MARGIN * page.height, (1 - _MARGIN) * page.height
    lines = [line for line in page.lines if line.bottom < top or line.top > bottom]
    lines = [line for line in lines if not _MONEY.search(line.text)]
    if are_edges and lines:
        top, bottom = height_of(page.lines)
        lines = [row for row in lines if min(row.top - top, bottom - row.bottom) < 3 * row.size]
    return lines


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
        before, after = text[: match.start()], text[match.end() :]
        value = _value(match["page"])
        is_alone = not any(map(str.isalnum, before + after))
        if value <= pages or (is_outer and is_alone):
            yield f"{before}#{value - number}{after}", place


def _place(line: Line) -> int:
    """The line's distance from the top of the page, in steps of six points."""
    return round(line.top / 6)


def _value(number: str) -> int:
    """The value of an Arabic or a Roman numeral."""
    if number.isdecimal():
        return int(number)
    values = [_ROMAN[letter] for letter in number]
    pairs = zip(values, [*values[1:], 0], strict=True)
    return sum(-value if value < following else value for value, following in pairs)


def _without_contents(pages: Sequence[PdfPage]) -> list[PdfPage]:
    """Remove contents: many rows that end in a page number, with leaders or below a heading."""
    content: list[PdfPage] = []
    continues = False

    for number, page in enumerate(pages):
        page_rows = rows_of(page.lines)
        texts = [" ".join(line.text for line in row)[:500].strip() for row in page_rows]

        pairs = ((row, _page_number(text, len(pages))) for row, text in enumerate(texts))
        numbers = {row: value for row, value in pairs if value is not None}

        dotted = [row for row in numbers if _LEADER.search(texts[row])]

        matches = (row for row, text in enumerate(texts) if _CONTENTS.fullmatch(text.strip(" :")))
        heading = next(matches, None)
        first = heading or 0

        below = [row for row in numbers if row > first]
        is_list = len(dotted) >= _MIN_ENTRIES and len(dotted) > 0.3 * len(texts)

        if not is_list and (heading is not None or continues):
            falls = sum(numbers[low] < numbers[high] for high, low in pairwise(below))
            is_list = len(below) >= _MIN_ENTRIES and falls <= len(below) // 8
            is_list = is_list and len(below) > 0.5 * (len(texts) - first)

        if is_list:
            removed = _stretch(dotted if len(dotted) >= _MIN_ENTRIES else below)
            removed |= {first} if heading is not None else set()
            continues = number < len(pages) // 2 + 1
        else:  # a page may begin with the end of a list
            is_dotted = set(dotted).__contains__
            removed = set(takewhile(is_dotted, range(len(texts)))) if continues else set()
            continues = False

        content.append(_without(page, {id(line) for row in removed for line in page_rows[row]}))

    return content


def _stretch(entries: Iterable[int]) -> set[int]:
    """The rows of entries, and the few rows between them."""
    stretch = set(entries)
    for above, below in pairwise(sorted(stretch)):
        if below - above <= _ENTRY_ROWS:
            stretch.update(range(above, below))
    return stretch


def _page_number(text: str, pages: int) -> int | None:
    """The page number at the end of a row with words; 0 for a Roman numeral, None without one.
    Only after leaders may it be beyond the document's pages.
    """
    entry = _ENTRY.fullmatch(text)
    if not entry:
        return None
    number = int(entry.group(1)) if entry.group(1).isdigit() else 0
    return number if number <= (2 * pages + 20 if _LEADER.search(text) else pages) else None
