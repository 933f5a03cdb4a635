"""Removes running heads, footers and tables of contents from the pages of a PDF.

A running head is a line at the same place in the margin of several pages, equal but for the page's
number, which rises by one from page to page. Lines that differ in other numbers are content.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

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
_FOOT_OF_ONE_PAGE = re.compile(
    r"(?:.{1,100}(?:[|\t\u00b7\u2022]| [\u2013\u2014-]) ?)?"
    r"(?:page|pg\.?|p\.) ?1(?: ?(?:of|/) ?1)?"
    r"(?: ?[|\t\u00b7\u2022].{1,100}| [\u2013\u2014-] .{1,100})?",
    re.IGNORECASE,
)
"""The foot of a page that is the only one, as "House rules | Page 1" or "Page 1 of 1"."""
_MONEY = re.compile(r"[$\u20ac\u00a3\u00a5] ?\d|\d ?[\u20ac\u00a3\u00a5]")
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
_LONGEST_HEAD = 200
"""Maximum number of characters of a running head with the page's number."""
_LONGEST_NAME = 100
"""Characters of a running head that may name the document."""
_USUAL_SHARE = 0.6
"""Words of a running head name the document if more than this share of its pages repeat them."""
_ENTRY = re.compile(r"(?=.*[^\W\d_]{2}).*\S[\s|.]*\b(\d{1,4}|[ivxl]{1,6})", re.DOTALL)
_CONTENTS = re.compile(r"(?i)(?:table of )?contents|(?:list of|index (?:of|to)) .{1,60}|index")
_LEADER = re.compile(r"\.{5,}|\u2026{2,}|(?: \.){4,}|\t")
_IDENTIFIER = re.compile(r"(?<![\w.-])(?=[\w-]*\d)(?=[\w-]*[A-Z])[A-Z0-9][\w-]{4,29}(?![\w.-]*\w)")
_MIN_ENTRIES = 4
"""Minimum number of entries on a page of contents."""
_LONGEST_ENTRY = 500
"""Characters of a row that are looked at."""
_MOST_FOOT_ROWS = 2
"""Rows at the bottom of a document's only page that may have its number."""
_ENTRY_ROWS = 3
"""Maximum number of rows per entry."""

_MarginKey = tuple[str, int]
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
    legible = [_without_hidden(page) for page in pages]
    without_heads = _without_running_heads(legible)
    content = _without_contents(without_heads)
    names = _running_names(pages, without_heads)
    left_out = _characters(pages) - _characters(content)
    return content, names, left_out


def _characters(pages: Sequence[PdfPage]) -> int:
    """The number of characters on the pages."""
    return sum(len(line.text) for page in pages for line in page.lines)


def _without_hidden(page: PdfPage) -> PdfPage:
    """The page without illegibly small text, such as the keys of an export."""
    least_height = _LEGIBLE * page.height
    legible = [line for line in page.lines if line.bottom - line.top > least_height]
    return replace(page, lines=legible)


def _without_lines(page: PdfPage, removed: set[int]) -> PdfPage:
    """The page without the lines with these ids."""
    kept_lines = [line for line in page.lines if id(line) not in removed]
    return replace(page, lines=kept_lines)


# Running heads


def _running_names(pages: Sequence[PdfPage], without_heads: Sequence[PdfPage]) -> RunningNames:
    """The document's names in the running heads of most pages that have one."""
    identifiers = Counter[str]()
    words_by_place: dict[int, Counter[str]] = {}
    pages_with_heads = 0
    for page, content in zip(pages, without_heads, strict=True):
        content_lines = set(map(id, content.lines))
        heads = [line for line in page.lines if id(line) not in content_lines]
        if not heads:
            continue
        pages_with_heads += 1

        text = " ".join(line.text for line in heads)
        identifiers.update(_once_each(_IDENTIFIER.findall(text)))
        for line in heads:
            words = words_by_place.setdefault(_place(line), Counter())
            words.update(_once_each(line.text.split()))

    least_count = _USUAL_SHARE * pages_with_heads
    usual_names = [name for name, count in identifiers.most_common(2) if count > least_count]
    head = ""
    for words in words_by_place.values():
        usual_words = [word for word, count in words.items() if count > least_count]
        text = " ".join(usual_words).strip(" |")
        if len(head) < len(text) < _LONGEST_NAME:
            head = text
    return RunningNames(sorted(usual_names), head)


