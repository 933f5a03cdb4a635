"""Assembles a PDF's lines into text by page: columns in reading order, hyphenated words joined, and
running heads removed.

Columns are found by the recursive X-Y cut (Nagy & Seth 1984): a region is cut at a gutter with
prose on both sides, or else at its widest horizontal gap; regions that cannot be cut are read from
the top. Headings come from the file's outline, or else from type that is larger or bolder than the
body text.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from statistics import median

from rag.parsing.base import Parsed, Part, of_pages
from rag.parsing.pdf.aligned_tables import aligned_tables
from rag.parsing.pdf.forms import with_forms
from rag.parsing.pdf.furniture import RunningNames, without_furniture
from rag.parsing.pdf.marks import (
    CELL_BREAK,
    Line,
    PdfPage,
    RuledGrid,
    Rules,
    Span,
    grouped,
    height_of,
    rows_of,
    united,
)
from rag.parsing.pdf.outline import Outline, apply_outline
from rag.parsing.pdf.rows import BULLET, MARKER, PROSE, Extents, is_figure, row_of
from rag.parsing.pdf.ruled_tables import grids, open_grids, ruled_table
from rag.parsing.pdf.tables import Columns, Table
from rag.parsing.tables import TableText, labelled

_MAX_CUTS = 40
_MAX_LINES = 4000
"""A page with more lines is a drawing and is read in file order."""
_LINES_PER_FIGURE = 3
"""A side on which one line in this many is a figure is a part of a table."""
_SENTENCE_END = re.compile(r"[.!?:;\u2026][\"'\u201d\u2019)\]]*\Z")
_LONGEST_HEADING = 150
_LONGEST_BOLD_HEADING = 100
_LONGEST_LABEL = 60
_MAX_LEVELS = 4
_HYPHENS = "-\u2010"
_HYPHENED_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_LETTERS = re.compile(r"[^\W\d_]+")
_COMPANY = re.compile(
    r"(?<![\w.&'\u2019-])(?:[A-Z][\w.&'\u2019-]*,? ){1,5}"
    r"(?:(?i:Inc|Corp|Ltd|Co|S\.A|N\.V)\b\.?|(?i:Corporation|Company|Limited|LLC|PLC|GmbH|AG|SE)\b)"
)
_LONGEST_WORD = 100
_COVER = 3000
"""Number of leading characters to search for a company."""
_MIN_MENTIONS = 3
"""Minimum number of its mentions in the document."""
_TITLE_WITHIN = 400
"""Maximum offset of the document's title."""

Region = list[Line]
"""The lines of one column."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph, or a table: its lines, or its rows as one line each."""

    lines: tuple[str, ...]
    size: float
    bold: bool = False
    table: Table | None = None


def structured(
    pages: list[PdfPage],
    metadata: dict[str, str],
    titles: Outline | None = None,
    keep_furniture: bool = False,
) -> Parsed:
    """Assemble the lines of the pages into a text with headings; `titles` is the file's outline."""
    names = RunningNames()
    left_out = 0
    if not keep_furniture:
        content, names, characters = without_furniture(pages)
        if any(page.lines for page in content):
            pages, left_out = content, characters

    laid_out = _laid_out(pages)
    paragraphs = list(chain.from_iterable(laid_out))
    lines = (line for paragraph in paragraphs for line in paragraph.lines)
    words = Counter(word for line in lines for word in _HYPHENED_WORD.findall(line)[:-1])
    levels = _Levels(paragraphs)
    parts = [[_part(paragraph, levels, words) for paragraph in page] for page in laid_out]

    title = _title(chain.from_iterable(parts))
    if title:
        metadata.setdefault("title", title)
    _complete_title(metadata, names, parts)

    with_outline = apply_outline(parts, titles) if titles else None
    parsed = of_pages(
        with_outline or parts, metadata, lambda text, more: _continued(text, more, words)
    )
    return replace(parsed, left_out=left_out)


# The document's title


def _title(parts: Iterable[Part]) -> str:
    """The first heading, if the document begins with it."""
    before = 0
    for part in parts:
        if part.level or before >= _TITLE_WITHIN:
            return part.text if part.level and before < _TITLE_WITHIN else ""
        before += len(part.text)
    return ""


def _complete_title(
    metadata: dict[str, str], running: RunningNames, pages: Sequence[Sequence[Part]]
) -> None:
    """Add identifiers from running heads to the title, and the company. If the title looks like a
    file name, add a running head instead of the identifiers.
    """
    title = metadata.get("title", "")
    is_file_name = not any(map(str.isspace, title))
    has_head = any(map(str.isalpha, running.head))
    names = [running.head] if is_file_name and has_head else list(running.identifiers)

    company = _company(pages)
    company_word = company.partition(" ")[0].lower()
    if company_word not in " ".join([title, *names]).lower():
        names.append(company)

    missing = [name for name in names if name not in title]
    if title and missing:
        metadata["title"] = f"{title} ({', '.join(missing)})"


