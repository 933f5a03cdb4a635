"""Lists and steps as in the document: the whole list around a place, item by item, with its own
numbering.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag.meaning.sentences import Offsets
from rag.meaning.text import content_words

MOST = 20
"""Items that are shown of one list."""
_ITEM = re.compile(
    r"([ \t]*)((?:[-*+•‣◦▪–]|\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})[.)]|(?:Step|STEP) \d{1,3}[.:)]?)[ "
    r"\t]+)\S"
)
UNDERLINE = re.compile(r"([-=~*_^\"#+.])\1{2,}")
"""Below a line: it is underlined, as headings of plain text are."""
_UNDER = re.compile(rf"\n[^\S\n]*{UNDERLINE.pattern}[^\S\n]*(?:\n|$)")
_NAMED_CELL = re.compile(r"[^:]{1,60}: ")
"""The beginning of a cell that follows its column's name."""
_WINDOW = 30_000
"""Characters around a place in which the ends of its list are looked for."""
_TAB = 8
_ANNOUNCED = 8
"""Most items that are shown after the sentence that announces them, in an answer of sentences."""
_BLOCK = 400
"""Most characters of a block after a colon."""


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    end: int
    """Without the line break."""
    content: int
    """Where its first character that is no space is."""
    indent: int
    kind: str
    """"item", "blank" or "text"."""
    ordered: bool = False


def list_at(text: str, start: int, end: int) -> list[Offsets]:
    """The items of the list that contains `text[start:end]`, or that a sentence there introduces
    with a colon, each with its marker and everything below it; [] for fewer than two items. If the
    place is in an inner list, its items are the result.
    """
    lines = list(_lines(text, max(0, start - _WINDOW), min(len(text), end + _WINDOW)))
    at = next((n for n, line in enumerate(lines) if start <= line.end), None)
    if at is None:
        return []
    home = _item_of(lines, at)
    if home is None:
        home = _introduced(
            text,
            lines,
            next(n for n, line in enumerate(lines) if end <= line.end or n == len(lines) - 1),
        )
    if home is None:
        return []
    found = _siblings(lines, home)
    return found if len(found) > 1 else []


def rows_at(text: str, start: int) -> list[Offsets]:
    """The rows of the table that contains the offset, as "label: value | label: value"; [] for
    another place. Rows of a spreadsheet have an empty line between them.
    """
    begin, until = max(0, start - _WINDOW), min(len(text), start + _WINDOW)
    rows = list(_rows(text, text.rfind("\n", 0, begin) + 1, until))
    at = next((n for n, (first, last) in enumerate(rows) if first <= start < last), None)
    if at is None:
        return []
    label = text[slice(*rows[at])].partition(": ")[0]
    found = [rows[at]]
    for row in reversed(rows[:at]):
        if not _is_row_above(text, row, found[0], label):
            break
        found.insert(0, row)
    for row in rows[at + 1 :]:
        if not _is_row_above(text, found[-1], row, label):
            break
        found.append(row)
    return found if len(found) > 1 else []


def _rows(text: str, begin: int, until: int) -> Iterator[Offsets]:
    """The lines in which each of several cells follows its column's name."""
    for line in text[begin:until].split("\n"):
        cells = line.split("|")
        if len(cells) > 1 and all(map(_NAMED_CELL.match, cells)):
            yield begin, begin + len(line)
        begin += len(line) + 1


def _is_row_above(text: str, row: Offsets, below: Offsets, label: str) -> bool:
    """Whether only a line break is between two rows, and for rows with an empty line between them,
    both begin with the label.
    """
    between = text[row[1] : below[0]]
    return between == "\n" or (
        between == "\n\n" and all(text.startswith(f"{label}: ", first) for first, _ in (row, below))
    )


def matching_rows(question: str, text: str, rows: Sequence[Offsets]) -> list[Offsets]:
    """The rows that have the most of the question's words, not counting those that every row has;
    all rows if none has such a word.
    """
    asked = content_words(question)
    held = [asked & content_words(text[slice(*row)]) for row in rows]
    everywhere = asked.intersection(*held)
    own = [len(words - everywhere) for words in held]
    return [row for row, count in zip(rows, own, strict=True) if count == max(own)]