def _once_each(words: Iterable[str]) -> list[str]:
    """The different words, in order."""
    return list(dict.fromkeys(words))


def _without_running_heads(pages: Sequence[PdfPage]) -> list[PdfPage]:
    """Remove what recurs in the margins of three pages, or at the edges of a two-page document; of
    one page the foot that says that it is the first.
    """
    if len(pages) == 1:
        (page,) = pages
        return [_without_lines(page, _numbered_foot(page))]

    is_pair = len(pages) == 2
    keys_by_page: list[dict[int, set[_MarginKey]]] = []
    counts = Counter[_MarginKey]()
    for number, page in enumerate(pages):
        edge_lines = _edge_lines(page)
        keys: dict[int, set[_MarginKey]] = {}
        for line in _margins(page, are_edges=is_pair):
            is_outer = id(line) in edge_lines
            ways = _keys(line, number, len(pages), is_outer)
            keys[id(line)] = set(ways)
        counts.update(set().union(*keys.values()))
        keys_by_page.append(keys)

    least_count = 2 if is_pair else 3
    running = {key for key, count in counts.items() if count >= least_count}
    content: list[PdfPage] = []
    for page, keys in zip(pages, keys_by_page, strict=True):
        heads = {line for line in keys if not running.isdisjoint(keys[line])}
        content.append(_without_lines(page, heads))
    return content


def _numbered_foot(page: PdfPage) -> set[int]:
    """The ids of the lines at the bottom of a document's only page that have its number. Two rows
    may be there; above them there must be text.
    """
    rows = rows_of(page.lines)
    in_margin = set(map(id, _margins(page, are_edges=False)))
    foot: set[int] = set()
    for row in rows[1:][-_MOST_FOOT_ROWS:]:
        for line in row:
            is_low = id(line) in in_margin and line.top > page.height / 2
            if is_low and _FOOT_OF_ONE_PAGE.fullmatch(line.text):
                foot.add(id(line))
    return foot


def _edge_lines(page: PdfPage) -> set[int]:
    """The ids of the lines in the first and the last row."""
    rows = rows_of(page.lines)
    if not rows:
        return set()
    edge_lines = [*rows[0], *rows[-1]]
    return set(map(id, edge_lines))


def _margins(page: PdfPage, are_edges: bool) -> list[Line]:
    """The lines in the margins, except for amounts of money, which are content. With `are_edges`
    only those within three font heights of the first or last line of the page.
    """
    end_of_top = _MARGIN * page.height
    start_of_bottom = (1 - _MARGIN) * page.height
    lines: list[Line] = []
    for line in page.lines:
        is_in_margin = line.bottom < end_of_top or line.top > start_of_bottom
        if is_in_margin and not _MONEY.search(line.text):
            lines.append(line)
    if not are_edges or not lines:
        return lines

    text_top, text_bottom = height_of(page.lines)
    at_edges: list[Line] = []
    for line in lines:
        distance = min(line.top - text_top, text_bottom - line.bottom)
        if distance < 3 * line.size:
            at_edges.append(line)
    return at_edges


def _keys(line: Line, number: int, pages: int, is_outer: bool) -> Iterator[_MarginKey]:
    """The ways in which the line may recur: unchanged, or with one number as its distance from the
    page's place in the file. That distance is the same on each page if the number is the page's.

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
        text_before = text[: match.start()]
        text_after = text[match.end() :]
        value = _value(match["page"])
        is_alone = not any(map(str.isalnum, text_before + text_after))
        if value <= pages or (is_outer and is_alone):
            yield f"{text_before}#{value - number}{text_after}", place


def _place(line: Line) -> int:
    """The line's distance from the top of the page, in steps of six points."""
    return round(line.top / 6)