def _company(pages: Sequence[Sequence[Part]]) -> str:
    """The company named on the first page that the document mentions most often."""
    cover = "\n".join(part.text for page in pages[:1] for part in page)[:_COVER]
    names = dict.fromkeys(match.group() for match in _COMPANY.finditer(cover))
    text = "\n".join(part.text for page in pages for part in page).lower() if names else ""
    company = max(names, key=lambda name: text.count(name.lower()), default="")
    return company if text.count(company.lower()) >= _MIN_MENTIONS else ""


# Headings and running text


class _Levels:
    """The levels of headings in a document by their type, from 1 for the largest."""

    def __init__(self, paragraphs: Sequence[Paragraph]) -> None:
        lengths = Counter[float]()
        for paragraph in paragraphs:
            lengths[_size(paragraph)] += sum(map(len, paragraph.lines))
        self._body = lengths.most_common(1)[0][0] if lengths else 0.0
        sizes = {_size(paragraph) for paragraph in paragraphs if _may_head(paragraph)}
        larger = sorted((size for size in sizes if size > 1.12 * self._body), reverse=True)
        self._levels = {size: min(n, _MAX_LEVELS) for n, size in enumerate(larger, 1)}
        self._bold = min(len(larger), _MAX_LEVELS) + 1

    def level(self, paragraph: Paragraph, text: str) -> int:
        """The level of a paragraph with this text; 0 if it is no heading."""
        if not _may_head(paragraph):
            return 0
        size = _size(paragraph)
        is_line = len(text) <= _LONGEST_BOLD_HEADING and text[-1] not in ".,;:"
        is_bold = paragraph.bold and is_line and size >= round(self._body) * 0.95
        return self._levels.get(size, self._bold if is_bold else 0)


def _size(paragraph: Paragraph) -> float:
    return round(paragraph.size * 2) / 2


def _may_head(paragraph: Paragraph) -> bool:
    text = " ".join(paragraph.lines)
    letters = sum(map(str.isalpha, text))
    is_short = paragraph.table is None and len(text) <= _LONGEST_HEADING
    return is_short and letters > 1 and letters > len(text) / 3


def _part(paragraph: Paragraph, levels: _Levels, words: Counter[str]) -> Part:
    if paragraph.table:
        return paragraph.table.part
    text = paragraph.lines[0]
    for line in paragraph.lines[1:]:
        text = _glued(text, line, words)
    return Part(text, levels.level(paragraph, text))


def _glued(text: str, line: str, words: Counter[str]) -> str:
    """Join two lines; a word broken at a hyphen keeps it only if it is spelt so elsewhere."""
    ends_with_hyphen = text[-1] in _HYPHENS and len(text) > 1 and text[-2].isalpha()
    if not ends_with_hyphen or not line[0].islower():
        return f"{text} {line}"

    reversed_beginning = _LETTERS.match(text[-2 : -2 - _LONGEST_WORD : -1])
    beginning = reversed_beginning[0][::-1] if reversed_beginning else ""
    letters = _LETTERS.match(line)
    end = letters[0] if letters else ""
    hyphen = "-" if words[f"{beginning}-{end}"] > words[f"{beginning}{end}"] else ""
    return f"{text[:-1]}{hyphen}{line}"


def _continued(first: str, second: str, words: Counter[str]) -> str | None:
    """Join a paragraph with its continuation in the next column or page; None if it ends."""
    if first[-1] in ".!?:;" or not second[0].islower():
        return None
    return _glued(first, second, words)


# Regions of a page


def _laid_out(pages: Sequence[PdfPage]) -> list[list[Paragraph]]:
    """The paragraphs of each page; a table that continues on the next page keeps its headers."""
    laid_out: list[list[Paragraph]] = []
    columns: Columns | None = None
    for page in pages:
        paragraphs: list[Paragraph] = []
        for region in regions(with_forms(_with_grids(page.lines, page.rules))):
            for paragraph in paragraphs_of(region, columns, page.rules.across):
                columns = _columns_below(paragraph, columns)
                paragraphs.append(paragraph)
        turned = (line.text.replace(CELL_BREAK, " | ") for line in page.aside)
        paragraphs += [Paragraph((text,), 1.0) for text in turned]
        laid_out.append(paragraphs)
    return laid_out