def is_header_row(text: str, start: int, end: int) -> bool:
    """Whether `text[start:end]` names the columns of the rows below, which repeat the names."""
    first, bar, _ = text[start:end].partition(" | ")
    return bool(bar) and text.startswith(f"\n{first}: ", end)


def after_colon(text: str, start: int, end: int) -> list[Offsets]:
    """What a sentence that ends with a colon announces: the items of a list, or the paragraph or
    block after it. [] for another sentence, or if it is long.
    """
    if not text[start:end].rstrip().endswith(":"):
        return []
    items = [place for place in list_at(text, start, end) if place[0] >= end]
    if items:
        return items if len(items) <= _ANNOUNCED else []
    first = end + len(text[end : end + _BLOCK]) - len(text[end : end + _BLOCK].lstrip())
    last = text.find("\n\n", first)
    last = len(text.rstrip()) if last < 0 else last
    return [(first, last)] if first < last <= first + _BLOCK else []


def _lines(text: str, begin: int, until: int) -> Iterator[_Line]:
    at = text.rfind("\n", 0, begin) + 1
    while at < until:
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = text[at:end]
        item = _ITEM.match(line)
        indent = len(line.expandtabs(_TAB)) - len(line.expandtabs(_TAB).lstrip())
        if item and _UNDER.match(text, end):
            item = None  # a numbered heading
        kind = "item" if item else "text" if line.strip() else "blank"
        content = at + len(line) - len(line.lstrip())
        numbered = item is not None and item[2].strip()[0] not in "-*+•‣◦▪–"
        yield _Line(at, end, content, indent, kind, numbered)
        at = end + 1


def _item_of(lines: Sequence[_Line], at: int) -> int | None:
    """The line that begins the item of the line `at`: itself or one above."""
    here = lines[at]
    if here.kind == "item":
        return at
    gap = False
    for number in range(at - 1, -1, -1):
        line = lines[number]
        gap = gap or line.kind == "blank"
        if line.kind == "item" and (here.indent > line.indent or not gap):
            return number
        if line.kind == "text" and line.indent == 0 and (gap or here.indent > 0):
            return None
    return None


def _introduced(text: str, lines: Sequence[_Line], at: int) -> int | None:
    """The first item of a list that the line `at` introduces."""
    if not text[lines[at].start : lines[at].end].rstrip().endswith(":"):
        return None
    following = next((n for n in range(at + 1, len(lines)) if lines[n].kind != "blank"), None)
    return following if following is not None and lines[following].kind == "item" else None


def _siblings(lines: Sequence[_Line], home: int) -> list[Offsets]:
    """The items of one level around the item `home`, in order."""
    starts = [home]
    for number in range(home - 1, -1, -1):
        if _is_beside(lines, number, home):
            starts.insert(0, number)
        elif _ends(lines, number, home):
            break
    last = home
    for number in range(home + 1, len(lines)):
        if _is_beside(lines, number, home):
            starts.append(number)
        elif _ends(lines, number, home):
            break
        last = number
    bounds = [*starts[1:], last + 1]
    return [_trimmed(lines, first, until) for first, until in zip(starts, bounds, strict=True)]


def _is_beside(lines: Sequence[_Line], number: int, home: int) -> bool:
    line = lines[number]
    return (
        line.kind == "item"
        and line.indent == lines[home].indent
        and line.ordered == lines[home].ordered
    )


def _ends(lines: Sequence[_Line], number: int, home: int) -> bool:
    """Whether a line ends the list: other text, or an item of an outer list."""
    line = lines[number]
    if line.kind == "blank":
        return False
    if line.kind == "item":
        return line.indent <= lines[home].indent
    after_gap = number == 0 or lines[number - 1].kind == "blank"
    return line.indent < lines[home].indent or (line.indent == lines[home].indent and after_gap)


def _trimmed(lines: Sequence[_Line], first: int, until: int) -> Offsets:
    last = max(number for number in range(first, until) if lines[number].kind != "blank")
    return lines[first].content, lines[last].end