def _value(number: str) -> int:
    """The value of an Arabic or a Roman numeral."""
    if number.isdecimal():
        return int(number)

    total = 0
    following = 0
    for letter in reversed(number):
        value = _ROMAN[letter]
        if value < following:  # as the "i" of "iv"
            total -= value
        else:
            total += value
        following = value
    return total


# Tables of contents


def _without_contents(pages: Sequence[PdfPage]) -> list[PdfPage]:
    """Remove contents: many rows that end in a page number, with leaders or below a heading."""
    content: list[PdfPage] = []
    continues = False
    """whether the page before ends in contents"""

    for number, page in enumerate(pages):
        rows = rows_of(page.lines)
        entries = _Entries([_text(row) for row in rows], len(pages))
        is_list = entries.have_leaders
        if not is_list and (entries.heading is not None or continues):
            is_list = entries.are_in_order

        if is_list:
            removed_rows = entries.rows()
            continues = number < len(pages) // 2 + 1
        else:
            removed_rows = entries.rows_at_top() if continues else set()
            continues = False

        lines: set[int] = set()
        for row in removed_rows:
            lines.update(map(id, rows[row]))
        content.append(_without_lines(page, lines))
    return content


def _text(row: Sequence[Line]) -> str:
    """The beginning of the text of a row."""
    text = " ".join(line.text for line in row)
    return text[:_LONGEST_ENTRY].strip()


class _Entries:
    """The rows of a page that may be entries of contents: those that end in a page number."""

    def __init__(self, texts: Sequence[str], pages: int) -> None:
        self._count_of_rows = len(texts)
        self.heading: int | None = None
        """the row that says "Contents" or the like"""
        self._numbers: dict[int, int] = {}
        """the page number at the end of each row that has one"""
        self._dotted: list[int] = []
        """those of these rows that have leaders"""
        for row, text in enumerate(texts):
            if self.heading is None and _CONTENTS.fullmatch(text.strip(" :")):
                self.heading = row
            number = _page_number(text, pages)
            if number is None:
                continue
            self._numbers[row] = number
            if _LEADER.search(text):
                self._dotted.append(row)

        self._first = self.heading or 0
        self._below = [row for row in self._numbers if row > self._first]

    @property
    def have_leaders(self) -> bool:
        """Whether a good part of the rows have leaders."""
        count = len(self._dotted)
        return count >= _MIN_ENTRIES and count > 0.3 * self._count_of_rows

    @property
    def are_in_order(self) -> bool:
        """Whether most rows below the heading are entries, whose numbers rarely fall."""
        count = len(self._below)
        if count < _MIN_ENTRIES or count <= 0.5 * (self._count_of_rows - self._first):
            return False
        numbers = [self._numbers[row] for row in self._below]
        falls = sum(following < number for number, following in pairwise(numbers))
        return falls <= count // 8

    def rows(self) -> set[int]:
        """The rows of the contents, with their heading."""
        has_leaders = len(self._dotted) >= _MIN_ENTRIES
        rows = _stretch(self._dotted if has_leaders else self._below)
        if self.heading is not None:
            rows.add(self.heading)
        return rows

    def rows_at_top(self) -> set[int]:
        """The first rows that have leaders: a page may begin with the end of contents."""
        rows: set[int] = set()
        for row in self._dotted:
            if row > len(rows):
                break
            rows.add(row)
        return rows


def _stretch(entries: Iterable[int]) -> set[int]:
    """The rows of entries, and the few rows between them."""
    stretch = set(entries)
    for entry, next_entry in pairwise(sorted(stretch)):
        if next_entry - entry <= _ENTRY_ROWS:
            stretch.update(range(entry, next_entry))
    return stretch


def _page_number(text: str, pages: int) -> int | None:
    """The page number at the end of a row with words; 0 for a Roman numeral, None without one.
    Only after leaders may it be beyond the document's pages.
    """
    entry = _ENTRY.fullmatch(text)
    if not entry:
        return None
    numeral = entry.group(1)
    if not numeral.isdigit():
        return 0

    number = int(numeral)
    if number <= pages:
        return number
    may_be_beyond = number <= 2 * pages + 20
    if may_be_beyond and _LEADER.search(text):
        return number
    return None