def _with_grids(lines: Sequence[Line], rules: Rules) -> list[Line]:
    """The lines, with one line in place of each ruled table."""
    remaining = list(lines)
    if not rules.across or len(lines) > _MAX_LINES:
        return remaining
    words = [word for line in lines for word in line.known_words]
    for grid in (*grids(rules, words), *open_grids(rules, words)):
        in_grid = [line for line in remaining if _is_inside(line, grid)]
        if in_grid and not any(line.grid for line in in_grid):
            placeholder = Line(
                left=grid.edges[0],
                top=grid.heights[0],
                right=grid.edges[-1],
                bottom=grid.heights[-1],
                text=" ",
                size=median(line.size for line in in_grid),
                grid=grid,
            )
            remaining = [line for line in remaining if not _is_inside(line, grid)]
            remaining.append(placeholder)
    return remaining


def _is_inside(line: Line, grid: RuledGrid) -> bool:
    x, y = (line.left + line.right) / 2, (line.top + line.bottom) / 2
    return grid.edges[0] <= x <= grid.edges[-1] and grid.heights[0] <= y <= grid.heights[-1]


def regions(lines: Sequence[Line], depth: int = 0) -> list[Region]:
    """The lines of a page in reading order, as regions of one column each."""
    if not 1 < len(lines) <= _MAX_LINES or depth > _MAX_CUTS:
        return [list(lines)] if lines else []

    sides = _sides(lines)
    if sides:
        return [region for side in sides for region in regions(side, depth + 1)]

    gaps = _gaps((line.top, line.bottom) for line in lines)
    if not gaps:
        return [list(lines)]
    _, y = max(gaps, key=lambda gap: gap[1] - gap[0])
    above = regions([line for line in lines if line.top < y], depth + 1)
    below = regions([line for line in lines if line.top >= y], depth + 1)
    return [list(lines)] if len(above) == len(below) == 1 else above + below


def _sides(lines: Sequence[Line]) -> tuple[Region, ...]:
    """The columns of prose, which tables are not, on both sides of a vertical gap; () without."""
    narrowest = 0.9 * median(line.size for line in lines)
    gaps = _gaps((line.left, line.right) for line in lines)
    gutters = [gap for gap in gaps if gap[1] - gap[0] >= narrowest]
    for _, x in sorted(gutters, key=lambda gap: gap[0] - gap[1]):
        left = [line for line in lines if line.left < x]
        right = [line for line in lines if line.left >= x]
        if _is_prose(left, lines) and _is_prose(right, lines) and _overlap(left, right):
            return left, right
    return ()


def _gaps(spans: Iterable[Span]) -> list[Span]:
    return [(end, start) for (_, end), (start, _) in pairwise(united(spans))]


def _is_prose(side: Region, page: Sequence[Line]) -> bool:
    """Whether several rows fill a wide side that is neither figures nor centred bold headers."""
    is_centred = 2 * len({round(line.left) for line in side}) > len(side)
    if is_centred and all(line.bold for line in side):
        return False
    if _LINES_PER_FIGURE * sum(is_figure(line.text) for line in side) >= len(side):
        return False
    side_rows = rows_of(side)
    width = _width(side)
    filled = median(sum(line.right - line.left for line in row) for row in side_rows)
    return len(side_rows) >= 3 and width > 0.2 * _width(page) and filled > 0.6 * width


def _width(lines: Sequence[Line]) -> float:
    return max(line.right for line in lines) - min(line.left for line in lines)


def _overlap(left: Region, right: Region) -> bool:
    """Whether they overlap in a good part of the height of the shorter one."""
    (top, bottom), (right_top, right_bottom) = height_of(left), height_of(right)
    shared = min(bottom, right_bottom) - max(top, right_top)
    return shared > 0.4 * min(bottom - top, right_bottom - right_top)


# Paragraphs and tables of a region


def paragraphs_of(
    region: Region, before: Columns | None = None, rules: Extents = ()
) -> Iterator[Paragraph]:
    """The paragraphs and tables of a column. `before` are the columns of the last table above,
    `rules` the page's horizontal rules.
    """
    text = [line for line in region if not line.grid]
    for placed in sorted((line for line in region if line.grid), key=lambda line: line.top):
        middle = placed.top + placed.bottom
        above = [line for line in text if line.top + line.bottom < middle]
        text = [line for line in text if line.top + line.bottom >= middle]
        for paragraph in _unruled(above, before, rules):
            before = _columns_below(paragraph, before)
            yield paragraph
        if placed.grid:
            table = ruled_table(placed.grid, [*map(row_of, rows_of(above))], before)
            before = table.columns
            yield _of_table(table, placed.size)
    yield from _unruled(text, before, rules)


def _columns_below(paragraph: Paragraph, before: Columns | None) -> Columns | None:
    """The columns of a table below: the paragraph's, or else `before`, unless it is prose."""
    is_prose = sum(len(line.split()) for line in paragraph.lines) > PROSE
    columns = paragraph.table.columns if paragraph.table else None
    return columns or (None if is_prose else before)


def _unruled(region: Region, before: Columns | None, rules: Extents) -> Iterator[Paragraph]:
    region_rows = rows_of(region)
    end = 0
    for table in aligned_tables([row_of(row) for row in region_rows], before, rules):
        yield from _paragraphs(region_rows[end : table.begin], region)
        lines = chain.from_iterable(region_rows[table.begin : table.end])
        yield _of_table(table, median(line.size for line in lines))
        end = table.end
    yield from _paragraphs(region_rows[end:], region)


def _paragraphs(lines: Sequence[list[Line]], region: Region) -> Iterator[Paragraph]:
    """Paragraphs, and tables recognised by gaps in their rows."""
    if not lines:
        return
    merged = [_merged(row) for row in lines]
    pitch = median([b.top - a.bottom for a, b in pairwise(merged)] or [0.0])
    left = min(line.left for line in region)
    right = max(line.right for line in region)
    groups = grouped(
        merged, lambda group, line: not _begins_paragraph(group[-1], line, pitch, left, right)
    )
    yield from map(_paragraph, groups)


def _merged(row: list[Line]) -> Line:
    """The lines of a row as one, with a cell for each; the marker of an item is no cell."""
    top, bottom = height_of(row)
    is_item = len(row) == 2 and MARKER.fullmatch(row[0].text)
    separator = " " if is_item else CELL_BREAK
    widest = max(row, key=lambda line: line.right - line.left)
    return Line(
        left=row[0].left,
        top=top,
        right=max(line.right for line in row),
        bottom=bottom,
        text=separator.join(line.text for line in row),
        size=widest.size,
        bold=all(line.bold for line in row),
        form=any(line.form for line in row),
    )


def _is_row(line: Line) -> bool:
    return line.form or CELL_BREAK in line.text


def _begins_paragraph(above: Line, line: Line, pitch: float, left: float, right: float) -> bool:
    """`pitch` is the usual distance of lines, `left` and `right` are the edges of the column."""
    size = max(above.size, line.size)
    is_far = line.top - above.bottom > max(pitch, 0.0) + 0.35 * size
    if is_far or abs(above.size - line.size) > 0.12 * size:
        return True

    if _is_row(above) or _is_row(line):
        return _is_row(above) != _is_row(line)

    ends = bool(_SENTENCE_END.search(above.text))
    if (above.bold != line.bold and (above.bold or ends)) or BULLET.match(line.text):
        return True

    is_short = above.right < right - 0.2 * (right - left)
    is_indented = line.left > above.left + 0.8 * size and above.left < left + 0.5 * size
    return ends and (is_short or (is_indented and not BULLET.match(above.text)))


def _paragraph(lines: Sequence[Line]) -> Paragraph:
    size = median(line.size for line in lines)
    bold = all(line.bold for line in lines)
    if not _is_row(lines[0]):
        return Paragraph(tuple(line.text for line in lines), size, bold)

    rows = [_labelled(line) for line in lines]
    labels = list(dict.fromkeys(label for row in rows for label, _ in row if label))
    text = TableText()
    text.name_columns(labels)
    for row in rows:
        numbered = [(labels.index(label) if label else -1, cell) for label, cell in row]
        text.row(labelled(numbered, labels))
    return _of_table(Table(text.part()), size, bold)


def _of_table(table: Table, size: float, bold: bool = False) -> Paragraph:
    return Paragraph(tuple(table.part.text.split("\n")), size, bold, table)


def _labelled(line: Line) -> list[tuple[str, str]]:
    """Each cell after its label: that of a form, a cell before it with a colon, or ""."""
    cells: list[tuple[str, str]] = []
    for text in filter(str.strip, line.text.split(CELL_BREAK)):
        before, colon, value = text.partition(": ") if line.form else ("", "", "")
        label, last = cells[-1] if cells else ("", "")
        if not line.form and not label and last.endswith(":") and not text.endswith(":"):
            is_label = len(last) <= _LONGEST_LABEL and last[:-1] != text
            cells[-1] = (last[:-1], text) if is_label else ("", f"{last} {text}")
        elif colon and value and before != value and len(before) <= _LONGEST_LABEL:
            cells.append((before, value))
        else:
            cells.append(("", text))
    return cells
